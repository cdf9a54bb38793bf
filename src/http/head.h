/* head.h - the gate: one request head, judged on the raw bytes (RFC 9112, strictly).
 * No allocation, no I/O.  What is accepted has exactly one reading; every shape on which two HTTP
 * implementations are known to differ is refused (docs/http-gate.md has the table). */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/defs.h"

#define HTTP_LINE_MAX 4096  /* request line without CRLF: 414 */
#define HTTP_HEAD_MAX 16384 /* whole head with the empty line: 431 */
#define HTTP_HEADERS_MAX 64 /* 431 */
#define HTTP_LENGTH_CHUNKED UINT64_MAX

enum http_method { HTTP_GET = 1, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE };
const char *http_method_name(enum http_method m);

struct http_field { /* spans into the raw bytes; name as the client wrote it */
    struct span name, value;
};

struct http_head {
    enum http_method method;
    int minor;          /* HTTP/1.<minor>: 0 or 1 */
    struct span target; /* raw, origin-form */
    /* Decoded path, NUL, then for each query pair: name, NUL, value, NUL.  No other NUL. */
    char text[HTTP_LINE_MAX + 8];
    size_t path_len, text_len;
    struct http_field fields[HTTP_HEADERS_MAX];
    size_t n_fields;
    uint64_t length; /* of the body; HTTP_LENGTH_CHUNKED */
    bool keep_alive; /* HTTP/1.1 without Connection: close */
    bool expect_continue;
};

struct http_refusal { /* static texts */
    int status;       /* 400, 405, 414, 417, 431, 501, 505 */
    const char *code; /* word of docs/openapi.yaml */
    const char *message;
    const char *cure;
};

/* Length of the head that raw starts with, with its empty line: >0.  0: not complete yet, and
 * nothing in it can be refused already; read more.  -EBADMSG: *why says so (malformed, or beyond a
 * limit). seen: bytes that an earlier call already looked at, 0 at first (so that dripping costs
 * nothing). */
MUST_CHECK long http_head_scan(struct span raw, size_t seen, const struct http_refusal **why);
/* Parses a whole head (what http_head_scan measured).  0 or -EBADMSG with *why. */
MUST_CHECK int http_head_parse(struct http_head *out, struct span head,
                               const struct http_refusal **why);
/* First field of that name (given in lower case); p is NULL if absent. */
struct span http_head_field(const struct http_head *h, const char *lower);

/* The decoded value of a query pair by its decoded name; p is NULL if absent. */
struct span http_head_query(const struct http_head *h, const char *name);

/* Percent-decodes a path: must start with '/', only characters of RFC 3986 pchar and '/'; refused:
 * %2F, %5C, encoded controls and NUL, bad hex, "." and ".." segments (also encoded), empty segments
 * ("//").  *n is the decoded length, out is NUL-terminated.  -EBADMSG, -E2BIG. */
MUST_CHECK int http_path_decode(struct span raw, char *out, size_t cap, size_t *n);

/* Chunked bodies (RFC 9112 section 7.1), strictly: no extensions, no trailer fields, CRLF only. */
struct http_chunked {
    uint64_t left; /* of the current chunk's data */
    int state;
    unsigned digits;
};
void http_chunked_init(struct http_chunked *c);
/* Looks at in; *used bytes are consumed and data is the body's part of them (a run inside in, may
 * be empty).  Returns 1 at the end of the body, 0 for more, -EBADMSG. Call until in is used up. */
MUST_CHECK int http_chunked_step(struct http_chunked *c, struct span in, size_t *used,
                                 struct span *data);

#endif
