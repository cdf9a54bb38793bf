# builds.sh - a product of the demonstration: built from a source by a recipe, signed by two
# supervisors, published with what it was built from.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables

digest() { sha256sum <"$1" | cut -c1-64; }

# The provenance: which files came out of which source, recipe and toolchain.
provenance() {
    local b=$1 statement
    statement=$(printf '{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","subject":[{"name":"hello.sh","digest":{"sha256":"%s"}}],"predicate":{"buildDefinition":{"resolvedDependencies":[{"name":"source","digest":{"sha256":"%s"}},{"name":"recipe","digest":{"sha256":"%s"}},{"name":"toolchain","digest":{"sha256":"%s"}}]}}}' \
        "$(digest "$b/hello.sh")" "$(digest "$b/hello.in")" "$(digest "$b/recipe.yaml")" "$(digest "$b/lock.yaml")")
    printf '{"payload":"%s","payloadType":"application/vnd.in-toto+json","signatures":[]}\n' \
        "$(printf %s "$statement" | base64 -w 0)"
}

publish_product() {
    local b=$VAR/build
    local -a parts=(--recipe "$b/recipe.yaml" --toolchain "$b/lock.yaml" --provenance "$b/provenance.dsse" --sbom "$b/sbom.json")
    mkdir -p "$b"
    say "The vendor's program is built in the zone that the policy names for it, and published together" \
        "with what it was built from; its supervisors sign, two of them:"
    printf '#!/bin/sh\necho @GREETING@\n' >"$b/hello.in"
    printf 'name: hello\nsteps: [sed s/@GREETING@/hello/ hello.in]\n' >"$b/recipe.yaml"
    printf 'sed: %s\n' "$(digest "$(command -v sed)")" >"$b/lock.yaml"
    printf '{"spdxVersion":"SPDX-2.3"}\n' >"$b/sbom.json"
    sed s/@GREETING@/hello/ "$b/hello.in" >"$b/hello.sh"
    provenance "$b" >"$b/provenance.dsse"
    does 0 assemble product "$b/hello.sh" --name hello --version 1.0 --site zrh1 --zone CH \
        --source "$(digest "$b/hello.in")" "${parts[@]}" --out "$b/product.yaml"
    quietly assemble sign "$b/product.yaml" --key "$VAR/people/person-3.pem"
    does 1 assemble publish "$b/product.yaml.dsse" "${parts[@]}" --config "$VAR/zrh1.yaml"
    quietly assemble sign "$b/product.yaml.dsse" --key "$VAR/people/person-4.pem"
    does 0 assemble publish "$b/product.yaml.dsse" "${parts[@]}" --config "$VAR/zrh1.yaml"
    settle
    held "one product stands in the ledger of zrh1" test "$(count zrh1 '"kind":"product.published"')" = 1
}
