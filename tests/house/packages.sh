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
# awk is nobody's name: mawk or gawk provides it, and one of them is everywhere
printf '# a comment\n\ndpkg  # is everywhere\nlibc6\nawk\n' >"$tmp/there"
printf 'dpkg  # is everywhere\nno-such-package-1  # to be missed\n' >"$tmp/not"

out=$(packaging/install-packages.sh --check "$tmp/there" 2>&1) || fail "refused what is installed"
[ -z "$out" ] || fail "not silent when nothing is missing: $out"

out=$(packaging/install-packages.sh --check "$tmp/there" "$tmp/not" 2>&1) && fail "accepted a missing package"
printf '%s\n' "$out" | grep -q '^  no-such-package-1 *to be missed$' || fail "does not say why: $out"
printf '%s\n' "$out" | grep -q 'dpkg' && fail "names a package that is there: $out"

# What is called, in which order, as root, with sudo and without: stand-ins that write it down.
mkdir "$tmp/bin"
stand_in() {
    printf '#!/bin/sh\n%s\n' "$2" >"$tmp/bin/$1"
    chmod +x "$tmp/bin/$1"
}
# shellcheck disable=SC2016 # the stand-ins expand these
stand_in apt-get '
for word; do case $word in install | update) echo "$word" >>"$CALLS" ;; esac; done
case "$*" in *install*) [ -e "$INDEX" ] ;; *) touch "$INDEX" ;; esac'
export CALLS="$tmp/calls" INDEX="$tmp/index"

# expect WHAT STATUS CALLS LIST
expect() {
    : >"$CALLS"
    status=0
    PATH="$tmp/bin:$PATH" packaging/install-packages.sh "$4" >"$tmp/out" 2>&1 </dev/null || status=$?
    got=$(tr '\n' ' ' <"$CALLS")
    [ "$status $got" = "$2 $3" ] || fail "$1: exit $status, calls: $got"
}

stand_in id 'echo 0'
expect 'nothing missing, root' 0 '' "$tmp/there"
expect 'no package index yet' 0 'install update install ' "$tmp/not"
expect 'the index is there' 0 'install ' "$tmp/not"
stand_in id 'echo 1000'
stand_in sudo 'exit 1'
expect 'sudo wants a password and there is no terminal' 3 '' "$tmp/not"
grep -q 'apt-get install no-such-package-1' "$tmp/out" || fail "does not say what root should do"
# shellcheck disable=SC2016
stand_in sudo '[ "$1" = -n ] && shift; echo sudo >>"$CALLS"; exec "$@"'
expect 'sudo without a password' 0 'sudo sudo install ' "$tmp/not"
expect 'nothing missing, a user' 0 '' "$tmp/there"
exit $rc
