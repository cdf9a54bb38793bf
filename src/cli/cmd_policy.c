/* cmd_policy.c - the residency policy and consent statements, from text to ledger. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/admin.h"
#include "cli/document.h"
#include "intake/statement.h"
#include "residency/policy.h"

static const struct option plain[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static void print(struct buf *b, FILE *f)
{
    (void)fwrite(b->data, 1, b->len, f);
}

static int load(const char *path, struct policy **out, struct err *e)
{
    struct buf text;
    struct dsse *env;
    struct digest d;
    int rc = document_read(path, DOCUMENT_POLICY, &text, &env, &d, e);

    if (rc == 0)
        rc = policy_parse(out, path, buf_span(&text), e);
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int check_all(const char *path, bool *good, struct err *e)
{
    struct policy_problems problems;
    struct policy *p = NULL;
    struct buf text, out;
    struct dsse *env;
    struct digest d;
    int rc = document_read(path, DOCUMENT_POLICY, &text, &env, &d, e);

    *good = false;
    if (rc == 0) {
        buf_init(&out, 1 << 20);
        *good = policy_check(&p, path, buf_span(&text), &problems) == 0;
        if (policy_problems_text(&problems, &out) == 0)
            print(&out, stderr);
        policy_problems_done(&problems);
        buf_free(&out);
    }
    if (*good)
        (void)printf("%s: policy %llu holds: every country has a zone at every time\n", path,
                     (unsigned long long)policy_serial(p));
    policy_free(p);
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int policy_check_run(const struct command *c, int argc, char **argv)
{
    struct err e = ERR_INIT;
    bool good;

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    if (optind + 1 != argc)
        return cli_usage(c, "name one policy");
    if (check_all(argv[optind], &good, &e) != 0)
        return cli_fail(c, &e);
    return good ? EXIT_HELD : EXIT_USAGE;
}

static int policy_explain_run(const struct command *c, int argc, char **argv)
{
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    int rc;

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    if (optind + 2 != argc)
        return cli_usage(c, "name a policy and a country");
    buf_init(&out, 1 << 20);
    if ((rc = load(argv[optind], &p, &e)) == 0 &&
        (rc = policy_explain(p, argv[optind + 1], &out, &e)) == 0)
        print(&out, stdout);
    policy_free(p);
    buf_free(&out);
    return rc == 0 ? EXIT_HELD : rc == -ENOENT ? (cli_fail(c, &e), EXIT_USAGE) : cli_fail(c, &e);
}

static int policy_diff_run(const struct command *c, int argc, char **argv)
{
    struct policy *a = NULL, *b = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    int rc;

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    if (optind + 2 != argc)
        return cli_usage(c, "name two policies");
    buf_init(&out, 4 << 20);
    if ((rc = load(argv[optind], &a, &e)) == 0 && (rc = load(argv[optind + 1], &b, &e)) == 0 &&
        (rc = policy_diff(a, b, &out)) == 0)
        print(&out, stdout);
    policy_free(a);
    policy_free(b);
    buf_free(&out);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int good_policy(const char *name, struct span text, struct err *e)
{
    struct policy *p = NULL;
    int rc = policy_parse(&p, name, text, e);

    policy_free(p);
    return rc;
}

static int good_statement(const char *name, struct span text, struct err *e)
{
    struct statement s;
    int rc = statement_parse(&s, name, text, e);

    if (rc == 0)
        statement_done(&s);
    return rc;
}

static int policy_sign_run(const struct command *c, int argc, char **argv)
{
    return document_sign(c, argc, argv, DOCUMENT_POLICY, good_policy);
}

static int policy_publish_run(const struct command *c, int argc, char **argv)
{
    return document_publish(c, argc, argv, DOCUMENT_POLICY);
}

static int statement_sign_run(const struct command *c, int argc, char **argv)
{
    return document_sign(c, argc, argv, DOCUMENT_STATEMENT, good_statement);
}

static int statement_publish_run(const struct command *c, int argc, char **argv)
{
    return document_publish(c, argc, argv, DOCUMENT_STATEMENT);
}

static const struct option withdraw_options[] = {
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int statement_withdraw_run(const struct command *c, int argc, char **argv)
{
    struct admin_ask ask = {.what = ADMIN_WITHDRAW_STATEMENT};
    const char *path = "glarusd.yaml";
    struct config *config = NULL;
    struct err e = ERR_INIT;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "c:h", withdraw_options)) != -1)
        if (o == 'c')
            path = optarg;
    if (optind + 1 != argc || text_undigest(span_str(argv[optind]), &ask.digest) != 0)
        return cli_usage(c, "name the statement by its digest, 64 hex digits");
    if ((rc = config_load(&config, path, &e)) == 0)
        rc = admin_do(config, &ask, c->words, &e);
    config_free(config);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

#define SIGN_HELP                                                                                  \
    "  -k, --key KEY    your private key: a PEM file, or a token's pkcs11: URI\n"                  \
    "  -o, --out FILE   where the envelope goes (default: FILE.dsse, or the envelope itself)\n"
#define PUBLISH_HELP "  -c, --config FILE   the site's configuration (default glarusd.yaml)\n"

const struct command cli_policy[] = {
    {"policy check", "say everything that is wrong with a policy", "FILE",
     "Each problem with file, line and column; exit 2 if there is one.\n\nExample: glarus policy "
     "check policy.yaml\n",
     policy_check_run},
    {"policy explain", "where a country's files belong, and since when", "FILE COUNTRY",
     "Example: glarus policy explain policy.yaml CA\n", policy_explain_run},
    {"policy diff", "what a policy changes", "OLD NEW",
     "Example: glarus policy diff policy-1.yaml policy-2.yaml\n", policy_diff_run},
    {"policy sign", "sign a policy, or add a signature to its envelope",
     "FILE --key KEY [--out FILE]",
     SIGN_HELP "\nExample: glarus policy sign policy.yaml --key anna.pem && glarus policy sign "
               "policy.yaml.dsse --key "
               "beat.pem\n",
     policy_sign_run},
    {"policy publish", "publish a signed policy in a site's ledger", "ENVELOPE [--config FILE]",
     PUBLISH_HELP "\nThe site refuses it unless enough people of the register have signed.\n\n"
                  "Example: glarus policy publish policy.yaml.dsse --config zrh1.yaml\n",
     policy_publish_run},
    {"statement sign", "sign a consent statement", "FILE --key KEY [--out FILE]",
     SIGN_HELP "\nExample: glarus statement sign consent-en.yaml --key anna.pem\n",
     statement_sign_run},
    {"statement publish", "publish a consent statement", "ENVELOPE [--config FILE]",
     PUBLISH_HELP "\nExample: glarus statement publish consent-en.yaml.dsse --config zrh1.yaml\n",
     statement_publish_run},
    {"statement withdraw", "take a consent statement out of use", "DIGEST [--config FILE]",
     PUBLISH_HELP "\nExample: glarus statement withdraw 9c1d... --config zrh1.yaml\n",
     statement_withdraw_run},
    {NULL, NULL, NULL, NULL, NULL}};
