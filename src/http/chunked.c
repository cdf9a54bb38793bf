/* chunked.c - RFC 9112 section 7.1 without what nobody needs: extensions and trailer fields.  Both
 * are places where implementations differ. */
#include "http/head.h"

#include <errno.h>

#define SIZE_DIGITS 15 /* 16^15 - 1 < 2^60 */

enum { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, LAST_CR, LAST_LF, DONE };

void http_chunked_init(struct http_chunked *c)
{
    c->left = 0;
    c->state = SIZE;
    c->digits = 0;
}

static int hex(uint8_t b)
{
    if (b >= '0' && b <= '9')
        return b - '0';
    if (b >= 'a' && b <= 'f')
        return b - 'a' + 10;
    return b >= 'A' && b <= 'F' ? b - 'A' + 10 : -1;
}

static int size_byte(struct http_chunked *c, uint8_t b)
{
    int v = hex(b);

    if (v >= 0 && c->digits < SIZE_DIGITS) {
        c->left = c->left << 4 | (uint64_t)v;
        c->digits++;
        return SIZE;
    }
    return b == '\r' && c->digits > 0 ? SIZE_LF : -EBADMSG;
}

static int expect(uint8_t b, uint8_t want, int next)
{
    return b == want ? next : -EBADMSG;
}

/* One byte of framing: the next state or -EBADMSG. */
static int frame_byte(struct http_chunked *c, uint8_t b)
{
    switch (c->state) {
    case SIZE:
        return size_byte(c, b);
    case SIZE_LF:
        return expect(b, '\n', c->left == 0 ? LAST_CR : DATA);
    case DATA_CR:
        return expect(b, '\r', DATA_LF);
    case DATA_LF:
        c->digits = 0;
        return expect(b, '\n', SIZE);
    case LAST_CR:
        return expect(b, '\r', LAST_LF);
    case LAST_LF:
        return expect(b, '\n', DONE);
    default:
        return -EBADMSG;
    }
}

int http_chunked_step(struct http_chunked *c, struct span in, size_t *used, struct span *data)
{
    size_t i = 0;

    data->p = in.p;
    data->n = 0;
    while (i < in.n && c->state != DATA && c->state != DONE) {
        int next = frame_byte(c, in.p[i]);

        if (next < 0)
            return next;
        c->state = next;
        i++;
    }
    if (c->state == DATA && i < in.n) {
        data->p = in.p + i;
        data->n = in.n - i < c->left ? in.n - i : (size_t)c->left;
        c->left -= data->n;
        i += data->n;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    *used = i;
    return c->state == DONE ? 1 : 0;
}
