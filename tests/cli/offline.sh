#!/bin/sh
# offline.sh GLARUS MAKE-HISTORY: receipts, ledgers and audits of a generated history; and what is
# forged is found.
set -eu
glarus=$1 make=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
h=$tmp/h t=$tmp/h/trust.yaml r=$tmp/h/receipts/CH.tlog-proof
"$make" "$h"

expect() {
    want=$1
    shift
    got=0
    "$@" >"$tmp/out" 2>&1 || got=$?
    if [ "$got" -ne "$want" ]; then
        echo "exit $got, not $want: $*"
        cat "$tmp/out"
        exit 1
    fi
}
says() {
    grep -q -e "$1" "$tmp/out" || { echo "not said: $1"; cat "$tmp/out"; exit 1; }
}

expect 0 "$glarus" receipt verify "$r" --trust "$t"
says '^FINAL'
says 'witnessed by'
expect 0 "$glarus" receipt verify "$r" --trust "$t" --json
says '"status":"final"'
expect 1 "$glarus" receipt verify "$r" --trust "$t" --file "$0"
says 'does not open'
expect 0 "$glarus" receipt redact "$r" --drop ref --out "$tmp/short.tlog-proof"
expect 0 "$glarus" receipt verify "$tmp/short.tlog-proof" --trust "$t"
says 'ref  *(sealed, not opened here)'
expect 2 "$glarus" receipt redact "$r" --drop nothing --out "$tmp/x"

# the log's line alone: pending; another index: a lie
head -n -1 "$r" >"$tmp/pending.tlog-proof"
expect 4 "$glarus" receipt verify "$tmp/pending.tlog-proof" --trust "$t"
says '^PENDING'
awk '/^index / { $2 = $2 + 1 } { print }' "$r" >"$tmp/lie.tlog-proof"
expect 1 "$glarus" receipt verify "$tmp/lie.tlog-proof" "$r" --trust "$t"

# many in one file
pack() {
    n=0
    for f; do
        n=$((n + 1))
        printf 'receipt %032d %d\n' "$n" "$(wc -c <"$f")"
        cat "$f"
    done
}
pack "$r" "$tmp/short.tlog-proof" >"$tmp/two.tlog-proofs"
expect 0 "$glarus" receipt verify "$tmp/two.tlog-proofs" --trust "$t"
[ "$(grep -c '^FINAL' "$tmp/out")" -eq 2 ] || { echo "not two receipts were verified"; exit 1; }
pack "$r" "$tmp/pending.tlog-proof" >"$tmp/three.tlog-proofs"
expect 4 "$glarus" receipt verify "$tmp/three.tlog-proofs" --trust "$t"
pack "$r" "$tmp/lie.tlog-proof" >"$tmp/false.tlog-proofs"
expect 1 "$glarus" receipt verify "$tmp/false.tlog-proofs" --trust "$t"
head -c -1 "$tmp/two.tlog-proofs" >"$tmp/cut.tlog-proofs"
expect 1 "$glarus" receipt verify "$tmp/cut.tlog-proofs" --trust "$t"
says 'the pack is damaged'
expect 2 "$glarus" receipt verify "$tmp/two.tlog-proofs" --trust "$t" --file "$0"
says 'unpack'
mkdir "$tmp/unpacked"
expect 0 "$glarus" receipt unpack "$tmp/two.tlog-proofs" --to "$tmp/unpacked"
cmp "$r" "$tmp/unpacked/00000000000000000000000000000001.tlog-proof"
[ "$(find "$tmp/unpacked" -type f | wc -l)" -eq 2 ] || { echo "not two files were unpacked"; exit 1; }
expect 2 "$glarus" receipt unpack "$tmp/two.tlog-proofs" --sub 00000000000000000000000000000000 --to "$tmp/unpacked"
expect 1 "$glarus" receipt unpack "$tmp/cut.tlog-proofs" --to "$tmp/unpacked"
mkdir "$tmp/packs"
cp "$tmp/two.tlog-proofs" "$tmp/packs/"
expect 0 "$glarus" audit "$h/zrh1" "mow1=$h/mow1" --trust "$t" --receipts "$tmp/packs"
cp "$tmp/false.tlog-proofs" "$tmp/packs/"
expect 1 "$glarus" audit "$h/zrh1" "mow1=$h/mow1" --trust "$t" --receipts "$tmp/packs"
says 'false.tlog-proofs" does not verify'

expect 0 "$glarus" ledger check "$h/zrh1" --trust "$t"
says 'cosignatures verified'
expect 0 "$glarus" ledger prove "$h/zrh1" 0 --out "$tmp/leaf0.tlog-proof"
expect 0 "$glarus" receipt verify "$tmp/leaf0.tlog-proof" --trust "$t"
says 'site.opened'
expect 2 "$glarus" ledger prove "$h/zrh1" 99999999
expect 0 "$glarus" audit "$h/zrh1" "mow1=$h/mow1" --trust "$t" --receipts "$h/receipts"
says 'ledger.append-only'

# resumed: the same board, the signatures known
resumed() { "$glarus" audit "$@" --trust "$t" --state "$tmp/audited" --key "$tmp/auditor.pem"; }
expect 2 "$glarus" audit "$h/zrh1" "$h/mow1" --trust "$t" --state "$tmp/audited"
says 'needs --key'
expect 0 resumed "$h/zrh1" "$h/mow1"
cp "$tmp/out" "$tmp/first"
head -n 1 "$tmp/audited" | grep -q '^audit-state/v1$'
expect 0 resumed "$h/zrh1" "$h/mow1"
says 'resumed: 0 signatures verified, [1-9]'
grep -v '^resumed' "$tmp/out" | cmp - "$tmp/first"
expect 2 resumed "$h/mow1" "$h/zrh1"
says 'another order'
sed 's/^ledger zrh1 ./&1/' "$tmp/audited" >"$tmp/forged"
expect 1 "$glarus" audit "$h/zrh1" "$h/mow1" --trust "$t" --state "$tmp/forged" --key "$tmp/auditor.pem"
says 'cannot be resumed from'

# a country in the leaves themselves
find "$h/zrh1/tile/entries" -type f -exec sed -i 's/"country":"CH"/"country":"DE"/' {} +
expect 1 "$glarus" ledger check "$h/zrh1" --trust "$t"
expect 1 "$glarus" audit "$h/zrh1" "$h/mow1" --trust "$t"
says 'BROKEN'
cp "$tmp/audited" "$tmp/kept"
expect 1 resumed "$h/zrh1" "$h/mow1"
says 'BROKEN'
says 'warning: no state was written'
cmp "$tmp/audited" "$tmp/kept"

# a witness
cat >"$tmp/witness.yaml" <<EOF
format: witness/v1
name: witness.example/w9
key: witness.pem
state: state
listen: 127.0.0.1:0
logs: []
EOF
expect 0 "$glarus" ledger witness --config "$tmp/witness.yaml" --init
says '^witness.example/w9+'
expect 3 "$glarus" ledger witness --config "$tmp/witness.yaml" --init
"$glarus" ledger witness --config "$tmp/witness.yaml" >"$tmp/witness.out" 2>&1 &
pid=$!
for _ in $(seq 100); do
    ! grep -q listening "$tmp/witness.out" || break
    sleep 0.05
done
grep -q 'listening on 127.0.0.1:' "$tmp/witness.out"
kill -TERM $pid
wait $pid

# the story of a rule wants the leaves of the checkpoint, and says what it cannot know
h=$tmp/h2
"$make" "$h"
mkdir "$tmp/rules"
echo 'rule A { meta: author = "me" condition: false }' >"$tmp/rules/a.yar"
echo 'A' >"$tmp/rules/b.ign2"
explain() {
    "$glarus" rules explain "$@"
}
expect 0 explain A --rules "$tmp/rules"
says 'author      me'
says 'ON AN ALLOW LIST'
expect 0 explain A --rules "$tmp/rules" --ledger "$h/zrh1" --trust "$h/trust.yaml"
says 'Of 2 releases in the ledger the rules of 0 are given'
says 'enough witnesses'
expect 0 explain A --rules "$tmp/rules" --ledger "$h/zrh1"
says 'nobody says that it is the site'
expect 0 explain A --rules "$tmp/rules" --trust "$h/trust.yaml" --receipt "$h/receipts/CH.tlog-proof"
says 'Of 1 receipts 0 are of scans'
expect 1 explain A --rules "$tmp/rules" --trust "$t" --receipt "$tmp/lie.tlog-proof"
expect 2 explain A --rules "$tmp/rules" --receipt "$h/receipts/CH.tlog-proof"
expect 2 explain B --rules "$tmp/rules"
expect 2 explain A
cp -r "$h/zrh1" "$tmp/other"
find "$tmp/other/tile/entries" -type f -exec chmod u+w {} + -exec sed -i 's/"serial":2/"serial":9/' {} +
expect 1 explain A --rules "$tmp/rules" --ledger "$tmp/other" --trust "$h/trust.yaml"
says 'not those of its checkpoint'
