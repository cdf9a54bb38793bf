#!/usr/bin/env bash
# rules_release.sh OUT FOLDER...: makes a release of all YARA rules beneath some folders, and the same
# compiled for yara's own program: OUT/release/NUMBER-NAME.yar, OUT/compiled.
#
# A release is one namespace and no file names another, so some files of public sets cannot be in it:
# those that yarac refuses by themselves (an include, a module that Debian's YARA lacks) and those that
# name a rule as one before them does. They are left out and told, on standard error.
set -euo pipefail
export LC_ALL=C
out=${1:?usage: rules_release.sh OUT FOLDER...}
shift
yarac=(yarac -w -d filename= -d filepath= -d extension= -d filetype= -d owner=)

mkdir -p "$out/release"
n=0
while IFS= read -r -d '' file; do
    n=$((n + 1))
    name=$(basename "${file%.*}" | tr -c 'A-Za-z0-9\n' _)
    if grep -qE '^[[:space:]]*include[[:space:]]+"' "$file" ||
        ! "${yarac[@]}" "$file" "$out/compiled" >"$out/why" 2>&1; then
        echo "left out: $file: $(head -n 1 "$out/why")" >&2
        continue
    fi
    cp "$file" "$out/release/$(printf '%05d' $n)-$name.yar"
done < <(find "$@" -type f \( -name '*.yar' -o -name '*.yara' \) -print0 | sort -z)

# Together: yarac names the first file it stumbles over.
while true; do
    sources=("$out/release"/*.yar)
    if [ ! -e "${sources[0]}" ]; then
        echo "rules_release.sh: no rules that compile beneath $*" >&2
        exit 1
    fi
    "${yarac[@]}" "${sources[@]}" "$out/compiled" >"$out/why" 2>&1 && break
    culprit=$(sed -nE 's/^error: (rule "[^"]*" in )?([^(]*)\([0-9]+\): .*/\2/p' "$out/why" | head -n 1)
    if [ -z "$culprit" ] || [ ! -e "$culprit" ]; then
        cat "$out/why" >&2
        exit 1
    fi
    echo "left out: $culprit: $(head -n 1 "$out/why")" >&2
    rm "$culprit"
done
rm -f "$out/why"
