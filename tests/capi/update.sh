#!/bin/bash
# update.sh GLARUS MAKE-LEDGER UPDATE ROOT: glarus_update against a repository made by our commands: a first release, a
# second as a difference, nothing new; and each refusal has its code and leaves what was in use.
set -u
glarus=$(realpath "$1") make_ledger=$(realpath "$2") update=$(realpath "$3") root=$(realpath "$4")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
bad=0

# expect TEXT ARGUMENTS...: what the update says begins with TEXT
expect() {
    local text=$1 said
    shift
    said=$("$update" "$@" 2>&1)
    case $said in
    "$text"*) ;;
    *)
        echo "FAILED: update $*: \"$said\" does not begin with \"$text\""
        bad=1
        ;;
    esac
}
same() { [ "$2" = "$3" ] || { echo "FAILED: $1: $2, not $3"; bad=1; }; }
run() { "$@" >out 2>&1 || { echo "FAILED: $*"; cat out; exit 1; }; }

mkdir r1 repo && cp "$root"/rules/demo/*.yar r1/
cp -r r1 r2 && echo 'rule More { condition: false }' >r2/more.yar
run "$make_ledger" l1 r1
run "$make_ledger" l2 r1 r2
run "$glarus" people key key.pem
key=$(openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | base64 -w0)
echo 'format: update-keys/v1' >repo/keys.yaml
for role in root targets rules snapshot timestamp; do
    echo "$role: {threshold: 1, expires: 365d, keys: [\"$key\"]}" >>repo/keys.yaml
done
publish() { run "$glarus" repository publish repo --snapshot key.pem --timestamp key.pem; }
add() { run "$glarus" repository add repo "$1" --ledger "$2/ledger" --trust l1/trust.yaml --key key.pem; }
run "$glarus" repository plan repo
run "$glarus" repository sign repo/pending/root.json --key key.pem
run "$glarus" repository sign repo/pending/targets.json --key key.pem
publish
cp repo/metadata/1.root.json root.json
expect 'not_found: ' repo client l1/trust.yaml root.json
add r1 l1
publish
expect 'invalid: ' repo other l1/trust.yaml
expect 'not_found: ' repo client l1/trust.yaml no-such-root.json
expect 'not_found: ' no-such-repository client l1/trust.yaml root.json
said=$("$update" repo client l1/trust.yaml root.json)
run "$glarus" receipt verify client/releases/1.proof --trust l1/trust.yaml --json
tree=$(grep -oE '"tree":"[0-9a-f]{64}"' out | cut -d '"' -f 4)
same 'the first release' "$said" "installed release 1 before 0 tree $tree site zrh1 enforced fetched something"
diff -r r1 client/current || same files other same
expect 'had release 1 before 1 ' repo client l1/trust.yaml
cp -r repo one
add r2 l2
publish
cp -r client old
for f in repo/metadata/*.rules.json; do
    cp "$f" kept
    sed -i 's/"version"/"Version"/' "$f"
    cmp -s "$f" kept || changed=$f
done
expect 'verify: ' repo client l1/trust.yaml
cp kept "$changed"
same 'in use after a refusal' "$(readlink client/current)" releases/1
expect 'installed release 2 before 1 ' repo client l1/trust.yaml
diff -r r2 client/current || same files other same
expect 'verify: ' one client l1/trust.yaml
same 'in use after a rollback' "$(readlink client/current)" releases/2
expect 'network: ' http://127.0.0.1:1 client l1/trust.yaml
exit $bad
