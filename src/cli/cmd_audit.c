/* cmd_audit.c - every claim over ledgers, and the test that lies are caught. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "betray/betray.h"
#include "betray/history.h"
#include "claims/audit.h"
#include "cli/cli.h"
#include "crypto/secret.h"
#include "events/leaf.h"
#include "ledger/tlog_tiles.h"

#define OUT_MAX ((size_t)64 << 20)
#define FILES_MAX 1000000
#define STATE_MAX ((size_t)64 << 10)

/* ---- what both commands are given ------------------------------------------------------------ */

struct files {
    char **v;
    size_t n, cap;
};

static int files_add(struct files *f, const char *dir, const char *name)
{
    char *path = NULL;

    if (f->n == FILES_MAX)
        return -E2BIG;
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 16 : f->cap * 2;
        char **more = reallocarray(f->v, cap, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        f->v = more;
        f->cap = cap;
    }
    if (dir == NULL ? (path = strdup(name)) == NULL : asprintf(&path, "%s/%s", dir, name) < 0)
        return -ENOMEM;
    f->v[f->n++] = path;
    return 0;
}

static void files_done(struct files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->v[i]);
    free(f->v);
}

static bool is_receipt(const char *name)
{
    static const char *const ends[] = {".tlog-proof", ".tlog-proofs"};
    size_t n = strlen(name);

    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (name[0] != '.' && n > strlen(ends[i]) &&
            strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A file, or every *.tlog-proof and *.tlog-proofs of a folder. */
static int files_from(struct files *f, const char *path, struct err *e)
{
    struct dirent *d;
    struct stat st;
    size_t from = f->n;
    DIR *dir;
    int rc = 0;

    if (stat(path, &st) != 0)
        return err_sys(e, -errno, "\"%s\"", path);
    if (!S_ISDIR(st.st_mode))
        return files_add(f, NULL, path) == 0 ? 0 : err_sys(e, -ENOMEM, "\"%s\"", path);
    if ((dir = opendir(path)) == NULL)
        return err_sys(e, -errno, "opening \"%s\"", path);
    while (rc == 0 && (d = readdir(dir)) != NULL)
        if (is_receipt(d->d_name))
            rc = files_add(f, path, d->d_name);
    (void)closedir(dir);
    if (f->n > from)
        qsort(f->v + from, f->n - from, sizeof(*f->v), by_name);
    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", path);
}

struct given {
    const char *trust_path, *keys, *state, *key;
    struct trust *trust;
    struct audit_source src[TRUST_SITES];
    char name[TRUST_SITES][17];
    size_t n;
    struct files receipts, checkpoints;
    bool json, table, generated;
};

static void given_done(struct given *g)
{
    files_done(&g->receipts);
    files_done(&g->checkpoints);
    trust_free(g->trust);
}

static const struct option options[] = {{"trust", required_argument, NULL, 't'},
                                        {"receipts", required_argument, NULL, 'r'},
                                        {"checkpoint", required_argument, NULL, 'c'},
                                        {"keys", required_argument, NULL, 'k'},
                                        {"state", required_argument, NULL, 's'},
                                        {"key", required_argument, NULL, 'K'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"table", no_argument, NULL, 'T'},
                                        {"generated", no_argument, NULL, 'g'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static int take_options(const struct command *c, int argc, char **argv, struct given *g,
                        struct err *e)
{
    int o, rc = 0;

    while (rc == 0 && (o = cli_getopt(c, argc, argv, "t:r:c:k:s:jh", options)) != -1) {
        if (o == 't')
            g->trust_path = optarg;
        else if (o == 'r')
            rc = files_from(&g->receipts, optarg, e);
        else if (o == 'c')
            rc = files_add(&g->checkpoints, NULL, optarg);
        else if (o == 'k')
            g->keys = optarg;
        else if (o == 's')
            g->state = optarg;
        else if (o == 'K')
            g->key = optarg;
        else if (o == 'j')
            g->json = true;
        else if (o == 'T')
            g->table = true;
        else if (o == 'g')
            g->generated = true;
    }
    return rc;
}

/* The site that a ledger's first leaf names. */
static int site_of(const char *dir, char out[17], struct err *e)
{
    struct tlog_tiles *tiles = NULL;
    struct core_checkpoint cp;
    struct core_note note;
    struct span bytes, site;
    struct leaf l;
    struct buf text;
    int rc;

    buf_init(&text, CORE_NOTE_MAX);
    if ((rc = tlog_tiles_newest(dir, &text, e)) != 0)
        goto out;
    if (core_note_split(buf_span(&text), &note) != 0 ||
        core_checkpoint_parse(note.text, &cp) != 0) {
        rc = err_set(e, -EBADMSG, "\"%s/checkpoint\" is not a checkpoint", dir);
        goto out;
    }
    if ((rc = tlog_tiles_open(&tiles, dir, cp.size, e)) != 0 ||
        (rc = tlog_tiles_leaf(tiles, 0, &bytes, e)) != 0)
        goto out;
    if (leaf_parse(&l, bytes) != 0) {
        rc = err_set(e, -EINVAL, "\"%s\": leaf 0 does not parse; say SITE=%s", dir, dir);
        goto out;
    }
    site = leaf_text(&l, LF_SITE);
    (void)snprintf(out, 17, "%.*s", (int)site.n, (const char *)site.p);
out:
    tlog_tiles_close(tiles);
    buf_free(&text);
    return rc;
}

static bool is_site_word(const char *s, size_t n)
{
    return n >= 2 && n <= 16 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") >= n;
}

/* SITE=DIR, or DIR */
static int take_source(struct given *g, const char *arg, struct err *e)
{
    const char *eq = strchr(arg, '=');
    int rc;

    if (g->n == TRUST_SITES)
        return err_set(e, -EINVAL, "at most %d ledgers", TRUST_SITES);
    if (eq != NULL && is_site_word(arg, (size_t)(eq - arg))) {
        (void)snprintf(g->name[g->n], sizeof(g->name[0]), "%.*s", (int)(eq - arg), arg);
        g->src[g->n].dir = eq + 1;
    } else {
        if ((rc = site_of(arg, g->name[g->n], e)) != 0)
            return rc;
        g->src[g->n].dir = arg;
    }
    g->src[g->n].site = g->name[g->n];
    g->n++;
    return 0;
}

static int take_sources(int argc, char **argv, struct given *g, struct err *e)
{
    int rc = trust_load(&g->trust, g->trust_path, e);

    for (int i = optind; rc == 0 && i < argc; i++)
        rc = take_source(g, argv[i], e);
    return rc;
}

/* ---- audit ----------------------------------------------------------------------------------- */

struct bar {
    struct progress p;
    bool begun;
};

static void audit_progress(void *arg, uint64_t done, uint64_t total)
{
    struct bar *b = arg;

    if (!b->begun)
        progress_begin(&b->p, "audit", "leaves", total);
    b->begun = true;
    progress_step(&b->p, done);
}

/* The auditor's own key; the first time it is made. */
static int auditor_key(struct ed25519_key **out, const char *path, struct err *e)
{
    int rc;

    if (access(path, F_OK) == 0 || errno != ENOENT)
        return ed25519_load(out, path, e);
    if ((rc = ed25519_generate(out)) != 0)
        return secret_err(e, sizeof(struct ed25519_pub));
    if ((rc = ed25519_store(*out, path, e)) != 0) {
        ed25519_free(*out);
        *out = NULL;
    }
    return rc;
}

/* What an earlier audit left, if there was one. */
static int take_state(const struct given *g, const struct ed25519_key *key, struct buf *text,
                      struct audit_options *o, struct err *e)
{
    int rc = io_read_file(AT_FDCWD, g->state, text);

    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return err_sys(e, rc, "reading the state \"%s\"", g->state);
    if (text->len == 0)
        return err_set(e, -EBADMSG, "the state \"%s\" is empty: remove it to begin at leaf 0",
                       g->state);
    o->state = buf_span(text);
    o->state_name = g->state;
    ed25519_public(key, &o->state_key);
    return 0;
}

static int leave_state(const struct given *g, const struct audit *a, const struct ed25519_key *key,
                       struct err *e)
{
    uint64_t verified, known;
    struct err why = ERR_INIT;
    struct buf text;
    int rc;

    audit_signatures(a, &verified, &known);
    (void)fflush(stdout); /* both may go to one file */
    if (known > 0)
        (void)fprintf(stderr,
                      "resumed: %llu signatures verified, %llu by the audit that left \"%s\"\n",
                      (unsigned long long)verified, (unsigned long long)known, g->state);
    buf_init(&text, STATE_MAX);
    rc = audit_state(a, key, &text, &why);
    if (rc == -EINVAL) {
        (void)fprintf(stderr, "warning: no state was written: %s\n", err_text(&why));
        rc = 0;
    } else if (rc != 0) {
        (void)err_set(e, rc, "%s", err_text(&why));
    } else if ((rc = io_replace_file(AT_FDCWD, g->state, text.data, text.len, 0644)) != 0) {
        (void)err_sys(e, rc, "writing the state \"%s\"", g->state);
    }
    buf_free(&text);
    return rc;
}

static int run_audit(struct given *g, int *code, struct err *e)
{
    struct bar bar = {.begun = false};
    struct ed25519_key *key = NULL;
    struct audit_options o = {.receipts = (const char *const *)g->receipts.v,
                              .n_receipts = g->receipts.n,
                              .checkpoints = (const char *const *)g->checkpoints.v,
                              .n_checkpoints = g->checkpoints.n,
                              .progress = audit_progress,
                              .arg = &bar};
    struct audit *a = NULL;
    struct buf out, state;
    int rc = 0;

    buf_init(&out, OUT_MAX);
    buf_init(&state, STATE_MAX);
    if (g->state != NULL && (rc = auditor_key(&key, g->key, e)) == 0)
        rc = take_state(g, key, &state, &o, e);
    if (rc == 0)
        rc = audit_run(&a, g->trust, g->src, g->n, &o, e);
    if (bar.begun)
        progress_end(&bar.p);
    if (rc == 0 && (rc = g->json ? audit_json(a, &out) : audit_text(a, &out)) != 0)
        (void)err_sys(e, rc, "writing the result");
    if (rc == 0) {
        for (size_t i = 0; audit_warning(a, i) != NULL && !g->json; i++)
            (void)fprintf(stderr, "warning: %s\n", audit_warning(a, i));
        (void)fwrite(out.data, 1, out.len, stdout);
        *code = audit_exit(a);
        if (g->state != NULL)
            rc = leave_state(g, a, key, e);
    }
    audit_free(a);
    ed25519_free(key);
    buf_free(&state);
    buf_free(&out);
    return rc;
}

static int audit_command(const struct command *c, int argc, char **argv)
{
    struct given g = {.n = 0};
    struct err e = ERR_INIT;
    int code = EXIT_HELD, rc = take_options(c, argc, argv, &g, &e);

    if (rc == 0 && (optind == argc || g.trust_path == NULL))
        code = cli_usage(c, "name a ledger's folder and --trust");
    else if (rc == 0 && (g.state == NULL) != (g.key == NULL))
        code = cli_usage(c, "--state FILE needs --key FILE, which signs it");
    else if (rc != 0 || take_sources(argc, argv, &g, &e) != 0 || run_audit(&g, &code, &e) != 0)
        code = cli_fail(c, &e);
    given_done(&g);
    return code;
}

/* ---- betray ---------------------------------------------------------------------------------- */

static void betray_progress(void *arg, const struct betray_outcome *o, size_t done, size_t total)
{
    struct bar *b = arg;

    (void)o;
    if (!b->begun)
        progress_begin(&b->p, "betray", "cheats", total);
    b->begun = true;
    progress_step(&b->p, done);
}

static int run_betray(struct given *g, int *code, struct err *e)
{
    size_t n = betray_cheats();
    struct betray_outcome *out = calloc(n, sizeof(*out));
    struct bar bar = {.begun = false};
    struct betray_options o = {.receipts = (const char *const *)g->receipts.v,
                               .n_receipts = g->receipts.n,
                               .progress = betray_progress,
                               .arg = &bar};
    struct buf text;
    int rc;

    buf_init(&text, OUT_MAX);
    rc = out == NULL ? err_sys(e, -ENOMEM, "betraying")
                     : betray_run(out, g->trust, g->src, g->n, g->keys, &o, e);
    if (bar.begun)
        progress_end(&bar.p);
    if (rc == 0 && (rc = g->json ? betray_json(out, n, &text) : betray_text(out, n, &text)) != 0)
        (void)err_sys(e, rc, "writing the result");
    if (rc == 0) {
        (void)fwrite(text.data, 1, text.len, stdout);
        *code = betray_exit(out, n);
    }
    free(out);
    buf_free(&text);
    return rc;
}

/* rm -r of what history_make made: no links are followed. */
static void remove_tree(const char *path)
{
    struct dirent *d;
    char *below;
    DIR *dir = opendir(path);

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
            asprintf(&below, "%s/%s", path, d->d_name) < 0)
            continue;
        if (unlink(below) != 0 && (errno == EISDIR || errno == EPERM))
            remove_tree(below);
        free(below);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

struct made {
    char top[64], dir[80], trust[100], keys[100], zrh1[120], mow1[120], receipts[100];
};

static int generated(struct given *g, struct made *m, struct err *e)
{
    static const struct history_spec spec = {
        .submissions = 6, .withdrawn = 1, .move = true, .scans = true, .group = 4, .seed = 1};
    int rc;

    (void)snprintf(m->top, sizeof(m->top), "/tmp/betray-XXXXXX");
    if (mkdtemp(m->top) == NULL)
        return err_sys(e, -errno, "making a folder in /tmp");
    (void)snprintf(m->dir, sizeof(m->dir), "%s/history", m->top);
    (void)snprintf(m->trust, sizeof(m->trust), "%s/trust.yaml", m->dir);
    (void)snprintf(m->keys, sizeof(m->keys), "%s/keys", m->dir);
    (void)snprintf(m->zrh1, sizeof(m->zrh1), "zrh1=%s/zrh1", m->dir);
    (void)snprintf(m->mow1, sizeof(m->mow1), "mow1=%s/mow1", m->dir);
    (void)snprintf(m->receipts, sizeof(m->receipts), "%s/receipts", m->dir);
    if ((rc = history_make(m->dir, &spec, e)) != 0 ||
        (rc = trust_load(&g->trust, m->trust, e)) != 0 || (rc = take_source(g, m->zrh1, e)) != 0 ||
        (rc = take_source(g, m->mow1, e)) != 0)
        return rc;
    g->keys = m->keys;
    return files_from(&g->receipts, m->receipts, e);
}

static int betray_table(const struct command *c)
{
    struct err e = ERR_INIT;
    struct buf out;

    buf_init(&out, OUT_MAX);
    if ((e.code = betray_markdown(&out)) == 0)
        (void)fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
    return e.code == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int betray_command(const struct command *c, int argc, char **argv)
{
    struct given g = {.n = 0};
    struct made made = {.top = ""};
    struct err e = ERR_INIT;
    int code = EXIT_HELD, rc = take_options(c, argc, argv, &g, &e);

    if (rc == 0 && g.table) {
        code = betray_table(c);
    } else if (rc == 0 && (optind == argc || g.generated)) {
        if (generated(&g, &made, &e) != 0 || run_betray(&g, &code, &e) != 0)
            code = cli_fail(c, &e);
    } else if (rc == 0 && (g.trust_path == NULL || g.keys == NULL)) {
        code = cli_usage(c, "a history needs --trust and --keys");
    } else if (rc != 0 || take_sources(argc, argv, &g, &e) != 0 || run_betray(&g, &code, &e) != 0) {
        code = cli_fail(c, &e);
    }
    given_done(&g);
    if (made.top[0] != '\0')
        remove_tree(made.top);
    return code;
}

const struct command cli_audit[] = {
    {"audit", "evaluate every claim over ledgers, offline",
     "[SITE=]LEDGER... --trust FILE [--receipts PATH]... [--checkpoint FILE]... "
     "[--state FILE --key FILE] [--json]",
     "  -t, --trust FILE        what you start from\n"
     "  -r, --receipts PATH     receipts you hold: a file, or a folder of *.tlog-proof and "
     "*.tlog-proofs\n"
     "  -c, --checkpoint FILE   a checkpoint you remember or a witness gave you\n"
     "  -s, --state FILE        resume from it if it is there, and leave it for the next audit\n"
     "      --key FILE          your own key, which signs the state; made if it is not there\n"
     "  -j, --json              for programs\n\n"
     "LEDGER is the folder of a ledger; without SITE= its first leaf tells the site.\n"
     "Exit 0: every claim is PROVED or EMPTY; 1: one is BROKEN or UNKNOWN.\n\n"
     "Example: glarus audit zrh1=/mirror/zrh1 mow1=/mirror/mow1 --trust trust.yaml --receipts "
     "mine\n",
     audit_command},
    {"betray", "play every known cheat on a copy of a history, and see which are caught",
     "[--generated | [SITE=]LEDGER... --trust FILE --keys FOLDER [--receipts PATH]...] [--json | "
     "--table]",
     "  -g, --generated        on a history made for this (also without arguments)\n"
     "  -t, --trust FILE       the trust file of the history\n"
     "  -k, --keys FOLDER      log-SITE.pem, witness.pem, KEYID.pem, client.secret\n"
     "  -r, --receipts PATH    final receipts an outsider holds\n"
     "  -j, --json             for programs\n"
     "      --table            only print the table of cheats, in Markdown\n\n"
     "The history given is only read.  Exit 0: every cheat ended as the table says.\n\n"
     "Example: glarus betray --generated\n",
     betray_command},
    {NULL, NULL, NULL, NULL, NULL}};
