#!/bin/bash
# golden.sh GLARUS GLARUSD ENGINE RULES ARCHIVE: what an older program wrote is opened, audited, read,
# erased and carried on by this one; a folder of a newer program is refused and left as it is.
set -euo pipefail
GLARUS=$1 GLARUSD=$2 ENGINE=$(realpath "$3") RULES=$(realpath "$4") archive=$(realpath "$5")
GLARUS=$(realpath "$GLARUS") GLARUSD=$(realpath "$GLARUSD")
top=$(cd "$(dirname "$0")/../.." && pwd)
DIR=$(mktemp -d /tmp/golden-XXXXXX)
chmod 755 "$DIR"
. "$top/tests/golden/lib.sh"
trap end_all EXIT
cd "$DIR"
tar xJf "$archive"
settle_in

does() { # CODE WORDS...
    local want=$1 got=0
    shift
    "$GLARUS" "$@" >"$DIR/out" 2>&1 || got=$?
    [ "$got" -eq "$want" ] || fail "glarus $*: exit $got, not $want: $(cat "$DIR/out")"
}
tree() { find zrh1 keys -type f -exec sha256sum {} + | sort; find zrh1 keys -printf '%p %y %m %U %s\n' | sort; }

# --- a newer program's folder ---
refused() { # TEXT SENTENCE
    local code=0
    printf '%s' "$1" >zrh1/format
    tree >before
    timeout 20 "$GLARUSD" --config zrh1.yaml >out 2>&1 || code=$?
    [ "$code" -eq 3 ] || fail "a folder with format \"$1\" gave exit $code: $(cat out)"
    grep -qF "$2" out || fail "no clear sentence: $(cat out)"
    tree >after
    cmp -s before after || fail "the refused folder was touched: $(diff before after)"
    rm zrh1/format
}
refused $'site-data/v2\n' 'has format 2, this program knows formats up to 1: a newer program wrote it'
refused $'site-data/v4294967295\n' 'has format 4294967295'
refused $'site-data/v1' 'does not say which format'
refused 'nonsense' 'does not say which format'

# --- killed again and again while it opens the old folder for the first time ---
start_witness
port=$(sed -n 's/^listen: 127.0.0.1:\([0-9]*\)$/\1/p' zrh1.yaml)
closed() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
for _ in 1 2 3 4 5 6 7 8; do
    start_site zrh1
    sleep "0.0$((RANDOM % 90 + 10))"
    kill -9 "${PID[zrh1]}"
    wait "${PID[zrh1]}" 2>/dev/null || true
    await 20 "its parts die with it" closed "$port"
done
for s in zrh1 mow1; do
    start_site $s
done
for s in zrh1 mow1; do
    await 30 "$s opens what an older program wrote" healthy $s
    [ "$(cat $s/format)" = site-data/v1 ] || fail "$s/format does not say v1"
done

# --- read: each submission as it was left, each receipt, each byte ---
for cc in CH RU CA; do
    sed -e "s|@ZRH@|$(sed -n 's/^listen: 127.0.0.1:\(.*\)/\1/p' zrh1.yaml)|" \
        -e "s|@MOW@|$(sed -n 's/^listen: 127.0.0.1:\(.*\)/\1/p' mow1.yaml)|" client-$cc.yaml.in >client-$cc.yaml
    # what programs want since then; data need no such help, an owner's configuration may
    grep -q '^register:' client-$cc.yaml || echo 'register: documents/register.yaml.dsse' >>client-$cc.yaml
done
chmod 600 client/secret-*
declare -A SUB
while read -r cc sub name sha; do
    SUB[$name]=$sub
    does 0 trace "$sub" --config "client-$cc.yaml" --json
    case $name in
    f6) want='"destroyed":true' ;;
    f7) want='"erased":true,"moved":false,"destroyed":false' ;;
    eicar) want='"verdict":"malicious"' ;;
    *) want='"erased":false' ;;
    esac
    grep -q "$want" out || fail "$name is not $want: $(cat out)"
    does 0 receipt verify "receipts/$sub.tlog-proof" --trust trust.yaml
    case $name in # an erased one's openings died with it
    f6 | f7) grep -q 'sha256 .*sealed' out || fail "the receipt of $name still opens something" ;;
    *) grep -q "$sha" out || fail "the receipt of $name does not open the hash of its bytes: $(cat out)" ;;
    esac
done <facts
[ "${#SUB[@]}" -eq 10 ] || fail "${#SUB[@]} submissions in facts, not 10"
for s in zrh1 mow1; do
    does 0 site scrub --config $s.yaml
    cp out scrub-$s
done
grep -q '^6 objects' scrub-zrh1 || fail "zrh1 does not hold 6: $(cat scrub-zrh1)" # of 8, two are erased
grep -q '^2 objects' scrub-mow1 || fail "mow1 does not hold 2: $(cat scrub-mow1)"

# --- audited ---
audit() { # SUBMISSIONS
    local s
    for s in zrh1 mow1; do
        does 0 site inventory --config $s.yaml
        await 30 "$s publishes" settled $s
    done
    does 0 audit zrh1=zrh1/ledger mow1=mow1/ledger --trust trust.yaml --receipts receipts
    grep -qE "^intake.consent +PROVED [A-Z]+ $1 submissions" out || fail "not $1 submissions: $(cat out)"
    grep -qE "^residency.relocation +PROVED [A-Z]+ 1 move(,|$)" out || fail "the move is not proved: $(cat out)"
    ! grep -qE ' (BROKEN|UNKNOWN)' out || fail "$(cat out)"
}
audit 10

# --- erased, and the epochs go on ---
does 0 erase "${SUB[f3-again]}" --config client-CH.yaml
for s in zrh1 mow1; do
    does 0 site turn-epoch --config $s.yaml
done
destroyed() { "$GLARUS" trace "${SUB[$1]}" --config client-CH.yaml --json | grep -q '"destroyed":true'; }
await 30 "what was erased before is final now" destroyed f7
await 30 "what is erased now is final" destroyed f3-again
does 0 site scrub --config zrh1.yaml
grep -q '^5 objects' out || fail "the same bytes of another submission are gone: $(cat out)"
[ "$(find keys/zrh1-epochs -name 'epoch-*.key' | wc -l)" -eq 1 ] || fail "old keys are left"

# --- carried on, also after a restart ---
head -c 3000 /dev/urandom >new-file
does 0 submit --wait 20 --config client-CH.yaml new-file
stop_site zrh1
start_site zrh1
await 30 "zrh1 starts again" healthy zrh1
audit 11
does 0 ledger check zrh1/ledger --vkey zrh1/ledger.vkey
for s in zrh1 mow1; do
    stop_site $s
done
echo "golden: $(basename "$archive"): opened, read, audited, erased, carried on"
