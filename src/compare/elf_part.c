/* elf_part.c - the content of a section, by its type; notes, idents, links to debug files, and what
 * is compressed. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "base/text.h"
#include "compare/elf_priv.h"

#define BUILD_ID_MAX 64u

/* --- notes --- */

struct note {
    uint64_t at, n, desc; /* with padding; the descriptor */
    uint32_t name_n, desc_n, type;
    struct span name;
};

static bool next_note(const struct elf_file *f, const struct elf_section *s, uint64_t *at,
                      struct note *out)
{
    const uint64_t align = s->align == 8 ? 8 : 4, end = s->off + s->size;
    const uint64_t from = s->off + *at;
    uint64_t name_end;

    if (from > end || end - from < 12)
        return false;
    *out = (struct note){.at = from,
                         .name_n = (uint32_t)elf_get(f, from, 4),
                         .desc_n = (uint32_t)elf_get(f, from + 4, 4),
                         .type = (uint32_t)elf_get(f, from + 8, 4)};
    name_end = 12 + (((uint64_t)out->name_n + align - 1) & ~(align - 1));
    if (align == 8)
        name_end = (12 + (uint64_t)out->name_n + 7) & ~UINT64_C(7);
    out->desc = from + name_end;
    out->n = name_end + (((uint64_t)out->desc_n + align - 1) & ~(align - 1));
    if (out->n > end - from) {
        if (name_end + out->desc_n != end - from) /* the last may end without padding */
            return false;
        out->n = end - from;
    }
    out->name = span_of(f->all.p + from + 12, out->name_n);
    *at += out->n;
    return true;
}

static bool build_id(const struct note *n)
{
    return n->type == NT_GNU_BUILD_ID && n->name.n == 4 && memcmp(n->name.p, "GNU", 4) == 0 &&
           n->desc_n >= 8 && n->desc_n <= BUILD_ID_MAX;
}

static int two_notes(struct elf_pair *p, const struct elf_section *s, const struct note *a,
                     const struct note *b)
{
    const struct look_range da = {a->desc, a->desc_n}, db = {b->desc, b->desc_n};
    char id[2][2 * BUILD_ID_MAX + 1], name[ELF_NAME];
    int rc = look_pair(p->l, (struct look_range){a->at, a->desc - a->at},
                       (struct look_range){b->at, b->desc - b->at}, COMPARE_UNEXPLAINED,
                       "head of a note in %s", elf_text(name, s->name));

    if (rc == 0 && build_id(a) && build_id(b) && a->desc_n == b->desc_n) {
        text_hex(id[0], p->f[0].all.p + a->desc, a->desc_n);
        text_hex(id[1], p->f[1].all.p + b->desc, b->desc_n);
        rc = look_pair(p->l, da, db, elf_class(p, s, COMPARE_DERIVED), "build-id %s | %s", id[0],
                       id[1]);
    } else if (rc == 0) {
        rc = look_pair(p->l, da, db, COMPARE_UNEXPLAINED, "note %.20s of type %" PRIu32,
                       elf_text(name, a->name), a->type);
    }
    return rc != 0
               ? rc
               : look_pair(
                     p->l,
                     (struct look_range){a->desc + a->desc_n, a->at + a->n - a->desc - a->desc_n},
                     (struct look_range){b->desc + b->desc_n, b->at + b->n - b->desc - b->desc_n},
                     COMPARE_UNEXPLAINED, "padding of a note");
}

static int notes(struct elf_pair *p, const struct elf_section *s, const struct elf_section *t)
{
    const struct elf_section *of[2] = {s, t};
    uint64_t at[2] = {0, 0};
    struct note n[2];
    char name[ELF_NAME];
    bool both = true;
    int rc = 0;

    while (rc == 0 && both) {
        uint64_t before[2] = {at[0], at[1]};

        for (int side = 0; side < 2; side++)
            both = next_note(&p->f[side], of[side], &at[side], &n[side]) && both;
        if (both && n[0].type == n[1].type && span_eq(n[0].name, n[1].name)) {
            rc = two_notes(p, s, &n[0], &n[1]);
        } else {
            both = false;
            memcpy(at, before, sizeof(at));
        }
    }
    return rc != 0 ? rc
                   : look_pair(p->l, (struct look_range){s->off + at[0], s->size - at[0]},
                               (struct look_range){t->off + at[1], t->size - at[1]},
                               COMPARE_UNEXPLAINED, "notes of %s that have no like",
                               elf_text(name, s->name));
}

/* --- .gnu_debuglink: a name, padding, a CRC --- */

static bool find_build_id(const struct elf_file *f, char out[2 * BUILD_ID_MAX + 1])
{
    const struct elf_section *s = elf_named(f, ".note.gnu.build-id");
    uint64_t at = 0;
    struct note n;

    if (s == NULL || !elf_content(s) || !next_note(f, s, &at, &n) || !build_id(&n))
        return false;
    text_hex(out, f->all.p + n.desc, n.desc_n);
    return true;
}

/* The name is the rest of the build-id, as debhelper makes it: it follows from that. */
static bool named_by_build_id(const struct elf_file *f, struct span name)
{
    char id[2 * BUILD_ID_MAX + 1];
    size_t n;

    if (!find_build_id(f, id))
        return false;
    n = strlen(id) - 2;
    return name.n == n + 6 && memcmp(name.p, id + 2, n) == 0 &&
           memcmp(name.p + n, ".debug", 6) == 0;
}

static int debuglink(struct elf_pair *p, const struct elf_section *s, const struct elf_section *t)
{
    struct span a = elf_string(elf_bytes(&p->f[0], s), 0);
    struct span b = elf_string(elf_bytes(&p->f[1], t), 0);
    const bool follows = named_by_build_id(&p->f[0], a) && named_by_build_id(&p->f[1], b);
    const uint64_t crc_a = (a.n + 4) & ~(uint64_t)3, crc_b = (b.n + 4) & ~(uint64_t)3;
    char name[2][ELF_NAME];
    int rc;

    if (crc_a + 4 != s->size || crc_b + 4 != t->size)
        return look_pair(p->l, elf_range(s), elf_range(t), COMPARE_UNEXPLAINED,
                         ".gnu_debuglink is malformed");
    rc = look_pair(p->l, (struct look_range){s->off, a.n}, (struct look_range){t->off, b.n},
                   elf_class(p, s, follows ? COMPARE_DERIVED : COMPARE_UNEXPLAINED),
                   "name of the debug file %.60s | %.60s%s", elf_text(name[0], a),
                   elf_text(name[1], b), follows ? ", from the build-id" : "");
    if (rc == 0)
        rc = look_pair(p->l, (struct look_range){s->off + a.n, crc_a - a.n},
                       (struct look_range){t->off + b.n, crc_b - b.n}, COMPARE_UNEXPLAINED,
                       "padding in .gnu_debuglink");
    return rc != 0 ? rc
                   : look_pair(p->l, (struct look_range){s->off + crc_a, 4},
                               (struct look_range){t->off + crc_b, 4},
                               elf_class(p, s, COMPARE_DERIVED), "CRC of the debug file");
}

/* --- .comment --- */

static bool ident(struct span s)
{
    static const char *const begins[] = {"GCC: (",
                                         "clang version ",
                                         "Debian clang version ",
                                         "Ubuntu clang version ",
                                         "rustc version ",
                                         "Linker: LLD ",
                                         "GHC "};
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        known = known || (s.n > strlen(begins[i]) && s.n <= 200 &&
                          memcmp(s.p, begins[i], strlen(begins[i])) == 0);
    for (size_t i = 0; i < s.n; i++)
        known = known && isprint(s.p[i]) != 0;
    return known;
}

static bool idents(struct span s)
{
    struct span one;

    for (size_t at = 0; at < s.n; at += one.n + 1) {
        one = elf_string(s, at);
        if (at + one.n >= s.n || (one.n > 0 && !ident(one)))
            return false;
    }
    return s.n > 0;
}

static struct span first_ident(struct span s)
{
    size_t at = 0;

    while (at < s.n && s.p[at] == 0)
        at++;
    return elf_string(s, at);
}

static int comment(struct elf_pair *p, const struct elf_section *s, const struct elf_section *t)
{
    struct span a = elf_bytes(&p->f[0], s), b = elf_bytes(&p->f[1], t);
    const bool only = idents(a) && idents(b);
    char text[2][ELF_NAME];

    return look_pair(p->l, elf_range(s), elf_range(t),
                     elf_class(p, s, only ? COMPARE_EXPLAINED : COMPARE_UNEXPLAINED),
                     only ? "compiler ident: %s | %s" : ".comment: %s | %s",
                     elf_text(text[0], first_ident(a)), elf_text(text[1], first_ident(b)));
}

/* --- compressed sections --- */

struct packed {
    struct look_range head, body;
    struct span plain;
    void *room; /* of room_n bytes, whether they could be filled or not */
    uint64_t room_n;
};

/* zlib, exactly *size bytes of it; *used: what it took. */
static bool expand(struct span in, void *out, uint64_t size, uint64_t *used)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in.p};
    uint64_t left_in = in.n, left_out = size;
    int rc = inflateInit(&z);

    if (rc != Z_OK)
        return false;
    z.next_out = out;
    while (rc == Z_OK) {
        const uInt give = left_in < (1u << 30) ? (uInt)left_in : 1u << 30;
        const uInt take = left_out < (1u << 30) ? (uInt)left_out : 1u << 30;

        z.avail_in = give;
        z.avail_out = take;
        rc = inflate(&z, Z_NO_FLUSH);
        left_in -= give - z.avail_in;
        left_out -= take - z.avail_out;
    }
    (void)inflateEnd(&z);
    *used = in.n - left_in;
    return rc == Z_STREAM_END && left_out == 0;
}

static void unpack(struct elf_pair *p, int side, const struct elf_section *s, struct packed *k)
{
    const struct elf_file *f = &p->f[side];
    const uint64_t head = f->wide ? 24 : 12, type = elf_get(f, s->off, 4);
    const uint64_t size = f->wide ? elf_get(f, s->off + 8, 8) : elf_get(f, s->off + 4, 4);
    uint64_t used;

    *k = (struct packed){.body = elf_range(s), .plain = elf_bytes(f, s)};
    if ((s->flags & SHF_COMPRESSED) == 0)
        return;
    k->plain = span_of(NULL, 0);
    if (s->size < head)
        return;
    k->head = (struct look_range){s->off, head};
    k->body = (struct look_range){s->off + head, s->size - head};
    if (type != ELFCOMPRESS_ZLIB || size / 1100 > s->size ||
        (k->room = look_room(p->l, size)) == NULL)
        return;
    k->room_n = size;
    k->plain = span_of(k->room, (size_t)size);
    if (!expand(span_of(f->all.p + k->body.at, (size_t)k->body.n), k->room, size, &used)) {
        k->plain = span_of(NULL, 0);
        return;
    }
    k->body.n = used; /* what lies behind is nobody's */
}

static int compressed(struct elf_pair *p, const struct elf_section *s, const struct elf_section *t)
{
    struct packed k[2];
    char name[2][ELF_NAME];
    int rc;

    unpack(p, 0, s, &k[0]);
    unpack(p, 1, t, &k[1]);
    rc = look_pair(p->l, k[0].head, k[1].head,
                   k[0].plain.p != NULL && k[1].plain.p != NULL ? COMPARE_DERIVED
                                                                : COMPARE_UNEXPLAINED,
                   "head of compressed %s: its length", elf_text(name[0], s->name));
    if (rc == 0)
        rc = look_unpacked(p->l, k[0].body, k[1].body, k[0].plain, k[1].plain, name[0],
                           elf_text(name[1], t->name));
    look_give_back(p->l, k[1].room, k[1].room_n);
    look_give_back(p->l, k[0].room, k[0].room_n);
    return rc;
}

/* --- all of them --- */

static bool pointers(const struct elf_section *s)
{
    return s->type == SHT_INIT_ARRAY || s->type == SHT_FINI_ARRAY || s->type == SHT_PREINIT_ARRAY ||
           span_is(s->name, ".got") || span_is(s->name, ".got.plt");
}

static int by_type(struct elf_pair *p, struct elf_section *s, const struct elf_section *t)
{
    char name[ELF_NAME];

    switch (s->type) {
    case SHT_NOTE:
        return notes(p, s, t);
    case SHT_STRTAB:
        return elf_strings(p, s);
    case SHT_SYMTAB:
    case SHT_DYNSYM:
        return elf_symbols_compare(p, s);
    case SHT_RELA:
    case SHT_REL:
        return elf_relocations(p, s);
    case SHT_DYNAMIC:
        return elf_dynamic(p, s);
    default:
        break;
    }
    if (pointers(s))
        return elf_pointers(p, s);
    if (span_is(s->name, ".eh_frame"))
        return elf_frames(p, s);
    if (span_is(s->name, ".eh_frame_hdr"))
        return elf_frame_table(p, s);
    if (span_is(s->name, ".gnu_debuglink"))
        return debuglink(p, s, t);
    if (span_is(s->name, ".comment"))
        return comment(p, s, t);
    if (span_is(s->name, ".debug_line") && (s->flags & SHF_ALLOC) == 0 && p->f[0].type != ET_REL &&
        p->f[1].type != ET_REL)
        return elf_lines(p, s);
    if ((s->flags & (SHF_ALLOC | SHF_STRINGS)) == 0 && s->type == SHT_PROGBITS)
        return look_may(p->l)
                   ? look_member(p->l, elf_range(s), elf_range(t), elf_text(name, s->name), name)
                   : 0;
    return elf_data(p, s);
}

int elf_part(struct elf_pair *p, struct elf_section *s)
{
    const struct elf_section *t = &p->f[1].section[s->peer];
    const struct elf_funcs *code = p->code[s - p->f[0].section];
    const struct look_range a = elf_range(s), b = elf_range(t);
    char name[ELF_NAME];

    if (s->outside || t->outside)
        return look_find(p->l, COMPARE_UNEXPLAINED, "section %s lies outside of the file",
                         elf_text(name, s->name));
    if (!elf_content(s) || !elf_content(t) || s->type != t->type)
        return look_pair(p->l, a, b, COMPARE_UNEXPLAINED, "content of section %s",
                         elf_text(name, s->name));
    if (((s->flags | t->flags) & SHF_COMPRESSED) != 0)
        return compressed(p, s, t);
    if ((s->flags & SHF_ALLOC) == 0 || !p->moved)
        if (span_eq(elf_bytes(&p->f[0], s), elf_bytes(&p->f[1], t)))
            return look_pair(p->l, a, b, COMPARE_UNEXPLAINED, "content");
    if ((s->flags & SHF_EXECINSTR) != 0 && (code[0].head > 0 || code[0].n > 0))
        return elf_code(p, s);
    return by_type(p, s, t);
}
