/* client_trace.c - the history of one submission, and the orders its submitter can give, in words
 * or as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "capi/client_history.h"
#include "capi/client_priv.h"

/* ---- receipts -------------------------------------------------------------------------------- */

/* Appends one receipt; a site that has none is no failure. */
static int put_receipt(struct client *c, const struct client_subject *s, const char *of, bool json,
                       struct buf *out, struct err *e)
{
    struct client_receipt r;
    int rc = client_history_receipt(c, s, of, &r, e);

    if (rc == -ENOENT) {
        if (e != NULL)
            e->code = 0;
        rc = json ? buf_puts(out, "null") : 0;
    } else if (rc == 0 && json) {
        rc = client_receipt_json(&r, c->trust, out);
    } else if (rc == 0 && (rc = buf_printf(out, "\nReceipt (%s):\n", of)) == 0) {
        rc = client_receipt_text(&r, c->trust, out);
    }
    client_receipt_done(&r);
    return rc;
}

/* ---- trace ----------------------------------------------------------------------------------- */

static const char *state_word(const struct client_answer_state *s)
{
    return s->destroyed   ? "erased for good: the epoch's key is destroyed"
           : s->erased    ? "erased; final with the end of the epoch"
           : s->withdrawn ? "withdrawn"
           : s->scanned   ? "scanned"
           : s->final     ? "accepted, and witnessed"
                          : "accepted";
}

static int put_line(struct buf *out, const char *name, const char *value)
{
    int rc = 0;

    if (value[0] != '\0' && (rc = buf_printf(out, "  %-10s ", name)) == 0 &&
        (rc = text_plain(out, span_str(value))) == 0)
        rc = buf_putc(out, '\n');
    return rc;
}

static int put_lines(struct buf *out, const char *what, struct span names)
{
    struct cur c = cur_of(names);
    int rc = 0;

    while (rc == 0 && c.n > 0) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end == NULL ? c.n : (size_t)(end - c.p);

        if ((rc = buf_printf(out, "  %-10s ", what)) == 0 &&
            (rc = text_plain(out, span_of(c.p, n))) == 0)
            rc = buf_putc(out, '\n');
        n += end != NULL;
        c.p += n;
        c.n -= n;
    }
    return rc;
}

/* A verdict keeps so many names and counts all rules that hit. */
static int put_unnamed(struct buf *out, const struct client_answer_state *st)
{
    if (st->hits <= st->named)
        return 0;
    return buf_printf(out, "  %-10s and %" PRIu64 " more, counted but not named\n", "rule",
                      st->hits - st->named);
}

/* When other rules came: the verdict before, with its rules, and who has said the same since. */
static int put_since(struct buf *out, const struct client_answer_state *st)
{
    const struct client_before *b = &st->before;
    char line[120];
    int rc;

    if (b->verdict[0] != '\0') {
        (void)snprintf(line, sizeof(line), "%s, by %s", b->verdict, b->release);
        if ((rc = put_line(out, "before", line)) != 0 ||
            (rc = put_lines(out, "rule then", buf_span(&b->names))) != 0)
            return rc;
    }
    if (st->confirmed_by[0] == '\0')
        return 0;
    (void)snprintf(line, sizeof(line), "by %s, %s", st->confirmed_by, st->confirmed_at);
    return put_line(out, "confirmed", line);
}

int client_history_text(const struct client_subject *s, const struct client_answer_state *st,
                        const char went[CLIENT_MOVES_MAX][17], size_t moves, struct buf *out)
{
    char number[32];
    int rc;

    if ((rc = buf_printf(out, "Submission %s\n", s->hex)) != 0 ||
        (rc = put_line(out, "file", s->entry != NULL ? s->entry->path : "")) != 0 ||
        (rc = put_line(out, "state", state_word(st))) != 0 ||
        (rc = put_line(out, "country", st->country)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < moves; i++)
        rc = put_line(out, "moved from", went[i]);
    if (rc != 0 || (rc = put_line(out, "site", s->site->name)) != 0)
        return rc;
    if (!st->erased && (rc = put_line(out, "size", text_bytes(number, st->size))) != 0)
        return rc;
    if ((rc = put_line(out, "accepted", st->accepted_at)) != 0 ||
        (rc = put_line(out, "scanned", st->scanned_at)) != 0 ||
        (rc = put_line(out, "ended", st->ended_at)) != 0)
        return rc;
    if (st->has_epoch && (st->withdrawn || st->erased)) {
        (void)snprintf(number, sizeof(number), "%" PRIu64, st->final_epoch);
        if ((rc = put_line(out, "epoch", number)) != 0)
            return rc;
    }
    if (st->verdict[0] == '\0' && st->erased) /* what the site knew of the bytes died with them */
        return 0;
    if (st->verdict[0] == '\0')
        return buf_puts(out, "  verdict    none yet\n");
    if ((rc = put_line(out, "verdict", st->verdict)) != 0 ||
        (strcmp(st->mode, "detect") == 0 &&
         (rc = put_line(out, "mode", "detect: it blocks nothing")) != 0) ||
        (strcmp(st->reason, "none") != 0 && (rc = put_line(out, "because", st->reason)) != 0) ||
        (rc = put_line(out, "release", st->release)) != 0 ||
        (rc = put_lines(out, "rule", buf_span(&st->names))) != 0 ||
        (rc = put_unnamed(out, st)) != 0 || (rc = put_since(out, st)) != 0)
        return rc;
    return put_lines(out, "held", buf_span(&st->held));
}

int client_history_json(const struct client_subject *s, const struct client_answer_state *st,
                        struct buf *out)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"site", s->site->name},
                 {"country", st->country},
                 {"verdict", st->verdict},
                 {"reason", st->reason},
                 {"mode", st->mode},
                 {"release", st->release},
                 {"names", buf_str((struct buf *)(uintptr_t)&st->names)},
                 {"accepted_at", st->accepted_at},
                 {"scanned_at", st->scanned_at},
                 {"ended_at", st->ended_at},
                 {"path", s->entry != NULL ? s->entry->path : ""}};
    const struct {
        const char *name;
        bool is;
    } flags[] = {{"accepted", st->accepted},   {"final", st->final},    {"scanned", st->scanned},
                 {"withdrawn", st->withdrawn}, {"erased", st->erased},  {"moved", st->moved},
                 {"destroyed", st->destroyed}, {"renewed", st->renewed}};
    int rc = buf_printf(out, "{\"sub\":\"%s\",\"size\":%" PRIu64, s->hex, st->size);

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++) {
        const char *v = texts[i].value;

        if (v == NULL || v[0] == '\0' || !text_is_utf8(span_str(v)))
            continue;
        if ((rc = buf_printf(out, ",\"%s\":", texts[i].name)) == 0)
            rc = text_json_string(out, span_str(v));
    }
    if (rc == 0 && st->verdict[0] != '\0')
        rc = buf_printf(out, ",\"hits\":%" PRIu64, st->hits);
    if (rc == 0 && st->held_json != NULL)
        rc = buf_printf(out, ",\"held\":%s", st->held_json);
    if (rc == 0 && st->before_json != NULL)
        rc = buf_printf(out, ",\"before\":%s", st->before_json);
    if (rc == 0 && st->confirmed_json != NULL)
        rc = buf_printf(out, ",\"confirmed\":%s", st->confirmed_json);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(flags); i++)
        rc = buf_printf(out, ",\"%s\":%s", flags[i].name, flags[i].is ? "true" : "false");
    return rc;
}

int client_trace(struct client *c, const char *which, bool json, struct buf *out, struct err *e)
{
    static const char *const kinds[] = {"accepted", "scan", "erased"};
    struct client_answer_state st;
    char went[CLIENT_MOVES_MAX][17];
    struct client_subject s;
    size_t moves;
    int rc;

    if ((rc = client_subject_find(c, which, &s, e)) != 0)
        return rc;
    if ((rc = client_history_ask(c, &s, &st, went, &moves, e)) != 0)
        goto out;
    rc = json ? client_history_json(&s, &st, out) : client_history_text(&s, &st, went, moves, out);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(kinds); i++) {
        if (json && (rc = buf_printf(out, ",\"receipt_%s\":", kinds[i])) != 0)
            break;
        rc = put_receipt(c, &s, kinds[i], json, out, e);
    }
    if (rc == 0 && json)
        rc = buf_puts(out, "}\n");
    if (rc != 0 && e->code == 0)
        (void)err_sys(e, rc, "telling the history");
out:
    client_answer_state_done(&st);
    return rc;
}

/* ---- withdraw, erase ------------------------------------------------------------------------- */

static int put_order(const struct client_subject *s, const struct client_ordered *o,
                     const struct client_receipt *r, const struct client *c, bool json,
                     struct buf *out)
{
    int rc;

    if (json) {
        if ((rc = buf_printf(
                 out, "{\"sub\":\"%s\",\"state\":\"%s\",\"final_epoch\":%" PRIu64 ",\"final_by\":",
                 s->hex, o->state, o->final_epoch)) != 0 ||
            (rc = text_json_string(out, span_str(o->final_by))) != 0 ||
            (rc = buf_puts(out, ",\"receipt\":")) != 0 ||
            (rc = client_receipt_json(r, c->trust, out)) != 0)
            return rc;
        return buf_puts(out, "}\n");
    }
    rc = buf_printf(out,
                    "%s: %s.  Final when epoch %" PRIu64 " is destroyed, by %s.\n"
                    "Receipt kept: %s/%s.erased.tlog-proof\n\n",
                    s->hex, o->state, o->final_epoch, o->final_by, c->receipts, s->hex);
    return rc != 0 ? rc : client_receipt_text(r, c->trust, out);
}

int client_order(struct client *c, const char *which, enum client_order what, bool json,
                 struct buf *out, struct err *e)
{
    struct client_receipt r;
    struct client_ordered o;
    struct client_subject s;
    int rc;

    if ((rc = client_subject_find(c, which, &s, e)) != 0)
        return rc;
    rc = client_history_order(c, &s, what, &o, &r, e);
    if (rc == 0 && (rc = put_order(&s, &o, &r, c, json, out)) != 0)
        (void)err_sys(e, rc, "telling the answer");
    client_receipt_done(&r);
    client_ordered_done(&o);
    return rc;
}
