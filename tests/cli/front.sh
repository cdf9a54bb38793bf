#!/bin/bash
# front.sh GLARUS COMMANDS: glarus compares with few libraries loaded, and finds the program of all other
# commands where it is built and where it is installed.
set -euo pipefail
glarus=$(realpath "$1") commands=$(realpath "$2")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "front: $*" >&2; exit 1; }

# Each library more makes every comparison start later (docs/performance.md): a reason, or not this one.
may='libnettle libseccomp libm libz liblzma libbz2 libzstd liblz4 libc ld-linux-x86-64 ld-linux-aarch64'
may+=' libasan libtsan libubsan libgcc_s' # builds with sanitizers
for lib in $(readelf -dW "$glarus" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so[.0-9]*\]/\1/p'); do
    case " $may " in
    *" $lib "*) ;;
    *) fail "glarus loads $lib" ;;
    esac
done

# Alone it compares, and says what it lacks for anything else.
mkdir -p "$tmp/usr/bin" "$tmp/usr/libexec/glarus" "$tmp/beside"
cp "$glarus" "$tmp/usr/bin/glarus"
cd "$tmp"
echo one >a
echo two >b
usr/bin/glarus compare a a >out || fail "alone: exit $?"
[ "$(cat out)" = identical ] || fail "alone: $(cat out)"
code=0
usr/bin/glarus compare a b >out || code=$?
{ [ $code = 1 ] && grep -q 'line 1: "one" became "two"' out; } || fail "alone: exit $code: $(cat out)"

code=0
usr/bin/glarus --version >out 2>err || code=$?
if [ $code != 0 ]; then # 0: one is installed on this machine
    [ $code = 3 ] || fail "without its commands: exit $code"
    grep -q '/glarus-commands": No such file or directory' err || fail "without its commands: $(cat err)"
fi

cp "$commands" usr/libexec/glarus/glarus-commands
usr/bin/glarus --version | grep -q '^glarus [0-9]' || fail "installed: no version"
ln -s ../usr/bin/glarus beside/link
PATH=$tmp/beside:$PATH link --version | grep -q '^glarus [0-9]' || fail "by a link: no version"
mv usr/libexec/glarus/glarus-commands usr/bin
usr/bin/glarus compare --help >one
usr/bin/glarus help | grep -q '^  compare ' || fail "the overview does not name compare"
code=0
usr/bin/glarus 2>err || code=$?
[ $code = 2 ] || fail "without a command: exit $code"
usr/bin/glarus-commands compare --help >two
cmp one two
