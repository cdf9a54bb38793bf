#include "site/data_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"

#define NAME "format"
#define WORD "site-data/v"
#define PATH 4096
#define FILE_MAX 64

/* No step yet: version 1 is the first. */
const struct data_format_steps data_format_steps = {NULL, 0};
_Static_assert(DATA_FORMAT == 1, "one step for each version after the first");

static int path_of(const char *dir, const char *name, char out[PATH], struct err *e)
{
    return snprintf(out, PATH, "%s/%s", dir, name) < PATH
               ? 0
               : err_set(e, -ENAMETOOLONG, "the data folder's path is too long");
}

static int parse(const char *path, struct span s, uint32_t *version, struct err *e)
{
    const size_t word = strlen(WORD);
    uint64_t v;

    if (s.n <= word + 1 || s.p[s.n - 1] != '\n' || memcmp(s.p, WORD, word) != 0 ||
        text_u64(span_of(s.p + word, s.n - word - 1), UINT32_MAX, &v) != 0 || v == 0)
        return err_set(e, -EBADMSG,
                       "\"%s\" does not say which format the data folder has; it holds one line, "
                       "\"" WORD "N\"; restore it from a copy",
                       path);
    *version = (uint32_t)v;
    return 0;
}

/* 0: the folder has no file; then its ledger's key tells whether there is a site. */
static int read_version(const char *dir, uint32_t *version, struct err *e)
{
    char path[PATH], founded[PATH];
    struct buf b;
    int rc;

    if ((rc = path_of(dir, NAME, path, e)) != 0 ||
        (rc = path_of(dir, "ledger.vkey", founded, e)) != 0)
        return rc;
    buf_init(&b, FILE_MAX);
    rc = io_read_file(AT_FDCWD, path, &b);
    if (rc == 0 || rc == -E2BIG) {
        rc = parse(path, rc == 0 ? buf_span(&b) : span_of(NULL, 0), version, e);
    } else if (rc == -ENOENT) {
        *version = access(founded, F_OK) == 0 ? 1 : 0;
        rc = 0;
    } else {
        (void)err_sys(e, rc, "reading \"%s\"", path);
    }
    buf_free(&b);
    return rc;
}

int data_format_look_with(const char *dir, const struct data_format_steps *s, uint32_t *version,
                          struct err *e)
{
    int rc = read_version(dir, version, e);

    if (rc == 0 && *version > s->n + 1)
        return err_set(e, -EPROTONOSUPPORT,
                       "the data folder \"%s\" has format %u, this program knows formats up to %u: "
                       "a newer program wrote it; run that one or a later one (nothing was "
                       "changed)",
                       dir, *version, s->n + 1);
    return rc;
}

int data_format_look(const char *dir, uint32_t *version, struct err *e)
{
    return data_format_look_with(dir, &data_format_steps, version, e);
}

static int write_version(const char *dir, uint32_t version, struct err *e)
{
    char path[PATH], text[FILE_MAX];
    int rc = path_of(dir, NAME, path, e);

    if (rc != 0)
        return rc;
    (void)snprintf(text, sizeof(text), WORD "%u\n", version);
    rc = io_replace_file(AT_FDCWD, path, text, strlen(text), 0644);
    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", path);
}

int data_format_bring(const char *dir, const struct data_format_steps *s, struct err *e)
{
    char from[16], to[16], path[PATH];
    uint32_t version;
    int rc = data_format_look_with(dir, s, &version, e);

    if (rc != 0 || (rc = path_of(dir, NAME, path, e)) != 0)
        return rc;
    for (; version > 0 && version <= s->n; version++) {
        (void)snprintf(from, sizeof(from), "%u", version);
        (void)snprintf(to, sizeof(to), "%u", version + 1);
        log_info("the data folder is brought to a new format", "from", from, "to", to);
        if ((rc = s->step[version - 1](dir, e)) != 0)
            return err_prefix(e, "bringing the data folder from format %s to %s", from, to);
        if ((rc = write_version(dir, version + 1, e)) != 0)
            return rc;
    }
    return access(path, F_OK) == 0 ? 0 : write_version(dir, s->n + 1, e);
}
