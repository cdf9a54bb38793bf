#!/bin/sh
# format.sh [--fix] ROOT: is every C file laid out as .clang-format says?  --fix lays it out.
set -eu
mode='--dry-run -Werror'
if [ "${1:-}" = --fix ]; then
    mode=-i
    shift
fi
cd "$1"
if ! command -v clang-format >/dev/null 2>&1; then
    echo "clang-format is not installed" >&2
    exit 77
fi
files=$(find src include engines tests fuzz bench demo -name '*.[ch]' 2>/dev/null) || true
[ -n "$files" ] || { echo "format.sh: no C files under $1" >&2; exit 1; }
# shellcheck disable=SC2086 # one word a file; no name of ours has a blank
clang-format $mode $files
