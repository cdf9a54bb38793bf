#!/bin/bash
# token.sh GLARUS: people sign with a key in a token (SoftHSM's); openssl verifies it with the public
# half that pkcs11-tool read from the token, over the bytes that DSSE says are signed.
set -u
glarus=$(realpath "$1")
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

mkdir tokens
printf 'directories.tokendir = %s/tokens\nlog.level = ERROR\n' "$dir" >softhsm2.conf
export SOFTHSM2_CONF=$dir/softhsm2.conf
softhsm2-util --init-token --free --label ours --pin 4711 --so-pin 0815 >out 2>&1 || { cat out; exit 1; }
pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --login --pin 4711 --token-label ours \
    --keypairgen --key-type EC:edwards25519 --label anna --id 01 >made 2>&1 || { cat made; exit 1; }
public=$(sed -n 's/^ *EC_POINT: *0420\([0-9a-f]\{64\}\)$/\1/p' made)
(umask 077 && echo 4711 >pin && echo 4712 >wrong)
echo leak:libcrypto.so >lsan # SoftHSM's OpenSSL; ours is GnuTLS
export LSAN_OPTIONS=suppressions=$dir/lsan:print_suppressions=0
key="pkcs11:token=ours;object=anna?pin-source=file:$dir/pin"

# unhex TEXT: its bytes
unhex() { printf '%b' "$(printf %s "$1" | sed 's/../\\x&/g')"; }
expect 0 "public key $(unhex "$public" | base64)" "$glarus" people key "$key"
expect 0 "keyid $(unhex "$public" | sha256sum | cut -c1-64)" "$glarus" people key "$key"

# verified FILE.dsse N: signature N of the envelope is the token's over the document
# shellcheck disable=SC2317 # expect calls it
verified() {
    local type
    type=$(sed -n 's/.*"payloadType":"\([^"]*\)".*/\1/p' "$1")
    sed -n 's/.*"payload":"\([^"]*\)".*/\1/p' "$1" | base64 -d >payload
    { printf 'DSSEv1 %d %s %d ' ${#type} "$type" "$(wc -c <payload)" && cat payload; } >signed
    grep -o '"sig":"[^"]*"' "$1" | sed -n "$2p" | cut -d'"' -f4 | base64 -d >sig
    unhex "302a300506032b6570032100$public" >public.der
    openssl pkeyutl -verify -pubin -keyform DER -inkey public.der -rawin -in signed -sigfile sig
}
cat >change.yaml <<'YAML'
format: "rules-change/v1"
change: "0123456789abcdef0123456789abcdef"
author: "0123456789abcdef0123456789abcdef"
base: none
tree: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
YAML
expect 0 "1 signature" "$glarus" rules sign change.yaml --key "$key"
expect 0 "Verified Successfully" verified change.yaml.dsse 1
expect 3 "this key has signed" "$glarus" rules sign change.yaml.dsse --key "$key"
# a person with a file beside one with a token, in any order
expect 0 "public key" "$glarus" people key beat.pem
expect 0 "2 signatures" "$glarus" rules sign change.yaml.dsse --key beat.pem
expect 0 "1 signature" "$glarus" rules sign change.yaml --key beat.pem --out again.dsse
expect 0 "2 signatures" "$glarus" rules sign again.dsse --key "$key"
expect 0 "Verified Successfully" verified again.dsse 2
printf x >>signed # the check can fail
expect 1 "Verification Failure" openssl pkeyutl -verify -pubin -keyform DER -inkey public.der -rawin \
    -in signed -sigfile sig

# what a builder says of a product, by a key in a token
mkdir was is
echo made | tee was/file >is/file
zeros=$(printf '%064d' 0)
cat >product.yaml <<END
format: product/v1
serial: 1
previous: none
name: hello
version: "1"
site: zrh1
zone: CH
source: "$zeros"
recipe: "$zeros"
toolchain: "$zeros"
provenance: "$zeros"
sbom: "$zeros"
artifacts:
  - {name: file, sha256: "$(sha256sum <was/file | cut -c1-64)", size: 5}
END
expect 0 "1 signature" "$glarus" assemble sign product.yaml --key "$key"
expect 0 "rebuilt.dsse: identical, signed" "$glarus" assemble attest product.yaml.dsse --published was --rebuilt is \
    --key "$key" --out rebuilt.dsse
expect 0 "Verified Successfully" verified rebuilt.dsse 1
expect 0 "key: \"$(unhex "$public" | base64)\"" cat payload
expect 3 "PIN" "$glarus" assemble attest product.yaml.dsse --published was --rebuilt is \
    --key "pkcs11:token=ours;object=anna?pin-source=file:$dir/wrong" --out none.dsse
[ ! -e none.dsse ] || { echo "FAILED: a wrong PIN left an envelope"; bad=1; }

# metadata of an update repository: what the token has signed is published, as a client would take it
in_token=$(unhex "$public" | base64)
in_file=$("$glarus" people key carl.pem | sed -n 's/^public key //p')
mkdir repo
cat >repo/keys.yaml <<END
format: update-keys/v1
root:      {threshold: 2, expires: 365d, keys: ["$in_token", "$in_file"]}
targets:   {threshold: 1, expires: 365d, keys: ["$in_token"]}
rules:     {threshold: 1, expires: 30d, keys: ["$in_token"]}
snapshot:  {threshold: 1, expires: 7d, keys: ["$in_token"]}
timestamp: {threshold: 1, expires: 1d, keys: ["$in_file"]}
END
online=(--snapshot "$key" --timestamp carl.pem)
expect 0 "pending/root.json" "$glarus" repository plan repo
expect 0 "1 signature" "$glarus" repository sign repo/pending/root.json --key "$key"
expect 0 "1 signature" "$glarus" repository sign repo/pending/targets.json --key "$key"
expect 4 "waits for signatures" "$glarus" repository publish repo "${online[@]}"
expect 0 "2 signatures" "$glarus" repository sign repo/pending/root.json --key carl.pem
expect 0 "root 1, timestamp 1, snapshot 1, targets 1" "$glarus" repository publish repo "${online[@]}"
# shellcheck disable=SC2317 # expect calls it
of_root() { # the token's signature in root 1, over what TUF says is signed: canonical JSON
    python3 - "$public" <<'PY' || return 1
import hashlib, json, sys
canonical = lambda v: json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
root = json.load(open("repo/metadata/1.root.json"))
key = {"keytype": "ed25519", "keyval": {"public": sys.argv[1]}, "scheme": "ed25519"}
keyid = hashlib.sha256(canonical(key)).hexdigest()
(sig,) = [s["sig"] for s in root["signatures"] if s["keyid"] == keyid]
open("signed", "wb").write(canonical(root["signed"]))
open("sig", "wb").write(bytes.fromhex(sig))
PY
    openssl pkeyutl -verify -pubin -keyform DER -inkey public.der -rawin -in signed -sigfile sig
}
expect 0 "Verified Successfully" of_root

# what is wrong leaves no envelope
for row in "$key-absent|3|cannot open the PIN's file" \
    "pkcs11:token=ours;object=anna|3|add ?pin-source=file:/path" \
    "pkcs11:token=ours;object=anna?pin-source=$dir/wrong|3|refuses the PIN" \
    "pkcs11:token=theirs;object=anna?pin-source=$dir/pin|3|there is no token" \
    "pkcs11:token=ours;object=beat?pin-source=$dir/pin|3|has no private key" \
    "pkcs11:token=ours;object=anna?pin-value=4711|2|everybody's"; do
    IFS='|' read -r spec code text <<<"$row"
    expect "$code" "$text" "$glarus" rules sign change.yaml --key "$spec" --out none.dsse
    expect "$code" "$text" "$glarus" people key "$spec"
    [ ! -e none.dsse ] || { echo "FAILED: $spec left an envelope"; bad=1; }
done
# every command that signs says so
for what in "policy sign" "statement sign" "people sign" "rules sign" "relocate sign" "assemble attest"; do
    # shellcheck disable=SC2086
    expect 0 "a token's pkcs11: URI" "$glarus" $what --help
done
exit $bad
