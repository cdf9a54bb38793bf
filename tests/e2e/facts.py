"""facts.py VAR SAID BETRAY.MD BUILD - what a finished demonstration left on disk, read by nothing of this project.

Leaves are counted from the tiles' bytes, files by the users' lists, and every number that the
demonstration's audit reports is compared with the count."""
import collections
import hashlib
import json
import os
import re
import sys

var, said = sys.argv[1], open(sys.argv[2]).read()
HOME = {"CH": "zrh1", "DE": "zrh1", "CA": "mow1", "RU": "mow1", "KZ": "mow1", "ZA": "mow1"}


def check(fact, sentence):
    if not fact:
        sys.exit("facts.py: does not hold: " + sentence)


def entries(ledger, size):
    """The leaves below size, from full bundles and the widest partial one."""
    out = []
    while len(out) < size:
        n = len(out) // 256
        path = f"{ledger}/tile/entries/{n:03d}"
        want = min(256, size - n * 256)
        if want < 256 and not os.path.exists(path):
            path = f"{path}.p/{want}"
        data, at = open(path, "rb").read(), 0
        for _ in range(want):
            length = int.from_bytes(data[at:at + 2], "big")
            out.append(json.loads(data[at + 2:at + 2 + length]))
            at += 2 + length
    return out


def tree(hashes):
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + tree(hashes[:k]) + tree(hashes[k:])).digest()


def set_root(ids):
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(i)).digest() for i in sorted(ids)]
    return (tree(leaves) if leaves else hashlib.sha256(b"").digest()).hex()


def everything(folder):
    for top, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(top, name), open(os.path.join(top, name), "rb").read()


leaves, live = {}, {}
for site in ("zrh1", "mow1"):
    ledger = f"{var}/{site}/ledger"
    size = int(open(f"{ledger}/checkpoint").read().split("\n")[1])
    leaves[site] = entries(ledger, size)
    check(leaves[site][0]["kind"] == "site.opened", f"{site} begins with site.opened")
    refs = [x["ref"] for x in leaves[site] if x["kind"] == "copy.placed"]
    check(len(refs) == len(set(refs)), f"no ref of {site} stands twice")
    gone = {x["ref"] for x in leaves[site] if x["kind"] == "copy.removed"}
    live[site] = set(refs) - gone
    last = [x for x in leaves[site] if x["kind"] == "inventory.site"][-1]
    then = leaves[site][:last["at_size"]]
    held = {x["ref"] for x in then if x["kind"] == "copy.placed"}
    held -= {x["ref"] for x in then if x["kind"] == "copy.removed"}
    check(last["count"] == len(held) and last["root"] == set_root(held),
          f"the last inventory of {site} is of the copies its leaves tell of")

# each country's files are where the policy says
accepted = collections.Counter((s, x["country"]) for s in leaves for x in leaves[s]
                               if x["kind"] == "submission.accepted")
files = {cc: len(open(f"{var}/users/{cc}/files").read().splitlines()) for cc in HOME}
check(accepted == {(HOME[cc], cc): n for cc, n in files.items()},
      f"the ledgers accepted what the users sent: {accepted} {files}")

# Canada moved
kinds = {s: collections.Counter(x["kind"] for x in leaves[s]) for s in leaves}
opened = [x for x in leaves["mow1"] if x["kind"] == "move.opened"]
received = [x for x in leaves["zrh1"] if x["kind"] == "move.received"]
check(len(opened) == len(received) == kinds["mow1"]["move.closed"] == 1, "one move, three leaves")
check(opened[0]["count"] == received[0]["count"] == files["CA"], "all files of Canada moved")
check(opened[0]["set_root"] == received[0]["set_root"], "the same set left and arrived")
check(len(live["mow1"]) == files["RU"] + files["KZ"] + files["ZA"], "what is left at mow1")
check(len(live["zrh1"]) == sum(files[c] for c in ("CH", "DE", "CA")) - 1, "and at zrh1, one erased")

# one file was withdrawn, and its erasure is final
check(kinds["zrh1"]["submission.erased"] == 1, "one submission was erased")
epoch = next(x["final_epoch"] for x in leaves["zrh1"] if x["kind"] == "submission.erased")
check(any(x["kind"] == "epoch.destroyed" and x["epoch"] == epoch for x in leaves["zrh1"]),
      "its epoch is destroyed")

# nothing of a file that stays in Russia's zone is at the other site, and nothing lies there in clear
for cc in HOME:
    text = open(f"{var}/users/{cc}/mine/report.txt", "rb").read()
    digest = hashlib.sha256(text)
    subs = {line.split()[0] for line in open(f"{var}/users/{cc}/state") if line.endswith("report.txt\n")}
    check(len(subs) == 1, f"the report of {cc} was submitted once")
    sub = subs.pop()
    for site in leaves:
        for path, data in everything(f"{var}/{site}"):
            check(text not in data and text[:40] not in data, f"{path} holds no plaintext of {cc}")
            if site != HOME[cc] and cc != "CA":
                for word in (digest.digest(), digest.hexdigest().encode(), sub.encode(), bytes.fromhex(sub)):
                    check(word not in data, f"{path} knows nothing of the report of {cc}")
        if site == HOME[cc]:  # the same search finds what is there
            check(any(sub.encode() in data for _, data in everything(f"{var}/{site}/ledger")),
                  f"{site} accepted the report of {cc}")

# what the audit counted is what stands in the ledgers
audit = json.load(open(f"{var}/audit.json"))
claims = {c["claim"]: c for c in audit["claims"]}
empty = {"detect.neutral": {"EMPTY"}, "detect.renewed": {"EMPTY", "PROVED"}, "detect.reproduced": {"EMPTY"}, "intake.lookups": {"EMPTY"},
         "build.reproduced": {"EMPTY"}, "site.software": {"EMPTY"}}  # files are scanned again as there is time
check(len(claims) == 19 and all(c["verdict"] in empty.get(k, {"PROVED"}) for k, c in claims.items()),
      f"nineteen claims: {claims}")
# two releases of rules, at both sites, each by a change, its tests and two signatures
for site in leaves:
    releases = [x for x in leaves[site] if x["kind"] == "release.published"]
    changes = {x["change"]: x for x in leaves[site] if x["kind"] == "change.proposed"}
    passed = {x["change"]: x for x in leaves[site] if x["kind"] == "gates.passed"}
    check([x["serial"] for x in releases] == [1, 2], f"{site} released twice")
    for x in releases:
        check(changes[x["change"]]["tree"] == passed[x["change"]]["tree"] == x["tree"], "one tree")
        check(passed[x["change"]]["report"] == x["report"], "one report")
        envelope = open(f"{var}/{site}/ledger/artifact/sha256/{x['doc']}", "rb").read()
        check(hashlib.sha256(envelope).hexdigest() == x["doc"], "the release's envelope")
        check(len({s["keyid"] for s in json.loads(envelope)["signatures"]}) == 2, "two signatures")
    loaded = [x["release"] for x in leaves[site] if x["kind"] == "rules.loaded"]
    check(loaded == [x["tree"] for x in releases], f"{site} loaded what was released: {loaded}")
# each site says what it runs, by the digests of the programs that were built here
for site in leaves:
    runs = [(x["part"], x["binary"]) for x in leaves[site] if x["kind"] == "process.started"]
    built = {"site": "src/site/glarusd"}
    built.update((part, f"engines/{part}/glarus-engine-{part}") for part, _ in runs if part != "site")
    check(len(built) > 1 and runs[0][0] == "site", f"{site} says that it runs, and its engines: {runs}")
    for part, binary in runs:
        data = open(f"{sys.argv[4]}/{built[part]}", "rb").read()
        check(hashlib.sha256(data).hexdigest() == binary, f"{site} runs {built[part]}")
total = sum(len(v) for v in leaves.values())
check(claims["ledger.append-only"]["n"] == claims["ledger.time"]["n"] == total, f"{total} leaves")
check(claims["intake.consent"]["n"] == sum(files.values()), "all submissions had consent")
check(claims["residency.relocation"]["n"] in (1, files["CA"]), "the move")
cheats = json.load(open(f"{var}/betray.json"))["cheats"]
played = [c for c in cheats if c["played"]]
missed = [c for c in played if not c["caught"]]
check(len(played) >= 30, f"{len(played)} cheats were played")
expected = re.findall(r"^\| `([a-z-]+)` \|.*\| \*\*not caught\*\*: ", open(sys.argv[3]).read(), re.M)
check(sorted(c["cheat"] for c in missed) == sorted(expected), f"not caught: {[c['cheat'] for c in missed]}")
check(all(c["sentence"] for c in missed), "what is not caught has its reason")
check("expectations of the script held" in said, "the script says so")
print(f"{total} leaves, {sum(files.values())} submissions, {len(played) - len(missed)} cheats caught of {len(played)}")
