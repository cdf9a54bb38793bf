#!/bin/sh
# soak.sh: the longer hunts, one after the other; exit 1 if one of them found something.
#   the tests of suite "soak" (random kill -9 under load and the like), SOAK_ROUNDS rounds (200)
#   the tests of suite "slow" ten times, those of suite "threads" fifty times under TSan
set -eu
cd "$(dirname "$0")/.."
export SOAK_ROUNDS="${SOAK_ROUNDS:-200}"
rc=0

# build DIR [OPTION...]
build() {
    CC=gcc tests/setup.sh "$@"
    ninja --quiet -C "$1"
}

# hunt DIR SUITE OPTION...
hunt() {
    dir=$1 suite=$2
    shift 2
    if ! meson test -C "$dir" --no-rebuild --list --suite "$suite" 2>/dev/null | grep -q ' / '; then
        echo "== soak: there is no test in suite \"$suite\""
        return
    fi
    echo "== soak: suite \"$suite\" $*"
    $runner meson test -C "$dir" --no-rebuild --print-errorlogs --suite "$suite" "$@" || rc=1
}

runner=
build build/with-gcc
hunt build/with-gcc soak --timeout-multiplier 0
hunt build/with-gcc slow --repeat 10
build build/with-tsan -Db_sanitize=thread -Db_lundef=false
if setarch -R true 2>/dev/null; then
    runner='setarch -R'
fi
hunt build/with-tsan threads --repeat 50 --timeout-multiplier 6
exit $rc
