#include "site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "measure.h"

#define PUBLISH_EVERY 1000 /* ms */

static void hold(int rc, const char *what, struct err *e)
{
    if (rc == 0)
        return;
    if (e->code == 0)
        (void)err_sys(e, rc, "%s", "failed");
    measure_die(what, e);
}

/* A folder of ours, or an argument of our caller: short. */
static const char *under(char out[4096], const char *dir, const char *name)
{
    if (snprintf(out, 4096, "%s/%s", dir, name) >= 4096)
        measure_die("the path of the folder is too long", NULL);
    return out;
}

static void open_stores(struct site *s, const char *dir, site_note_fn *note, struct vault_report *r,
                        struct err *e)
{
    struct vault_config c = {0};
    char path[4096];

    memset(s, 0, sizeof(*s));
    s->note = note;
    hold(store_dir_open(&s->store, under(path, dir, "vault"), e), "store", e);
    hold(keyring_file_open(&s->keys, under(path, dir, "keys"), e), "keys", e);
    hold(catalog_open(&s->catalog, under(path, dir, "catalog.db"), e), "catalog", e);
    hold(ledger_open(&s->ledger, under(path, dir, "ledger"), e), "ledger", e);
    c.store = s->store;
    c.keys = s->keys;
    c.index = catalog_index(s->catalog);
    hold(vault_open(&s->vault, &c, r, e), "vault", e);
}

static int apply_catalog(struct site *s, const struct vault_group_view *g)
{
    uint64_t applied;
    int rc = catalog_applied(s->catalog, &applied);

    if (rc != 0 || applied >= g->seq)
        return rc;
    for (size_t i = 0; i < g->n_notes && rc == 0; i++)
        rc = g->notes[i].live ? s->note(s, g->notes[i].text) : 0;
    return rc != 0 ? rc : catalog_set_applied(s->catalog, g->seq);
}

static int apply(void *arg, const struct vault_group_view *g)
{
    struct site *s = arg;
    uint64_t have = ledger_size(s->ledger) - g->ledger_before;
    int rc = 0;

    if (have < g->n_leaves)
        rc = ledger_append(s->ledger, g->leaves + have, g->n_leaves - (size_t)have, NULL);
    if (rc == 0 && s->note == NULL)
        rc = catalog_set_applied(s->catalog, g->seq);
    else if (rc == 0 && (rc = catalog_begin(s->catalog)) == 0 && (rc = apply_catalog(s, g)) == 0)
        rc = catalog_commit(s->catalog);
    s->apply_failed = rc;
    return rc;
}

void site_open(struct site *s, const char *dir, site_note_fn *note, struct vault_report *r)
{
    struct err e = ERR_INIT;
    uint64_t applied;

    open_stores(s, dir, note, r, &e);
    hold(catalog_applied(s->catalog, &applied), "catalog", &e);
    hold(vault_replay(s->vault, applied, ledger_size(s->ledger), apply, s, &e), "replay", &e);
}

void site_make(struct site *s, const char *dir, site_note_fn *note)
{
    struct vault_report report;
    struct vault_group *g;
    struct err e = ERR_INIT;
    char path[4096];
    uint64_t epoch;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) /* a folder in the making is there, and empty */
        hold(-errno, dir, &e);
    open_stores(s, dir, note, &report, &e);
    hold(vault_replay(s->vault, 0, 0, NULL, NULL, &e), "replay", &e);
    hold(vault_group_begin(&g, s->vault), "group", &e);
    hold(vault_turn_begin(g, &epoch, &e), "epoch", &e);
    hold(vault_group_commit(g, NULL, NULL, &e), "epoch", &e);
    hold(ed25519_generate(&s->key), "key", &e);
    hold(note_signer_init(&s->log, "bench.example/ledger", VKEY_ED25519, s->key, &e), "key", &e);
    hold(signer_open(&s->signer, under(path, dir, "signer.state"), &s->log, true, &e), "signer",
         &e);
    s->publish_due = clock_mono() + PUBLISH_EVERY;
}

void site_close(struct site *s)
{
    signer_close(s->signer);
    ed25519_free(s->key);
    vault_close(s->vault);
    ledger_close(s->ledger);
    catalog_close(s->catalog);
    keyring_free(s->keys);
    store_free(s->store);
}

void site_commit(struct site *s, struct vault_group *g)
{
    struct err e = ERR_INIT;

    hold(vault_group_commit(g, apply, s, &e), "group", &e);
    hold(s->apply_failed, "ledger or catalog", &e);
    s->groups++;
}

static void *sync_group(void *arg)
{
    struct site *s = arg;

    s->way.rc = vault_group_sync(s->way.group);
    return NULL;
}

void site_set_out(struct site *s, struct vault_group *g)
{
    struct err e = ERR_INIT;

    hold(vault_group_write(g, &e), "group", &e);
    s->way.group = g;
    hold(-pthread_create(&s->way.thread, NULL, sync_group, s), "thread", &e);
}

void site_settle(struct site *s)
{
    struct err e = ERR_INIT;

    if (s->way.group == NULL)
        return;
    hold(-pthread_join(s->way.thread, NULL), "thread", &e);
    hold(vault_group_settle(s->way.group, s->way.rc, apply, s, &e), "group", &e);
    hold(s->apply_failed, "ledger or catalog", &e);
    s->way.group = NULL;
    s->groups++;
}

void site_publish(struct site *s, bool now)
{
    struct digest root, path[CORE_PROOF_MAX];
    struct err e = ERR_INIT;
    struct buf note;
    size_t n = 0;
    uint64_t size = ledger_size(s->ledger);

    if (s->signer == NULL || (!now && clock_mono() < s->publish_due) || size == s->published)
        return;
    buf_init(&note, CORE_NOTE_MAX);
    hold(ledger_flush(s->ledger, &e), "flush", &e);
    ledger_root(s->ledger, &root);
    if (s->published != 0)
        hold(ledger_consistency(s->ledger, s->published, size, path, &n, &e), "consistency", &e);
    hold(signer_sign(s->signer, size, &root, path, n, &note, &e), "sign", &e);
    hold(ledger_publish(s->ledger, buf_span(&note), &e), "publish", &e);
    buf_free(&note);
    s->published = size;
    s->publications++;
    s->publish_due = clock_mono() + PUBLISH_EVERY;
}
