/* boxes.h - containers made in memory for tests, by libarchive. */
#ifndef TESTS_DETECT_BOXES_H
#define TESTS_DETECT_BOXES_H

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BOX_MAX ((size_t)64 << 20)

struct box_kind {
    const char *name;
    int (*format)(struct archive *);
    int (*filter)(struct archive *); /* NULL: none */
    const char *options;             /* NULL: none */
};

static const struct box_kind box_kinds[] = {
    {"zip", archive_write_set_format_zip, NULL, NULL},
    {"zip-stored", archive_write_set_format_zip, NULL, "zip:compression=store"},
    {"7z", archive_write_set_format_7zip, NULL, NULL},
    {"7z-bzip2", archive_write_set_format_7zip, NULL, "7zip:compression=bzip2"},
    {"tar", archive_write_set_format_ustar, NULL, NULL},
    {"pax", archive_write_set_format_pax, NULL, NULL},
    {"gnutar", archive_write_set_format_gnutar, NULL, NULL},
    {"v7tar", archive_write_set_format_v7tar, NULL, NULL},
    {"cpio", archive_write_set_format_cpio, NULL, NULL},
    {"newc", archive_write_set_format_cpio_newc, NULL, NULL},
    {"ar", archive_write_set_format_ar_svr4, NULL, NULL},
    {"iso", archive_write_set_format_iso9660, NULL, NULL},
    {"xar", archive_write_set_format_xar, NULL, NULL},
    {"warc", archive_write_set_format_warc, NULL, NULL},
    {"gz", archive_write_set_format_raw, archive_write_add_filter_gzip, NULL},
    {"bz2", archive_write_set_format_raw, archive_write_add_filter_bzip2, NULL},
    {"xz", archive_write_set_format_raw, archive_write_add_filter_xz, NULL},
    {"lzip", archive_write_set_format_raw, archive_write_add_filter_lzip, NULL},
    {"lzma", archive_write_set_format_raw, archive_write_add_filter_lzma, NULL},
    {"zst", archive_write_set_format_raw, archive_write_add_filter_zstd, NULL},
    {"lz4", archive_write_set_format_raw, archive_write_add_filter_lz4, NULL},
    {"Z", archive_write_set_format_raw, archive_write_add_filter_compress, NULL},
    {"tgz", archive_write_set_format_pax, archive_write_add_filter_gzip, NULL},
    {"txz", archive_write_set_format_pax, archive_write_add_filter_xz, NULL},
    {"tzst", archive_write_set_format_pax, archive_write_add_filter_zstd, NULL},
};

static const struct box_kind *box_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(box_kinds); i++)
        if (strcmp(box_kinds[i].name, name) == 0)
            return &box_kinds[i];
    fail_msg("no such kind of container: %s", name);
    return &box_kinds[0];
}

static la_ssize_t box_write(struct archive *a, void *to, const void *p, size_t n)
{
    (void)a;
    return buf_put(to, p, n) == 0 ? (la_ssize_t)n : -1;
}

static struct archive *box_begin(struct buf *to, const struct box_kind *k, const char *password)
{
    struct archive *a = archive_write_new();

    assert_non_null(a);
    assert_int_equal(k->format(a), ARCHIVE_OK);
    if (k->filter != NULL)
        assert_int_equal(k->filter(a), ARCHIVE_OK);
    (void)archive_write_set_bytes_in_last_block(a, 1);
    if (k->options != NULL)
        assert_int_equal(archive_write_set_options(a, k->options), ARCHIVE_OK);
    if (password != NULL) {
        assert_int_equal(archive_write_set_options(a, "zip:encryption=aes256"), ARCHIVE_OK);
        assert_int_equal(archive_write_set_passphrase(a, password), ARCHIVE_OK);
    }
    assert_int_equal(archive_write_open(a, to, NULL, box_write, NULL), ARCHIVE_OK);
    return a;
}

static void box_add(struct archive *a, const char *name, struct span content)
{
    struct archive_entry *e = archive_entry_new();

    archive_entry_set_pathname(e, name);
    archive_entry_set_size(e, (la_int64_t)content.n);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, 1000000000, 0);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    if (content.n > 0)
        assert_int_equal(archive_write_data(a, content.p, content.n), (la_ssize_t)content.n);
    archive_entry_free(e);
}

static void box_end(struct archive *a)
{
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

/* Appends a container of this kind with one member to `to`. */
static inline void box(struct buf *to, const char *kind, const char *name, struct span content)
{
    struct archive *a = box_begin(to, box_kind(kind), NULL);

    box_add(a, name, content);
    box_end(a);
}

#endif
