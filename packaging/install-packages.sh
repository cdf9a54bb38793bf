#!/bin/sh
# install-packages.sh [--check] LIST...: installs the Debian packages of the lists that are missing.
# A line of a list is "package  # why".  Silent, and without any network, when nothing is missing.
# A package that an installed one provides is there (Debian's "Provides").
# --check only tells, and fails if anything is missing.
# Exit: 0 all there, 3 something is missing and could not be installed.
set -eu

check=no
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
[ $# -gt 0 ] || { echo "usage: install-packages.sh [--check] LIST..." >&2; exit 2; }

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not a Debian system; the packages it needs under Debian's names are in: $*" >&2
    exit 0
fi

tab=$(printf '\t')
names=$(sed -e 's/#.*//' -e "s/[ $tab]//g" -e '/^$/d' "$@" | sort -u)
# shellcheck disable=SC2086 # one word a package
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $names 2>/dev/null |
    sed -n 's/^installed //p') || true
provided=$(dpkg-query -W -f='${db:Status-Status} ${Provides}\n' 2>/dev/null |
    sed -n 's/^installed //p' | tr ',' '\n' | sed -e 's/^ *//' -e 's/ *(.*//') || true
missing=
for name in $names; do
    if ! printf '%s\n%s\n' "$installed" "$provided" | grep -qxF "$name"; then
        missing="$missing $name"
    fi
done
[ -n "$missing" ] || exit 0

echo "Missing Debian packages:" >&2
for name in $missing; do
    why=$(sed -n "s/^${name}[ $tab]*# *//p" "$@" | head -n 1)
    printf '  %-26s %s\n' "$name" "$why" >&2
done
if [ "$check" = yes ]; then
    echo "Install them with:  apt-get install$missing" >&2
    exit 3
fi

root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1 || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
        echo "Neither root nor sudo here.  As root:  apt-get install$missing" >&2
        exit 3
    fi
    root=sudo
fi
apt() {
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
install() {
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $missing >/dev/null
}

echo "Installing them ..." >&2
# The package index is fetched only if the one here (often none) does not do.
if ! install 2>/dev/null; then
    if ! apt update || ! install; then
        echo "apt-get could not install:$missing" >&2
        exit 3
    fi
fi
