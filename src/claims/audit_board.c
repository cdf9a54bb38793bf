/* What people and programs read of an audit. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "claims/claims_priv.h"

#define WIDTH 100
#define INDENT 22

/* ------------------------------------------------------------------ the board */

/* Words of text, wrapped, each further line indented. */
static int put_wrapped(struct buf *out, const char *text, size_t column)
{
    size_t at = column;
    int rc = 0;

    while (*text != '\0' && rc == 0) {
        size_t word = strcspn(text, " ");

        if (at + word + 1 > WIDTH && at > INDENT) {
            rc = buf_printf(out, "\n%*s", INDENT, "");
            at = INDENT;
        } else if (at > column) {
            rc = buf_putc(out, ' ');
            at++;
        }
        if (rc == 0)
            rc = text_plain(out, span_of(text, word));
        at += word;
        text += word;
        text += strspn(text, " ");
    }
    return rc == 0 ? buf_putc(out, '\n') : rc;
}

static int put_assumptions(struct buf *out, const struct audit_result *r)
{
    int rc = buf_printf(out, "%*sassumes", INDENT, "");

    for (const uint8_t *n = r->assumption; *n != 0 && rc == 0; n++)
        rc = buf_printf(out, " A%u", *n);
    return rc == 0 ? buf_putc(out, '\n') : rc;
}

static int put_head(struct buf *out, const struct audit_result *r)
{
    int rc = buf_printf(out, "%-*s%s", INDENT, r->claim, audit_verdict_word(r->verdict));

    if (rc == 0 && r->verdict == AUDIT_PROVED)
        rc = buf_printf(out, " %s %llu %s", audit_basis_word(r->basis), (unsigned long long)r->n,
                        claims_noun(r->n, r->one, r->unit));
    if (rc == 0 && r->site[0] != '\0' && r->leaf != AUDIT_NO_LEAF)
        rc = buf_printf(out, " at %s leaf %llu", r->site, (unsigned long long)r->leaf);
    else if (rc == 0 && r->site[0] != '\0')
        rc = buf_printf(out, " at %s", r->site);
    if (rc == 0 && r->pending > 0)
        rc = buf_printf(out, ", %llu pending", (unsigned long long)r->pending);
    return rc == 0 ? buf_putc(out, '\n') : rc;
}

static int put_ledger(struct buf *out, const struct audit_ledger *l)
{
    char hex[65], at[CLOCK_SECOND_LEN + 1] = "never";

    text_digest(hex, &l->root);
    if (l->witnessed != 0)
        clock_second(at, l->witnessed);
    return buf_printf(out, "ledger %-8s %llu leaves, %llu checkpoints, root %.16s..., as of %s\n",
                      l->site, (unsigned long long)l->size, (unsigned long long)l->checkpoints, hex,
                      at);
}

int audit_text(const struct audit *a, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < a->sites && rc == 0; i++) {
        struct audit_ledger l = audit_ledger(a, i);

        rc = put_ledger(out, &l);
    }
    for (size_t i = 0; i < a->warnings && rc == 0; i++)
        rc = buf_printf(out, "warning: %s\n", a->warning[i]);
    if (rc == 0)
        rc = buf_putc(out, '\n');
    for (size_t i = 0; i < CLAIMS && rc == 0; i++) {
        const struct audit_result *r = &a->result[i];

        if ((rc = put_head(out, r)) == 0 && (rc = buf_printf(out, "%*s", INDENT, "")) == 0 &&
            (rc = put_wrapped(out, r->sentence, INDENT)) == 0 && r->verdict == AUDIT_PROVED)
            rc = put_assumptions(out, r);
    }
    return rc;
}

/* ------------------------------------------------------------------ audit.json */

static int put_string(struct buf *out, const char *key, const char *value)
{
    struct buf plain;
    int rc;

    /* sentences may carry strangers' bytes: made plain first, so that they are UTF-8 */
    buf_init(&plain, 4096);
    rc = text_plain(&plain, span_str(value));
    if (rc == 0)
        rc = buf_printf(out, "\"%s\":", key);
    if (rc == 0)
        rc = text_json_string(out, buf_span(&plain));
    buf_free(&plain);
    return rc;
}

static int put_claim(struct buf *out, const struct audit_result *r)
{
    const char *comma = "";
    int rc = buf_puts(out, "{\"assumptions\":[");

    for (const uint8_t *n = r->assumption; *n != 0 && rc == 0; n++, comma = ",")
        rc = buf_printf(out, "%s\"A%u\"", comma, *n);
    if (rc == 0)
        rc = buf_puts(out, "],");
    if (rc == 0 && r->verdict == AUDIT_PROVED)
        rc = buf_printf(out, "\"basis\":\"%s\",", audit_basis_word(r->basis));
    if (rc == 0)
        rc = buf_printf(out, "\"claim\":\"%s\",", r->claim);
    if (rc == 0 && r->leaf != AUDIT_NO_LEAF)
        rc = buf_printf(out, "\"leaf\":%llu,", (unsigned long long)r->leaf);
    if (rc == 0)
        rc = buf_printf(out, "\"n\":%llu,\"pending\":%llu,",
                        (unsigned long long)(r->verdict == AUDIT_PROVED ? r->n : 0),
                        (unsigned long long)r->pending);
    if (rc == 0)
        rc = put_string(out, "sentence", r->sentence);
    if (rc == 0 && r->site[0] != '\0')
        rc = buf_printf(out, ",\"site\":\"%s\"", r->site);
    if (rc == 0)
        rc = buf_printf(out, ",\"unit\":\"%s\",\"verdict\":\"%s\"}", r->unit,
                        audit_verdict_word(r->verdict));
    return rc;
}

static int put_ledger_json(struct buf *out, const struct audit_ledger *l)
{
    char hex[65], at[CLOCK_SECOND_LEN + 1];
    int rc;

    text_digest(hex, &l->root);
    rc = buf_printf(out, "{\"checkpoints\":%llu,", (unsigned long long)l->checkpoints);
    if (rc == 0)
        rc = put_string(out, "origin", l->origin);
    if (rc == 0)
        rc = buf_printf(out, ",\"root\":\"%s\",\"site\":\"%s\",\"size\":%llu", hex, l->site,
                        (unsigned long long)l->size);
    if (rc == 0 && l->witnessed != 0) {
        clock_second(at, l->witnessed);
        rc = buf_printf(out, ",\"witnessed\":\"%s\"", at);
    }
    return rc == 0 ? buf_putc(out, '}') : rc;
}

int audit_json(const struct audit *a, struct buf *out)
{
    int rc = buf_puts(out, "{\"claims\":[\n");

    for (size_t i = 0; i < CLAIMS && rc == 0; i++)
        if ((rc = put_claim(out, &a->result[i])) == 0)
            rc = buf_puts(out, i + 1 < CLAIMS ? ",\n" : "\n");
    if (rc == 0)
        rc = buf_puts(out, "],\"format\":\"audit/v1\",\"ledgers\":[\n");
    for (size_t i = 0; i < a->sites && rc == 0; i++) {
        struct audit_ledger l = audit_ledger(a, i);

        if ((rc = put_ledger_json(out, &l)) == 0)
            rc = buf_puts(out, i + 1 < a->sites ? ",\n" : "\n");
    }
    if (rc == 0)
        rc = buf_puts(out, "],\"warnings\":[");
    for (size_t i = 0; i < a->warnings && rc == 0; i++)
        rc = buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", a->warning[i]);
    return rc == 0 ? buf_puts(out, "]}\n") : rc;
}
