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
# Ends of support: of the product, as its recipe says, and of the one package whose end the lock knows.
ends() { # FILE WORD TEXT
    if [ "$(grep -o "$2" "$dir/$1" | wc -l)" != 2 ] || ! grep -qF "$3" "$dir/$1"; then
        echo "FAILED: $1 has no $3"
        exit 1
    fi
}
ends sbom.spdx.json validUntilDate '"versionInfo":"1:2.0~rc1-1","validUntilDate":"2030-12-31T23:59:59Z"'
ends sbom.spdx.json validUntilDate '"validUntilDate":"2026-07-11T23:59:59Z","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/tzdata@'
ends sbom.cdx.json cdx:lifecycle '"version":"1:2.0~rc1-1","properties":[{"name":"cdx:lifecycle:milestone:endOfSupport","value":"2030-12-31T23:59:59Z"}]}'
ends sbom.cdx.json cdx:lifecycle '?arch=all","properties":[{"name":"cdx:lifecycle:milestone:endOfGuaranteedSupport","value":"2026-07-11T23:59:59Z"}]'
NODE_PATH=$build/js/node_modules node "$root/tests/js/built.js" "$dir" "$dir/key.pub" "$dir/other.pub"
