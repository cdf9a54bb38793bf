#!/usr/bin/env bash
# compare_data.sh KIND DIR SCALE: the inputs of bench-compare, the same each time.
#   elf    a: a stripped program of 4,000 functions; b: one line of it is another
#   trees  a, b: 5,000 files of 2 KB in 50 folders, 50 of them changed
#   tarxz  a.tar.xz, b.tar.xz: 210 MB of this machine's own files, 8 of them changed
#   small  a, b: two equal files of 2 KB
# SCALE: hundredths of the usual number of functions, files, bytes.
set -euo pipefail
export LC_ALL=C
kind=$1 dir=$2 scale=$3
cd "$dir"

program() { # WHAT-IS-IN-FUNCTION-1000
    awk -v n=$((4000 * scale / 100)) -v odd="$1" 'BEGIN {
        for (i = 0; i < n; i++) {
            printf "__attribute__((noinline)) unsigned f%d(unsigned x)\n{\n", i
            for (k = 0; k < 6; k++) printf "    x = (x ^ %uu) * %uu + (x >> %d);\n", i * 7919 + k * 104729, 2 * i + 3 + 2 * k, 3 + (i + k) % 20
            if (i == int(n / 4)) print "    " odd
            call = (i > 0) ? " + f" (i - 1) "(x)" : ""
            printf "    return x%s;\n}\n", call
        }
        printf "int main(int argc, char **argv)\n{\n    (void)argv;\n    return (int)f%d((unsigned)argc);\n}\n", n - 1
    }'
}
case $kind in
elf)
    for side in a b; do
        program "$([ $side = a ] && echo 'x += 41;' || echo 'x += x >> 5; x ^= 43;')" >$side.c
        gcc -O1 -Wl,--build-id -o $side $side.c
        strip $side
        rm $side.c
    done
    ;;
trees)
    n=$((5000 * scale / 100))
    for side in a b; do
        awk -v n=$n -v side=$side 'BEGIN {
            for (i = 0; i < n; i++) {
                if (i % 100 == 0) { folder = side "/d" int(i / 100); system("mkdir -p " folder) }
                file = folder "/f" i ".txt"
                for (k = 0; k < 32; k++)
                    printf "%06d %04d the quick brown fox jumps over the lazy %s\n", i * 32 + k, (i * 31 + k * 17) % 9973, ((side == "b" && i % 100 == 50 && k == 16) ? "cat" : "dog") >file
                close(file)
            }
        }'
    done
    ;;
tarxz)
    mkdir tree
    find /usr/lib /usr/bin /usr/share -xdev -type f -size -4096k -size +1k -printf '%s %p\n' 2>/dev/null | sort -k 2 |
        awk -v most=$((210000000 * scale / 100)) '{
            size = $1; sub(/^[0-9]* /, "")
            if (sum + size <= most) { sum += size; print }
        }' >list
    tr "\n" "\0" <list | xargs -0 cp --parents -t tree
    find tree -type d -exec chmod 755 {} +
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C tree -cf - . | xz -1 -T2 >a.tar.xz
    every=$(($(wc -l <list) / 8))
    awk -v every=$every 'NR % every == 1 && ++n <= 8' list | while read -r f; do
        printf 'changed' | dd of="tree$f" bs=1 seek=600 conv=notrunc status=none
    done
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C tree -cf - . | xz -1 -T2 >b.tar.xz
    rm -rf tree list
    ;;
small)
    seq 1000 | head -c 2048 >a
    cp a b
    ;;
*) echo "compare_data.sh: no \"$kind\"" >&2; exit 2 ;;
esac
