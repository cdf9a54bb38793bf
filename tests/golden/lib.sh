# lib.sh - starting and ending the two sites and the witness of a golden folder.
# Sourced by make.sh and golden.sh, which set GLARUS, GLARUSD, ENGINE, RULES and DIR.
# shellcheck shell=bash

UIDS=64300 # of zrh1; mow1 and the witness follow
declare -A PID=()

fail() {
    echo "golden: $*" >&2
    for f in "$DIR"/*.log; do
        [ ! -s "$f" ] || { echo "--- $f" && tail -n 5 "$f"; } >&2
    done
    exit 1
}

end_all() {
    local p
    for p in "${PID[@]}"; do
        kill -9 "$p" 2>/dev/null || true
    done
    [ -n "${KEEP-}" ] || rm -rf "$DIR"
}

# await SECONDS WHAT COMMAND...
await() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >"$DIR/out" 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "not in time: $what: $(cat "$DIR/out")"
        sleep 0.2
    done
}

free_port() {
    local p
    while :; do
        p=$((15000 + RANDOM % 17000))
        (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || break
    done
    echo "$p"
}

# Every *.yaml.in becomes a *.yaml with this machine's ports, programs and users.
settle_in() {
    local f zrh mow w
    zrh=$(free_port) mow=$(free_port) w=$(free_port)
    # a socket's path has at most 107 bytes: DIR must be short
    for f in "$DIR"/*.yaml.in; do
        sed -e "s|@ZRH@|$zrh|g" -e "s|@MOW@|$mow|g" -e "s|@WITNESS@|$w|g" -e "s|@ENGINE@|$ENGINE|g" \
            -e "s|@RULES@|$RULES|g" "$f" >"${f%.in}"
        chmod 644 "${f%.in}"
    done
    [ "$(id -u)" -eq 0 ] || return 0
    users zrh1 "$UIDS"
    users mow1 "$((UIDS + 10))"
    echo "run_as: $((UIDS + 20))" >>"$DIR/witness.yaml"
    [ ! -d "$DIR/witness" ] || chown -R "$((UIDS + 20))" "$DIR/witness" "$DIR/witness.pem"
}

# users SITE FIRST: as root each part is a user of its own, and owns what it writes
users() {
    local k=$(($2 + 1)) s=$(($2 + 2))
    printf 'run_as: {front: %d, keeper: %d, signer: %d, courier: %d, reader: %d, engine: %d}\n' \
        "$2" "$k" "$s" "$(($2 + 3))" "$(($2 + 4))" "$(($2 + 5))" >>"$DIR/$1.yaml"
    [ -d "$DIR/$1/vault" ] || return 0
    chown -R "$k:$k" "$DIR/$1" "$DIR/keys/$1-epochs" "$DIR/keys/$1-move.key"
    chown -R "$s:$s" "$DIR/$1/signer" "$DIR/keys/$1.pem"
}

start_witness() {
    "$GLARUS" ledger witness --config "$DIR/witness.yaml" >"$DIR/witness.log" 2>&1 &
    PID[witness]=$!
}

healthy() {
    local line port
    port=$(sed -n 's/^listen: 127.0.0.1:\([0-9]*\)$/\1/p' "$DIR/$1.yaml")
    exec 4<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&4
    IFS= read -r -t 5 line <&4 || line=none
    exec 4>&-
    [[ $line == *' 200 '* ]]
}

start_site() {
    "$GLARUSD" --config "$DIR/$1.yaml" >>"$DIR/$1.log" 2>&1 &
    PID[$1]=$!
}

stop_site() {
    kill "${PID[$1]}"
    wait "${PID[$1]}" || fail "$1 did not end in order"
    unset "PID[$1]"
}

settled() {
    local line
    line=$("$GLARUS" site status --config "$DIR/$1.yaml" 2>/dev/null | grep -E '^ *ledger ') || return 1
    # shellcheck disable=SC2086 # words
    set -- $line
    [ "$2" = "$4" ]
}

leaves() { cat "$DIR/$1"/ledger/tile/entries/*/* "$DIR/$1"/ledger/tile/entries/* 2>/dev/null | tr -d '\000' || true; }
