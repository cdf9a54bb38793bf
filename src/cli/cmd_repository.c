/* cmd_repository.c - the update repository, written: its keys, releases, signatures. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "claims/trust.h"
#include "cli/cli.h"
#include "cli/cmd_repository_priv.h"
#include "updates/repository.h"
#include "updates/tuf_metadata.h"

#define HISTORY 30u
#define DELTAS 14u
#define LISTED_MAX 1000u

/* --- plan --- */

static const struct option plan_options[] = {
    {"renew", no_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static void tell_waiting(const char *dir, const char *role, int64_t version)
{
    if (version > 0)
        (void)printf("%s/pending/%s.json: version %" PRId64
                     ", to be signed (\"glarus repository sign\")\n",
                     dir, role, version);
}

static int repository_plan_run(const struct command *c, int argc, char **argv)
{
    struct repository_plan planned;
    struct repository *r = NULL;
    struct err e = ERR_INIT;
    bool renew = false;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "rh", plan_options)) != -1)
        renew = renew || o == 'r';
    if (optind + 1 != argc)
        return cli_usage(c, "name the repository's folder, which has keys.yaml");
    if ((rc = repository_open(&r, argv[optind], &e)) == 0 &&
        (rc = repository_plan(r, renew, &planned, &e)) == 0) {
        tell_waiting(argv[optind], "root", planned.root);
        tell_waiting(argv[optind], "targets", planned.targets);
        tell_waiting(argv[optind], "rules", planned.rules);
        tell_waiting(argv[optind], "products", planned.products);
        if (planned.root == 0 && planned.targets == 0 && planned.rules == 0 &&
            planned.products == 0)
            (void)printf("%s: keys.yaml is what is published; nothing to sign\n", argv[optind]);
    }
    repository_close(r);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- sign --- */

static const struct option sign_options[] = {
    {"key", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int repository_sign_run(const struct command *c, int argc, char **argv)
{
    struct signkey *key = NULL;
    const char *spec = NULL;
    struct err e = ERR_INIT;
    struct buf said;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "k:h", sign_options)) != -1)
        if (o == 'k')
            spec = optarg;
    if (optind + 1 != argc || spec == NULL)
        return cli_usage(c, "name one file and --key");
    buf_init(&said, 1 << 20);
    if ((rc = signkey_open(&key, spec, &e)) == 0 &&
        (rc = repository_sign(argv[optind], key, &said, &e)) == 0) {
        (void)printf("%s: ", argv[optind]);
        (void)cli_put(stdout, buf_str(&said));
    }
    signkey_close(key);
    buf_free(&said);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- add --- */

static const struct option add_options[] = {{"ledger", required_argument, NULL, 'l'},
                                            {"trust", required_argument, NULL, 't'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"history", required_argument, NULL, 'H'},
                                            {"deltas", required_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};

struct add_run {
    const char *dir, *trust, *key;
    struct repository_add a;
    struct progress bar;
};

static void step(void *arg, uint64_t done, uint64_t total)
{
    struct add_run *x = arg;

    if (done == 0)
        progress_begin(&x->bar, "repository add", "bytes", total);
    progress_step(&x->bar, done);
    if (done == total)
        progress_end(&x->bar);
}

static void tell_added(const struct add_run *x, const struct repository_added *got)
{
    char full[32], packed[32], least[32];

    if (got->again) {
        (void)printf("release %" PRIu64 " is published already; nothing to do\n", got->serial);
        return;
    }
    (void)printf("release %" PRIu64 ": %s, compressed %s", got->serial,
                 text_bytes(full, got->bytes), text_bytes(packed, got->compressed));
    if (got->deltas > 0)
        (void)printf(", %u difference%s from %s", got->deltas, got->deltas == 1 ? "" : "s",
                     text_bytes(least, got->smallest_delta));
    (void)printf("\n%s/pending/rules.json: %s\n", x->dir,
                 x->key != NULL ? "signed; publish it when it has enough signatures"
                                : "to be signed (\"glarus repository sign\")");
}

int cmd_repository_sign(const char *dir, const char *role, const char *spec, struct err *e)
{
    struct signkey *key = NULL;
    struct buf said;
    char *path;
    int rc;

    if (asprintf(&path, "%s/pending/%s.json", dir, role) < 0)
        return err_sys(e, -ENOMEM, "signing");
    buf_init(&said, 1 << 20);
    if ((rc = signkey_open(&key, spec, e)) == 0)
        rc = repository_sign(path, key, &said, e);
    signkey_close(key);
    buf_free(&said);
    free(path);
    return rc;
}

static int add(struct add_run *x, struct err *e)
{
    struct repository_added got;
    struct repository *r = NULL;
    struct trust *trust = NULL;
    int rc;

    if ((rc = trust_load(&trust, x->trust, e)) == 0) {
        x->a.policy = trust->policy;
        if ((rc = repository_open(&r, x->dir, e)) == 0 &&
            (rc = repository_add(r, &x->a, &got, e)) == 0 && x->key != NULL && !got.again)
            rc = cmd_repository_sign(x->dir, "rules", x->key, e);
    }
    if (rc == 0)
        tell_added(x, &got);
    repository_close(r);
    trust_free(trust);
    return rc;
}

static int repository_add_run(const struct command *c, int argc, char **argv)
{
    struct add_run x = {.a = {.step = step}};
    uint64_t history = HISTORY, deltas = DELTAS;
    struct err e = ERR_INIT;
    int o;

    x.a.arg = &x;
    while ((o = cli_getopt(c, argc, argv, "l:t:k:H:d:h", add_options)) != -1) {
        if (o == 'l')
            x.a.ledger = optarg;
        else if (o == 't')
            x.trust = optarg;
        else if (o == 'k')
            x.key = optarg;
        else if (o == 'H' &&
                 (text_u64(span_str(optarg), LISTED_MAX, &history) != 0 || history == 0))
            return cli_usage(c, "--history is a number from 1 to %u", LISTED_MAX);
        else if (o == 'd' && text_u64(span_str(optarg), LISTED_MAX, &deltas) != 0)
            return cli_usage(c, "--deltas is a number up to %u", LISTED_MAX);
    }
    if (optind + 2 != argc || x.a.ledger == NULL || x.trust == NULL)
        return cli_usage(c, "name the repository and the folder of rules, --ledger and --trust");
    x.dir = argv[optind];
    x.a.rules = argv[optind + 1];
    x.a.history = (unsigned)history;
    x.a.deltas = (unsigned)deltas;
    return add(&x, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- publish --- */

static const struct option publish_options[] = {{"snapshot", required_argument, NULL, 's'},
                                                {"timestamp", required_argument, NULL, 't'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

static void tell_published(const char *dir, const struct repository_published *p)
{
    (void)printf("%s: root %" PRId64 ", timestamp %" PRId64 ", snapshot %" PRId64
                 ", targets %" PRId64,
                 dir, p->version[TUF_ROOT], p->version[TUF_TIMESTAMP], p->version[TUF_SNAPSHOT],
                 p->version[TUF_TARGETS]);
    if (p->serial > 0)
        (void)printf(", rules %" PRId64 ": release %" PRIu64, p->rules, p->serial);
    if (p->mirror > 0)
        (void)printf("; %u file%s for freshclam", p->mirror, p->mirror == 1 ? "" : "s");
    (void)printf("\n");
    if (p->log[0] != '\0')
        (void)printf("%s/%s: to be published in the ledger (\"glarus rules publish\")\n", dir,
                     p->log);
}

/* The people who sign these are not at hand: say it while there is time. */
static void warn_of_expiry(const struct repository_published *p)
{
    static const char *const names[] = {"root",    "timestamp", "snapshot",
                                        "targets", "rules",     "products"};
    char when[CLOCK_SECOND_LEN + 1];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (p->soon[i] == 0)
            continue;
        clock_second(when, p->soon[i]);
        (void)fprintf(stderr,
                      "glarus repository publish: warning: %s expires %s; \"glarus repository plan "
                      "--renew\" and have it signed\n",
                      names[i], when);
    }
}

static int publish(const char *dir, const char *snapshot, const char *timestamp, struct err *e)
{
    struct signkey *key[2] = {NULL, NULL};
    struct repository_published p;
    struct repository *r = NULL;
    int rc;

    if ((rc = signkey_open(&key[0], snapshot, e)) == 0 &&
        (rc = signkey_open(&key[1], timestamp, e)) == 0 &&
        (rc = repository_open(&r, dir, e)) == 0 &&
        (rc = repository_publish(r, key[0], key[1], &p, e)) == 0)
        tell_published(dir, &p);
    if (rc == 0)
        warn_of_expiry(&p);
    repository_close(r);
    signkey_close(key[0]);
    signkey_close(key[1]);
    return rc;
}

static int repository_publish_run(const struct command *c, int argc, char **argv)
{
    const char *snapshot = NULL, *timestamp = NULL;
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "s:t:h", publish_options)) != -1)
        *(o == 's' ? &snapshot : &timestamp) = optarg;
    if (optind + 1 != argc || snapshot == NULL || timestamp == NULL)
        return cli_usage(c, "name the repository, --snapshot and --timestamp");
    return publish(argv[optind], snapshot, timestamp, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_repository[] = {
    {"repository plan", "write the root and targets metadata that keys.yaml asks for, to be signed",
     "REPOSITORY [--renew]",
     "  -r, --renew   these, and the lists of releases and products, with a new expiry, though "
     "nothing else "
     "changes\n\n"
     "REPOSITORY/keys.yaml says who signs what, how many of them, and for how long:\n\n"
     "  format: update-keys/v1\n"
     "  root:      {threshold: 2, expires: 365d, keys: [<base64>, <base64>, <base64>]}\n"
     "  targets:   {threshold: 2, expires: 365d, keys: [<base64>, <base64>, <base64>]}\n"
     "  rules:     {threshold: 1, expires: 30d, keys: [<base64>]}\n"
     "  snapshot:  {threshold: 1, expires: 7d, keys: [<base64>]}\n"
     "  timestamp: {threshold: 1, expires: 1d, keys: [<base64>]}\n"
     "  products:  {threshold: 1, expires: 30d, keys: [<base64>]}   # if there are any\n\n"
     "Keys are those \"glarus people key\" prints.  A root that takes a key away is signed by\n"
     "enough of the old keys and enough of the new ones.\n\n"
     "Example: glarus repository plan /srv/updates\n",
     repository_plan_run},
    {"repository sign", "sign metadata that waits: root, targets, rules, products",
     "FILE --key KEY",
     "  -k, --key KEY   your private key: a file (PEM) or a pkcs11: URI\n\n"
     "FILE can be carried to a machine without a network and back.  What it says is shown.\n\n"
     "Example: glarus repository sign /srv/updates/pending/root.json --key anna.pem\n",
     repository_sign_run},
    {"repository add", "pack a release for clients: whole, compressed, as differences, with proof",
     "REPOSITORY RULES --ledger LEDGER --trust FILE [--key KEY] [--history N] [--deltas N]",
     "  -l, --ledger LEDGER   a ledger's folder in which the release of these rules is published\n"
     "  -t, --trust FILE      whose quorum must have cosigned it: what clients will ask for\n"
     "  -k, --key KEY         signs rules.json at once\n"
     "  -H, --history N       releases that stay listed (default 30)\n"
     "  -d, --deltas N        releases before, from which there is a difference (default 14)\n\n"
     "Example: glarus repository add /srv/updates release-8 --ledger /srv/zrh1/ledger \\\n"
     "    --trust trust.yaml --key rules.pem\n",
     repository_add_run},
    {"repository publish", "publish what waits and is signed; renew the timestamp",
     "REPOSITORY --snapshot KEY --timestamp KEY",
     "  -s, --snapshot KEY    the online key of snapshot: a file (PEM) or a pkcs11: URI\n"
     "  -t, --timestamp KEY   that of timestamp\n\n"
     "Nothing is published that a client would refuse.  With nothing pending it renews the\n"
     "timestamp: let it run several times within its lifetime.  Exit 4: signatures are missing.\n\n"
     "Example: glarus repository publish /srv/updates --snapshot online.pem --timestamp "
     "online.pem\n",
     repository_publish_run},
    {NULL, NULL, NULL, NULL, NULL}};
