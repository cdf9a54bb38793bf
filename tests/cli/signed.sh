#!/bin/bash
# signed.sh GLARUS: a program is signed after its build; its provenance, its product and a rebuild by who has no such
# key go together: identical, with the signature transplanted, and that is said in what the builder signs.
set -u
glarus=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
bad=0

must() { "$@" >out 2>&1 || { echo "FAILED: $*: exit $?"; cat out; exit 1; }; }

# expect CODE TEXT COMMAND...
expect() {
    local code=$1 text=$2 got=0
    shift 2
    "$@" >out 2>&1 || got=$?
    if [ $got -ne "$code" ] || ! grep -qF -e "$text" out; then
        echo "FAILED: $* gives $got, not $code with \"$text\":"
        cat out
        bad=1
    fi
}

sum() { sha256sum "$1" | cut -d' ' -f1; }
payload() { sed -n 's/.*"payload":"\([^"]*\)".*/\1/p' "$1" | base64 -d; }

echo 'int start(void) { return 7; }' >p.c
mkdir made published
must clang --target=x86_64-pc-windows-msvc -O1 -c p.c -o p.obj
must lld-link /entry:start /subsystem:console /nodefaultlib /timestamp:1 p.obj /out:made/app.exe
echo readme >made/README
cp made/README published/
must openssl req -x509 -newkey rsa:2048 -nodes -keyout code.pem -out cert.pem -subj /CN=code -days 30
must osslsigncode sign -certs cert.pem -key code.pem -in made/app.exe -out published/app.exe
for k in supervisor builder; do
    must "$glarus" people key $k.pem
done
for f in source recipe lock sbom; do
    echo "the $f" >$f
done
cat >provenance.json <<END
{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"README","digest":{"sha256":"$(sum made/README)"}},
{"name":"app.exe","digest":{"sha256":"$(sum made/app.exe)"}}],"predicateType":"https://slsa.dev/provenance/v1",
"predicate":{"buildDefinition":{"buildType":"urn:x","externalParameters":{},"resolvedDependencies":[
{"name":"source","digest":{"sha256":"$(sum source)"}},{"name":"recipe","digest":{"sha256":"$(sum recipe)"}},
{"name":"lock","digest":{"sha256":"$(sum lock)"}}]},"runDetails":{"builder":{"id":"urn:b"}}}}
END

signed() { "$glarus" assemble signed "${2:-provenance.json}" "$1" --built made --key supervisor.pem --out provenance.dsse; }
expect 0 "published/app.exe: what was built, signed" signed published/app.exe
payload provenance.dsse >statement
for text in "\"name\":\"app.exe\",\"digest\":{\"sha256\":\"$(sum published/app.exe)\"" \
    "\"name\":\"README\",\"digest\":{\"sha256\":\"$(sum made/README)\"" '"builder":{"id":"urn:b"}' \
    "\"byproducts\":[{\"name\":\"app.exe, before it was signed\",\"digest\":{\"sha256\":\"$(sum made/app.exe)\"}}]"; do
    grep -qF "$text" statement || { echo "FAILED: the provenance lacks $text"; cat statement; bad=1; }
done
expect 1 "and a signature" signed published/README
(cat published/app.exe && printf x) >longer && mkdir odd && mv longer odd/app.exe
expect 1 "and a signature" signed odd/app.exe
sed "s/$(sum made/app.exe)/$(sum made/README)/" provenance.json >other.json
expect 1 'is of another "app.exe" than was built' signed published/app.exe other.json
cp published/app.exe odd/none.exe
expect 3 'does not speak of "none.exe"' signed odd/none.exe
expect 1 "is no in-toto statement" signed published/app.exe recipe
signed published/app.exe >out 2>&1

must "$glarus" assemble product published/README published/app.exe --name app --version 1 --site zrh1 --zone CH \
    --source "$(sum source)" --recipe recipe --toolchain lock --provenance provenance.dsse --sbom sbom --out product.yaml
must "$glarus" assemble sign product.yaml --key supervisor.pem

# The builder has the source and no key to sign programs with.
# shellcheck disable=SC2317 # expect calls it
attest() {
    rm -f rebuilt.dsse
    "$glarus" assemble attest product.yaml.dsse --published published --rebuilt "$1" --key builder.pem --out rebuilt.dsse
}
expect 0 "app.exe: identical after the signature was transplanted" attest made
payload rebuilt.dsse >word
output=$(cd published && LC_ALL=C sha256sum ./* | sed 's| \./| |' | sha256sum | cut -d' ' -f1)
for text in "verdict: identical" "transplanted: 1" "output: \"$output\""; do
    grep -qx "$text" word || { echo "FAILED: the builder does not sign $text"; cat word; bad=1; }
done
expect 0 "app.exe: identical" attest published # who has the signed ones has transplanted nothing
payload rebuilt.dsse | grep -q transplanted && { echo "FAILED: transplanted what was there"; bad=1; }
cp -r made tampered
printf '\003' | dd of=tampered/app.exe bs=1 seek=$(($(stat -c %s made/app.exe) - 500)) conv=notrunc 2>/dev/null
cmp -s made/app.exe tampered/app.exe && { echo "FAILED: not tampered with"; bad=1; }
expect 1 "app.exe: unexplained" attest tampered
payload rebuilt.dsse >word
if ! grep -qx "verdict: unexplained" word || grep -q transplanted word; then
    echo "FAILED: the builder signs:"
    cat word
    bad=1
fi
for f in *with-signature*; do
    [ ! -e "$f" ] || { echo "FAILED: $f is left"; bad=1; }
done
exit $bad
