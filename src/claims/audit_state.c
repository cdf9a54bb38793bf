/* What an auditor need not do again: docs/formats.md, "Audit state".
 *
 * The state says of each ledger, by size and root, that the submitters' signatures in those leaves
 * were verified.  It says nothing else: every leaf is read, hashed and judged again, so a verdict
 * never rests on an older one, and a resumed audit cannot differ from a full one.  Signatures are
 * the one thing worth remembering, because they are nine tenths of the time.
 *
 * That the leaves are the same is not believed either: the roots of the state are compared like
 * every other root that somebody outside holds.  Where one is not confirmed, audit.c begins anew
 * without it, and the contradiction is told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "claims/claims_priv.h"
#include "crypto/sha256.h"

#define SIGNER "auditor"
#define HEAD "audit-state/v1"

/* ------------------------------------------------------------------ the table's version */

static int put_kind(struct buf *out, const struct leaf_kind_info *k)
{
    int rc = buf_printf(out, "%s %u\n", k->name, (unsigned)k->id);

    for (size_t i = 0; i < k->slots && rc == 0; i++) {
        const struct leaf_slot *s = &k->slot[i];

        rc = buf_printf(out, " %s %s %u %d\n", leaf_field_name((enum leaf_field)s->field),
                        leaf_type_name(leaf_field_type((enum leaf_field)s->field)), s->list,
                        s->optional ? 1 : 0);
    }
    return rc;
}

/* A leaf that an older table could not read was not looked at: another table, another state. */
static int table_digest(struct digest *out)
{
    struct buf all;
    int rc = 0;

    buf_init(&all, (size_t)1 << 20);
    for (size_t k = 0; k < LEAF_KINDS && rc == 0; k++)
        rc = put_kind(&all, &leaf_kinds[k]);
    for (size_t l = LL_NONE + 1; l < LEAF_LISTS; l++)
        for (size_t i = 0; rc == 0 && leaf_word_text((enum leaf_list)l, i) != NULL; i++)
            rc = buf_printf(&all, "%zu %s\n", l, leaf_word_text((enum leaf_list)l, i));
    for (size_t i = 0; i < COUNTRY_COUNT && rc == 0; i++)
        rc = buf_printf(&all, "%.2s\n", country_table[i].code);
    if (rc == 0)
        sha256_of(all.data, all.len, out);
    buf_free(&all);
    return rc;
}

/* The lines that say under which rules the state holds. */
static int put_rules(struct buf *out, const struct audit *a)
{
    char table[65], trust[65];
    struct digest d;
    int rc = table_digest(&d);

    if (rc != 0)
        return rc;
    text_digest(table, &d);
    text_digest(trust, &a->trust->digest);
    return buf_printf(out, HEAD "\ntable %s\ntrust %s\n", table, trust);
}

/* ------------------------------------------------------------------ reading */

static int take_word(struct span *line, struct span *out)
{
    const uint8_t *blank = memchr(line->p, ' ', line->n);
    size_t n = blank == NULL ? line->n : (size_t)(blank - line->p);

    if (n == 0)
        return -EBADMSG;
    *out = span_of(line->p, n);
    *line = blank == NULL ? span_of(line->p + n, 0) : span_of(blank + 1, line->n - n - 1);
    return 0;
}

/* "ledger SITE SIZE ROOT" of the i-th audited ledger */
static int take_ledger(struct audit *a, size_t i, struct span line, struct err *e)
{
    struct known k = {.size = 0};
    struct span word, site, size;
    size_t n;

    if (take_word(&line, &word) != 0 || !span_is(word, "ledger") || take_word(&line, &site) != 0 ||
        take_word(&line, &size) != 0 || core_decimal(size, &k.size) != 0 ||
        core_base64(line, k.root.b, sizeof(k.root.b), &n) != 0 || n != sizeof(k.root.b))
        return err_set(e, -EBADMSG, "a line of it is not \"ledger SITE SIZE ROOT\"");
    if (i >= a->sites || !span_is(site, a->site[i].trust->site))
        return err_set(e, -EINVAL,
                       "it is of other ledgers, or of these in another order (\"%.*s\" is number "
                       "%zu in it)",
                       (int)site.n, (const char *)site.p, i + 1);
    a->site[i].known = k;
    return 0;
}

static int take_ledgers(struct audit *a, struct cur *c, struct err *e)
{
    struct span line;
    size_t i = 0;
    int rc = 0;

    for (; rc == 0 && cur_line(c, &line) == 0; i++)
        rc = take_ledger(a, i, line, e);
    if (rc == 0 && i != a->sites)
        rc = err_set(e, -EINVAL, "it is of %zu ledgers, %zu were given", i, a->sites);
    return rc;
}

static int take(struct audit *a, struct span text, struct err *e)
{
    static const char *const about[] = {"", "the program's table of leaf kinds", "the trust file"};
    struct cur have = cur_of(text), want;
    struct span is, must;
    struct buf rules;
    int rc;

    buf_init(&rules, 4096);
    if ((rc = put_rules(&rules, a)) != 0)
        goto out;
    want = cur_of(buf_span(&rules));
    for (size_t i = 0; i < ARRAY_LEN(about) && rc == 0; i++) {
        if (cur_line(&have, &is) != 0 || cur_line(&want, &must) != 0)
            rc = err_set(e, -EBADMSG, "it ends early");
        else if (is.n != must.n || memcmp(is.p, must.p, is.n) != 0)
            rc = i == 0 ? err_set(e, -EBADMSG, "it is no \"" HEAD "\"")
                        : err_set(e, -EINVAL, "%s has changed since", about[i]);
    }
    if (rc == 0)
        rc = take_ledgers(a, &have, e);
out:
    buf_free(&rules);
    return rc;
}

static int expect(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++) {
        struct site *s = &a->site[i];
        int rc = VEC_ROOM(&s->stop);

        if (rc != 0)
            return rc;
        s->stop.v[s->stop.n++] = (struct stop){.size = s->known.size,
                                               .root = s->known.root,
                                               .name = a->options->state_name,
                                               .final = true,
                                               .known = true};
        if (a->distrust)
            s->known.size = 0;
    }
    return 0;
}

int claims_state_take(struct audit *a, struct err *e)
{
    const struct audit_options *o = a->options;
    const char *name = o->state_name != NULL ? o->state_name : "state";
    struct core_note note;
    struct err why = ERR_INIT;
    struct vkey key;
    int rc;

    if (o->state.n == 0)
        return 0;
    if ((rc = note_vkey_make(&key, SIGNER, VKEY_ED25519, &o->state_key, &why)) == 0 &&
        (rc = note_verify(&note, o->state, &key, 1, NULL, &why)) == 0)
        rc = take(a, note.text, &why);
    if (rc == 0)
        return expect(a);
    if (rc == -ENOMEM)
        return rc;
    return err_set(
        e, rc, "the state \"%s\" cannot be resumed from: %s; without it the audit begins at leaf 0",
        name, err_text(&why));
}

bool claims_state_confirmed(const struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        if (a->site[i].known.size > 0 && !a->site[i].known.confirmed)
            return false;
    return true;
}

/* ------------------------------------------------------------------ writing */

static int fit(const struct audit *a, struct err *e)
{
    if (a->contradicted)
        return err_set(e, -EINVAL,
                       "the ledgers contradict the state of an earlier audit, which is "
                       "evidence: keep it");
    if (a->bad_signatures > 0)
        return err_set(e, -EINVAL, "%llu signature%s not verify",
                       (unsigned long long)a->bad_signatures,
                       a->bad_signatures == 1 ? " does" : "s do");
    for (size_t i = 0; i < a->sites; i++)
        if (!a->site[i].sound)
            return err_set(e, -EINVAL, "the ledger of \"%s\" was not read to a verified end",
                           a->site[i].trust->site);
    return 0;
}

int audit_state(const struct audit *a, const struct ed25519_key *key, struct buf *out,
                struct err *e)
{
    struct note_signer signer;
    struct buf text;
    int rc;

    if ((rc = fit(a, e)) != 0 ||
        (rc = note_signer_init(&signer, SIGNER, VKEY_ED25519, key, e)) != 0)
        return rc;
    buf_init(&text, 64 * 1024);
    rc = put_rules(&text, a);
    for (size_t i = 0; i < a->sites && rc == 0; i++) {
        char root[TEXT_BASE64_LEN(32) + 1];

        text_base64(root, a->site[i].root.b, sizeof(a->site[i].root.b));
        rc = buf_printf(&text, "ledger %s %llu %s\n", a->site[i].trust->site,
                        (unsigned long long)a->site[i].size, root);
    }
    rc =
        rc != 0 ? err_sys(e, rc, "writing the state") : note_sign(out, buf_span(&text), &signer, e);
    buf_free(&text);
    return rc;
}
