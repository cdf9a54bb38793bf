"""tutorial.py PAGE: runs the sh blocks of a page, in its order and in this folder, each by a shell, and
holds what they say against the block without a language behind them; "…" is any text of a line, a line
of it alone any lines.  A block that nothing follows must end with status 0."""
import re
import subprocess
import sys

blocks = re.findall(r"^```(\w*)\n(.*?)^```$", open(sys.argv[1], encoding="utf-8").read(), re.S | re.M)
ran = 0


def pattern(expected):
    out = ""
    for line in expected.splitlines():
        out += "(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n"
    return out


for i, (language, text) in enumerate(blocks):
    if language != "sh":
        continue
    says = blocks[i + 1][1] if i + 1 < len(blocks) and blocks[i + 1][0] == "" else None
    done = subprocess.run(["bash", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, check=False)
    said = done.stdout.decode("utf-8", "replace")
    ran += 1
    if says is None and done.returncode != 0:
        sys.exit(f"FAILED: status {done.returncode} of\n{text}which said\n{said}")
    if says is not None and not re.fullmatch(pattern(says), said):
        sys.exit(f"FAILED: of\n{text}the page says\n{says}and it said\n{said}")
    if len(sys.argv) > 2:
        print(f"{text}---\n{said}")
if ran < 5:
    sys.exit("the page has no commands")
print(f"{ran} blocks ran as the page says")
