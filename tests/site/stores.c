#include "stores.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "site/keeper_lines.h"
#include "site/keeper_intake.h"
#include "site/keeper_notes.h"
#include "site/keeper_sync.h"

#define ORIGIN "log.example/stores"
#define WITNESS "witness.example"
#define FAR ((unix_time)1 << 40) /* seconds that nothing waits for */

/* --- submissions --- */

struct id128 stores_id(unsigned n, char which)
{
    struct id128 id;
    struct digest d;
    char text[24];
    int m = snprintf(text, sizeof(text), "%c %u", which, n);

    sha256_of(text, (size_t)m, &d);
    memcpy(id.b, d.b, sizeof(id.b));
    return id;
}

struct digest stores_key(unsigned n)
{
    struct id128 id = stores_id(n, 'k');
    struct digest d;

    sha256_of(id.b, sizeof(id.b), &d);
    return d;
}

/* Every fifth is the same file. */
size_t stores_content(unsigned n, uint8_t *out)
{
    unsigned seed = n % 5 == 0 ? 0 : n;
    size_t size = (size_t)(seed * 7919U) % STORES_BYTES;
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out[i] = (uint8_t)(x >> 32);
    }
    return size;
}

/* --- opening and closing --- */

static void prepare(struct stores *s, const char *dir)
{
    uint8_t seed[32] = {1};

    memset(s, 0, sizeof(*s));
    s->e = (struct err)ERR_INIT;
    (void)snprintf(s->dir, sizeof(s->dir), "%s", dir);
    (void)snprintf(s->data, sizeof(s->data), "%s/data", dir);
    (void)snprintf(s->keys, sizeof(s->keys), "%s/keys", dir);
    (void)snprintf(s->state, sizeof(s->state), "%s/data/signer/state", dir);
    (void)snprintf(s->witness_dir, sizeof(s->witness_dir), "%s/witness", dir);
    s->config = (struct config){.site = "zrh1",
                                .zone = "CH",
                                .origin = ORIGIN,
                                .data = s->data,
                                .epoch_keys = s->keys,
                                .epoch = (uint64_t)FAR,
                                .inventory = (uint64_t)FAR,
                                .segment = VAULT_SEGMENT_LEAST};
    s->k = calloc(1, sizeof(*s->k));
    assert_non_null(s->k);
    s->k->c = &s->config;
    s->k->lines = calloc(1, sizeof(*s->k->lines)); /* without engines: for its rounds */
    assert_non_null(s->k->lines);
    s->k->acts_end = &s->k->acts;
    s->k->unsigned_end = &s->k->unsigned_;
    s->k->ledger_fd = -1;
    assert_int_equal(ed25519_from_seed(&s->log, seed), 0);
    seed[0] = 2;
    assert_int_equal(ed25519_from_seed(&s->cosigner, seed), 0);
    assert_int_equal(note_signer_init(&s->log_key, ORIGIN, VKEY_ED25519, s->log, NULL), 0);
    assert_int_equal(
        note_signer_init(&s->cosigner_key, WITNESS, VKEY_COSIGNATURE, s->cosigner, NULL), 0);
}

/* As keeper_open does. */
static int open_keeper(struct stores *s)
{
    struct keeper *k = s->k;
    struct vault_config vc;
    uint64_t applied = 0;
    char path[300];
    int rc;

    (void)snprintf(k->ledger_dir, sizeof(k->ledger_dir), "%s/ledger", s->data);
    (void)snprintf(path, sizeof(path), "%s/vault", s->data);
    if ((rc = store_dir_open(&k->store, path, &s->e)) != 0 ||
        (rc = keyring_file_open(&k->keys, s->keys, &s->e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/catalog.db", s->data);
    if ((rc = catalog_open(&k->catalog, path, &s->e)) != 0 ||
        (rc = ledger_open(&k->ledger, k->ledger_dir, &s->e)) != 0)
        return rc;
    vc = (struct vault_config){k->store, k->keys, catalog_index(k->catalog), s->config.segment};
    if ((rc = vault_open(&k->vault, &vc, &s->report, &s->e)) != 0)
        return rc;
    if ((rc = catalog_applied(k->catalog, &applied)) != 0)
        return err_sys(&s->e, rc, "asking the catalog where it stands");
    rc = vault_replay(k->vault, applied, ledger_size(k->ledger), keeper_apply, k, &s->e);
    if (rc == 0 && (rc = keeper_sync_open(&k->sync, &s->e)) == 0)
        keeper_epoch_start(k);
    k->inventory_at = k->retention_at = FAR;
    return rc;
}

static int open_others(struct stores *s, bool create)
{
    int rc;

    if ((rc = signer_open(&s->signer, s->state, &s->log_key, create, &s->e)) != 0 ||
        (rc = tlog_witness_open(&s->witness, s->witness_dir, &s->cosigner_key, &s->e)) != 0)
        return rc;
    return tlog_witness_trust(s->witness, &s->log_key.key, &s->e);
}

int stores_open(struct stores *s, const char *dir)
{
    int rc;

    calls_aside(true);
    prepare(s, dir);
    calls_aside(false);
    return (rc = open_keeper(s)) != 0 ? rc : open_others(s, false);
}

void stores_close(struct stores *s)
{
    struct keeper *k = s->k;
    struct act *a;

    if (k == NULL)
        return;
    (void)keeper_group_settle(k);
    vault_group_abort(k->group);
    k->group = NULL;
    while ((a = k->acts) != NULL) {
        k->acts = a->next;
        keeper_act_free(a);
    }
    if (k->stopped == 0 && k->vault != NULL && s->witness != NULL)
        (void)!stores_maintain(s);
    keeper_sync_close(k->sync);
    vault_close(k->vault);
    ledger_close(k->ledger);
    catalog_close(k->catalog);
    keyring_free(k->keys);
    store_free(k->store);
    signer_close(s->signer);
    tlog_witness_close(s->witness);
    ed25519_free(s->log);
    ed25519_free(s->cosigner);
    free(k->lines);
    free(k);
    memset(s, 0, sizeof(*s));
}

int stores_found(struct stores *s, const char *dir)
{
    char path[300];
    int rc;

    prepare(s, dir);
    (void)snprintf(path, sizeof(path), "%s/signer", s->data);
    assert_int_equal(io_mkdirs(AT_FDCWD, path), 0);
    assert_int_equal(mkdir(s->witness_dir, 0700), 0);
    if ((rc = open_keeper(s)) != 0 || (rc = open_others(s, true)) != 0)
        return rc;
    keeper_epoch_tick(s->k, 1); /* opens epoch 1 */
    s->next = 1;
    return vault_epoch(s->k->vault) == 1 ? stores_publish(s) : -EIO;
}

/* --- acts --- */

struct fate {
    int rc;        /* 1: not known yet */
    uint64_t upto; /* leaves that a signature must cover */
};

static void act_done(struct keeper *k, struct act *a, int rc)
{
    struct fate *f = a->ctx;

    (void)k;
    f->rc = rc;
    for (size_t i = 0; i < a->leaves; i++)
        f->upto = a->index[i] >= f->upto ? a->index[i] + 1 : f->upto;
}

/* Signs what the ledger holds now, as the signer's process would be asked to. */
static int sign(struct stores *s, struct buf *note)
{
    struct digest path[CORE_PROOF_MAX], root;
    struct buf own;
    uint64_t size = ledger_size(s->k->ledger);
    size_t n = 0;
    int rc;

    buf_init(&own, CORE_NOTE_MAX);
    ledger_root(s->k->ledger, &root);
    if ((rc = ledger_consistency(s->k->ledger, signer_size(s->signer), size, path, &n, &s->e)) == 0)
        rc = signer_sign(s->signer, size, &root, path, n, note != NULL ? note : &own, &s->e);
    if (rc == 0)
        calls_mark(MARK_SIGNED, size, root.b);
    buf_free(&own);
    return rc;
}

/* Commits until the act's group is durable, then has it signed. */
static int carry_out(struct stores *s, const struct fate *f, unsigned n)
{
    int rc = keeper_group_commit(s->k);

    for (unsigned i = 0; i < n; i++)
        rc = rc == 0 && f[i].rc != 0 ? (f[i].rc == 1 ? -EAGAIN : f[i].rc) : rc;
    if (rc == 0)
        rc = s->k->stopped;
    if (rc == 0)
        rc = sign(s, NULL);
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = f[i].upto > signer_size(s->signer) ? -EAGAIN : 0;
    return rc;
}

int stores_sign(struct stores *s)
{
    return carry_out(s, NULL, 0);
}

static int accepted_leaf(struct stores *s, struct act *a, unsigned n)
{
    static const enum leaf_field sealed[] = {LF_SEALED_REF, LF_SEALED_SHA256, LF_SEALED_SIZE,
                                             LF_SEALED_NAME, LF_SEALED_ACCOUNT};
    const uint8_t salt[32] = {9}, sig[64] = {7};
    struct id128 sub = stores_id(n, 's');
    struct digest any = {{0}};
    struct leaf_builder b;

    leaf_begin(&b, LK_SUBMISSION_ACCEPTED, 1700000000 + n, s->k->c->site);
    leaf_set_id(&b, LF_SUB, &sub);
    leaf_set_key(&b, LF_SUB_KEY, stores_key(n).b);
    leaf_set_sig(&b, LF_SUB_SIG, sig);
    leaf_set_text(&b, LF_SUBMISSION, "file");
    leaf_set_text(&b, LF_COUNTRY, n % 3 == 0 ? "LI" : "CH");
    leaf_set_text(&b, LF_BASIS, "declared");
    leaf_set_digest(&b, LF_STATEMENT, &any);
    leaf_set_text(&b, LF_SCOPE, "file");
    leaf_set_digest(&b, LF_POLICY, &any);
    for (size_t i = 0; i < ARRAY_LEN(sealed); i++)
        leaf_set_sealed(&b, sealed[i], salt, span_str("x"));
    return keeper_act_leaf(a, &b);
}

static int accept_note(struct act *a, unsigned n, const struct id128 *object)
{
    struct id128 ref = stores_id(n, 'r');
    struct buf *out = keeper_act_note_new(a, &ref, 1);
    struct note_accept x;

    memset(&x, 0, sizeof(x));
    x.row.sub = stores_id(n, 's');
    x.row.ref = ref;
    x.row.object = *object;
    memcpy(x.row.country, n % 3 == 0 ? "LI" : "CH", 3);
    memcpy(x.row.account, "acme", 5);
    x.row.kind = x.row.scope = CATALOG_FILE;
    x.row.accepted = 1700000000 + n;
    memcpy(x.sub_key, stores_key(n).b, 32);
    return out == NULL ? -ENOMEM : keeper_note_put_accept(out, &x);
}

static int fill_act(struct stores *s, struct act *a, unsigned n, struct vault_put *put, bool *taken)
{
    struct id128 ref = stores_id(n, 'r'), sub = stores_id(n, 's'), object;
    struct slot_blob blob = {
        .country = {'C', 'H'}, .account = span_str("acme"), .name = span_str("a file")};
    struct vault_group *g;
    struct digest sha256;
    struct buf b;
    uint64_t size;
    bool again;
    int rc;

    buf_init(&b, VAULT_BLOB_MAX);
    if ((rc = vault_put_finish(put, &sha256, &size)) == 0 &&
        (rc = (g = keeper_group_of(s->k)) == NULL ? -EIO : 0) == 0 &&
        (rc = accepted_leaf(s, a, n)) == 0 &&
        (rc = keeper_intake_copy_leaf(s->k, a, &ref, &sub, &sha256, &blob, 1700000000 + n)) == 0 &&
        (rc = keeper_blob_encode(&blob, &b)) == 0 &&
        (rc = vault_group_put(g, put, &ref, &sub, buf_span(&b), &again, &object)) == 0) {
        *taken = true;
        rc = accept_note(a, n, &object);
    }
    buf_free(&b);
    return rc;
}

/* The bytes of an upload are here. */
static int stream(struct stores *s, unsigned n, struct vault_put **put)
{
    static uint8_t bytes[STORES_BYTES];
    size_t len = stores_content(n, bytes);
    int rc;

    calls_mark(MARK_ASKED, n, NULL);
    if ((rc = vault_put_begin(put, s->k->vault)) != 0) {
        *put = NULL;
        return rc;
    }
    if ((rc = vault_put_append(*put, bytes, len)) == 0)
        return 0;
    vault_put_abort(*put);
    *put = NULL;
    return rc;
}

/* Its act joins the open group; put is taken. */
static int join(struct stores *s, unsigned n, struct vault_put *put, struct fate *f)
{
    struct act *a = keeper_act_new();
    bool taken = false;
    int rc;

    *f = (struct fate){1, 0};
    if (a == NULL) {
        vault_put_abort(put);
        return -ENOMEM;
    }
    a->done = act_done;
    a->ctx = f;
    rc = fill_act(s, a, n, put, &taken);
    if (!taken)
        vault_put_abort(put);
    if (rc == 0) {
        keeper_group_add(s->k, a);
        return 0;
    }
    s->k->group_bad = s->k->group_bad || taken;
    keeper_act_free(a);
    return rc;
}

static int accept_one(struct stores *s, unsigned n, struct fate *f)
{
    struct vault_put *put;
    int rc = stream(s, n, &put);

    return rc != 0 ? rc : join(s, n, put, f);
}

int stores_accept(struct stores *s, unsigned count)
{
    struct fate f[16] = {{0, 0}};
    unsigned first = s->next, n = 0;
    int rc = 0, rc2;

    assert(count <= ARRAY_LEN(f));
    for (; n < count && rc == 0; n++)
        rc = accept_one(s, s->next++, &f[n]);
    if (rc != 0)
        n--;
    rc2 = carry_out(s, f, n);
    for (unsigned i = 0; i < n && rc2 == 0; i++)
        calls_mark(MARK_KEPT, first + i, NULL);
    return rc != 0 ? rc : rc2;
}

static int is_kept(struct stores *s, const struct fate *f, unsigned first, unsigned n)
{
    int rc = s->k->stopped;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = f[i].rc == 1 ? -EAGAIN : f[i].rc;
    if (rc == 0)
        rc = sign(s, NULL);
    for (unsigned i = 0; i < n && rc == 0; i++)
        if (f[i].upto > signer_size(s->signer))
            rc = -EAGAIN;
        else
            calls_mark(MARK_KEPT, first + i, NULL);
    return rc;
}

int stores_accept_overlapping(struct stores *s, unsigned count)
{
    struct vault_put *put[8] = {NULL};
    struct fate f[8], g[8];
    unsigned first = s->next, second = first + count;
    int rc = keeper_group_commit(s->k);

    assert(count <= ARRAY_LEN(put));
    s->next += 2 * count;
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = accept_one(s, first + i, &f[i]);
    if (rc != 0)
        return rc;
    calls_hold_syncs(true);
    keeper_group_start(s->k);
    if (keeper_group_pending(s->k))
        calls_sync_begun();
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = stream(s, second + i, &put[i]);
    calls_hold_syncs(false);
    (void)keeper_group_settle(s->k);
    if (rc == 0)
        rc = is_kept(s, f, first, count);
    for (unsigned i = 0; i < count; i++)
        if (rc == 0)
            rc = join(s, second + i, put[i], &g[i]);
        else
            vault_put_abort(put[i]);
    if (rc == 0 && (rc = keeper_group_commit(s->k)) == 0)
        rc = is_kept(s, g, second, count);
    return rc;
}

int stores_erase(struct stores *s, unsigned n)
{
    struct id128 sub = stores_id(n, 's');
    struct catalog_submission row;
    struct fate f = {1, 0};
    struct act *a;
    int rc = catalog_submission_get(s->k->catalog, &sub, &row);

    if (rc != 0 || row.state != CATALOG_LIVE)
        return rc;
    if ((a = keeper_act_new()) == NULL)
        return -ENOMEM;
    a->done = act_done;
    a->ctx = &f;
    calls_mark(MARK_ERASING, n, NULL);
    if ((rc = keeper_trace_erase(s->k, a, &row, LW_ERASE_RETENTION, NULL)) != 0) {
        keeper_act_free(a);
        return rc;
    }
    keeper_group_add(s->k, a);
    if ((rc = carry_out(s, &f, 1)) == 0)
        calls_mark(MARK_ERASED, n, NULL);
    return rc;
}

int stores_turn(struct stores *s)
{
    struct vault *v = s->k->vault;
    uint64_t old = vault_epoch(v);
    int rc = 0;

    s->k->turn_wanted = true;
    for (unsigned i = 0; i < 40 && vault_epoch_oldest(v) <= old && s->k->stopped == 0; i++)
        keeper_epoch_tick(s->k, 2);
    if (vault_epoch_oldest(v) <= old)
        return s->k->stopped != 0 ? s->k->stopped : -EAGAIN;
    if ((rc = s->k->stopped) == 0 && (rc = sign(s, NULL)) == 0)
        calls_mark(MARK_TURNED, old, NULL);
    return rc;
}

int stores_inventory(struct stores *s)
{
    int rc = keeper_epoch_inventory(s->k, NULL, &s->e);

    return rc != 0 ? rc : sign(s, NULL);
}

static int cosign(struct stores *s, struct buf *note)
{
    struct digest path[CORE_PROOF_MAX], root;
    uint64_t size = ledger_size(s->k->ledger), old = 0;
    struct tlog_answer a;
    struct buf body;
    size_t n = 0;
    int rc = -EAGAIN;

    ledger_root(s->k->ledger, &root);
    buf_init(&body, TLOG_WITNESS_BODY_MAX);
    tlog_answer_init(&a);
    for (unsigned i = 0; i < 2 && rc == -EAGAIN; i++) { /* 409 tells where it is */
        buf_reset(&body);
        if ((rc = ledger_consistency(s->k->ledger, old, size, path, &n, &s->e)) != 0 ||
            (rc = tlog_witness_request(&body, old, path, n, buf_span(note), &s->e)) != 0)
            break;
        tlog_witness_add(s->witness, buf_span(&body), 1700000000, &a);
        rc = tlog_witness_answer(note, a.status, buf_span(&a.body), &s->cosigner_key.key, 1, &old,
                                 &s->e);
    }
    if (rc == 0)
        calls_mark(MARK_COSIGNED, size, root.b);
    tlog_answer_free(&a);
    buf_free(&body);
    return rc;
}

int stores_publish(struct stores *s)
{
    struct digest root;
    struct buf note;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    if ((rc = ledger_flush(s->k->ledger, &s->e)) == 0 && (rc = sign(s, &note)) == 0 &&
        (rc = cosign(s, &note)) == 0 &&
        (rc = ledger_publish(s->k->ledger, buf_span(&note), &s->e)) == 0) {
        ledger_root(s->k->ledger, &root);
        calls_mark(MARK_PUBLISHED, ledger_size(s->k->ledger), root.b);
    }
    buf_free(&note);
    return rc;
}

int stores_reclaim(struct stores *s)
{
    uint64_t bytes;
    int rc;

    keeper_group_commit(s->k);
    rc = vault_reclaim(s->k->vault, 10, &bytes, &s->e);
    if (rc != 0 && vault_stopped(s->k->vault) != 0)
        keeper_stop_writer(s->k, rc, err_text(&s->e));
    return rc;
}

int stores_maintain(struct stores *s)
{
    int rc;

    if ((rc = ledger_flush(s->k->ledger, &s->e)) != 0 || (rc = catalog_sync(s->k->catalog)) != 0)
        return rc;
    return vault_checkpoint(s->k->vault, &s->e);
}
