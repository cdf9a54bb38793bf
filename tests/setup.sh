#!/bin/sh
# setup.sh DIR [OPTION...]: configures a Meson build folder unless it already is, with these options.
# The options are remembered beside the folder's files; other options mean configuring anew.
set -eu
dir=$1
shift
want="cc=${CC:-} $*"
if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "$want" ]; then
    exit 0
fi
rm -rf "$dir"
mkdir -p "$dir"
if ! meson setup "$dir" "$@" >"$dir.setup" 2>&1; then
    cat "$dir.setup" >&2
    rm -rf "$dir"
    exit 3
fi
rm -f "$dir.setup"
printf '%s\n' "$want" >"$dir/.options"
