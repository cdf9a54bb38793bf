#!/bin/bash
# selftest.sh REPLAY: the replay of a target with known faults fails, and names the input.
set -eu
replay=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
ulimit -c 0

refuse() {
    if "$replay" "$tmp/c" 2>"$tmp/err"; then
        echo "not found: $1"
        exit 1
    fi
    if ! grep -qF "$1" "$tmp/err"; then
        echo "expected \"$1\", got:"
        cat "$tmp/err"
        exit 1
    fi
}

corpus() {
    rm -rf "$tmp/c"
    mkdir "$tmp/c"
    printf 'harmless' >"$tmp/c/a"
    printf '' >"$tmp/c/empty"
    if ! "$replay" "$tmp/c"; then
        echo "a harmless corpus was refused"
        exit 1
    fi
    printf '%s' "$1" >"$tmp/c/b"
}

corpus whole
refuse 'replay: died on b, whole, bytes 5'
corpus cut-short
refuse 'replay: died on b, cut to 3'
corpus changed
refuse 'replay: died on b, changed byte 6'
rm -rf "$tmp/c"
mkdir "$tmp/c"
refuse 'nothing to replay'
rmdir "$tmp/c"
refuse 'nothing to replay'
