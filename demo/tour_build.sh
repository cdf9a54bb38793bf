# tour_build.sh - make run TOUR=build: three packages of Debian built again from their published
# source, in a root of packages pinned by digest, and compared with what the archive offers; then
# one of them with a branch turned round.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables

able_to_build() {
    [ "$(id -u)" = 0 ] || command -v newuidmap >/dev/null ||
        stop "roots of whole packages are made by root, or with newuidmap (package uidmap)"
    mkdir -p "$VAR/published" "$VAR/kept" "$VAR/again"
}

# published PACKAGE: what the archive offers, by apt; its file is in DEB, its version in VERSION.
published() {
    (cd "$VAR/published" && apt-get -q download "$1" >>"$VAR/log/commands.log" 2>&1) ||
        stop "\"apt-get download $1\" failed; apt-get update first, or see log/commands.log"
    DEB=$(echo "$VAR/published/$1"_*.deb)
    VERSION=$(dpkg-deb -f "$DEB" Version)
}

# again PACKAGE VERSION WORD [YEAR]: VERSION is the one whose word is known; YEAR when it was built.
again() {
    local name=$1 measured=$2 word=$3 year=${4-} code=1
    local -a known=()
    [ -z "$year" ] || known=(--year "$year")
    [ "$word" != identical ] || code=0
    published "$name"
    does 0 assemble recipe --debian "$name" --sources "$VAR/src" --out "$VAR/src/$name.yaml"
    does 0 assemble lock "$VAR/src/$name.yaml" --out "$VAR/$name.lock" --packages "$VAR/kept"
    [ "$VERSION" = "$measured" ] || {
        say "The archive has $name $VERSION by now; what comes out is known for $measured. It is built all the same:"
        code=any
    }
    does "$code" assemble rebuild "$VAR/src/$name.yaml" --lock "$VAR/$name.lock" --packages "$VAR/kept" \
        --published "$DEB" --out "$VAR/again/$name" --quiet ${known[@]+"${known[@]}"}
    [ "$code" = any ] || held "$name: $word" test "$(tail -n 1 <<<"$OUT")" = "$word"
}

# The first short "je" of PROGRAM's code becomes a "jne".  Its place in the file is in AT.
turn_a_branch() {
    AT=$(LC_ALL=C objdump -d -j .text -F "$1" | awk '
        /^[0-9a-f]+ </ { match($0, /File Offset: 0x[0-9a-f]+/); off = substr($0, RSTART + 15, RLENGTH - 15); at = $1; next }
        $2 == "74" && /\tje / && !n++ { sub(/:/, "", $1); print at, off, $1 }' |
        while read -r function offset here; do echo $((16#$here - 16#$function + 16#$offset)); done)
    [ -n "$AT" ] || stop "no short \"je\" in $1"
    printf '\x75' | dd of="$1" bs=1 seek="$AT" conv=notrunc status=none
}

# A package as a vendor would make it who changed what nobody was to see: sums and all.
tamper() {
    local into=$RUN/tampered mtime
    mkdir -p "$VAR/tampered"
    dpkg-deb -R "$VAR/again/tree/outputs/"tree_*.deb "$into"
    mtime=$(stat -c %Y "$into/usr/bin/tree")
    turn_a_branch "$into/usr/bin/tree"
    touch -d "@$mtime" "$into/usr/bin/tree"
    sed -i "s/^[0-9a-f]*  usr.bin.tree$/$(md5sum <"$into/usr/bin/tree" | cut -c1-32)  usr\/bin\/tree/" "$into/DEBIAN/md5sums"
    DEB=$VAR/tampered/$(basename "$VAR/again/tree/outputs/"tree_*.deb)
    SOURCE_DATE_EPOCH=$mtime dpkg-deb --root-owner-group -b "$into" "$DEB" >>"$VAR/log/commands.log"
}

tour_build() {
    able_to_build
    act "1. sed: built again, bit for bit"
    say "The recipe says what is built from what; the lock names every package of the root by its SHA-256," \
        "and keeps it. Then no network is needed any more, now or in ten years."
    again sed 4.9-1+deb12u1 identical
    act "2. tree: what differs follows from something else"
    say "Its debug data name another folder, so its build-id is another, and what quotes that:"
    again tree 2.1.0-1 derived-only
    act "3. hello: a cause that is proved"
    say "It asks the clock for the year when it is built. The archive's was made in 2022, which is said to" \
        "the comparison; the one number that differs in just this is found in the code:"
    again hello 2.10-3 explained 2022
    act "4. And a branch turned round"
    say "The same package of tree again, one bit of its program changed, and its sum in md5sums made right:"
    tamper
    does 1 compare "$(echo "$VAR/published/tree"_*.deb)" "$DEB"
    held "that is found, and said first" grep -q '^unexplained: ' <<<"$OUT"
}
