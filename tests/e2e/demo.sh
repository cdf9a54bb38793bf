#!/bin/bash
# demo.sh SOURCE BUILD: the demonstration runs to its end in a folder of its own, and what it left on
# disk says what it said on the screen.  The facts are read by facts.py, with none of our programs.
set -eu -o pipefail
top=$1
build=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/demo-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "demo.sh: $*" >&2
    exit 1
}

touch "$work/not-ours"
if DEMO_VAR=$work ONESHOT=1 "$top/demo/run.sh" "$build" >"$work/refused" 2>&1; then
    fail "it ran in a folder that is not its own"
fi
[ -e "$work/not-ours" ] || fail "it removed what it did not make"

var=$work/var
DEMO_VAR=$var DEMO_FILES=40 DEMO_STEP=30 ONESHOT=1 NO_COLOR=1 "$top/demo/run.sh" "$build" >"$work/said" 2>&1 &
pid=$!
# while it runs nobody else may start there
for _ in $(seq 100); do
    [ ! -e "$var/pids" ] || break
    sleep 0.1
done
if DEMO_VAR=$var ONESHOT=1 "$top/demo/run.sh" "$build" >"$work/second" 2>&1; then
    fail "a second one ran over the first"
fi
grep -q "runs in" "$work/second" || fail "the second one does not say why it refuses: $(cat "$work/second")"
wait "$pid" || {
    cat "$work/said" >&2
    tail -n 20 "$var"/log/*.log >&2
    fail "it failed"
}
if grep -q $'\e' "$work/said"; then
    fail "colors, and no terminal"
fi
while read -r p name; do
    ! kill -0 "$p" 2>/dev/null || fail "$name ($p) is left"
done <"$var/pids"

python3 "$top/tests/e2e/facts.py" "$var" "$work/said" "$top/docs/betray.md" "$build"

if command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
    export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$work/go"
    go build -o "$work/verify" "$top/tests/go/verify-ledger.go"
    for site in zrh1 mow1; do
        "$work/verify" "$var/$site/ledger" "$var/$site/ledger.vkey" "$var/witness.vkey"
    done
    # and it would have noticed
    cp -r "$var/mow1/ledger" "$work/changed"
    file=$(find "$work/changed/tile/entries" -type f ! -name '.*' | sort | tail -n 1)
    printf X | dd of="$file" bs=1 seek=60 conv=notrunc status=none
    if "$work/verify" "$work/changed" "$var/mow1/ledger.vkey" "$var/witness.vkey" >"$work/go.out" 2>&1; then
        fail "Go's library did not notice a changed byte"
    fi
fi
