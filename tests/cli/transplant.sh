#!/bin/bash
# transplant.sh GLARUS: what others' tools sign (osslsigncode, debsigs, the kernel's sign-file)
# comes out of what was built without these keys, to the byte; what was tampered with never does.
set -u
glarus=$(realpath "$1")
dir=$(mktemp -d)
trap 'GNUPGHOME=$dir/gpg gpgconf --kill all; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
bad=0

must() { "$@" >out 2>&1 || { echo "FAILED: $*: exit $?"; cat out; exit 1; }; }

# expect CODE LAST-LINE PUBLISHED BUILT
expect() {
    local code=0
    rm -f made
    "$glarus" assemble transplant "$3" "$4" --out made >out 2>&1 || code=$?
    if [ $code -ne "$1" ] || [[ "$(tail -n 1 out)" != *"$2"* ]]; then
        echo "FAILED: transplant $3 $4: exit $code, not $1 with \"$2\":"
        cat out
        bad=1
    fi
    if [ "$1" = 0 ] && ! cmp "$3" made; then
        bad=1
    fi
}

# another FILE AT: a copy, "tampered", with another byte at AT
another() {
    local was
    cp "$1" tampered
    was=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %o $(((was + 1) % 256)))" | dd of=tampered bs=1 seek="$2" conv=notrunc 2>/dev/null
}

same='identical after the signature was transplanted'

# A program of Windows.
must openssl req -x509 -newkey rsa:2048 -nodes -keyout code.pem -out cert.pem -subj /CN=ours -days 30
echo 'int start(void) { return 7; }' >p.c
must clang --target=x86_64-pc-windows-msvc -O1 -c p.c -o p.obj
must lld-link /entry:start /subsystem:console /nodefaultlib /timestamp:1 p.obj /out:plain.exe
must osslsigncode sign -certs cert.pem -key code.pem -in plain.exe -out signed.exe
expect 0 "$same" signed.exe plain.exe
grep -q "^signed.exe: 1 signature (Authenticode), [0-9]* bytes at $(stat -c %s plain.exe)$" out || { cat out; bad=1; }
must "$glarus" assemble transplant signed.exe plain.exe --out made
must osslsigncode verify -CAfile cert.pem -in made # the signature is good over what was built here
text=$(($(od -An -tu4 -j $((0x3c)) -N 4 plain.exe) + 24 + 240 + 20))
another plain.exe "$(od -An -tu4 -j $text -N 4 plain.exe | tr -d ' ')" # the first byte of code
expect 1 unexplained signed.exe tampered
grep -q '\.text' out || { echo "FAILED: the byte is not located"; cat out; bad=1; }
"$glarus" compare signed.exe made >out 2>&1 # it is there for who wants to look
[ $? = 1 ] || bad=1
expect 1 "is not signed" plain.exe plain.exe
expect 1 "is signed itself" signed.exe signed.exe
(cat signed.exe && printf '\0\0\0\0\0\0\0\0') >longer.exe
expect 1 "more, or less, than signatures" longer.exe plain.exe

# A package of Debian.
export GNUPGHOME=$dir/gpg
mkdir -m 700 gpg
must gpg --batch --passphrase '' --quick-generate-key ours ed25519 sign
mkdir -p p/DEBIAN p/usr/bin
printf 'Package: p\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: p\n' >p/DEBIAN/control
echo 'echo hello' >p/usr/bin/p
must dpkg-deb --root-owner-group -b p plain.deb
cp plain.deb signed.deb
must debsigs --sign=origin signed.deb
must debsigs --sign=maint signed.deb
expect 0 "$same" signed.deb plain.deb
grep -q '^signed.deb: 2 signatures (debsigs)' out || { cat out; bad=1; }
another plain.deb $(($(stat -c %s plain.deb) - 40)) # in its data
expect 1 unexplained signed.deb tampered
cp signed.deb hidden.deb
printf x >_gpgevil
ar q hidden.deb _gpgevil
expect 1 "named as a signature is none" hidden.deb plain.deb

# A module of Linux.
echo 'int init_module(void) { return 0; }' >m.c
must gcc -c m.c -o plain.ko
cp plain.ko signed.ko
must openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=kernel -days 30 -out kernel.pem
must /usr/lib/linux-kbuild-6.1/scripts/sign-file sha256 key.pem kernel.pem signed.ko
expect 0 "$same" signed.ko plain.ko
another plain.ko 70
expect 1 unexplained signed.ko tampered

code=0
"$glarus" assemble transplant signed.ko plain.ko >out 2>&1 || code=$?
[ $code = 2 ] || { echo "FAILED: without --out: exit $code"; bad=1; }
exit $bad
