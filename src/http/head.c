/* head.c - see head.h.  Three passes over at most 16 KiB: scan finds the end and refuses stray
 * control bytes while they drip in, parse splits lines, then the few fields that frame a message
 * are judged. */
#include "http/head.h"

#include <errno.h>
#include <string.h>

#define LENGTH_DIGITS 18 /* 10^18 - 1 < 2^63 */
#define QUERY_PAIRS 16

static const struct http_refusal control = {
    400, "bad_head", "the request head has a control byte or a line that does not end in CRLF",
    "end each line with CR LF and send no NUL, bare CR or bare LF"};
static const struct http_refusal request_line = {
    400, "bad_request_line", "the request line is not METHOD SP TARGET SP HTTP/1.1",
    "use exactly one space between the three parts"};
static const struct http_refusal target_form = {
    400, "bad_target", "the request target is not a path that starts with /",
    "send origin-form (GET /v1/policy), not a whole URL, not *"};
static const struct http_refusal bad_path = {
    400, "bad_path", "the path has a character, escape or segment that is not allowed",
    "no //, no . or .. segments, no %2F, %5C or encoded control bytes"};
static const struct http_refusal bad_query = {
    400, "bad_query", "the query is not name=value pairs joined by &",
    "percent-encode names and values; each name once, at most 16"};
static const struct http_refusal version = {
    505, "bad_version", "only HTTP/1.1 and 1.0 are spoken here", "send HTTP/1.1"};
static const struct http_refusal method = {501, "unknown_method",
                                           "the method is none of GET, HEAD, POST, PUT, DELETE",
                                           "see openapi.yaml for the methods of each path"};
static const struct http_refusal long_line = {
    414, "target_too_long", "the request line is longer than 4096 bytes", "shorten path and query"};
static const struct http_refusal long_head = {
    431, "head_too_large", "the request head is larger than 16384 bytes or has more than 64 fields",
    "send fewer or shorter header fields"};
static const struct http_refusal field_line = {
    400, "bad_field", "a header line is not NAME: VALUE with a token as its name",
    "no space before the colon, no folded lines, no control bytes"};
static const struct http_refusal field_twice = {
    400, "field_twice", "a header field that may stand once stands twice", "send it once"};
static const struct http_refusal bad_host = {
    400, "bad_host", "the Host field is missing or is not a host with an optional port",
    "send exactly one Host field"};
static const struct http_refusal bad_length = {
    400, "bad_length", "Content-Length is not one decimal number without sign or leading zero",
    "send one number of at most 18 digits"};
static const struct http_refusal bad_coding = {
    400, "bad_transfer_encoding",
    "Transfer-Encoding is not exactly \"chunked\", alone, in HTTP/1.1",
    "send either Content-Length or Transfer-Encoding: chunked"};
static const struct http_refusal expectation = {
    417, "bad_expectation", "Expect is something other than 100-continue", "leave Expect out"};

static int refuse(const struct http_refusal **why, const struct http_refusal *r)
{
    *why = r;
    return -EBADMSG;
}

/* --- characters
 * ----------------------------------------------------------------------------------*/

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool one_of(unsigned char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_token_char(unsigned char c) /* RFC 9110 section 5.6.2 */
{
    return is_alnum(c) || one_of(c, "!#$%&'*+-.^_`|~");
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char(s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_pchar(unsigned char c) /* RFC 3986 section 3.3, without the escape */
{
    return is_alnum(c) || one_of(c, "-._~!$&'()*+,;=:@");
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* word is in lower case */
static bool same_word(struct span s, const char *word)
{
    size_t i;

    for (i = 0; i < s.n && word[i] != '\0'; i++)
        if (lower(s.p[i]) != (unsigned char)word[i])
            return false;
    return i == s.n && word[i] == '\0';
}

static struct span part(struct span s, size_t from, size_t to)
{
    struct span out = {s.p + from, to - from};

    return out;
}

static struct span trim(struct span s) /* OWS */
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static int unhex(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at s.p[i], or -1. */
static int escape(struct span s, size_t i)
{
    int hi, lo;

    if (s.n - i < 3 || (hi = unhex(s.p[i + 1])) < 0 || (lo = unhex(s.p[i + 2])) < 0)
        return -1;
    return hi << 4 | lo;
}

/* --- path and query
 * ------------------------------------------------------------------------------*/

/* The segment that ends at out[n] must not be empty (unless last), "." or "..". */
static bool segment_ok(const char *out, size_t start, size_t n, bool last)
{
    size_t len = n - start;

    if (len == 0)
        return last;
    return !(out[start] == '.' && (len == 1 || (len == 2 && out[start + 1] == '.')));
}

int http_path_decode(struct span raw, char *out, size_t cap, size_t *n)
{
    size_t o = 0, start = 1;

    if (raw.n == 0 || raw.p[0] != '/')
        return -EBADMSG;
    for (size_t i = 0; i < raw.n; i++) {
        int c = raw.p[i];

        if (o + 1 >= cap)
            return -E2BIG;
        if (c == '/' && i > 0) {
            if (!segment_ok(out, start, o, false))
                return -EBADMSG;
            start = o + 1;
        } else if (c == '%') {
            c = escape(raw, i);
            if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
                return -EBADMSG;
            i += 2;
        } else if (c != '/' && !is_pchar((unsigned char)c)) {
            return -EBADMSG;
        }
        out[o++] = (char)c;
    }
    if (!segment_ok(out, start, o, true))
        return -EBADMSG;
    out[o] = '\0';
    *n = o;
    return 0;
}

static int query_decode(struct span raw, char *out, size_t *o)
{
    for (size_t i = 0; i < raw.n; i++) {
        int c = raw.p[i];

        if (c == '%') {
            c = escape(raw, i);
            if (c < 0x20 || c == 0x7f)
                return -EBADMSG;
            i += 2;
        } else if (!is_pchar((unsigned char)c) && c != '/' && c != '?') {
            return -EBADMSG;
        }
        out[(*o)++] = (char)c;
    }
    out[(*o)++] = '\0';
    return 0;
}

struct span http_head_query(const struct http_head *h, const char *name)
{
    struct span none = {NULL, 0};

    for (size_t i = h->path_len + 1; i < h->text_len;) {
        const char *key = h->text + i, *value = key + strlen(key) + 1;

        if (strcmp(key, name) == 0)
            return (struct span){(const uint8_t *)value, strlen(value)};
        i = (size_t)(value - h->text) + strlen(value) + 1;
    }
    return none;
}

/* Decoded text never grows: name, '=', value, '&' become name, NUL, value, NUL; with a missing '='
 * or
 * '&' refused or at the end, two spare bytes are enough. */
static int parse_query(struct http_head *h, struct span raw)
{
    size_t pairs = 0;

    for (size_t i = 0; i < raw.n;) {
        struct span rest = part(raw, i, raw.n), pair, key;
        const uint8_t *amp = memchr(rest.p, '&', rest.n), *eq;
        size_t mark = h->text_len, o = mark;

        pair = part(rest, 0, amp != NULL ? (size_t)(amp - rest.p) : rest.n);
        eq = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;
        if (eq == NULL || eq == pair.p || ++pairs > QUERY_PAIRS)
            return -EBADMSG;
        key = part(pair, 0, (size_t)(eq - pair.p));
        if (query_decode(key, h->text, &o) != 0)
            return -EBADMSG;
        if (http_head_query(h, h->text + mark).p != NULL) /* text_len still ends before this one */
            return -EBADMSG;
        if (query_decode(part(pair, key.n + 1, pair.n), h->text, &o) != 0)
            return -EBADMSG;
        h->text_len = o;
        i += pair.n + 1;
        if (amp != NULL && i == raw.n) /* a trailing '&' */
            return -EBADMSG;
    }
    return 0;
}

static int parse_target(struct http_head *h, struct span t, const struct http_refusal **why)
{
    const uint8_t *mark;
    size_t path_len;

    if (t.n == 0 || t.p[0] != '/')
        return refuse(why, &target_form);
    h->target = t;
    mark = memchr(t.p, '?', t.n);
    path_len = mark != NULL ? (size_t)(mark - t.p) : t.n;
    if (http_path_decode(part(t, 0, path_len), h->text, HTTP_LINE_MAX, &h->path_len) != 0)
        return refuse(why, &bad_path);
    h->text_len = h->path_len + 1;
    if (mark != NULL && parse_query(h, part(t, path_len + 1, t.n)) != 0)
        return refuse(why, &bad_query);
    return 0;
}

/* --- the request line
 * ----------------------------------------------------------------------------*/

static const char *const methods[] = {
    [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE",
};

const char *http_method_name(enum http_method m)
{
    return methods[m];
}

static int parse_method(struct http_head *h, struct span s, const struct http_refusal **why)
{
    if (!is_token(s))
        return refuse(why, &request_line);
    for (size_t m = HTTP_GET; m < ARRAY_LEN(methods); m++) {
        if (strlen(methods[m]) == s.n && memcmp(methods[m], s.p, s.n) == 0) {
            h->method = (enum http_method)m;
            return 0;
        }
    }
    return refuse(why, &method);
}

static int parse_version(struct http_head *h, struct span s, const struct http_refusal **why)
{
    if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[6] != '.' || s.p[5] < '0' || s.p[5] > '9' ||
        s.p[7] < '0' || s.p[7] > '9')
        return refuse(why, &request_line);
    if (s.p[5] != '1' || s.p[7] > '1')
        return refuse(why, &version);
    h->minor = s.p[7] - '0';
    return 0;
}

static int parse_request_line(struct http_head *h, struct span line,
                              const struct http_refusal **why)
{
    const uint8_t *a = memchr(line.p, ' ', line.n), *b;
    size_t i, j;
    int rc;

    if (line.n > HTTP_LINE_MAX)
        return refuse(why, &long_line);
    if (a == NULL)
        return refuse(why, &request_line);
    i = (size_t)(a - line.p);
    b = memchr(a + 1, ' ', line.n - i - 1);
    if (b == NULL)
        return refuse(why, &request_line);
    j = (size_t)(b - line.p);
    if (j == i + 1) /* two blanks */
        return refuse(why, &request_line);
    if ((rc = parse_version(h, part(line, j + 1, line.n), why)) != 0 ||
        (rc = parse_method(h, part(line, 0, i), why)) != 0)
        return rc;
    return parse_target(h, part(line, i + 1, j), why);
}

/* --- fields
 * --------------------------------------------------------------------------------------*/

static int parse_field(struct http_head *h, struct span line, const struct http_refusal **why)
{
    const uint8_t *colon = memchr(line.p, ':', line.n);
    struct http_field *f = &h->fields[h->n_fields];

    if (h->n_fields == HTTP_HEADERS_MAX)
        return refuse(why, &long_head);
    if (colon == NULL)
        return refuse(why, &field_line);
    f->name = part(line, 0, (size_t)(colon - line.p));
    if (!is_token(f->name)) /* also "Name :" and a folded line */
        return refuse(why, &field_line);
    f->value = trim(part(line, f->name.n + 1, line.n));
    for (size_t i = 0; i < f->value.n; i++)
        if ((f->value.p[i] < 0x20 && f->value.p[i] != '\t') || f->value.p[i] == 0x7f)
            return refuse(why, &field_line);
    h->n_fields++;
    return 0;
}

static size_t count_field(const struct http_head *h, const char *name, struct span *value)
{
    size_t n = 0;

    value->p = NULL;
    value->n = 0;
    for (size_t i = 0; i < h->n_fields; i++)
        if (same_word(h->fields[i].name, name) && n++ == 0)
            *value = h->fields[i].value;
    return n;
}

struct span http_head_field(const struct http_head *h, const char *name)
{
    struct span value;

    (void)count_field(h, name, &value);
    return value;
}

static int judge_length(struct http_head *h, struct span v)
{
    uint64_t n = 0;

    if (v.n == 0 || v.n > LENGTH_DIGITS || (v.n > 1 && v.p[0] == '0'))
        return -EBADMSG;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return -EBADMSG;
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    h->length = n;
    return 0;
}

static int judge_framing(struct http_head *h, const struct http_refusal **why)
{
    struct span length, coding;
    size_t lengths = count_field(h, "content-length", &length);
    size_t codings = count_field(h, "transfer-encoding", &coding);

    h->length = 0;
    if (codings > 0) {
        if (codings > 1 || lengths > 0 || h->minor == 0 || !same_word(coding, "chunked"))
            return refuse(why, &bad_coding);
        h->length = HTTP_LENGTH_CHUNKED;
        return 0;
    }
    if (lengths > 1 || (lengths == 1 && judge_length(h, length) != 0))
        return refuse(why, &bad_length);
    return 0;
}

static int judge_host(const struct http_head *h, const struct http_refusal **why)
{
    struct span v;
    size_t n = count_field(h, "host", &v);

    if (n == 0 && h->minor == 0)
        return 0;
    if (n != 1 || v.n == 0)
        return refuse(why, &bad_host);
    for (size_t i = 0; i < v.n; i++)
        if (!is_alnum(v.p[i]) && !one_of(v.p[i], "-._~:[]"))
            return refuse(why, &bad_host);
    return 0;
}

/* Fields that have one value here.  Two of them have two readings. */
static int judge_singles(const struct http_head *h, const struct http_refusal **why)
{
    static const char *const once[] = {"authorization", "content-type", "content-encoding",
                                       "expect",        "ticket",       "x-name",
                                       "if-none-match", "range"};
    struct span v;

    for (size_t i = 0; i < ARRAY_LEN(once); i++)
        if (count_field(h, once[i], &v) > 1)
            return refuse(why, &field_twice);
    return 0;
}

static bool list_has(struct span list, const char *word)
{
    while (list.n > 0) {
        const uint8_t *comma = memchr(list.p, ',', list.n);
        size_t n = comma != NULL ? (size_t)(comma - list.p) : list.n;

        if (same_word(trim(part(list, 0, n)), word))
            return true;
        list = part(list, comma != NULL ? n + 1 : n, list.n);
    }
    return false;
}

static int judge_connection(struct http_head *h, const struct http_refusal **why)
{
    struct span v;

    h->keep_alive = h->minor == 1;
    for (size_t i = 0; i < h->n_fields; i++)
        if (same_word(h->fields[i].name, "connection") && list_has(h->fields[i].value, "close"))
            h->keep_alive = false;
    h->expect_continue = false;
    if (count_field(h, "expect", &v) > 0) {
        if (!same_word(v, "100-continue"))
            return refuse(why, &expectation);
        h->expect_continue = h->minor == 1;
    }
    return 0;
}

/* --- the head
 * ------------------------------------------------------------------------------------*/

long http_head_scan(struct span raw, size_t seen, const struct http_refusal **why)
{
    /* step back over what may be the beginning of CR LF CR LF */
    size_t i = seen > 3 ? seen - 3 : 0;
    size_t limit = raw.n < HTTP_HEAD_MAX ? raw.n : HTTP_HEAD_MAX;

    if (raw.n > 0 && !is_token_char(raw.p[0])) /* an empty line, TLS, ... */
        return refuse(why, &request_line);
    for (; i < limit; i++) {
        unsigned char c = raw.p[i];

        if (c == '\0' || (c == '\n' && (i == 0 || raw.p[i - 1] != '\r')))
            return refuse(why, &control);
        if (c == '\r' && i + 1 < raw.n && raw.p[i + 1] != '\n')
            return refuse(why, &control);
        if (c == '\n' && i >= 3 && raw.p[i - 2] == '\n')
            return (long)i + 1;
    }
    if (raw.n > HTTP_LINE_MAX + 1 && memchr(raw.p, '\r', HTTP_LINE_MAX + 1) == NULL)
        return refuse(why, &long_line);
    if (raw.n >= HTTP_HEAD_MAX)
        return refuse(why, &long_head);
    return 0;
}

int http_head_parse(struct http_head *h, struct span head, const struct http_refusal **why)
{
    size_t at = 0;
    int rc;

    h->n_fields = 0;
    h->text_len = h->path_len = 0;
    for (size_t line = 0; at < head.n; line++) {
        const uint8_t *lf = memchr(head.p + at, '\n', head.n - at);
        size_t end = lf != NULL ? (size_t)(lf - head.p) : head.n;

        if (end == head.n || end == at || head.p[end - 1] != '\r' ||
            memchr(head.p + at, '\r', end - 1 - at) != NULL)
            return refuse(why, &control);
        if (end - 1 == at) /* the empty line: the end, and only the end */
            break;
        if (line == 0)
            rc = parse_request_line(h, part(head, at, end - 1), why);
        else
            rc = parse_field(h, part(head, at, end - 1), why);
        if (rc != 0)
            return rc;
        at = end + 1;
    }
    if (at + 2 != head.n || at == 0)
        return refuse(why, &control);
    if ((rc = judge_framing(h, why)) != 0 || (rc = judge_host(h, why)) != 0 ||
        (rc = judge_singles(h, why)) != 0)
        return rc;
    return judge_connection(h, why);
}
