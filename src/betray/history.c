/* The timeline, in hours after 2026-01-05T08:00Z:
 *    0  both sites open: register 1, policy 1, statement, epoch 1, release 1 of the rules
 *    1  register 2: a key revoked, a duty ended, a person more
 *    2  release 2 of the rules; policy 2, valid from 4: Canada belongs to zone CH from 5, the old
 * files by 29 3  submissions of six countries, for one hour; each batch is scanned in the next 6
 * Canada moves (opened at mow1, received at zrh1 ten minutes later, closed after twenty) 7  one
 * more file of Canada, at zrh1; withdrawals 8  inventories 9  one engine more: all is scanned
 * again, one verdict a site changes 24  epoch 2 opens, epoch 1 is destroyed 25  the last inventory
 * With `submissions` 0 everything but the genesis leaves and epochs stays out. */
#include "betray/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"
#include "betray/history_priv.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "events/country.h"
#include "events/receipt_extra.h"
#include "events/setroot.h"
#include "intake/submitter.h"
#include "ledger/tlog_proof.h"
#include "ledger/tlog_tiles.h"

#define HOUR 3600
#define START 1767600000 /* 2026-01-05T08:00Z: date -u -d 2026-01-05T08:00Z +%s */
#define GROUP_DEFAULT 16
#define RENEWED_BY "walk.yara"

static const char *const countries[HISTORY_COUNTRIES] = {"RU", "KZ", "CA", "DE", "FR", "CH"};
static const char *const site_names[HISTORY_SITES] = {"zrh1", "mow1"};
static const char *const zone_names[HISTORY_SITES] = {"CH", "RU"};
enum { ZRH, MOW };
enum { CANADA = 2 };

struct submission {
    struct id128 sub, ref;
    struct digest sha256;
    uint8_t country, site;
    size_t leaf; /* submission.accepted, at the site it came to */
    bool live;
    bool here_only; /* came to zrh1 after the move */
};

struct writer {
    struct history h;
    const struct history_spec *spec;
    struct submission *sub;
    size_t subs;
    uint8_t move_salt[32];
};

/* ------------------------------------------------------------------ what chance would give */

void history_random(const struct history *h, const char *what, uint64_t n, struct digest *out)
{
    char text[100];
    int len = snprintf(text, sizeof(text), "%u %s %llu", h->seed, what, (unsigned long long)n);

    sha256_of(text, (size_t)len, out);
}

static struct id128 random_as_id(const struct history *h, const char *what, uint64_t n)
{
    struct digest d;
    struct id128 id;

    history_random(h, what, n, &d);
    memcpy(id.b, d.b, sizeof(id.b));
    return id;
}

int history_key(const struct history *h, const char *what, uint64_t n, struct ed25519_key **out)
{
    struct digest d;

    history_random(h, what, n, &d);
    return ed25519_from_seed(out, d.b);
}

static void salt_of(const struct writer *w, const char *field, const struct id128 *id,
                    uint8_t out[32])
{
    char what[60], hex[33];
    struct digest d;

    text_id(hex, id);
    (void)snprintf(what, sizeof(what), "salt %s %s", field, hex);
    history_random(&w->h, what, 0, &d);
    memcpy(out, d.b, 32);
}

/* ------------------------------------------------------------------ leaves */

static int add(struct writer *w, int site, struct leaf_builder *b, struct err *e)
{
    return tale_add(&w->h.tale[site], b, e);
}

static int publish(struct writer *w, int site, unix_time t)
{
    return tale_publish(&w->h.tale[site], t);
}

static void seal(struct writer *w, struct leaf_builder *b, enum leaf_field f, const char *name,
                 const struct id128 *id, struct span value)
{
    uint8_t salt[32];

    salt_of(w, name, id, salt);
    leaf_set_sealed(b, f, salt, value);
}

static int epoch(struct writer *w, int site, unix_time t, enum leaf_kind k, uint64_t n,
                 struct err *e)
{
    struct leaf_builder b;

    leaf_begin(&b, k, t, site_names[site]);
    leaf_set_int(&b, LF_EPOCH, n);
    if (k == LK_EPOCH_DESTROYED)
        leaf_set_word(&b, LF_ATTESTATION, LW_ATTESTATION_FILE_OVERWRITTEN);
    return add(w, site, &b, e);
}

static int genesis(struct writer *w, int site, struct err *e)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1];
    struct leaf_builder b;
    int rc;

    note_vkey_format(&w->h.log[site].key, vkey);
    leaf_begin(&b, LK_SITE_OPENED, START, site_names[site]);
    leaf_set_text(&b, LF_ZONE, zone_names[site]);
    leaf_set_text(&b, LF_VKEY, vkey);
    if ((rc = add(w, site, &b, e)) != 0 ||
        (rc = history_register_leaves(&w->h, site, 0, START, e)) != 0 ||
        (rc = history_policy_leaf(&w->h, site, 0, START, e)) != 0 ||
        (rc = history_statement_leaf(&w->h, site, START, e)) != 0 ||
        (rc = epoch(w, site, START, LK_EPOCH_OPENED, 1, e)) != 0)
        return rc;
    if ((rc = history_rules_leaves(&w->h, site, 0, START, e)) != 0 ||
        (site == 0 && (rc = history_builds_leaves(&w->h, 0, START, e)) != 0) ||
        (rc = history_builds_started(&w->h, site, 0, START, e)) != 0)
        return rc;
    return publish(w, site, START + 30);
}

static int documents_two(struct writer *w, struct err *e)
{
    int rc = 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0; site++)
        if ((rc = history_register_leaves(&w->h, site, 1, START + HOUR, e)) == 0 &&
            (rc = publish(w, site, START + HOUR + 30)) == 0 &&
            (rc = history_policy_leaf(&w->h, site, 1, START + 2 * HOUR, e)) == 0 &&
            (rc = history_rules_leaves(&w->h, site, 1, START + 2 * HOUR, e)) == 0 &&
            (site != 0 || (rc = history_builds_leaves(&w->h, 1, START + 2 * HOUR, e)) == 0) &&
            (rc = history_builds_started(&w->h, site, 1, START + 2 * HOUR, e)) == 0)
            rc = publish(w, site, START + 2 * HOUR + 30);
    return rc;
}

/* ------------------------------------------------------------------ submissions */

static int accepted(struct writer *w, struct submission *s, const struct digest *policy,
                    unix_time t, struct err *e)
{
    struct submitter_act act = {.sub = s->sub, .kind = SCOPE_FILE, .scope = SCOPE_FILE};
    struct ed25519_key *key = NULL;
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    struct leaf_builder b;
    char hex[65];
    int rc;

    memcpy(act.country, countries[s->country], 3);
    act.statement = w->h.statement;
    if ((rc = submitter_key(&key, w->h.secret, &s->sub)) != 0 ||
        (rc = submitter_sign_submit(key, &act, &sig)) != 0)
        goto out;
    ed25519_public(key, &pub);
    leaf_begin(&b, LK_SUBMISSION_ACCEPTED, t, site_names[s->site]);
    leaf_set_id(&b, LF_SUB, &s->sub);
    leaf_set_key(&b, LF_SUB_KEY, pub.b);
    leaf_set_sig(&b, LF_SUB_SIG, sig.b);
    leaf_set_word(&b, LF_SUBMISSION, LW_SUBMISSION_FILE);
    leaf_set_text(&b, LF_COUNTRY, act.country);
    leaf_set_word(&b, LF_BASIS, 0);
    leaf_set_digest(&b, LF_STATEMENT, &act.statement);
    leaf_set_word(&b, LF_SCOPE, LW_SUBMISSION_FILE);
    leaf_set_digest(&b, LF_POLICY, policy);
    text_id(hex, &s->ref);
    seal(w, &b, LF_SEALED_REF, "ref", &s->sub, span_of(hex, 32));
    text_digest(hex, &s->sha256);
    seal(w, &b, LF_SEALED_SHA256, "sha256", &s->sub, span_of(hex, 64));
    seal(w, &b, LF_SEALED_SIZE, "size", &s->sub, span_str("12345"));
    seal(w, &b, LF_SEALED_NAME, "name", &s->sub, span_str("program.bin"));
    seal(w, &b, LF_SEALED_ACCOUNT, "account", &s->sub, span_str("demo"));
    s->leaf = w->h.tale[s->site].leaves;
    rc = add(w, s->site, &b, e);
out:
    ed25519_free(key);
    return rc != 0 ? err_sys(e, rc, "a submission") : 0;
}

static int placed(struct writer *w, int site, const struct submission *s, unix_time t,
                  struct err *e)
{
    struct leaf_builder b;
    char hex[65];

    leaf_begin(&b, LK_COPY_PLACED, t, site_names[site]);
    leaf_set_id(&b, LF_REF, &s->ref);
    text_id(hex, &s->sub);
    seal(w, &b, LF_SEALED_SUB, "sub", &s->ref, span_of(hex, 32));
    seal(w, &b, LF_SEALED_COUNTRY, "country", &s->ref, span_str(countries[s->country]));
    text_digest(hex, &s->sha256);
    seal(w, &b, LF_SEALED_SHA256, "sha256", &s->ref, span_of(hex, 64));
    return add(w, site, &b, e);
}

static bool found_bad(const struct submission *s)
{
    return (s->sha256.b[0] & 7) == 0;
}

static int verdict(struct writer *w, int site, const struct submission *s, const char *engine,
                   bool bad, unix_time t, struct err *e)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_SCAN_DONE, t, site_names[site]);
    leaf_set_id(&b, LF_REF, &s->ref);
    leaf_set_text(&b, LF_WORKER_SITE, site_names[site]);
    leaf_set_text(&b, LF_ENGINE, engine);
    leaf_set_digest(&b, LF_RELEASE, &w->h.release[1].tree);
    leaf_set_word(&b, LF_VERDICT, bad ? LW_VERDICT_MALICIOUS : LW_VERDICT_CLEAN);
    leaf_set_word(&b, LF_REASON, LW_REASON_NONE);
    leaf_set_int(&b, LF_HITS, bad ? 1 : 0);
    seal(w, &b, LF_SEALED_NAMES, "names", &s->ref, span_str(bad ? "demo_rule" : ""));
    return add(w, site, &b, e);
}

static int scanned(struct writer *w, int site, const struct submission *s, unix_time t,
                   struct err *e)
{
    return w->spec->scans ? verdict(w, site, s, "yara", found_bad(s), t, e) : 0;
}

/* One batch at one site: accepted and placed, then a batch of its scans. */
static int batch(struct writer *w, int site, size_t from, size_t to, unix_time t, struct err *e)
{
    const struct digest *policy = &w->h.policy[t >= START + 4 * HOUR ? 1 : 0];
    int rc = 0;

    for (size_t i = from; i < to && rc == 0; i++) {
        struct submission *s = &w->sub[i];

        if (s->site != site)
            continue;
        /* which of the two comes first tells nothing */
        if ((s->sha256.b[1] & 1) != 0)
            rc = placed(w, site, s, t, e);
        if (rc == 0)
            rc = accepted(w, s, policy, t, e);
        if (rc == 0 && (s->sha256.b[1] & 1) == 0)
            rc = placed(w, site, s, t, e);
    }
    for (size_t i = from; i < to && rc == 0; i++)
        if (w->sub[i].site == site)
            rc = scanned(w, site, &w->sub[i], t, e);
    return rc;
}

static void draw(struct writer *w, size_t i, int country, int site)
{
    struct submission *s = &w->sub[i];

    s->sub = random_as_id(&w->h, "sub", i);
    s->ref = random_as_id(&w->h, "ref", i);
    history_random(&w->h, "file", i, &s->sha256);
    s->country = (uint8_t)country;
    s->site = (uint8_t)site;
    s->live = true;
}

static int submissions(struct writer *w, struct err *e)
{
    size_t group = w->spec->group == 0 ? GROUP_DEFAULT : w->spec->group;
    size_t every = w->spec->checkpoint == 0 ? 1 : w->spec->checkpoint;
    size_t n = (size_t)w->spec->submissions * HISTORY_COUNTRIES, batches = (n + group - 1) / group;
    unix_time t = START;
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        draw(w, i, (int)(i % HISTORY_COUNTRIES), i % HISTORY_COUNTRIES < 3 ? MOW : ZRH);
    w->subs = n;
    for (size_t k = 0; k < batches && rc == 0; k++) {
        size_t to = (k + 1) * group < n ? (k + 1) * group : n;

        t = START + 3 * HOUR + (unix_time)(k * HOUR / batches);
        for (int site = 0; site < HISTORY_SITES && rc == 0; site++) {
            rc = batch(w, site, k * group, to, t, e);
            if (rc == 0 && ((k + 1) % every == 0 || k + 1 == batches))
                rc = publish(w, site, t + 20);
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ the move */

static bool moves(const struct submission *s)
{
    return s->country == CANADA && s->live && s->site == MOW;
}

static int move_set(struct writer *w, uint64_t *count, struct digest *root)
{
    struct digest *item = calloc(w->spec->submissions + 1, sizeof(*item));
    size_t n = 0;
    int rc;

    if (item == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < w->subs; i++)
        if (moves(&w->sub[i]))
            setroot_move_item(w->move_salt, &w->sub[i].sub, &w->sub[i].sha256, &item[n++]);
    rc = setroot_items(item, n, root);
    *count = n;
    free(item);
    return rc;
}

static void move_begin(struct writer *w, struct leaf_builder *b, enum leaf_kind k, unix_time t,
                       int site)
{
    leaf_begin(b, k, t, site_names[site]);
    leaf_set_id(b, LF_MOVE, &w->h.move);
    leaf_set_text(b, LF_COUNTRY, "CA");
    if (k == LK_MOVE_CLOSED)
        return;
    leaf_set_text(b, LF_FROM, "mow1");
    leaf_set_text(b, LF_TO, "zrh1");
}

static int opened(struct writer *w, uint64_t count, const struct digest *root, struct err *e)
{
    unix_time t = START + 6 * HOUR;
    struct digest doc;
    struct leaf_builder b;
    int rc = history_move_document(&w->h, MOW, &doc, e);

    if (rc != 0)
        return rc;
    move_begin(w, &b, LK_MOVE_OPENED, t, MOW);
    leaf_set_digest(&b, LF_POLICY, &w->h.policy[1]);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_CUT, w->h.tale[MOW].leaves);
    leaf_set_int(&b, LF_COUNT, count);
    leaf_set_digest(&b, LF_SET_ROOT, root);
    if ((rc = add(w, MOW, &b, e)) != 0)
        return rc;
    return publish(w, MOW, t + 20);
}

/* The files get new refs at zrh1; *old keeps the ones they had. */
static int received(struct writer *w, uint64_t count, const struct digest *root, struct id128 *old,
                    struct err *e)
{
    unix_time t = START + 6 * HOUR + 600;
    struct leaf_builder b;
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < w->subs && rc == 0; i++) {
        struct submission *s = &w->sub[i];

        if (!moves(s))
            continue;
        old[n++] = s->ref;
        s->ref = random_as_id(&w->h, "ref at the new site", i);
        if ((rc = placed(w, ZRH, s, t, e)) == 0)
            rc = scanned(w, ZRH, s, t, e);
    }
    if (rc != 0)
        return rc;
    move_begin(w, &b, LK_MOVE_RECEIVED, t, ZRH);
    leaf_set_int(&b, LF_COUNT, count);
    leaf_set_digest(&b, LF_SET_ROOT, root);
    if ((rc = add(w, ZRH, &b, e)) != 0)
        return rc;
    return publish(w, ZRH, t + 20);
}

static int removed(struct writer *w, int site, const struct id128 *ref, unsigned ground,
                   unix_time t, struct err *e)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_COPY_REMOVED, t, site_names[site]);
    leaf_set_id(&b, LF_REF, ref);
    leaf_set_word(&b, LF_GROUND, ground);
    return add(w, site, &b, e);
}

static int slots(struct writer *w, int site, struct id128 *ref, size_t n, unix_time t,
                 struct err *e)
{
    struct leaf_builder b;
    struct digest root;
    int rc = setroot_ids(ref, n, &root);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_SLOT_DESTROYED, t, site_names[site]);
    leaf_set_digest(&b, LF_ROOT, &root);
    leaf_set_int(&b, LF_COUNT, n);
    leaf_set_int(&b, LF_EPOCH, 1);
    return add(w, site, &b, e);
}

/* An inventory as of the leaves before it; country -1: of the whole site. */
static int inventory(struct writer *w, int site, int country, unix_time t, struct err *e)
{
    struct id128 *ref = calloc(w->subs + 1, sizeof(*ref));
    struct leaf_builder b;
    struct digest root;
    size_t n = 0;
    int rc;

    if (ref == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < w->subs; i++) {
        const struct submission *s = &w->sub[i];

        if (s->live && s->site == site && (country < 0 || s->country == country))
            ref[n++] = s->ref;
    }
    rc = setroot_ids(ref, n, &root);
    free(ref);
    if (rc != 0)
        return rc;
    leaf_begin(&b, country < 0 ? LK_INVENTORY_SITE : LK_INVENTORY, t, site_names[site]);
    if (country >= 0)
        leaf_set_text(&b, LF_COUNTRY, countries[country]);
    leaf_set_digest(&b, LF_ROOT, &root);
    leaf_set_int(&b, LF_COUNT, n);
    leaf_set_int(&b, LF_AT_SIZE, w->h.tale[site].leaves);
    return add(w, site, &b, e);
}

static int closed(struct writer *w, struct id128 *old, size_t n, struct err *e)
{
    unix_time t = START + 6 * HOUR + 1200;
    struct leaf_builder b;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = removed(w, MOW, &old[i], LW_REMOVED_MOVED, t, e);
    for (size_t i = 0; i < w->subs; i++)
        if (moves(&w->sub[i]))
            w->sub[i].site = ZRH;
    if (rc != 0 || (rc = slots(w, MOW, old, n, t, e)) != 0 ||
        (rc = inventory(w, MOW, CANADA, t, e)) != 0)
        return rc;
    move_begin(w, &b, LK_MOVE_CLOSED, t, MOW);
    leaf_set_int(&b, LF_EPOCH, 1);
    if ((rc = add(w, MOW, &b, e)) != 0)
        return rc;
    return publish(w, MOW, t + 20);
}

/* One more file of Canada comes to where Canada belongs now. */
static int newcomer(struct writer *w, struct err *e)
{
    unix_time t = START + 7 * HOUR - 600;
    int rc;

    draw(w, w->subs, CANADA, ZRH);
    w->sub[w->subs].here_only = true;
    w->subs++;
    rc = batch(w, ZRH, w->subs - 1, w->subs, t, e);
    return rc != 0 ? rc : publish(w, ZRH, t + 20);
}

static int move(struct writer *w, struct err *e)
{
    struct id128 *old = calloc(w->spec->submissions + 1, sizeof(*old));
    struct digest root;
    uint64_t count;
    int rc;

    if (old == NULL)
        return -ENOMEM;
    if ((rc = move_set(w, &count, &root)) == 0 && (rc = opened(w, count, &root, e)) == 0 &&
        (rc = received(w, count, &root, old, e)) == 0 && (rc = closed(w, old, count, e)) == 0)
        rc = newcomer(w, e);
    free(old);
    return rc;
}

/* ------------------------------------------------------------------ the end of things */

static int withdraw(struct writer *w, struct submission *s, unix_time t, struct err *e)
{
    const char *site = site_names[s->site];
    struct ed25519_key *key = NULL;
    struct ed25519_sig sig;
    struct leaf_builder b;
    char hex[33];
    int rc;

    if ((rc = submitter_key(&key, w->h.secret, &s->sub)) != 0 ||
        (rc = submitter_sign_withdraw(key, &s->sub, &sig)) != 0)
        goto out;
    leaf_begin(&b, LK_CONSENT_WITHDRAWN, t, site);
    leaf_set_id(&b, LF_SUB, &s->sub);
    leaf_set_sig(&b, LF_SUB_SIG, sig.b);
    if ((rc = add(w, s->site, &b, e)) != 0)
        goto out;
    leaf_begin(&b, LK_ERASE_ORDERED, t, site);
    leaf_set_id(&b, LF_SUB, &s->sub);
    leaf_set_word(&b, LF_GROUND, LW_ERASE_WITHDRAWN);
    leaf_set_sig(&b, LF_SUB_SIG, sig.b);
    if ((rc = add(w, s->site, &b, e)) != 0)
        goto out;
    leaf_begin(&b, LK_SUBMISSION_ERASED, t, site);
    leaf_set_id(&b, LF_SUB, &s->sub);
    leaf_set_int(&b, LF_FINAL_EPOCH, 1);
    text_id(hex, &s->ref);
    seal(w, &b, LF_SEALED_REF, "erased ref", &s->sub, span_of(hex, 32));
    if ((rc = add(w, s->site, &b, e)) != 0)
        goto out;
    s->live = false;
    rc = removed(w, s->site, &s->ref, LW_REMOVED_ERASED, t, e);
out:
    ed25519_free(key);
    return rc;
}

static int withdrawals(struct writer *w, struct err *e)
{
    size_t n = (size_t)w->spec->withdrawn * HISTORY_COUNTRIES, k;
    struct id128 *ref = calloc(n + 1, sizeof(*ref));
    unix_time t = START + 7 * HOUR;
    int rc = ref == NULL ? -ENOMEM : 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0; site++) {
        k = 0;
        for (size_t i = 0; i < n && rc == 0; i++)
            if (w->sub[i].site == site) {
                ref[k++] = w->sub[i].ref;
                rc = withdraw(w, &w->sub[i], t, e);
            }
        if (rc == 0 && k > 0 && (rc = slots(w, site, ref, k, t, e)) == 0)
            rc = publish(w, site, t + 20);
    }
    free(ref);
    return rc;
}

static int inventories(struct writer *w, unix_time t, bool all, struct err *e)
{
    int rc = 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0; site++) {
        for (int c = 0; c < HISTORY_COUNTRIES && rc == 0 && all; c++)
            rc = inventory(w, site, c, t, e);
        if (rc == 0 && (rc = inventory(w, site, -1, t, e)) == 0)
            rc = publish(w, site, t + 20);
    }
    return rc;
}

/* ------------------------------------------------------------------ the rules change */

static int loaded_more(struct writer *w, int site, unix_time t, struct err *e)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_RULES_LOADED, t, site_names[site]);
    leaf_set_digest(&b, LF_RELEASE, &w->h.release[1].tree);
    leaf_set_text(&b, LF_ENGINE, RENEWED_BY);
    leaf_set_int(&b, LF_RULES, 42);
    return add(w, site, &b, e);
}

/* The verdict of one file that is still there is another now; the summary says so. */
static int rescanned(struct writer *w, int site, unix_time t, struct err *e)
{
    const struct submission *one = NULL;
    struct id128 changed;
    struct leaf_builder b;
    struct digest root;
    uint64_t count = 0;
    int rc;

    for (size_t i = 0; i < w->subs; i++)
        if (w->sub[i].live && w->sub[i].site == site) {
            one = one == NULL ? &w->sub[i] : one;
            count++;
        }
    if ((rc = loaded_more(w, site, t, e)) != 0 ||
        (one != NULL && (rc = verdict(w, site, one, RENEWED_BY, !found_bad(one), t, e)) != 0))
        return rc;
    if (one != NULL)
        changed = one->ref;
    if ((rc = setroot_ids(&changed, one != NULL, &root)) != 0)
        return rc;
    leaf_begin(&b, LK_RESCAN_DONE, t, site_names[site]);
    leaf_set_digest(&b, LF_RELEASE, &w->h.release[1].tree);
    leaf_set_text(&b, LF_ENGINE, RENEWED_BY);
    leaf_set_int(&b, LF_COUNT, count);
    leaf_set_int(&b, LF_CHANGED, one != NULL);
    leaf_set_digest(&b, LF_ROOT, &root);
    if ((rc = add(w, site, &b, e)) != 0)
        return rc;
    return publish(w, site, t + 20);
}

static int rescans(struct writer *w, struct err *e)
{
    int rc = 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0 && w->spec->scans; site++)
        rc = rescanned(w, site, START + 9 * HOUR, e);
    return rc;
}

static int epochs(struct writer *w, struct err *e)
{
    unix_time t = START + 24 * HOUR;
    int rc = 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0; site++)
        if ((rc = epoch(w, site, t, LK_EPOCH_OPENED, 2, e)) == 0 &&
            (rc = publish(w, site, t + 20)) == 0 &&
            (rc = epoch(w, site, t + 600, LK_EPOCH_DESTROYED, 1, e)) == 0)
            rc = publish(w, site, t + 620);
    return rc;
}

static int tell(struct writer *w, struct err *e)
{
    int rc = 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0; site++)
        rc = genesis(w, site, e);
    if (rc == 0)
        rc = documents_two(w, e);
    if (rc == 0 && w->spec->submissions > 0) {
        if ((rc = submissions(w, e)) == 0 && w->spec->move)
            rc = move(w, e);
        if (rc == 0 && (rc = withdrawals(w, e)) == 0 &&
            (rc = inventories(w, START + 8 * HOUR, true, e)) == 0)
            rc = rescans(w, e);
    }
    if (rc == 0 && (rc = epochs(w, e)) == 0 && w->spec->submissions > 0)
        rc = inventories(w, START + 25 * HOUR, false, e);
    return rc;
}

/* ------------------------------------------------------------------ receipts */

static void opening(const struct writer *w, struct receipt_extra *x, const struct submission *s,
                    enum leaf_field f, const char *name, struct span value)
{
    struct receipt_opening *o = &x->opening[x->openings++];

    o->field = f;
    o->value = value;
    salt_of(w, name, &s->sub, o->salt);
}

static int receipt_text(struct writer *w, const struct submission *s, const char *dir,
                        struct buf *out, struct err *e)
{
    const struct tale *t = &w->h.tale[s->site];
    struct receipt_extra x = {.leaf = span_of(t->leaf[s->leaf].bytes, t->leaf[s->leaf].n)};
    struct digest path[CORE_PROOF_MAX];
    struct tlog_tiles *tiles = NULL;
    struct buf note, extra;
    char ref[33], sha[65];
    size_t n;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&extra, RECEIPT_EXTRA_MAX);
    text_id(ref, &s->ref);
    text_digest(sha, &s->sha256);
    opening(w, &x, s, LF_SEALED_REF, "ref", span_of(ref, 32));
    opening(w, &x, s, LF_SEALED_SHA256, "sha256", span_of(sha, 64));
    if ((rc = receipt_extra_encode(&x, &extra, e)) == 0 &&
        (rc = tlog_tiles_newest(dir, &note, e)) == 0 &&
        (rc = tlog_tiles_open(&tiles, dir, t->leaves, e)) == 0 &&
        (rc = tlog_tiles_inclusion(tiles, s->leaf, t->leaves, path, &n, e)) == 0)
        rc = tlog_proof_format(out, buf_span(&extra), s->leaf, path, n, buf_span(&note), e);
    tlog_tiles_close(tiles);
    buf_free(&extra);
    buf_free(&note);
    return rc;
}

/* The first submission of each country, but Canada's, whose ref has changed with the move: its
 * newcomer. */
static int receipts(struct writer *w, const char *dir, struct err *e)
{
    char path[4096], ledger[4096];
    struct buf text;
    int rc = 0;

    buf_init(&text, TLOG_PROOF_MAX);
    for (size_t i = 0; i < w->subs && rc == 0; i++) {
        const struct submission *s = &w->sub[i];
        bool moved = s->country == CANADA && w->spec->move;

        if (moved ? !s->here_only : i >= HISTORY_COUNTRIES)
            continue;
        buf_reset(&text);
        (void)snprintf(ledger, sizeof(ledger), "%s/%s", dir, site_names[s->site]);
        (void)snprintf(path, sizeof(path), "%s/receipts/%s.tlog-proof", dir, countries[s->country]);
        if ((rc = receipt_text(w, s, ledger, &text, e)) == 0)
            rc = io_replace_file(AT_FDCWD, path, text.data, text.len, 0644);
    }
    buf_free(&text);
    return rc;
}

/* ------------------------------------------------------------------ all of it */

static int folders(const char *dir, struct err *e)
{
    static const char *const sub[] = {"keys", "receipts"};
    char path[4096];

    if (mkdir(dir, 0755) != 0)
        return err_sys(e, -errno, "making \"%s\"", dir);
    for (size_t i = 0; i < ARRAY_LEN(sub); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, sub[i]);
        if (mkdir(path, 0700) != 0)
            return err_sys(e, -errno, "making \"%s\"", path);
    }
    return 0;
}

static int write_ledgers(struct writer *w, const char *dir, struct err *e)
{
    char path[4096];
    int rc = 0;

    for (int site = 0; site < HISTORY_SITES && rc == 0; site++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, site_names[site]);
        rc = tale_write(&w->h.tale[site], path, &w->h.log[site], &w->h.witness, e);
    }
    return rc;
}

static int make(const char *dir, const struct history_spec *s, bool empty, struct err *e)
{
    struct writer w = {.spec = s};
    struct digest salt;
    int rc;

    w.sub = calloc((size_t)s->submissions * HISTORY_COUNTRIES + 1, sizeof(*w.sub));
    if (w.sub == NULL)
        return err_sys(e, -ENOMEM, "making a history");
    if ((rc = history_begin(&w.h, s->seed, e)) != 0 || (rc = folders(dir, e)) != 0)
        goto out;
    history_random(&w.h, "move salt", 0, &salt);
    memcpy(w.move_salt, salt.b, sizeof(w.move_salt));
    if (empty)
        rc = publish(&w, ZRH, START) != 0 ? -ENOMEM : publish(&w, MOW, START);
    else
        rc = tell(&w, e);
    if (rc == 0 && (rc = history_write_keys(&w.h, dir, e)) == 0 &&
        (rc = write_ledgers(&w, dir, e)) == 0)
        rc = receipts(&w, dir, e);
out:
    history_end(&w.h);
    free(w.sub);
    return rc != 0 && e != NULL && e->code == 0 ? err_sys(e, rc, "making a history") : rc;
}

int history_make(const char *dir, const struct history_spec *s, struct err *e)
{
    if (s->withdrawn > s->submissions)
        return err_set(e, -EINVAL, "more withdrawals than submissions");
    return make(dir, s, false, e);
}

int history_make_empty(const char *dir, struct err *e)
{
    static const struct history_spec none;

    return make(dir, &none, true, e);
}
