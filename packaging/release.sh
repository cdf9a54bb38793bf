#!/bin/sh
# release.sh OUT: makes the release of HEAD: the same bytes from every clone, on a machine with the same
# compiler and libraries.
#   OUT/glarus-VERSION.tar.xz    the source
#   OUT/product/                 what is built from it: the package, and its programs (package.sh)
#   OUT/glarus.recipe.yaml       how "glarus assemble" builds that anywhere
#   OUT/SHA256SUMS               of all of these
# What is not committed is not released.
set -eu
[ $# -eq 1 ] || { echo "usage: release.sh OUT" >&2; exit 2; }
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 TZ=UTC
umask 022
git rev-parse --verify --quiet HEAD >/dev/null || { echo "release.sh: a release is made of a commit; this is no clone" >&2; exit 3; }
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "release.sh: what is not committed is left out" >&2
rm -rf "$1"
mkdir -p "$1"
out=$(cd "$1" && pwd -P)
SOURCE_DATE_EPOCH=$(git show -s --format=%ct HEAD)
export SOURCE_DATE_EPOCH
version=$(git show HEAD:meson.build | sed -n "s/^ *version: '\(.*\)',\$/\1/p")
name=glarus-$version

# no setting of the user's or the machine's speaks with: modes, ends of lines, attributes
GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null git -c tar.umask=0022 -c core.autocrlf=false \
    -c core.attributesFile=/dev/null archive --format=tar --prefix="$name/" HEAD >"$out/$name.tar"
xz -T1 -6 "$out/$name.tar"

work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
tar -x -f "$out/$name.tar.xz" -C "$work"
"$work/$name/packaging/package.sh" "$work/$name" "$out/product" "${JOBS:-}"

packages=$(sed -n 's/^\([a-z0-9.+-]*-dev\) .*/\1/p' "$work/$name/packaging/debian-run.txt" | sort | tr '\n' ' ' |
    sed 's/ /, /g')
sed -e "s/@VERSION@/$version/g" -e "s/@CLOCK@/$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)/" \
    -e "s/@SHA256@/$(sha256sum <"$out/$name.tar.xz" | cut -c1-64)/" \
    -e "s/@PACKAGES@/${packages}binutils, dpkg-dev, gcc, meson, ninja-build, pkg-config, xz-utils/" \
    -e '/^#/d' "$work/$name/packaging/recipe.yaml.in" >"$out/glarus.recipe.yaml"
rm -rf "$work"
sums=$(cd "$out" && find . -type f -printf '%P\n' | sort | xargs sha256sum)
printf '%s\n' "$sums" | tee "$out/SHA256SUMS"
