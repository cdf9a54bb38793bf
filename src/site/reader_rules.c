/* reader_rules.c - documents about the rules.  Whether they fit what this ledger says already (is
 * the change proposed on the newest release? has it passed its tests?) is the keeper's to know
 * (keeper_rules.c); here: are they well formed, and signed by those who may? */
#include <errno.h>
#include <string.h>

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
