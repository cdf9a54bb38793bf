/* Documents that leaves name by digest, from the ledger's own artifact folder. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "claims/claims_priv.h"
#include "ledger/tlog_tiles.h"

int claims_document(struct audit *a, struct site *s, enum claim_id c, enum document k,
                    const struct digest *doc, struct dsse **out)
{
    struct err e = ERR_INIT;
    struct buf b;
    char hex[65];
    int rc;

    text_digest(hex, doc);
    buf_init(&b, DSSE_MAX_BYTES);
    rc = tlog_tiles_artifact(s->dir, doc, &b, &e);
    if (rc == -ENOENT) {
        claims_unknown(a, c, s, s->index, "the document artifact/sha256/%s is missing; ask for it",
                       hex);
        rc = 1;
    } else if (rc == -EBADMSG || rc == -E2BIG || rc == -EINVAL) {
        claims_broken(a, c, s, s->index, "artifact/sha256/%s: %s", hex, err_text(&e));
        rc = 1;
    }
    if (rc != 0)
        goto out;
    rc = dsse_parse(out, buf_span(&b), &e);
    if (rc == 0 && !span_is(span_str(dsse_type(*out)), document_type(k))) {
        dsse_free(*out);
        *out = NULL;
        rc = err_set(&e, -EBADMSG, "it is not of type \"%s\"", document_type(k));
    }
    if (rc == -EBADMSG || rc == -E2BIG) {
        claims_broken(a, c, s, s->index, "document %.16s...: %s", hex, err_text(&e));
        rc = 1;
    }
out:
    buf_free(&b);
    return rc;
}

const struct doc_register *claims_register(const struct site *s)
{
    return s->registers.n == 0 ? NULL : &s->registers.v[s->registers.n - 1];
}

const struct doc_policy *claims_policy(const struct site *s, unix_time t)
{
    for (size_t i = s->policies.n; i > 0; i--)
        if (s->policies.v[i - 1].valid_from <= t)
            return &s->policies.v[i - 1];
    return NULL;
}

bool claims_known_approved(const struct audit *a, const struct digest *doc)
{
    for (size_t i = 0; i < a->approved.n; i++)
        if (memcmp(a->approved.v[i].b, doc->b, sizeof(doc->b)) == 0)
            return true;
    return false;
}

int claims_note_approved(struct audit *a, const struct digest *doc)
{
    int rc = VEC_ROOM(&a->approved);

    if (rc == 0)
        a->approved.v[a->approved.n++] = *doc;
    return rc;
}

int claims_approved(struct audit *a, struct site *s, enum claim_id c, enum document k,
                    const struct digest *doc, const struct dsse *env, const struct id128 *author,
                    unix_time t)
{
    const struct doc_register *r = claims_register(s);
    struct err e = ERR_INIT;
    int rc;

    if (claims_known_approved(a, doc))
        return 0;
    if (r == NULL) {
        claims_broken(a, c, s, s->index, "no register of people was published before it");
        return 1;
    }
    if (r->people == NULL) {
        claims_unknown(a, c, s, s->index, "the register that decides about it could not be read");
        return 1;
    }
    rc = register_approved(r->people, k, env, t, author, NULL, &e);
    if (rc == -ENOMEM)
        return rc;
    if (rc != 0) {
        claims_broken(a, c, s, s->index, "%s", err_text(&e));
        return 1;
    }
    return claims_note_approved(a, doc);
}
