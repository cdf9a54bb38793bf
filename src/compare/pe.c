/* pe.c - PE, the programs of Windows, with Authenticode (Microsoft: PE Format; Windows Authenticode
 * Portable Executable Signature Format).
 *
 * A signature lies in the certificate table behind everything else; it goes with the checksum and
 * with the entry of the directory that says where it is.  These ranges and no others are excluded
 * from what is signed, and each that differs is told.  Of the table only what PKCS #7 accounts for
 * by its own lengths is signature: bytes hidden behind it in the table are nobody's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare/pe_priv.h"

#define DEBUG_ENTRY 6u
#define DEBUG_ENTRIES 16u
#define SPECIALS 64u

struct special { /* a range within the sections that may differ */
    uint64_t at, n;
    enum compare_class class;
    const char *what;
};

struct both {
    struct look *l;
    struct pe f[2];
    struct special special[SPECIALS];
    size_t specials;
    struct pe_code *code;
};

static bool is(struct span side, const char *name)
{
    (void)name;
    return pe_is(side);
}

/* --- headers --- */

struct field {
    const char *name;
    unsigned at, n;
};

static int field(struct both *p, uint64_t at_a, uint64_t at_b, const struct field *d,
                 enum compare_class class, const char *of)
{
    return look_pair(p->l, (struct look_range){at_a + d->at, d->n},
                     (struct look_range){at_b + d->at, d->n}, class,
                     "%s%s is 0x%" PRIx64 " and 0x%" PRIx64, of, d->name,
                     pe_get(&p->f[0], at_a + d->at, d->n), pe_get(&p->f[1], at_b + d->at, d->n));
}

static const struct field in_coff[] = {
    {"signature", 0, 4},
    {"Machine", 4, 2},
    {"NumberOfSections", 6, 2},
    {"TimeDateStamp", 8, 4},
    {"PointerToSymbolTable", 12, 4},
    {"NumberOfSymbols", 16, 4},
    {"SizeOfOptionalHeader", 20, 2},
    {"Characteristics", 22, 2},
};
static const struct field in_optional[] = {
    /* those that lie at one place in both sorts */
    {"Magic", 0, 2},
    {"linker version", 2, 2},
    {"SizeOfCode", 4, 4},
    {"SizeOfInitializedData", 8, 4},
    {"SizeOfUninitializedData", 12, 4},
    {"AddressOfEntryPoint", 16, 4},
    {"BaseOfCode", 20, 4},
    {"ImageBase", 24, 8},
    {"SectionAlignment", 32, 4},
    {"FileAlignment", 36, 4},
    {"versions", 40, 16},
    {"SizeOfImage", 56, 4},
    {"SizeOfHeaders", 60, 4},
    {"CheckSum", 64, 4},
    {"Subsystem", 68, 2},
    {"DllCharacteristics", 70, 2},
};

static bool signatures_differ(const struct both *p)
{
    const struct look_range a = p->f[0].signature, b = p->f[1].signature;

    return a.n != b.n || (a.n > 0 && memcmp(p->f[0].all.p + a.at, p->f[1].all.p + b.at, a.n) != 0);
}

static enum compare_class checksum_class(const struct both *p)
{
    if (!pe_checksum_right(&p->f[0]) || !pe_checksum_right(&p->f[1]))
        return COMPARE_UNEXPLAINED;
    return signatures_differ(p) ? COMPARE_SIGNATURE : COMPARE_DERIVED;
}

static int headers(struct both *p)
{
    const struct pe *a = &p->f[0], *b = &p->f[1];
    int rc = look_pair(p->l, (struct look_range){0, a->header}, (struct look_range){0, b->header},
                       COMPARE_UNEXPLAINED, "the DOS header and its program");

    for (size_t i = 0; i < ARRAY_LEN(in_coff) && rc == 0; i++)
        rc = field(p, a->header, b->header, &in_coff[i],
                   i == 3 ? COMPARE_METADATA : COMPARE_UNEXPLAINED, "");
    for (size_t i = 0; i < ARRAY_LEN(in_optional) && rc == 0; i++)
        rc = field(p, a->optional, b->optional, &in_optional[i],
                   in_optional[i].at == 64 ? checksum_class(p) : COMPARE_UNEXPLAINED, "");
    if (rc == 0) /* sizes of stack and heap */
        rc =
            look_pair(p->l, (struct look_range){a->optional + 72, a->directory - a->optional - 72},
                      (struct look_range){b->optional + 72, b->directory - b->optional - 72},
                      COMPARE_UNEXPLAINED, "sizes of stack and heap, or the number of directories");
    return rc;
}

/* The entry says where the signature is, or nothing. */
static bool says_signature(const struct pe *f)
{
    const struct look_range t = pe_directory(f, PE_CERTIFICATES);

    return t.n == 0 ? t.at == 0 : f->signature.n > 0 && t.n == f->signature.n;
}

static int directories(struct both *p)
{
    const struct pe *a = &p->f[0], *b = &p->f[1];
    const unsigned n = a->directories < b->directories ? a->directories : b->directories;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        const bool sign = i == PE_CERTIFICATES && says_signature(a) && says_signature(b);
        const struct look_range x = pe_directory(a, i), y = pe_directory(b, i);

        rc = look_pair(p->l, (struct look_range){a->directory + 8 * (uint64_t)i, 8},
                       (struct look_range){b->directory + 8 * (uint64_t)i, 8},
                       sign ? COMPARE_SIGNATURE : COMPARE_UNEXPLAINED,
                       "data directory %u%s: 0x%" PRIx64 ", %" PRIu64 " bytes and 0x%" PRIx64
                       ", %" PRIu64 " bytes",
                       i, i == PE_CERTIFICATES ? " (certificates)" : "", x.at, x.n, y.at, y.n);
    }
    return rc;
}

static const struct field in_section[] = {
    {"Name", 0, 8},
    {"VirtualSize", 8, 4},
    {"VirtualAddress", 12, 4},
    {"SizeOfRawData", 16, 4},
    {"PointerToRawData", 20, 4},
    {"relocations and line numbers", 24, 8}, /* of objects */
    {"their numbers", 32, 4},
    {"Characteristics", 36, 4},
};

static void section_name(const struct pe *f, unsigned i, char out[9])
{
    for (unsigned k = 0; k < 8; k++) {
        const uint8_t c = f->all.p[f->table + PE_SECTION * (uint64_t)i + k];

        out[k] = c == 0 ? '\0' : c > ' ' && c < 0x7f ? (char)c : '?';
    }
    out[8] = '\0';
}

static int section_headers(struct both *p, unsigned n)
{
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        char name[9], of[32];

        section_name(&p->f[0], i, name);
        (void)snprintf(of, sizeof(of), "section %s: ", name);
        for (size_t k = 0; k < ARRAY_LEN(in_section) && rc == 0; k++)
            rc = field(p, p->f[0].table + PE_SECTION * (uint64_t)i,
                       p->f[1].table + PE_SECTION * (uint64_t)i, &in_section[k],
                       COMPARE_UNEXPLAINED, of);
    }
    return rc;
}

/* --- what may differ in sections: where both have it at the same place --- */

static void special(struct both *p, uint64_t at, uint64_t n, enum compare_class class,
                    const char *what)
{
    size_t i = p->specials;

    if (i == SPECIALS)
        return;
    for (; i > 0 && p->special[i - 1].at > at; i--)
        p->special[i] = p->special[i - 1];
    p->special[i] = (struct special){at, n, class, what};
    p->specials++;
}

static bool same_at(const struct both *p, uint64_t at, uint64_t n)
{
    return at <= p->f[0].all.n && n <= p->f[0].all.n - at && at <= p->f[1].all.n &&
           n <= p->f[1].all.n - at && memcmp(p->f[0].all.p + at, p->f[1].all.p + at, n) == 0;
}

/* An entry of the debug directory; the time in it, and what it leads to. */
static void debug_entry(struct both *p, uint64_t at)
{
    const struct pe *f = &p->f[0];
    const uint64_t type = pe_get(f, at + 12, 4), n = pe_get(f, at + 16, 4),
                   to = pe_get(f, at + 24, 4);

    special(p, at + 4, 4, COMPARE_METADATA, "the time in the debug directory");
    if (!same_at(p, at + 8, 20)) /* all but the time */
        return;
    if (type == 2 && n >= 24 && same_at(p, to, 4) && pe_get(f, to, 4) == 0x53445352)
        special(p, to + 4, 20, COMPARE_DERIVED, "GUID and age of the debug file");
    if (type == 16 && n > 4 && n <= 68 && same_at(p, to, 4) && pe_get(f, to, 4) == n - 4)
        special(p, to + 4, n - 4, COMPARE_DERIVED, "hash of a reproducible build");
}

static void specials(struct both *p)
{
    const struct look_range debug = pe_directory(&p->f[0], DEBUG_ENTRY);
    const struct look_range other = pe_directory(&p->f[1], DEBUG_ENTRY);
    const struct look_range exports = pe_directory(&p->f[0], 0), theirs = pe_directory(&p->f[1], 0);
    uint64_t at = pe_place(&p->f[0], debug.at, debug.n);

    if (debug.n > 0 && debug.n % 28 == 0 && debug.n <= DEBUG_ENTRIES * 28 && debug.at == other.at &&
        debug.n == other.n && at > 0 && at == pe_place(&p->f[1], other.at, other.n))
        for (uint64_t i = 0; i < debug.n / 28; i++)
            debug_entry(p, at + 28 * i);
    at = pe_place(&p->f[0], exports.at, 40);
    if (exports.n >= 40 && exports.at == theirs.at && at > 0 &&
        at == pe_place(&p->f[1], theirs.at, 40))
        special(p, at + 4, 4, COMPARE_METADATA, "the time in the table of exports");
}

/* --- contents --- */

static bool zero_ends(struct span s, uint64_t from, uint64_t at, uint64_t *begin, uint64_t *end)
{
    for (*begin = at; *begin > from && at - *begin < 4096 && s.p[*begin - 1] != 0;)
        --*begin;
    for (*end = at; *end < s.n && *end - at < 4096 && s.p[*end] != 0;)
        ++*end;
    return *end < s.n && s.p[*end] == 0;
}

/* The text around a difference, of the same length on both sides, with a known cause. */
static const char *cause(const struct both *p, uint64_t from, uint64_t at, uint64_t *begin,
                         uint64_t *end)
{
    uint64_t b, e;

    if (!zero_ends(p->f[0].all, from, at, begin, end) ||
        !zero_ends(p->f[1].all, from, at, &b, &e) || b != *begin || e != *end)
        return NULL;
    return look_cause(p->l, span_of(p->f[0].all.p + b, (size_t)(e - b)),
                      span_of(p->f[1].all.p + b, (size_t)(e - b)));
}

static int same_range(struct both *p, uint64_t at, uint64_t end, enum compare_class class,
                      const char *name, const char *why)
{
    const struct look_range r = {at, end - at};

    return look_pair(p->l, r, r, class, "%s: %s", name, why);
}

/* Bytes at the same place on both sides. */
static int runs(struct both *p, uint64_t at, uint64_t end, const char *name)
{
    const uint8_t *a = p->f[0].all.p, *b = p->f[1].all.p;
    uint64_t done = at;
    int rc = 0;

    while (rc == 0 && at < end) {
        uint64_t begin = at, to = at + 1;
        const char *why;

        if (a[at] == b[at]) {
            at++;
            continue;
        }
        why = cause(p, done, at, &begin, &to);
        if (why != NULL && to > end)
            why = NULL;
        if (why == NULL)
            for (begin = at, to = at + 1; to < end && a[to] != b[to];)
                to++;
        if ((rc = same_range(p, done, begin, COMPARE_UNEXPLAINED, name, "")) == 0)
            rc = same_range(p, begin, to, why != NULL ? COMPARE_EXPLAINED : COMPARE_UNEXPLAINED,
                            name, why != NULL ? why : "its bytes differ");
        done = at = to;
    }
    return rc != 0 ? rc : same_range(p, done, end, COMPARE_UNEXPLAINED, name, "");
}

static int ends(struct both *p, struct look_range a, struct look_range b, const char *name)
{
    const uint8_t *x = p->f[0].all.p + a.at, *y = p->f[1].all.p + b.at;
    const uint64_t least = a.n < b.n ? a.n : b.n;
    uint64_t head = 0, tail = 0;
    int rc;

    while (head < least && x[head] == y[head])
        head++;
    while (tail < least - head && x[a.n - 1 - tail] == y[b.n - 1 - tail])
        tail++;
    rc = look_pair(p->l, (struct look_range){a.at, head}, (struct look_range){b.at, head},
                   COMPARE_UNEXPLAINED, "%s", name);
    if (rc == 0)
        rc = look_pair(p->l, (struct look_range){a.at + head, a.n - head - tail},
                       (struct look_range){b.at + head, b.n - head - tail}, COMPARE_UNEXPLAINED,
                       "%s: its bytes differ", name);
    return rc != 0 ? rc
                   : look_pair(p->l, (struct look_range){a.at + a.n - tail, tail},
                               (struct look_range){b.at + b.n - tail, tail}, COMPARE_UNEXPLAINED,
                               "%s", name);
}

static bool has_special(const struct both *p, struct look_range r)
{
    for (size_t k = 0; k < p->specials; k++)
        if (p->special[k].at + p->special[k].n > r.at && p->special[k].at < r.at + r.n)
            return true;
    return false;
}

static int section(struct both *p, unsigned i)
{
    const struct look_range a = pe_content(&p->f[0], i), b = pe_content(&p->f[1], i);
    uint64_t at = a.at;
    char name[9];
    int rc = 0;

    section_name(&p->f[0], i, name);
    if (pe_code_has(p->code, i) && !has_special(p, a))
        return pe_code_claim(p->code, i);
    if (a.at != b.at || a.n != b.n)
        return ends(p, a, b, name);
    for (size_t k = 0; k < p->specials && rc == 0; k++) {
        const struct special *s = &p->special[k];

        if (s->at < at || s->n > a.at + a.n - at || s->at > a.at + a.n - s->n)
            continue;
        if ((rc = runs(p, at, s->at, name)) == 0)
            rc = same_range(p, s->at, s->at + s->n, s->class, name, s->what);
        at = s->at + s->n;
    }
    return rc != 0 ? rc : runs(p, at, a.at + a.n, name);
}

/* --- the signature --- */

/* Zeros that align the table, where there is one. */
static struct look_range before_signature(const struct pe *f, uint64_t from)
{
    struct look_range r = {from, 0};

    if (f->signature.n == 0 || f->signature.at < from || f->signature.at - from > 7)
        return r;
    for (uint64_t i = from; i < f->signature.at; i++)
        if (f->all.p[i] != 0)
            return r;
    r.n = f->signature.at - from;
    return r;
}

static uint64_t end_of_sections(const struct pe *f)
{
    uint64_t end = f->table + PE_SECTION * (uint64_t)f->sections;

    for (unsigned i = 0; i < f->sections; i++)
        if (pe_content(f, i).at + pe_content(f, i).n > end)
            end = pe_content(f, i).at + pe_content(f, i).n;
    return end;
}

/* What follows the sections and is not signature; then the zeros and the table. */
static int behind(struct both *p)
{
    struct look_range over[2], pad[2];
    int rc;

    for (int side = 0; side < 2; side++) {
        const struct pe *f = &p->f[side];
        const uint64_t from = end_of_sections(f);

        over[side] =
            (struct look_range){from, (f->signature.n > 0 ? f->signature.at : f->all.n) - from};
    }
    for (int side = 0; side < 2; side++) {
        const uint64_t other = over[1 - side].n, n = over[side].n;

        /* the one that is signed may be longer by its alignment */
        pad[side] = before_signature(&p->f[side], over[side].at + (n < other ? n : other));
        if (p->f[1 - side].signature.n > 0)
            pad[side].n = 0;
        over[side].n -= pad[side].n;
    }
    if (over[0].n == over[1].n && over[0].at == over[1].at)
        rc = runs(p, over[0].at, over[0].at + over[0].n, "behind the sections");
    else
        rc = ends(p, over[0], over[1], "behind the sections");
    if (rc == 0)
        rc = look_pair(p->l, pad[0], pad[1], COMPARE_SIGNATURE, "zeros that align the signature");
    return rc != 0 ? rc : pe_sign(p->l, p->f);
}

static int only(struct both *p, int side, unsigned i)
{
    const struct look_range none = {0, 0}, r = pe_content(&p->f[side], i);
    const struct look_range head = {p->f[side].table + PE_SECTION * (uint64_t)i, PE_SECTION};
    char name[9];
    int rc;

    section_name(&p->f[side], i, name);
    rc = look_pair(p->l, side == 0 ? head : none, side == 1 ? head : none, COMPARE_UNEXPLAINED,
                   "header of section %s, which is only in %c", name, "AB"[side]);
    return rc != 0 ? rc
                   : look_pair(p->l, side == 0 ? r : none, side == 1 ? r : none,
                               COMPARE_UNEXPLAINED, "section %s is only in %c", name, "AB"[side]);
}

static int all(struct both *p)
{
    const unsigned n = p->f[0].sections < p->f[1].sections ? p->f[0].sections : p->f[1].sections;
    int rc;

    p->f[0].signature = pe_signature(&p->f[0]);
    p->f[1].signature = pe_signature(&p->f[1]);
    specials(p);
    if ((rc = headers(p)) != 0 || (rc = directories(p)) != 0 || (rc = section_headers(p, n)) != 0 ||
        (rc = pe_code_open(&p->code, p->l, p->f)) != 0)
        return rc;
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = section(p, i);
    for (int side = 0; side < 2; side++)
        for (unsigned i = n; i < p->f[side].sections && rc == 0; i++)
            rc = only(p, side, i);
    return rc != 0 ? rc : behind(p);
}

static int compare(struct look *l)
{
    struct both p = {.l = l};
    const char *why = pe_read(&p.f[0], look_side(l, 0));
    int rc;

    if (why == NULL)
        why = pe_read(&p.f[1], look_side(l, 1));
    if (why == NULL && p.f[0].wide != p.f[1].wide)
        why = "they are for different machines";
    if (why == NULL) {
        rc = all(&p);
        pe_code_close(p.code);
        return rc;
    }
    rc = look_find(l, COMPARE_UNEXPLAINED, "as PE: %s", why);
    return rc != 0 ? rc : bytes_format.compare(l);
}

const struct look_format pe_format = {"PE", is, compare};
