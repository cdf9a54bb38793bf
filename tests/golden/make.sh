#!/bin/bash
# make.sh BUILD OUT.tar.xz: a small history of two sites, written by the programs of BUILD: files
# accepted at both, one found malicious, the same bytes twice, a country moved, one submission
# withdrawn and its epoch destroyed, one erased whose epoch still lives.  All keys are made here and
# are nobody's.  Run once for each format worth keeping; README.md says which commit wrote which.
set -euo pipefail
build=$(realpath "$1") out=$(realpath -m "$2")
top=$(cd "$(dirname "$0")/../.." && pwd)
GLARUS=$build/glarus GLARUSD=$build/glarusd ENGINE=$build/glarus-engine-yara RULES=$top/rules/demo
DIR=$(mktemp -d /tmp/golden-XXXXXX)
chmod 755 "$DIR"
. "$top/tests/golden/lib.sh"
trap end_all EXIT
cd "$DIR"
mkdir keys documents files client receipts

say() { "$GLARUS" "$@" >"$DIR/out" 2>&1 || fail "glarus $*: $(cat "$DIR/out")"; }

# --- people and keys ---
declare -A PUB ID
for p in root0 root1 anna beat; do
    say people key "keys/$p.pem"
    PUB[$p]=$(sed -n 's/^public key //p' out)
done
for p in anna beat org; do
    say people id
    ID[$p]=$(cat out)
done
cat >documents/register.yaml <<YAML
format: register/v1
serial: 1
previous: none
approvals:
  register:  {role: registrar, persons: 2}
  policy:    {role: policy, persons: 2}
  statement: {role: statement, persons: 1}
  move:      {role: mover, persons: 2}
organizations:
  - {id: "${ID[org]}", kind: vendor}
persons:
YAML
for p in anna beat; do
    printf '  - id: "%s"\n    org: "%s"\n    keys:\n      - {key: "%s", from: 2020-01-01T00:00Z}\n    roles:\n' \
        "${ID[$p]}" "${ID[org]}" "${PUB[$p]}"
    for r in registrar policy statement mover; do
        echo "      - {role: $r, from: 2020-01-01T00:00Z}"
    done
done >>documents/register.yaml
# a third, without keys in use, writes the policy: nobody approves their own
say people id
author=$(cat out)
say people key keys/author.pem
printf '  - id: "%s"\n    org: "%s"\n    keys:\n      - {key: "%s", from: 2020-01-01T00:00Z}\n    roles:\n      - {role: policy, from: 2020-01-01T00:00Z}\n' \
    "$author" "${ID[org]}" "$(sed -n 's/^public key //p' out)" >>documents/register.yaml

# --- witness and sites ---
cat >witness.yaml.in <<YAML
format: witness/v1
name: witness.example/w1
key: witness.pem
state: witness
listen: 127.0.0.1:@WITNESS@
logs: []
YAML
settle_in
say ledger witness --config witness.yaml --init
W=$(grep -m1 + out)
token=golden-token
site_in() { # SITE ZONE PORT
    cat >"$1.yaml.in" <<YAML
format: site/v1
site: $1
zone: $2
origin: $1.example/ledger
url: http://127.0.0.1:$3
listen: 127.0.0.1:$3
data: $1
admin: $1.sock
keys: {ledger: keys/$1.pem, epochs: keys/$1-epochs, move: keys/$1-move.key}
roots: {threshold: 2, keys: ["${PUB[root0]}", "${PUB[root1]}"]}
quorum: |
  witness w1 $W http://127.0.0.1:@WITNESS@
  quorum w1
epoch: 31d
inventory: 31d
limits: {segment: 1MiB, checkpoint_ms: 200}
engine: {program: @ENGINE@, rules: @RULES@}
submitters:
  - {name: somebody, token_sha256: "$(printf %s $token | sha256sum | cut -d' ' -f1)"}
YAML
}
site_in zrh1 CH @ZRH@
site_in mow1 RU @MOW@
settle_in
declare -A MOVE
for s in zrh1 mow1; do
    say site init --config $s.yaml
    MOVE[$s]=$(sed -n 's/^move_key //p' out)
done
peer_in() { # OF SITE ZONE PORT
    printf 'peers:\n  - site: %s\n    zone: %s\n    url: http://127.0.0.1:%s\n    move_key: "%s"\n    policy: |\n      log %s\n      witness w1 %s\n      quorum w1\n' \
        "$2" "$3" "$4" "${MOVE[$2]}" "$(cat "$2/ledger.vkey")" "$W" >>"$1.yaml.in"
}
peer_in zrh1 mow1 RU @MOW@
peer_in mow1 zrh1 CH @ZRH@
sed -i "s|^logs: .*|logs: [\"$(cat zrh1/ledger.vkey)\", \"$(cat mow1/ledger.vkey)\"]|" witness.yaml.in
cat >trust.yaml <<YAML
format: trust/v1
expires: 2120-01-01T00:00Z
tolerance: 180s
epoch_within: 36500d
policy: |
  log $(cat zrh1/ledger.vkey)
  log $(cat mow1/ledger.vkey)
  witness w1 $W
  quorum w1
sites:
  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}
  - {site: mow1, zone: RU, origin: mow1.example/ledger}
roots: {threshold: 2, keys: ["${PUB[root0]}", "${PUB[root1]}"]}
outsiders: [w1]
YAML
settle_in
start_witness
for s in zrh1 mow1; do
    start_site $s
done
for s in zrh1 mow1; do
    await 20 "$s starts" healthy $s
done

# --- documents: Canada is Moscow's for 25 more seconds ---
cat >documents/statement.yaml <<'YAML'
format: statement/v1
language: en
scopes: [file]
erase_within: 36500d
retention: 36500d
text: |
  You agree that your file is kept for a hundred years and scanned.
YAML
now=$(date +%s)
moment() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
moves=$((now + 30))
cat >documents/policy.yaml <<YAML
format: policy/v1
serial: 1
previous: none
author: "$author"
valid_from: $(moment $((now + 3)))
zones:
  - {zone: CH, sites: [zrh1]}
  - {zone: RU, sites: [mow1]}
uniform:
  retention: 36500d
  consent: required
  read_approvals: 2
  copies: 1
  scan_within: 24h
differences: []
placement:
YAML
codes=$(sed -n 's/.*subjects: \[\(.*\)/\1/p; s/^               \(.*\)/\1/p' "$top/demo/policy.yaml" | tr -d '],' | tr -s ' \n' '\n' |
    grep -E '^[A-Z][A-Z]$' | sort -u | grep -vE '^(CA|CH|LI)$' | tr '\n' ',' | sed 's/,$//; s/,/, /g; s/NO/"NO"/' | fold -s -w 90)
{
    printf '  - subjects: [%s]\n    at:\n      - {zone: RU, from: 2017-01-01T00:00Z}\n' "${codes//$'\n'/$'\n'               }"
    printf '  - subjects: [CH, LI]\n    at:\n      - {zone: CH, from: 2017-01-01T00:00Z}\n'
    printf '  - subjects: [CA]\n    at:\n      - {zone: RU, from: 2017-01-01T00:00Z}\n      - {zone: CH, from: %s, move_by: %s}\n' \
        "$(moment "$moves")" "$(moment $((moves + 3600)))"
    printf '  - subjects: ["product:*", "rules:*"]\n    at:\n      - {zone: CH, from: 2017-01-01T00:00Z}\n'
} >>documents/policy.yaml
say people sign documents/register.yaml --key keys/root0.pem
say people sign documents/register.yaml.dsse --key keys/root1.pem
say policy check documents/policy.yaml
say policy sign documents/policy.yaml --key keys/anna.pem
say policy sign documents/policy.yaml.dsse --key keys/beat.pem
say statement sign documents/statement.yaml --key keys/anna.pem
for s in zrh1 mow1; do
    say people publish documents/register.yaml.dsse --config $s.yaml
    say policy publish documents/policy.yaml.dsse --config $s.yaml
    say statement publish documents/statement.yaml.dsse --config $s.yaml
done

# --- submitters ---
for cc in CH RU CA; do
    cat >client-$cc.yaml.in <<YAML
format: client/v1
country: "$cc"
token: $token
secret: client/secret-$cc
statement: "$(sha256sum documents/statement.yaml.dsse | cut -d' ' -f1)"
policy: documents/policy.yaml.dsse
trust: trust.yaml
receipts: receipts
state: client/state-$cc
sites:
  - {site: zrh1, url: http://127.0.0.1:@ZRH@}
  - {site: mow1, url: http://127.0.0.1:@MOW@}
YAML
    sed -e "s|@ZRH@|$(sed -n 's/^listen: 127.0.0.1:\(.*\)/\1/p' zrh1.yaml)|" \
        -e "s|@MOW@|$(sed -n 's/^listen: 127.0.0.1:\(.*\)/\1/p' mow1.yaml)|" client-$cc.yaml.in >client-$cc.yaml
done
for i in 1 2 3 4 5 6 7 8 9; do
    head -c $((i * i * 100)) /dev/urandom >files/f$i
done
head -c 70000 /dev/urandom >files/f8 # two chunks
cp files/f3 files/f3-again
# shellcheck disable=SC2016 # its dollars are its own
printf '%s%s\n' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-' 'ANTIVIRUS-TEST-FILE!$H+H*' >files/eicar
until [ "$(date +%s)" -gt $((now + 3)) ]; do sleep 0.2; done
say submit --wait 20 --config client-CA.yaml files/f1 files/f2
say submit --wait 20 --config client-RU.yaml files/f4 files/f5
say submit --wait 20 --config client-CH.yaml files/f3 files/f3-again files/eicar files/f6 files/f7 files/f8

# --- a country moves ---
until [ "$(date +%s)" -gt "$moves" ]; do sleep 0.5; done
say relocate plan --policy documents/policy.yaml.dsse --country CA --from mow1 --to zrh1 --out documents/move.yaml
say relocate sign documents/move.yaml --key keys/anna.pem
say relocate sign documents/move.yaml.dsse --key keys/beat.pem
say relocate run documents/move.yaml.dsse --config mow1.yaml

# --- two epochs end; one erasure is final, one is not ---
say withdraw files/f6 --config client-CH.yaml
destroyed() { leaves zrh1 | grep -q "\"epoch\":$1,\"kind\":\"epoch.destroyed\""; }
for e in 1 2; do
    say site turn-epoch --config zrh1.yaml
    await 20 "epoch $e is destroyed" destroyed $e
done
say erase files/f7 --config client-CH.yaml
for s in zrh1 mow1; do
    say site inventory --config $s.yaml
    await 20 "$s is published" settled $s
done
say audit zrh1=zrh1/ledger mow1=mow1/ledger --trust trust.yaml
cp out audit.txt
for s in zrh1 mow1; do
    stop_site $s
done
kill "${PID[witness]}"
wait "${PID[witness]}" || true
unset "PID[witness]"
for cc in CH RU CA; do
    awk -v cc=$cc '{f[$1] = $NF} END {for (s in f) {n = split(f[s], a, "/"); print cc, s, a[n]}}' client/state-$cc
done | sort | while read -r cc sub name; do
    echo "$cc $sub $name $(sha256sum <"files/$name" | cut -d' ' -f1)"
done >facts

# --- packed without what a machine has of its own ---
rm -f ./*.log ./*/catalog.db-shm out ./*.sock zrh1.yaml mow1.yaml witness.yaml client-??.yaml
rm -rf files
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cJf "$out" .
ls -l "$out"
