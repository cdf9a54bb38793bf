#!/bin/sh
# test.sh: layers.sh accepts a good tree and refuses each bad one for the right reason.
# A case is one file added to the good tree:  path | its text (\n allowed) | what must be said.
# The words and calls that layers.sh looks for are broken by @ here, which is taken out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cases=0 bad=0

good_tree() {
    rm -rf "$tmp/t"
    mkdir -p "$tmp/t/src/base" "$tmp/t/src/crypto" "$tmp/t/src/ledger" "$tmp/t/tests/ledger" \
        "$tmp/t/engines/yara" "$tmp/t/fuzz/corpus/note"
    cat >"$tmp/t/src/base/clock.c" <<'C'
#include <time.h>
#include "base/clock.h"
long clock_now(void) { return time(NULL); }
C
    printf '#include <yaml.h>\n#include "base/yaml.h"\n' >"$tmp/t/src/base/yaml.c"
    printf '#include <gnutls/gnutls.h>\n#include "base/buf.h"\n' >"$tmp/t/src/crypto/hash.c"
    cat >"$tmp/t/src/ledger/note.c" <<'C'
#include "ledger/note_priv.h"
#include "crypto/ed25519.h"
#include "events/leaf.h" /* to the left on the same floor */
/* A comment may speak of time(NULL),
 * of #include "site/front.h" and of strcpy(a, b); */
static const char *s = "system(\"ls\") /* no comment";
static const char t[] = "/tmp/x-XXXXXX"; // atoi(s)
int my_time(int time_, struct x *v) { return v->time(time_) + v->ops.clock(1) + runtime(2); }
C
    printf '#include "ledger/note_priv.h"\n#include <gnutls/gnutls.h>\n' >"$tmp/t/tests/ledger/test_note.c"
    printf '#include <yara.h>\n#include "jail/jail.h"\n#include "detect/protocol.h"\n' >"$tmp/t/engines/yara/main.c"
    printf '#include "ledger/note.h"\n' >"$tmp/t/fuzz/fuzz_note.c"
    printf 'note' >"$tmp/t/fuzz/corpus/note/1"
    printf "'ledger': ['note']\n" >"$tmp/t/fuzz/meson.build"
}

good_tree
if ! out=$("$here/layers.sh" "$tmp/t"); then
    echo "a good tree was refused: $out"
    bad=1
fi

while IFS='|' read -r path text expect; do
    [ -n "$path" ] || continue
    cases=$((cases + 1))
    good_tree
    mkdir -p "$tmp/t/$(dirname "$path")"
    # shellcheck disable=SC2059 # the text is a format on purpose
    printf "$(printf '%s' "$text" | tr -d @)\n" >"$tmp/t/$path"
    if out=$("$here/layers.sh" "$tmp/t"); then
        echo "accepted: $path: $text"
        bad=1
    elif ! printf '%s\n' "$out" | grep -qF "$path:" || ! printf '%s\n' "$out" | grep -qF "$expect"; then
        echo "refused for the wrong reason: $path: $text"
        printf '%s\n' "$out"
        bad=1
    fi
done <<'TABLE'
src/base/a.c|#include "ledger/note.h"|a floor above
src/ledger/a.c|#include "people/register.h"|a floor above
src/ledger/a.h|  #  include   "vault/store.h"|to the right
src/crypto/a.c|#include "jail/jail.h"|to the right
src/vault/a.c|int x;\n\n#include "catalog/catalog.h"|src/vault/a.c:3: "catalog/catalog.h": catalog stands to the right
src/people/a.c|#include "ledger/note_priv.h"|private to ledger
tests/people/a.c|#include "ledger/note_priv.h"|private to ledger
src/ledger/a.c|#include "note.h"|only include root
src/ledger/a.c|#include "../base/buf.h"|names no room
src/detect/a.c|#include "updates/tuf_updater.h"|to the right
src/updates/a.c|#include "claims/audit.h"|a floor above
src/kitchen/a.c|int x;|not a room
engines/yara/a.c|#include "ledger/note.h"|engines use base
engines/yara/a.c|#include "detect/verdict.h"|engines use base
src/ledger/a.c|#include <gnutls/crypto.h>|not for this place
src/ledger/a.c|#include <nettle/sha2.h>|not for this place
src/ledger/a.c|#include <sodium.h>|not for this place
src/ledger/a.c|#include <sodium/utils.h>|not for this place
src/intake/a.c|#include <microhttpd.h>|not for this place
src/http/a.c|#include <microhttpd.h>|not for this place
src/ledger/a.c|#include <curl/curl.h>|not for this place
src/vault/a.c|#include <sqlite3.h>|not for this place
src/vault/a.c|#include <libpq-fe.h>|not for this place
src/http/a.c|#include <seccomp.h>|not for this place
src/http/a.c|#include <linux/landlock.h>|not for this place
src/base/text.c|#include <yaml.h>|not for this place
src/detect/a.c|#include <yara.h>|not for this place
engines/yara/a.c|#include <clamav.h>|not for this place
src/base/a.c|x = ti@me(NULL);|only clock
src/base/a.c|if (clock_get@time (CLOCK_REALTIME, &t))|only clock
tests/ledger/a.c|getti@meofday(&t, NULL);|only clock
src/http/a.c|/* a\n */ unsh@are(1);|src/http/a.c:2: unshare() belongs to jail/
src/base/a.c|strc@py(a, b);|is banned
src/base/a.c|a = "x\\\\"; strc@at(a, b);|is banned
src/base/a.c|spri@ntf(a, "b");|is banned
src/base/a.c|g@ets(a);|is banned
src/base/a.c|strt@ok(a, b);|is banned
fuzz/a.c|return at@oi(a);|is banned
tests/base/a.c|syst@em("ls");|is banned
src/base/a.c|p = allo@ca(3);|is banned
src/base/a.c|/* TO@DO: later */|a debt
src/base/a.h|// FIX@ME|a debt
tests/base/meson.build|# X@XX|a debt
demo/run.sh|# HA@CK|a debt
fuzz/fuzz_new.c|int x;|not in the table
fuzz/fuzz_new.c|int x;|no corpus
TABLE

mkdir "$tmp/empty"
if "$here/layers.sh" "$tmp/empty" >/dev/null; then
    echo "accepted: a tree without sources"
    bad=1
fi
if [ $cases -lt 35 ]; then
    echo "only $cases cases were read"
    bad=1
fi
echo "$cases bad trees"
exit $bad
