/* cmd_relocate.c - a country's files move to another site. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/document.h"
#include "crypto/secret.h"
#include "residency/move.h"

#include <fcntl.h>

static const struct option plan_options[] = {{"policy", required_argument, NULL, 'p'},
                                             {"country", required_argument, NULL, 'C'},
                                             {"from", required_argument, NULL, 'f'},
                                             {"to", required_argument, NULL, 't'},
                                             {"out", required_argument, NULL, 'o'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

struct plan {
    const char *policy, *country, *from, *to, *out;
};

static int make_plan(const struct plan *w, struct err *e)
{
    struct move_approval m;
    struct policy *p = NULL;
    struct dsse *env = NULL;
    struct buf text, out;
    int rc;

    memset(&m, 0, sizeof(m));
    buf_init(&out, 4096);
    m.move = random_id();
    (void)snprintf(m.country, sizeof(m.country), "%s", w->country);
    (void)snprintf(m.from, sizeof(m.from), "%s", w->from);
    (void)snprintf(m.to, sizeof(m.to), "%s", w->to);
    rc = document_read(w->policy, DOCUMENT_POLICY, &text, &env, &m.policy, e);
    if (rc == 0 && env == NULL)
        rc = err_set(e, -EINVAL, "\"%s\" is not signed: a move names the published envelope",
                     w->policy);
    if (rc == 0 && (rc = policy_parse(&p, w->policy, buf_span(&text), e)) == 0 &&
        (rc = move_allowed(&m, p, &m.policy, clock_now(), e)) == 0 &&
        (rc = move_write(&m, &out)) == 0)
        rc = io_replace_file(AT_FDCWD, w->out, out.data, out.len, 0644);
    if (rc == 0)
        (void)printf("%s: to be signed by those who may approve moves (\"glarus relocate sign\")\n",
                     w->out);
    else if (e->code == 0)
        (void)err_sys(e, rc, "writing \"%s\"", w->out);
    policy_free(p);
    dsse_free(env);
    buf_free(&text);
    buf_free(&out);
    return rc;
}

static int relocate_plan_run(const struct command *c, int argc, char **argv)
{
    struct plan w = {NULL, NULL, NULL, NULL, NULL};
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "p:C:f:t:o:h", plan_options)) != -1) {
        const char **to = o == 'p'   ? &w.policy
                          : o == 'C' ? &w.country
                          : o == 'f' ? &w.from
                          : o == 't' ? &w.to
                                     : &w.out;

        *to = optarg;
    }
    if (optind != argc || w.policy == NULL || w.country == NULL || w.from == NULL || w.to == NULL ||
        w.out == NULL)
        return cli_usage(c, "--policy, --country, --from, --to and --out are all needed");
    return make_plan(&w, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int good_move(const char *name, struct span text, struct err *e)
{
    struct move_approval m;

    return move_parse(&m, name, text, e);
}

static int relocate_sign_run(const struct command *c, int argc, char **argv)
{
    return document_sign(c, argc, argv, DOCUMENT_MOVE, good_move);
}

static int relocate_run_run(const struct command *c, int argc, char **argv)
{
    return document_publish(c, argc, argv, DOCUMENT_MOVE);
}

const struct command cli_relocate[] = {
    {"relocate plan", "write the approval of a move, to be signed",
     "--policy ENVELOPE --country CC --from SITE --to SITE --out FILE",
     "  -p, --policy FILE    the published policy that wants the move\n"
     "  -C, --country CC     whose files move\n  -f, --from SITE      where they are\n"
     "  -t, --to SITE        where they go\n  -o, --out FILE       the approval\n\n"
     "Example: glarus relocate plan --policy policy.yaml.dsse --country CA --from mow1 --to zrh1 "
     "--out move-ca.yaml\n",
     relocate_plan_run},
    {"relocate sign", "sign the approval of a move", "FILE --key KEY [--out FILE]",
     "  -k, --key KEY    your private key: a PEM file, or a token's pkcs11: URI\n  -o, --out FILE  "
     " where the envelope "
     "goes\n\nExample: glarus relocate "
     "sign move-ca.yaml --key anna.pem\n",
     relocate_sign_run},
    {"relocate run", "carry out an approved move", "ENVELOPE [--config FILE]",
     "  -c, --config FILE   the configuration of the site the files leave (default "
     "glarusd.yaml)\n\n"
     "Nothing is destroyed at the old site before the new one has proved that it has everything; a "
     "move that\n"
     "stops goes on when the site runs again.\n\nExample: glarus relocate run move-ca.yaml.dsse "
     "--config mow1.yaml\n",
     relocate_run_run},
    {NULL, NULL, NULL, NULL, NULL}};
