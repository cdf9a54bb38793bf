#!/bin/bash
# freshclam.sh GLARUS MAKE-LEDGER ROOT: ClamAV's own updater installs from the plain mirror of an update repository,
# over HTTP on the loopback, and ClamAV's own scanner finds with it what the release is there to find.
set -u
glarus=$(realpath "$1") make_ledger=$(realpath "$2") root=$(realpath "$3")
dir=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir" || exit 1

must() { "$@" >out 2>&1 || { echo "FAILED: $*: exit $?"; cat out; exit 1; }; }
says() { grep -qF -e "$1" out || { echo "FAILED: no \"$1\" in:"; cat out; exit 1; }; }
repo() { "$glarus" repository "$@"; }
publish() { must repo publish repo --snapshot keys/k.pem --timestamp keys/k.pem; }
add() { must repo add repo "$1" --ledger "ledger$1/ledger" --trust "ledger$1/trust.yaml" --key keys/k.pem; }

# --- two releases; what they find is made here, so that no scanner of this machine minds ---
mkdir r1 r1/deep keys repo samples db
cp "$root"/rules/demo/*.yar r1/
echo 'Marker.Deep:0:*:474c415255532d444545502d4d41524b4552' >r1/deep/x.ndb # GLARUS-DEEP-MARKER
echo 'a GLARUS-DEEP-MARKER b' >samples/deep
echo 'another one' >samples/other
echo 'nothing' >samples/nothing
printf '%s:%s:Marker.Whole\n' "$(md5sum <samples/nothing | cut -c1-32)" 999 >r1/whole.hdb # another size: finds nothing
cp -r r1 r2
printf '%s:%s:Marker.Whole\n' "$(md5sum <samples/other | cut -c1-32)" "$(wc -c <samples/other)" >>r2/whole.hdb
must "$make_ledger" ledgerr1 r1
must "$make_ledger" ledgerr2 r1 r2
must "$glarus" people key keys/k.pem
key=$(sed -n 's/^public key //p' out)
for role in root targets rules snapshot timestamp; do
    echo "$role: {threshold: 1, expires: 7d, keys: [\"$key\"]}"
done | sed '1iformat: update-keys/v1' >repo/keys.yaml
must repo plan repo
must repo sign repo/pending/root.json --key keys/k.pem
must repo sign repo/pending/targets.json --key keys/k.pem
publish
add r1
publish

# --- the mirror, and freshclam with it alone ---
python3 -c 'import http.server as h, functools
s = h.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(h.SimpleHTTPRequestHandler, directory="repo"))
print(s.server_port, flush=True)
s.serve_forever()' >port 2>server.log &
server=$!
for _ in $(seq 100); do
    test -s port && break
    sleep 0.1
done
cat >freshclam.conf <<END
DatabaseDirectory $dir/db
DatabaseOwner $(id -un)
UpdateLogFile $dir/freshclam.log
DatabaseMirror 127.0.0.1
TestDatabases yes
$(for f in repo/clamav/*; do echo "DatabaseCustomURL http://127.0.0.1:$(cat port)/clamav/${f##*/}"; done)
END
# nothing is asked of anybody else, not even the name service
fresh() { must freshclam --config-file=freshclam.conf --update-db=custom --no-dns --stdout; }
# scan FILE WORDS: clamscan knows nothing but what freshclam installed
scan() {
    clamscan --database=db --no-summary "samples/$1" >out 2>&1
    says "samples/$1: $2"
}
fresh
says "whole.hdb"
for f in repo/clamav/*; do
    cmp -s "$f" "db/${f##*/}" || { echo "FAILED: ${f##*/} is another than was served"; ls -l db; exit 1; }
done
[ "$(cd db && echo *.hdb *.ndb)" = "whole.hdb deep-x.ndb" ] || { echo "FAILED: $(ls db)"; exit 1; }
scan deep "Marker.Deep.UNOFFICIAL FOUND"
scan other OK
scan nothing OK

# --- the next release comes the same way (a second apart: HTTP's dates know no less) ---
sleep 1.1
add r2
publish
fresh
scan other "Marker.Whole.UNOFFICIAL FOUND"
scan deep "Marker.Deep.UNOFFICIAL FOUND"
scan nothing OK
grep -q '"GET /clamav/whole.hdb' server.log || { echo "FAILED: nothing was asked of the mirror"; exit 1; }
