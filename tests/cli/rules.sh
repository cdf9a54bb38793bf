#!/bin/bash
# rules.sh GLARUS ENGINES ROOT: a day of a rule developer: what does not compile is named by file and
# line, what misses or hits too much does not pass, and only what passed can be put to be signed.
set -u
glarus=$(realpath "$1") engines=$(realpath "$2") root=$(realpath "$3")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
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
# has FILE LINE...: the file has these lines.
has() {
    local file=$1 line
    shift
    for line; do
        if ! grep -qxF -e "$line" "$file"; then
            echo "FAILED: no \"$line\" in $file:"
            cat "$file"
            bad=1
        fi
    done
}
# shellcheck disable=SC2317 # expect calls it
rules() { "$glarus" rules "$@"; }
sha256() { sha256sum <"$1" | cut -c1-64; }
with=(--programs "$engines")
me=0123456789abcdef0123456789abcdef
other=fedcba9876543210fedcba9876543210

cp -r "$root/rules/demo" old
mkdir -p hit/Demo_Marker_Alpha hit/Demo_New clean
echo "a DEMO-MARKER-ALPHA-4f1f0a6c" >hit/Demo_Marker_Alpha/one
echo "b NEW-MARKER-7d2e" >hit/Demo_New/two
echo "nothing" >clean/three
cp -r old new
cat >new/new.yar <<'RULE'
rule Demo_New { strings: $a = "NEW-MARKER-7d2e" condition: $a }
RULE

# --- check ---
expect 0 "9 rules compile (walk.yara), 0 entries of allow lists" rules check old "${with[@]}"
printf 'rule Broken {\n  condition:\n    foo\n}\n' >new/broken.yar
expect 1 'broken.yar:3: undefined identifier "foo"' rules check new "${with[@]}"
printf 'include "new.yar"\nrule Fine { condition: false }\n' >new/broken.yar
expect 1 "broken.yar:1: includes are disabled" rules check new "${with[@]}"
printf 'YARA compiled' >new/broken.yar
expect 1 "broken.yar" rules check new "${with[@]}"
rm new/broken.yar
printf '# why\n0123456789abcdef0123456789abcdef:4:known-good\n\nffffffffffffffffffffffffffffffff:5:last' >new/x.fp
expect 0 "10 rules compile (walk.yara), 2 entries of allow lists" rules check new "${with[@]}"
rm new/x.fp
expect 2 "name one folder" rules check "${with[@]}"
expect 3 "no engine \"walk\"" rules check new --programs "$dir"
mkdir empty
expect 2 "" rules check empty "${with[@]}"

# --- test ---
expect 0 "must be hit: 2, missed 0; must not be hit: 1, hit 0, given up on 0" \
    rules test new --hit hit --clean clean --report good.yaml "${with[@]}"
expect 1 "hit/Demo_New/two: not hit, and must be" \
    rules test old --hit hit --clean clean --report bad.yaml "${with[@]}"
mv hit/Demo_Marker_Alpha hit/Demo_Marker_Beta
expect 1 "not hit by Demo_Marker_Beta, but by: Demo_Marker_Alpha" \
    rules test new --hit hit --clean clean "${with[@]}"
mv hit/Demo_Marker_Beta hit/Demo_Marker_Alpha
echo "DEMO-MARKER-BETA-9c0d77e1" >clean/four
expect 1 "clean/four: hit, and must not be: Demo_Marker_Beta" \
    rules test new --hit hit --clean clean "${with[@]}"
rm clean/four
expect 1 "nothing was tested that must not be hit" rules test new --hit hit "${with[@]}"
expect 2 "holds no file" rules test new --hit hit --clean empty "${with[@]}"
expect 2 "percentage" rules test new --hit hit --clean clean --slower 99 "${with[@]}"
expect 0 "the base takes" \
    rules test new --hit hit/Demo_Marker_Alpha --clean clean --base old --slower 1000 "${with[@]}"
# the corpus has one name: what it holds, wherever it lies
root_of() { sed -n 's/^corpus_root: //p' "$1"; }
mkdir -p again/Demo_New again/Demo_Marker_Alpha
cp hit/Demo_New/two again/Demo_New/renamed
cp hit/Demo_Marker_Alpha/one again/Demo_Marker_Alpha/
expect 0 passed rules test new --hit again --clean clean --report again.yaml "${with[@]}"
has again.yaml "corpus_root: $(root_of good.yaml)"

# --- propose, release, sign ---
expect 0 "" "$glarus" people key author.pem
expect 0 "" "$glarus" people key anna.pem
expect 0 "to be signed by its author" rules propose new --author "$me" --out change.yaml
expect 2 "nothing changes" rules propose new --author "$me" --base new --out none.yaml
expect 2 "32 hex digits" rules propose new --author me --out none.yaml
expect 2 "not signed by its author yet" \
    rules release --change change.yaml --report good.yaml --out r1.yaml
expect 0 "1 signature" rules sign change.yaml --key author.pem
expect 1 "the tests were not passed" \
    rules release --change change.yaml.dsse --report bad.yaml --out r1.yaml
sed 's/^passed: .*/passed: "yes"/' bad.yaml >lie.yaml
expect 2 "it did not pass: 1 of 2 files that must be hit were not" \
    rules release --change change.yaml.dsse --report lie.yaml --out r1.yaml
sed -i 's/^tree: "../tree: "00/' again.yaml
expect 1 "about another tree" \
    rules release --change change.yaml.dsse --report again.yaml --out r1.yaml
expect 0 "not by the author" rules release --change change.yaml.dsse --report good.yaml --out r1.yaml
has r1.yaml "serial: 1" 'previous: "none"' "author: \"$me\"" "mode: enforce" \
    "report: \"$(sha256 good.yaml)\""
expect 0 "1 signature" rules sign r1.yaml --key anna.pem
expect 0 "2 signatures" rules sign r1.yaml.dsse --key author.pem
expect 3 "signed" rules sign r1.yaml.dsse --key anna.pem

# the next one is made on this one, and on nothing else
cp -r new newer
echo 'rule Demo_Newer { condition: false }' >newer/newer.yar
expect 0 passed rules test newer --hit hit --clean clean --report newer.yaml "${with[@]}"
expect 0 "" rules propose newer --author "$other" --base old --out wrong.yaml
expect 0 "" rules sign wrong.yaml --key author.pem
expect 1 "on other rules than those of the release before" \
    rules release --change wrong.yaml.dsse --report newer.yaml --previous r1.yaml.dsse --out r2.yaml
expect 0 "" rules propose newer --author "$other" --base new --out change2.yaml
expect 0 "" rules sign change2.yaml --key author.pem
expect 1 "on other rules than those of the release before" \
    rules release --change change2.yaml.dsse --report newer.yaml --out r2.yaml
expect 0 "to be signed" rules release --change change2.yaml.dsse --report newer.yaml \
    --previous r1.yaml.dsse --out r2.yaml --detect --urgent
has r2.yaml "serial: 2" "previous: \"$(sha256 r1.yaml.dsse)\"" "author: \"$other\"" "mode: detect" \
    'urgent: "yes"'

# --- override ---
echo x >x
subject=$(sha256 x)
what=(--author "$me" --subject "$subject" --out back.yaml)
expect 0 "to be signed" rules override --ground withdraw --asker court --why "hits x: y" "${what[@]}"
expect 0 "1 signature" rules sign back.yaml --key anna.pem
expect 2 "--ground is" rules override --ground because --asker court --why x "${what[@]}"
expect 2 "--asker is" rules override --ground allow --asker me --why x "${what[@]}"
expect 2 "--count is" rules override --ground allow --asker owner --why x --count 0 "${what[@]}"
expect 2 "" rules override --ground allow --asker owner --why $'x\ny' "${what[@]}"
exit $bad
