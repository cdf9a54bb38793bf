#!/bin/sh
# run.sh: the whole test in stages, each in a build folder of its own:
#   gcc    every test (suites unit, slow, e2e, house)        build/with-gcc
#   clang  the unit tests                                    build/with-clang
#   asan   the unit tests under AddressSanitizer and UBSan   build/with-asan
#   tsan   the tests of suite "threads" under TSan           build/with-tsan
# STAGES chooses some of them.  The counts are Meson's own records; the last line is
# "N passed, N failed".  A stage that does not build counts as one failure.
set -u
cd "$(dirname "$0")/.." || exit 3

STAGES=${STAGES:-gcc clang asan tsan}
passed=0 failed=0 skipped=0 summary=
began=$(date +%s)
nl='
'

# count RESULT...: how many tests of the last "meson test" ended so.  Quotes inside a test's output
# are escaped in the record, so the pattern cannot match there.
count() {
    n=0
    for result; do
        n=$((n + $(grep -c "\"result\": \"$result\"" "$record")))
    done
    echo "$n"
}

note() {
    summary="$summary$(printf '  %-6s %4d passed %3d failed %3d skipped %5d s' "$@")$nl"
}

# On a terminal Ninja shows how far it is.
build() {
    if [ -t 1 ]; then
        rm -f "$dir/build.log"
        ninja -C "$dir"
    else
        ninja --quiet -C "$dir" >"$dir/build.log" 2>&1
    fi
}

# stage NAME "SETUP OPTIONS" "TEST OPTIONS": builds, tests, counts
stage() {
    name=$1
    dir=build/with-$name
    record=$dir/meson-logs/testlog.json
    start=$(date +%s)
    echo "== $name: build"
    # shellcheck disable=SC2086 # options are words
    if ! tests/setup.sh "$dir" $2 || ! build; then
        grep -E -A8 'FAILED|error:' "$dir/build.log" 2>/dev/null | head -n 60
        echo "== $name: does not build"
        failed=$((failed + 1))
        note "$name" 0 1 0 $(($(date +%s) - start))
        return
    fi
    echo "== $name: built in $(($(date +%s) - start)) s; tests"
    rm -f "$record"
    # shellcheck disable=SC2086
    $runner meson test -C "$dir" --no-rebuild --print-errorlogs $3
    rc=$?
    [ -f "$record" ] || : >"$record"
    p=$(count OK EXPECTEDFAIL) s=$(count SKIP)
    f=$(count FAIL ERROR TIMEOUT INTERRUPT UNEXPECTEDPASS)
    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
        f=1
    fi
    # a suite with nothing in it proves nothing
    if [ $((p + f)) = 0 ]; then
        echo "== $name: no test ran"
        f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    note "$name" "$p" "$f" "$s" $(($(date +%s) - start))
}

for stage in $STAGES; do
    runner=
    case $stage in
    gcc)
        CC=gcc stage gcc '' '--no-suite soak'
        ;;
    clang)
        CC=clang stage clang '' '--suite unit --no-suite house'
        ;;
    asan)
        CC=gcc stage asan '-Db_sanitize=address,undefined -Db_lundef=false' \
            '--suite unit --no-suite house --timeout-multiplier 4'
        ;;
    tsan)
        # TSan's shadow does not fit newer kernels' address randomization
        if setarch -R true 2>/dev/null; then
            runner='setarch -R'
        fi
        CC=gcc stage tsan '-Db_sanitize=thread -Db_lundef=false' \
            '--suite threads --timeout-multiplier 6'
        ;;
    *)
        echo "run.sh: no stage \"$stage\"; there are gcc, clang, asan, tsan" >&2
        exit 2
        ;;
    esac
done

total=$(($(date +%s) - began))
echo
printf '%s  %d tests skipped, %d s in all\n' "$summary" "$skipped" "$total"
mkdir -p build
echo "$passed passed, $failed failed" | tee build/test-result
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
