#!/bin/sh
# package.sh SOURCE OUT [JOBS]: builds the Debian package of the tree SOURCE and puts into OUT
#   glarus_VERSION_ARCHITECTURE.deb
#   glarus, glarus-commands, glarusd, glarus-engine-*    its programs once more, each to its byte:
#                                         whoever sees one run finds its SHA-256 among those of a release
# The same tree and the same compiler give the same bytes in every folder, for every user, umask,
# locale, time zone and number of JOBS.  SOURCE_DATE_EPOCH is the date of all files and must be set.
# "make release" and the recipe (recipe.yaml.in) both run this and nothing else.
set -eu
[ $# -ge 2 ] || { echo "usage: package.sh SOURCE OUT [JOBS]" >&2; exit 2; }
: "${SOURCE_DATE_EPOCH:?package.sh: set it to the second of the commit}"
# the compiler itself, no cache of what it once made
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC CC=gcc CCACHE_DISABLE=1
unset CFLAGS CPPFLAGS LDFLAGS DESTDIR
umask 022
mkdir -p "$2"
source=$(cd "$1" && pwd -P)
out=$(cd "$2" && pwd -P)
jobs=${3:-}
build=$source/build/package
root=$source/build/package-root
version=$(sed -n "s/^ *version: '\(.*\)',\$/\1/p" "$source/meson.build")
arch=$(dpkg --print-architecture)

rm -rf "$build" "$root"
mkdir -p "$build" "$root/DEBIAN" "$build/shlibs/debian"

# No debug information: it would be stripped, and the build-id, which hashes it, would depend on the
# folder, and on the lines of the system's headers.  (__FILE__ is relative to the build folder.)
meson setup "$build" "$source" --prefix=/usr -Dtests=false -Ddebug=false -Doptimization=2 \
    >"$build.setup" 2>&1 || { cat "$build.setup" >&2; exit 3; }
ninja -C "$build" ${jobs:+-j"$jobs"} --quiet
DESTDIR=$root meson install -C "$build" --no-rebuild --strip --quiet

doc=$root/usr/share/doc/glarus
mkdir -p "$doc"
install -m 644 "$source/LICENSE" "$doc/copyright"
gzip -9n <"$source/CHANGELOG.md" >"$doc/changelog.gz"
find "$root/usr/share/man" -type f ! -name '*.gz' -exec gzip -9n {} +

# what the package needs of the system
printf 'Source: glarus\n\nPackage: glarus\nArchitecture: %s\n' "$arch" >"$build/shlibs/debian/control"
programs=$(find "$root/usr" -type f -perm -100 | LC_ALL=C sort)
# shellcheck disable=SC2086 # no path here has a blank that is not the source folder's
depends=$(cd "$build/shlibs" && IFS='
' && dpkg-shlibdeps -O $programs "$(find "$root/usr/lib" -name 'libglarus.so.*' -type f)" |
    sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "package.sh: dpkg-shlibdeps found nothing" >&2; exit 3; }
case $depends in
*libcapstone4*) ;;
*) depends="$depends, libcapstone4" ;; # loaded when it is wanted (compare/elf_show.c)
esac
cat >"$root/DEBIAN/control" <<END
Package: glarus
Version: $version
Architecture: $arch
Maintainer: The Glarus maintainers <maintainers@glarus.invalid>
Installed-Size: $(find "$root/usr" -type f -printf '%s\n' | awk '{n += int(($1 + 1023) / 1024)} END {print n}')
Depends: $depends
Recommends: bubblewrap, mmdebstrap
Section: admin
Priority: optional
Description: takes in files, scans them, and proves what became of them
 Sites that keep files where a signed policy says, a public ledger of all that
 happens to them, the programs of submitters, auditors and witnesses, and what
 assembles, rebuilds and compares software.
END
printf 'activate-noawait ldconfig\n' >"$root/DEBIAN/triggers"
printf 'libglarus 1 glarus (>= %s)\n' "$version" >"$root/DEBIAN/shlibs"
(cd "$root" && find usr -type f -printf '%P\0' | LC_ALL=C sort -z | (cd usr && xargs -0 md5sum) |
    sed 's,  ,  usr/,') >"$root/DEBIAN/md5sums"
chmod 644 "$root"/DEBIAN/*
find "$root" -type d -exec chmod 0755 {} +

dpkg-deb --root-owner-group --threads-max=1 -Zxz -z6 --build "$root" "$out/glarus_${version}_$arch.deb" >/dev/null
for program in "$root"/usr/bin/glarus "$root"/usr/sbin/glarusd "$root"/usr/libexec/glarus/*; do
    install -m 755 "$program" "$out/"
done
