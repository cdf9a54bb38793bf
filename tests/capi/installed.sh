#!/bin/sh
# installed.sh ROOT BUILD [FOLDER]: libglarus as it is installed: what it exports is what its header
# declares; C and C++ programs that know nothing but pkg-config find it, shared and static; the
# tutorial's program is the file that is compiled here.  With FOLDER the programs tutorial-shared
# and tutorial-static are left there, and the shared library in FOLDER/lib.
set -eu
root=$1 build=$2 keep=${3-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0

fail() {
    echo "$*"
    rc=1
}

for tool in pkg-config nm readelf; do
    command -v $tool >/dev/null 2>&1 || { echo "$tool is not installed"; exit 77; }
done
# a program of a user is not instrumented, and cannot load a library that is
if meson introspect "$build" --buildoptions | grep -q '"name": "b_sanitize", "value": "[^n]'; then
    echo "a sanitizer's library is for the tests inside the tree"
    exit 77
fi
DESTDIR=$tmp/d meson install -C "$build" --no-rebuild --quiet
pc=$(find "$tmp/d" -name libglarus.pc)
[ -n "$pc" ] || { echo "libglarus.pc is not installed"; exit 1; }
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/d"
# what is under a sysroot is not searched for the system's libraries: their flags name no folder
flags() {
    pkg-config "$@" | tr ' ' '\n' | grep -v "^-I$tmp/d/usr/include" | tr '\n' ' '
}
libdir=$(dirname "$(find "$tmp/d" -name 'libglarus.so.1')")
so=$libdir/libglarus.so.1

# ---- what the library is
sed -n 's/^ *\(glarus_[a-z_]*\);$/\1/p' "$root/src/capi/libglarus.map" | sort >"$tmp/map"
# declarations: comments go, then every name before a parenthesis
sed -e 's,/\*.*\*/,,' -e '/\/\*/,/\*\//d' "$(find "$tmp/d" -name glarus.h)" |
    grep -o '\bglarus_[a-z_]*(' | tr -d '(' | sort -u >"$tmp/header"
nm -D --defined-only "$so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$tmp/exported"
[ -s "$tmp/header" ] || fail "no declaration was found in glarus.h"
diff "$tmp/header" "$tmp/map" >"$tmp/diff" || { cat "$tmp/diff"; fail "glarus.h and libglarus.map differ"; }
diff "$tmp/map" "$tmp/exported" >"$tmp/diff" || { cat "$tmp/diff"; fail "libglarus.map and what is exported differ"; }
nm -g --defined-only "$libdir/libglarus.a" | awk 'NF == 3 { print $3 }' | sort >"$tmp/static"
diff "$tmp/map" "$tmp/static" >"$tmp/diff" || { cat "$tmp/diff"; fail "libglarus.a shows other names"; }
readelf -d "$so" | grep -q 'SONAME.*\[libglarus\.so\.1\]' || fail "the SONAME is not libglarus.so.1"
readelf -d "$so" | grep -q 'NODELETE' || fail "it can be unloaded under threads that have used it"

# ---- what it can write: nothing that a caller could notice
# sha256: a hash handle for each thread; sodium: libsodium begins once; tuf_json: jansson's allocator
nm "$so" | awk '$2 ~ /^[bBdDC]$/ { print $1, $3 }' | sort >"$tmp/data"
first=$(readelf -SW "$so" | awk '$2 == ".data" || $3 == ".data" { for (i = 1; i <= NF; i++) if ($i == "PROGBITS") print $(i + 1) }')
[ -n "$first" ] || fail "where .data begins is not known"
awk -v first="$first" '($1 "" >= first "" || $1 ~ /^0000000000000000$/) {
        if ($2 !~ /^(at_thread_exit|once|mine|their_malloc|out_of_memory|completed\.0|__dso_handle|__TMC_END__|_edata|__bss_start|_end)$/)
            print $2
    }' "$tmp/data" >"$tmp/writable"
[ ! -s "$tmp/writable" ] || fail "libglarus has writable data: $(tr '\n' ' ' <"$tmp/writable")"
grep -q ' once$' "$tmp/data" || fail "nm did not show what is known to be there"

# ---- the header alone, strictly
printf '#include <glarus.h>\n#include <glarus.h>\nint main(void) { return glarus_version()[0] == 0; }\n' >"$tmp/alone.c"
for std in c99 c11 c17; do
    # shellcheck disable=SC2046
    ${CC:-cc} -std=$std -Wall -Wextra -Wpedantic -Wundef -Wstrict-prototypes -Werror \
        $(flags --cflags libglarus) -fsyntax-only "$tmp/alone.c" || fail "glarus.h is not $std"
done
cat >"$tmp/plus.cc" <<'CC'
#include <glarus.h>
#include <cstring>
int main()
{
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_submission *sub = nullptr;
    glarus_error e;
    int rc = glarus_submit_memory(nullptr, "x", 1, nullptr, &o, &sub, &e);
    return rc == GLARUS_E_INVALID && std::strstr(e.text, "NULL") != nullptr ? 0 : 1;
}
CC
if command -v "${CXX:-g++}" >/dev/null 2>&1; then
    for std in c++11 c++20; do
        # shellcheck disable=SC2046
        if "${CXX:-g++}" -std=$std -Wall -Wextra -Wpedantic -Werror $(flags --cflags libglarus) "$tmp/plus.cc" \
            -o "$tmp/plus" $(flags --libs libglarus) && LD_LIBRARY_PATH="$libdir" "$tmp/plus"; then :; else
            fail "a program in $std does not work"
        fi
    done
else
    echo "no C++ compiler: left out"
fi

# ---- loaded, used and given back by a thread that ends after that
cat >"$tmp/load.c" <<'C'
#include <dlfcn.h>
#include <glarus.h>
#include <pthread.h>
#include <stdio.h>
static void *use(void *path)
{
    void *lib = dlopen(path, RTLD_NOW);
    int (*parse)(glarus_trust **, const void *, size_t, glarus_error *);
    static const char text[] = /* whose key is hashed before it is refused */
        "format: trust/v1\nexpires: 2099-01-01T00:00Z\ntolerance: 180s\npolicy: |\n"
        "  log x+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    glarus_trust *trust = NULL;
    glarus_error e;

    if (lib == NULL || (parse = (int (*)(glarus_trust **, const void *, size_t, glarus_error *))dlsym(
                            lib, "glarus_trust_parse")) == NULL)
        return NULL;
    if (parse(&trust, text, sizeof(text) - 1, &e) == GLARUS_E_INVALID && dlclose(lib) == 0)
        return path;
    return NULL;
}
int main(int argc, char **argv)
{
    pthread_t thread;
    void *used = NULL;

    if (argc != 2 || pthread_create(&thread, NULL, use, argv[1]) != 0 || pthread_join(thread, &used) != 0)
        return 2;
    puts("still here");
    return used == argv[1] ? 0 : 1;
}
C
# shellcheck disable=SC2046
${CC:-cc} -std=c17 $(flags --cflags libglarus) "$tmp/load.c" -o "$tmp/load" -ldl -pthread || fail "load.c does not compile"
"$tmp/load" "$so" >/dev/null || fail "the library cannot be loaded and given back"

# ---- the tutorial
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/docs/libglarus.md" >"$tmp/tutorial.c"
cmp -s "$tmp/tutorial.c" "$root/tests/capi/tutorial.c" ||
    fail "the program in docs/libglarus.md is not tests/capi/tutorial.c"
# shellcheck disable=SC2046
{
    ${CC:-cc} -std=c17 -Wall -Wextra -Werror $(flags --cflags libglarus) "$root/tests/capi/tutorial.c" \
        -o "$tmp/tutorial-shared" $(flags --libs libglarus) || fail "the tutorial does not compile, shared"
    ${CC:-cc} -std=c17 -Wall -Wextra -Werror $(flags --cflags libglarus-static) "$root/tests/capi/tutorial.c" \
        -o "$tmp/tutorial-static" $(flags --libs libglarus-static) || fail "the tutorial does not compile, static"
}
[ $rc = 0 ] || exit $rc
readelf -d "$tmp/tutorial-shared" | grep -q 'NEEDED.*libglarus\.so\.1' || fail "tutorial-shared does not need libglarus.so.1"
readelf -d "$tmp/tutorial-static" | grep -q 'NEEDED.*libglarus' && fail "tutorial-static needs libglarus"
# a program may have functions that are called as ours are inside
printf 'int client_load(void);\nint client_load(void) { return 7; }\nconst char *buf_str(void);\nconst char *buf_str(void) { return 0; }\n' >"$tmp/clash.c"
# shellcheck disable=SC2046
${CC:-cc} "$tmp/clash.c" $(flags --cflags libglarus-static) "$root/tests/capi/tutorial.c" -o "$tmp/clash" \
    $(flags --libs libglarus-static) || fail "a name of the inside meets a name of the program's"
status=0
"$tmp/tutorial-static" >/dev/null 2>&1 || status=$?
[ $status = 2 ] || fail "tutorial-static without arguments: exit $status"
if [ -n "$keep" ]; then
    mkdir -p "$keep/lib"
    cp "$tmp/tutorial-shared" "$tmp/tutorial-static" "$keep"
    cp "$so" "$keep/lib"
fi
exit $rc
