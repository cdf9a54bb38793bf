#!/bin/sh
# headers.sh ROOT: every header of the rooms, and of the library, compiles alone, and twice.
set -eu
cd "$1"
rc=0
seen=0
for header in include/*.h src/*/*.h; do
    [ -e "$header" ] || continue
    seen=$((seen + 1))
    name=${header#src/}
    name=${name#include/}
    printf '#include "%s"\n#include "%s"\n' "$name" "$name" |
        ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wundef -Wstrict-prototypes -Werror -Isrc -Iinclude \
            -fsyntax-only -x c - || { echo "$header: does not stand alone"; rc=1; }
done
[ "$seen" -gt 0 ] || { echo "headers.sh: no header under $1"; exit 1; }
echo "$seen headers"
exit $rc
