#include "formats.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define REST_BACK 8u
#define REST_AHEAD 32u

/* --- who is at home where --- */

struct magic {
    size_t at;
    const char *bytes;
    size_t n;
};
#define MAGIC(at, s)                                                                               \
    {                                                                                              \
        at, s, sizeof(s) - 1                                                                       \
    }

struct format {
    const char *name;
    int (*support)(struct archive *);
    bool linear; /* what stands behind its end is told by the position */
    bool twin;   /* another reading of the format before it: adds what that did not list */
    bool solid;  /* after an error nothing more is read, see take_entry */
    struct magic magic[3];
    const char *options; /* libarchive's */
};
#define ISO MAGIC(32769, "CD001")
static const struct format formats[] = {
    {.name = "zip",
     .support = archive_read_support_format_zip_seekable,
     .magic = {MAGIC(0, "PK\3\4"), MAGIC(0, "PK\5\6")}},
    {.name = "zip",
     .support = archive_read_support_format_zip_streamable,
     .twin = true,
     .magic = {MAGIC(0, "PK\3\4")}},
    {.name = "7z",
     .support = archive_read_support_format_7zip,
     .solid = true,
     .magic = {MAGIC(0, "7z\xbc\xaf\x27\x1c")}},
    {.name = "rar",
     .support = archive_read_support_format_rar,
     .solid = true,
     .magic = {MAGIC(0, "Rar!\x1a\7\0")}},
    {.name = "rar5",
     .support = archive_read_support_format_rar5,
     .solid = true,
     .magic = {MAGIC(0, "Rar!\x1a\7\1")}},
    {.name = "cab",
     .support = archive_read_support_format_cab,
     .solid = true,
     .magic = {MAGIC(0, "MSCF\0\0\0\0")}},
    /* up to three trees in one image, and which of them is seen is the viewer's choice */
    {.name = "iso9660", .support = archive_read_support_format_iso9660, .magic = {ISO}},
    {.name = "iso9660",
     .support = archive_read_support_format_iso9660,
     .twin = true,
     .magic = {ISO},
     .options = "!rockridge"},
    {.name = "iso9660",
     .support = archive_read_support_format_iso9660,
     .twin = true,
     .magic = {ISO},
     .options = "!joliet"},
    {.name = "xar", .support = archive_read_support_format_xar, .magic = {MAGIC(0, "xar!")}},
    {.name = "lha",
     .support = archive_read_support_format_lha,
     .magic = {MAGIC(2, "-lh"), MAGIC(2, "-lz")}},
    {.name = "ar",
     .support = archive_read_support_format_ar,
     .linear = true,
     .magic = {MAGIC(0, "!<arch>\n")}},
    {.name = "cpio",
     .support = archive_read_support_format_cpio,
     .linear = true,
     .magic = {MAGIC(0, "07070"), MAGIC(0, "\x71\xc7"), MAGIC(0, "\xc7\x71")}},
    {.name = "tar",
     .support = archive_read_support_format_tar,
     .linear = true,
     .magic = {MAGIC(257, "ustar")}},
    {.name = "warc",
     .support = archive_read_support_format_warc,
     .linear = true,
     .magic = {MAGIC(0, "WARC/")}},
};

/* Compressed streams; each is asked only where its magic stands. */
static const struct format streams[] = {
    {.name = "gz",
     .support = archive_read_support_filter_gzip,
     .linear = true,
     .magic = {MAGIC(0, "\x1f\x8b\x08")}},
    {.name = "bz2",
     .support = archive_read_support_filter_bzip2,
     .linear = true,
     .magic = {MAGIC(0, "BZh")}},
    {.name = "xz",
     .support = archive_read_support_filter_xz,
     .linear = true,
     .magic = {MAGIC(0, "\xfd\x37zXZ\0")}},
    {.name = "zst",
     .support = archive_read_support_filter_zstd,
     .linear = true,
     .magic = {MAGIC(0, "\x28\xb5\x2f\xfd"), MAGIC(1, "\x2a\x4d\x18")}},
    {.name = "lz4",
     .support = archive_read_support_filter_lz4,
     .linear = true,
     .magic = {MAGIC(0, "\x04\x22\x4d\x18"), MAGIC(0, "\x02\x21\x4c\x18")}},
    {.name = "lzip",
     .support = archive_read_support_filter_lzip,
     .linear = true,
     .magic = {MAGIC(0, "LZIP")}},
    {.name = "lzma", .support = archive_read_support_filter_lzma, .magic = {MAGIC(0, "\x5d\0\0")}},
    {.name = "Z", .support = archive_read_support_filter_compress, .magic = {MAGIC(0, "\x1f\x9d")}},
    {.name = "rpm",
     .support = archive_read_support_filter_rpm,
     .magic = {MAGIC(0, "\xed\xab\xee\xdb")}},
};

static bool has_magic(const struct format *f, struct span s)
{
    for (size_t i = 0; i < ARRAY_LEN(f->magic); i++) {
        const struct magic *m = &f->magic[i];

        if (m->n > 0 && s.n >= m->at + m->n && memcmp(s.p + m->at, m->bytes, m->n) == 0)
            return true;
    }
    return false;
}

/* lzma has three zero-ish bytes for a magic: an error there says nothing. */
static bool doubtful(const struct format *f)
{
    return f->support == archive_read_support_filter_lzma ||
           f->support == archive_read_support_filter_compress;
}

/* --- reading one --- */

struct pass {
    struct walk *w;
    const struct format *f;
    struct archive *a;
    struct span content;
    uint32_t parent, depth;
    bool too_deep, sure; /* sure: the magic stands where it must */
    bool opened;         /* an entry was there */
    bool failed;         /* an error after which no more is read */
    uint32_t next;       /* a twin: the listed member that its next entry should be */
    enum verdict_reason reason;
};

static void worse(struct pass *p, enum verdict_reason why)
{
    if (why != REASON_NONE && (p->reason == REASON_NONE || why < p->reason))
        p->reason = why;
}

/* libarchive has words for it only. */
static enum verdict_reason why_not(struct archive *a)
{
    static const struct {
        const char *word;
        enum verdict_reason why;
    } words[] = {
        {"assphrase", REASON_ENCRYPTED},
        {"ncrypt", REASON_ENCRYPTED},
        {"rypto", REASON_ENCRYPTED},
        {"nsupported", REASON_UNSUPPORTED},
        {"not supported", REASON_UNSUPPORTED},
        {"upport unavailable", REASON_UNSUPPORTED},
        {"llocate", REASON_SIZE},
        {"ut of memory", REASON_SIZE},
        {"No memory", REASON_SIZE},
        {"much memory", REASON_SIZE}, /* zstd's window */
    };
    const char *text = archive_error_string(a);

    if (archive_errno(a) == ENOMEM)
        return REASON_SIZE;
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(words); i++)
        if (strstr(text, words[i].word) != NULL)
            return words[i].why;
    return REASON_DAMAGED;
}

/* What a link may point to: no control characters, and UTF-8. */
static bool plain_text(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return text_is_utf8(s);
}

/* An entry's bytes into the arena. */
static enum verdict_reason copy_data(struct pass *p)
{
    for (;;) {
        size_t n;
        uint8_t *to = walk_room(p->w, &n);
        la_ssize_t got;

        if (n == 0) {
            uint8_t one;

            /* exactly full is not too much */
            if (archive_read_data(p->a, &one, 1) == 0)
                return REASON_NONE;
            return REASON_SIZE;
        }
        got = archive_read_data(p->a, to, n < 1u << 20 ? n : 1u << 20);
        if (got == 0)
            return REASON_NONE;
        if (got == ARCHIVE_RETRY)
            continue;
        if (got < 0)
            return why_not(p->a);
        walk_grow(p->w, (size_t)got);
    }
}

static enum verdict_reason append(struct pass *p, struct span s)
{
    size_t n;

    for (size_t at = 0; at < s.n; at += n) {
        uint8_t *to = walk_room(p->w, &n);

        if (n == 0)
            return REASON_SIZE;
        if (n > s.n - at)
            n = s.n - at;
        memcpy(to, s.p + at, n);
        walk_grow(p->w, n);
    }
    return REASON_NONE;
}

/* An entry of a twin: as long as its bytes are those of the member that should be the same, they
 * are not kept a second time.  *same: they are, to the end. */
static enum verdict_reason copy_twin(struct pass *p, bool *same)
{
    static uint8_t piece[65536];
    struct span known = walk_listed(p->w, p->next++);
    enum verdict_reason why;
    size_t at = 0;
    la_ssize_t got;

    for (;;) {
        got = archive_read_data(p->a, piece, sizeof(piece));
        if (got == ARCHIVE_RETRY)
            continue;
        if (got <= 0 || (size_t)got > known.n - at || memcmp(known.p + at, piece, (size_t)got) != 0)
            break;
        at += (size_t)got;
    }
    *same = got == 0 && at == known.n;
    if (*same)
        return REASON_NONE;
    why = append(p, span_of(known.p, at));
    if (got < 0)
        return why_not(p->a);
    if (why == REASON_NONE && got > 0)
        why = append(p, span_of(piece, (size_t)got));
    return why != REASON_NONE || got == 0 ? why : copy_data(p);
}

/* What an entry is, beside a file. */
enum sort {
    FILE_,   /* bytes, or whatever else can be read as some */
    NOTHING, /* a folder, a device without content */
    LINK,    /* of a zip: its bytes are where it points to */
    HIDDEN   /* of a zip: it has bytes, and libarchive does not give them */
};

/* Who unpacks a zip on Windows does not ask what Unix would make of an entry: what an archive calls
 * a device or a folder may be a program all the same. */
static enum sort sort_of(const struct pass *p, struct archive_entry *e)
{
    const char *to = archive_entry_symlink(e);

    if (archive_entry_filetype(e) == AE_IFREG || archive_entry_filetype(e) == 0 ||
        strcmp(p->f->name, "zip") != 0)
        return FILE_;
    if (archive_entry_filetype(e) == AE_IFLNK)
        return to != NULL && to[0] != '\0' ? LINK : NOTHING;
    return archive_entry_size(e) > 0 ? HIDDEN : NOTHING;
}

static void count_only(struct walk *w)
{
    w->seen++; /* a folder, a link: nothing to scan, but work */
    if (w->seen > w->limits.members) {
        walk_worse(w, REASON_FILES);
        w->stop = true;
    }
}

static enum verdict_reason copy_entry(struct pass *p, struct archive_entry *e, enum sort sort,
                                      bool *drop)
{
    bool file = archive_entry_filetype(e) == AE_IFREG || archive_entry_filetype(e) == 0;
    struct span text = span_str(sort == LINK ? archive_entry_symlink(e) : "");
    enum verdict_reason why;

    if (sort == HIDDEN)
        return REASON_UNSUPPORTED;
    if (sort == LINK) { /* libarchive ends it at the first zero, and no program is such a text */
        why = append(p, text);
        return why == REASON_NONE && !plain_text(text) ? REASON_UNSUPPORTED : why;
    }
    if (p->f->twin)
        return copy_twin(p, drop);
    why = copy_data(p);
    *drop = !file && why == REASON_NONE && walk_member(p->w, p->w->where->members)->size == 0;
    return why;
}

static void take_entry(struct pass *p, struct archive_entry *e)
{
    bool locked = archive_entry_is_data_encrypted(e) > 0;
    const char *name = archive_entry_pathname(e);
    enum verdict_reason before = p->w->reason, why;
    enum sort sort = sort_of(p, e);
    bool stop = p->w->stop, drop = false;

    if (sort == NOTHING) {
        count_only(p->w);
        return;
    }
    if (walk_begin(p->w, p->parent, p->depth, span_str(name != NULL ? name : "")) != 0)
        return;
    why = copy_entry(p, e, sort, &drop);
    if (why == REASON_NONE && p->w->stop && !stop) { /* it fitted exactly */
        p->w->stop = false;
        p->w->reason = before;
    }
    if (locked && why == REASON_DAMAGED)
        why = REASON_ENCRYPTED; /* one password in 256 is taken for the right one */
    /* libarchive 3.6 goes on from a decoder that has failed, to skip the rest of the entry, and
     * writes where it must not (bzip2 in 7z, cab): none of these has entries behind that one that
     * could be read without it */
    p->failed = p->f->solid && why != REASON_NONE;
    if (p->f->twin) {
        /* what the archive's own directory does not list may be anything: bytes, not their fate */
        p->w->reason = before;
        if (why == REASON_SIZE || why == REASON_FILES)
            walk_worse(p->w, why);
    }
    if (drop) {
        walk_drop(p->w);
        if (!p->f->twin)
            count_only(p->w);
    } else {
        walk_end(p->w, p->f->twin ? REASON_NONE : why, p->f->twin);
    }
    worse(p, why);
}

static void read_entries(struct pass *p)
{
    struct archive_entry *e;
    int rc;

    while (!p->w->stop && !p->failed) {
        rc = archive_read_next_header(p->a, &e);
        if (rc == ARCHIVE_EOF)
            return;
        if (rc == ARCHIVE_RETRY)
            continue;
        if (rc == ARCHIVE_FATAL || rc == ARCHIVE_FAILED) {
            if (p->opened || p->sure)
                worse(p, why_not(p->a));
            return;
        }
        p->opened = true;
        if (p->too_deep) {
            worse(p, REASON_RECURSION);
            return;
        }
        take_entry(p, e);
    }
}

/* Where the rest begins.  A decoder may stop before its own last bytes (an end mark, a checksum) or
 * have taken the first ones of what follows (lz4: four): a magic near the place decides. */
static size_t rest_begins(struct span all, size_t end)
{
    size_t from = end > REST_BACK ? end - REST_BACK : 0;

    for (size_t at = from; at < end + REST_AHEAD && at < all.n; at++) {
        struct span s = span_of(all.p + at, all.n - at);

        for (size_t i = 0; at > 0 && i < ARRAY_LEN(formats); i++)
            if (has_magic(&formats[i], s))
                return at;
        for (size_t i = 0; at > 0 && i < ARRAY_LEN(streams); i++)
            if (!doubtful(&streams[i]) && has_magic(&streams[i], s))
                return at;
    }
    return end;
}

/* What stands behind the end of a container is looked at too. */
static void take_rest(struct pass *p)
{
    int64_t end = archive_filter_bytes(p->a, -1);
    struct span rest;
    size_t zeros = 0, n;

    if (end <= 0 || (uint64_t)end >= p->content.n)
        return;
    rest = span_of(p->content.p + end, p->content.n - (size_t)end);
    while (zeros < rest.n && rest.p[zeros] == 0)
        zeros++;
    if (zeros == rest.n) /* padding */
        return;
    n = rest_begins(p->content, (size_t)end);
    rest = span_of(p->content.p + n, p->content.n - n);
    if (walk_begin(p->w, p->parent, p->depth, span_str("(behind the end)")) != 0)
        return;
    (void)append(p, rest); /* too much of it is the walk's own reason */
    walk_end(p->w, REASON_NONE, false);
}

static struct archive *open_one(struct pass *p, bool stream)
{
    struct archive *a = archive_read_new();
    const struct passwords *pw = p->w->passwords;

    if (a == NULL)
        return NULL;
    if (stream) {
        (void)archive_read_support_format_raw(a);
        if (p->f->support == archive_read_support_filter_rpm) { /* a header before another stream */
            for (size_t i = 0; i + 1 < ARRAY_LEN(streams); i++)
                (void)streams[i].support(a);
        }
    }
    /* one that needs an outside program warns, and is not in the tables */
    if (p->f->support(a) != ARCHIVE_OK ||
        (p->f->options != NULL && archive_read_set_options(a, p->f->options) != ARCHIVE_OK))
        goto fail;
    for (size_t i = 0; i < pw->n; i++)
        (void)archive_read_add_passphrase(a, pw->v[i]);
    if (archive_read_open_memory(a, p->content.p, p->content.n) == ARCHIVE_OK)
        return a;
    if (p->sure && !p->f->twin)
        worse(p, why_not(a));
fail:
    (void)archive_read_free(a);
    return NULL;
}

/* true: at home. */
static bool run(struct pass *p, bool stream)
{
    p->sure = has_magic(p->f, p->content);
    p->opened = p->failed = false;
    p->next = 0;
    p->reason = REASON_NONE;
    p->a = open_one(p, stream);
    if (p->a == NULL) {
        if (p->sure && !p->f->twin && p->reason == REASON_NONE)
            worse(p, REASON_DAMAGED);
        return p->sure;
    }
    read_entries(p);
    if (p->f->linear && p->opened && p->reason == REASON_NONE && !p->w->stop && !p->too_deep)
        take_rest(p);
    (void)archive_read_free(p->a);
    return p->opened || p->sure;
}

static bool open_streams(struct pass *p)
{
    for (size_t i = 0; i < ARRAY_LEN(streams) && !p->w->stop; i++) {
        uint32_t from = p->w->where->members;
        bool home;

        p->f = &streams[i];
        if (!has_magic(p->f, p->content))
            continue;
        home = run(p, true);
        if (doubtful(p->f) && p->reason != REASON_NONE &&
            (p->w->where->members == from || walk_member(p->w, from)->size == 0))
            continue;
        walk_worse(p->w, p->reason);
        if (home)
            return true;
    }
    return false;
}

bool formats_open(struct walk *w, struct span content, uint32_t parent, uint32_t depth,
                  bool too_deep)
{
    struct pass p = {
        .w = w, .content = content, .parent = parent, .depth = depth, .too_deep = too_deep};
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(formats) && !w->stop; i++) {
        p.f = &formats[i];
        if (!p.f->twin)
            w->listed = w->where->members;
        any |= run(&p, false);
        /* where the first reading failed it has said so; a second one only adds members */
        if (!p.f->twin)
            walk_worse(w, p.reason);
    }
    if (!w->stop && open_streams(&p))
        any = true;
    return any;
}

/* --- warming up --- */

/* An lha archive says in which of 65,536 code pages its names are, and glibc loads a module for
 * each it knows.  They stay open: a module that nobody has open is unloaded.  About 50 ms, 7 MB. */
static void load_code_pages(void)
{
    char name[16];

    for (unsigned i = 0; i < 65536; i++) {
        (void)snprintf(name, sizeof(name), "CP%u", i);
        (void)!iconv_open("UTF-8", name);
    }
}

void formats_warm_up(void)
{
    static const char sample[] = "a sample that is no archive";
    struct tm tm = {.tm_year = 100, .tm_mday = 1};
    struct archive *a = archive_read_new();
    struct archive_entry *e;

    (void)setenv("TZ", "UTC", 1);
    tzset();
    (void)mktime(&tm);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    load_code_pages();
    if (a != NULL) {
        (void)archive_read_support_format_all(a);
        (void)archive_read_support_filter_all(a);
        (void)archive_read_open_memory(a, sample, sizeof(sample));
        (void)archive_read_next_header(a, &e); /* which is the archive's own */
    }
    (void)archive_read_free(a);
}
