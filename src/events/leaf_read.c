/* The reader.  Kinds have a fixed order of keys, so once the kind is known a leaf is one linear
 * compare: key text, value of its type, key text, ...  Only a refused leaf is looked at twice, to
 * tell "malformed" from "newer than this program". */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "events/country.h"
#include "events/leaf_priv.h"

static const char KIND_KEY[] = "\"kind\":\"";
#define KIND_KEY_N (sizeof(KIND_KEY) - 1)

static inline uint64_t load64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* The place just after `"kind":"`, or NULL.  No value holds a quote, so the first hit is the key or
 * the leaf is malformed. */
static const uint8_t *after_kind_key(struct span s)
{
    uint64_t want = load64(KIND_KEY);

    for (size_t i = 0; i + KIND_KEY_N <= s.n; i++)
        if (load64(s.p + i) == want)
            return s.p + i + KIND_KEY_N;
    return NULL;
}

static int find_kind(struct span s, enum leaf_kind *out)
{
    const uint8_t *p = after_kind_key(s), *q, *end = s.p + s.n;

    if (p == NULL)
        return -EBADMSG;
    for (q = p; q < end && *q != '"'; q++)
        ;
    return leaf_kind_of(span_of(p, (size_t)(q - p)), out);
}

struct span leaf_kind_text(struct span bytes)
{
    const uint8_t *p = after_kind_key(bytes);
    size_t n = 0;

    if (p == NULL)
        return span_of(NULL, 0);
    while (p + n < bytes.p + bytes.n && p[n] != '"')
        n++;
    return span_of(p, n);
}

static inline unsigned two(const uint8_t *p)
{
    return (p[0] - (unsigned)'0') * 10 + (p[1] - (unsigned)'0');
}

/* Seconds of a minute that leaf_scan has accepted (days from civil, the proleptic calendar). */
static unix_time minute_value(const uint8_t *p)
{
    unsigned y = two(p) * 100 + two(p + 2), m = two(p + 5), d = two(p + 8);
    unsigned yy = y - (m <= 2), era = yy / 400, yoe = yy % 400;
    unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    unix_time days = (unix_time)era * 146097 + doe - 719468;

    return days * 86400 + two(p + 11) * 3600 + two(p + 14) * 60;
}

/* p stands at a comma or the opening brace; reads key and value of slot s if it is there.
 * Returns the place after the value, p itself if an optional field is absent, NULL if refused. */
static const uint8_t *read_slot(struct leaf *l, const struct leaf_slot *s, const uint8_t *p)
{
    const uint8_t *end = l->bytes.p + l->bytes.n;
    const struct leaf_key *k = &leaf_keys[s->field];
    enum leaf_type t;
    size_t n;

    /* the first byte, comma or brace, was checked by the caller */
    if ((size_t)(end - p) < k->n || memcmp(p + 1, k->text + 1, k->n - 1) != 0)
        return s->optional ? p : NULL;
    p += k->n;
    t = leaf_field_type((enum leaf_field)s->field);
    if (s->field == LF_KIND) {
        n = strlen(leaf_kinds[l->kind].name);
        if ((size_t)(end - p) < n || memcmp(p, leaf_kinds[l->kind].name, n) != 0)
            return NULL;
    } else {
        n = leaf_scan(t, (enum leaf_list)s->list, p, end);
    }
    if (n == 0)
        return NULL;
    l->value[s->field].at = (uint16_t)(p - l->bytes.p);
    l->value[s->field].n = (uint16_t)n;
    l->has[s->field >> 6] |= 1ULL << (s->field & 63);
    p += n;
    if (t == LT_INT)
        return p;
    return p < end && *p == '"' ? p + 1 : NULL;
}

static int read_all(struct leaf *l)
{
    const struct leaf_kind_info *info = &leaf_kinds[l->kind];
    const uint8_t *p = l->bytes.p, *end = p + l->bytes.n;

    for (size_t i = 0; i < info->slots; i++) {
        if (p == end)
            return -EBADMSG;
        if (*p != (p == l->bytes.p ? '{' : ',')) {
            if (info->slot[i].optional)
                continue;
            return -EBADMSG;
        }
        p = read_slot(l, &info->slot[i], p);
        if (p == NULL)
            return -EBADMSG;
    }
    if (end - p != 1 || *p != '}')
        return -EBADMSG;
    if (l->value[LF_V].n != 1 || l->bytes.p[l->value[LF_V].at] != '1')
        return -EBADMSG;
    l->time = minute_value(l->bytes.p + l->value[LF_TIME].at);
    return leaf_rules(l);
}

int leaf_rules(const struct leaf *l)
{
    unsigned ground;

    if (l->kind != LK_ERASE_ORDERED)
        return 0;
    ground = leaf_word(l, LF_GROUND);
    return leaf_has(l, LF_SUB_SIG) == (ground == LW_ERASE_WITHDRAWN || ground == LW_ERASE_SUBJECT)
               ? 0
               : -EBADMSG;
}

/* ------------------------------------------------------------------ telling refusals apart */

/* One `"key":value` of any object of our form; *c moves behind it. */
static int next_pair(struct cur *c, struct span *key, struct span *value, bool *is_int)
{
    const uint8_t *start;
    size_t n;

    if (c->n < 2 || c->p[0] != '"')
        return -EBADMSG;
    start = c->p + 1;
    for (n = 0;
         n + 1 < c->n && start[n] >= 0x20 && start[n] < 0x7f && start[n] != '"' && start[n] != '\\';
         n++)
        ;
    if (n == 0 || n + 1 >= c->n || start[n] != '"')
        return -EBADMSG;
    *key = span_of(start, n);
    c->p = start + n + 1;
    c->n -= n + 2;
    if (c->n < 2 || c->p[0] != ':')
        return -EBADMSG;
    *is_int = c->p[1] != '"';
    start = c->p + (*is_int ? 1 : 2);
    c->n -= (size_t)(start - c->p);
    c->p = start;
    if (*is_int) {
        n = leaf_scan(LT_INT, LL_NONE, c->p, c->p + c->n);
        if (n == 0)
            return -EBADMSG;
    } else {
        for (n = 0;
             n < c->n && start[n] >= 0x20 && start[n] < 0x7f && start[n] != '"' && start[n] != '\\';
             n++)
            ;
        if (n == c->n || start[n] != '"')
            return -EBADMSG;
    }
    *value = span_of(start, n);
    c->p += n + (*is_int ? 0 : 1);
    c->n -= n + (*is_int ? 0 : 1);
    return 0;
}

static int key_cmp(struct span a, struct span b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

struct shape {
    struct span kind, v;
    bool has_site, has_time;
    bool newer; /* a field, word or country that is not in the table, though of its type's form */
};

/* Is value what a newer table might allow where this one does not: a word or a country? */
static bool newer_value(enum leaf_field f, struct span value)
{
    if (leaf_field_type(f) == LT_COUNTRY)
        return value.n == 2 && value.p[0] >= 'A' && value.p[0] <= 'Z' && value.p[1] >= 'A' &&
               value.p[1] <= 'Z' && country_index(value) < 0;
    return false;
}

static void look_at_field(struct shape *sh, const struct leaf_kind_info *info, struct span key,
                          struct span value)
{
    enum leaf_field f;
    const struct leaf_slot *s = NULL;

    if (leaf_field_of(key, &f) == 0)
        for (size_t i = 0; i < info->slots; i++)
            if (info->slot[i].field == f)
                s = &info->slot[i];
    if (s == NULL)
        sh->newer = true;
    else if (leaf_field_type(f) == LT_WORD)
        sh->newer |= value.n > 0 && value.n <= 64 &&
                     leaf_scan(LT_LABEL, LL_NONE, value.p, value.p + value.n) == value.n &&
                     leaf_word_of((enum leaf_list)s->list, value.p, value.n) < 0;
    else
        sh->newer |= newer_value(f, value);
}

/* Walks an object of our form: keys strictly ascending, plain strings and integers. */
static int walk(struct span s, struct shape *sh, const struct leaf_kind_info *info)
{
    struct cur c = {s.p + 1, s.n - 1};
    struct span key, value, last = {NULL, 0};
    bool is_int;

    for (;;) {
        if (next_pair(&c, &key, &value, &is_int) != 0)
            return -EBADMSG;
        if (last.p != NULL && key_cmp(last, key) >= 0)
            return -EBADMSG;
        last = key;
        if (span_is(key, "kind") && !is_int)
            sh->kind = value;
        else if (span_is(key, "v") && is_int)
            sh->v = value;
        sh->has_site |= span_is(key, "site") && !is_int;
        sh->has_time |= span_is(key, "time") && !is_int;
        if (info != NULL)
            look_at_field(sh, info, key, value);
        if (c.n == 0)
            return -EBADMSG;
        if (c.p[0] == '}')
            return c.n == 1 ? 0 : -EBADMSG;
        if (c.p[0] != ',')
            return -EBADMSG;
        c.p++;
        c.n--;
    }
}

static int classify(struct span s)
{
    struct shape sh = {0};
    enum leaf_kind k;

    if (s.n < 2 || s.n > LEAF_MAX || s.p[0] != '{' || walk(s, &sh, NULL) != 0)
        return -EBADMSG;
    if (sh.kind.p == NULL || sh.v.p == NULL || !sh.has_site || !sh.has_time)
        return -EBADMSG;
    if (!span_is(sh.v, "1"))
        return -EPROTONOSUPPORT;
    if (leaf_scan(LT_LABEL, LL_NONE, sh.kind.p, sh.kind.p + sh.kind.n) != sh.kind.n)
        return -EBADMSG;
    if (leaf_kind_of(sh.kind, &k) != 0)
        return -ENOTSUP;
    if (walk(s, &sh, &leaf_kinds[k]) != 0)
        return -EBADMSG;
    return sh.newer ? -ENOTSUP : -EBADMSG;
}

int leaf_parse(struct leaf *l, struct span bytes)
{
    if (bytes.n > LEAF_MAX)
        return -EBADMSG;
    l->bytes = bytes;
    l->has[0] = l->has[1] = 0;
    if (find_kind(bytes, &l->kind) == 0 && read_all(l) == 0)
        return 0;
    return classify(bytes);
}

void leaf_why(struct span bytes, struct err *e)
{
    struct leaf l = {.bytes = bytes};
    const struct leaf_kind_info *info;
    const uint8_t *p = bytes.p, *q;
    int rc = leaf_parse(&l, bytes);

    if (rc == -EPROTONOSUPPORT) {
        (void)err_set(e, rc, "leaf of a version this program does not know; use a newer one");
        return;
    }
    if (bytes.n < 2 || find_kind(bytes, &l.kind) != 0) {
        (void)err_set(e, rc, "leaf of a kind this program does not know, or no leaf at all");
        return;
    }
    info = &leaf_kinds[l.kind];
    for (size_t i = 0; i < info->slots; i++, p = q) {
        q = p < bytes.p + bytes.n && *p == (i == 0 ? '{' : ',') ? read_slot(&l, &info->slot[i], p)
            : info->slot[i].optional                            ? p
                                                                : NULL;
        if (q == NULL) {
            (void)err_set(e, rc, "leaf \"%s\": byte %zu is not field \"%s\" as its type asks",
                          info->name, (size_t)(p - bytes.p),
                          leaf_field_name((enum leaf_field)info->slot[i].field));
            return;
        }
    }
    (void)err_set(e, rc, "leaf \"%s\": more than its fields, or they contradict each other",
                  info->name);
}

/* ------------------------------------------------------------------ getters */

static struct span need(const struct leaf *l, enum leaf_field f, enum leaf_type t)
{
    assert(leaf_has(l, f) && leaf_field_type(f) == t);
    (void)t;
    return span_of(l->bytes.p + l->value[f].at, l->value[f].n);
}

uint64_t leaf_int(const struct leaf *l, enum leaf_field f)
{
    struct span s = need(l, f, LT_INT);
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++)
        v = v * 10 + (s.p[i] - (uint64_t)'0');
    return v;
}

static inline uint8_t nibble(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void unhex(uint8_t *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(nibble(p[2 * i]) << 4 | nibble(p[2 * i + 1]));
}

struct id128 leaf_id(const struct leaf *l, enum leaf_field f)
{
    struct id128 v;

    unhex(v.b, need(l, f, LT_ID).p, sizeof(v.b));
    return v;
}

static void unbase64(const struct leaf *l, enum leaf_field f, enum leaf_type t, uint8_t *out,
                     size_t n)
{
    int rc = text_unbase64_exact(need(l, f, t), out, n);

    assert(rc == 0);
    (void)rc;
}

struct digest leaf_digest(const struct leaf *l, enum leaf_field f)
{
    struct digest v;

    if (leaf_field_type(f) == LT_SEALED)
        unbase64(l, f, LT_SEALED, v.b, sizeof(v.b));
    else
        unhex(v.b, need(l, f, LT_DIGEST).p, sizeof(v.b));
    return v;
}

unix_time leaf_time(const struct leaf *l, enum leaf_field f)
{
    return minute_value(need(l, f, LT_MINUTE).p);
}

unsigned leaf_word(const struct leaf *l, enum leaf_field f)
{
    struct span s = need(l, f, LT_WORD);
    const struct leaf_kind_info *info = &leaf_kinds[l->kind];
    int w = -1;

    for (size_t i = 0; i < info->slots && w < 0; i++)
        if (info->slot[i].field == f)
            w = leaf_word_of((enum leaf_list)info->slot[i].list, s.p, s.n);
    assert(w >= 0);
    return (unsigned)w;
}

unsigned leaf_country(const struct leaf *l, enum leaf_field f)
{
    int i = country_index(need(l, f, LT_COUNTRY));

    assert(i >= 0);
    return (unsigned)i;
}

void leaf_key(const struct leaf *l, enum leaf_field f, uint8_t out[32])
{
    unbase64(l, f, LT_KEY, out, 32);
}

void leaf_sig(const struct leaf *l, enum leaf_field f, uint8_t out[64])
{
    unbase64(l, f, LT_SIG, out, 64);
}
