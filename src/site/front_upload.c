/* front_upload.c - bodies into the ring.
 *
 * A slot is the credit: an upload without one takes nothing from its client.  A slot is handed to
 * the keeper when it is full or the body ends.  When none is free, slots that slow clients have
 * held for long are handed over as they are, so that a few hundred slow clients cannot stop
 * everybody. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "site/front_priv.h"

#define ANSWER_MS 60000 /* from the body's end to the receipt */
#define HELD_MS 200     /* how long a slot may be filled while others wait */

static struct visit *visit_of(struct http_req *r)
{
    return http_context(r);
}

/* --- slots --- */

static void hand_over(struct front *f, struct visit *v)
{
    struct pm_put_data m = {v->slot, v->len};

    if (v->slot == FRONT_NO_SLOT)
        return;
    if (v->len > 0)
        front_send(f, FK_PUT_DATA, v->id, &m, sizeof(m));
    else if (ring_free_slot(f->ring, v->slot) != 0)
        log_error("a slot was lost");
    v->slot = FRONT_NO_SLOT;
    v->len = 0;
}

static void wait_for_slot(struct front *f, struct visit *v)
{
    if (v->waits)
        return;
    v->waits = true;
    v->wait = NULL;
    *f->wait_end = v;
    f->wait_end = &v->wait;
    f->starved++;
}

static void wait_no_more(struct front *f, struct visit *v)
{
    for (struct visit **at = &f->wait; *at != NULL; at = &(*at)->wait)
        if (*at == v) {
            *at = v->wait;
            if (*at == NULL)
                f->wait_end = at;
            break;
        }
    v->waits = false;
}

static void wake_one(struct front *f)
{
    struct visit *v = f->wait;
    struct http_req *r;

    if (v == NULL)
        return;
    wait_no_more(f, v);
    if ((r = http_find(f->server, v->id)) != NULL)
        http_resume(r);
}

void front_upload_freed(struct front *f, uint32_t slot)
{
    if (ring_free_slot(f->ring, slot) != 0) {
        f->failed = -EPROTO; /* it frees what it does not have */
        return;
    }
    wake_one(f);
}

void front_upload_pressure(struct front *f, mono_ms now)
{
    for (struct visit *v = f->uploads; f->wait != NULL && v != NULL; v = v->next)
        if (v->slot != FRONT_NO_SLOT && now - v->claimed >= HELD_MS) {
            bool empty = v->len == 0;

            hand_over(f, v);
            if (empty)
                wake_one(f);
        }
}

/* --- beginning --- */

/* X-Name: base64url without padding of 1 to 255 bytes of UTF-8. */
static int name_of(struct http_req *r, struct pm_put_begin *m)
{
    struct span s = http_header(r, "x-name");
    char text[TEXT_BASE64_LEN(PROTO_NAME_MAX) + 1];
    size_t n = 0;

    if (s.p == NULL)
        return 0;
    if (s.n == 0 || s.n > sizeof(text) - 1 || s.n % 4 == 1)
        return -EBADMSG;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '+' || s.p[i] == '/' || s.p[i] == '=')
            return -EBADMSG;
        text[i] = s.p[i] == '-' ? '+' : s.p[i] == '_' ? '/' : (char)s.p[i];
    }
    for (n = s.n; n % 4 != 0; n++)
        text[n] = '=';
    if (n >= sizeof(text) || text_unbase64(span_of(text, n), m->name, PROTO_NAME_MAX, &n) != 0 ||
        !text_is_utf8(span_of(m->name, n)))
        return -EBADMSG;
    m->name_len = (uint32_t)n;
    return 0;
}

static void begin(struct front *f, struct http_req *r, struct pm_put_begin *m)
{
    uint64_t length = http_length(r);
    struct visit *v;

    m->length = length == HTTP_LENGTH_CHUNKED ? UINT64_MAX : length;
    if ((v = front_visit(f, r)) == NULL)
        return;
    v->sub = m->sub;
    v->move = m->move != 0;
    v->upload = UPLOAD_ASKED;
    f->uploads_now++;
    f->uploads_total++;
    front_ask(f, r, FK_PUT_BEGIN, m, sizeof(*m), ANSWER_MS);
}

void front_upload_begin(struct http_req *r, void *arg)
{
    struct span ticket = http_header(r, "ticket");
    struct pm_put_begin m;

    memset(&m, 0, sizeof(m));
    if (text_unid(http_param(r, "sub"), &m.sub) != 0)
        front_answer_error(r, 404, "not_found", "a submission has 32 lower-case hex digits", 0,
                           "there is no such submission");
    else if (ticket.p == NULL)
        front_answer_error(r, 403, "ticket_missing",
                           "announce the submission with POST /v1/submissions first", 0,
                           "bytes are taken with a ticket only");
    else if (text_unid(ticket, &m.ticket) != 0)
        front_answer_error(r, 403, "ticket_unknown", "send the ticket as it was given", 0,
                           "the ticket is none of this site");
    else if (name_of(r, &m) != 0)
        front_answer_error(r, 400, "bad_request",
                           "send base64url without padding of at most 255 bytes of UTF-8", 0,
                           "the header X-Name is malformed");
    else
        begin(arg, r, &m);
}

void front_upload_object(struct http_req *r, void *arg)
{
    struct pm_put_begin m;

    memset(&m, 0, sizeof(m));
    m.move = 1;
    if (text_unid(http_param(r, "move"), &m.ticket) != 0 ||
        text_unid(http_param(r, "sub"), &m.sub) != 0)
        front_answer_error(r, 404, "not_found", "moves and submissions have 32 hex digits", 0,
                           "there is no such move");
    else
        begin(arg, r, &m);
}

/* --- the body --- */

void front_upload_go(struct front *f, struct http_req *r)
{
    struct visit *v = visit_of(r);

    if (v->upload == UPLOAD_ENDED)
        return; /* an empty body ends before the keeper has spoken */
    if (v->upload != UPLOAD_ASKED) {
        f->failed = -EPROTO;
        return;
    }
    v->upload = UPLOAD_FLOWS;
    v->next = f->uploads;
    f->uploads = v;
    http_resume(r);
}

size_t front_upload_room(struct http_req *r, uint8_t **into, void *arg)
{
    struct front *f = arg;
    struct visit *v = visit_of(r);

    if (v->upload != UPLOAD_FLOWS)
        return 0;
    if (v->slot == FRONT_NO_SLOT) {
        if (ring_claim(f->ring, &v->slot) != 0) {
            v->slot = FRONT_NO_SLOT;
            wait_for_slot(f, v);
            return 0;
        }
        if (v->waits)
            wait_no_more(f, v);
        v->len = 0;
        v->claimed = clock_mono();
    }
    *into = (uint8_t *)ring_slot(f->ring, v->slot) + v->len;
    return PROTO_SLOT_BYTES - v->len;
}

void front_upload_body(struct http_req *r, struct span chunk, void *arg)
{
    struct visit *v = visit_of(r);

    v->len += (uint32_t)chunk.n;
    if (v->len == PROTO_SLOT_BYTES)
        hand_over(arg, v);
}

void front_upload_end(struct http_req *r, void *arg)
{
    struct front *f = arg;
    struct visit *v = visit_of(r);

    hand_over(f, v);
    v->upload = UPLOAD_ENDED;
    front_send(f, FK_PUT_END, v->id, NULL, 0);
    http_deadline(r, ANSWER_MS);
}

void front_upload_gone(struct http_req *r, void *arg)
{
    struct front *f = arg;
    struct visit *v = visit_of(r);

    if (v->waits)
        wait_no_more(f, v);
    for (struct visit **at = &f->uploads; *at != NULL; at = &(*at)->next)
        if (*at == v) {
            *at = v->next;
            break;
        }
    if (v->slot != FRONT_NO_SLOT) {
        v->len = 0; /* what it holds is for nobody */
        hand_over(f, v);
        wake_one(f);
    }
    if (v->upload == UPLOAD_ASKED || v->upload == UPLOAD_FLOWS) {
        front_send(f, FK_PUT_ABORT, v->id, NULL, 0);
        f->aborted++;
    }
    f->uploads_now--;
}
