# lib.sh - what the demonstration's parts share: talking, expecting, processes, reading ledgers.
# Sourced by run.sh.  It sets VAR (the data folder) and BUILD before.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables

# --- talking ---

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' BLUE=$'\e[36m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' BLUE='' PLAIN=''
fi
BEGAN=$SECONDS
HELD=0

act() { printf '\n%s%s%s %s(%d s)%s\n' "$BOLD" "$1" "$PLAIN" "$DIM" "$((SECONDS - BEGAN))" "$PLAIN"; }
say() { printf '%s\n' "$*" | fold -s -w 98 | sed 's/ *$//'; }
indent() { sed 's/^/    /'; }

# A command as a person would type it.
shown() {
    local text='' word
    for word; do
        case $word in *' '*) word="'$word'" ;; esac
        text+=${text:+ }$word
    done
    printf '  %s$ %s%s\n' "$BLUE" "${text//"$VAR"/$SHORT}" "$PLAIN"
}

stop() {
    printf '%smake run: %s%s\n' "$RED" "$*" "$PLAIN" >&2
    [ ! -d "$VAR/log" ] || printf 'The logs are in %s/log.\n' "$SHORT" >&2
    exit 1
}

# held SENTENCE TEST...: an expectation of the script; all of them must hold.
held() {
    local sentence=$1
    shift
    if "$@"; then
        HELD=$((HELD + 1))
        printf '  %sok%s %s\n' "$GREEN" "$PLAIN" "$sentence"
    else
        stop "expected, and did not hold: $sentence"
    fi
}

# does CODE WORDS...: shows the command "glarus WORDS" and what it says; its exit status must be
# CODE ("any": 0 or 1).  What it said is in OUT.
does() {
    local want=$1 got=0
    shift
    shown glarus "$@"
    "$GLARUS" "$@" >"$RUN/out" || got=$?
    OUT=$(cat "$RUN/out")
    [ -z "$OUT" ] || printf '%s\n' "${OUT//"$VAR"/$SHORT}" | indent
    [ "$want" != any ] || [ "$got" -gt 1 ] || want=$got
    [ "$got" = "$want" ] || stop "\"glarus $1 $2\" ended with $got, not $want"
    HELD=$((HELD + 1))
}

# quietly WORDS...: the same unseen, with status 0; what was said is in OUT and in the log.
quietly() {
    "$GLARUS" "$@" >"$RUN/out" 2>"$RUN/err" || {
        cat "$RUN/out" "$RUN/err" >&2
        stop "\"glarus $1 $2\" failed"
    }
    OUT=$(cat "$RUN/out")
    cat "$RUN/out" "$RUN/err" >>"$VAR/log/commands.log"
}

# --- processes: each is known by its pid and ended by it ---

PIDS=()
# start NAME COMMAND...: in the background, what it says goes to log/NAME.log.  The pid is in PID.
start() {
    local name=$1
    shift
    "$@" </dev/null >"$VAR/log/$name.log" 2>&1 &
    PID=$!
    PIDS+=("$PID")
    printf '%s %s\n' "$PID" "$name" >>"$VAR/pids"
}

# end PID...: told to end, waited for, and ended by force only if that takes half a minute.
end() {
    local pid i
    for pid; do
        kill -TERM "$pid" 2>/dev/null || continue # it has ended
    done
    for pid; do
        for ((i = 0; i < 300; i++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        ! kill -KILL "$pid" 2>/dev/null || say "process $pid had to be killed"
        wait "$pid" 2>/dev/null || continue
    done
}

# The witness was started first and ends last: sites that drain still want it.
end_all() {
    [ "${#PIDS[@]}" -gt 0 ] || return 0
    end "${PIDS[@]:1}"
    end "${PIDS[0]}"
    PIDS=()
}

# await SECONDS WHAT TEST...: until the test holds.
await() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >>"$VAR/log/commands.log" 2>&1; do
        [ "$SECONDS" -lt "$until" ] || stop "$what: not within the time allowed"
        alive
        sleep 0.2
    done
}

alive() {
    local pid
    for pid in ${PIDS[@]+"${PIDS[@]}"}; do
        kill -0 "$pid" 2>/dev/null || stop "$(sed -n "s/^$pid //p" "$VAR/pids") ended; $(tail -n 3 "$VAR/log/$(sed -n "s/^$pid //p" "$VAR/pids").log")"
    done
}

# Is nobody listening there?
port_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The next free port from PORT on, in PORT.
next_port() {
    PORT=$((PORT + 1))
    until port_free "$PORT"; do
        PORT=$((PORT + 1))
        [ "$PORT" -lt 60000 ] || stop "no free port"
    done
}

now() { date +%s; }
stamp() { date -u -d "@$1" +%H:%M:%S; }

# sleep_until UNIX-TIME WHY
sleep_until() {
    local left
    left=$(($1 - $(now)))
    [ "$left" -gt 0 ] || return 0
    if [ -t 1 ]; then
        while left=$(($1 - $(now))) && [ "$left" -gt 0 ]; do
            printf '\r  %s%s: %d s %s' "$DIM" "$2" "$left" "$PLAIN"
            sleep 1
        done
        printf '\r\e[K'
    else
        say "  $2: $left s"
        sleep "$left"
    fi
}

# --- a ledger's leaves, read from its files without any of our programs ---

# leaves SITE: every leaf of the newest tree that is on disk, one a line.
leaves() {
    local d=$VAR/$1/ledger/tile/entries f newest=
    while IFS= read -r f; do
        tr -d '\n' <"$f" | grep -ao '{"[^}]*}'
    done < <(find "$d" -type f ! -path '*.p/*' ! -name '.*' | sort)
    # of the unfinished bundle the widest; its number sorts behind every full one
    newest=$(find "$d" -type f -path '*.p/*' ! -name '.*' | awk -F/ '{w = $NF; p = $0; sub(/\/[0-9]+$/, "", p); print p, w}' |
        sort -k1,1r -k2,2nr | sed -n '1s/ \([0-9]*\)$/\/\1/p')
    if [ -n "$newest" ] && [ ! -e "${newest%.p/*}" ]; then
        tr -d '\n' <"$newest" | grep -ao '{"[^}]*}'
    fi
}

# count SITE PATTERN: leaves that match
count() {
    leaves "$1" | grep -c -- "$2" || true # 0 is an answer
}
