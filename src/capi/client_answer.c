/* client_answer.c - the JSON that sites answer with.  Unknown members are not refused: a site may
 * be newer than its client; what is used is checked. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "capi/client_priv.h"

/* NULL: it is none, or there was no memory for it: then *rc is not touched, or -ENOMEM where
 * jansson lets that be known. */
static json_t *object(struct span s, int *rc)
{
    json_error_t why;
    json_t *j;

    memset(&why, 0, sizeof(why));
    j = json_loadb((const char *)s.p, s.n, JSON_REJECT_DUPLICATES, &why);
    if (j == NULL && (json_error_code(&why) == json_error_unknown ||
                      json_error_code(&why) == json_error_out_of_memory))
        *rc = -ENOMEM;
    if (j != NULL && !json_is_object(j)) {
        json_decref(j);
        j = NULL;
    }
    return j;
}

static int nonsense(struct err *e, int rc, const char *what)
{
    return rc == -ENOMEM ? err_sys(e, rc, "reading the site's answer")
                         : err_set(e, -EPROTO, "the site's answer makes no sense: %s", what);
}

/* A text member of at most cap - 1 bytes without control characters. */
static int text(const json_t *o, const char *name, char *out, size_t cap)
{
    const json_t *v = json_object_get(o, name);
    size_t n = json_string_length(v), len;
    struct span rest;
    uint32_t code;

    out[0] = '\0';
    if (!json_is_string(v) || n >= cap)
        return -EPROTO;
    for (rest = span_of(json_string_value(v), n); rest.n > 0;
         rest = span_of(rest.p + len, rest.n - len))
        if ((len = text_utf8_next(rest, &code)) == 0 || text_is_control(code))
            return -EPROTO;
    memcpy(out, json_string_value(v), n + 1);
    return 0;
}

static int number(const json_t *o, const char *name, uint64_t *out)
{
    const json_t *v = json_object_get(o, name);

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return -EPROTO;
    *out = (uint64_t)json_integer_value(v);
    return 0;
}

int client_answer_ticket(struct client_ticket *out, struct span json, struct err *e)
{
    int rc = 0;
    json_t *o = object(json, &rc);
    struct id128 id;

    if (o == NULL || text(o, "ticket", out->ticket, sizeof(out->ticket)) != 0 ||
        text_unid(span_str(out->ticket), &id) != 0 || number(o, "max_bytes", &out->max_bytes) != 0)
        rc = nonsense(e, rc, "no ticket");
    json_decref(o);
    return rc;
}

int client_answer_error(struct client_error *out, int status, struct span json)
{
    int rc = 0;
    json_t *o = object(json, &rc);
    const json_t *detail = json_object_get(o, "error");

    memset(out, 0, sizeof(*out));
    (void)text(detail, "code", out->code, sizeof(out->code));
    if (text(detail, "message", out->message, sizeof(out->message)) != 0)
        (void)snprintf(out->message, sizeof(out->message), "the site answered %d", status);
    (void)text(detail, "cure", out->cure, sizeof(out->cure));
    (void)text(o, "site", out->site, sizeof(out->site));
    (void)text(o, "url", out->url, sizeof(out->url));
    json_decref(o);
    return rc;
}

static int take_states(struct client_answer_state *a, const json_t *list)
{
    const struct {
        const char *word;
        bool *flag;
    } known[] = {{"accepted", &a->accepted},   {"final", &a->final},    {"scanned", &a->scanned},
                 {"withdrawn", &a->withdrawn}, {"erased", &a->erased},  {"moved", &a->moved},
                 {"destroyed", &a->destroyed}, {"renewed", &a->renewed}};
    const json_t *v;
    size_t i;

    if (!json_is_array(list))
        return -EPROTO;
    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v))
            return -EPROTO;
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            if (strcmp(known[k].word, json_string_value(v)) == 0)
                *known[k].flag = true;
    }
    return 0;
}

#define HELD_SHOWN 24 /* lines; the rest is in the JSON */
#define HELD_DEPTH 64

struct held_one {
    uint64_t number, parent;
    const char *name, *verdict, *reason;
};

static int held_one(const json_t *m, struct held_one *out)
{
    out->name = json_string_value(json_object_get(m, "name"));
    out->verdict = json_string_value(json_object_get(m, "verdict"));
    out->reason = json_string_value(json_object_get(m, "reason"));
    if (out->name == NULL || out->verdict == NULL || out->reason == NULL)
        return -EPROTO;
    return number(m, "number", &out->number) != 0 || number(m, "parent", &out->parent) != 0
               ? -EPROTO
               : 0;
}

/* The names from the file down to a member, which stands behind those it lies in. */
static int put_chain(struct buf *b, const json_t *list, size_t at, unsigned depth)
{
    struct held_one m, above;
    int rc = held_one(json_array_get(list, at), &m);

    if (rc != 0 || depth > HELD_DEPTH)
        return -EPROTO;
    for (size_t i = at; m.parent != 0 && i > 0; i--) {
        if ((rc = held_one(json_array_get(list, i - 1), &above)) != 0)
            return rc;
        if (above.number == m.parent) {
            if ((rc = put_chain(b, list, i - 1, depth + 1)) != 0 || (rc = buf_puts(b, " / ")) != 0)
                return rc;
            break;
        }
    }
    return text_plain(b, span_str(m.name[0] != '\0' ? m.name : "(no name)"));
}

/* First what is bad, then what is unknown, then the rest. */
static int take_held(struct client_answer_state *a, const json_t *held)
{
    static const char *const order[] = {"malicious", "incomplete", "clean"};
    const json_t *list = json_object_get(held, "listed");
    uint64_t members;
    size_t shown = 0;
    int rc = 0;

    if (held == NULL)
        return 0;
    if (number(held, "members", &members) != 0 || !json_is_array(list))
        return -EPROTO;
    for (size_t k = 0; k < ARRAY_LEN(order); k++)
        for (size_t i = 0; i < json_array_size(list) && shown < HELD_SHOWN && rc == 0; i++) {
            struct held_one m;

            if ((rc = held_one(json_array_get(list, i), &m)) != 0 ||
                strcmp(m.verdict, order[k]) != 0)
                continue;
            if ((rc = put_chain(&a->held, list, i, 0)) == 0)
                rc = strcmp(m.reason, "none") == 0
                         ? buf_printf(&a->held, ": %s\n", m.verdict)
                         : buf_printf(&a->held, ": %s, %.16s\n", m.verdict, m.reason);
            shown++;
        }
    if (rc == 0 && shown < members)
        rc = buf_printf(&a->held, "and %llu more\n", (unsigned long long)(members - shown));
    a->held_json = json_dumps(held, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    return rc == 0 && a->held_json == NULL ? -ENOMEM : rc;
}

static int own_words(const json_t *v, char **out)
{
    *out = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    return *out == NULL ? -ENOMEM : 0;
}

/* A verdict's names, as a terminal may show them. */
static int take_names(const json_t *list, struct buf *out, uint64_t *named)
{
    const json_t *n;
    size_t i;
    int rc = 0;

    if (!json_is_array(list))
        return -EPROTO;
    json_array_foreach(list, i, n)
    {
        if (rc == 0 && json_is_string(n) && (i == 0 || (rc = buf_putc(out, '\n')) == 0))
            rc = text_plain(out, span_str(json_string_value(n)));
    }
    *named = json_array_size(list);
    return rc;
}

static bool is_verdict(const char *word)
{
    static const char *const words[] = {"malicious", "clean", "incomplete"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static int take_before(struct client_answer_state *a, const json_t *v)
{
    struct client_before *b = &a->before;
    int rc;

    if (text(v, "verdict", b->verdict, sizeof(b->verdict)) != 0 || !is_verdict(b->verdict) ||
        text(v, "reason", b->reason, sizeof(b->reason)) != 0 ||
        text(v, "release", b->release, sizeof(b->release)) != 0 || number(v, "hits", &b->hits) != 0)
        return -EPROTO;
    (void)text(v, "time", b->at, sizeof(b->at));
    (void)text(v, "mode", b->mode, sizeof(b->mode));
    rc = take_names(json_object_get(v, "names"), &b->names, &b->named);
    return rc != 0 ? rc : own_words(v, &a->before_json);
}

/* What became of the verdict when other rules came; nothing of it need be there. */
static int take_since(struct client_answer_state *a, const json_t *v)
{
    const json_t *before = json_object_get(v, "before"), *since = json_object_get(v, "confirmed");
    int rc = before == NULL ? 0 : take_before(a, before);

    if (rc != 0 || since == NULL)
        return rc;
    if (text(since, "release", a->confirmed_by, sizeof(a->confirmed_by)) != 0 ||
        text(since, "time", a->confirmed_at, sizeof(a->confirmed_at)) != 0)
        return -EPROTO;
    return own_words(since, &a->confirmed_json);
}

static int take_verdict(struct client_answer_state *a, const json_t *v)
{
    int rc;

    if (json_is_null(v))
        return 0;
    if (text(v, "verdict", a->verdict, sizeof(a->verdict)) != 0 || !is_verdict(a->verdict) ||
        text(v, "reason", a->reason, sizeof(a->reason)) != 0 ||
        text(v, "release", a->release, sizeof(a->release)) != 0 || number(v, "hits", &a->hits) != 0)
        return -EPROTO;
    (void)text(v, "time", a->scanned_at, sizeof(a->scanned_at));
    (void)text(v, "mode", a->mode, sizeof(a->mode));
    if ((rc = take_names(json_object_get(v, "names"), &a->names, &a->named)) != 0 ||
        (rc = take_held(a, json_object_get(v, "held"))) != 0)
        return rc;
    return take_since(a, v);
}

int client_answer_submission(struct client_answer_state *a, const struct id128 *sub,
                             struct span json, struct err *e)
{
    int rc = 0;
    json_t *o = object(json, &rc);
    char got[33], wanted[33];

    memset(a, 0, sizeof(*a));
    buf_init(&a->names, 1 << 20);
    buf_init(&a->held, 1 << 20);
    buf_init(&a->before.names, 1 << 20);
    text_id(wanted, sub);
    if (o == NULL || text(o, "sub", got, sizeof(got)) != 0 || strcmp(got, wanted) != 0)
        rc = nonsense(e, rc, "not about this submission");
    else if (take_states(a, json_object_get(o, "states")) != 0 ||
             number(o, "seen", &a->seen) != 0 || number(o, "size", &a->size) != 0)
        rc = nonsense(e, -EPROTO, "no states");
    else if ((rc = take_verdict(a, json_object_get(o, "verdict"))) != 0)
        rc = nonsense(e, rc, "the verdict");
    else if (text(o, "country", a->country, sizeof(a->country)) != 0 ||
             text(o, "site", a->site, sizeof(a->site)) != 0 ||
             text(o, "url", a->url, sizeof(a->url)) != 0)
        rc = nonsense(e, -EPROTO, "country or site");
    (void)text(o, "accepted", a->accepted_at, sizeof(a->accepted_at));
    (void)text(o, "ended", a->ended_at, sizeof(a->ended_at));
    a->has_epoch = number(o, "final_epoch", &a->final_epoch) == 0;
    json_decref(o);
    return rc;
}

void client_answer_state_done(struct client_answer_state *a)
{
    buf_free(&a->names);
    buf_free(&a->held);
    buf_free(&a->before.names);
    free(a->held_json);
    free(a->before_json);
    free(a->confirmed_json);
    a->held_json = a->before_json = a->confirmed_json = NULL;
}

int client_answer_ordered(struct client_ordered *out, struct span json, struct err *e)
{
    int rc = 0;
    json_t *o = object(json, &rc);
    const json_t *receipt = json_object_get(o, "receipt");

    memset(out, 0, sizeof(*out));
    buf_init(&out->receipt, TLOG_PROOF_MAX);
    if (o == NULL || text(o, "state", out->state, sizeof(out->state)) != 0 ||
        number(o, "final_epoch", &out->final_epoch) != 0 ||
        text(o, "final_by", out->final_by, sizeof(out->final_by)) != 0 || !json_is_string(receipt))
        rc = nonsense(e, rc, "not the answer to an order");
    else if ((rc = buf_put(&out->receipt, json_string_value(receipt),
                           json_string_length(receipt))) != 0)
        (void)nonsense(e, rc, "the receipt is too large");
    json_decref(o);
    return rc;
}

void client_ordered_done(struct client_ordered *o)
{
    buf_free(&o->receipt);
}
