/* reader_rules.c - documents about the rules.  Whether they fit what this ledger says already (is
 * the change proposed on the newest release? has it passed its tests?) is the keeper's to know
 * (keeper_rules.c); here: are they well formed, and signed by those who may? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "rules/report.h"
#include "site/reader_priv.h"

/* A change counts if its author is among the authors who signed it. */
static int signed_by(const struct reading *r, const struct id128 *author, struct err *e)
{
    struct register_approval by;
    int rc = register_approved(r->in_force, DOCUMENT_CHANGE, r->envelope, r->ask->at, NULL, &by, e);

    for (unsigned i = 0; i < by.counted && rc == 0; i++)
        if (memcmp(by.person[i].b, author->b, sizeof(author->b)) == 0)
            return 0;
    return rc != 0 ? rc : err_set(e, -EPERM, "the change is not signed by the author it names");
}

int reader_rules_change(struct reading *r, struct err *e)
{
    struct rules_change ch;
    int rc;

    if ((rc = reader_envelope(r->document, DOCUMENT_CHANGE, "change", &r->envelope, e)) != 0 ||
        (rc = change_parse(&ch, "change", dsse_payload(r->envelope), e)) != 0 ||
        (rc = reader_approved(r, DOCUMENT_CHANGE, NULL, e)) != 0 ||
        (rc = signed_by(r, &ch.author, e)) != 0)
        return rc;
    return read_change_encode(&ch, r->tail);
}

int reader_rules_report(struct reading *r, struct err *e)
{
    struct rules_report report;
    struct read_report out;
    int rc = report_parse(&report, "report", r->document, e);

    if (rc != 0)
        return rc;
    if (!report.passed)
        return err_set(e, -EPERM, "the report says that the tests were not passed");
    memset(&out, 0, sizeof(out));
    out.tree = report.tree;
    out.corpus_root = report.corpus_root;
    out.allows = report.allows;
    memcpy(out.engines, report.engines, sizeof(out.engines));
    return read_report_encode(&out, r->tail);
}

int reader_rules_release(struct reading *r, struct err *e)
{
    struct rules_release rel;
    int rc;

    if ((rc = reader_envelope(r->document, DOCUMENT_RELEASE, "release", &r->envelope, e)) != 0 ||
        (rc = approval_parse(&rel, "release", dsse_payload(r->envelope), e)) != 0 ||
        (rc = reader_approved(r, DOCUMENT_RELEASE, &rel.author, e)) != 0)
        return rc;
    return read_release_encode(&rel, r->tail);
}

int reader_rules_override(struct reading *r, struct err *e)
{
    struct rules_override o;
    int rc;

    if ((rc = reader_envelope(r->document, DOCUMENT_OVERRIDE, "override", &r->envelope, e)) != 0 ||
        (rc = override_parse(&o, "override", dsse_payload(r->envelope), e)) != 0 ||
        (rc = reader_approved(r, DOCUMENT_OVERRIDE, NULL, e)) != 0)
        return rc;
    return read_override_encode(&o, r->tail);
}

int reader_rules_replay(struct reading *r, struct err *e)
{
    struct attestation a;
    int rc = attestation_open(&a, "attestation", r->document, e);

    return rc != 0 ? rc : read_replay_encode(&a, r->tail);
}

/* --- what the update repository serves --- */

static int known_publication(const struct reading *r, struct published **out, struct err *e)
{
    struct digest is;
    int rc;

    if (r->previous.n == 0)
        return 0;
    sha256_of(r->previous.p, r->previous.n, &is);
    if (!digest_eq(&is, &r->ask->previous_doc))
        return err_set(e, -EPROTO, "the publication before is not the document of that digest");
    if ((rc = published_read(out, r->previous, e)) != 0)
        (void)err_prefix(e, "the publication before");
    return rc;
}

static bool lists(const struct published *p, const struct published_release *r)
{
    const struct published_release *v;
    size_t n;

    if (p == NULL)
        return false;
    v = published_releases(p, &n);
    for (size_t i = 0; i < n; i++)
        if (v[i].serial == r->serial && digest_eq(&v[i].tree, &r->tree))
            return true;
    return false;
}

static int encode_published(struct reading *r, const struct published *before,
                            const struct published *now, struct err *e)
{
    struct read_published out = {.serial = published_serial(now)};
    const struct published_release *v;
    size_t n;
    int rc;

    v = published_releases(now, &n);
    if (n == 0)
        return err_set(e, -EINVAL, "the repository lists no release of the rules yet");
    if ((out.release = calloc(n, sizeof(*out.release))) == NULL)
        return err_sys(e, -ENOMEM, "the list of releases");
    for (size_t i = 0; i < n; i++)
        if (!lists(before, &v[i]))
            out.release[out.n++] = v[i];
    if ((rc = read_published_encode(&out, r->tail)) != 0)
        (void)err_sys(e, rc, "%zu releases that were not listed before", out.n);
    read_published_done(&out);
    return rc;
}

int reader_rules_published(struct reading *r, struct err *e)
{
    struct published *before = NULL, *now = NULL;
    int rc = published_read(&now, r->document, e);

    if (rc == 0 && (rc = known_publication(r, &before, e)) == 0 && before != NULL)
        rc = published_follows(before, now, e);
    if (rc == 0)
        rc = encode_published(r, before, now, e);
    published_free(before);
    published_free(now);
    return rc;
}
