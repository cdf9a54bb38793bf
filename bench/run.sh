#!/usr/bin/env bash
# run.sh BUILD: the benches; every figure is a ratio to a well-known program or to the machine's own
# floor, measured in turns.  docs/performance.md says what each compares and what was not equal.
#
#   BENCH_ONLY="scan audit"  only these of: ledger-append ledger-append-http ledger-check audit ingest-vault
#                            ingest-http scan scan-rules scan-clamd rules-test update start tls
#                            compare-elf compare-trees compare-tarxz compare-small compare-cases
#   BENCH_ROUNDS=n           rounds of each instead of the usual number
#   BENCH_SCALE=n            hundredths of the usual amount of work (default 100)
#   BENCH_SECONDS=n          no bench runs longer than this (default 330)
#   BENCH_RULES="DIR..."     scan-rules: folders of YARA rules, such as public rule sets
#   BENCH_UPDATE="OLD NEW"   update: two folders of rules, a week of changes apart (else made ones)
#   BENCH_TESSERA=PROGRAM    the peer of ledger-append and ledger-append-http: bench/tessera/main.go, built
#
# Results: build/bench.txt (the lines "bench NAME ours=... peer=... ratio=... bar=..." and, behind
# '#', the machine).  Input is made once under build/bench-data.  Exit: 0 measured (missed bars are
# told, they are no failure), 3 something could not be measured.
set -euo pipefail
export LC_ALL=C

build=${1:?usage: bench/run.sh BUILD}
cd "$(dirname "$0")/.."
build=$(realpath "$build")
top=$(dirname "$build")
data=$top/bench-data
out=$top/bench.txt
scale=${BENCH_SCALE:-100}
limit=${BENCH_SECONDS:-330}
all="ledger-append ledger-append-http ledger-check audit ingest-vault ingest-http scan scan-rules scan-clamd rules-test update start tls compare-elf compare-trees compare-tarxz compare-small compare-cases"
only=${BENCH_ONLY:-$all}
failed=0

for name in $only; do
    case " $all " in
    *" $name "*) ;;
    *) echo "make bench: there is no bench \"$name\"; there are: $all" >&2; exit 2 ;;
    esac
done
scaled() { # NUMBER: so many at the chosen scale, at least 10
    local n=$(($1 * scale / 100))
    echo $((n < 10 ? 10 : n))
}
wanted() { case " $only " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# A build folder from before this tree had benches does not know the target yet.
if ! ninja -C "$build" -t query bench-programs >/dev/null 2>&1; then
    meson setup --reconfigure "$build" >/dev/null
fi
ninja -C "$build" bench-programs >"$top/bench-build.log" 2>&1 || { cat "$top/bench-build.log" >&2; exit 3; }
bin=$build/bench

mkdir -p "$data"
work=$(mktemp -d "$data/work-XXXXXX")
trap 'rm -rf "$work"' EXIT
space=$(df --output=avail -k "$data" | tail -n 1)
if [ "$space" -lt 32000000 ]; then
    echo "make bench: $data needs up to 32 GB of disk for a while, $((space / 1000000)) GB are free" >&2
    exit 3
fi

{
    echo "# $(date -u +%Y-%m-%dT%H:%M:%SZ) $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
    echo "# $(sed -n 's/^MemTotal: *//p' /proc/meminfo) of memory; file system: $(stat -f -c %T "$data"); load before: $(cut -d' ' -f1-3 /proc/loadavg)"
    echo "# ratio: the median of the rounds' ratios, higher is better; range: the rounds' least and greatest"
} | tee "$out"

# Makes NAME with a command that gets a folder in the making; a half-made one is never used.
made() {
    local name=$1
    shift
    [ -e "$data/$name" ] && return 0
    echo "making build/bench-data/$name ..." >&2
    rm -rf "$data/$name.new"
    mkdir "$data/$name.new"
    "$@" "$data/$name.new"
    mv "$data/$name.new" "$data/$name"
}
measure() { # NAME PROGRAM ARGUMENT...
    local name=$1 rc=0
    shift
    timeout --kill-after=10 "$limit" "$@" >"$work/line" || rc=$?
    tee -a "$out" <"$work/line"
    rm -rf "$work"/*-[0-9]*
    if [ "$rc" != 0 ]; then
        echo "make bench: $name could not be measured (exit $rc; 124 is BENCH_SECONDS)" | tee -a "$work/failed" >&2
        failed=1
    fi
}

if wanted ledger-append; then
    measure ledger-append "$bin/bench-ledger-append" "$work" "$(scaled 200000)"
fi
if wanted ledger-append-http; then
    measure ledger-append-http "$bin/bench-ledger-append-http" "$work" "$(scaled 50000)"
fi
if wanted ledger-check; then
    n=$(scaled 1000000)
    measure ledger-check "$bin/bench-ledger-check" "$data/ledger-$n" "$n"
fi
if wanted tls; then
    measure tls "$bin/bench-tls" "$work/authority.pem" "$(scaled 4000)"
fi
if wanted audit; then
    n=$(scaled 50000)
    [ -e "$data/history-$n" ] || echo "making build/bench-data/history-$n, six times $n submissions ..." >&2
    measure audit "$bin/bench-audit" "$data/history-$n" "$n"
fi
corpus() { "$bin/bench-corpus" files "$1" "$n"; }
if wanted ingest-vault; then
    n=$(scaled 20000)
    made "files-$n" corpus
    measure ingest-vault "$bin/bench-ingest-vault" "$data/files-$n" "$work"
fi
if wanted ingest-http; then
    n=$(scaled 20000)
    made "files-$n" corpus
    measure ingest-http bench/ingest_http.sh "$build" "$data/files-$n" "$work"
fi
if wanted scan || wanted scan-rules || wanted scan-clamd || wanted rules-test || wanted update; then
    n=$(scaled 5000)
    copies() { "$bin/bench-corpus" copies "$1" "$n"; }
    made "copies-$n" copies
fi
if wanted scan || wanted rules-test || wanted update; then
    release() {
        cp rules/demo/*.yar "$1/"
        "$bin/bench-corpus" rules "$1/generated.yar" 3000 "$data/copies-$n"
    }
    made "release-$n" release
fi
if wanted scan; then
    yarac -w "$data/release-$n"/*.yar "$work/rules.yarc"
    measure scan "$bin/bench-scan" scan "$build/engines/yara/glarus-engine-yara" "$data/release-$n" \
        "$work/rules.yarc" "$data/copies-$n" "$work"
fi
if wanted scan-rules; then
    if [ -z "${BENCH_RULES:-}" ]; then
        echo "  scan-rules: skipped; BENCH_RULES=\"DIR...\" names folders of YARA rules, such as public rule sets" | tee -a "$out"
    else
        mkdir "$work/public"
        "$bin/bench-corpus" rules "$work/public/generated.yar" 150 "$data/copies-$n" # so that something is found
        # shellcheck disable=SC2086 # folders, parted by blanks
        bench/rules_release.sh "$work/large" $BENCH_RULES "$work/public" 2>"$work/left" || { cat "$work/left" >&2; exit 3; }
        echo "  scan-rules: $(find "$work/large/release" -type f | wc -l) files of rules, $(wc -l <"$work/left") left out" | tee -a "$out"
        measure scan-rules "$bin/bench-scan" scan-rules "$build/engines/yara/glarus-engine-yara" \
            "$work/large/release" "$work/large/compiled" "$data/copies-$n" "$work"
    fi
fi
if wanted scan-clamd; then
    databases() { "$bin/bench-corpus" clamav "$1" 10000 "$data/copies-$n"; }
    made "clamav-$n" databases
    measure scan-clamd "$bin/bench-scan-clamd" "$build/engines/clamav/glarus-engine-clamav" \
        "$data/clamav-$n" "$data/copies-$n" "$work"
fi
if wanted rules-test; then
    measure rules-test "$bin/bench-rules-test" rules-test "$build/src/cli/glarus" "$build/engines" \
        "$data/release-$n" "$data/copies-$n" "$work"
fi
if wanted update; then
    # The made week: forty rules are new, forty are other ones.
    read -r old new <<<"${BENCH_UPDATE:-$data/release-$n $work/week}"
    if [ -z "${BENCH_UPDATE:-}" ]; then
        cp -r "$data/release-$n" "$work/week"
        "$bin/bench-corpus" rules "$work/week/new.yar" 40 "$data/copies-$n"
        sed -i 's/^rule bench_/rule week_/' "$work/week/new.yar"
        sed -i 's/^rule bench_\(00[0-3].[05]\)$/rule bench_\1_b/' "$work/week/generated.yar"
    fi
    mkdir "$work/update"
    measure update "$bin/bench-update" "$old" "$new" "$build/src/cli/glarus" "$bin/bench-make-ledger" "$work/update"
fi
if wanted start; then
    n=$(scaled 1000000)
    objects() { "$bin/bench-start" make "$1" "$n"; }
    made "site-$n" objects
    measure start "$bin/bench-start" start "$data/site-$n" "$n"
    measure rebuild "$bin/bench-start" rebuild "$data/site-$n" "$n"
fi
compared() { # KIND BAR ROUNDS A B
    data_of() { bench/compare_data.sh "$1" "$2" "$scale"; }
    wanted "compare-$1" || return 0
    made "compare-$1-$scale" data_of "$1"
    mkdir "$work/compare-$1"
    BENCH_ROUNDS=${BENCH_ROUNDS:-$3} measure "compare-$1" "$bin/bench-compare" "compare-$1" "$2" \
        "$build/src/cli/glarus" "$data/compare-$1-$scale/$4" "$data/compare-$1-$scale/$5" "$work/compare-$1"
}
compared elf 50 3 a b
compared trees 300 1 a b
compared tarxz 10 1 a.tar.xz b.tar.xz
compared small 50 5 a b
if wanted compare-cases; then
    mkdir "$work/cases"
    measure compare-cases bench/compare_cases.sh "$build/src/cli/glarus" "$work/cases"
fi

echo
printf '%-26s %14s %14s  %-16s %8s %6s\n' "" ours peer unit ratio bar
awk '$1 == "bench" {
    for (i = 3; i <= NF; i++) { split($i, p, "="); v[p[1]] = p[2] }
    verdict = v["bar"] == "-" || v["ratio"] == "-" ? "" : v["ratio"] + 0 >= v["bar"] + 0 ? "held" : "missed"
    printf "%-26s %14s %14s  %-16s %8s %6s %s\n", $2, v["ours"], v["peer"], v["unit"], v["ratio"], v["bar"], verdict
    delete v
}' "$out"
echo
echo "The lines are in ${out#"$PWD"/}; ratios from one run in turns, other load on the machine included."
if [ "$failed" != 0 ]; then
    exit 3
fi
