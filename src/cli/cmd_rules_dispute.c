/* cmd_rules_dispute.c - files that somebody says are hit wrongly. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/cmd_rules_priv.h"
#include "crypto/sha256.h"
#include "rules/dispute.h"
#include "rules/trial.h"

#define DAY 86400

static const struct option dispute_options[] = {{"asker", required_argument, NULL, 'k'},
                                                {"why", required_argument, NULL, 'w'},
                                                {"days", required_argument, NULL, 'n'},
                                                {"to", required_argument, NULL, 't'},
                                                {"settle", required_argument, NULL, 's'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

struct disputing {
    const char *file, *asker, *why, *to, *settle;
    uint64_t days;
};

static int put(const char *path, const struct dispute *d, bool anew, struct err *e)
{
    struct dispute again;
    struct buf b;
    int rc;

    buf_init(&b, 4096);
    rc = dispute_write(d, &b);
    if (rc == 0) /* what came from a person must be read as it was meant */
        rc = dispute_parse(&again, "--why", buf_span(&b), e);
    if (rc == 0 && strcmp(again.why, d->why) != 0)
        rc = err_set(e, -EINVAL, "--why is one line");
    if (rc == 0 && (rc = anew ? io_create_file(AT_FDCWD, path, b.data, b.len, 0644)
                              : io_replace_file(AT_FDCWD, path, b.data, b.len, 0644)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", path);
    buf_free(&b);
    return rc;
}

static int begin(const struct disputing *w, struct dispute *d, struct err *e)
{
    char hex[65], path[4096], due[CLOCK_MINUTE_LEN + 1];
    struct buf bytes;
    int rc;

    buf_init(&bytes, TRIAL_FILE_MAX);
    d->opened = clock_now() / 60 * 60;
    d->due = d->opened + (unix_time)w->days * DAY;
    if ((rc = io_read_file(AT_FDCWD, w->file, &bytes)) != 0) {
        (void)err_sys(e, rc, "reading \"%s\"", w->file);
        goto out;
    }
    sha256_of(bytes.data, bytes.len, &d->file);
    text_digest(hex, &d->file);
    if ((rc = io_mkdirs(AT_FDCWD, w->to)) != 0) {
        (void)err_sys(e, rc, "making \"%s\"", w->to);
        goto out;
    }
    /* the file first: a dispute without one is an error, a file without one is nothing */
    (void)snprintf(path, sizeof(path), "%s/%s.file", w->to, hex);
    if ((rc = io_replace_file(AT_FDCWD, path, bytes.data, bytes.len, 0644)) != 0) {
        (void)err_sys(e, rc, "writing \"%s\"", path);
        goto out;
    }
    (void)snprintf(path, sizeof(path), "%s/%s.yaml", w->to, hex);
    if ((rc = put(path, d, true, e)) == 0) {
        clock_minute(due, d->due);
        (void)printf("%s: due %s\n", path, due);
    }
out:
    buf_free(&bytes);
    return rc;
}

static int settle(const struct disputing *w, enum dispute_settled as, struct err *e)
{
    struct dispute d;
    struct buf text;
    int rc;

    buf_init(&text, 1 << 16);
    if ((rc = io_read_file(AT_FDCWD, w->file, &text)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", w->file);
    else
        rc = dispute_parse(&d, w->file, buf_span(&text), e);
    buf_free(&text);
    if (rc != 0)
        return rc;
    d.settled = as;
    if (w->why != NULL)
        (void)snprintf(d.why, sizeof(d.why), "%s", w->why);
    if ((rc = put(w->file, &d, false, e)) == 0)
        (void)printf("%s: settled as %s\n", w->file, dispute_word(as));
    return rc;
}

static bool asker_of(const char *word, enum rules_asker *out)
{
    static const char *const words[] = {"vendor",     "owner",      "partner",
                                        "researcher", "government", "court"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum rules_asker)i;
            return true;
        }
    return false;
}

static int dispute(const struct command *c, const struct disputing *w)
{
    struct dispute d;
    struct err e = ERR_INIT;
    enum dispute_settled as;

    memset(&d, 0, sizeof(d));
    if (w->why != NULL && strlen(w->why) > DISPUTE_WHY_MAX)
        return cli_usage(c, "--why has at most %d bytes", DISPUTE_WHY_MAX);
    if (w->settle != NULL) {
        if (dispute_of_word(w->settle, &as) != 0 || as == DISPUTE_OPEN)
            return cli_usage(c, "--settle is clean or malicious");
        return settle(w, as, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
    }
    if (w->asker == NULL || w->why == NULL || w->to == NULL)
        return cli_usage(c, "--asker, --why and --to are all needed");
    if (!asker_of(w->asker, &d.asker))
        return cli_usage(c, "--asker is vendor, owner, partner, researcher, government or court");
    memcpy(d.why, w->why, strlen(w->why) + 1);
    return begin(w, &d, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

int cmd_rules_dispute(const struct command *c, int argc, char **argv)
{
    struct disputing w = {.days = 7};
    int o;

    while ((o = cli_getopt(c, argc, argv, "k:w:n:t:s:h", dispute_options)) != -1) {
        if (o == 'n' && (text_u64(span_str(optarg), DISPUTE_DAYS_MAX, &w.days) != 0 || w.days == 0))
            return cli_usage(c, "--days is a number from 1 to %d", DISPUTE_DAYS_MAX);
        if (o != 'n')
            *(o == 'k' ? &w.asker : o == 'w' ? &w.why : o == 't' ? &w.to : &w.settle) = optarg;
    }
    if (optind + 1 != argc)
        return cli_usage(c, "name one file, or with --settle one dispute");
    w.file = argv[optind];
    return dispute(c, &w);
}
