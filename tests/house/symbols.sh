#!/bin/sh
# symbols.sh BUILD: what the rooms' libraries export, and the data they can write.
# foo.c exports only names that begin with foo_ or with its room's name and _; a module in several
# files (foo_read.c, foo_write.c) may use foo_.  The small types of base/ and crypto/ that everyone
# passes by value bring their own words.  Writable data has only who is named below, with a reason.
set -eu
build=$1
command -v nm >/dev/null 2>&1 || exit 77

# "ROOM FILE NAME CLASS SECTION" for every symbol of every room's library
list() {
    for lib in "$build"/src/*/lib*.a; do
        [ -e "$lib" ] || continue
        room=${lib%/*}
        nm -A -f sysv --defined-only "$lib" | sed -n 's/^[^|]*\/\([^|:]*\)\.c\.o:/\1|/p' |
            awk -F '|' -v room="${room##*/}" '{
                gsub(/ /, "")
                print room, $1, $2, $4, $8
            }'
    done
}

list | awk '
BEGIN {
    writable["base/log"] = "the sink of this process"
    writable["compare/elf_show"] = "a library that is loaded once"
    writable["crypto/sha256"] = "a hash handle for each thread"
    writable["crypto/sodium"] = "libsodium begins once"
    writable["updates/tuf_json"] = "jansson does not say when it has no memory"
}
{
    room = $1; file = $2; name = $3; class = $4; section = $5
    if (name ~ /^(__|_sub_|\.L|_GLOBAL_)/)
        next
    seen++
    if (section ~ /^\.t?(data|bss)/ && section !~ /rel\.ro/ && !(room "/" file in writable)) {
        printf "%s/%s.c has writable data: %s (if it must, symbols.sh lists it with the reason)\n", room, file, name
        bad = 1
    }
    if (class !~ /[A-Z]/)
        next
    words = " " room " " file " span cur digest id "
    for (part = file; sub(/_[^_]*$/, "", part);)
        words = words part " "
    for (head = name; index(words, " " head " ") == 0;)
        if (!sub(/_[^_]*$/, "", head)) {
            printf "%s/%s.c exports %s: call it %s_..., or make it static\n", room, file, name, file
            bad = 1
            break
        }
}
END {
    if (seen == 0) {
        print "symbols: nothing was read"
        bad = 1
    }
    printf "symbols: %d names\n", seen
    exit bad
}'
