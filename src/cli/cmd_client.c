/* cmd_client.c - what a submitter does. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_lookup.h"
#include "capi/client_receipt.h"
#include "cli/cli.h"
#include "capi/client.h"

#define CONFIG_DEFAULT "client.yaml"
#define NAMES_SHOWN 50 /* malicious files, reasons: what a terminal shows */
#define SITES_MAX (CLIENT_SITES + 1)

struct tally {
    uint64_t files, bytes, before, final, fate[CLIENT_SKIPPED + 1], unseen;
    uint64_t malicious, clean, incomplete, shown;
    struct {
        char name[17];
        uint64_t n;
    } site[SITES_MAX];
    struct buf bad; /* lines of malicious files */
    struct buf json;
    bool as_json;
    struct progress bar;
    bool begun;
    int rc;
};

static const char *const fates[] = {[CLIENT_DONE] = "done",
                                    [CLIENT_PENDING] = "pending",
                                    [CLIENT_REFUSED] = "refused",
                                    [CLIENT_FAILED] = "failed",
                                    [CLIENT_SKIPPED] = "skipped"};

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct tally *t = arg;

    if (!t->begun)
        progress_begin(&t->bar, "submit", "files", total);
    t->begun = true;
    t->bar.total = total;
    progress_step(&t->bar, done);
    return true;
}

static int json_text(struct buf *b, const char *name, const char *value)
{
    struct buf plain;
    int rc = 0;

    if (value[0] == '\0')
        return 0;
    buf_init(&plain, 1 << 20);
    if ((rc = buf_printf(b, ",\"%s\":", name)) == 0 &&
        (rc = text_is_utf8(span_str(value)) ? buf_puts(&plain, value)
                                            : text_plain(&plain, span_str(value))) == 0)
        rc = text_json_string(b, buf_span(&plain));
    buf_free(&plain);
    return rc;
}

static int put_json(struct tally *t, const struct client_report *r)
{
    int rc;

    if ((rc = buf_printf(&t->json, "%s{\"fate\":\"%s\",\"size\":%" PRIu64 ",\"final\":%s",
                         t->json.len > 0 ? ",\n" : "", fates[r->fate], r->size,
                         r->final ? "true" : "false")) != 0 ||
        (rc = json_text(&t->json, "path", r->path)) != 0 ||
        (rc = json_text(&t->json, "sub", r->sub)) != 0 ||
        (rc = json_text(&t->json, "verdict", r->verdict)) != 0 ||
        (rc = json_text(&t->json, "site", r->site)) != 0 ||
        (rc = json_text(&t->json, "why", r->why)) != 0)
        return rc;
    return buf_putc(&t->json, '}');
}

static void tell_trouble(struct tally *t, const struct client_report *r)
{
    struct buf path;

    if (t->shown++ >= NAMES_SHOWN) {
        t->unseen++;
        return;
    }
    buf_init(&path, 1 << 20);
    if (text_plain(&path, span_str(r->path)) == 0 && buf_str(&path) != NULL)
        (void)fprintf(stderr, "%s%s: %s: %s\n", t->begun ? "\r\033[K" : "", buf_str(&path),
                      fates[r->fate], r->why);
    buf_free(&path);
}

static void count_site(struct tally *t, const char *name)
{
    for (size_t i = 0; i < SITES_MAX; i++) {
        if (t->site[i].n == 0)
            (void)snprintf(t->site[i].name, sizeof(t->site[i].name), "%s", name);
        if (strcmp(t->site[i].name, name) == 0) {
            t->site[i].n++;
            return;
        }
    }
}

static void on_report(void *arg, const struct client_report *r)
{
    struct tally *t = arg;

    t->files++;
    t->fate[r->fate]++;
    t->before += r->before;
    t->final += r->final;
    if (r->fate <= CLIENT_PENDING) {
        t->bytes += r->size;
        count_site(t, r->site);
    }
    t->clean += strcmp(r->verdict, "clean") == 0;
    t->incomplete += strcmp(r->verdict, "incomplete") == 0;
    if (strcmp(r->verdict, "malicious") == 0 && t->malicious++ < NAMES_SHOWN && t->rc == 0 &&
        (t->rc = buf_puts(&t->bad, "  ")) == 0 &&
        (t->rc = text_plain(&t->bad, span_str(r->path))) == 0)
        t->rc = buf_printf(&t->bad, "  %s\n", r->sub);
    if (t->as_json && t->rc == 0)
        t->rc = put_json(t, r);
    if (!t->as_json && r->fate > CLIENT_PENDING)
        tell_trouble(t, r);
}

static void tell(const struct tally *t)
{
    char size[32];

    if (t->as_json) {
        (void)printf("{\"files\":[\n%.*s\n],\"accepted\":%" PRIu64 ",\"final\":%" PRIu64
                     ",\"malicious\":%" PRIu64 ",\"clean\":%" PRIu64 ",\"incomplete\":%" PRIu64
                     "}\n",
                     (int)t->json.len, t->json.len > 0 ? (const char *)t->json.data : "",
                     t->fate[CLIENT_DONE] + t->fate[CLIENT_PENDING], t->final, t->malicious,
                     t->clean, t->incomplete);
        return;
    }
    (void)printf("files       %" PRIu64 " (%s)\n", t->files, text_bytes(size, t->bytes));
    (void)printf("accepted    %" PRIu64, t->fate[CLIENT_DONE] + t->fate[CLIENT_PENDING]);
    for (size_t i = 0; i < SITES_MAX && t->site[i].n > 0; i++)
        (void)printf("%s %" PRIu64 " at %s", i == 0 ? ":" : ",", t->site[i].n, t->site[i].name);
    (void)printf("\nreceipts    %" PRIu64 " final, %" PRIu64 " pending\n", t->final,
                 t->fate[CLIENT_DONE] + t->fate[CLIENT_PENDING] - t->final);
    (void)printf("verdicts    %" PRIu64 " malicious, %" PRIu64 " clean, %" PRIu64
                 " incomplete, %" PRIu64 " not yet\n",
                 t->malicious, t->clean, t->incomplete,
                 t->fate[CLIENT_DONE] + t->fate[CLIENT_PENDING] - t->malicious - t->clean -
                     t->incomplete);
    if (t->before > 0)
        (void)printf("before      %" PRIu64 " were done by an earlier run\n", t->before);
    for (int f = CLIENT_REFUSED; f <= CLIENT_SKIPPED; f++)
        if (t->fate[f] > 0)
            (void)printf("%-11s %" PRIu64 "\n", fates[f], t->fate[f]);
    if (t->malicious > 0)
        (void)printf("malicious:\n%.*s", (int)t->bad.len, (const char *)t->bad.data);
    if (t->malicious > NAMES_SHOWN)
        (void)printf("  and %" PRIu64 " more; --json lists all\n", t->malicious - NAMES_SHOWN);
    if (t->unseen > 0)
        (void)fprintf(stderr, "%" PRIu64 " more like these; --json lists all\n", t->unseen);
}

static int tally_exit(const struct tally *t)
{
    if (t->fate[CLIENT_REFUSED] > 0)
        return EXIT_FALSE;
    if (t->fate[CLIENT_FAILED] + t->fate[CLIENT_SKIPPED] > 0)
        return EXIT_TROUBLE;
    return t->fate[CLIENT_PENDING] > 0 ? EXIT_PENDING : EXIT_HELD;
}

static const struct option submit_options[] = {{"config", required_argument, NULL, 'c'},
                                               {"site", required_argument, NULL, 's'},
                                               {"no-wait", no_argument, NULL, 'n'},
                                               {"wait", required_argument, NULL, 'w'},
                                               {"json", no_argument, NULL, 'j'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int submit_with(const struct command *c, const char *config, char **paths, int n,
                       struct client_submit *o, struct tally *t)
{
    struct client *client = NULL;
    struct err e = ERR_INIT;
    int rc, code;

    buf_init(&t->bad, 1 << 20);
    buf_init(&t->json, (size_t)1 << 30);
    o->progress = on_progress;
    o->report = on_report;
    o->arg = t;
    if ((rc = client_load(&client, config, &e)) == 0)
        rc = client_submit(client, (const char *const *)paths, (size_t)n, o, &e);
    if (t->begun)
        progress_end(&t->bar);
    if (rc == 0 && t->rc != 0)
        rc = err_sys(&e, t->rc, "listing the results");
    if (t->files > 0)
        tell(t);
    code = rc == 0 ? tally_exit(t) : cli_fail(c, &e);
    client_free(client);
    buf_free(&t->bad);
    buf_free(&t->json);
    return code;
}

static int submit(const struct command *c, int argc, char **argv)
{
    const char *config = CONFIG_DEFAULT;
    struct client_submit o = {.site_url = NULL};
    struct tally *t = calloc(1, sizeof(*t));
    uint64_t wait = 0;
    int opt, code;

    while ((opt = cli_getopt(c, argc, argv, "c:s:nw:jh", submit_options)) != -1) {
        if (opt == 'c')
            config = optarg;
        else if (opt == 's')
            o.site_url = optarg;
        else if (opt == 'n')
            o.no_wait = true;
        else if (opt == 'w' && text_u64(span_str(optarg), 86400, &wait) != 0)
            wait = UINT64_MAX;
        else if (opt == 'j' && t != NULL)
            t->as_json = true;
    }
    o.wait = (unsigned)wait;
    if (optind == argc || wait == UINT64_MAX)
        code = cli_usage(c, "name files or folders; --wait is 1 to 86400 seconds");
    else
        code =
            t == NULL ? EXIT_TROUBLE : submit_with(c, config, argv + optind, argc - optind, &o, t);
    free(t);
    return code;
}

/* ---- trace, withdraw, erase ------------------------------------------------------------------ */

static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

enum what { TRACE, WITHDRAW, ERASE };

static int one(const struct command *c, int argc, char **argv, enum what what)
{
    const char *config = CONFIG_DEFAULT;
    struct client *client = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    bool json = false;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "c:jh", options)) != -1) {
        if (o == 'c')
            config = optarg;
        else if (o == 'j')
            json = true;
    }
    if (optind + 1 != argc)
        return cli_usage(c, "name one submission: 32 hex digits, or the file that was submitted");
    buf_init(&out, 8 << 20);
    if ((rc = client_load(&client, config, &e)) == 0)
        rc = what == TRACE
                 ? client_trace(client, argv[optind], json, &out, &e)
                 : client_order(client, argv[optind],
                                what == WITHDRAW ? CLIENT_WITHDRAW : CLIENT_ERASE, json, &out, &e);
    if (out.len > 0)
        (void)fwrite(out.data, 1, out.len, stdout);
    client_free(client);
    buf_free(&out);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int trace(const struct command *c, int argc, char **argv)
{
    return one(c, argc, argv, TRACE);
}

static int withdraw(const struct command *c, int argc, char **argv)
{
    return one(c, argc, argv, WITHDRAW);
}

static int erase(const struct command *c, int argc, char **argv)
{
    return one(c, argc, argv, ERASE);
}

/* ---- look-up --------------------------------------------------------------------------------- */

/* A hash, or a file that is hashed. */
static int hash_of(const char *what, struct digest *out, struct err *e)
{
    struct client_file f;
    int fd, rc;

    if (text_undigest(span_str(what), out) == 0)
        return 0;
    if ((fd = open(what, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        return err_sys(e, -errno, "\"%s\" is neither 64 hex digits nor a file", what);
    if ((rc = client_file_read(&f, fd, e)) == 0)
        *out = f.sha256;
    else
        (void)err_prefix(e, "\"%s\"", what);
    io_close(&fd);
    return rc;
}

static int look_all(struct client *client, char **what, size_t n, size_t *malicious, struct err *e)
{
    struct digest *hash = calloc(n, sizeof(*hash)), release;
    uint8_t *known = calloc(n, 1);
    int rc = hash == NULL || known == NULL ? err_sys(e, -ENOMEM, "looking up") : 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = hash_of(what[i], &hash[i], e);
    if (rc == 0)
        rc = client_lookup(client, NULL, hash, n, known, &release, e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        (void)printf("%s  ", known[i] == CLIENT_MALICIOUS ? "malicious" : "unknown  ");
        rc = cli_put(stdout, what[i]);
        *malicious += known[i] == CLIENT_MALICIOUS;
    }
    free(hash);
    free(known);
    return rc;
}

static int look_up(const struct command *c, int argc, char **argv)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *config = CONFIG_DEFAULT;
    struct client *client = NULL;
    struct err e = ERR_INIT;
    size_t malicious = 0;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "c:h", longs)) != -1)
        if (o == 'c')
            config = optarg;
    if (optind == argc)
        return cli_usage(c, "name files, or the 64 hex digits of their SHA-256");
    if ((rc = client_load(&client, config, &e)) == 0)
        rc = look_all(client, argv + optind, (size_t)(argc - optind), &malicious, &e);
    client_free(client);
    if (rc != 0)
        return cli_fail(c, &e);
    return malicious > 0 ? EXIT_FALSE : EXIT_HELD;
}

#define CONFIG_HELP                                                                                \
    "  -c, --config FILE   see client.yaml(5) (default " CONFIG_DEFAULT ")\n"                      \
    "  -j, --json          for programs\n"

const struct command cli_client[] = {
    {"submit", "send files to the site where they belong, and wait for verdicts and receipts",
     "PATH... [--config FILE] [--no-wait] [--wait SECONDS] [--site URL] [--json]",
     CONFIG_HELP
     "  -n, --no-wait       end when everything is accepted\n"
     "  -w, --wait SECONDS  without news, before pending ones are left (default 300)\n"
     "  -s, --site URL      send there whatever the policy says (the site will refuse)\n\n"
     "Folders are searched; links are not followed.  A run that was interrupted goes on where it\n"
     "was.  Exit 0: all accepted, receipts final; 1: something was refused or does not verify;\n"
     "3: something could not be read or reached; 4: accepted, but not all is final.\n\n"
     "Example: glarus submit --config client.yaml ~/samples\n",
     submit},
    {"trace", "the history of one submission", "SUB|FILE [--config FILE] [--json]",
     CONFIG_HELP "\nFollows a submission that has moved to another site.\n\n"
                 "Example: glarus trace report.pdf --config client.yaml\n",
     trace},
    {"lookup", "say which files are known to be malicious, without sending them",
     "FILE|SHA256... [--config FILE]",
     "  -c, --config FILE   see client.yaml(5) (default " CONFIG_DEFAULT ")\n\n"
     "Only the hashes leave this machine.  \"unknown\" is not clean.\n"
     "Exit 0: none is known; 1: one is.\n\n"
     "Example: glarus lookup --config client.yaml ~/downloads/*\n",
     look_up},
    {"withdraw", "withdraw consent: the bytes are erased", "SUB|FILE [--config FILE] [--json]",
     CONFIG_HELP "\nPrints by when the erasure is final, and keeps its receipt.\n\n"
                 "Example: glarus withdraw report.pdf --config client.yaml\n",
     withdraw},
    {"erase", "have the bytes erased, without withdrawing consent",
     "SUB|FILE [--config FILE] [--json]",
     CONFIG_HELP "\nPrints by when the erasure is final, and keeps its receipt.\n\n"
                 "Example: glarus erase report.pdf --config client.yaml\n",
     erase},
    {NULL, NULL, NULL, NULL, NULL}};
