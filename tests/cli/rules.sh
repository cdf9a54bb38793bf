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

# why, a ticket and the commit are said beside, in words that are read as they were meant
expect 0 "" rules propose newer --author "$me" --base new --why 'finds "x" \ y: z' --ticket T-17 \
    --out why.yaml
has why.yaml 'why: "finds \"x\" \\ y: z"' 'ticket: "T-17"'
expect 2 "one line of 1 to" rules propose newer --author "$me" --why $'x\ty' --out no.yaml
expect 2 "one line" rules propose newer --author "$me" --why $'x\ny' --out no.yaml
expect 2 "is made of" rules propose newer --author "$me" --ticket "see below" --out no.yaml
[ ! -e no.yaml ] || { echo "FAILED: no.yaml was written"; bad=1; }

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

# --- disputes: a file that somebody says is hit wrongly ---
echo "our DEMO-MARKER-BETA-9c0d77e1" >installer
hex=$(sha256 installer)
t=(test new --hit hit --clean clean --disputes disputes "${with[@]}")
expect 0 "disputes/$hex.yaml: due" \
    rules dispute installer --asker owner --why 'our "installer"' --days 2 --to disputes
has "disputes/$hex.yaml" "file: \"$hex\"" "asker: owner" 'why: "our \"installer\""' "settled: none"
expect 3 "exists" rules dispute installer --asker owner --why x --to disputes
expect 2 "one line" rules dispute old/eicar.yar --asker owner --why $'x\ny' --to disputes
expect 2 "--days is" rules dispute installer --asker owner --why x --days 0 --to disputes
expect 2 "--settle is" rules dispute "disputes/$hex.yaml" --settle none
# until it is due it is told, and counts for nothing
expect 0 "disputes/$hex.file: hit, and that is disputed: Demo_Marker_Beta" rules "${t[@]}"
expect 0 "disputes: 1 open, 0 must not be hit, 0 must be; the next is due 20" rules "${t[@]}"
expect 0 "must be hit: 2, missed 0; must not be hit: 1, hit 0" rules "${t[@]}"
# who does nothing loses
sed -e 's/^opened: .*/opened: 2020-01-01T00:00Z/' -e 's/^due: .*/due: 2020-01-02T00:00Z/' \
    -i "disputes/$hex.yaml"
expect 1 "disputes/$hex.file: hit, and must not be: Demo_Marker_Beta" rules "${t[@]}"
expect 1 "1 of 2 files that must not be hit were" rules "${t[@]}"
# settled as right, as wrong
expect 0 "settled as malicious" rules dispute "disputes/$hex.yaml" --settle malicious --why "it drops x"
expect 0 "must be hit: 3, missed 0" rules "${t[@]}"
expect 0 "settled as clean" rules dispute "disputes/$hex.yaml" --settle clean
expect 1 "hit, and must not be" rules "${t[@]}"
echo more >>"disputes/$hex.file"
expect 2 "is not the file that" rules "${t[@]}"
rm "disputes/$hex.file"
expect 3 "the disputed file" rules "${t[@]}"

# --- diff ---
cp -r new other
cat >other/new.yar <<'RULE'
/* another layout */
rule Demo_New {
  strings: $a = "NEW-MARKER-7d2e" // the same
  condition: $a
}
RULE
mv other/eicar.yar other/moved.yar
expect 0 "0 added, 0 removed, 0 changed" rules diff new new
expect 1 "0 added, 0 removed, 0 changed; 1 differ in layout or comments only, 1 stand in another" \
    rules diff new other
sed -i 's/7d2e/7d2f/' other/new.yar
printf 'rule Demo_Newest { condition: false }\n' >other/z.yar
printf 'Body.A:0:*:6162\nBody.A:0:*:6163\nBody.B:0:*:6164\n' >other/x.ndb
printf '# why\n0123456789abcdef0123456789abcdef:4:known-good\n' >other/x.fp
printf '%064d %s\n' 1 Hash.A 2 Hash.A >other/h.sha256
rm other/marker.yar
expect 1 "~ yara     Demo_New  new.yar:1 -> new.yar:2" rules diff new other
cp out text
for line in "+ yara     Demo_Newest  z.yar:1" "- yara     Demo_Marker_Alpha  marker.yar:2" \
    "+ clamav   Body.A  x.ndb:1  (2 more, 0 less of that name)" "+ clamav   Body.B  x.ndb:3" \
    "+ hash     Hash.A  h.sha256:1  (2 more, 0 less of that name)" \
    "ALLOW LISTS, what is not found any more:" \
    "+ allow    0123456789abcdef0123456789abcdef:4:known-good  x.fp:2" \
    "ALLOW LISTS: 1 entries more, 0 less"; do
    grep -qF -e "$line" text || { echo "FAILED: diff does not say: $line"; cat text; bad=1; }
done
cp -r other last
printf 'Body.A:0:*:6163\nBody.A:0:*:6165\nBody.B:0:*:6164\n' >last/x.ndb
rm last/x.fp
expect 1 "~ clamav   Body.A x.ndb:1  (1 more, 1 less of that name)" rules diff other last
expect 1 "ALLOW LISTS: 0 entries more, 1 less" rules diff other last
expect 1 '"change":"removed","kind":"allow"' rules diff other last --json
expect 1 '"added":0,"removed":0,"changed":1,' rules diff other last --json
printf 'rule Open { condition: true\n' >last/z.yar
expect 2 "z.yar: line 2: the last rule does not end" rules diff other last
expect 2 "No such file" rules diff other nowhere
expect 2 "two folders" rules diff other

# --- git: what a commit has, whatever the repository says of itself ---
git() { command git -c user.name=a -c user.email=a@example.org -c init.defaultBranch=main "$@"; }
tree_of() { sed -n 's/^tree //p' out; }
g=(--git repo)
git init -q repo
cp -r old repo/rules
git -C repo add -A
git -C repo commit -q -m one
git -C repo tag -a -m seven v7
expect 0 "9 rules compile" rules check old "${with[@]}"
want=$(tree_of)
cp new/new.yar repo/rules/
git -C repo add -A
git -C repo commit -q -m two
for rev in v7:rules main~1:rules "$(command git -C repo rev-parse "v7^{commit}"):rules/"; do
    expect 0 "9 rules compile" rules check "$rev" "${g[@]}" "${with[@]}"
    [ "$(tree_of)" = "$want" ] || { echo "FAILED: $rev is another tree"; bad=1; }
done
has out "commit $(command git -C repo rev-parse "v7^{commit}")"
expect 0 "10 rules compile" rules check HEAD "${g[@]}" "${with[@]}"
git clone -q --bare repo bare.git
expect 0 "10 rules compile" rules check main:rules --git bare.git "${with[@]}"
git -C repo gc -q
expect 1 "+ yara     Demo_New  new.yar:1" rules diff v7:rules main:rules "${g[@]}"
expect 0 "the base takes" rules test main:rules "${g[@]}" --base v7:rules --hit hit --clean clean \
    --slower 1000 "${with[@]}"
expect 0 "" rules propose main:rules "${g[@]}" --base v7:rules --author "$me" --out git.yaml
has git.yaml "commit: \"$(command git -C repo rev-parse main)\"" "base: \"$want\""
expect 2 "the revision \"v8\"" rules check v8:rules "${g[@]}" "${with[@]}"
expect 2 "the folder \"nothing\"" rules check v7:nothing "${g[@]}" "${with[@]}"
expect 2 "is no folder in that commit" rules check v7:rules/eicar.yar "${g[@]}" "${with[@]}"
expect 2 "is no git repository" rules check main --git old "${with[@]}"
git -C repo worktree add -q ../second v7 2>/dev/null
expect 2 "second working tree" rules check main:rules --git second "${with[@]}"

# nothing of it runs, and nothing outside is read
cp -r repo hostile
for hook in post-checkout post-index-change reference-transaction fsmonitor; do
    printf '#!/bin/sh\ntouch %s/ran\n' "$dir" >hostile/.git/hooks/$hook
    chmod +x hostile/.git/hooks/$hook
done
cat >>hostile/.git/config <<CONFIG
[core]
    fsmonitor = $dir/hostile/.git/hooks/fsmonitor
[filter "evil"]
    smudge = touch $dir/ran
    process = touch $dir/ran
[include]
    path = /etc/passwd
CONFIG
printf '* filter=evil text eol=crlf\n' >hostile/.git/info/attributes
expect 0 "9 rules compile" rules check v7:rules --git hostile "${with[@]}"
[ "$(tree_of)" = "$want" ] || { echo "FAILED: a filter changed the tree"; bad=1; }
[ ! -e ran ] || { echo "FAILED: the repository ran something"; bad=1; }
git init -q borrow
echo "$dir/repo/.git/objects" >borrow/.git/objects/info/alternates
command git -C repo rev-parse main >borrow/.git/refs/heads/main
command git -C borrow cat-file -e main:rules || { echo "FAILED: git itself does not borrow"; bad=1; }
expect 2 "the revision \"main\"" rules check main:rules --git borrow "${with[@]}"

# entry MODE TYPE OBJECT NAME: a commit "odd" whose rules/ has this entry beside one good file
blob=$(printf 'rule A { condition: true }\n' | command git -C repo hash-object -w --stdin)
entry() {
    local rules root
    rules=$(printf '%s %s %s\t%s\n100644 blob %s\ta.yar\n' "$1" "$2" "$3" "$4" "$blob" |
        command git -C repo mktree --missing)
    root=$(printf '040000 tree %s\trules\n' "$rules" | command git -C repo mktree --missing)
    command git -C repo update-ref refs/heads/odd \
        "$(git -C repo commit-tree -m odd "$root")"
}
entry 100755 blob "$blob" b.txt
expect 0 "1 rules compile" rules check odd:rules "${g[@]}" "${with[@]}"
entry 120000 blob "$blob" b.yar
expect 1 "\"b.yar\" is no regular file" rules check odd:rules "${g[@]}" "${with[@]}"
entry 160000 commit "$(command git -C repo rev-parse main)" sub
expect 1 "\"sub\" is a submodule" rules check odd:rules "${g[@]}" "${with[@]}"
entry 100644 blob "$blob" 'a b.yar'
expect 1 "are made of letters, digits" rules check odd:rules "${g[@]}" "${with[@]}"
entry 100644 blob 0123456789012345678901234567890123456789 b.yar
expect 1 "\"b.yar\"" rules check odd:rules "${g[@]}" "${with[@]}"
entry 100644 blob "$blob" a.yar # twice
expect 1 "malformed" rules check odd:rules "${g[@]}" "${with[@]}"
deep=$(printf '100644 blob %s\ta.yar\n' "$blob" | command git -C repo mktree)
for _ in 1 2 3 4 5 6 7 8; do
    deep=$(printf '040000 tree %s\td\n' "$deep" | command git -C repo mktree)
done
entry 040000 tree "$deep" d
expect 1 "is too deep" rules check odd:rules "${g[@]}" "${with[@]}"
# a tree that holds itself eight times over: 10^8 entries in nine small objects
bomb=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '100644 blob %s\tx%s\n' "$blob" $i; done |
    command git -C repo mktree)
for _ in 1 2 3 4 5 6 7; do
    bomb=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\td%s\n' "$bomb" $i; done |
        command git -C repo mktree)
done
entry 040000 tree "$bomb" d
expect 1 "have more than" rules check odd:rules "${g[@]}" "${with[@]}"
# an object whose bytes are not those of its name
entry 100644 blob "$blob" b.yar
object=repo/.git/objects/${blob:0:2}/${blob:2}
chmod u+w "$object"
printf 'rule B { condition: true }\n' | command git -C repo hash-object -w --stdin >name
other=$(cat name)
cp "repo/.git/objects/${other:0:2}/${other:2}" "$object"
expect 1 "a.yar" rules check odd:rules "${g[@]}" "${with[@]}"
printf 'x' >"$object"
expect 1 "a.yar" rules check odd:rules "${g[@]}" "${with[@]}"
expect 3 "No such file" rules publish no-such-file

exit $bad
