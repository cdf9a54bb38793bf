/* cmd_rules_documents.c - what people sign of the rules: proposals, releases, overrides. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/admin.h"
#include "cli/cmd_rules_priv.h"
#include "cli/document.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "people/dsse.h"
#include "rules/approval.h"
#include "rules/change.h"
#include "rules/override.h"
#include "rules/report.h"
#include "rules/source.h"
#include "updates/published.h"

static int put(const char *path, const struct buf *b, const char *next, struct err *e)
{
    int rc = io_replace_file(AT_FDCWD, path, b->data, b->len, 0644);

    if (rc != 0)
        return err_sys(e, rc, "writing \"%s\"", path);
    (void)printf("%s: %s (\"glarus rules sign\")\n", path, next);
    return 0;
}

static int tree_of(const struct source *from, struct digest *out, char commit[GITREAD_COMMIT + 1],
                   struct err *e)
{
    struct release *r = NULL;
    int rc = source_load(&r, from, commit, e);

    if (rc == 0)
        *out = release_digest(r);
    release_free(r);
    return rc;
}

/* --- a change --- */

static const struct option propose_options[] = {
    {"author", required_argument, NULL, 'a'}, {"base", required_argument, NULL, 'b'},
    {"git", required_argument, NULL, 'g'},    {"why", required_argument, NULL, 'w'},
    {"ticket", required_argument, NULL, 't'}, {"out", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};

static int propose(const struct source *rules, const struct source *base, struct rules_change *ch,
                   const char *out, struct err *e)
{
    struct rules_change again;
    struct buf b;
    int rc;

    ch->change = random_id();
    ch->first = base->where == NULL;
    if ((rc = tree_of(rules, &ch->tree, ch->commit, e)) != 0 ||
        (!ch->first && (rc = tree_of(base, &ch->base, NULL, e)) != 0))
        return rc;
    if (!ch->first && digest_eq(&ch->base, &ch->tree))
        return err_set(e, -EINVAL, "\"%s\" and \"%s\" hold the same rules: nothing changes",
                       rules->where, base->where);
    buf_init(&b, 8192);
    rc = change_write(ch, &b);
    if (rc == 0) /* what came from a person must be read as it was meant */
        rc = change_parse(&again, "--why, --ticket", buf_span(&b), e);
    if (rc == 0 && strcmp(again.why, ch->why) != 0) /* folded */
        rc = err_set(e, -EINVAL, "--why is one line");
    if (rc == 0)
        rc = put(out, &b, "to be signed by its author", e);
    buf_free(&b);
    return rc;
}

int cmd_rules_propose(const struct command *c, int argc, char **argv)
{
    const char *author = NULL, *git = NULL, *why = "", *ticket = "", *out = NULL;
    struct source rules = {NULL, NULL}, base = {NULL, NULL};
    struct rules_change ch;
    struct err e = ERR_INIT;
    int o;

    memset(&ch, 0, sizeof(ch));
    while ((o = cli_getopt(c, argc, argv, "a:b:g:w:t:o:h", propose_options)) != -1)
        *(o == 'a'   ? &author
          : o == 'b' ? &base.where
          : o == 'g' ? &git
          : o == 'w' ? &why
          : o == 't' ? &ticket
                     : &out) = optarg;
    if (optind + 1 != argc || author == NULL || out == NULL)
        return cli_usage(c, "name one folder of rules (or a revision and --git), --author and "
                            "--out");
    if (strlen(why) > CHANGE_WHY_MAX || strlen(ticket) > CHANGE_TICKET_MAX)
        return cli_usage(c, "--why has at most %d bytes, --ticket %d", CHANGE_WHY_MAX,
                         CHANGE_TICKET_MAX);
    memcpy(ch.why, why, strlen(why) + 1);
    memcpy(ch.ticket, ticket, strlen(ticket) + 1);
    rules.where = argv[optind];
    rules.git = base.git = git;
    if (text_unid(span_str(author), &ch.author) != 0)
        return cli_usage(c, "--author is 32 hex digits: your id in the register");
    return propose(&rules, &base, &ch, out, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- a release --- */

static const struct option release_options[] = {
    {"change", required_argument, NULL, 'c'},   {"report", required_argument, NULL, 'r'},
    {"previous", required_argument, NULL, 'p'}, {"detect", no_argument, NULL, 'd'},
    {"urgent", no_argument, NULL, 'u'},         {"out", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};

struct releasing {
    const char *change, *report, *previous, *out;
    bool detect, urgent;
};

static int read_change(const char *path, struct rules_change *ch, struct err *e)
{
    struct dsse *env = NULL;
    struct digest d;
    struct buf text;
    int rc = document_read(path, DOCUMENT_CHANGE, &text, &env, &d, e);

    if (rc == 0 && (env == NULL || dsse_count(env) == 0))
        rc = err_set(e, -EINVAL, "\"%s\" is not signed by its author yet (\"glarus rules sign\")",
                     path);
    if (rc == 0)
        rc = change_parse(ch, path, buf_span(&text), e);
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int read_previous(const char *path, struct rules_release *r, struct rules_release *before,
                         struct err *e)
{
    struct dsse *env = NULL;
    struct buf text;
    int rc;

    r->chain.serial = 1;
    if (path == NULL)
        return 0;
    rc = document_read(path, DOCUMENT_RELEASE, &text, &env, &r->chain.previous, e);
    if (rc == 0 && env == NULL)
        rc =
            err_set(e, -EINVAL, "\"%s\" is not signed: name the envelope that was published", path);
    if (rc == 0 && (rc = approval_parse(before, path, buf_span(&text), e)) == 0)
        r->chain.serial = before->chain.serial + 1;
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int read_report(const char *path, const struct rules_change *ch, struct rules_release *r,
                       struct err *e)
{
    struct rules_report report;
    struct buf text;
    int rc;

    buf_init(&text, 1 << 16);
    if ((rc = io_read_file(AT_FDCWD, path, &text)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    if (rc == 0 && (rc = report_parse(&report, path, buf_span(&text), e)) == 0) {
        sha256_of(text.data, text.len, &r->report);
        r->allows = report.allows;
        if (!report.passed)
            rc = err_set(e, -EPERM, "\"%s\" says that the tests were not passed", path);
        else if (!digest_eq(&report.tree, &ch->tree))
            rc = err_set(e, -EPERM, "\"%s\" is about another tree than the change", path);
    }
    buf_free(&text);
    return rc;
}

static int release(const struct releasing *w, struct err *e)
{
    struct rules_release r, before;
    struct rules_change ch;
    struct buf b;
    int rc;

    memset(&r, 0, sizeof(r));
    if ((rc = read_change(w->change, &ch, e)) != 0 ||
        (rc = read_previous(w->previous, &r, &before, e)) != 0 ||
        (rc = read_report(w->report, &ch, &r, e)) != 0)
        return rc;
    if (ch.first != (w->previous == NULL) ||
        (w->previous != NULL && !digest_eq(&ch.base, &before.tree)))
        return err_set(e, -EPERM,
                       "the change was made on other rules than those of the release before; "
                       "propose it anew on these");
    r.change = ch.change;
    r.author = ch.author;
    r.tree = ch.tree;
    r.mode = w->detect ? RULES_DETECT : RULES_ENFORCE;
    r.urgent = w->urgent;
    buf_init(&b, 4096);
    rc = approval_write(&r, &b);
    if (rc == 0)
        rc = put(w->out, &b, "to be signed by those who approve releases, not by the author", e);
    buf_free(&b);
    return rc;
}

int cmd_rules_release(const struct command *c, int argc, char **argv)
{
    struct releasing w = {NULL, NULL, NULL, NULL, false, false};
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "c:r:p:duo:h", release_options)) != -1) {
        if (o == 'd')
            w.detect = true;
        else if (o == 'u')
            w.urgent = true;
        else
            *(o == 'c'   ? &w.change
              : o == 'r' ? &w.report
              : o == 'p' ? &w.previous
                         : &w.out) = optarg;
    }
    if (optind != argc || w.change == NULL || w.report == NULL || w.out == NULL)
        return cli_usage(c, "--change, --report and --out are all needed");
    return release(&w, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- an override --- */

static const struct option override_options[] = {{"ground", required_argument, NULL, 'g'},
                                                 {"asker", required_argument, NULL, 'k'},
                                                 {"author", required_argument, NULL, 'a'},
                                                 {"subject", required_argument, NULL, 's'},
                                                 {"count", required_argument, NULL, 'n'},
                                                 {"why", required_argument, NULL, 'w'},
                                                 {"out", required_argument, NULL, 'o'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};

static bool one_of(const char *word, const char *const *words, size_t n, unsigned *out)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (unsigned)i;
            return true;
        }
    return false;
}

static int write_override(const struct rules_override *v, const char *why, const char *out,
                          struct err *e)
{
    struct rules_override again;
    struct buf b;
    int rc;

    buf_init(&b, 16384);
    rc = override_write(v, why, &b);
    if (rc == 0) /* why came from a person: what is written must be read as it was meant */
        rc = override_parse(&again, "--why", buf_span(&b), e);
    if (rc == 0)
        rc = put(out, &b, "to be signed by those who approve overrides", e);
    buf_free(&b);
    return rc;
}

int cmd_rules_override(const struct command *c, int argc, char **argv)
{
    static const char *const grounds[] = {"allow", "withdraw", "verdict"};
    static const char *const askers[] = {"vendor",     "owner",      "partner",
                                         "researcher", "government", "court"};
    const char *ground = NULL, *asker = NULL, *author = NULL, *subject = NULL, *why = NULL,
               *out = NULL;
    struct rules_override v = {.count = 1};
    struct err e = ERR_INIT;
    unsigned g = 0, a = 0;
    int o;

    while ((o = cli_getopt(c, argc, argv, "g:k:a:s:n:w:o:h", override_options)) != -1) {
        if (o == 'n' &&
            (text_u64(span_str(optarg), OVERRIDE_COUNT_MAX, &v.count) != 0 || v.count == 0))
            return cli_usage(c, "--count is a number from 1 to %d", OVERRIDE_COUNT_MAX);
        if (o != 'n')
            *(o == 'g'   ? &ground
              : o == 'k' ? &asker
              : o == 'a' ? &author
              : o == 's' ? &subject
              : o == 'w' ? &why
                         : &out) = optarg;
    }
    if (optind != argc || ground == NULL || asker == NULL || author == NULL || subject == NULL ||
        why == NULL || out == NULL)
        return cli_usage(c, "--ground, --asker, --author, --subject, --why and --out are all "
                            "needed");
    if (!one_of(ground, grounds, ARRAY_LEN(grounds), &g))
        return cli_usage(c, "--ground is allow, withdraw or verdict");
    if (!one_of(asker, askers, ARRAY_LEN(askers), &a))
        return cli_usage(c, "--asker is vendor, owner, partner, researcher, government or court");
    if (text_unid(span_str(author), &v.author) != 0)
        return cli_usage(c, "--author is 32 hex digits: your id in the register");
    if (text_undigest(span_str(subject), &v.subject) != 0)
        return cli_usage(c, "--subject is 64 hex digits: a SHA-256");
    v.override = random_id();
    v.ground = (enum rules_ground)g;
    v.asker = (enum rules_asker)a;
    return write_override(&v, why, out, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- signing --- */

static int good_change(const char *name, struct span text, struct err *e)
{
    struct rules_change ch;

    return change_parse(&ch, name, text, e);
}

static int good_release(const char *name, struct span text, struct err *e)
{
    struct rules_release r;

    return approval_parse(&r, name, text, e);
}

static int good_override(const char *name, struct span text, struct err *e)
{
    struct rules_override v;

    return override_parse(&v, name, text, e);
}

static const struct {
    enum document kind;
    const char *format;
    document_check *good;
} documents[] = {{DOCUMENT_CHANGE, "rules-change/v1", good_change},
                 {DOCUMENT_RELEASE, "rules-release/v1", good_release},
                 {DOCUMENT_OVERRIDE, "override/v1", good_override}};

/* Which of the three a file is: by the type of its envelope, or its first line. */
static int kind_of(const char *path)
{
    struct dsse *env = NULL;
    struct buf b;
    int found = -1;

    buf_init(&b, DSSE_MAX_BYTES);
    if (io_read_file(AT_FDCWD, path, &b) == 0 && b.len > 0) {
        if (b.data[0] == '{' && dsse_parse(&env, buf_span(&b), NULL) != 0)
            env = NULL;
        for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
            const char *f = documents[i].format;

            if (env != NULL ? strcmp(dsse_type(env), document_type(documents[i].kind)) == 0
                            : memmem(b.data, b.len, f, strlen(f)) != NULL)
                found = (int)i;
        }
    }
    dsse_free(env);
    buf_free(&b);
    return found;
}

int cmd_rules_sign(const struct command *c, int argc, char **argv)
{
    int kind = -1;

    for (int i = 1; i < argc && kind < 0; i++)
        if (argv[i][0] != '-' && strcmp(argv[i - 1], "--key") != 0 &&
            strcmp(argv[i - 1], "-k") != 0 && strcmp(argv[i - 1], "--out") != 0 &&
            strcmp(argv[i - 1], "-o") != 0)
            kind = kind_of(argv[i]);
    return document_sign(c, argc, argv, kind < 0 ? DOCUMENT_RELEASE : documents[kind].kind,
                         kind < 0 ? good_release : documents[kind].good);
}

/* --- publishing --- */

static const struct option publish_options[] = {
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* The report is no envelope: people sign the release that names it. */
static bool is_report(const char *path)
{
    struct rules_report r;
    struct buf b;
    bool is;

    buf_init(&b, DSSE_MAX_BYTES);
    is = io_read_file(AT_FDCWD, path, &b) == 0 && report_parse(&r, path, buf_span(&b), NULL) == 0;
    buf_free(&b);
    return is;
}

/* Nor is what the update repository serves: its metadata are signed one by one. */
static bool is_publication(const char *path)
{
    static const char first[] = PUBLISHED_FORMAT "\n";
    struct buf b;
    bool is;

    buf_init(&b, PUBLISHED_MAX_BYTES);
    is = io_read_file(AT_FDCWD, path, &b) == 0 && b.len >= sizeof(first) - 1 &&
         memcmp(b.data, first, sizeof(first) - 1) == 0;
    buf_free(&b);
    return is;
}

int cmd_rules_publish(const struct command *c, int argc, char **argv)
{
    static const enum proto_read what[] = {READ_CHANGE, READ_RELEASE, READ_OVERRIDE};
    struct admin_ask ask = {.what = ADMIN_PUBLISH, .document = READ_REPORT};
    const char *path = "glarusd.yaml";
    struct config *config = NULL;
    struct err e = ERR_INIT;
    int o, kind, rc;

    while ((o = cli_getopt(c, argc, argv, "c:h", publish_options)) != -1)
        if (o == 'c')
            path = optarg;
    if (optind + 1 != argc)
        return cli_usage(c, "name one envelope, or one report");
    ask.file = argv[optind];
    if (access(ask.file, R_OK) != 0) {
        (void)err_sys(&e, -errno, "reading \"%s\"", ask.file);
        return cli_fail(c, &e);
    }
    if (is_publication(ask.file)) {
        ask.document = READ_PUBLISHED;
    } else if (!is_report(ask.file)) {
        if ((kind = kind_of(ask.file)) < 0)
            return cli_usage(c,
                             "\"%s\" is no signed change, release or override, no report and "
                             "no publication of a repository",
                             ask.file);
        ask.document = what[kind];
    }
    if ((rc = config_load(&config, path, &e)) == 0)
        rc = admin_do(config, &ask, c->words, &e);
    config_free(config);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}
