#!/bin/bash
# run.sh GLARUS MAKE-LEDGER CHECK-PUBLISHED ROOT BUILD: two releases and a change of keys in an update repository, and
# tuf-js as its client; what it published for the ledger is read, one after another.
set -u
glarus=$(realpath "$1") make_ledger=$(realpath "$2") check=$(realpath "$3") root=$(realpath "$4") build=$(realpath "$5")
"$root/tests/js/install.sh" "$build" || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

must() { "$@" >out 2>&1 || { echo "FAILED: $*: exit $?"; cat out; exit 1; }; }
repo() { "$glarus" repository "$@"; }
publish() { must repo publish repo --snapshot keys/online.pem --timestamp keys/online.pem; }
add() { must repo add repo "r$1" --ledger "ledger$1/ledger" --trust "ledger$1/trust.yaml" --key keys/rules.pem; }

mkdir r1 && cp "$root"/rules/demo/*.yar r1/
# shellcheck disable=SC2016 # $a is YARA's
cp -r r1 r2 && echo 'rule Demo_More { strings: $a = "MORE-MARKER" condition: $a }' >r2/more.yar
must "$make_ledger" ledger1 r1
must "$make_ledger" ledger2 r1 r2
mkdir keys repo
for k in root1 root2 root3 rules online; do
    must "$glarus" people key keys/$k.pem
    sed -n 's/^public key //p' out >keys/$k
done
keys_yaml() { # ROOT-KEYS
    local list
    list="\"$(cat "keys/$1")\", \"$(cat "keys/$2")\""
    cat >repo/keys.yaml <<END
format: update-keys/v1
root:      {threshold: 2, expires: 365d, keys: [$list]}
targets:   {threshold: 2, expires: 365d, keys: [$list]}
rules:     {threshold: 1, expires: 30d, keys: ["$(cat keys/rules)"]}
snapshot:  {threshold: 1, expires: 7d, keys: ["$(cat keys/online)"]}
timestamp: {threshold: 1, expires: 1d, keys: ["$(cat keys/online)"]}
END
}
signed() { # ROLE KEY...
    local role=$1 k
    shift
    for k; do
        must repo sign "repo/pending/$role.json" --key "keys/$k.pem"
    done
}
keys_yaml root1 root2
must repo plan repo
signed root root1 root2
signed targets root1 root2
publish
cp repo/metadata/1.root.json .
add 1
publish
keys_yaml root2 root3 # root1 goes
must repo plan repo # the others are to be signed by whom the new root names
signed root root1 root2 root3
signed targets root2 root3
publish
add 2
publish

# every publication for the ledger is one, and follows the one before
ls repo/log/*.repository >logs
sort -t/ -k3 -n logs >in-order
# shellcheck disable=SC2046 # names without blanks
must "$check" $(cat in-order)
cat out
grep -q "^3 publications, the newest lists release 2$" out || { echo "FAILED: not 3 publications"; exit 1; }

NODE_PATH=$build/js/node_modules node "$root/tests/js/updates.js" repo 1.root.json rules/2.tar rules/1-2.zst rules/current.json
