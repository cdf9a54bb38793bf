#include "formats.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    bool twin;   /* the second reading of the format before it: adds what that did not list */
    struct magic magic[3];
};
static const struct format formats[] = {
    {"zip",
     archive_read_support_format_zip_seekable,
     false,
     false,
     {MAGIC(0, "PK\3\4"), MAGIC(0, "PK\5\6")}},
    {"zip", archive_read_support_format_zip_streamable, false, true, {MAGIC(0, "PK\3\4")}},
    {"7z", archive_read_support_format_7zip, false, false, {MAGIC(0, "7z\xbc\xaf\x27\x1c")}},
    {"rar", archive_read_support_format_rar, false, false, {MAGIC(0, "Rar!\x1a\7\0")}},
    {"rar5", archive_read_support_format_rar5, false, false, {MAGIC(0, "Rar!\x1a\7\1")}},
    {"cab", archive_read_support_format_cab, false, false, {MAGIC(0, "MSCF\0\0\0\0")}},
    {"iso9660", archive_read_support_format_iso9660, false, false, {MAGIC(32769, "CD001")}},
    {"xar", archive_read_support_format_xar, false, false, {MAGIC(0, "xar!")}},
    {"lha", archive_read_support_format_lha, false, false, {MAGIC(2, "-lh"), MAGIC(2, "-lz")}},
    {"ar", archive_read_support_format_ar, true, false, {MAGIC(0, "!<arch>\n")}},
    {"cpio",
     archive_read_support_format_cpio,
     true,
     false,
     {MAGIC(0, "07070"), MAGIC(0, "\x71\xc7"), MAGIC(0, "\xc7\x71")}},
    {"tar", archive_read_support_format_tar, true, false, {MAGIC(257, "ustar")}},
    {"warc", archive_read_support_format_warc, true, false, {MAGIC(0, "WARC/")}},
};

/* Compressed streams; each is asked only where its magic stands. */
static const struct format streams[] = {
    {"gz", archive_read_support_filter_gzip, true, false, {MAGIC(0, "\x1f\x8b\x08")}},
    {"bz2", archive_read_support_filter_bzip2, true, false, {MAGIC(0, "BZh")}},
    {"xz", archive_read_support_filter_xz, true, false, {MAGIC(0, "\xfd\x37zXZ\0")}},
    {"zst",
     archive_read_support_filter_zstd,
     true,
     false,
     {MAGIC(0, "\x28\xb5\x2f\xfd"), MAGIC(1, "\x2a\x4d\x18")}},
    {"lz4",
     archive_read_support_filter_lz4,
     true,
     false,
     {MAGIC(0, "\x04\x22\x4d\x18"), MAGIC(0, "\x02\x21\x4c\x18")}},
    {"lzip", archive_read_support_filter_lzip, true, false, {MAGIC(0, "LZIP")}},
    {"lzma", archive_read_support_filter_lzma, false, false, {MAGIC(0, "\x5d\0\0")}},
    {"Z", archive_read_support_filter_compress, false, false, {MAGIC(0, "\x1f\x9d")}},
    {"rpm", archive_read_support_filter_rpm, false, false, {MAGIC(0, "\xed\xab\xee\xdb")}},
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
    };
    const char *text = archive_error_string(a);

    if (archive_errno(a) == ENOMEM)
        return REASON_SIZE;
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(words); i++)
        if (strstr(text, words[i].word) != NULL)
            return words[i].why;
    return REASON_DAMAGED;
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

static void take_entry(struct pass *p, struct archive_entry *e)
{
    bool locked = archive_entry_is_data_encrypted(e) > 0;
    const char *name = archive_entry_pathname(e);
    enum verdict_reason before = p->w->reason, why;
    bool stop = p->w->stop;

    if (archive_entry_filetype(e) != AE_IFREG && archive_entry_filetype(e) != 0) {
        p->w->seen++; /* a folder, a link: nothing to scan, but work */
        if (p->w->seen > p->w->limits.members) {
            walk_worse(p->w, REASON_FILES);
            p->w->stop = true;
        }
        return;
    }
    if (walk_begin(p->w, p->parent, p->depth, span_str(name != NULL ? name : "")) != 0)
        return;
    why = copy_data(p);
    if (why == REASON_NONE && p->w->stop && !stop) { /* it fitted exactly */
        p->w->stop = false;
        p->w->reason = before;
    }
    if (locked && why == REASON_DAMAGED)
        why = REASON_ENCRYPTED; /* one password in 256 is taken for the right one */
    if (p->f->twin) {
        /* what the archive's own directory does not list may be anything: bytes, not their fate */
        p->w->reason = before;
        if (why == REASON_SIZE || why == REASON_FILES)
            walk_worse(p->w, why);
    }
    walk_end(p->w, p->f->twin ? REASON_NONE : why, p->f->twin);
    worse(p, why);
}

static void read_entries(struct pass *p)
{
    struct archive_entry *e;
    int rc;

    while (!p->w->stop) {
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
    for (size_t at = 0; at < rest.n; at += n) {
        uint8_t *to = walk_room(p->w, &n);

        if (n == 0)
            break;
        if (n > rest.n - at)
            n = rest.n - at;
        memcpy(to, rest.p + at, n);
        walk_grow(p->w, n);
    }
    walk_end(p->w, REASON_NONE, false);
}

static struct archive *open_one(const struct pass *p, bool stream)
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
    if (p->f->support(a) != ARCHIVE_OK)
        goto fail;
    for (size_t i = 0; i < pw->n; i++)
        (void)archive_read_add_passphrase(a, pw->v[i]);
    if (archive_read_open_memory(a, p->content.p, p->content.n) == ARCHIVE_OK)
        return a;
fail:
    (void)archive_read_free(a);
    return NULL;
}

/* true: at home. */
static bool run(struct pass *p, bool stream)
{
    p->sure = has_magic(p->f, p->content);
    p->opened = false;
    p->reason = REASON_NONE;
    p->a = open_one(p, stream);
    if (p->a == NULL) {
        if (p->sure && !p->f->twin)
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

void formats_warm_up(void)
{
    static const char sample[] = "a sample that is no archive";
    struct tm tm = {.tm_year = 100, .tm_mday = 1};
    struct archive *a = archive_read_new();
    struct archive_entry *e = archive_entry_new();

    (void)setenv("TZ", "UTC", 1);
    tzset();
    (void)mktime(&tm);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (a != NULL && e != NULL) {
        (void)archive_read_support_format_all(a);
        (void)archive_read_support_filter_all(a);
        (void)archive_read_open_memory(a, sample, sizeof(sample));
        (void)archive_read_next_header(a, &e);
        e = NULL; /* the archive's from here on */
    }
    archive_entry_free(e);
    (void)archive_read_free(a);
}
