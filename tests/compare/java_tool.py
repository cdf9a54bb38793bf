"""java_tool.py - class files for the tests of glarus compare, by the arithmetic of JVMS chapter 4.

make() writes one with whatever chapter 4 knows; shuffled() takes one that javac wrote, and gives its
constants other numbers.  Neither shares anything with what is tested.
"""
import random
import struct
import zipfile

u1 = lambda v: struct.pack(">B", v & 0xFF)
u2 = lambda v: struct.pack(">H", v & 0xFFFF)
u4 = lambda v: struct.pack(">I", v & 0xFFFFFFFF)


class Pool:
    """Constants by what they are; their numbers are in the order in which they are asked for."""

    def __init__(self):
        self.number, self.out, self.next = {}, [], 1

    def get(self, *key):
        if key in self.number:
            return self.number[key]
        tag, rest = key[0], key[1:]
        if tag == 1:
            b = u1(1) + u2(len(rest[0].encode())) + rest[0].encode()
        elif tag in (3, 4):
            b = u1(tag) + u4(rest[0])
        elif tag in (5, 6):
            b = u1(tag) + struct.pack(">Q", rest[0])
        elif tag in (7, 8, 16, 19, 20):
            b = u1(tag) + u2(self.get(1, rest[0]))
        elif tag == 12:
            b = u1(12) + u2(self.get(1, rest[0])) + u2(self.get(1, rest[1]))
        elif tag in (9, 10, 11):
            b = u1(tag) + u2(self.get(7, rest[0])) + u2(self.get(12, rest[1], rest[2]))
        elif tag == 15:
            b = u1(15) + u1(rest[0]) + u2(self.get(*rest[1]))
        else:  # 17, 18
            b = u1(tag) + u2(rest[0]) + u2(self.get(12, rest[1], rest[2]))
        self.number[key] = self.next
        self.out.append(b)
        self.next += 2 if tag in (5, 6) else 1
        return self.number[key]

    def bytes(self):
        return u2(self.next) + b"".join(self.out)


def table(entries, count=u2):
    return count(len(entries)) + b"".join(entries)


def make(order=None, year=2022, text="hello", line=7, sum=3, flags=0x21, order_of_methods=0,
         unknown=None, constant=41, path="/build/one/C.java", more=0, kind=6, frame=0):
    """order: a seed; then the constants are numbered in another order."""
    p = Pool()
    if order not in (None, "keys"):
        keys = make("keys", year, text, line, constant=constant, path=path, unknown=unknown)
        random.Random(order).shuffle(keys)
        for k in keys:
            p.get(*k)
    c = lambda *k: u2(p.get(*k))
    name = lambda s: c(1, s)
    attribute = lambda n, b: name(n) + u4(len(b)) + b
    println = (10, "java/io/PrintStream", "println", "(Ljava/lang/String;)V")
    bootstrap = (15, kind, (10, "C", "boot", "()V"))
    code = [b"\xb2" + c(9, "java/lang/System", "out", "Ljava/io/PrintStream;"),
            b"\x12" + u1(p.get(8, text)), b"\xb6" + c(*println),
            b"\x11" + u2(year), b"\x10" + u1(sum), b"\x60", b"\x57",  # sipush bipush iadd pop
            b"\x14" + c(5, 1 << 40), b"\x58", b"\x13" + c(3, constant), b"\x57",
            b"\xba" + c(18, 0, "call", "()V") + u2(0), b"\x13" + c(17, 1, "dyn", "I"), b"\x57",
            b"\x1a", b"\xc4\x84" + u2(1) + u2(300), b"\xa7" + u2(3)]
    code += [b"\x00"] * more
    at = len(b"".join(code)) + 1
    pad = b"\0" * (-(at + 1) % 4)
    code += [b"\x1a", b"\xaa" + pad + u4(20) + u4(0) + u4(0) + u4(20)]
    at = len(b"".join(code)) + 1
    pad = b"\0" * (-(at + 1) % 4)
    code += [b"\x1a", b"\xab" + pad + u4(20) + u4(1) + u4(5) + u4(20)]
    code += [b"\xb9" + c(11, "I", "go", "()V") + u1(1) + u1(0),
             b"\xc5" + c(7, "[[I") + u1(2), b"\xbb" + c(7, "C"), b"\xb1"]
    code = b"".join(code)
    frames = [u1(5), u1(70) + u1(7) + c(7, "C"), u1(247) + u2(3) + u1(1), u1(250) + u2(1),
              u1(251) + u2(2), u1(253) + u2(1) + u1(8) + u2(0) + u1(7) + c(7, "I"),
              u1(255) + u2(frame) + u2(1) + u1(1) + u2(1) + u1(5)]
    annotation = name("LA;") + u2(3) + name("a") + b"s" + name("value") + \
        name("b") + b"[" + u2(2) + b"I" + c(3, 5) + b"@" + name("LB;") + u2(0) + \
        name("c") + b"e" + name("LE;") + name("ONE")
    of_type = u1(0x13) + u1(1) + u1(0) + u1(0) + name("LA;") + u2(0)
    in_code = u1(0x40) + table([u2(0) + u2(1) + u2(1)]) + u1(0) + name("LA;") + u2(0)
    attributes = [
        attribute("LineNumberTable", table([u2(0) + u2(line), u2(3) + u2(line + 1)])),
        attribute("LocalVariableTable", table([u2(0) + u2(9) + name("args") + name("I") + u2(0)])),
        attribute("LocalVariableTypeTable", table([u2(0) + u2(9) + name("args") + name("TT;") +
                                                   u2(0)])),
        attribute("StackMapTable", table(frames)),
        attribute("RuntimeVisibleTypeAnnotations", table([in_code]))]
    body = u2(4) + u2(2) + u4(len(code)) + code + table([u2(0) + u2(3) + u2(5) +
                                                        c(7, "java/lang/Error")])
    body += table(attributes)
    method = [
        u2(9) + name("main") + name("(I)V") + table([
            attribute("Code", body), attribute("Exceptions", table([c(7, "java/lang/Error")])),
            attribute("Signature", name("<T:>(I)V")), attribute("Deprecated", b""),
            attribute("MethodParameters", table([name("args") + u2(0)], u1)),
            attribute("RuntimeVisibleAnnotations", table([annotation])),
            attribute("RuntimeInvisibleParameterAnnotations", table([table([annotation])], u1)),
            attribute("AnnotationDefault", b"c" + name("V"))]),
        u2(0x401) + name("boot") + name("()V") + u2(0)]
    if order_of_methods:
        method.reverse()
    field = [u2(0x19) + name("F") + name("I") + table([attribute("ConstantValue", c(3, constant))]),
             u2(2) + name("g") + name("I") + u2(0)]
    parts = [
        attribute("SourceFile", name(path)),
        attribute("InnerClasses", table([c(7, "C$I") + c(7, "C") + name("I") + u2(8)])),
        attribute("EnclosingMethod", c(7, "D") + c(12, "m", "()V")),
        attribute("BootstrapMethods", table([c(*bootstrap) + table([c(8, text)]),
                                             c(*bootstrap) + table([])])),
        attribute("NestHost", c(7, "C")), attribute("NestMembers", table([c(7, "C$I")])),
        attribute("PermittedSubclasses", table([c(7, "C$I")])),
        attribute("Record", table([name("r") + name("I") + table([
            attribute("Signature", name("I")),
            attribute("RuntimeVisibleTypeAnnotations", table([of_type]))])])),
        attribute("SourceDebugExtension", b"SMAP"),
        attribute("Module", c(19, "m") + u2(0) + u2(0) + table([c(19, "java.base") + u2(0x8000) +
                                                              u2(0)]) +
                  table([c(20, "p") + u2(0) + table([c(19, "q")])]) +
                  table([c(20, "p") + u2(0) + table([])]) + table([c(7, "I")]) +
                  table([c(7, "I") + table([c(7, "C")])])),
        attribute("ModulePackages", table([c(20, "p")])),
        attribute("ModuleMainClass", c(7, "C")),
        attribute("RuntimeInvisibleAnnotations", table([annotation]))]
    if unknown is not None:
        parts.append(attribute(unknown, b"\0\1"))
    rest = u2(flags) + c(7, "C") + c(7, "java/lang/Object") + table([c(7, "I"), c(7, "J")]) + \
        table(field) + table(method) + table(parts)
    if order == "keys":
        return list(p.number)
    return b"\xca\xfe\xba\xbe" + u2(0) + u2(61) + p.bytes() + rest


class Walk:
    """A class file whose references are rewritten by to: old number -> new number."""

    def __init__(self, b):
        self.b, self.at, self.out, self.to, self.text = b, 0, b"", {}, {}

    def take(self, n):
        self.at += n
        self.out += self.b[self.at - n:self.at]
        return int.from_bytes(self.b[self.at - n:self.at], "big")

    def ref(self, n=2):
        old = int.from_bytes(self.b[self.at:self.at + n], "big")
        self.at += n
        self.out += self.to.get(old, old).to_bytes(n, "big")
        return old

    def rows(self, what, count=2):
        for _ in range(self.take(count)):
            what()

    def element(self):
        tag = chr(self.take(1))
        if tag == "[":
            self.rows(self.element)
        elif tag == "@":
            self.annotation()
        else:
            self.ref()
            if tag == "e":
                self.ref()

    def annotation(self):
        self.ref()
        self.rows(lambda: (self.ref(), self.element()))

    def type_info(self):
        tag = self.take(1)
        if tag == 7:
            self.ref()
        elif tag == 8:
            self.take(2)

    def frame(self):
        t = self.take(1)
        if 64 <= t < 128:
            self.type_info()
        elif t == 247:
            self.take(2), self.type_info()
        elif 248 <= t <= 251:
            self.take(2)
        elif 252 <= t <= 254:
            self.take(2)
            for _ in range(t - 251):
                self.type_info()
        elif t == 255:
            self.take(2), self.rows(self.type_info), self.rows(self.type_info)

    def code(self):
        self.take(4)
        n = self.take(4)
        start, end = self.at, self.at + n
        while self.at < end:
            op = self.take(1)
            if op == 0x12:
                self.ref(1)
            elif op in (0x13, 0x14) or 0xB2 <= op <= 0xB8 or op in (0xBB, 0xBD, 0xC0, 0xC1):
                self.ref()
            elif op in (0xB9, 0xBA):
                self.ref(), self.take(2)
            elif op == 0xC5:
                self.ref(), self.take(1)
            elif op in (0xAA, 0xAB):
                self.take(-(self.at - start) % 4)
                self.take(4)
                first = self.take(4)
                self.take(4 * (self.take(4) - first + 1) if op == 0xAA else 8 * first)
            elif op in (0x10, 0xBC, 0xA9) or 0x15 <= op <= 0x19 or 0x36 <= op <= 0x3A:
                self.take(1)
            elif op in (0x11, 0x84) or 0x99 <= op <= 0xA8 or op in (0xC6, 0xC7):
                self.take(2)
            elif op in (0xC8, 0xC9):
                self.take(4)
            elif op == 0xC4:
                self.take(5 if self.take(1) == 0x84 else 2)
        self.rows(lambda: (self.take(6), self.ref()))
        self.rows(self.attribute)

    def attribute(self):
        name = self.text[self.ref()]
        n = self.take(4)
        end = self.at + n
        t, r = self.take, self.ref
        {"Code": self.code, "ConstantValue": r, "SourceFile": r, "Signature": r,
         "Exceptions": lambda: self.rows(r), "LineNumberTable": lambda: t(n),
         "LocalVariableTable": lambda: self.rows(lambda: (t(4), r(), r(), t(2))),
         "LocalVariableTypeTable": lambda: self.rows(lambda: (t(4), r(), r(), t(2))),
         "InnerClasses": lambda: self.rows(lambda: (r(), r(), r(), t(2))),
         "EnclosingMethod": lambda: (r(), r()), "Deprecated": lambda: 0, "Synthetic": lambda: 0,
         "StackMapTable": lambda: self.rows(self.frame),
         "RuntimeVisibleAnnotations": lambda: self.rows(self.annotation)}[name]()
        assert self.at == end, name

    def member(self):
        self.take(2), self.ref(), self.ref(), self.rows(self.attribute)

    def constants(self, seed):
        at, kept = 10, {}
        size = {1: 0, 3: 5, 4: 5, 5: 9, 6: 9, 7: 3, 8: 3, 9: 5, 10: 5, 11: 5, 12: 5, 15: 4, 16: 3,
                17: 5, 18: 5}
        i, count = 1, int.from_bytes(self.b[8:10], "big")
        while i < count:
            tag = self.b[at]
            n = 3 + int.from_bytes(self.b[at + 1:at + 3], "big") if tag == 1 else size[tag]
            kept[i] = self.b[at:at + n]
            if tag == 1:
                self.text[i] = kept[i][3:].decode("utf-8", "replace")
            at += n
            i += 2 if tag in (5, 6) else 1
        for low, high in ((1, 256), (256, count)):  # ldc has one byte
            old = [k for k in kept if low <= k < high and kept[k][0] not in (5, 6)]
            new = list(old)
            random.Random(seed).shuffle(new)
            self.to.update(zip(old, new))
        self.at = at
        where = {7: (1,), 8: (1,), 16: (1,), 9: (1, 3), 10: (1, 3), 11: (1, 3), 12: (1, 3),
                 15: (2,), 17: (3,), 18: (3,)}
        new = {}
        for k, b in kept.items():
            b = bytearray(b)
            for w in where.get(b[0], ()):
                b[w:w + 2] = u2(self.to.get(int.from_bytes(b[w:w + 2], "big")))
            new[self.to.get(k, k)] = bytes(b)
        self.out = self.b[:10] + b"".join(new[k] for k in sorted(new))

    def run(self, seed):
        self.constants(seed)
        self.take(2), self.ref(), self.ref(), self.rows(self.ref)
        self.rows(self.member), self.rows(self.member), self.rows(self.attribute)
        assert self.at == len(self.b)
        return self.out


def shuffled(b, seed):
    return Walk(b).run(seed)


def library(at="/usr/share/java/commons-cli.jar"):
    z = zipfile.ZipFile(at)
    return {n.rsplit("/", 1)[1]: z.read(n) for n in z.namelist() if n.endswith(".class")}


def put(name, b):
    with open(name, "wb") as f:
        f.write(b)
