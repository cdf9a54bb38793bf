#!/bin/sh
# shell.sh ROOT: shellcheck finds nothing in our scripts.
set -eu
cd "$1"
command -v shellcheck >/dev/null 2>&1 || exit 77
scripts=$(find .ci packaging tests fuzz bench demo -name '*.sh' 2>/dev/null) || true
[ -n "$scripts" ] || { echo "shell.sh: no scripts under $1" >&2; exit 1; }
# shellcheck disable=SC2086
shellcheck -- $scripts .ci/run
