#!/bin/sh
# links.sh ROOT: every relative link in our documents leads to a file that is there.
set -eu
cd "$1"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0
seen=0
for page in *.md docs/*.md fuzz/*.md; do
    [ -e "$page" ] || continue
    seen=$((seen + 1))
    grep -oE '\]\([^) ]+' "$page" | sed -e 's/^](//' -e 's/#.*//' | sort -u >"$tmp/links" || true
    while read -r link; do
        case $link in
        '' | http://* | https://* | mailto:*) ;;
        *) [ -e "${page%"${page##*/}"}$link" ] || { echo "$page: no file \"$link\""; rc=1; } ;;
        esac
    done <"$tmp/links"
done
[ "$seen" -gt 0 ] || { echo "links.sh: no document under $1"; exit 1; }
echo "$seen documents"
exit $rc
