#!/bin/sh
# packages.sh ROOT: the lists of packages say why, and install-packages.sh tells what is missing.
set -eu
cd "$1"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0

fail() {
    echo "$*"
    rc=1
}

for list in packaging/debian-*.txt; do
    grep -vE '^#|^$|^[a-z0-9][a-z0-9.+-]+ +# .' "$list" && fail "$list: not \"package  # why\""
done

command -v dpkg-query >/dev/null 2>&1 || exit $rc
printf '# a comment\n\ndpkg  # is everywhere\nlibc6\n' >"$tmp/there"
printf 'dpkg  # is everywhere\nno-such-package-1  # to be missed\n' >"$tmp/not"

out=$(packaging/install-packages.sh --check "$tmp/there" 2>&1) || fail "refused what is installed"
[ -z "$out" ] || fail "not silent when nothing is missing: $out"

out=$(packaging/install-packages.sh --check "$tmp/there" "$tmp/not" 2>&1) && fail "accepted a missing package"
printf '%s\n' "$out" | grep -q '^  no-such-package-1 *to be missed$' || fail "does not say why: $out"
printf '%s\n' "$out" | grep -q 'dpkg' && fail "names a package that is there: $out"
exit $rc
