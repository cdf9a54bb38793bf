#!/bin/bash
# repository.sh GLARUS MAKE-LEDGER GLARUS-TUF ROOT: an update repository from its first root to the fourth release,
# and a client that follows it over HTTP and from a folder; and what each of them refuses.
set -u
glarus=$(realpath "$1") make_ledger=$(realpath "$2") tuf=$(realpath "$3") root=$(realpath "$4")
dir=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
bad=0

# expect CODE TEXT COMMAND...: it ends with CODE, and its output has TEXT.
expect() {
    local code=$1 text=$2 got=0
    shift 2
    "$@" >out 2>&1 || got=$?
    if [ $got -ne "$code" ] || ! grep -qF -e "$text" out; then
        echo "FAILED: $* gives $got, not $code with \"$text\":"
        cat out
        bad=1
    fi
}
# also TEXT: the last command's output has that, too
also() {
    if ! grep -qF -e "$1" out; then
        echo "FAILED: no \"$1\" in:"
        cat out
        bad=1
    fi
}
# same WHAT A B
same() {
    if [ "$2" != "$3" ]; then
        echo "FAILED: $1: $2, not $3"
        bad=1
    fi
}
# shellcheck disable=SC2317 # expect calls it
repo() { "$glarus" repository "$@"; }
# shellcheck disable=SC2317
update() { "$glarus" update "$@" --trust trust.yaml; }
# shellcheck disable=SC2317
publish() { repo publish repo --snapshot keys/online.pem --timestamp keys/online.pem; }
# shellcheck disable=SC2317
add() { repo add repo "$1" --ledger "ledger$2/ledger" --trust trust.yaml --key keys/rules.pem; }
now_in() { readlink client/current; }

# --- releases: each a little other than the one before; the third is for detection only ---
mkdir r1 && cp "$root"/rules/demo/*.yar r1/
seq 1 20000 | sed 's/.*/&/; s/^/0123456789abcdef0123456789abcdef:/; s/$/:Marker/' >r1/big.hdb
mkdir r1/deep && echo 'Marker.Deep:0:*:44454d4f2d444545502d4d41524b4552' >r1/deep/x.ndb
for i in 2 3 4; do
    cp -r r$((i - 1)) r$i
    echo "rule Demo_More_$i { strings: \$a = \"MORE-MARKER-$i\" condition: \$a }" >r$i/more$i.yar
done
rm -r r4/deep
for i in 1 2 3 4; do
    # shellcheck disable=SC2046
    "$make_ledger" ledger$i $(seq -f r%g 1 $i) || exit 1
done
"$make_ledger" ledgerw --last-alone r1 r2 r3 r4 || exit 1
cp ledger1/trust.yaml .
same "one trust file for all" "$(cat ledger4/trust.yaml)" "$(cat trust.yaml)"

# --- keys, and the first root ---
mkdir keys repo
for k in root1 root2 root3 root4 rules online rules2; do
    "$glarus" people key keys/$k.pem >keys/$k.out || exit 1
    openssl pkey -in keys/$k.pem -pubout -outform DER | tail -c 32 | base64 -w0 >keys/$k
done
keys_yaml() { # THREE-ROOT-KEYS RULES-KEY
    local list
    list="[\"$(cat "keys/$1")\", \"$(cat "keys/$2")\", \"$(cat "keys/$3")\"]"
    cat >repo/keys.yaml <<END
format: update-keys/v1
root:      {threshold: 2, expires: 365d, keys: $list}
targets:   {threshold: 2, expires: 365d, keys: $list}
rules:     {threshold: 1, expires: 30d, keys: ["$(cat "keys/$4")"]}
snapshot:  {threshold: 1, expires: 7d, keys: ["$(cat keys/online)"]}
timestamp: {threshold: 1, expires: 1d, keys: ["$(cat keys/online)"]}
END
}
expect 3 "keys.yaml" repo plan repo
keys_yaml root1 root2 root2 rules
expect 2 "the same key twice" repo plan repo
keys_yaml root1 root2 root3 rules
sed -i 's/365d/3s/' repo/keys.yaml
expect 2 "from a minute to 20 years" repo plan repo
keys_yaml root1 root2 root3 rules
expect 2 "there is no root yet" publish
expect 0 "pending/root.json: version 1, to be signed" repo plan repo
expect 2 "not published yet" add r1 1
expect 4 "waits for signatures" publish
expect 0 "1 signature" repo sign repo/pending/root.json --key keys/root1.pem
expect 0 "1 signature" repo sign repo/pending/root.json --key keys/root1.pem
expect 0 "1 signature" repo sign repo/pending/targets.json --key keys/root3.pem
expect 4 "waits for signatures" publish
expect 0 "2 signatures" repo sign repo/pending/root.json --key keys/root2.pem
expect 0 "2 signatures" repo sign repo/pending/targets.json --key keys/root2.pem
expect 1 "does not suffice" \
    repo publish repo --snapshot keys/root1.pem --timestamp keys/online.pem
expect 0 "root 1, timestamp 1, snapshot 1, targets 1" publish
expect 0 "nothing to sign" repo plan repo
cp repo/metadata/1.root.json root1.json

# --- releases ---
expect 3 "has no release of these rules" add r2 1
expect 0 "release 1: " add r1 1
expect 0 "rules 1: release 1; 2 files for freshclam" publish
expect 0 "is published already; nothing to do" add r1 1
same "the mirror" "$(cd repo/clamav && echo *)" "big.hdb deep-x.ndb"
cmp -s repo/clamav/big.hdb r1/big.hdb || same "the mirror's file" other same

# --- a client, over HTTP ---
python3 -c 'import http.server as h, sys, functools
s = h.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(h.SimpleHTTPRequestHandler, directory="repo"))
print(s.server_port, flush=True)
s.serve_forever()' >port 2>server.log &
server=$!
for _ in $(seq 100); do
    test -s port && break
    sleep 0.1
done
url=http://127.0.0.1:$(cat port)
expect 2 "root" update "$url" --dir client
expect 0 "whole, compressed" update "$url" --dir client --root root1.json
same "in use" "$(now_in)" releases/1
diff -r r1 client/current >/dev/null || same "the files" other same
expect 0 "in use already" update "$url" --dir client
"$glarus" receipt verify client/releases/1.proof --trust trust.yaml >out || same "the kept proof" bad good

expect 0 "release 2: " add r2 2
also "1 difference"
expect 0 "release 2;" publish
expect 0 "as the difference" update "$url" --dir client
same "in use" "$(now_in)" releases/2
diff -r r2 client/current >/dev/null || same "the files" other same

# a client of its own sort sees the same files
"$tuf" --metadata-dir tufmeta init root1.json
expect 0 "fetched: rules/2.tar" "$tuf" --metadata-dir tufmeta --metadata-url "$url/metadata" \
    --target-dir tuftargets --target-base-url "$url/targets" --target-name rules/2.tar download
mkdir x && tar -C x -xf tuftargets/rules%2F2.tar
diff -r r2 x >out || same "the archive" other same

# one that was not there for a while takes the longer step; one that is new the whole
expect 0 "2 differences" add r3 3
expect 0 "release 3;" publish
cp -r client old
expect 0 "release 3 (detect only)" update repo --dir client
also "as the difference"
expect 0 "whole, compressed" update repo --dir new --root root1.json
diff -r old/releases/1 new/current >/dev/null && same "old and new" same other

# --- a trust file that names the first root: nothing else is needed, and no other root is taken ---
(cat trust.yaml && echo "updates_root: \"$(sha256sum root1.json | cut -c1-64)\"") >pinned.yaml
expect 0 "whole, compressed" "$glarus" update "$url" --dir pinned --trust pinned.yaml
sed '/^updates_root:/s/"[^"]*"/"'"$(printf '0%.0s' $(seq 64))"'"/' pinned.yaml >wrong.yaml
expect 1 "another than the one the trust file names" "$glarus" update "$url" --dir wrong --trust wrong.yaml
expect 1 "another than the one the trust file names" \
    "$glarus" update "$url" --dir wrong --trust wrong.yaml --root root1.json

# --- refused ---
cp -r repo kept
refuse() { # CODE TEXT: nothing is installed, and what was in use stays
    rm -rf victim && cp -r old victim
    expect "$1" "$2" update repo --dir victim
    same "in use after a refusal" "$(readlink victim/current)" releases/2
    diff -r r2 victim/current >/dev/null || same "the files after a refusal" other same
    rm -rf repo && cp -r kept repo
}
edit() { # FILE: one byte in the middle becomes another
    python3 - "$1" <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[len(b) // 2] ^= 1
open(sys.argv[1], "wb").write(b)
END
}
for f in timestamp.json 3.rules.json 4.snapshot.json; do
    edit repo/metadata/$f
    refuse 1 ""
done
edit repo/targets/rules/*.3.proof
refuse 1 "not the hash"
rm repo/targets/rules/*.3.proof
refuse 3 ""
for f in repo/targets/rules/*.2-3.zst; do edit "$f"; done
rm -rf victim && cp -r old victim
expect 0 "was of no use" update repo --dir victim
same "in use" "$(readlink victim/current)" releases/3
rm -rf repo && cp -r kept repo
for f in repo/targets/rules/*.3.tar.zst repo/targets/rules/*.2-3.zst; do edit "$f"; done
refuse 1 "not the hash"
cp old/metadata/timestamp.json repo/metadata/timestamp.json # frozen: what it saw last, still valid
rm -rf victim && cp -r old victim
expect 0 "in use already" update repo --dir victim
rm -rf victim && cp -r client victim # rolled back: this client saw more
expect 1 "" update repo --dir victim
same "in use" "$(readlink victim/current)" releases/3
rm -rf repo && cp -r kept repo
# a release that witnesses have not seen is not even added; a ledger that is not trusted neither
expect 4 "not cosigned" repo add repo r4 --ledger ledgerw/ledger --trust trust.yaml
sed 's/^  log .*/  log zrh1.example\/ledger+7aef8fc2+ATW7k4KXnL5LoRwAwnYbjXIcwcjc1f1oL5iTUc9r6KAL/' trust.yaml >other.yaml
expect 2 "" repo add repo r4 --ledger ledger4/ledger --trust other.yaml
# a proof of another release: signed by the rules' key, and still refused
python3 - repo <<'END'
import hashlib, json, sys, glob
# rules.json is signed anew below; here only its targets are exchanged
m = json.load(open("repo/metadata/3.rules.json"))
t = m["signed"]["targets"]
t["rules/3.proof"] = t["rules/2.proof"]
m["signed"]["version"] = 4
m["signatures"] = []
json.dump(m, open("repo/pending/rules.json", "w"))
h = t["rules/2.proof"]["hashes"]["sha256"]
b = open(f"repo/targets/rules/{h}.2.proof", "rb").read()
open(f"repo/targets/rules/{h}.3.proof", "wb").write(b)
END
expect 0 "1 signature" repo sign repo/pending/rules.json --key keys/rules.pem
expect 0 "" publish
refuse 1 "its proof is of release 2"
# other files than those that were approved, signed by the rules' key and with the true proof
mkdir evil && cp -r r3/. evil/ && echo 'rule Quiet { condition: false }' >evil/more3.yar
rm -rf repo && cp -r kept repo
python3 - <<'END'
import hashlib, json, subprocess, os
tar = subprocess.run("cd evil && find . -type f | grep -E '\\.(yar|hdb|ndb|sha256)$' | sed 's,^\\./,,' | LC_ALL=C sort |"
    " tar --format=ustar --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -b1 -cf - -T -",
    shell=True, check=True, capture_output=True).stdout
m = json.load(open("repo/metadata/3.rules.json"))
t = m["signed"]["targets"]
h = hashlib.sha256(tar).hexdigest()
t["rules/3.tar"]["length"] = len(tar)
t["rules/3.tar"]["hashes"]["sha256"] = h
del t["rules/2-3.zst"], t["rules/1-3.zst"], t["rules/3.tar.zst"]
open(f"repo/targets/rules/{h}.3.tar", "wb").write(tar)
m["signed"]["version"] = 4
m["signatures"] = []
json.dump(m, open("repo/pending/rules.json", "w"))
END
expect 0 "1 signature" repo sign repo/pending/rules.json --key keys/rules.pem
expect 0 "" publish
refuse 1 "its files are not those that were approved"

# --- keys change: one root key goes, the rules' key too ---
keys_yaml root2 root3 root4 rules2
expect 0 "pending/root.json: version 2" repo plan repo
also "pending/targets.json: version 2"
also "pending/rules.json: version 4"
for k in root3 root4; do
    expect 0 "" repo sign repo/pending/root.json --key keys/$k.pem
    expect 0 "" repo sign repo/pending/targets.json --key keys/$k.pem
done
expect 4 "pending/root.json\" waits for signatures" publish # of the old ones only root3 has signed
expect 0 "3 signatures" repo sign repo/pending/root.json --key keys/root2.pem
expect 4 "pending/rules.json\" waits for signatures" publish # the new key's
mv repo/pending/rules.json planned.json
expect 1 "nothing is published" publish # the published list is still signed by the old key
same "the published root" "$(cd repo/metadata && echo *.root.json)" 1.root.json
cp -r repo repo2 && mv planned.json repo2/pending/rules.json # without another release
expect 0 "1 signature" repo sign repo2/pending/rules.json --key keys/rules2.pem
expect 0 "rules 4: release 3" repo publish repo2 --snapshot keys/online.pem --timestamp keys/online.pem
rm -rf victim && cp -r old victim
expect 0 "release 3 (detect only)" update repo2 --dir victim
expect 0 "release 4: " repo add repo r4 --ledger ledger4/ledger --trust trust.yaml --key keys/rules2.pem
expect 0 "root 2" publish
also "1 file for freshclam"
expect 0 "release 4," update "$url" --dir client
diff -r r4 client/current >/dev/null || same "the files" other same
expect 0 "release 4," update "$url" --dir old
expect 0 "release 4," update "$url" --dir new2 --root root1.json
same "releases that are kept" "$(cd client/releases && echo *)" "3 3.proof 4 4.proof"

# --- what is damaged here is fetched or expanded again ---
echo garbage >client/releases/4/big.hdb
expect 0 "installed" update "$url" --dir client
diff -r r4 client/current >/dev/null || same "the repaired files" other same
rm client/download/* && rm -r client/releases/4
expect 0 "whole, compressed" update "$url" --dir client
diff -r r4 client/current >/dev/null || same "the repaired files" other same

# --- what expires is told in time, and renewed ---
sed -i '/^rules:/s/expires: 30d/expires: 200d/' repo/keys.yaml
expect 0 "warning: rules expires" publish
expect 0 "pending/rules.json: version 5" repo plan repo --renew
also "pending/root.json: version 3"
for k in root2 root3; do
    expect 0 "" repo sign repo/pending/root.json --key keys/$k.pem
    expect 0 "" repo sign repo/pending/targets.json --key keys/$k.pem
done
expect 0 "" repo sign repo/pending/rules.json --key keys/rules2.pem
expect 0 "root 3" publish
grep -q warning out && same "warnings" some none
expect 0 "in use already" update "$url" --dir client

# --- an older release cannot be added again; two commands do not write at once ---
expect 2 "clients do not go back" repo add repo r3 --ledger ledger4/ledger --trust trust.yaml
exec 9<repo
flock 9
expect 4 "another command writes in it" repo plan repo
exec 9<&-
exit $bad
