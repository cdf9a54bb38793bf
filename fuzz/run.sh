#!/bin/bash
# run.sh: every target under libFuzzer with AddressSanitizer and UBSan, two at a time.
#   FUZZ_SECONDS  seconds for each target (600)
#   FUZZ_ONLY     names of targets, blanks between ("": all)
#   FUZZ_MAX_LEN  longest input in bytes (16384)
# What it learns stays in build/fuzz-corpus/NAME (fuzz/README.md tells how to keep it); what it finds
# is in build/fuzz-findings/.  Exit 1 if there is a finding.
set -u
cd "$(dirname "$0")/.." || exit 3
dir=build/with-fuzzers
export FUZZ_SECONDS=${FUZZ_SECONDS:-600} FUZZ_MAX_LEN=${FUZZ_MAX_LEN:-16384} dir

CC=clang tests/setup.sh $dir -Dtests=false -Dfuzzers=true -Db_sanitize=address,undefined \
    -Db_lundef=false || exit 3
ninja --quiet -C $dir >$dir/build.log 2>&1 || { tail -n 40 $dir/build.log; exit 3; }

read -r -d '' -a names <<<"${FUZZ_ONLY:-$(sed -n "s/^ *'\([a-z0-9_]*\)'\(: '[^']*'\)*,$/\1/p" fuzz/meson.build)}"
[ ${#names[@]} -gt 0 ] || { echo "fuzz: the table in fuzz/meson.build has no target"; exit 3; }
for name in "${names[@]}"; do
    [ -x "$dir/fuzz/fuzz_$name" ] || { echo "fuzz: there is no target \"$name\""; exit 2; }
done

one() {
    name=$1
    log=build/fuzz-findings/$name.log
    mkdir -p "build/fuzz-corpus/$name" build/fuzz-findings
    options=(-max_total_time="$FUZZ_SECONDS" -max_len="$FUZZ_MAX_LEN" -timeout=20
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz-findings/$name-")
    [ -f "fuzz/$name.dict" ] && options+=(-dict="fuzz/$name.dict")
    echo "$name: $FUZZ_SECONDS s ..."
    verdict=held
    "$dir/fuzz/fuzz_$name" "${options[@]}" "build/fuzz-corpus/$name" "fuzz/corpus/$name" \
        >"$log" 2>&1 || verdict="FINDING, see $log"
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cov=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    printf 'fuzz %-20s %12s runs  %-12s %s\n' "$name" "${runs:-?}" "${cov:-cov: ?}" "$verdict"
    [ "$verdict" = held ]
}
export -f one

printf '%s\n' "${names[@]}" | xargs -P 2 -I NAME bash -c 'one NAME'
rc=$?
[ $rc = 0 ] && echo "fuzz: no finding" || echo "fuzz: there are findings"
[ $rc = 0 ]
