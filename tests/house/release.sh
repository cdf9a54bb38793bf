#!/bin/bash
# release.sh ROOT: a release of HEAD, made in two clones that differ in all that should not matter, has
# the same bytes, and its package is one that an operator can install.
set -eu -o pipefail
cd "$1"
for tool in git xz dpkg-deb dpkg-shlibdeps openssl; do
    command -v "$tool" >/dev/null || { echo "$tool is missing"; exit 77; }
done
git rev-parse --verify --quiet HEAD >/dev/null || { echo "this is no clone"; exit 77; }
tmp=$(mktemp -d "${TMPDIR:-/tmp}/release-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

fail() {
    echo "release.sh: $*" >&2
    exit 1
}

one=$tmp/one two="$tmp/an other and longer place"
git clone -q . "$one"
git clone -q . "$two"
(umask 022 && "$one/packaging/release.sh" "$one/out") >"$tmp/first"

# another user, if there is a choice; settings of theirs that would speak with
other=()
if [ "$(id -u)" = 0 ]; then
    chown -R 64124:64124 "$two"
    other=(setpriv --reuid 64124 --regid 64124 --clear-groups)
fi
printf '[tar]\n\tumask = user\n[core]\n\tautocrlf = true\n' >"$tmp/gitconfig"
(umask 077 && "${other[@]}" env -i PATH="$PATH" HOME=/nonexistent GIT_CONFIG_GLOBAL="$tmp/gitconfig" \
    LC_ALL=C TZ=Pacific/Kiritimati CFLAGS=-O0 DESTDIR=/nonexistent JOBS=1 \
    "$two/packaging/release.sh" "$two/out of it") >"$tmp/second"

diff "$tmp/first" "$tmp/second" || fail "the second release has other bytes"
(cd "$one/out" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS says something else"
[ "$(wc -l <"$one/out/SHA256SUMS")" = 9 ] || fail "not nine files: $(cat "$tmp/first")"

# the source is the commit's, dated by it
date=$(git show -s --format=%ct HEAD)
tar -x -f "$one"/out/glarus-*.tar.xz -C "$tmp"
source=$(echo "$tmp"/glarus-*)
diff <(git ls-files | sort) <(cd "$source" && find . ! -type d -printf '%P\n' | sort) || fail "other files than the commit's"
[ "$(find "$source" -printf '%Ts\n' | sort -u)" = "$date" ] || fail "files have other dates than the commit"

# the package: owned by root, dated by the commit, its programs those beside it, nothing of this machine's folders
deb=$(echo "$one"/out/product/glarus_*.deb)
dpkg-deb --fsys-tarfile "$deb" | tar -t -v --full-time -f - >"$tmp/list"
when=$(TZ='' date -d "@$date" '+%Y-%m-%d %H:%M:%S')
! TZ='' dpkg-deb --fsys-tarfile "$deb" | TZ='' tar -t -v --full-time -f - | grep -v " $when " || fail "other dates in the package"
! grep -vE '^[-dl]rw[x-]r-[x-]r-[x-] root/root |^lrwxrwxrwx root/root ' "$tmp/list" || fail "other owners or modes"
dpkg-deb -x "$deb" "$tmp/root"
for program in bin/glarus sbin/glarusd libexec/glarus/glarus-{commands,engine-clamav,engine-walk,engine-yara}; do
    cmp "$tmp/root/usr/$program" "$one/out/product/${program##*/}"
done
! grep -rl -e "$one" -e "$tmp" "$tmp/root" || fail "it names the folder it was built in"
(cd "$tmp/root" && md5sum --quiet -c <(dpkg-deb --ctrl-tarfile "$deb" | tar -x -O ./md5sums)) || fail "md5sums"
version=$(dpkg-deb -f "$deb" Version)
[ "$("$tmp/root/usr/sbin/glarusd" --version)" = "glarusd $version" ] || fail "another version"
for needed in libc6 libcapstone4 libgnutls30 libsqlite3-0 libyara9; do
    dpkg-deb -f "$deb" Depends | grep -qE "(^|, )$needed( |,|\$)" || fail "it does not depend on $needed"
done

# the recipe is one, of that source
openssl genpkey -algorithm ed25519 -out "$tmp/key.pem"
"$tmp/root/usr/bin/glarus" assemble sign-recipe "$one/out/glarus.recipe.yaml" --key "$tmp/key.pem" --out "$tmp/signed" ||
    fail "the recipe is none"
grep -q "sha256: $(sha256sum <"$one"/out/glarus-*.tar.xz | cut -c1-64)\$" "$one/out/glarus.recipe.yaml" || fail "the recipe names another source"
