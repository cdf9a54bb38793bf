#!/bin/sh
# freestanding.sh CC SRC FILE...: the core compiles without libc and needs three functions of it.
set -eu
cc=$1
src=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for f; do
    # shellcheck disable=SC2086  # CC may carry ccache
    $cc -std=c17 -O2 -Wall -Werror -ffreestanding -nostdlib -fno-stack-protector -I "$src" \
        -c "$f" -o "$tmp/core.o"
    nm -u "$tmp/core.o" | awk '{print $NF}' | grep -v '^core_' | sort -u |
        grep -vxE 'memcpy|memset|memcmp' >"$tmp/undefined" || true
    if [ -s "$tmp/undefined" ]; then
        echo "$f needs more than memcpy, memset and memcmp:"
        cat "$tmp/undefined"
        exit 1
    fi
done
