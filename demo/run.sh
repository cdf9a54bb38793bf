#!/bin/bash
# run.sh BUILD - the demonstration (make run): two sites, a witness and users of six countries on
# loopback, in five acts; then it serves until Ctrl-C.  Everything it makes lies in var/ and in a
# folder of its own under /tmp; every process it starts it ends.
#
#   ONESHOT=1       end after the last act: exit 0 only if everything the script expects has held
#   TOUR=build      another tour: packages of Debian built again and compared (tour_build.sh)
#   DEMO_VAR=DIR    data elsewhere than in var/
#   DEMO_FILES=300  how many programs of /usr/bin are submitted
#   DEMO_STEP=40    seconds from one step of the relocation's timeline to the next
# shellcheck disable=SC2034,SC1091 # the sourced parts use what is set here
set -eu -o pipefail

TOP=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${1-$TOP/build/product}
case $BUILD in
/*) ;;
*) BUILD=$PWD/$BUILD ;;
esac
GLARUS=$BUILD/src/cli/glarus
GLARUSD=$BUILD/src/site/glarusd
VAR=${DEMO_VAR:-$TOP/var}
SHORT=var
[ -z "${DEMO_VAR-}" ] || SHORT=$DEMO_VAR
FILES=${DEMO_FILES:-300}
STEP=${DEMO_STEP:-40}
SAMPLES=/usr/share/clamav-testfiles
COUNTRIES='CH DE CA RU KZ ZA' # by the timeline: two at zrh1, one that moves, three that stay at mow1
SITES='zrh1 mow1'
MADE='again audit.json betray.json build corpus documents endpoint hello.lock kept keys log mow1 mow1.yaml people pids published receipts rules sed.lock src tampered tree.lock trust.yaml updates users
vendor-keys witness.vkey zrh1 zrh1.yaml'
RUN=''

. "$TOP/demo/lib.sh"
. "$TOP/demo/found.sh"
. "$TOP/demo/updates.sh"
. "$TOP/demo/builds.sh"
. "$TOP/demo/acts.sh"
. "$TOP/demo/tour_build.sh"

# Only what a demonstration made is taken away; what else lies in VAR stays.
begin_anew() {
    local name
    if [ -d "$VAR" ] && [ ! -e "$VAR/.demo" ] && [ -n "$(ls -A "$VAR")" ]; then
        stop "$SHORT is not empty and no demonstration made it; take it away or set DEMO_VAR"
    fi
    mkdir -p "$VAR"
    # held by this script and by every process it starts: as long as one of them lives
    exec 9>"$VAR/.demo"
    flock -n 9 || {
        printf 'make run: a demonstration runs in %s already; end it first (its pids: %s/pids)\n' "$SHORT" "$SHORT" >&2
        exit 1
    }
    for name in $MADE; do
        rm -rf "${VAR:?}/$name"
    done
    mkdir -p "$VAR/log" "$VAR/keys" "$VAR/documents" "$VAR/users" "$VAR/receipts"
    cp -r "$TOP/rules/demo" "$VAR/rules"
    RUN=$(mktemp -d "${TMPDIR:-/tmp}/glarus-demo.XXXXXX")
    chmod 711 "$RUN"
}

finish() {
    local code=$?
    trap '' INT TERM HUP
    end_all
    [ -z "$RUN" ] || rm -rf "$RUN"
    exit "$code"
}

if ! [ -x "$GLARUS" ] || ! [ -x "$GLARUSD" ]; then
    echo "run.sh: $BUILD holds no programs; \"make run\" builds them first" >&2
    exit 2
fi
case ${TOUR-} in
'' | build) ;;
*)
    echo "make run: there is no TOUR \"$TOUR\"; there is \"build\", and none is the demonstration itself" >&2
    exit 2
    ;;
esac
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

begin_anew
if [ "${TOUR-}" = build ]; then
    tour_build
    say "All $HELD expectations of the script held, in $((SECONDS - BEGAN)) s."
    exit 0
fi
act_1
act_2
act_3
act_4
act_5
board
if [ -n "${ONESHOT-}" ]; then
    say "All $HELD expectations of the script held, in $((SECONDS - BEGAN)) s."
else
    serve
fi
