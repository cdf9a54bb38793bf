#include "rules/dispute.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "people/document.h"
#include "rules/change.h"

#define DISPUTES_MAX 100000

static const char *const settled[] = {"none", "clean", "malicious"};
static const char *const askers[] = {"vendor",     "owner",      "partner",
                                     "researcher", "government", "court"};

const char *dispute_word(enum dispute_settled s)
{
    return settled[s];
}

int dispute_of_word(const char *word, enum dispute_settled *out)
{
    for (size_t i = 0; i < ARRAY_LEN(settled); i++)
        if (strcmp(word, settled[i]) == 0) {
            *out = (enum dispute_settled)i;
            return 0;
        }
    return -EINVAL;
}

/* --- the document --- */

static int read_why(const struct yaml_node *root, char out[DISPUTE_WHY_MAX + 1], struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_need(root, "why", &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (s[0] == '\0' || strlen(s) > DISPUTE_WHY_MAX || strpbrk(s, "\n\t") != NULL)
        return yaml_err(e, n, "\"why\" is one line of 1 to %d bytes", DISPUTE_WHY_MAX);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

static int read_dispute(const struct yaml_node *root, struct dispute *d, struct err *e)
{
    const struct yaml_node *due;
    size_t asker = 0, word = 0;
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a dispute is a map that begins with \"format: dispute/v1\"");
    if ((rc = document_format(root, "dispute/v1", e)) != 0 ||
        (rc = change_digest(root, "file", &d->file, NULL, e)) != 0 ||
        (rc = document_word_of(root, "asker", askers, ARRAY_LEN(askers), &asker, e)) != 0 ||
        (rc = document_time(root, "opened", &d->opened, e)) != 0 ||
        (rc = document_time(root, "due", &d->due, e)) != 0 ||
        (rc = read_why(root, d->why, e)) != 0 ||
        (rc = document_word_of(root, "settled", settled, ARRAY_LEN(settled), &word, e)) != 0 ||
        (rc = yaml_map_done(root, e)) != 0)
        return rc;
    if (d->due <= d->opened || d->due - d->opened > (unix_time)DISPUTE_DAYS_MAX * 86400)
        return (rc = yaml_need(root, "due", &due, e)) != 0
                   ? rc
                   : yaml_err(e, due, "\"due\" is after \"opened\", by at most %d days",
                              DISPUTE_DAYS_MAX);
    d->asker = (enum rules_asker)asker;
    d->settled = (enum dispute_settled)word;
    return 0;
}

int dispute_parse(struct dispute *out, const char *name, struct span text, struct err *e)
{
    struct yaml_doc *doc = NULL;
    struct dispute d;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&d, 0, sizeof(d));
    rc = read_dispute(yaml_root(doc), &d, e);
    yaml_free(doc);
    if (rc == 0)
        *out = d;
    return rc;
}

int dispute_write(const struct dispute *d, struct buf *out)
{
    char file[65], opened[CLOCK_MINUTE_LEN + 1], due[CLOCK_MINUTE_LEN + 1];
    int rc;

    text_digest(file, &d->file);
    clock_minute(opened, d->opened);
    clock_minute(due, d->due);
    if ((rc = buf_printf(out, "format: dispute/v1\nfile: \"%s\"\nasker: %s\nopened: %s\ndue: %s\n",
                         file, askers[d->asker], opened, due)) != 0 ||
        (rc = change_words(out, "why", d->why)) != 0)
        return rc;
    return buf_printf(out, "settled: %s\n", settled[d->settled]);
}

/* --- as tests --- */

enum dispute_test dispute_test(const struct dispute *d, unix_time now)
{
    if (d->settled == DISPUTE_MALICIOUS)
        return DISPUTE_MUST;
    return d->settled == DISPUTE_CLEAN || now >= d->due ? DISPUTE_MUST_NOT : DISPUTE_TOLD;
}

static int hash_file(const char *path, struct digest *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    struct sha256 *h = sha256_new();
    uint8_t piece[1 << 14];
    ssize_t n = fd < 0 ? -1 : 1;
    int rc = fd < 0 ? -errno : h == NULL ? -ENOMEM : 0;

    while (rc == 0 && n > 0) {
        if ((n = read(fd, piece, sizeof(piece))) > 0)
            sha256_add(h, piece, (size_t)n);
        else if (n < 0)
            rc = -errno;
    }
    if (h != NULL)
        sha256_end(h, out);
    sha256_free(h);
    io_close(&fd);
    return rc;
}

static int add_one(struct corpus *c, const char *folder, const char *name, unix_time now,
                   struct dispute_counts *n, struct err *e)
{
    char path[4096], file[4096];
    struct dispute d;
    struct digest is;
    struct buf text;
    int rc, stem = (int)strlen(name) - 5;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
        snprintf(file, sizeof(file), "%s/%.*s.file", folder, stem, name) >= (int)sizeof(file))
        return err_set(e, -ENAMETOOLONG, "the path of \"%s\" is too long", name);
    buf_init(&text, 1 << 16);
    if ((rc = io_read_file(AT_FDCWD, path, &text)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    else
        rc = dispute_parse(&d, path, buf_span(&text), e);
    buf_free(&text);
    if (rc != 0)
        return rc;
    if ((rc = hash_file(file, &is)) != 0)
        return err_sys(e, rc, "the disputed file \"%s\"", file);
    if (!digest_eq(&is, &d.file))
        return err_set(e, -EINVAL, "\"%s\" is not the file that \"%s\" is about", file, path);
    switch (dispute_test(&d, now)) {
    case DISPUTE_MUST:
        n->malicious++;
        return corpus_file(c, file, CORPUS_MUST, e);
    case DISPUTE_MUST_NOT:
        n->clean++;
        return corpus_file(c, file, CORPUS_MUST_NOT, e);
    default:
        n->open++;
        if (n->next == 0 || d.due < n->next)
            n->next = d.due;
        return corpus_file(c, file, CORPUS_DISPUTED, e);
    }
}

static int is_dispute(const struct dirent *en)
{
    size_t n = strlen(en->d_name);

    return en->d_name[0] != '.' && n > 5 && strcmp(en->d_name + n - 5, ".yaml") == 0;
}

int dispute_add(struct corpus *c, const char *folder, unix_time now, struct dispute_counts *out,
                struct err *e)
{
    struct dirent **name = NULL;
    int n = scandir(folder, &name, is_dispute, alphasort), rc = 0;

    if (n < 0)
        return err_sys(e, -errno, "looking into \"%s\"", folder);
    if (n > DISPUTES_MAX)
        rc = err_set(e, -E2BIG, "\"%s\" holds more than %d disputes", folder, DISPUTES_MAX);
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = add_one(c, folder, name[i]->d_name, now, out, e);
        free(name[i]);
    }
    free(name);
    return rc;
}
