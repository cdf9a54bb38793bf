#include "betray/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "events/country.h"
#include "events/setroot.h"
#include "intake/submitter.h"

#define PAUSE 600 /* seconds between the history's end and what a cheat adds */

int stage_nothing(struct err *e, const char *what)
{
    (void)err_set(e, -ENOENT, "%s", what);
    return 1;
}

/* ------------------------------------------------------------------ opening */

static int load_key(const struct stage *s, const char *name, struct ed25519_key **out,
                    struct err *e)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s.pem", s->keys, name);
    return ed25519_load(out, path, e);
}

int stage_key(const struct stage *s, const struct ed25519_pub *pub, struct ed25519_key **out)
{
    char id[65];

    ed25519_keyid(pub, id);
    return load_key(s, id, out, NULL);
}

static int load_ledger(struct stage *s, const struct audit_source *src, struct err *e)
{
    const struct trust_site *site = trust_site(s->trust, src->site);
    size_t i = s->sites;
    char name[40];
    int rc;

    if (site == NULL)
        return err_set(e, -EINVAL, "the trust file has no site \"%s\"", src->site);
    tale_init(&s->tale[i], src->site);
    s->sites++;
    (void)snprintf(name, sizeof(name), "log-%s", src->site);
    if ((rc = load_key(s, name, &s->log_key[i], e)) != 0 ||
        (rc = note_signer_init(&s->log[i], site->origin, VKEY_ED25519, s->log_key[i], e)) != 0)
        return rc;
    return tale_load(&s->tale[i], src->dir, site->log, &s->witness.key, e);
}

/* The document of the last leaf of kind k in the first ledger. */
static int last_document(struct stage *s, enum leaf_kind k, struct digest *doc, struct buf *payload,
                         struct err *e)
{
    const struct tale *t = &s->tale[0];
    size_t i = tale_last(t, k);
    struct leaf l;

    if (i == t->leaves)
        return stage_nothing(e, "the history has no documents");
    l = tale_leaf(t, i);
    *doc = leaf_digest(&l, LF_DOC);
    for (size_t j = 0; j < t->artifacts; j++) {
        struct span bytes = buf_span(&t->artifact[j]);
        struct dsse *d = NULL;
        struct digest is;
        int rc;

        dsse_digest(bytes, &is);
        if (memcmp(is.b, doc->b, sizeof(is.b)) != 0)
            continue;
        if ((rc = dsse_parse(&d, bytes, e)) == 0)
            rc = buf_put(payload, dsse_payload(d).p, dsse_payload(d).n);
        dsse_free(d);
        return rc;
    }
    return err_set(e, -ENOENT, "a document is missing");
}

static int load_documents(struct stage *s, struct err *e)
{
    struct leaf l;
    size_t i;
    int rc;

    if ((rc = last_document(s, LK_REGISTER_PUBLISHED, &s->register_doc, &s->register_text, e)) !=
            0 ||
        (rc = register_parse(&s->people, "register", buf_span(&s->register_text), e)) != 0 ||
        (rc = last_document(s, LK_POLICY_PUBLISHED, &s->policy_doc, &s->policy_text, e)) != 0 ||
        (rc = policy_parse(&s->policy, "policy", buf_span(&s->policy_text), e)) != 0)
        return rc > 0 ? -ENOENT : rc;
    i = tale_last(&s->tale[0], LK_STATEMENT_PUBLISHED);
    if (i == s->tale[0].leaves)
        return err_set(e, -ENOENT, "the history has no consent statement");
    l = tale_leaf(&s->tale[0], i);
    s->statement = leaf_digest(&l, LF_DOC);
    s->scopes = leaf_scopes_mask(leaf_word(&l, LF_SCOPES));
    return 0;
}

int stage_open(struct stage *s, const struct trust *t, const struct audit_source *src, size_t n,
               const char *keys, struct err *e)
{
    int rc;

    memset(s, 0, sizeof(*s));
    s->trust = t;
    s->keys = keys;
    s->patch_site = -1;
    buf_init(&s->register_text, DSSE_MAX_PAYLOAD);
    buf_init(&s->policy_text, DSSE_MAX_PAYLOAD);
    if (n == 0 || n > TRUST_SITES || tlog_policy_witness_count(t->policy) == 0)
        return err_set(e, -EINVAL, "give the ledgers of a trust file with a witness");
    if ((rc = load_key(s, "witness", &s->witness_key, e)) != 0 ||
        (rc = note_signer_init(&s->witness, tlog_policy_witness(t->policy, 0)->name,
                               VKEY_COSIGNATURE, s->witness_key, e)) != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if ((rc = load_ledger(s, &src[i], e)) != 0)
            return rc;
    return load_documents(s, e);
}

void stage_close(struct stage *s)
{
    stage_leave(s);
    for (size_t i = 0; i < s->sites; i++)
        ed25519_free(s->log_key[i]);
    ed25519_free(s->witness_key);
    register_free(s->people);
    policy_free(s->policy);
    buf_free(&s->register_text);
    buf_free(&s->policy_text);
}

int stage_enter(struct stage *out, const struct stage *s)
{
    int rc = 0;

    *out = *s;
    memset(out->tale, 0, sizeof(out->tale));
    for (size_t i = 0; i < s->sites && rc == 0; i++)
        rc = tale_copy(&out->tale[i], &s->tale[i]);
    if (rc != 0)
        stage_leave(out);
    return rc;
}

void stage_leave(struct stage *s)
{
    for (size_t i = 0; i < s->sites; i++)
        tale_free(&s->tale[i]);
}

/* ------------------------------------------------------------------ places and leaves */

unix_time stage_time(const struct stage *s, int site)
{
    return tale_end(&s->tale[site]) + PAUSE;
}

int stage_site(const struct stage *s, const char *name)
{
    for (size_t i = 0; i < s->sites; i++)
        if (strcmp(s->tale[i].site, name) == 0)
            return (int)i;
    return -1;
}

const char *stage_site_name(const struct stage *s, int site)
{
    return s->tale[site].site;
}

int stage_find(const struct stage *s, enum leaf_kind k, int *site, size_t *leaf, struct err *e)
{
    char what[100];

    for (size_t i = 0; i < s->sites; i++) {
        *leaf = tale_last(&s->tale[i], k);
        *site = (int)i;
        if (*leaf < s->tale[i].leaves)
            return 0;
    }
    (void)snprintf(what, sizeof(what), "the history has no %s", leaf_kinds[k].name);
    return stage_nothing(e, what);
}

void stage_begin(const struct stage *s, int site, struct leaf_builder *b, enum leaf_kind k,
                 unix_time t)
{
    leaf_begin(b, k, t, s->tale[site].site);
}

int stage_add(struct stage *s, int site, struct leaf_builder *b, struct err *e)
{
    return tale_add(&s->tale[site], b, e);
}

int stage_publish(struct stage *s, int site, unix_time leaf_time)
{
    return tale_publish(&s->tale[site], leaf_time + 20);
}

static size_t find_id(const struct id128 *v, size_t n, const struct id128 *id)
{
    size_t i = 0;

    while (i < n && memcmp(v[i].b, id->b, sizeof(id->b)) != 0)
        i++;
    return i;
}

int stage_inventory(struct stage *s, int site, unix_time t, struct err *e)
{
    const struct tale *tale = &s->tale[site];
    struct id128 *v = calloc(tale->leaves + 1, sizeof(*v));
    struct leaf_builder b;
    struct digest root;
    size_t n = 0;
    int rc;

    if (v == NULL)
        return err_sys(e, -ENOMEM, "an inventory");
    for (size_t i = 0; i < tale->leaves; i++) {
        struct leaf l = tale_leaf(tale, i);

        if (l.kind == LK_COPY_PLACED) {
            v[n++] = leaf_id(&l, LF_REF);
        } else if (l.kind == LK_COPY_REMOVED) {
            struct id128 ref = leaf_id(&l, LF_REF);
            size_t at = find_id(v, n, &ref);

            if (at < n)
                v[at] = v[--n];
        }
    }
    rc = setroot_ids(v, n, &root);
    free(v);
    if (rc != 0)
        return err_set(e, rc, "a copy stands twice in the history");
    stage_begin(s, site, &b, LK_INVENTORY_SITE, t);
    leaf_set_digest(&b, LF_ROOT, &root);
    leaf_set_int(&b, LF_COUNT, n);
    leaf_set_int(&b, LF_AT_SIZE, tale->leaves);
    if ((rc = stage_add(s, site, &b, e)) != 0)
        return rc;
    return stage_publish(s, site, t);
}

/* ------------------------------------------------------------------ submissions */

void stage_made(const struct stage *s, int site, struct made *m)
{
    memset(m, 0, sizeof(*m));
    m->site = site;
    m->statement = s->statement;
    while ((s->scopes >> m->kind & 1) == 0)
        m->kind++;
    m->scope = m->kind;
}

/* A country that belongs to the site's zone at t. */
static void home_country(const struct stage *s, int site, unix_time t, char out[3])
{
    const struct trust_site *ts = trust_site(s->trust, s->tale[site].site);

    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        const char *zone = policy_zone(s->policy, country_table[i].code, t);

        if (zone != NULL && strcmp(zone, ts->zone) == 0) {
            memcpy(out, country_table[i].code, 3);
            return;
        }
    }
}

static int sign(struct made *m, struct ed25519_sig *sig)
{
    struct submitter_act act = {.sub = m->sub,
                                .kind = (enum intake_scope)m->kind,
                                .statement = m->statement,
                                .scope = (enum intake_scope)m->scope};
    int rc;

    memcpy(act.country, m->signed_country[0] != '\0' ? m->signed_country : m->country, 3);
    rc = submitter_sign_submit(m->key, &act, sig);
    if (rc == 0 && m->forged)
        sig->b[0] ^= 1;
    return rc;
}

static void seal(struct leaf_builder *b, enum leaf_field f)
{
    uint8_t salt[32];

    random_bytes(salt, sizeof(salt));
    leaf_set_sealed(b, f, salt, span_str("made up"));
}

static int accept(struct stage *s, struct made *m, unix_time t, struct err *e)
{
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    struct leaf_builder b;
    int rc;

    m->sub = random_id();
    if ((rc = ed25519_generate(&m->key)) != 0 || (rc = sign(m, &sig)) != 0)
        return err_sys(e, rc, "signing a submission");
    ed25519_public(m->key, &pub);
    stage_begin(s, m->site, &b, LK_SUBMISSION_ACCEPTED, t);
    leaf_set_id(&b, LF_SUB, &m->sub);
    leaf_set_key(&b, LF_SUB_KEY, pub.b);
    leaf_set_sig(&b, LF_SUB_SIG, sig.b);
    leaf_set_word(&b, LF_SUBMISSION, m->kind);
    leaf_set_text(&b, LF_COUNTRY, m->country);
    leaf_set_word(&b, LF_BASIS, 0);
    leaf_set_digest(&b, LF_STATEMENT, &m->statement);
    leaf_set_word(&b, LF_SCOPE, m->scope);
    leaf_set_digest(&b, LF_POLICY, &s->policy_doc);
    seal(&b, LF_SEALED_REF);
    seal(&b, LF_SEALED_SHA256);
    seal(&b, LF_SEALED_SIZE);
    seal(&b, LF_SEALED_NAME);
    seal(&b, LF_SEALED_ACCOUNT);
    return stage_add(s, m->site, &b, e);
}

static int place(struct stage *s, const struct made *m, unix_time t, struct id128 *ref,
                 struct err *e)
{
    struct leaf_builder b;

    *ref = random_id();
    stage_begin(s, m->site, &b, LK_COPY_PLACED, t);
    leaf_set_id(&b, LF_REF, ref);
    seal(&b, LF_SEALED_SUB);
    seal(&b, LF_SEALED_COUNTRY);
    seal(&b, LF_SEALED_SHA256);
    return stage_add(s, m->site, &b, e);
}

/* Like the last scan of the site, of another copy. */
static int scan(struct stage *s, int site, const struct id128 *ref, unix_time t, struct err *e)
{
    const struct tale *tale = &s->tale[site];
    size_t i = tale_last(tale, LK_RULES_LOADED);
    struct digest release;
    struct leaf_builder b;
    struct leaf l;

    if (i == tale->leaves)
        return 0;
    l = tale_leaf(tale, i);
    release = leaf_digest(&l, LF_RELEASE);
    stage_begin(s, site, &b, LK_SCAN_DONE, t);
    leaf_set_id(&b, LF_REF, ref);
    leaf_set_text(&b, LF_WORKER_SITE, tale->site);
    leaf_set_span(&b, LF_ENGINE, leaf_text(&l, LF_ENGINE));
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_VERDICT, "clean");
    leaf_set_text(&b, LF_REASON, "none");
    leaf_set_int(&b, LF_HITS, 0);
    seal(&b, LF_SEALED_NAMES);
    return stage_add(s, site, &b, e);
}

int stage_submit(struct stage *s, struct made *m, unix_time t, struct err *e)
{
    struct id128 ref;
    int rc;

    if (m->country[0] == '\0')
        home_country(s, m->site, t, m->country);
    if ((rc = accept(s, m, t, e)) != 0)
        return rc;
    if (!m->no_copy && m->kind == LW_SUBMISSION_FILE) {
        if ((rc = place(s, m, t, &ref, e)) != 0 ||
            (!m->no_scan && (rc = scan(s, m->site, &ref, t, e)) != 0))
            return rc;
    }
    return stage_publish(s, m->site, t);
}

/* ------------------------------------------------------------------ persons */

static bool is_author(const struct stage *s, const struct register_person *p)
{
    return memcmp(policy_author(s->policy)->b, p->id.b, sizeof(p->id.b)) == 0;
}

static size_t load_keys(const struct stage *s, const struct register_person *p, bool revoked,
                        unix_time t, struct ed25519_key **out, size_t max)
{
    size_t n = 0;
    char id[65];

    for (size_t i = 0; i < p->n_keys && n < max; i++) {
        if (register_key_valid(&p->keys[i], t) == revoked)
            continue;
        ed25519_keyid(&p->keys[i].pub, id);
        if (load_key(s, id, &out[n], NULL) == 0)
            n++;
    }
    return n;
}

static bool retired(const struct register_person *p, enum register_role role, unix_time t)
{
    bool was = false;

    for (size_t i = 0; i < p->n_duties; i++)
        was |= p->duties[i].role == role && p->duties[i].until <= t;
    return was && !register_has_role(p, role, t);
}

/* Keys of one person, if they are of the kind asked for. */
static size_t take(const struct stage *s, const struct register_person *p, enum register_role role,
                   enum stage_who who, unix_time t, struct ed25519_key **out, size_t max)
{
    bool holds = register_has_role(p, role, t);
    size_t n;

    switch (who) {
    case WHO_GOOD:
        return holds && !is_author(s, p) ? load_keys(s, p, false, t, out, 1) : 0;
    case WHO_AUTHOR:
        return holds && is_author(s, p) ? load_keys(s, p, false, t, out, 1) : 0;
    case WHO_REVOKED:
        return holds ? load_keys(s, p, true, t, out, 1) : 0;
    case WHO_RETIRED:
        return retired(p, role, t) ? load_keys(s, p, false, t, out, 1) : 0;
    case WHO_TWO_KEYS:
        n = holds && !is_author(s, p) && max >= 2 ? load_keys(s, p, false, t, out, 2) : 0;
        if (n == 2)
            return 2;
        if (n == 1)
            ed25519_free(out[0]);
        return 0;
    }
    return 0;
}

size_t stage_signers(const struct stage *s, enum register_role role, enum stage_who who,
                     unix_time t, struct ed25519_key **out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < register_count(s->people) && n < max; i++)
        n += take(s, register_person(s->people, i), role, who, t, out + n, max - n);
    return n;
}

/* ------------------------------------------------------------------ documents that follow */

/* Copies text line by line; a line that begins with one of the keys is written anew. */
static int follow(struct span text, uint64_t serial, const struct digest *previous,
                  const char *valid_from, struct buf *out)
{
    struct cur c = cur_of(text);
    struct span line;
    char hex[65];
    int rc = 0;

    text_digest(hex, previous);
    while (rc == 0 && cur_line(&c, &line) == 0) {
        if (line.n >= 7 && memcmp(line.p, "serial:", 7) == 0)
            rc = buf_printf(out, "serial: %llu\n", (unsigned long long)serial);
        else if (line.n >= 9 && memcmp(line.p, "previous:", 9) == 0)
            rc = buf_printf(out, "previous: \"%s\"\n", hex);
        else if (valid_from != NULL && line.n >= 11 && memcmp(line.p, "valid_from:", 11) == 0)
            rc = buf_printf(out, "valid_from: %s\n", valid_from);
        else if ((rc = buf_put(out, line.p, line.n)) == 0)
            rc = buf_putc(out, '\n');
    }
    return rc;
}

int stage_document(struct stage *s, int site, enum document k, const struct buf *yaml,
                   struct ed25519_key *const *keys, size_t n, struct digest *doc)
{
    struct dsse *d = NULL;
    struct buf env;
    int rc;

    buf_init(&env, DSSE_MAX_BYTES);
    rc = dsse_new(&d, document_type(k), buf_span(yaml));
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = dsse_sign(d, keys[i]);
    if (rc == 0 && (rc = dsse_write(d, &env)) == 0)
        rc = tale_document(&s->tale[site], buf_span(&env), doc);
    dsse_free(d);
    buf_free(&env);
    return rc;
}

int stage_policy(struct stage *s, unix_time valid_from, struct ed25519_key *const *keys, size_t n,
                 unix_time t, struct err *e)
{
    char from[CLOCK_MINUTE_LEN + 1];
    struct leaf_builder b;
    struct digest doc;
    struct buf yaml;
    int rc;

    clock_minute(from, valid_from);
    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = follow(buf_span(&s->policy_text), policy_serial(s->policy) + 1, &s->policy_doc, from,
                     &yaml)) == 0)
        rc = stage_document(s, 0, DOCUMENT_POLICY, &yaml, keys, n, &doc);
    buf_free(&yaml);
    if (rc != 0)
        return err_sys(e, rc, "writing a policy");
    stage_begin(s, 0, &b, LK_POLICY_PUBLISHED, t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_digest(&b, LF_PREV, &s->policy_doc);
    leaf_set_int(&b, LF_SERIAL, policy_serial(s->policy) + 1);
    leaf_set_text(&b, LF_VALID_FROM, from);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}

int stage_register(struct stage *s, const char *more, struct ed25519_key *const *keys, size_t n,
                   unix_time t, struct err *e)
{
    struct leaf_builder b;
    struct digest doc;
    struct buf yaml;
    int rc;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = follow(buf_span(&s->register_text), register_serial(s->people) + 1, &s->register_doc,
                     NULL, &yaml)) == 0 &&
        (rc = buf_puts(&yaml, more)) == 0)
        rc = stage_document(s, 0, DOCUMENT_REGISTER, &yaml, keys, n, &doc);
    buf_free(&yaml);
    if (rc != 0)
        return err_sys(e, rc, "writing a register");
    stage_begin(s, 0, &b, LK_REGISTER_PUBLISHED, t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_digest(&b, LF_PREV, &s->register_doc);
    leaf_set_int(&b, LF_SERIAL, register_serial(s->people) + 1);
    return stage_add(s, 0, &b, e);
}
