#!/usr/bin/env bash
# smoke.sh BIN: the bench programs that need no other program still measure, at a hundredth of their
# size.  What they check themselves (the same root on both sides, every claim proved) is checked too.
set -euo pipefail
bin=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export BENCH_ROUNDS=2 BENCH_TESSERA=

expect() { # FILE NAME...: one well-formed line for each name
    local file=$1 name
    shift
    for name in "$@"; do
        grep -qE "^bench $name ours=[0-9.]+ peer=([0-9]+|absent) ratio=([0-9.]+|-) bar=([0-9.]+|-) " "$file" || {
            echo "no line of $name in:" >&2
            cat "$file" >&2
            exit 1
        }
    done
}
"$bin/bench-ledger-append" "$tmp" 2000 >"$tmp/append"
expect "$tmp/append" ledger-append ledger-append-hash ledger-append-disk ledger-append-calls
"$bin/bench-ledger-append-http" "$tmp" 2000 >"$tmp/http"
expect "$tmp/http" ledger-append-http ledger-append-http-wall
"$bin/bench-ledger-check" "$tmp/ledger" 2000 >"$tmp/check"
expect "$tmp/check" ledger-check
# one changed byte in a bundle of leaves: what is measured is a check, not a read
printf 'X' | dd of="$tmp/ledger/tile/entries/000" bs=1 seek=1000 conv=notrunc status=none
if "$bin/bench-ledger-check" "$tmp/ledger" 2000 >"$tmp/out" 2>&1; then
    echo "a damaged ledger was measured as if it were whole" >&2
    exit 1
fi
"$bin/bench-audit" "$tmp/history" 20 >"$tmp/audit"
expect "$tmp/audit" audit audit-resumed audit-tables audit-limit audit-signatures audit-memory
"$bin/bench-start" make "$tmp/site" 500
"$bin/bench-start" start "$tmp/site" 500 >"$tmp/start"
expect "$tmp/start" start start-clean
"$bin/bench-start" rebuild "$tmp/site" 500 >"$tmp/rebuild"
expect "$tmp/rebuild" rebuild
"$bin/bench-tls" "$tmp/authority.pem" 50 >"$tmp/tls"
expect "$tmp/tls" tls-put tls-get tls-handshake
mkdir "$tmp/corpus"
"$bin/bench-corpus" files "$tmp/corpus" 30
[ "$(find "$tmp/corpus" -type f | wc -l)" = 30 ]
"$bin/bench-corpus" rules "$tmp/rules.yar" 30 "$tmp/corpus"
[ "$(grep -c '^rule bench_' "$tmp/rules.yar")" = 30 ]
