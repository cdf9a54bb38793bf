#!/bin/sh
# symbols.sh BUILD: foo.c exports only names that begin with foo_, or with its room's name; a module in
# several files (foo_read.c, foo_write.c) may use foo_.  No room exports writable data: no globals.
set -eu
build=$1
command -v nm >/dev/null 2>&1 || exit 77

# "ROOM FILE TYPE NAME" for every exported symbol of every room's library
list() {
    for lib in "$build"/src/*/lib*.a; do
        [ -e "$lib" ] || continue
        room=${lib%/*}
        nm -A -g --defined-only "$lib" |
            sed -n "s|^[^:]*:\(.*/\)\{0,1\}\([^/:]*\)\.c\.o:[0-9a-f]* \([A-Za-z]\) |${room##*/} \2 \3 |p"
    done
}

list | awk '
{
    room = $1; file = $2; type = $3; name = $4
    seen++
    head = file
    sub(/_.*/, "", head)
    ok = name == file || name == room
    if (index(name, file "_") == 1 || index(name, room "_") == 1 || index(name, head "_") == 1)
        ok = 1
    if (name ~ /^(__asan|__odr_asan|__ubsan|__tsan|__sancov|main$)/)
        ok = 1
    if (!ok) {
        printf "%s/%s.c exports %s: call it %s_..., or make it static\n", room, file, name, file
        bad = 1
    }
    if (type ~ /[BbDdCGS]/ && name !~ /^__/) {
        printf "%s/%s.c exports writable data: %s\n", room, file, name
        bad = 1
    }
}
END {
    if (seen == 0) {
        print "symbols: nothing was read"
        exit 1
    }
    printf "symbols: %d exported names\n", seen
    exit bad
}'
