#!/bin/sh
# build.sh GLARUS CACHE: a recipe becomes a lock, a build, a rebuild; and builds that mean harm are
# stopped and explained, and leave nothing.  The root is a few small packages (tcc, busybox), kept
# in CACHE, so that the package sources are asked once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
glarus=$(realpath "$1") cache=$(realpath -m "$2")
for tool in bwrap apt-get dpkg-deb prlimit taskset openssl python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
tmp=$(mktemp -d /tmp/assembler-test-XXXXXX)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cd "$tmp"
mkdir -p "$cache" work
work=$tmp/work
passed=0

fail() {
    echo "FAILED: $*"
    [ ! -e out.txt ] || cat out.txt
    exit 1
}

# expect CODE TEXT WHAT: the last run ended so, and said so.
expect() {
    [ "$code" = "$1" ] || fail "$3: exit $code, not $1"
    grep -q -- "$2" out.txt || fail "$3: did not say \"$2\""
    passed=$((passed + 1))
}

# recipe FILE: the recipe around the steps, outputs and limits on standard input.
recipe() {
    cat >"$1" <<EOF
format: recipe/v1
name: greet
version: "1.0"
clock: "2024-01-01T00:00:00Z"
sources:
  - tar: greet-1.0.tar.gz
    sha256: $(sha256sum greet-1.0.tar.gz | cut -d' ' -f1)
toolchain:
  root: unpacked
  packages: [tcc, libc6-dev, make, busybox-static, tar]
EOF
    cat >>"$1"
}

# A lock is of one recipe's bytes; the packages are the same for all of these.
relock() {
    sed "s/^recipe: .*/recipe: $(sha256sum "$1" | cut -d' ' -f1)/" greet.lock >"$2"
}

# build NAME [OPTION]...: with the recipe on standard input.
build() {
    name=$1
    shift
    recipe "$name.yaml"
    relock "$name.yaml" "$name.lock"
    code=0
    "$glarus" assemble build "$name.yaml" --lock "$name.lock" --packages "$cache" --work "$work" \
        --out "$name.out" "$@" >out.txt 2>&1 || code=$?
}

# Nothing of a cell is left: no process of it, no mount, no folder but the root.
nothing_left() {
    for p in /proc/[0-9]*; do
        [ -r "$p/cmdline" ] || continue
        if tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "731${$}731"; then
            fail "$1: a process is left: $(tr '\0' ' ' <"$p/cmdline")"
        fi
    done
    ! grep -q "$tmp" /proc/self/mounts || fail "$1: a mount is left"
    for f in "$work"/*; do
        case $f in */root-*.*) fail "$1: left: $f" ;; */root-*) ;; *) fail "$1: left: $f" ;; esac
    done
}

mkdir greet-1.0
cat >greet-1.0/greet.c <<'EOF'
#include <stdio.h>
int main(void) { puts("good day"); return 0; }
EOF
printf 'greet: greet.c\n\ttcc -o greet greet.c\n' >greet-1.0/Makefile
tar -czf greet-1.0.tar.gz greet-1.0
outputs='outputs: ["greet-1.0/greet"]'

recipe greet.yaml <<EOF
steps: [[make, "-j\${cores}"]]
$outputs
EOF
"$glarus" assemble lock greet.yaml --out greet.lock --packages "$cache" >out.txt 2>&1 ||
    fail "the toolchain cannot be locked"

openssl genpkey -algorithm ed25519 -out key.pem 2>/dev/null
chmod 600 key.pem
openssl pkey -in key.pem -pubout -out pub.pem
build good --key key.pem --builder https://builder.example/1 <<EOF
steps: [[make, "-j\${cores}"]]
$outputs
EOF
expect 0 "^equal: built again" "a small project"
[ "$(good.out/outputs/greet-1.0/greet)" = "good day" ] || fail "what was built does not run"
nothing_left "a small project"

python3 "$here/claims.py" good.out good.lock "$cache" pub.pem || fail "what the build says of itself"
passed=$((passed + 1))

# A signed recipe is the same recipe.
code=0
"$glarus" assemble sign-recipe good.yaml --key key.pem >out.txt 2>&1 || code=$?
expect 0 "1 signature" "signing a recipe"
code=0
"$glarus" assemble build good.yaml.dsse --lock good.lock --packages "$cache" --work "$work" \
    --out signed.out --once >out.txt 2>&1 || code=$?
expect 0 "carries a signature" "a signed recipe"
cmp good.out/outputs/greet-1.0/greet signed.out/outputs/greet-1.0/greet

# The same, rebuilt by somebody else, against what was published; and against something else.
rebuild() {
    code=0
    "$glarus" assemble rebuild good.yaml --lock good.lock --packages "$cache" --work "$work" \
        --published "$1" --out "$2" >out.txt 2>&1 || code=$?
}
mkdir published
cp good.out/outputs/greet-1.0/greet published/greet
cp published/greet published/greet2
rebuild published/greet again1
[ "$(tail -n 1 out.txt)" = identical ] || fail "a rebuild that is equal: $(tail -n 1 out.txt)"
expect 0 identical "a rebuild that is equal"
printf x >>published/greet
rebuild published/greet again2
[ "$(tail -n 1 out.txt)" = unexplained ] || fail "a byte more: $(tail -n 1 out.txt)"
expect 1 unexplained "a byte more in what was published"
cp good.out/outputs/greet-1.0/greet published/greet # signed as modules of Linux are, by a key no builder has
openssl req -x509 -newkey rsa:2048 -nodes -keyout code.pem -out cert.pem -subj /CN=code -days 30 2>/dev/null
/usr/lib/linux-kbuild-6.1/scripts/sign-file sha256 code.pem cert.pem published/greet
rebuild published/greet again5
[ "$(tail -n 1 out.txt)" = "identical after the signature was transplanted" ] || fail "a signed file: $(tail -n 1 out.txt)"
expect 0 identical "a file that was signed after its build"
printf x | dd of=published/greet bs=1 seek=100 conv=notrunc 2>/dev/null
rebuild published/greet again6
expect 1 "^unexplained" "a signed file that is another"
rebuild good.out/outputs again3
expect 0 identical "a folder of all outputs"
rebuild published/nowhere again4
expect 3 nowhere "what was published is not there"

# A product is what a build wrote beside its outputs; its bundle is all that somebody else needs.
run() {
    code=0
    "$glarus" assemble "$@" >out.txt 2>&1 || code=$?
}
openssl genpkey -algorithm ed25519 -out anna.pem 2>/dev/null
chmod 600 anna.pem
run build good.yaml.dsse --lock good.lock --packages "$cache" --work "$work" --out made --site zrh1 --zone CH
expect 2 "takes --site, --zone and --key" "a product without a key"
run build good.yaml.dsse --lock good.lock --packages "$cache" --work "$work" --out made --site zrh1 --zone CH \
    --key key.pem --quiet
expect 0 "made/product.yaml: read it" "a product beside its outputs"
for part in "recipe recipe.yaml" "toolchain lock.yaml" "provenance provenance.dsse" "sbom sbom.spdx.json"; do
    grep -q "^${part% *}: \"$(sha256sum <"made/${part#* }" | cut -c1-64)\"" made/product.yaml || fail "the product names another ${part% *}"
done
cmp good.yaml made/recipe.yaml || fail "the product's recipe is not the one that was built"
grep -q "name: \"greet-1.0/greet\", sha256: \"$(sha256sum <published/greet2 | cut -c1-64)\"" made/product.yaml ||
    fail "the product has another file"
run sign made/product.yaml --key anna.pem
expect 0 "1 signature" "signing a product"
mkdir src
cp greet-1.0.tar.gz src/
bundle_of() { run bundle made/product.yaml.dsse --sources src --packages "$cache" --published "$1" --out "$2"; }
bundle_of made/outputs greet.bundle
expect 0 "without a proof" "a bundle"
bundle_of made/outputs again.bundle
cmp greet.bundle again.bundle || fail "the same files make another bundle"
tar -tf greet.bundle >names
mkdir all
tar -xf greet.bundle -C all
(cd all && LC_ALL=C tar --format=ustar --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -b1 \
    -cf ../tar.bundle -T ../names)
cmp greet.bundle tar.bundle || fail "GNU tar makes another bundle of the same files"

# Somebody else: no sources, no packages, nothing but the bundle.
from_bundle() { run rebuild --bundle "$1" --key key.pem --out "$2" --work "$work" --quiet; }
from_bundle greet.bundle other1
[ "$(tail -n 1 out.txt)" = identical ] || fail "a rebuild from a bundle: $(tail -n 1 out.txt)"
expect 0 "NOT checked against anybody" "a rebuild from a bundle"
grep -q "^equal: built again" out.txt || fail "it was not built again with everything varied"
python3 - other1/rebuilt.dsse made/product.yaml.dsse made/outputs/greet-1.0/greet <<'EOF' || fail "what was signed"
import base64, hashlib, json, sys
sha = lambda b: hashlib.sha256(b).hexdigest()
env = json.load(open(sys.argv[1]))
text = base64.b64decode(env["payload"]).decode()
output = sha((sha(open(sys.argv[3], "rb").read()) + "  greet-1.0/greet\n").encode())
assert 'product: "%s"' % sha(open(sys.argv[2], "rb").read()) in text.replace("'", '"'), text
assert "verdict: identical" in text and output in text, text
assert len(env["signatures"]) == 1
EOF
nothing_left "a rebuild from a bundle"
run rebuild --bundle greet.bundle --out unsigned --work "$work" --quiet --once
expect 0 "^signed by nobody" "a rebuild that nobody signs"
[ "$(tail -n 1 out.txt)" = identical ] || fail "a rebuild that nobody signs: $(tail -n 1 out.txt)"
[ ! -e unsigned/rebuilt.dsse ] || fail "something was signed without a key"
from_bundle greet.bundle other1
expect 3 "File exists" "a folder that is there already"
head -c 40000 greet.bundle >cut.bundle
from_bundle cut.bundle other2
expect 1 "cut off" "a bundle that was cut"
[ ! -e other2 ] || fail "a bundle that is refused left something"
run rebuild --bundle greet.bundle --key key.pem --out other3 --trust nowhere.yaml
expect 3 nowhere.yaml "a trust file that is not there"
[ ! -e other3 ] || fail "a trust file that is not there left a folder"

# Published was something else than what the recipe builds: signed as what it is.
mkdir -p bad/greet-1.0
(printf x; cat made/outputs/greet-1.0/greet) >bad/greet-1.0/greet
bundle_of bad none.bundle
expect 1 "is not the file that the product's documents name" "a file that was not built"
[ ! -e none.bundle ] || fail "a bundle that cannot be made is there"
cp -r made misnamed
cp -r made lied
was=$(sha256sum <made/outputs/greet-1.0/greet | cut -c1-64)
is=$(sha256sum <bad/greet-1.0/greet | cut -c1-64)
cat >edit.py <<'EOF'
import base64, hashlib, json, re, sys
d, was, now, more = sys.argv[1:]
env = json.load(open(d + "/provenance.dsse"))
env["payload"] = base64.b64encode(base64.b64decode(env["payload"]).replace(was.encode(), now.encode())).decode()
text = json.dumps(env).encode()
open(d + "/provenance.dsse", "wb").write(text)
y = open(d + "/product.yaml").read().replace(was, now)
y = re.sub(r"provenance: .*", 'provenance: "%s"' % hashlib.sha256(text).hexdigest(), y)
y = re.sub(r"size: (\d+)", lambda m: "size: %d" % (int(m[1]) + int(more)), y)
open(d + "/product.yaml", "w").write(y)
EOF
python3 edit.py lied "$was" "$is" 1
run sign lied/product.yaml --key anna.pem
expect 0 "1 signature" "signing what was not built"
run bundle lied/product.yaml.dsse --sources src --packages "$cache" --published bad --out lied.bundle
expect 0 "published" "a bundle of what was not built"
from_bundle lied.bundle other4
[ "$(tail -n 1 out.txt)" = unexplained ] || fail "what was not built: $(tail -n 1 out.txt)"
expect 1 "^greet-1.0/greet: unexplained" "what was not built"
[ -s other4/rebuilt.dsse ] || fail "dissent was not signed"
[ -s other4/compare/1.json ] || fail "dissent is not explained"
python3 edit.py misnamed greet-1.0/greet greeting 0
mkdir renamed
cp made/outputs/greet-1.0/greet renamed/greeting
run sign misnamed/product.yaml --key anna.pem
run bundle misnamed/product.yaml.dsse --sources src --packages "$cache" --published renamed --out misnamed.bundle
expect 0 "published" "a bundle with a file of another name"
from_bundle misnamed.bundle other5
[ "$(tail -n 1 out.txt)" = unexplained ] || fail "a file of another name: $(tail -n 1 out.txt)"
expect 1 "^greeting: was published, and was not built" "a file that was not built"
expect 1 "^greet-1.0/greet: was built, and was not published" "a file that was not published"

# Circumstances: what is varied, and what a build cannot see.
build host --quiet <<EOF
steps: ["{ hostname 2>/dev/null || cat /proc/sys/kernel/hostname; } >name"]
outputs: ["greet-1.0/name"]
EOF
expect 1 "^NOT equal" "the host's name in an output"
[ -e host.out/varied/greet-1.0/name ] || fail "the second build's output is not shown"
for what in "path|pwd" "timezone|date +%Z" "locale|echo \$LC_ALL" "umask|umask" "user|id -u" \
    "cores|nproc" "order|find . -type f" "host|cat /proc/sys/kernel/hostname"; do
    build "vary-${what%%|*}" --quiet <<EOF
steps: ["{ ${what#*|}; } >seen"]
outputs: ["greet-1.0/seen"]
EOF
    if [ "$(nproc)" = 1 ] && [ "${what%%|*}" = cores ]; then
        continue
    fi
    expect 1 "^NOT equal" "varied: ${what%%|*}"
    build "fixed-${what%%|*}" --quiet <<EOF
steps: ["{ ${what#*|}; } >seen"]
outputs: ["greet-1.0/seen"]
fixed: [${what%%|*}]
EOF
    expect 0 "^equal" "fixed: ${what%%|*}"
done

# Inputs that are not the recipe's or the lock's.
cp greet-1.0.tar.gz kept.tar.gz
recipe input.yaml <<EOF
steps: [[make]]
$outputs
EOF
relock input.yaml input.lock
printf x >>greet-1.0.tar.gz
code=0
"$glarus" assemble build input.yaml --lock input.lock --packages "$cache" --work "$work" \
    --out input.out >out.txt 2>&1 || code=$?
expect 1 "not the recipe's" "a source that was changed"
mv kept.tar.gz greet-1.0.tar.gz
mkdir packages
for f in "$cache"/*.deb; do ln -s "$f" packages/; done
cp --remove-destination "$cache"/tcc_*.deb packages/
printf x >>"$(echo packages/tcc_*.deb)"
mkdir copies
for f in "$cache"/*.deb; do cp "$f" copies/; done
cp packages/tcc_*.deb copies/
code=0
"$glarus" assemble build input.yaml --lock input.lock --packages copies --work "$work" \
    --out input2.out >out.txt 2>&1 || code=$?
expect 1 "is not the package of the lock" "a package that was changed"
code=0
"$glarus" assemble build input.yaml --lock good.lock --packages "$cache" --work "$work" \
    --out input3.out >out.txt 2>&1 || code=$?
[ "$(cmp good.yaml input.yaml >/dev/null 2>&1 && echo same)" = same ] ||
    expect 2 "of another recipe" "a lock of another recipe"

# The other kinds of sources: a commit, a folder, a file.
other() {
    cat >"$1.yaml" <<EOF
format: recipe/v1
name: greet
version: "1.0"
clock: "2024-01-01T00:00:00Z"
toolchain:
  root: unpacked
  packages: [tcc, libc6-dev, make, busybox-static, tar]
$outputs
EOF
    cat >>"$1.yaml"
    relock "$1.yaml" "$1.lock"
    code=0
    "$glarus" assemble build "$1.yaml" --lock "$1.lock" --packages "$cache" --work "$work" \
        --out "$1.out" >out.txt 2>&1 || code=$?
}
git -c init.defaultBranch=main init -q repo
cp greet-1.0/* repo/
git -C repo add . && git -C repo -c user.name=t -c user.email=t@t commit -qm one
commit=$(git -C repo rev-parse HEAD)
printf broken >repo/greet.c # not in the commit
other commit <<EOF
sources: [{git: repo, commit: "$commit"}]
steps: [make]
EOF
expect 0 "^equal" "a commit"
cmp good.out/outputs/greet-1.0/greet commit.out/outputs/greet-1.0/greet
other nocommit <<EOF
sources: [{git: repo, commit: "00000000000000000000000000000000000000c1"}]
steps: [make]
EOF
[ "$code" != 0 ] || fail "a commit that is not there was built"
expect 3 "there is no commit" "a commit that is not there"

mkdir -p tree/lib
cp greet-1.0/greet.c tree/lib/
printf 'greet: lib/greet.c\n\ttcc -o greet lib/greet.c\n' >tree/Makefile
printf '#!/bin/sh\n' >tree/run
chmod 755 tree/run
ln -s lib/greet.c tree/zlink
# The digest as docs/formats.md has it, by other tools.
digest=$({
    echo "- $(sha256sum <tree/Makefile | cut -c1-64) Makefile"
    echo "- $(sha256sum <tree/lib/greet.c | cut -c1-64) lib/greet.c"
    echo "x $(sha256sum <tree/run | cut -c1-64) run"
    echo "l $(printf lib/greet.c | sha256sum | cut -c1-64) zlink"
} | sha256sum | cut -c1-64)
other tree <<EOF
sources:
  - {tree: tree, sha256: "$digest"}
steps: [make, "test -x run && test -L zlink"]
EOF
expect 0 "^equal" "a folder"
"$glarus" assemble recipe --tree tree --name t --version 1 --out ready.yaml >out.txt
grep -q "$digest" ready.yaml || fail "assemble recipe has another digest of the folder"
grep -q "built with make" out.txt || fail "assemble recipe did not see the Makefile"
touch tree/more
other tree2 <<EOF
sources: [{tree: tree, sha256: "$digest"}]
steps: [make]
EOF
expect 1 "not the recipe's" "a folder that was changed"
other file <<EOF
sources:
  - {tar: greet-1.0.tar.gz, sha256: "$(sha256sum greet-1.0.tar.gz | cut -c1-64)"}
  - {file: pub.pem, sha256: "$(sha256sum pub.pem | cut -c1-64)"}
steps: [make, "test -f pub.pem"]
EOF
expect 0 "^equal" "a file beside an archive"

# Without root's rights.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir other
    cp good.yaml good.lock greet-1.0.tar.gz "$glarus" "$glarus-commands" other/
    cp -r copies other/packages
    cp "$cache"/tcc_*.deb other/packages/
    chown -R 65534:65534 other
    code=0
    setpriv --reuid 65534 --regid 65534 --clear-groups "other/${glarus##*/}" assemble build other/good.yaml \
        --lock other/good.lock --packages other/packages --work other/work --out other/out \
        >out.txt 2>&1 || code=$?
    if [ "$code" = 3 ] && grep -q "cannot make a cell" out.txt; then
        echo "user namespaces are not for everybody here; not tried without root's rights"
    else
        expect 0 "^equal" "without root's rights"
    fi
fi

# Builds that mean harm.
build network <<EOF
steps: ["wget http://192.0.2.7/x"]
$outputs
EOF
expect 1 "tried the network" "a build that needs the network"
build network-hidden <<EOF
steps: ["wget http://example.org/x || true", make]
$outputs
EOF
expect 1 "tried the network" "a build that hides that it tried the network"
build outside <<EOF
steps: ["echo x >/usr/bin/x"]
$outputs
EOF
expect 1 "outside of the build folder" "a build that writes outside"
build devices <<EOF
steps: ["! echo x >/proc/sys/kernel/hostname", "! echo x >/dev/x", "! mount -t tmpfs x /sources",
        "! busybox unshare -r true", "! cat /dev/mem", "! ls /root/.ssh", make]
$outputs
EOF
expect 0 "^equal" "a build that tries what it may not, and goes on"
build fork --once <<EOF
steps: ["f() { f | f & }; f; sleep 731${$}731"]
limits: {processes: 64, time: 4s}
$outputs
EOF
[ "$code" = 1 ] || fail "a fork bomb: exit $code"
expect 1 "limits" "a build that forks without end"
nothing_left "a build that forks without end"
build disk <<EOF
steps: ["dd if=/dev/zero of=big bs=65536 count=160"] # 10 MiB would fit otherwise
limits: {disk: 4MiB}
$outputs
EOF
expect 1 "build folder is full" "a build that fills the disk"
build sleeps <<EOF
steps: ["sleep 731${$}731"]
limits: {time: 2s}
$outputs
EOF
expect 1 "was over" "a build that sleeps for ever"
nothing_left "a build that sleeps for ever"
build daemon <<EOF
steps: ["(setsid sleep 731${$}731 >/dev/null 2>&1 &)", make]
$outputs
EOF
expect 0 "^equal" "a build that leaves a process behind"
nothing_left "a build that leaves a process behind"
build floods --quiet <<EOF
steps: ["while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"]
limits: {log: 1MiB}
$outputs
EOF
expect 1 "said more than" "a build that floods its log"
[ "$(stat -c %s floods.out/log.txt)" -lt 2000000 ] || fail "the log is not bounded"
build links <<EOF
steps: ["ln -s /etc/passwd greet"]
$outputs
EOF
expect 1 "not a regular file" "an output that is a link"
build nothing <<EOF
steps: ["true"]
$outputs
EOF
expect 1 "made no output" "a build that makes nothing"
build climbs <<EOF
steps: ["true"]
outputs: ["../../etc/passwd"]
EOF
expect 2 "relative path" "an output outside of the build folder"

# Cancelled from outside, as by Ctrl-C.
recipe cancel.yaml <<EOF
steps: ["echo begun; sleep 731${$}731"]
$outputs
EOF
relock cancel.yaml cancel.lock
"$glarus" assemble build cancel.yaml --lock cancel.lock --packages "$cache" --work "$work" \
    --out cancel.out >out.txt 2>&1 &
pid=$!
n=0
until grep -q begun cancel.out/log.txt 2>/dev/null; do
    n=$((n + 1))
    [ "$n" -lt 600 ] || fail "the build that is cancelled did not begin"
    sleep 0.1
done
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
expect 1 "cancelled in step 1" "a build that is cancelled"
nothing_left "a build that is cancelled"

# Killed: the cell dies with it, and the next build removes what lies about.
recipe killed.yaml <<EOF
steps: ["echo begun; sleep 731${$}731"]
$outputs
EOF
relock killed.yaml killed.lock
"$glarus" assemble build killed.yaml --lock killed.lock --packages "$cache" --work "$work" \
    --out killed.out >out.txt 2>&1 &
pid=$!
n=0
until grep -q begun killed.out/log.txt 2>/dev/null; do
    n=$((n + 1))
    [ "$n" -lt 600 ] || fail "the build that is killed did not begin"
    sleep 0.1
done
kill -KILL "$pid"
wait "$pid" 2>/dev/null || true
[ -e "$work/sources-$pid" ] || fail "a killed build left nothing to remove"
n=0
while grep -qs "731${$}73[1]" /proc/[0-9]*/cmdline; do
    n=$((n + 1))
    [ "$n" -lt 100 ] || fail "the cell outlived the one who started it"
    sleep 0.1
done
build after --once --quiet <<EOF
steps: [[make]]
$outputs
EOF
expect 0 "install\|greet" "a build after one that was killed"
nothing_left "a build after one that was killed"

echo "$passed passed, 0 failed"
