/* glarus_trace.c - what became of a submission, and the orders to end it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "capi/capi_priv.h"
#include "capi/client_history.h"
#include "capi/client_priv.h"

#define OUT_MAX ((size_t)8 << 20)

struct glarus_history {
    struct client_answer_state st; /* its texts are what getters lend */
    char sub[33], site[17];
    char *text, *json;
    struct {
        glarus_verdict v;
        char *names;       /* cut at their line feeds */
        const char **name; /* ends with NULL */
    } verdict[2];          /* the newest, if st has one, and the one before */
    size_t verdicts;
};

/* ---- making ---------------------------------------------------------------------------------- */

static int take_names(glarus_history *h, const struct buf *names, uint64_t named)
{
    size_t n = 0;
    char *at;
    const char **name;

    if ((h->verdict[h->verdicts].names = at = capi_text(names)) == NULL ||
        (h->verdict[h->verdicts].name = name = calloc((size_t)named + 1, sizeof(*name))) == NULL)
        return -ENOMEM;
    for (; n < named; at += strlen(at) + 1) {
        char *end = strchr(at, '\n');

        name[n++] = at;
        if (end == NULL)
            break;
        *end = '\0';
    }
    return 0;
}

static int take_verdicts(glarus_history *h)
{
    const struct client_answer_state *st = &h->st;
    const struct client_before *b = &st->before;
    int rc;

    if (st->verdict[0] == '\0')
        return 0;
    if ((rc = take_names(h, &st->names, st->named)) != 0)
        return rc;
    h->verdict[h->verdicts++].v = (glarus_verdict){.verdict = st->verdict,
                                                   .reason = st->reason,
                                                   .release = st->release,
                                                   .time = st->scanned_at,
                                                   .hits = st->hits,
                                                   .names = h->verdict[0].name,
                                                   .mode = st->mode};
    if (b->verdict[0] == '\0')
        return 0;
    if ((rc = take_names(h, &b->names, b->named)) != 0)
        return rc;
    h->verdict[h->verdicts++].v = (glarus_verdict){.verdict = b->verdict,
                                                   .reason = b->reason,
                                                   .release = b->release,
                                                   .time = b->at,
                                                   .hits = b->hits,
                                                   .names = h->verdict[1].name,
                                                   .mode = b->mode};
    return 0;
}

static int render(glarus_history *h, const struct client_subject *s,
                  const char went[CLIENT_MOVES_MAX][17], size_t moves)
{
    struct buf out;
    int rc;

    buf_init(&out, OUT_MAX);
    if ((rc = client_history_text(s, &h->st, went, moves, &out)) == 0 &&
        (h->text = capi_text(&out)) == NULL)
        rc = -ENOMEM;
    buf_reset(&out);
    if (rc == 0 && (rc = client_history_json(s, &h->st, &out)) == 0 &&
        (rc = buf_putc(&out, '}')) == 0 && (h->json = capi_text(&out)) == NULL)
        rc = -ENOMEM;
    buf_free(&out);
    return rc;
}

static int trace(struct client *c, const char *which, glarus_history *h, struct err *e)
{
    char went[CLIENT_MOVES_MAX][17];
    struct client_subject s;
    size_t moves;
    int rc;

    if ((rc = client_subject_find(c, which, &s, e)) != 0 ||
        (rc = client_history_ask(c, &s, &h->st, went, &moves, e)) != 0)
        return rc;
    memcpy(h->sub, s.hex, sizeof(h->sub));
    memcpy(h->site, s.site->name, sizeof(h->site));
    if ((rc = take_verdicts(h)) != 0 || (rc = render(h, &s, went, moves)) != 0)
        return err_sys(e, rc, "telling the history");
    return 0;
}

int glarus_trace(glarus_client *client, const char *which, glarus_history **out,
                 glarus_error *error)
{
    struct err e = ERR_INIT;
    int code, rc;

    if (out == NULL)
        return capi_wrong(error, "glarus_trace: out is NULL");
    *out = NULL;
    if (which == NULL)
        return capi_wrong(error, "glarus_trace: which is NULL");
    if ((code = capi_enter(client, "glarus_trace", error)) != GLARUS_OK)
        return code;
    rc = (*out = calloc(1, sizeof(**out))) == NULL ? -ENOMEM : trace(client->c, which, *out, &e);
    capi_leave(client);
    if (rc == 0)
        return GLARUS_OK;
    glarus_history_free(*out);
    *out = NULL;
    return capi_fail(error, rc, &e);
}

void glarus_history_free(glarus_history *history)
{
    if (history == NULL)
        return;
    client_answer_state_done(&history->st);
    free(history->text);
    free(history->json);
    for (size_t i = 0; i < sizeof(history->verdict) / sizeof(history->verdict[0]); i++) {
        free(history->verdict[i].names);
        free(history->verdict[i].name);
    }
    free(history);
}

/* ---- reading --------------------------------------------------------------------------------- */

unsigned glarus_history_states(const glarus_history *history)
{
    const struct client_answer_state *st;

    if (history == NULL)
        return 0;
    st = &history->st;
    return (st->accepted ? GLARUS_IS_ACCEPTED : 0U) | (st->final ? GLARUS_IS_FINAL : 0U) |
           (st->scanned ? GLARUS_IS_SCANNED : 0U) | (st->withdrawn ? GLARUS_IS_WITHDRAWN : 0U) |
           (st->erased ? GLARUS_IS_ERASED : 0U) | (st->moved ? GLARUS_IS_MOVED : 0U) |
           (st->destroyed ? GLARUS_IS_DESTROYED : 0U) | (st->renewed ? GLARUS_IS_RENEWED : 0U);
}

const char *glarus_history_sub(const glarus_history *history)
{
    return history != NULL ? history->sub : "";
}

const char *glarus_history_site(const glarus_history *history)
{
    return history != NULL ? history->site : "";
}

const char *glarus_history_country(const glarus_history *history)
{
    return history != NULL ? history->st.country : "";
}

uint64_t glarus_history_size(const glarus_history *history)
{
    return history != NULL ? history->st.size : 0;
}

const char *glarus_history_accepted(const glarus_history *history)
{
    return history != NULL ? history->st.accepted_at : "";
}

const char *glarus_history_ended(const glarus_history *history)
{
    return history != NULL ? history->st.ended_at : "";
}

size_t glarus_history_verdicts(const glarus_history *history)
{
    return history != NULL ? history->verdicts : 0;
}

const glarus_verdict *glarus_history_verdict(const glarus_history *history, size_t i)
{
    return i < glarus_history_verdicts(history) ? &history->verdict[i].v : NULL;
}

const char *glarus_history_text(const glarus_history *history)
{
    return history != NULL ? history->text : "";
}

const char *glarus_history_json(const glarus_history *history)
{
    return history != NULL ? history->json : "";
}

/* ---- taking it back -------------------------------------------------------------------------- */

_Static_assert(sizeof(((struct client_ordered *)NULL)->final_by) <= GLARUS_TIME_SIZE,
               "a caller's buffer has room for it");

static int order(glarus_client *client, const char *which, enum client_order what,
                 const char *function, char *final_by, glarus_receipt **out, glarus_error *error)
{
    struct client_receipt r = {.site = NULL};
    struct client_ordered o;
    struct client_subject s;
    struct err e = ERR_INIT;
    int code, rc;

    if (out == NULL)
        return capi_wrong(error, "%s: out is NULL", function);
    *out = NULL;
    if (which == NULL)
        return capi_wrong(error, "%s: which is NULL", function);
    if ((code = capi_enter(client, function, error)) != GLARUS_OK)
        return code;
    memset(&o, 0, sizeof(o));
    if ((rc = client_subject_find(client->c, which, &s, &e)) == 0 &&
        (rc = client_history_order(client->c, &s, what, &o, &r, &e)) == 0 &&
        (rc = capi_receipt(out, &r, client->c->trust, &e)) == 0 && final_by != NULL)
        memcpy(final_by, o.final_by, sizeof(o.final_by));
    client_receipt_done(&r);
    client_ordered_done(&o);
    capi_leave(client);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, &e);
}

int glarus_withdraw(glarus_client *client, const char *which, char final_by[GLARUS_TIME_SIZE],
                    glarus_receipt **out, glarus_error *error)
{
    return order(client, which, CLIENT_WITHDRAW, "glarus_withdraw", final_by, out, error);
}

int glarus_erase(glarus_client *client, const char *which, char final_by[GLARUS_TIME_SIZE],
                 glarus_receipt **out, glarus_error *error)
{
    return order(client, which, CLIENT_ERASE, "glarus_erase", final_by, out, error);
}
