#!/usr/bin/python3
"""make_iso9660.py FOLDER: the seeds of fuzz_compare_iso9660, written by the letter of ECMA-119."""
import struct
import sys

S = 2048


def both16(n):
    return struct.pack('<H', n) + struct.pack('>H', n)


def both32(n):
    return struct.pack('<I', n) + struct.pack('>I', n)


def susp(mark, data, version=1):
    return mark + bytes([4 + len(data), version]) + data


def px(mode=0o100644, uid=0):
    return susp(b'PX', both32(mode) + both32(1) + both32(uid) + both32(0))


def tf(year=120):
    return susp(b'TF', b'\x0e' + bytes([year, 1, 2, 3, 4, 5, 0]) * 3)


def nm(name):
    return susp(b'NM', b'\0' + name)


def record(name, extent, size, flags=0, use=b'', year=120):
    pad = b'\0' if len(name) % 2 == 0 else b''
    body = (both32(extent) + both32(size) + bytes([year, 1, 2, 3, 4, 5, 0, flags, 0, 0]) +
            both16(1) + bytes([len(name)]) + name + pad + use)
    n = 2 + len(body)
    return bytes([n + n % 2, 0]) + body + b'\0' * (n % 2)


def descriptor(kind, root, blocks, table, places, joliet=False, volid=b'SEED', year=b'2020'):
    d = bytearray(S)
    d[0:7] = bytes([kind]) + b'CD001\1'
    d[8:72] = b' ' * 64
    d[40:40 + len(volid)] = volid
    d[80:88] = both32(blocks)
    if joliet:
        d[88:91] = b'%/E'
    d[120:132] = both16(1) + both16(1) + both16(S)
    d[132:140] = both32(len(table))
    d[140:144] = struct.pack('<I', places[0])
    d[148:152] = struct.pack('>I', places[1])
    d[156:190] = root
    d[190:813] = b' ' * 623
    for at in (813, 830):
        d[at:at + 17] = year + b'010203040500\0'
    for at in (847, 864):
        d[at:at + 17] = b'0' * 16 + b'\0'
    d[881] = 1
    return bytes(d)


def table(dirs, big):
    """dirs: (name, extent, parent)."""
    out = b''
    for name, extent, parent in dirs:
        out += (bytes([len(name), 0]) + struct.pack('>IH' if big else '<IH', extent, parent) +
                name + b'\0' * (len(name) % 2))
    return out


def image(one=b'one\n', two=b'two\n', year=120, mode=0o100644, joliet=True, rock=True, boot=True,
          shift=0, link=b'\0\3one', moved=False, loop=False, pieces=False, tail=0, vyear=b'2020'):
    """The sectors of an image, as {place: bytes}, and how many there are."""
    s = {}
    at = 16
    vds = 2 + joliet + boot
    lists = at + vds            # tables
    root = lists + (4 if joliet else 2)
    sub, jroot, jsub, more, cat = root + 1, root + 2, root + 3, root + 4, root + 5
    f1 = root + 6 + shift
    f2 = f1 + 1
    b1 = f1 + 2
    blocks = b1 + 1
    dots = (b'\0', b'\1')

    def use(name, *extra, m=mode):
        return (nm(name) if name else b'') + px(m) + tf(year) + b''.join(extra) if rock else b''

    er = susp(b'ER', b'\4\4\4\1RRIPtestdata')
    ce = susp(b'CE', both32(more) + both32(0) + both32(len(er)))
    sp = susp(b'SP', b'\xbe\xef\0') if rock else b''
    d = record(dots[0], root, S, 2, sp + (use(b'', ce, m=0o40755) if rock else b''), year)
    d += record(dots[1], root, S, 2, use(b'', m=0o40755), year)
    if moved:
        d += record(b'SUB', f2, 4, 0, use(b'sub', susp(b'CL', both32(sub))), year)
        d += record(b'SUB2', sub, S, 2, use(b'sub2', susp(b'RE', b''), m=0o40755), year)
    else:
        d += record(b'SUB', root if loop else sub, S, 2, use(b'sub', m=0o40755), year)
    d += record(b'ONE.;1', f1, S if pieces else len(one), 0x80 if pieces else 0, use(b'one'), year)
    if pieces:
        d += record(b'ONE.;1', f2, len(two), 0, use(b'one'), year)
    d += record(b'LINK.;1', 0, 0, 0, use(b'link', susp(b'SL', b'\0' + link), m=0o120777), year)
    s[root] = d
    pl = susp(b'PL', both32(root)) if moved else b''
    d = record(dots[0], sub, S, 2, use(b'', m=0o40755), year)
    d += record(dots[1], root, S, 2, use(b'', pl, m=0o40755), year)
    if not pieces:
        d += record(b'TWO.;1', f2, len(two), 0, use(b'two'), year)
    s[sub] = d
    dirs = [(b'\0', root, 1), (b'SUB2' if moved else b'SUB', sub, 1)]
    s[lists] = table(dirs, False)
    s[lists + 1] = table(dirs, True)
    s[at] = descriptor(1, record(dots[0], root, S, 2, b'', year), blocks, s[lists],
                       (lists, lists + 1), year=vyear)
    at += 1
    if boot:
        v = bytearray(S)
        v[0:30] = b'\0CD001\1EL TORITO SPECIFICATION'
        v[0x47:0x4b] = struct.pack('<I', cat)
        s[at] = bytes(v)
        at += 1
        head = bytearray(b'\1' + bytes(27) + b'\0\0\x55\xaa')
        total = sum(struct.unpack('<16H', head)) & 0xffff
        head[28:30] = struct.pack('<H', (0x10000 - total) & 0xffff)
        s[cat] = bytes(head) + b'\x88\0\0\0\0\0' + struct.pack('<HI', 1, b1) + bytes(20)
        s[b1] = b'boot me' + bytes(20)
    if joliet:
        u = 'sub'.encode('utf-16-be')
        d = record(dots[0], jroot, S, 2, b'', year) + record(dots[1], jroot, S, 2, b'', year)
        d += record(u, jsub, S, 2, b'', year)
        d += record('one'.encode('utf-16-be'), f1, len(one), 0, b'', year)
        s[jroot] = d
        d = record(dots[0], jsub, S, 2, b'', year) + record(dots[1], jroot, S, 2, b'', year)
        d += record('two'.encode('utf-16-be'), f2, len(two), 0, b'', year)
        s[jsub] = d
        dirs = [(b'\0', jroot, 1), (u, jsub, 1)]
        s[lists + 2] = table(dirs, False)
        s[lists + 3] = table(dirs, True)
        s[at] = descriptor(2, record(dots[0], jroot, S, 2, b'', year), blocks, s[lists + 2],
                           (lists + 2, lists + 3), True, b'\0S\0E', vyear)
        at += 1
    s[at] = b'\xffCD001\1'
    if rock:
        s[more] = er
    s[f1] = one
    s[f2] = two
    return s, blocks + tail


def packed(img):
    sectors, n = img
    out = struct.pack('>H', n)
    for at in sorted(sectors):
        data = sectors[at].rstrip(b'\0') if len(sectors[at]) == S else sectors[at]
        out += struct.pack('>HH', at, len(data)) + data
    return out


def seed(name, a, b):
    pa = packed(a)
    with open(sys.argv[1] + '/' + name, 'wb') as f:
        f.write(struct.pack('>I', len(pa)) + pa + packed(b))


seed('times', image(), image(year=121, vyear=b'2021'))
seed('content', image(), image(two=b'owt\n'))
seed('mode', image(joliet=False, boot=False), image(mode=0o104755, joliet=False, boot=False))
seed('place', image(), image(shift=1))
seed('link', image(joliet=False, boot=False), image(link=b'\4\0\0\3one', joliet=False, boot=False))
seed('moved', image(moved=True, joliet=False), image(moved=True, joliet=False, two=b'2'))
seed('loop', image(), image(loop=True))
seed('pieces', image(pieces=True, joliet=False, boot=False, one=b'1' * S),
     image(pieces=True, joliet=False, boot=False, one=b'1' * S, two=b'2'))
seed('plain', image(rock=False, joliet=False, boot=False),
     image(rock=False, joliet=False, boot=False, one=b'eno\n'))
seed('trees', image(), image(joliet=False, boot=False))
seed('behind', image(), image(tail=1))
