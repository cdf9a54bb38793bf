#!/usr/bin/env python3
"""tamper.py GLARUS: whatever is hidden beside a build-id that differs as it may, at every level of
nesting, is found: unexplained, and located.  All cases are folders of two trees, so that one comparison
answers all of them; what is written here is written by Python, zstd and GNU's tools."""
import gzip, hashlib, io, json, lzma, os, platform, re, struct, subprocess, sys, tarfile, tempfile, zipfile

glarus = os.path.realpath(sys.argv[1])
EVIL = b"evil"
SCRIPT = b"#!/bin/sh\nset -e\necho all is well\n"
SOURCE = r"""
#include <stdio.h>
#include <string.h>
int table[64] = {1, 2, 3};
__attribute__((noinline)) int check(const char *s) { if (strcmp(s, "secret") == 0) return 7; return table[s[1] & 63]; }
int main(int argc, char **argv) { printf("%d\n", check(argv[0]) + argc); return 0; }
"""
NOTE = '.section .note.GNU-stack,"",%progbits\n.section .note.extra,"a",%note\n.balign 4\n.long 4, 4, 9\n.asciz "XYZ"\n.long 5\n'


# --- a program, and what is done to it ---

def sections(elf):
    at, = struct.unpack_from("<Q", elf, 40)
    size, n, names = struct.unpack_from("<HHH", elf, 58)
    v = [struct.unpack_from("<IIQQQQ", elf, at + i * size) for i in range(n)]
    text = v[names][4]
    return {elf[text + s[0]:elf.index(b"\0", text + s[0])].decode(): s[3:] for s in v}  # address, offset, size


def programs():
    """What the program is in A and in B, and in B with each tampering; where the byte is."""
    def cc(out, build_id, *more):
        subprocess.run(["gcc", "-O2", "-fPIE", "-pie", "p.c", *more, "-o", out, "-Wl,--build-id=0x" + build_id], check=True)
        with open(out, "rb") as f:
            return f.read()
    with open("p.c", "w") as f:
        f.write(SOURCE)
    with open("n.s", "w") as f:
        f.write(NOTE)
    a, b = cc("a", "11" * 20), cc("b", "22" * 20)
    made = {"": b, "note": cc("n", "22" * 20, "n.s")}
    where = {}
    _, off, size = sections(b)[".eh_frame"]
    where["padding"] = off + size + 9
    assert b[off + size:off + size + 16] == bytes(16)
    made["padding"] = edit(b, where["padding"], b"A")
    if platform.machine() == "x86_64":
        address, off, _ = sections(b)[".text"]
        lines = subprocess.run(["objdump", "-d", "--disassemble=check", "b"], check=True, capture_output=True, text=True)
        at, code = next(m.groups() for m in re.finditer(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\tjn?e ", lines.stdout, re.M))
        at = int(at, 16) - address + off + (code[:2] == "0f")
        where["branch"] = at
        made["branch"] = edit(b, at, bytes([b[at] ^ 1]))
    return a, made, where


def edit(data, at, new):
    return data[:at] + new + data[at + len(new):]


# --- containers; hide names what is hidden in which of them ---

def tar(files, hide):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, (mode, data) in files.items():
            i = tarfile.TarInfo(name)
            i.mode, i.size, i.mtime, i.uname, i.gname = mode, len(data), 1000000000, "root", "root"
            t.addfile(i, io.BytesIO(data))
    data = out.getvalue()
    if hide == "tar padding":
        at = data.index(SCRIPT) + len(SCRIPT) + 100
        data = edit(data, at, EVIL)
    if hide == "tar zeros":
        data = edit(data, len(data) - 300, EVIL)
    return data + (EVIL if hide == "tar end" else b"")


def gz(data, hide):
    return gzip.compress(data, 6, mtime=0) + (EVIL if hide == "gz end" else b"")


def xz(data, hide):
    return lzma.compress(data, preset=0) + (EVIL if hide == "xz end" else b"")


def zst(data, hide):
    data = subprocess.run(["zstd", "-1cq"], input=data, capture_output=True, check=True).stdout
    return data + (EVIL if hide == "zst end" else b"")


def zip_(files, hide):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, (mode, data) in files.items():
            i = zipfile.ZipInfo(name, (2001, 9, 9, 1, 46, 40))
            i.external_attr, i.compress_type = (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
            z.writestr(i, data)
    data = out.getvalue()
    if hide == "zip stream":  # of the last member: longer by what its stream does not need
        c = data.rindex(b"PK\1\2")
        end = data.index(b"PK\1\2")
        local, = struct.unpack_from("<I", data, c + 42)
        packed, = struct.unpack_from("<I", data, c + 20)
        e = data.rindex(b"PK\5\6")
        data = edit(data, e + 16, struct.pack("<I", end + len(EVIL)))
        data = edit(data, c + 20, struct.pack("<I", packed + len(EVIL)))
        data = edit(data, local + 18, struct.pack("<I", packed + len(EVIL)))
        data = data[:end] + EVIL + data[end:]
    return data + (EVIL if hide == "zip end" else b"")


def cpio(files, hide):
    out = b""
    for ino, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))]):
        numbers = (ino + 1, mode and 0o100000 | mode, 0, 0, 1, 1000000000, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % n for n in numbers) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data + bytes(-len(data) % 4)
    return out + (EVIL if hide == "cpio end" else b"")


def ar(members, hide):
    out = b"!<arch>\n"
    for name, data in members:
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(data))
        out += data + b"\n" * (len(data) % 2)
    return out + (EVIL if hide == "deb end" else b"")


def deb(files, hide):
    """hide: "data tar end", "control xz end", ..., "deb end", "deb member"."""
    def part(which):
        return hide[len(which) + 1:] if hide.startswith(which + " ") else ""
    sums = b"".join(b"%s  %s\n" % (md5(d).encode(), n.encode()) for n, (_, d) in files.items())
    control = {"control": (0o644, b"Package: x\nVersion: 1\nArchitecture: all\n"), "md5sums": (0o644, sums)}
    if hide == "control script":
        control["postinst"] = (0o755, SCRIPT.replace(b"well", b"evil"))
    elif hide != "control member":
        control["postinst"] = (0o755, SCRIPT)
    members = [("debian-binary", b"2.0\n"),
               ("control.tar.xz", xz(tar(control, part("control")), part("control"))),
               ("data.tar.xz", xz(tar(files, part("data")), part("data")))]
    if hide == "deb member":
        members.append(("_extra", EVIL))
    return ar(members, hide)


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# --- levels: what holds the files, and what may be hidden in that alone.  For each such place: below
# which names it must be told, and by which words. ---

GAP = "bytes that no part of the format accounts for"
BEHIND = "bytes behind the end of the archive"
PAD = "the padding of a member"


def one(name, data):
    return {name: (0o644, data)}


LEVELS = {
    "tree": (lambda f, h: f, [], {}),
    "tar": (lambda f, h: one("x.tar", tar(f, h)), ["x.tar"],
            {"tar end": ("", BEHIND), "tar zeros": ("", BEHIND), "tar padding": ("", PAD)}),
    "targz": (lambda f, h: one("x.tgz", gz(tar(f, h), h)), ["x.tgz", "x.tar"],
              {"tar end": ("x.tar", BEHIND), "tar padding": ("x.tar", PAD), "gz end": ("x.tgz", GAP)}),
    "tarxz": (lambda f, h: one("x.txz", xz(tar(f, h), h)), ["x.txz", "x"],
              {"tar end": ("x", BEHIND), "tar zeros": ("x", BEHIND), "xz end": ("x.txz", GAP)}),
    "zip": (lambda f, h: one("x.zip", zip_(f, h)), ["x.zip"],
            {"zip end": ("x.zip", GAP), "zip stream": ("x.zip", GAP)}),
    "cpio": (lambda f, h: one("x.cpio", cpio(f, h)), ["x.cpio"], {"cpio end": ("x.cpio", BEHIND)}),
    "cpio in gz": (lambda f, h: one("x.cpio.gz", gz(cpio(f, h), h)), ["x.cpio.gz", "x.cpio"],
                   {"cpio end": ("x.cpio", BEHIND), "gz end": ("x.cpio.gz", GAP)}),
    "deb": (lambda f, h: one("x.deb", deb(f, h)), ["x.deb", "data.tar.xz", "data.tar"],
            {"deb end": ("x.deb", GAP), "deb member": ("_extra", "it is only in B"),
             "data tar end": ("data.tar", BEHIND), "data tar padding": ("data.tar", PAD), "data xz end": ("data.tar.xz", GAP),
             "control tar end": ("control.tar", BEHIND), "control xz end": ("control.tar.xz", GAP),
             "control script": ("postinst", 'line 3: "echo all is well" became "echo all is evil"'),
             "control member": ("postinst", "it is only in A")}),
    "deb in tar.zst": (lambda f, h: one("x.tar.zst", zst(tar(one("x.deb", deb(f, h)), h), h)),
                       ["x.tar.zst", "x.tar", "x.deb", "data.tar.xz", "data.tar"],
                       {"zst end": ("x.tar.zst", GAP), "tar end": ("x.tar", BEHIND), "deb end": ("x.deb", GAP),
                        "deb member": ("_extra", "it is only in B"), "data tar end": ("data.tar", BEHIND),
                        "data xz end": ("data.tar.xz", GAP), "control xz end": ("control.tar.xz", GAP),
                        "control script": ("postinst", "line 3: ")}),
    "zip in tar.gz": (lambda f, h: one("x.tgz", gz(tar(one("x.zip", zip_(f, h)), h), h)),
                      ["x.tgz", "x.tar", "x.zip"],
                      {"gz end": ("x.tgz", GAP), "tar end": ("x.tar", BEHIND), "zip end": ("x.zip", GAP),
                       "zip stream": ("x.zip", GAP)}),
    "debs": (lambda f, h: {"pool/x.deb": (0o644, deb(f, h)), "pool/y.deb": (0o644, deb({"readme": (0o644, SCRIPT)}, ""))},
             ["pool", "x.deb", "data.tar.xz", "data.tar"],
             {"deb end": ("x.deb", GAP), "data xz end": ("data.tar.xz", GAP), "control tar end": ("control.tar", BEHIND)}),
}


def tampered(files, how, programs_of_b):
    """What is done to the files themselves; else they are as they are."""
    files = dict(files)
    files["prog"] = (files["prog"][0], programs_of_b[how] if how in programs_of_b else programs_of_b[""])
    if how == "script":
        files["run.sh"] = (0o755, SCRIPT.replace(b"well", b"evil"))
    if how in ("setuid", "sticky", "write"):
        files["run.sh"] = ({"setuid": 0o4755, "sticky": 0o1755, "write": 0o757}[how], SCRIPT)
    if how == "member":
        files["extra"] = (0o644, EVIL)
    return files


def told(how, where):
    """Node and words of each of these, and the byte that must be in the range that is told."""
    mode = {"setuid": "4755", "sticky": "1755", "write": "0757"}
    if how in mode:
        return None, r'the mode of "run\.sh"( is|:) (0755 and %s|100755 and 10%s)' % (mode[how], mode[how]), None
    return {"branch": ("prog", r"check\+0x", where.get("branch")), "padding": ("prog", GAP, where["padding"]),
            "note": ("prog", r"section \.note\.extra is only in B", None),
            "script": ("run.sh", 'line 3: "echo all is well" became "echo all is evil"', None),
            "member": ("extra", "it is only in B", None)}[how]


# --- all of them ---

def put(root, files):
    for name, (mode, data) in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)


def write_all(programs_of_a, programs_of_b):
    """Writes A and B; returns for each case: level, what was hidden."""
    cases = {}
    base = {"prog": (0o755, programs_of_a), "run.sh": (0o755, SCRIPT)}
    inside = ["branch", "padding", "note", "script", "setuid", "sticky", "write", "member"]
    for level, (build, _, own) in LEVELS.items():
        before = build(base, "")
        for how in ["", *inside, *own]:
            if how == "branch" and how not in programs_of_b:
                continue
            name = f"{level}: {how or 'nothing'}"
            cases[name] = (level, how)
            put(f"A/{name}", before)
            put(f"B/{name}", build(tampered(base, how, programs_of_b), how))
    return cases


def flat(node, path=()):
    """Each node with the names that lead to it."""
    name = node["names"][1] or node["names"][0] or f"({node['format']})"
    here = (*path, name)
    yield here, node
    for c in node["children"]:
        yield from flat(c, here)


def findings(case, word):
    return [(path, f) for path, n in flat(case) for f in n["findings"] if f["class"] == word]


def judge(name, case, level, how, where):
    """An empty text, or what is wrong."""
    way, own = LEVELS[level][1:]
    bad = findings(case, "unexplained")
    if how == "":
        rest = [f for p, f in findings(case, "derived-only")]
        if bad or case["class"] != "derived-only" or not any("build-id" in f["what"] for f in rest):
            return f"{case['class']} though only the build-id differs: {bad}"
        return ""
    if case["class"] != "unexplained":
        return f"it is {case['class']}"
    node, words, byte = own[how] + (None,) if how in own else told(how, where)
    if how not in own:  # beneath all that holds it
        last = [node] if node is not None else []
        want = (name, *way, *last)
    elif node == "":
        want = (name, *way)
    else:
        want = None
    for path, f in bad:
        if path[-1] == "md5sums" and how == "deb member":  # four parts are no package: an ar, of which no sums are known
            continue
        if want is not None and path != want and not (how == "member" and path == want[:-1]):  # a zip's directory
            return f"told at {path} instead of {want}: {f}"
        if want is None and path[-1] != node:
            return f"told at {path} instead of {node}: {f}"
        size = len(EVIL) if how in own else 1
        if words in (GAP, BEHIND, PAD) and f["n"][1] != size:
            return f"{f['n']} bytes instead of {size}: {f}"
    if not any(re.match(words, f["what"]) or words in f["what"] for _, f in bad):
        return f"no {words!r} in {bad}"
    if byte is not None and not any(f["at"][1] <= byte < f["at"][1] + f["n"][1] for _, f in bad):
        return f"byte {byte:#x} is in none of {bad}"
    return ""


def main():
    a, made, where = programs()
    cases = write_all(a, made)
    run = subprocess.run([glarus, "compare", "--json", "A", "B"], stdout=subprocess.PIPE)
    assert run.returncode == 1, run.returncode
    report = json.loads(run.stdout.decode())
    found = {c["names"][1]: c for c in report["root"]["children"]}
    wrong = 0
    for name, (level, how) in cases.items():
        why = judge(name, found[name], level, how, where) if name in found else "it is identical"
        if why:
            wrong += 1
            print(f"tamper: {name}: {why}", file=sys.stderr)
    # files that are named themselves
    for how, data in made.items():
        with open("one", "wb") as f:
            f.write(data)
        run = subprocess.run([glarus, "compare", "--json", "a", "one"], stdout=subprocess.PIPE)
        word = json.loads(run.stdout.decode())["class"]
        if run.returncode != 1 or word != ("unexplained" if how else "derived-only"):
            wrong += 1
            print(f"tamper: a program alone, {how or 'nothing'}: {word}", file=sys.stderr)
    print(f"tamper: {len(cases) + len(made)} cases, {wrong} wrong")
    return wrong != 0


with tempfile.TemporaryDirectory() as work:
    os.umask(0o022)
    os.chdir(work)
    sys.exit(main())
