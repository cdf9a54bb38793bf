#!/bin/sh
# soak.sh: the longer hunts.  SOAK_ROUNDS (default 200) reaches the tests of suite "soak" (random
# kill -9 under load and the like); then the slow tests and the threaded ones many times over.
set -eu
cd "$(dirname "$0")/.."
SOAK_ROUNDS=${SOAK_ROUNDS:-200}
export SOAK_ROUNDS
CC=gcc tests/setup.sh build/with-gcc
ninja -C build/with-gcc
meson test -C build/with-gcc --no-rebuild --print-errorlogs --suite soak --timeout-multiplier 0
meson test -C build/with-gcc --no-rebuild --print-errorlogs --suite slow --repeat 10
CC=gcc tests/setup.sh build/with-tsan -Db_sanitize=thread -Db_lundef=false
ninja -C build/with-tsan
runner=
if setarch -R true 2>/dev/null; then
    runner='setarch -R'
fi
$runner meson test -C build/with-tsan --no-rebuild --print-errorlogs --suite threads --repeat 50
