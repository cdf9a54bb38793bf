#!/bin/sh
# policy.sh real | policy.sh scaled START STEP: a residency policy from relocation-timeline.yaml.
#   real    the timeline with its own dates: this is demo/policy.yaml
#   scaled  step n (from 0) at START + n * STEP seconds of Unix time, each labelled with its own date,
#           files moved within STEP seconds: for a demonstration that does not take four years
# AUTHOR (32 hex digits) is the author's person; the rest of the policy stands below.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mode=${1-real}
start=${2-0}
step=${3-0}
case $mode in
real | scaled) ;;
*)
    echo "usage: policy.sh real | policy.sh scaled START STEP" >&2
    exit 2
    ;;
esac

minute() {
    date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ
}

if [ "$mode" = real ]; then
    valid=2022-04-01T00:00Z
else
    valid=$(minute "$start")
fi
cat <<YAML
# Made by demo/policy.sh $mode from demo/relocation-timeline.yaml, which names its sources.
format: policy/v1
serial: 1
previous: none
author: ${AUTHOR-00000000000000000000000000000001}
valid_from: $valid
zones:
  - zone: CH
    sites: [zrh1]
  - zone: RU
    sites: [mow1]
uniform:
  retention: 365d
  consent: required
  read_approvals: 2
  copies: 1
  scan_within: 24h
differences: []
placement:
YAML

placed=
n=0
while IFS='|' read -r name zone from by countries; do
    label=
    if [ "$mode" = real ]; then
        from=${from}T00:00Z by=${by}T00:00Z
    else
        label=" (historically from $from)"
        from=$(minute $((start + n * step)))
        by=$(minute $((start + n * step + step)))
    fi
    echo "  # $name$label"
    printf '  - subjects: [%s]\n    at:\n' "$countries" | fold -s -w 84 | sed '2,$s/^\([A-Z]\)/               \1/; s/ *$//'
    echo "      - {zone: RU, from: 2017-01-01T00:00Z}"
    echo "      - {zone: $zone, from: $from, move_by: $by}"
    placed="$placed $countries"
    n=$((n + 1))
done <<STEPS
$(sed -n 's/^  - {name: \(.*\), zone: \(.*\), from: \(.*\), by: \(.*\), countries: \[\(.*\)\]}$/\1|\2|\3|\4|\5/p' "$here/relocation-timeline.yaml")
STEPS

# every assigned country that no step names
rest=$(sed -n 's/^C(\([A-Z][A-Z]\), ".*", 0)$/\1/p' "$here/../src/events/country.def" | while read -r code; do
    case $placed in
    *"$code"*) ;;
    *) printf '%s, ' "$code" ;;
    esac
done)
echo "  # no step names these"
printf '  - subjects: [%s]\n    at:\n' "${rest%, }" | fold -s -w 84 | sed '2,$s/^\([A-Z]\)/               \1/; s/ *$//'
cat <<YAML
      - {zone: RU, from: 2017-01-01T00:00Z}
  # where products and rules are built
  - subjects: ['product:*', 'rules:*']
    at:
      - {zone: CH, from: 2017-01-01T00:00Z}
YAML
