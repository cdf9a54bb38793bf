#!/usr/bin/env bash
# hits_equal.sh BUILD [--files LIST | --usr COUNT] RULES...: our jailed YARA engine and `yara` itself
# name the same rules in the same files, with the rules of each of the folders RULES, a release each.
#
# The files: those of the list, or COUNT of /usr (15,000 unless told), evenly from their sorted list;
# and always the rules' own sources. Empty files, those over 64 MB and names with tabs are left out.
#
# Equal means, for each file: as many rules hit, and the names that our verdict keeps are the first of
# yara's in byte order (all of them, unless there are more than a verdict keeps). A file that we call
# INCOMPLETE is not equal, unless yara, asked about it alone, warns too (too many matches, too slow).
#
# Exit: 0 all equal, 1 not, 2 usage, 3 something could not be run.
set -euo pipefail
export LC_ALL=C
usage() {
    echo "usage: hits_equal.sh BUILD [--files LIST | --usr COUNT] RULES..." >&2
    exit 2
}
[ $# -ge 2 ] || usage
build=$(realpath "$1") list='' count=15000
shift
case $1 in
--files) list=$2 && shift 2 ;;
--usr) count=$2 && shift 2 ;;
--*) usage ;;
esac
[ $# -ge 1 ] || usage
here=$(dirname "$(realpath "$0")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if [ -n "$list" ]; then
    grep -v $'\t' "$list" >"$tmp/files"
else
    find /usr -xdev -type f -size -128000 ! -empty -readable ! -path $'*\n*' ! -path $'*\t*' |
        sort >"$tmp/all"
    awk -v want="$count" 'NR == FNR { n++; next }
        { k = int((FNR - 1) * want / n); if (want >= n || k != last || FNR == 1) print; last = k }' \
        "$tmp/all" "$tmp/all" >"$tmp/files"
fi

# "PATH<tab>COUNT<tab>NAME..." for each file, names in byte order.
grouped() { # of lines "RULE PATH"
    awk '{ at = index($0, " "); print substr($0, at + 1) "\t" substr($0, 1, at - 1) }' | sort -u |
        awk -F '\t' '
            $1 != path { if (NR > 1) print path "\t" n names; path = $1; n = 0; names = "" }
            { n++; names = names "\t" $2 }
            END { if (NR > 0) print path "\t" n names }'
}

compare() { # NAME OF THE SET
    awk -F '\t' -v set="$1" '
        FILENAME == ARGV[1] { warned[$0] = 1; next }
        FILENAME == ARGV[2] { theirs[$1] = $0; hit_files++; hits += $2; next }
        $1 == "T" { files = $2; bytes = $3; next }
        $1 == "I" {
            if ($3 in warned && !($3 in theirs)) given_up++
            else { print "  we gave up: " $3 " (" $2 ")"; bad++ }
            delete theirs[$3]
            next
        }
        {
            n = split(theirs[$3], t, "\t")
            same = n > 0 && t[2] == $2 && NF - 3 <= $2 && (NF - 3 == $2 || NF - 3 > 50)
            for (i = 4; same && i <= NF; i++) same = t[i - 1] == $i
            if (NF - 3 < $2) cut++
            if (!same) { print "  not equal: " $3 ": ours " $2 ", yara " (n > 0 ? t[2] : 0); bad++ }
            delete theirs[$3]
        }
        END {
            for (path in theirs) { print "  yara alone: " path; bad++ }
            printf "%s: %d of %d files equal (%.0f MB); %d hits in %d files; %d with more names than a verdict keeps; %d given up by both\n",
                set, files - bad, files, bytes / 1e6, hits, hit_files, cut, given_up
            exit bad > 0 || files == 0
        }' "$tmp/warned" "$tmp/theirs" "$tmp/ours"
}

rc=0
for rules; do
    set=$tmp/set
    rm -rf "$set"
    "$here/../../bench/rules_release.sh" "$set" "$rules" 2>"$tmp/left" || { cat "$tmp/left" >&2; exit 3; }
    find "$set/release" -type f ! -empty >"$tmp/own"
    cat "$tmp/files" "$tmp/own" >"$tmp/list"
    rules_in=$(find "$set/release" -type f | wc -l)
    yara -C -p 2 --scan-list "$set/compiled" "$tmp/list" >"$tmp/lines" 2>"$tmp/told" || {
        cat "$tmp/told" >&2
        exit 3
    }
    grouped <"$tmp/lines" >"$tmp/theirs"
    "$build/bench/bench-found" "$build/engines/yara/glarus-engine-yara" "$set/release" <"$tmp/list" \
        >"$tmp/ours" || exit 3
    # yara does not say which file its warnings are about: these alone are asked again
    sed -n 's/^I\t[a-z]*\t//p' "$tmp/ours" | while IFS= read -r file; do
        yara -C "$set/compiled" "$file" 2>&1 >"$tmp/lines" | grep -qE '^(warning|error)' &&
            printf '%s\n' "$file"
    done >"$tmp/warned" || true
    compare "$(basename "$rules"), $rules_in rule files ($(wc -l <"$tmp/left") left out)" || rc=1
done
exit $rc
