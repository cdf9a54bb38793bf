#include "site/keeper_scanned.h"

#include <errno.h>
#include <string.h>

#include "crypto/sha256.h"
#include "site/keeper_rescan.h"

static int take_verdict(void *arg, const struct catalog_verdict *v)
{
    struct scanned *s = arg;

    if (s->found && v->at < s->row.at)
        return 0;
    s->found = true;
    s->row = *v;
    s->sealed_len = v->sealed.n <= sizeof(s->sealed) ? v->sealed.n : 0;
    memcpy(s->sealed, v->sealed.p, s->sealed_len);
    s->row.sealed = span_of(NULL, 0);
    return 0;
}

int keeper_scanned(struct keeper *k, const struct id128 *ref, struct scanned *s)
{
    uint8_t plain[CATALOG_SEALED_MAX + 64];
    int rc;

    s->found = s->renewed = false;
    s->names_len = s->tree_len = s->before_len = 0;
    if ((rc = catalog_verdicts(k->catalog, ref, take_verdict, s)) != 0 || !s->found)
        return rc;
    if (s->sealed_len < VAULT_SEAL_EXTRA + 8)
        return -EBADMSG;
    if ((rc = vault_unseal_text(k->vault, ref, span_of(s->sealed, s->sealed_len), plain)) != 0)
        return rc;
    s->leaf = 0;
    for (int i = 0; i < 8; i++)
        s->leaf = s->leaf << 8 | plain[i];
    s->names_len = s->sealed_len - VAULT_SEAL_EXTRA - 8;
    memcpy(s->names, plain + 8, s->names_len);
    return 0;
}

/* What the file held, behind the names.  A record that cannot be read is not shown. */
static void held_of(struct keeper *k, const struct id128 *ref, struct scanned *s)
{
    struct buf sealed;

    s->tree_len = 0;
    buf_init(&sealed, CATALOG_TREE_MAX);
    if (catalog_tree_get(k->catalog, ref, &sealed) == 0 && sealed.len >= VAULT_SEAL_EXTRA &&
        sealed.len - VAULT_SEAL_EXTRA <= TREE_MAX &&
        vault_unseal_text(k->vault, ref, buf_span(&sealed), s->names + s->names_len) == 0)
        s->tree_len = sealed.len - VAULT_SEAL_EXTRA;
    buf_free(&sealed);
}

/* The verdict that other rules changed, its names behind all else.  One that cannot be read is not
 * shown. */
static void before_of(struct keeper *k, const struct id128 *ref, struct scanned *s)
{
    uint8_t plain[CATALOG_SEALED_MAX + 64];
    struct buf sealed;

    buf_init(&sealed, sizeof(plain));
    if (catalog_verdict_before(k->catalog, ref, &s->before, &sealed) == 0 &&
        sealed.len >= VAULT_SEAL_EXTRA + 8 &&
        vault_unseal_text(k->vault, ref, buf_span(&sealed), plain) == 0) {
        s->renewed = true;
        s->before_len = sealed.len - VAULT_SEAL_EXTRA - 8;
        memcpy(s->names + s->names_len + s->tree_len, plain + 8, s->before_len);
    }
    buf_free(&sealed);
}

void keeper_scanned_more(struct keeper *k, const struct id128 *ref, struct scanned *s)
{
    held_of(k, ref, s);
    before_of(k, ref, s);
}

static void fill_words(const struct catalog_verdict *v, uint32_t *verdict, uint32_t *reason)
{
    enum verdict_reason r = REASON_NONE;

    *verdict = (uint32_t)(v->verdict == CATALOG_MALICIOUS ? VERDICT_MALICIOUS
                          : v->verdict == CATALOG_CLEAN   ? VERDICT_CLEAN
                                                          : VERDICT_INCOMPLETE);
    if (verdict_reason_of_word(span_str(v->reason), &r) == 0)
        *reason = (uint32_t)r;
}

void keeper_scanned_fill(struct keeper *k, const struct scanned *s, struct pm_traced *m)
{
    const struct catalog_verdict *b = &s->before;
    struct rescan_done last;

    fill_words(&s->row, &m->verdict, &m->reason);
    m->hits = s->row.hits;
    m->scanned = s->row.at;
    m->release = s->row.release;
    m->detect = s->row.detect;
    if (s->renewed) {
        fill_words(b, &m->before.verdict, &m->before.reason);
        m->before.hits = b->hits;
        m->before.at = b->at;
        m->before.release = b->release;
        m->before.detect = b->detect;
    }
    /* a round that left no leaf of this file said the same of it */
    if (keeper_rescan_last(k, &last) == 0 && last.leaf > s->leaf &&
        !digest_eq(&last.release, &s->row.release)) {
        m->confirmed = last.at;
        m->confirmed_by = last.release;
    }
    m->names_len = (uint32_t)s->names_len;
    m->tree_len = (uint32_t)s->tree_len;
    m->before_len = (uint32_t)s->before_len;
}

struct span keeper_scanned_tail(const struct scanned *s)
{
    return span_of(s->names, s->names_len + s->tree_len + s->before_len);
}
