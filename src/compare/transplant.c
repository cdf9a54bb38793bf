/* transplant.c - which bytes of a file are its signature, and where they go (transplant.h). */
#include "compare/transplant.h"

#include <string.h>

#include "compare/der.h"
#include "compare/pe_priv.h"

const char *transplant_word(enum transplant_format f)
{
    static const char *const words[] = {"Authenticode", "debsigs", "Linux module"};

    return words[f];
}

/* The files end alike: what comes behind `at` of the signed one goes behind all that was built. */
static const char *tail(struct transplant *t, struct span s, struct span built, uint64_t at)
{
    t->kept = built.n;
    t->at = at;
    t->n = s.n - at;
    return t->n <= TRANSPLANT_MAX ? NULL : "its signature is longer than any is";
}

#define HOLDS_MORE "its signature holds something that no signature covers"

/* PKCS #7 that can be read, of which nothing could be another without a signature's being so. */
static bool covered(struct span all, uint64_t at, uint64_t end)
{
    struct look_budget budget;
    struct look l = {.budget = &budget};
    struct der_parts o = {.l = &l, .all = all, .class = COMPARE_SIGNATURE};
    bool good;

    look_budget_init(&budget, NULL);
    good = cms_signed(&o, at, end, "");
    for (size_t i = 0; i < o.n; i++)
        good = good && o.v[i].class != COMPARE_UNEXPLAINED;
    der_parts_done(&o);
    return good;
}

/* --- PE (Microsoft: PE Format; Windows Authenticode Portable Executable Signature Format) --- */

static void edit(struct transplant *t, uint64_t at, uint64_t a, uint64_t b, unsigned n)
{
    struct transplant_edit *e = &t->edit[t->edits++];

    *e = (struct transplant_edit){.at = at, .n = n};
    for (unsigned i = 0; i < 4; i++) {
        e->b[i] = (uint8_t)(a >> (8 * i));
        e->b[i + 4] = (uint8_t)(b >> (8 * i));
    }
}

/* Every certificate in the table, all of which is PKCS #7 by pe_signature. */
static const char *certificates(struct transplant *t, const struct pe *f, struct look_range table)
{
    uint64_t end;

    for (uint64_t at = table.at; at + 8 <= table.at + table.n; t->signatures++) {
        if (!pe_signed_data(f, at + 8, table.at + table.n, &end) || !covered(f->all, at + 8, end))
            return HOLDS_MORE;
        at += (end - at + 7) & ~UINT64_C(7);
    }
    return NULL;
}

/* Of what will be: the built one with this entry, zeros, the table. */
static uint32_t checksum_of(const struct transplant *t, const struct pe *signed_one,
                            const struct pe *built, uint64_t entry)
{
    const struct span part[] = {
        span_of(built->all.p, (size_t)(built->optional + 64)),
        span_of(built->all.p + built->optional + 68, (size_t)(entry - built->optional - 68)),
        span_of(t->edit[0].b, 8),
        span_of(built->all.p + entry + 8, (size_t)(built->all.n - entry - 8)),
        span_of(signed_one->all.p + t->at, (size_t)t->n)};
    uint32_t sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        sum = pe_words(sum, part[i]);
    return sum + (uint32_t)(t->kept + t->zeros + t->n);
}

/* A section that the file does not hold: zeros that align a signature must not make it whole. */
static bool cut_short(const struct pe *f)
{
    for (unsigned i = 0; i < f->sections; i++)
        if (pe_get(f, f->table + PE_SECTION * (uint64_t)i + 16, 4) > 0 && pe_content(f, i).n == 0)
            return true;
    return false;
}

static const char *plan_pe(struct transplant *t, struct span s, struct span built)
{
    struct pe a, b;
    struct look_range table;
    const char *why = pe_read(&a, s);
    uint64_t entry, said;

    if (why != NULL)
        return why;
    table = pe_signature(&a);
    if (pe_directory(&a, PE_CERTIFICATES).n == 0)
        return "it is not signed";
    if (table.n == 0 || table.n != pe_directory(&a, PE_CERTIFICATES).n)
        return "what lies in its certificate table is more, or less, than signatures";
    if (!pe_is(built) || (why = pe_read(&b, built)) != NULL)
        return "what was built is no program of Windows";
    if (b.directories <= PE_CERTIFICATES || (b.optional & 1) != 0)
        return "what was built has no place for a signature";
    if (pe_directory(&b, PE_CERTIFICATES).n != 0 || pe_directory(&b, PE_CERTIFICATES).at != 0)
        return "what was built is signed itself";
    if (cut_short(&b))
        return "what was built ends within a section";
    t->zeros = (8 - built.n % 8) % 8;
    if ((why = certificates(t, &a, table)) != NULL || (why = tail(t, s, built, table.at)) != NULL)
        return why;
    entry = b.directory + 8 * (uint64_t)PE_CERTIFICATES;
    edit(t, entry, built.n + t->zeros, table.n, 8);
    /* who signs sums again, or leaves what was there */
    said = pe_get(&a, a.optional + 64, 4);
    if (said != pe_get(&b, b.optional + 64, 4) && said != 0 && pe_checksum_right(&a)) {
        if (!pe_checksum_right(&b))
            return "the sum of what was built is wrong";
        edit(t, b.optional + 64, checksum_of(t, &a, &b, entry), 0, 4);
    }
    return NULL;
}

/* --- packages of Debian, signed by debsigs: ar(5) --- */

#define AR_MAGIC 8u
#define AR_HEADER 60u

static bool is_ar(struct span s)
{
    return s.n >= AR_MAGIC && memcmp(s.p, "!<arch>\n", AR_MAGIC) == 0;
}

/* Digits, then blanks. */
static bool number(const uint8_t *p, size_t n, uint64_t *v)
{
    size_t i = 0;

    for (*v = 0; i < n && p[i] >= '0' && p[i] <= '9'; i++)
        *v = *v * 10 + (uint64_t)(p[i] - '0');
    for (; i < n; i++)
        if (p[i] != ' ')
            return false;
    return true;
}

/* The content of the member whose header is at *at, which moves behind it. */
static bool member(struct span s, uint64_t *at, struct span *content)
{
    uint64_t n;

    if (s.n - *at < AR_HEADER || memcmp(s.p + *at + 58, "`\n", 2) != 0 ||
        !number(s.p + *at + 48, 10, &n) || n > s.n - *at - AR_HEADER)
        return false;
    *content = span_of(s.p + *at + AR_HEADER, (size_t)n);
    *at += AR_HEADER + n;
    if (n % 2 != 0 && *at < s.n && s.p[(*at)++] != '\n')
        return false;
    return true;
}

static bool is_signature_name(const uint8_t *h)
{
    size_t i = 4;

    if (memcmp(h, "_gpg", 4) != 0)
        return false;
    while (i < 16 && h[i] >= 'a' && h[i] <= 'z')
        i++;
    if (i > 4 && i < 16 && h[i] == '/')
        i++;
    while (i < 16 && h[i] == ' ')
        i++;
    return i == 16;
}

/* Nothing but numbers in what the header says beside name and size. */
static bool plain_header(const uint8_t *h)
{
    uint64_t v;

    return number(h + 16, 12, &v) && number(h + 28, 6, &v) && number(h + 34, 6, &v) &&
           number(h + 40, 8, &v);
}

/* OpenPGP packets (RFC 4880, 4.2), all of them signatures, to the last byte. */
static bool packets(struct span s)
{
    while (s.n > 0) {
        const bool is_new = (s.p[0] & 0x40) != 0;
        size_t head = 2, n = s.n > 1 ? s.p[1] : 0;

        if ((s.p[0] & 0x80) == 0 || (is_new ? s.p[0] & 0x3f : s.p[0] >> 2 & 15) != 2 || s.n < 6)
            return false;
        if (is_new ? n == 255 : (s.p[0] & 3) == 2) {
            const uint8_t *l = s.p + (is_new ? 2 : 1);

            head = is_new ? 6 : 5;
            n = (size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 | l[3];
        } else if (is_new ? n >= 192 : (s.p[0] & 3) != 0) {
            if (is_new ? n >= 224 : (s.p[0] & 3) == 3) /* of no certain length */
                return false;
            head = 3;
            n = is_new ? (n - 192) * 256 + s.p[2] + 192 : n << 8 | s.p[2];
        }
        if (n == 0 || n > s.n - head)
            return false;
        s = span_of(s.p + head + n, s.n - head - n);
    }
    return true;
}

/* A signature in letters, or a signed text (RFC 4880, 6.2 and 7): readable from end to end. */
static bool armored(struct span s)
{
    static const char *const begin[] = {"-----BEGIN PGP SIGNATURE-----\n",
                                        "-----BEGIN PGP SIGNED MESSAGE-----\n"};
    static const char end[] = "\n-----END PGP SIGNATURE-----\n";
    bool begins = false;

    for (size_t i = 0; i < ARRAY_LEN(begin); i++)
        begins = begins || (s.n > strlen(begin[i]) && memcmp(s.p, begin[i], strlen(begin[i])) == 0);
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < ' ' && s.p[i] != '\n' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return begins && s.n > sizeof(end) &&
           memcmp(s.p + s.n - (sizeof(end) - 1), end, sizeof(end) - 1) == 0;
}

static const char *plan_deb(struct transplant *t, struct span s, struct span built)
{
    uint64_t first = 0, from;
    struct span content;

    for (uint64_t at = AR_MAGIC; at < s.n;) {
        from = at;
        if (!member(s, &at, &content))
            return "it is no whole archive";
        if (memcmp(s.p + from, "_gpg", 4) != 0) {
            if (first != 0)
                return "its signatures are not at its end";
            continue;
        }
        if (!is_signature_name(s.p + from) || !plain_header(s.p + from) || content.n == 0 ||
            (!packets(content) && !armored(content)))
            return "a member that is named as a signature is none";
        first = first == 0 ? from : first;
        t->signatures++;
    }
    if (first == 0)
        return "it is not signed";
    if (!is_ar(built))
        return "what was built is no package";
    for (uint64_t at = AR_MAGIC; at < built.n;) {
        from = at;
        if (!member(built, &at, &content))
            return "what was built is no whole archive";
        if (memcmp(built.p + from, "_gpg", 4) == 0)
            return "what was built is signed itself";
    }
    return tail(t, s, built, first);
}

/* --- modules of Linux (Documentation/admin-guide/module-signing.rst; module_signature.h) --- */

static const char module_magic[] = "~Module signature appended~\n";
#define MODULE_MAGIC (sizeof(module_magic) - 1)
#define MODULE_INFO 12u /* algorithm, hash, sort, signer, key, 3 of zeros, length (big-endian) */
#define MODULE_PKCS7 2u

static bool is_module(struct span s)
{
    return s.n > MODULE_MAGIC && memcmp(s.p + s.n - MODULE_MAGIC, module_magic, MODULE_MAGIC) == 0;
}

static const char *plan_module(struct transplant *t, struct span s, struct span built)
{
    static const uint8_t info[] = {0, 0, MODULE_PKCS7, 0, 0, 0, 0, 0};
    const struct pe f = {.all = s};
    uint64_t n, end = 0, to;
    const uint8_t *h;

    if (s.n < MODULE_MAGIC + MODULE_INFO)
        return "its trailer is cut short";
    h = s.p + s.n - MODULE_MAGIC - MODULE_INFO;
    if (memcmp(h, info, sizeof(info)) != 0)
        return "its signature is not PKCS #7, as that of a module is";
    n = (uint64_t)h[8] << 24 | (uint64_t)h[9] << 16 | (uint64_t)h[10] << 8 | h[11];
    to = s.n - MODULE_MAGIC - MODULE_INFO;
    if (n > to || !pe_signed_data(&f, to - n, to, &end) || end != to)
        return "what lies before its trailer is more, or less, than a signature";
    if (!covered(s, to - n, to))
        return HOLDS_MORE;
    if (is_module(built))
        return "what was built is signed itself";
    t->signatures = 1;
    return tail(t, s, built, to - n);
}

const char *transplant_plan(struct transplant *t, struct span signed_file, struct span built)
{
    *t = (struct transplant){.format = TRANSPLANT_FORMATS};
    t->format = pe_is(signed_file)       ? TRANSPLANT_PE
                : is_ar(signed_file)     ? TRANSPLANT_DEB
                : is_module(signed_file) ? TRANSPLANT_MODULE
                                         : TRANSPLANT_FORMATS;
    switch (t->format) {
    case TRANSPLANT_PE:
        return plan_pe(t, signed_file, built);
    case TRANSPLANT_DEB:
        return plan_deb(t, signed_file, built);
    case TRANSPLANT_MODULE:
        return plan_module(t, signed_file, built);
    default:
        return "it is no signed file of a sort that is known";
    }
}
