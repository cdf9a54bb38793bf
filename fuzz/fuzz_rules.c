/* The documents of the rules (the first byte says which): what is accepted is written and read
 * again as the same. */
#include <stdlib.h>
#include <string.h>

#include "rules/approval.h"
#include "rules/attestation.h"
#include "rules/change.h"
#include "rules/dispute.h"
#include "rules/override.h"
#include "rules/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0, or refused with a place. */
static int refused(int rc, const struct err *e)
{
    if (rc != 0 && strncmp(e->text, "d:", 2) != 0)
        abort();
    return rc;
}

static void same(const void *a, const void *b, size_t n)
{
    if (memcmp(a, b, n) != 0)
        abort();
}

static void change(struct span text, struct buf *out)
{
    struct rules_change c, again;
    struct err e = ERR_INIT;

    if (refused(change_parse(&c, "d", text, &e), &e) != 0)
        return;
    if (change_write(&c, out) != 0 || change_parse(&again, "d", buf_span(out), NULL) != 0)
        abort();
    same(&c.tree, &again.tree, sizeof(c.tree));
    same(&c.base, &again.base, sizeof(c.base));
    same(&c.author, &again.author, sizeof(c.author));
    if (strcmp(c.why, again.why) != 0 || strcmp(c.ticket, again.ticket) != 0 ||
        strcmp(c.commit, again.commit) != 0)
        abort();
}

static void release(struct span text, struct buf *out)
{
    struct rules_release r, again;
    struct err e = ERR_INIT;

    if (refused(approval_parse(&r, "d", text, &e), &e) != 0)
        return;
    if (approval_write(&r, out) != 0 || approval_parse(&again, "d", buf_span(out), NULL) != 0 ||
        r.allows != again.allows || r.mode != again.mode || r.urgent != again.urgent ||
        r.chain.serial != again.chain.serial)
        abort();
    same(&r.tree, &again.tree, sizeof(r.tree));
    same(&r.report, &again.report, sizeof(r.report));
    same(&r.chain.previous, &again.chain.previous, sizeof(r.chain.previous));
}

static void override(struct span text, struct buf *out)
{
    struct rules_override o, again;
    struct err e = ERR_INIT;

    if (refused(override_parse(&o, "d", text, &e), &e) != 0)
        return;
    if (override_write(&o, "why", out) != 0 ||
        override_parse(&again, "d", buf_span(out), NULL) != 0 || o.count != again.count ||
        o.ground != again.ground || o.asker != again.asker)
        abort();
    same(&o.subject, &again.subject, sizeof(o.subject));
}

static void report(struct span text, struct buf *out)
{
    struct rules_report r, again;
    struct err e = ERR_INIT;

    if (refused(report_parse(&r, "d", text, &e), &e) != 0)
        return;
    if (report_write(&r, out) != 0 || report_parse(&again, "d", buf_span(out), NULL) != 0 ||
        r.missed != again.missed || r.false_hits != again.false_hits || r.passed != again.passed ||
        strcmp(r.engines, again.engines) != 0)
        abort();
    same(&r.tree, &again.tree, sizeof(r.tree));
    same(&r.corpus_root, &again.corpus_root, sizeof(r.corpus_root));
}

static void attestation(struct span text, struct buf *out)
{
    struct attestation a, again;
    struct err e = ERR_INIT;

    if (refused(attestation_parse(&a, "d", text, &e), &e) != 0)
        return;
    if (attestation_write(&a, out) != 0 ||
        attestation_parse(&again, "d", buf_span(out), NULL) != 0 || a.leaf != again.leaf ||
        a.same != again.same || a.names != again.names || strcmp(a.site, again.site) != 0 ||
        strcmp(a.engines, again.engines) != 0)
        abort();
    same(&a.scan, &again.scan, sizeof(a.scan));
    same(&a.release, &again.release, sizeof(a.release));
    same(&a.key, &again.key, sizeof(a.key));
}

static void dispute(struct span text, struct buf *out)
{
    struct dispute d, again;
    struct err e = ERR_INIT;

    if (refused(dispute_parse(&d, "d", text, &e), &e) != 0)
        return;
    if (dispute_write(&d, out) != 0 || dispute_parse(&again, "d", buf_span(out), NULL) != 0 ||
        d.asker != again.asker || d.settled != again.settled || strcmp(d.why, again.why) != 0)
        abort();
    same(&d.file, &again.file, sizeof(d.file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const read[])(struct span, struct buf *) = {change, release,     override,
                                                              report, attestation, dispute};
    struct buf out;

    if (size == 0)
        return 0;
    buf_init(&out, 16384);
    read[data[0] % 6](span_of(data + 1, size - 1), &out);
    buf_free(&out);
    return 0;
}
