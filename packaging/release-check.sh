#!/bin/sh
# release-check.sh RELEASE: Glarus assembles its own release (release.sh) from the source, in a root of
# packages pinned by digest, twice, the second time with everything varied; what comes out must be what
# is published in RELEASE/product, to the byte.  Leaves beside it glarus.lock, the packages, and in
# assembled/ the provenance and the bills of material.  Fetches packages, and takes some minutes.
# Exit: 0 identical, 1 not, 3 it could not be tried.
set -eu
[ $# -eq 1 ] || { echo "usage: release-check.sh RELEASE" >&2; exit 2; }
cd "$1"
[ -x product/glarus ] || { echo "release-check.sh: no release here; make release" >&2; exit 3; }
glarus=$PWD/product/glarus
rm -rf assembled
[ -e glarus.lock ] || "$glarus" assemble lock glarus.recipe.yaml --out glarus.lock --packages packages
"$glarus" assemble build glarus.recipe.yaml --lock glarus.lock --packages packages --out assembled --quiet
"$glarus" compare product assembled/outputs
echo "identical: what Glarus assembles is what is published"
