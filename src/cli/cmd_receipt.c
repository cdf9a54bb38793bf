/* cmd_receipt.c - receipts, read and shortened without any network. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/cli.h"
#include "capi/client_receipt.h"
#include "events/receipt_pack.h"

#define OUT_MAX ((size_t)1 << 20)

struct verify {
    const struct command *c;
    struct trust *trust;
    const char *file;
    bool json;
};

static int covered(const struct verify *v, const struct client_receipt *r, struct err *e)
{
    struct client_file f;
    int fd, rc;

    if ((fd = open(v->file, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "opening \"%s\"", v->file);
    if ((rc = client_file_read(&f, fd, e)) == 0)
        rc = client_receipt_covers(r, &f, e);
    io_close(&fd);
    return rc == 0 ? 0 : err_prefix(e, "\"%s\"", v->file);
}

/* name: what it is called; a pack's receipts have the pack's and their own. */
static int verify_text(const struct verify *v, const char *name, struct span text,
                       struct tlog_proof_memo *memo)
{
    struct client_receipt r;
    struct err e = ERR_INIT;
    struct buf out;
    int code;

    buf_init(&out, OUT_MAX);
    if (client_receipt_open_own(&r, text, v->trust, memo, NULL, &e) != 0) {
        (void)err_prefix(&e, "\"%s\"", name);
        code = cli_fail(v->c, &e);
    } else if ((v->file != NULL && covered(v, &r, &e) != 0) ||
               (e.code = v->json ? client_receipt_json(&r, v->trust, &out)
                                 : client_receipt_text(&r, v->trust, &out)) != 0) {
        code = cli_fail(v->c, &e);
    } else {
        if (!v->json)
            (void)cli_put(stdout, name);
        (void)fwrite(out.data, 1, out.len, stdout);
        if (v->file != NULL && !v->json)
            (void)printf("It is the receipt of \"%s\": hash and size are the opened ones.\n",
                         v->file);
        (void)printf("\n");
        code = r.verdict.quorum ? EXIT_HELD : EXIT_PENDING;
    }
    client_receipt_done(&r);
    buf_free(&out);
    return code;
}

/* A receipt that does not verify weighs more than trouble, that more than a pending one. */
static int worse(int a, int b)
{
    static const int weight[] = {[EXIT_HELD] = 0,
                                 [EXIT_FALSE] = 4,
                                 [EXIT_USAGE] = 3,
                                 [EXIT_TROUBLE] = 2,
                                 [EXIT_PENDING] = 1};

    return weight[a] >= weight[b] ? a : b;
}

static int verify_pack(const struct verify *v, const char *path, struct span text)
{
    struct tlog_proof_memo memo = {.note = {0}};
    struct cur c = cur_of(text);
    struct err e = ERR_INIT;
    int rc, code = EXIT_HELD;
    char hex[33], *name;
    struct span receipt;
    struct id128 sub;

    if (v->file != NULL) {
        (void)err_set(&e, -EINVAL,
                      "\"%s\" holds many receipts and --file goes with one: take it out with "
                      "\"glarus receipt unpack\"",
                      path);
        return cli_fail(v->c, &e);
    }
    while ((rc = receipt_pack_next(&c, &sub, &receipt, &e)) == 0) {
        text_id(hex, &sub);
        if (asprintf(&name, "%s: %s", path, hex) < 0) {
            rc = err_sys(&e, -ENOMEM, "verifying \"%s\"", path);
            break;
        }
        code = worse(code, verify_text(v, name, receipt, &memo));
        free(name);
    }
    tlog_proof_memo_done(&memo);
    if (rc == -EBADMSG)
        (void)err_prefix(&e, "\"%s\"", path);
    return rc == -ENOENT ? code : worse(code, cli_fail(v->c, &e));
}

/* A receipt, or a pack of them. */
static int load(struct buf *text, const char *path, struct err *e)
{
    int rc = io_read_file(AT_FDCWD, path, text);

    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", path);
}

static int verify_one(const struct verify *v, const char *path)
{
    struct err e = ERR_INIT;
    struct buf text;
    int code;

    buf_init(&text, RECEIPT_PACK_MAX);
    if (load(&text, path, &e) != 0)
        code = cli_fail(v->c, &e);
    else if (receipt_pack_is(buf_span(&text)))
        code = verify_pack(v, path, buf_span(&text));
    else
        code = verify_text(v, path, buf_span(&text), NULL);
    buf_free(&text);
    return code;
}

static const struct option verify_options[] = {{"trust", required_argument, NULL, 't'},
                                               {"file", required_argument, NULL, 'f'},
                                               {"json", no_argument, NULL, 'j'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int receipt_verify(const struct command *c, int argc, char **argv)
{
    struct verify v = {.c = c};
    const char *trust = NULL;
    struct err e = ERR_INIT;
    int o, code = EXIT_HELD;

    while ((o = cli_getopt(c, argc, argv, "t:f:jh", verify_options)) != -1) {
        if (o == 't')
            trust = optarg;
        else if (o == 'f')
            v.file = optarg;
        else if (o == 'j')
            v.json = true;
    }
    if (optind == argc || trust == NULL)
        return cli_usage(c, "name a receipt and --trust");
    if (v.file != NULL && optind + 1 != argc)
        return cli_usage(c, "--file goes with one receipt");
    if (trust_load(&v.trust, trust, &e) != 0)
        return cli_fail(c, &e);
    if (trust_expired(v.trust, clock_now()))
        (void)fprintf(stderr, "glarus %s: warning: \"%s\" has expired; get a new one out of band\n",
                      c->words, trust);
    for (int i = optind; i < argc; i++)
        code = worse(code, verify_one(&v, argv[i]));
    trust_free(v.trust);
    return code;
}

/* ---- redact ---------------------------------------------------------------------------------- */

static int redact(const char *path, const char *list, const char *out_path, struct err *e)
{
    struct buf text, out;
    int rc;

    buf_init(&text, TLOG_PROOF_MAX);
    buf_init(&out, TLOG_PROOF_MAX);
    if ((rc = io_read_file(AT_FDCWD, path, &text)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    else if ((rc = client_receipt_redact(buf_span(&text), list, &out, e)) != 0)
        rc = err_prefix(e, "\"%s\"", path);
    else if ((rc = io_create_file(AT_FDCWD, out_path, out.data, out.len, 0644)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", out_path);
    buf_free(&text);
    buf_free(&out);
    return rc;
}

static const struct option redact_options[] = {{"drop", required_argument, NULL, 'd'},
                                               {"out", required_argument, NULL, 'o'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int receipt_redact(const struct command *c, int argc, char **argv)
{
    const char *list = NULL, *out = NULL;
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "d:o:h", redact_options)) != -1) {
        if (o == 'd')
            list = optarg;
        else if (o == 'o')
            out = optarg;
    }
    if (optind + 1 != argc || list == NULL || out == NULL)
        return cli_usage(c, "name one receipt, --drop and --out");
    return redact(argv[optind], list, out, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* ---- unpack ---------------------------------------------------------------------------------- */

/* One receipt gets a file of its own, unless it has one: that is newer. */
static int take_out(const char *folder, const struct id128 *sub, struct span receipt, struct err *e)
{
    char hex[33], *path;
    int rc;

    text_id(hex, sub);
    if (asprintf(&path, "%s/%s.tlog-proof", folder, hex) < 0)
        return err_sys(e, -ENOMEM, "taking a receipt out");
    rc = io_create_file(AT_FDCWD, path, receipt.p, receipt.n, 0644);
    if (rc == 0 || rc == -EEXIST)
        rc = cli_put(stdout, path);
    else
        (void)err_sys(e, rc, "writing \"%s\"", path);
    free(path);
    return rc;
}

static int unpack(const char *path, const char *folder, const struct id128 *only, size_t *found,
                  struct err *e)
{
    struct id128 sub;
    struct span receipt;
    struct buf text;
    struct cur c;
    int rc;

    buf_init(&text, RECEIPT_PACK_MAX);
    if ((rc = load(&text, path, e)) == 0) {
        c = cur_of(buf_span(&text));
        while (rc == 0 && (rc = receipt_pack_next(&c, &sub, &receipt, e)) == 0) {
            if (only != NULL && memcmp(&sub, only, sizeof(sub)) != 0)
                continue;
            rc = take_out(folder, &sub, receipt, e);
            ++*found;
        }
        if (rc == -EBADMSG)
            rc = err_prefix(e, "\"%s\"", path);
    }
    buf_free(&text);
    return rc == -ENOENT ? 0 : rc;
}

static const struct option unpack_options[] = {{"sub", required_argument, NULL, 's'},
                                               {"to", required_argument, NULL, 't'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int receipt_unpack(const struct command *c, int argc, char **argv)
{
    const char *folder = ".", *hex = NULL;
    struct err e = ERR_INIT;
    struct id128 only;
    size_t found = 0;
    int o;

    while ((o = cli_getopt(c, argc, argv, "s:t:h", unpack_options)) != -1) {
        if (o == 's')
            hex = optarg;
        else if (o == 't')
            folder = optarg;
    }
    if (optind == argc)
        return cli_usage(c, "name a pack");
    if (hex != NULL && text_unid(span_str(hex), &only) != 0)
        return cli_usage(c, "--sub wants the 32 lower-case hex digits of a submission");
    for (int i = optind; i < argc; i++)
        if (unpack(argv[i], folder, hex != NULL ? &only : NULL, &found, &e) != 0)
            return cli_fail(c, &e);
    if (hex == NULL || found > 0)
        return EXIT_HELD;
    (void)err_set(&e, -EINVAL, "no receipt of submission %s is in there", hex);
    return cli_fail(c, &e);
}

const struct command cli_receipt[] = {
    {"receipt verify", "what a receipt proves, checked offline",
     "RECEIPT... --trust FILE [--file FILE] [--json]",
     "  -t, --trust FILE   the trust file\n"
     "  -f, --file FILE    also check that the receipt is of this file\n"
     "  -j, --json         one JSON object a receipt, one a line\n\n"
     "RECEIPT may be a pack (*.tlog-proofs): each receipt in it is verified.\n"
     "Needs no network and no site.  Exit 0: all are final; 4: one is pending; 1: one does not "
     "verify.\n\n"
     "Example: glarus receipt verify 6f0c.tlog-proof --trust trust.yaml --file report.pdf\n",
     receipt_verify},
    {"receipt redact", "leave openings out of a receipt before it is shown to others",
     "RECEIPT --drop NAME[,NAME]... --out FILE",
     "  -d, --drop NAMES   of ref, sha256, size, name, account, sub, country, names\n"
     "  -o, --out FILE     the shorter receipt; must not exist\n\n"
     "What is left still verifies.\n\n"
     "Example: glarus receipt redact a.tlog-proof --drop name,account --out b.tlog-proof\n",
     receipt_redact},
    {"receipt unpack", "give the receipts of a pack files of their own",
     "PACK... [--sub SUB] [--to FOLDER]",
     "  -s, --sub SUB     only this submission's\n"
     "  -t, --to FOLDER   where SUB.tlog-proof goes; the current folder\n\n"
     "A receipt that is there already stays as it is: it is newer.  Nothing is verified.\n\n"
     "Example: glarus receipt unpack receipts/*.tlog-proofs --to receipts\n",
     receipt_unpack},
    {NULL, NULL, NULL, NULL, NULL}};
