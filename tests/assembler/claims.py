"""claims.py OUT LOCK PACKAGES PUB: what a build says of itself, held against the files.

The statement's digests are those of the files, the envelope's signature is over the statement by
that key (by openssl), and the bills of material name each thing once, with nothing dangling."""
import base64, hashlib, json, os, re, subprocess, sys, tempfile

out, lock, packages, pub = sys.argv[1:]


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def load(name):
    with open(os.path.join(out, name), "rb") as f:
        return json.load(f)


made = {}
for top, _, files in os.walk(os.path.join(out, "outputs")):
    for f in files:
        path = os.path.join(top, f)
        made[os.path.relpath(path, os.path.join(out, "outputs"))] = sha256(path)
assert made
with open(lock) as f:
    locked = re.findall(r'file: "(.*)"\n    size: (\d+)\n    sha256: ([0-9a-f]{64})', f.read())
    f.seek(0)
    until = dict(re.findall(r'file: "(.*)"\n.*\n.*\n    until: "(.*)"', f.read()))
assert len(locked) > 3

s = load("provenance.json")
assert s["_type"] == "https://in-toto.io/Statement/v1"
assert s["predicateType"] == "https://slsa.dev/provenance/v1"
assert {x["name"]: x["digest"]["sha256"] for x in s["subject"]} == made
d = s["predicate"]["buildDefinition"]
assert d["buildType"].startswith("urn:") and d["externalParameters"]["name"] == "greet"
deps = {x["name"]: x for x in d["resolvedDependencies"]}
assert deps["lock"]["digest"]["sha256"] == sha256(lock)
assert deps["greet-1.0.tar.gz"]["digest"]["sha256"] == sha256("greet-1.0.tar.gz")
for name, size, hexes in locked:
    path = os.path.join(packages, name)
    assert deps[name]["digest"]["sha256"] == hexes == sha256(path), name
    assert os.path.getsize(path) == int(size)
    assert deps[name]["uri"].startswith("pkg:deb/debian/")
assert len(deps) == 3 + len(locked)
run = s["predicate"]["runDetails"]
assert run["builder"]["id"] == "https://builder.example/1"
assert run["metadata"]["startedOn"] <= run["metadata"]["finishedOn"]
assert run["byproducts"][0]["annotations"] == {"equal": True}

env = load("provenance.dsse")
payload = base64.b64decode(env["payload"], validate=True)
with open(os.path.join(out, "provenance.json"), "rb") as f:
    assert payload == f.read()
kind = env["payloadType"].encode()
assert kind == b"application/vnd.in-toto+json"


def verifies(body):
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    with tempfile.TemporaryDirectory() as tmp:
        for name, data in (("pae", pae), ("sig", base64.b64decode(env["signatures"][0]["sig"]))):
            with open(os.path.join(tmp, name), "wb") as f:
                f.write(data)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", pub,
                               "-in", tmp + "/pae", "-sigfile", tmp + "/sig"],
                              stdout=subprocess.DEVNULL).returncode == 0


assert verifies(payload)
assert not verifies(payload.replace(b"greet", b"creep"))

x = load("sbom.spdx.json")
assert x["spdxVersion"] == "SPDX-2.3" and x["dataLicense"] == "CC0-1.0"
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", x["creationInfo"]["created"])
ids = [p["SPDXID"] for p in x["packages"]] + [x["SPDXID"]]
assert len(set(ids)) == len(ids)
for r in x["relationships"]:
    assert r["spdxElementId"] in ids and r["relatedSpdxElement"] in ids
purls = {p["externalRefs"][0]["referenceLocator"]: p for p in x["packages"] if "externalRefs" in p}
for name, _, _ in locked:
    assert purls[deps[name]["uri"]].get("validUntilDate") == until.get(name), name
sums = {c["checksumValue"] for p in x["packages"] for c in p.get("checksums", [])}
assert sums == set(made.values()) | {h for _, _, h in locked} | {sha256("greet-1.0.tar.gz")}

c = load("sbom.cdx.json")
assert c["bomFormat"] == "CycloneDX" and c["specVersion"] == "1.5"
refs = [p["bom-ref"] for p in c["components"]]
assert len(set(refs)) == len(refs) == len(made) + len(locked)
assert {h["content"] for p in c["components"] for h in p["hashes"]} == \
    set(made.values()) | {h for _, _, h in locked}
assert set(c["dependencies"][0]["dependsOn"]) <= set(refs)
for p in c["components"]:
    if "purl" in p:
        assert re.fullmatch(r"pkg:deb/debian/[A-Za-z0-9.+%_~-]+@[A-Za-z0-9.%_~-]+\?arch=[a-z0-9]+", p["purl"])
