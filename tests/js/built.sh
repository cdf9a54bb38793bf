#!/bin/bash
# built.sh MAKE-STATEMENTS ROOT BUILD: what a build says of itself, read by programs that are not ours.
set -eu
make_statements=$(realpath "$1") root=$(realpath "$2") build=$(realpath "$3")
"$root/tests/js/install.sh" "$build"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for k in key other; do
    openssl genpkey -algorithm ed25519 -out "$dir/$k.pem"
    chmod 600 "$dir/$k.pem"
    openssl pkey -in "$dir/$k.pem" -pubout -out "$dir/$k.pub"
done
"$make_statements" "$dir" "$dir/key.pem"
NODE_PATH=$build/js/node_modules node "$root/tests/js/built.js" "$dir" "$dir/key.pub" "$dir/other.pub"
