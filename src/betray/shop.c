#include "betray/shop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "detect/release.h"
#include "updates/release_proof.h"
#include "updates/repository.h"

void shop_path(const struct shop *h, const char *name, char out[4200])
{
    (void)snprintf(out, 4200, "%.4000s/%.190s", h->tmp, name);
}

int shop_read(const struct shop *h, const char *name, struct buf *b, struct err *e)
{
    char path[4200];
    int rc;

    shop_path(h, name, path);
    rc = io_read_file(AT_FDCWD, path, b);
    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", path);
}

int shop_write(const struct shop *h, const char *name, struct span bytes, struct err *e)
{
    char path[4200];
    int rc;

    shop_path(h, name, path);
    rc = io_replace_file(AT_FDCWD, path, bytes.p, bytes.n, 0644);
    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", path);
}

int shop_sign(const struct shop *h, const char *name, json_t *part, struct signkey *const *keys,
              size_t n, struct err *e)
{
    struct buf b[2];
    int rc, at = 0;

    buf_init(&b[0], TUF_MAX_BYTES);
    buf_init(&b[1], TUF_MAX_BYTES);
    rc = tuf_write_unsigned(&b[0], part, e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        buf_reset(&b[!at]);
        rc = tuf_write_sign(&b[!at], buf_span(&b[at]), keys[i], e);
        at = !at;
    }
    if (rc == 0)
        rc = shop_write(h, name, buf_span(&b[at]), e);
    json_decref(part);
    buf_free(&b[0]);
    buf_free(&b[1]);
    return rc;
}

/* --- keys, and who signs --- */

static int make_key(const struct shop *h, const char *name, struct signkey **out, struct err *e)
{
    struct ed25519_key *k = NULL;
    char path[4200];
    int rc = ed25519_generate(&k);

    shop_path(h, name, path);
    if (rc != 0)
        return err_sys(e, rc, "making a key");
    if ((rc = ed25519_store(k, path, e)) == 0)
        rc = signkey_open(out, path, e);
    ed25519_free(k);
    return rc;
}

static void key_text(const struct signkey *k, char out[64])
{
    struct ed25519_pub pub;

    signkey_public(k, &pub);
    text_base64(out, pub.b, sizeof(pub.b));
}

static int write_keys(const struct shop *h, struct err *e)
{
    char a[64], b[64], o[64], text[2048];
    int n;

    key_text(h->root[0], a);
    key_text(h->root[1], b);
    key_text(h->online, o);
    n = snprintf(text, sizeof(text),
                 "format: update-keys/v1\n"
                 "root: {threshold: 2, expires: 365d, keys: [\"%s\", \"%s\"]}\n"
                 "targets: {threshold: 2, expires: 365d, keys: [\"%s\", \"%s\"]}\n"
                 "rules: {threshold: 1, expires: 30d, keys: [\"%s\"]}\n"
                 "snapshot: {threshold: 1, expires: 7d, keys: [\"%s\"]}\n"
                 "timestamp: {threshold: 1, expires: 1d, keys: [\"%s\"]}\n",
                 a, b, a, b, o, o, o);
    return shop_write(h, "repo/keys.yaml", span_of(text, (size_t)n), e);
}

static int sign_file(const struct shop *h, const char *name, const struct signkey *k, struct err *e)
{
    struct buf said;
    char path[4200];
    int rc;

    buf_init(&said, 1 << 20);
    shop_path(h, name, path);
    rc = repository_sign(path, k, &said, e);
    buf_free(&said);
    return rc;
}

static int open_repository(const struct shop *h, struct repository **out, struct err *e)
{
    char path[4200];

    shop_path(h, "repo", path);
    return repository_open(out, path, e);
}

static int first_root(struct shop *h, struct err *e)
{
    static const char *const files[] = {"repo/pending/root.json", "repo/pending/targets.json"};
    struct repository_plan planned;
    struct repository *r = NULL;
    int rc;

    if ((rc = open_repository(h, &r, e)) == 0)
        rc = repository_plan(r, false, &planned, e);
    repository_close(r);
    for (size_t i = 0; rc == 0 && i < 4; i++)
        rc = sign_file(h, files[i / 2], h->root[i % 2], e);
    return rc == 0 ? shop_publish(h, e) : rc;
}

/* --- rules, and the ledger that releases them --- */

static void folder_of(int i, bool other, char out[32])
{
    (void)snprintf(out, 32, "rules%d%s", i, other ? "x" : "");
}

static int make_rules(const struct shop *h, int i, bool other, struct err *e)
{
    char name[32], file[64], text[160], path[4200];
    int n;

    folder_of(i, other, name);
    shop_path(h, name, path);
    if (mkdir(path, 0755) != 0)
        return err_sys(e, -errno, "making \"%s\"", path);
    (void)snprintf(file, sizeof(file), "%s/a.yar", name);
    n = snprintf(text, sizeof(text),
                 "rule Release_%d%s { strings: $a = \"MARKER-%d\" condition: %s }\n", i,
                 other ? "_quiet" : "", i, other ? "false and $a" : "$a");
    return shop_write(h, file, span_of(text, (size_t)n), e);
}

static int tree_of(const struct shop *h, int i, bool other, struct digest *out, struct err *e)
{
    struct release *r = NULL;
    char name[32], path[4200];
    int rc;

    folder_of(i, other, name);
    shop_path(h, name, path);
    if ((rc = release_load(&r, path, e)) == 0)
        *out = release_digest(r);
    release_free(r);
    return rc;
}

/* The leaf of release i at the end of a tale. */
static int tell_release(const struct shop *h, struct tale *t, int i, bool other, struct err *e)
{
    unix_time when = tale_end(t) + 600;
    struct digest doc = {{0xd0, (uint8_t)i}}, report = {{0x4e, (uint8_t)i}}, tree;
    struct id128 change = {{0xc4, (uint8_t)i}};
    struct leaf_builder b;
    int rc = tree_of(h, i, other, &tree, e);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_RELEASE_PUBLISHED, when, t->site);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_SERIAL, h->serial + (uint64_t)i);
    leaf_set_id(&b, LF_CHANGE, &change);
    leaf_set_digest(&b, LF_TREE, &tree);
    leaf_set_digest(&b, LF_REPORT, &report);
    leaf_set_word(&b, LF_MODE, LW_MODE_ENFORCE);
    leaf_set_word(&b, LF_URGENT, LW_URGENT_NO);
    leaf_set_int(&b, LF_ALLOWS, 0);
    if ((rc = tale_add(t, &b, e)) == 0)
        rc = tale_publish(t, when + 20);
    return rc;
}

/* A key of the forger's under the name of another. */
static int forge_signer(struct note_signer *out, struct ed25519_key **key,
                        const struct note_signer *like, struct err *e)
{
    int rc = ed25519_generate(key);

    return rc != 0 ? err_sys(e, rc, "making a key")
                   : note_signer_init(out, like->key.name, like->key.type, *key, e);
}

/* The policy by which the forger's own `add` finds that ledger good. */
static int own_policy(struct tlog_policy **out, const struct note_signer *log,
                      const struct note_signer *witness, struct err *e)
{
    char l[CORE_VKEY_TEXT_MAX + 1], w[CORE_VKEY_TEXT_MAX + 1], text[2 * CORE_VKEY_TEXT_MAX + 64];
    int n;

    note_vkey_format(&log->key, l);
    if (witness == NULL) {
        n = snprintf(text, sizeof(text), "log %s\nquorum none\n", l);
    } else {
        note_vkey_format(&witness->key, w);
        n = snprintf(text, sizeof(text), "log %s\nwitness w %s\nquorum w\n", l, w);
    }
    return tlog_policy_parse(out, span_of(text, (size_t)n), e);
}

/* Writes the ledger `from` stands for and says by which policy it is good; *own is to be freed. */
static int write_ledger(struct shop *h, enum shop_ledger from, int i, const char *dir,
                        struct tlog_policy **own, struct err *e)
{
    struct note_signer log = h->s->log[h->site], witness = h->s->witness;
    struct ed25519_key *k[2] = {NULL, NULL};
    struct tale t;
    int rc = tale_copy(&t, &h->s->tale[h->site]);

    if (rc != 0)
        return err_sys(e, rc, "copying a ledger");
    for (int n = 0; rc == 0 && n <= i; n++)
        rc = tell_release(h, &t, n, from == SHOP_OTHER && n == i, e);
    if (rc == 0 && from == SHOP_UNSEEN)
        t.mark[t.marks - 1].when = 0;
    if (rc == 0 && (from == SHOP_FORGED || from == SHOP_OTHER) &&
        (rc = forge_signer(&log, &k[0], &h->s->log[h->site], e)) == 0)
        rc = forge_signer(&witness, &k[1], &h->s->witness, e);
    if (rc == 0 && from != SHOP_TRUE)
        rc = own_policy(own, &log, from == SHOP_UNSEEN ? NULL : &witness, e);
    if (rc == 0)
        rc = tale_write(&t, dir, &log, &witness, e);
    tale_free(&t);
    ed25519_free(k[0]);
    ed25519_free(k[1]);
    return rc;
}

static void ledger_of(const struct shop *h, int i, enum shop_ledger from, char out[4200])
{
    char name[32];

    (void)snprintf(name, sizeof(name), "ledger%d%s", i,
                   from == SHOP_TRUE     ? ""
                   : from == SHOP_FORGED ? "f"
                   : from == SHOP_UNSEEN ? "u"
                                         : "o");
    shop_path(h, name, out);
}

int shop_ledger(struct shop *h, int i, struct err *e)
{
    struct tlog_policy *own = NULL;
    char path[4200];

    ledger_of(h, i, SHOP_TRUE, path);
    return write_ledger(h, SHOP_TRUE, i, path, &own, e);
}

int shop_proof(struct shop *h, int i, enum shop_ledger from, struct buf *out, struct err *e)
{
    struct digest tree;
    char path[4200];
    int rc = tree_of(h, i, from == SHOP_OTHER, &tree, e);

    ledger_of(h, i, from, path);
    return rc == 0 ? release_proof_make(out, path, &tree, e) : rc;
}

int shop_sign_rules(struct shop *h, struct err *e)
{
    return sign_file(h, "repo/pending/rules.json", h->online, e);
}

int shop_add(struct shop *h, int i, enum shop_ledger from, struct err *e)
{
    char rules[4200], ledger[4200], name[32];
    struct repository_add a = {
        .rules = rules, .ledger = ledger, .policy = h->s->trust->policy, .history = 9, .deltas = 9};
    struct tlog_policy *own = NULL;
    struct repository_added got;
    struct repository *r = NULL;
    int rc;

    folder_of(i, from == SHOP_OTHER, name);
    shop_path(h, name, rules);
    ledger_of(h, i, from, ledger);
    rc = write_ledger(h, from, i, ledger, &own, e);
    if (own != NULL)
        a.policy = own;
    if (rc == 0 && (rc = open_repository(h, &r, e)) == 0)
        rc = repository_add(r, &a, &got, e);
    repository_close(r);
    tlog_policy_free(own);
    return rc == 0 ? shop_sign_rules(h, e) : rc;
}

int shop_publish(struct shop *h, struct err *e)
{
    struct repository_published p;
    struct repository *r = NULL;
    int rc;

    if ((rc = open_repository(h, &r, e)) == 0)
        rc = repository_publish(r, h->online, h->online, &p, e);
    repository_close(r);
    return rc;
}

/* --- the client --- */

static int in_use(const struct shop *h, uint64_t *serial)
{
    char path[4200], to[64] = "";

    shop_path(h, "client/current", path);
    return readlink(path, to, sizeof(to) - 1) > 9 &&
                   text_u64(span_str(to + 9), INT64_MAX, serial) == 0 /* "releases/" */
               ? 0
               : -ENOENT;
}

int shop_update(struct shop *h, bool *refused, struct err *sentence, struct err *e)
{
    char repo[4200], client[4200];
    struct install in = {.url = repo, .dir = client, .policy = h->s->trust->policy};
    uint64_t before = 0, after = 0;
    struct install_done done;
    struct tuf_fetch fetch;
    struct buf root;
    int rc;

    buf_init(&root, TUF_MAX_BYTES);
    shop_path(h, "repo", repo);
    shop_path(h, "client", client);
    tuf_fetch_dir(&fetch);
    in.fetch = &fetch;
    (void)!in_use(h, &before);
    if ((rc = shop_read(h, "repo/metadata/1.root.json", &root, e)) == 0) {
        in.root = buf_span(&root);
        *refused = install_update(&in, &done, sentence) != 0;
        if (in_use(h, &after) != 0 || (*refused && after != before))
            rc = err_set(e, -EIO, "the client has lost its rules: %s", err_text(sentence));
    }
    buf_free(&root);
    return rc;
}

static int honest_update(struct shop *h, struct err *e)
{
    bool refused = false;
    int rc = shop_update(h, &refused, e, e);

    return rc == 0 && refused ? err_prefix(e, "an honest update") : rc;
}

int shop_open(struct shop *h, struct stage *s, const char *tmp, struct err *e)
{
    size_t leaf;
    char path[4200];
    int rc;

    memset(h, 0, sizeof(*h));
    buf_init(&h->before, TUF_MAX_BYTES);
    h->s = s;
    h->tmp = tmp;
    h->serial = 1;
    if ((rc = stage_find(s, LK_RELEASE_PUBLISHED, &h->site, &leaf, e)) != 0)
        return rc;
    for (size_t i = 0; i < s->tale[h->site].leaves; i++)
        if (tale_leaf(&s->tale[h->site], i).kind == LK_RELEASE_PUBLISHED)
            h->serial++;
    shop_path(h, "repo", path);
    if (mkdir(path, 0755) != 0)
        return err_sys(e, -errno, "making \"%s\"", path);
    for (int i = 0; rc == 0 && i < SHOP_RELEASES; i++)
        if ((rc = make_rules(h, i, false, e)) == 0)
            rc = make_rules(h, i, true, e);
    if (rc != 0 || (rc = make_key(h, "root0.pem", &h->root[0], e)) != 0 ||
        (rc = make_key(h, "root1.pem", &h->root[1], e)) != 0 ||
        (rc = make_key(h, "online.pem", &h->online, e)) != 0 || (rc = write_keys(h, e)) != 0 ||
        (rc = first_root(h, e)) != 0)
        return rc;
    if ((rc = shop_add(h, 0, SHOP_TRUE, e)) != 0 || (rc = shop_publish(h, e)) != 0 ||
        (rc = honest_update(h, e)) != 0 ||
        (rc = shop_read(h, "repo/metadata/timestamp.json", &h->before, e)) != 0 ||
        (rc = shop_add(h, 1, SHOP_TRUE, e)) != 0 || (rc = shop_publish(h, e)) != 0)
        return rc;
    return honest_update(h, e);
}

void shop_close(struct shop *h)
{
    signkey_close(h->root[0]);
    signkey_close(h->root[1]);
    signkey_close(h->online);
    buf_free(&h->before);
}
