#!/bin/sh
# install.sh BUILD: the packages of package-lock.json, by npm, in BUILD/js: each is held against the hash in the
# lock file, none runs a script of its own. Silent, and without any network, when they are there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
exec 9>js.lock
flock 9
if cmp -s "$here/package-lock.json" js/installed 2>/dev/null; then
    exit 0
fi
rm -rf js
mkdir js
cp "$here/package.json" "$here/package-lock.json" js/
if ! (cd js && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >js.log 2>&1; then
    cat js.log >&2
    echo "npm could not install what tests/js/package-lock.json lists; is a package registry in reach?" >&2
    exit 3
fi
cp js/package-lock.json js/installed
