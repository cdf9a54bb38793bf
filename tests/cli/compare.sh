#!/bin/bash
# compare.sh GLARUS: glarus compare as people and programs meet it: exit codes, the first line, JSON as
# another program reads it, a page that holds nothing but itself, limits, and the pager.
set -euo pipefail
glarus=$(realpath "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
unset PAGER LESS NO_COLOR

fail() { echo "compare: $*" >&2; exit 1; }
code() { # EXPECTED ARGUMENT...
    local want=$1 got=0
    shift
    "$glarus" compare "$@" >out 2>err || got=$?
    [ "$got" = "$want" ] || { cat out err >&2; fail "compare $*: exit $got, not $want"; }
}

mkdir -p a/sub b/sub
for i in $(seq 60); do echo "same $i" | tee "a/sub/$i" >"b/sub/$i"; done
printf 'one\ntwo\n' >a/text
printf 'one\n<script>alert("2 & 3")</script>\n' >b/text
echo '{"k":[1,2]}' >a/doc.json
echo '{"k":[1,3]}' >b/doc.json
printf '\xff\xfe' >"a/$(printf 'bad\xff\033name')"

code 0 a a
grep -qx 'identical: 63 files' out
code 1 a b
head -n 1 out | grep -q '^unexplained: 3 of 63 parts differ: 3 unexplained; ' || fail "first line: $(head -n 1 out)"
grep -qF '$.k[1]: 2 became 3' out
code 2 a nowhere
code 2 a/text b
code 2 a
for wrong in 0 -1 x 1.5 '' 1GB 2PiB; do code 2 --limit-memory "$wrong" a b; done
code 2 --limit-depth 49 a b
code 2 --limit-seconds 1KiB a b
code 1 --limit-memory 64MiB --limit-depth 3 --limit-unpacked 1GiB --limit-seconds 60 --limit-members 1000 a b
code 2 --limit-members 10 a b
grep -q 'too many files' err
printf '%s\n' 1 2 3 4 5 6 >x
printf '%s\n' 1 b 3 d 5 f >y
code 1 --limit-findings 2 x y
grep -q 'and 1 more' out

# JSON, as another program reads it
code 1 --json a b
python3 - <<'END'
import json
with open("out", encoding="utf-8", errors="strict") as f:
    d = json.load(f)
words = ["identical", "same-content", "derived-only", "signature-only", "metadata-only", "explained", "unexplained"]
assert d["format"] == "compare/v1" and d["class"] == "unexplained" and d["looked"] == 2, d
def walk(n):
    assert set(n) == {"bytes", "children", "class", "cut", "equal", "findings", "format", "more", "names", "size"}, n
    assert set(n["bytes"]) == set(words) and n["class"] in words
    for side in 0, 1:
        total = sum(v[side] for v in n["bytes"].values())
        assert n["format"] == "folder" or total == n["size"][side], n
    worst = max([words.index(x["class"]) for x in n["findings"] + n["children"]], default=0)
    assert words.index(n["class"]) == worst, n
    for f in n["findings"]:
        assert set(f) == {"at", "class", "n", "times", "what"}
    names = [c["names"][0] or c["names"][1] for c in n["children"]]
    assert names == sorted(names) or n["format"] != "folder", names
    return [n] + [m for c in n["children"] for m in walk(c)]
nodes = walk(d["root"])
assert [n["names"][1] for n in nodes if n["format"] == "JSON"] == ["doc.json"]
assert any(n["names"] == ["bad??name", None] and n["size"] == [2, 0] for n in nodes), nodes
text = next(n for n in nodes if n["format"] == "text")
with open("a/text", "rb") as a, open("b/text", "rb") as b:
    a, b = a.read(), b.read()
f, = text["findings"]
assert f["what"] == 'line 2: "two" became "<script>alert("2 & 3")</script>"', f
assert a[:f["at"][0]] == b[:f["at"][1]] and a[sum(x[0] for x in (f["at"], f["n"])):] == b[f["at"][1] + f["n"][1]:]
END

# the page: whole, whatever names and contents say
code 1 --html page.html a b
python3 - <<'END'
import html.parser
class P(html.parser.HTMLParser):
    void = {"meta", "br"}
    def __init__(self):
        super().__init__(); self.open = []; self.text = ""; self.tags = set()
    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for k, v in attrs:
            assert k in {"lang", "charset", "name", "content", "http-equiv", "class", "open"}, (tag, k, v)
        if tag not in self.void:
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)
    def handle_data(self, d):
        self.text += d
p = P()
s = open("page.html", encoding="utf-8", errors="strict").read()
p.feed(s); p.close()
assert p.open == [], p.open
assert "script" not in p.tags and "img" not in p.tags and "link" not in p.tags, p.tags
assert '<script>alert("2 & 3")</script>' in p.text and "bad??name" in p.text
assert "http:" not in s and "https:" not in s and "url(" not in s
assert all(c == "\n" or c >= " " for c in s)
END
code 2 --html no/such/folder a b

# Through a pager when the report is longer than the terminal, and only then
cat >terminal.py <<'END'
import os, pty, struct, fcntl, termios, sys
rows = int(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 200, 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
out = b""
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    out += got
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
paged() { # ROWS EXPECTED-LINE-OR-! PAGER
    local got=0
    PAGER=$3 python3 terminal.py "$1" "$glarus" compare a b >out || got=$?
    [ "$got" = 1 ] || fail "at a terminal: exit $got"
    grep -q '\[31munexplained' out || fail "no color at a terminal"
    if [ "$2" = yes ]; then grep -q '^paged' out || fail "not through $3"; else ! grep -q '^paged' out || fail "paged"; fi
}
# shellcheck disable=SC2016 # the pager's shell expands it
paged 5 yes 'sed s/^/paged:$LESS:/'
grep -q '^paged:FRX:' out
paged 200 no 'sed s/^/paged:/'
paged 5 no cat
paged 5 no ''
paged 5 no /no/such/pager
# shellcheck disable=SC2016
LESS=abc paged 5 yes 'sed s/^/paged:$LESS:/'
grep -q '^paged:abc:' out
got=0
PAGER='exit 0' python3 terminal.py 5 "$glarus" compare a b >out || got=$?
[ "$got" = 1 ] || fail "a pager that ends at once: exit $got"
NO_COLOR=1 PAGER=cat python3 terminal.py 50 "$glarus" compare a b >out || true
! grep -q "$(printf '\033')" out || fail "color though NO_COLOR is set"
