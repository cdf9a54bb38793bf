#!/bin/sh
# install.sh ROOT BUILD: what "make install" would put under DESTDIR is all there, is hardened, and
# lies nowhere else.
set -eu
root=$1 build=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0

fail() {
    echo "$*"
    rc=1
}

DESTDIR=$tmp/d meson install -C "$build" --no-rebuild --quiet
prefix=$tmp/d$(meson introspect "$build" --buildoptions |
    sed -n 's/.*"name": "prefix", "value": "\([^"]*\)".*/\1/p')
if [ ! -d "$tmp/d" ]; then
    echo "nothing to install yet"
    exit 77
fi

stray=$(find "$tmp/d" -type f ! -path "$prefix/*")
[ -z "$stray" ] || fail "installed outside the prefix: $stray"

programs=$(find "$tmp/d" -type f -perm -100)
for program in $programs; do
    case $(head -c 4 "$program" | tr -d '\0') in
    ?ELF) ;;
    *) continue ;;
    esac
    readelf -hW "$program" | grep -q 'Type: *DYN' || fail "$program: not position independent"
    readelf -lW "$program" | grep -q 'GNU_RELRO' || fail "$program: no RELRO"
    readelf -lW "$program" | grep -q 'GNU_STACK.* RW ' || fail "$program: executable stack"
    readelf -dW "$program" | grep -q 'NOW' || fail "$program: binds lazily"
done

for page in "$root"/docs/man/*.[1-9]; do
    [ -e "$page" ] || continue
    find "$prefix/share/man" -name "${page##*/}*" | grep -q . || fail "${page##*/}: not installed"
done
if [ -e "$root/packaging/completion.bash" ]; then
    [ -e "$prefix/share/bash-completion/completions/glarus" ] || fail "completion: not installed"
    bash -n "$prefix/share/bash-completion/completions/glarus" || rc=1
fi
if [ -e "$root/src/cli/main.c" ]; then
    "$prefix/bin/glarus" --help >/dev/null || fail "glarus --help does not exit 0"
fi
exit $rc
