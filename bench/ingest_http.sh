#!/usr/bin/env bash
# ingest_http.sh BUILD CORPUS DIR: the files of a corpus made durable over HTTP, encrypted and logged.
#
# Ours: glarusd on loopback (every part jailed, no engine: scanning is paused), a witness that
# cosigns, and one client, "glarus submit --no-wait".  The clock runs from its start until every
# receipt of acceptance is verified and kept, and the last leaf is under a cosigned, published
# checkpoint.  Each round has a site, a client and a witness of its own: nothing is known from before.
# Peers: `cp -r` and a sync of the file system; `borg create` into a new repository (lz4, repokey).
#
#   BENCH_ROUNDS=3   rounds; of them those that BENCH_SECONDS leave time for
#   BENCH_PERF=FILE  perf record of the first round's site goes there
# shellcheck disable=SC2034,SC1091 # the sourced parts of the demonstration use what is set here
set -euo pipefail

BUILD=${1:?usage: ingest_http.sh BUILD CORPUS DIR}
CORPUS=${2:?usage: ingest_http.sh BUILD CORPUS DIR}
DIR=${3:?usage: ingest_http.sh BUILD CORPUS DIR}
TOP=$(cd "$(dirname "$0")/.." && pwd)
GLARUS=$BUILD/src/cli/glarus
GLARUSD=$BUILD/src/site/glarusd
VAR=$DIR
SHORT=$DIR
COUNTRIES=CH
SITES=zrh1
STEP=86400
ROUNDS=${BENCH_ROUNDS:-3}
LIMIT=${BENCH_SECONDS:-330}
PLACE='' RUN=''

. "$TOP/demo/lib.sh"
. "$TOP/demo/found.sh"
. "$TOP/demo/acts.sh"

stop() {
    echo "bench: ingest-http: $*" >&2
    tail -n 3 "$VAR"/log/*.log >&2 2>/dev/null || true # it may be too early for logs
    exit 3
}

finish() {
    local code=$?
    trap '' INT TERM HUP
    end_all
    [ -z "$PLACE" ] || rm -rf "$PLACE"
    exit "$code"
}

# clocked COMMAND...: its seconds by the clock and of the CPU (children included) in WALL and CPU
clocked() {
    local TIMEFORMAT='%R %U %S' user sys
    { time "$@" >"$PLACE/said" 2>&1; } 2>"$PLACE/time" || stop "\"$1\" failed: $(tail -n 3 "$PLACE/said")"
    read -r WALL user sys <"$PLACE/time"
    CPU=$(sum "$user" "$sys")
}
sum() { awk 'BEGIN {for (i = 1; i < ARGC; i++) s += ARGV[i]; printf "%.3f", s}' "$@"; }
less() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.3f", a - b}'; }

# tree PID: it and all that descend from it
tree() {
    local child children
    echo "$1"
    mapfile -t children < <(ps -o pid= --ppid "$1" | tr -d ' ')
    for child in "${children[@]}"; do
        tree "$child"
    done
}

# spent PID...: lines "NAME SECONDS": the CPU time they have had, with children that have ended.
# A part of glarusd is named by its last argument.
spent() {
    local pid
    for pid; do
        printf '%s ' "$(tr '\0' '\n' <"/proc/$pid/cmdline" | tail -n 1)"
        sed 's/.*) //' "/proc/$pid/stat"
    done | awk -v hz="$(getconf CLK_TCK)" '{print $1, ($13 + $14 + $15 + $16) / hz}'
}
seconds_of() { spent "$@" | awk '{s += $2} END {printf "%.3f", s}'; }

# A site that scans nothing, its witness, its documents and its one submitter.
found() {
    local d=$VAR/users/CH
    mkdir -p "$VAR/log" "$VAR/keys" "$VAR/documents" "$VAR/receipts" "$d"
    choose_ports
    make_people
    found_witness
    found_sites
    sed -i -e '/^engines:/,/^scan:/d' -e '/^  - {name: user-/s/}$/, in_flight: 128}/' "$VAR/zrh1.yaml"
    start_all
    sign_documents
    publish_documents
    client_yaml CH >"$d/client.yaml"
    echo 'in_flight: 128' >>"$d/client.yaml"
    sleep_until "$((START + 1))" "until the policy is in force"
    settle
}

submit_and_settle() {
    local code=0
    "$GLARUS" submit --no-wait --config "$VAR/users/CH/client.yaml" "$CORPUS" >"$VAR/log/submit.log" || code=$?
    [ "$code" = 0 ] || [ "$code" = 4 ] || return 1 # 4: accepted, and not every receipt is cosigned yet
    settle
}

# One round of ours: its figures are a line of figures/ours.
ours() {
    local witness parts=()
    VAR=$DIR/ours-$1
    RUN=$PLACE/$1
    mkdir -p "$VAR/log" "$RUN"
    chmod 711 "$VAR" "$RUN"
    found >"$VAR/log/founding.log"
    mapfile -t parts < <(tree "${PIDS[1]}")
    if [ "$1" = 1 ] && [ -n "${BENCH_PERF-}" ]; then
        start perf perf record -e cpu-clock -F 499 -g -o "$BENCH_PERF" -p "$(IFS=, && echo "${parts[*]}")"
        sleep 1
    fi
    sync
    spent "${parts[@]}" >"$RUN/before"
    witness=$(seconds_of "${PIDS[0]}")
    clocked submit_and_settle
    spent "${parts[@]}" | paste -d' ' - "$RUN/before" | awk '{printf "%s %.2f\n", ($1 ~ /[.]yaml$/ ? "supervisor" : $1), $2 - $4}' >"$PLACE/parts"
    witness=$(less "$(seconds_of "${PIDS[0]}")" "$witness")
    [ "$(accepted zrh1 CH)" = "$N" ] || stop "the ledger has $(accepted zrh1 CH) submissions of $N"
    [ "$(grep -rhac "^c2sp.org/tlog-proof@v1$" "$VAR/receipts" | awk '{s += $1} END {print s + 0}')" -ge "$N" ] || stop "not every receipt was kept"
    end_all
    echo "$WALL $(awk '{s += $2} END {print s}' "$PLACE/parts") $CPU $witness" >>"$PLACE/ours"
}

copied() {
    cp -r "$CORPUS" "$DIR/cp-$1"
    sync -f "$DIR/cp-$1"
}

peers() {
    sync
    clocked copied "$1"
    echo "$WALL $CPU" >>"$PLACE/cp"
    export BORG_PASSPHRASE=bench BORG_BASE_DIR=$DIR/borg-home-$1
    borg --error init --encryption=repokey "$DIR/borg-$1"
    sync
    clocked borg --error create --compression=lz4 --files-cache=disabled "$DIR/borg-$1::a" "$CORPUS"
    echo "$WALL $CPU" >>"$PLACE/borg"
}

# line NAME BAR PEER-FILE [cpu]: what bench programs print; with cpu the ratio is of CPU seconds, of
# site, client and witness together
line() {
    paste -d' ' "$PLACE/ours" "$3" | awk -v name="$1" -v bar="$2" -v work="$N" -v by="${4-wall}" '
        function median(v, n,    i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        {a[NR] = $1; s[NR] = $2; c[NR] = $3; w[NR] = $4; p[NR] = $5; q[NR] = $6
         t[NR] = by == "cpu" ? $2 + $3 + $4 : $1; u[NR] = by == "cpu" ? $6 : $5; r[NR] = u[NR] / t[NR]}
        END {
            ratio = median(r, NR); wall = median(a, NR); peer = median(p, NR)
            printf "bench %s ours=%.0f peer=%.0f ratio=%.3g bar=%s unit=files/%s range=%.3g..%.3g rounds=%d", name,
                work / median(t, NR), work / median(u, NR), ratio, bar, (by == "cpu" ? "cpu-s" : "s"), r[1], r[NR], NR
            printf " work=%d ours_wall=%.3f server_cpu=%.3f client_cpu=%.3f witness_cpu=%.3f peer_wall=%.3f peer_cpu=%.3f\n",
                work, wall, median(s, NR), median(c, NR), median(w, NR), peer, median(q, NR)
        }'
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

PLACE=$(mktemp -d "${TMPDIR:-/tmp}/glarus-bench.XXXXXX")
chmod 711 "$PLACE" "$DIR" # the parts of a site are users of their own
N=$(find "$CORPUS" -type f | wc -l)
find "$CORPUS" -type f -exec cat {} + >/dev/null # the page cache is warm
done=0 longest=0
while [ "$done" -lt "$ROUNDS" ] && [ $((SECONDS + longest)) -lt "$LIMIT" ]; do
    began=$SECONDS
    done=$((done + 1))
    ours "$done"
    peers "$done"
    [ $((SECONDS - began)) -le "$longest" ] || longest=$((SECONDS - began))
done
line ingest-http 0.8 "$PLACE/cp"
line ingest-http-borg 1.5 "$PLACE/borg"
line ingest-http-cpu - "$PLACE/cp" cpu
line ingest-http-borg-cpu - "$PLACE/borg" cpu
cat <<TEXT
  ingest-http: rounds by the clock, ours, cp, borg: $(paste -d' ' "$PLACE/ours" "$PLACE/cp" "$PLACE/borg" | awk '{printf "%s%.1f %.1f %.1f s", (NR == 1 ? "" : "; "), $1, $5, $7}')
  ingest-http: CPU seconds of the site's parts in the last round: $(paste -sd' ' "$PLACE/parts")
  ingest-http: not equal: client, server and witness share the cores with whatever else runs; the client hashes, signs, verifies and keeps receipts; cp syncs once at the end and encrypts nothing; borg compresses and commits once
TEXT
