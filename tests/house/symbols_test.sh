#!/bin/sh
# symbols_test.sh: symbols.sh accepts a good library and refuses a bad name and a global.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/src/ledger/libledger.a.p"
lib=$tmp/src/ledger/libledger.a

# library TEXT: as Meson does it, a thin archive of note_read.c.o
library() {
    rm -f "$lib"
    printf '%s\n' "$1" | ${CC:-cc} -x c -c -o "${lib}.p/note_read.c.o" -
    (cd "$tmp" && ar csrDT src/ledger/libledger.a src/ledger/libledger.a.p/note_read.c.o)
}

refuse() {
    library "$1"
    if out=$("$here/symbols.sh" "$tmp"); then
        echo "accepted: $1"
        exit 1
    elif ! printf '%s\n' "$out" | grep -qF "$2"; then
        echo "refused for the wrong reason: $1: $out"
        exit 1
    fi
}

library 'int note_read(void) { return 0; } int note_open(void) { return 0; }
    static int open_(void) { return 0; } int ledger_x(void) { return open_(); }
    extern const char *const note_names[]; const char *const note_names[] = {"a", "b"};'
"$here/symbols.sh" "$tmp"
refuse 'int notes(void) { return 0; }' 'ledger/note_read.c exports notes'
refuse 'int read_note(void) { return 0; }' 'ledger/note_read.c exports read_note'
refuse 'int note_read(void) { static int n; return n++; }' 'ledger/note_read.c has writable data'
refuse 'int note_count = 3;' 'ledger/note_read.c has writable data: note_count'
refuse '' 'nothing was read'
