#!/bin/sh
# chroot.sh TEST...: each of these programs in a plain chroot, whose root is a folder and no mount.  Jails
# that root starts must work there; what Linux forbids there the programs name and leave out.
set -eu
if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
    echo "not tested: this needs root and a mount namespace" >&2
    exit 77
fi
root=$(mktemp -d)
chmod 755 "$root"
# only links and empty folders: whatever went wrong with a mount, nothing of the system is removed
trap 'find "$root" -mindepth 1 -maxdepth 1 -type l -delete; rmdir "$root"/* "$root"' EXIT
# everything mounted from here on is seen by nobody else and gone with the last program
for program; do
    program=$(realpath "$program")
    # shellcheck disable=SC2016 # its dollars are its own
    unshare -m --propagation private sh -eu -c '
        root=$1
        for d in $(ls /); do
            if [ -L "/$d" ]; then
                ln -sf "$(readlink "/$d")" "$root/$d"
            elif [ -d "/$d" ] && [ "$d" != proc ]; then
                mkdir -p "$root/$d"
                mount --rbind "/$d" "$root/$d"
            fi
        done
        mkdir -p "$root/proc"
        mount -t proc proc "$root/proc"
        exec chroot "$root" "$2"' sh "$root" "$program"
done
