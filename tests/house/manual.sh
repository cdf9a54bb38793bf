#!/bin/sh
# manual.sh ROOT: every manual page is clean mdoc, and the build installs it.
set -eu
cd "$1"
command -v mandoc >/dev/null 2>&1 || exit 77
rc=0
for page in docs/man/*.[1-9]; do
    [ -e "$page" ] || { echo "no manual pages yet"; exit 77; }
    mandoc -T lint -W warning "$page" || rc=1
    grep -q "^\.Dd " "$page" || { echo "$page: not mdoc"; rc=1; }
    grep -q "'${page##*/}'" docs/meson.build || { echo "$page: not in docs/meson.build"; rc=1; }
done
exit $rc
