/* cmd_ledger.c - a ledger's folder, checked and proved from without any site. */
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
#include "cli/witness.h"
#include "crypto/sha256.h"
#include "events/receipt_extra.h"
#include "ledger/prove.h"
#include "ledger/tlog_proof.h"
#include "ledger/tlog_tiles.h"

#define STEP 4096 /* leaves between two looks at the progress bar */

struct check {
    const char *dir;
    struct vkey key;
    struct trust *trust;           /* NULL: only --vkey */
    tlog_witnesses seen;           /* that cosigned anything */
    uint64_t newest, cosignatures; /* newest: size of `checkpoint` */
    struct progress bar;
};

/* Verifies a checkpoint's signatures; with a trust file it must carry the quorum, as only such are
 * published. */
static int check_note(struct check *k, struct span note, struct core_checkpoint *out, struct err *e)
{
    struct tlog_verdict v;
    int rc;

    if (k->trust == NULL)
        return note_checkpoint_open(out, NULL, note, &k->key, e);
    if ((rc = tlog_policy_check(&v, k->trust->policy, note, e)) != 0)
        return rc;
    if (!v.quorum)
        return err_set(e, -EBADMSG, "published without the quorum of witnesses");
    k->seen |= v.cosigned;
    k->cosignatures += (uint64_t)__builtin_popcountll(v.cosigned);
    *out = v.checkpoint;
    return 0;
}

static int check_newest(struct check *k, struct err *e)
{
    struct core_checkpoint cp;
    struct buf note;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    rc = tlog_tiles_newest(k->dir, &note, e);
    if (rc == 0 && (rc = check_note(k, buf_span(&note), &cp, e)) != 0)
        (void)err_prefix(e, "\"%s/checkpoint\"", k->dir);
    else if (rc == 0)
        k->newest = cp.size;
    buf_free(&note);
    return rc;
}

static int on_leaf(void *arg, uint64_t index, struct span leaf, struct err *e)
{
    struct check *k = arg;

    (void)leaf;
    (void)e;
    if (index % STEP == 0)
        progress_step(&k->bar, index);
    return 0;
}

/* The leaves up to this archived checkpoint hash to its root. */
static int check_archived(struct check *k, struct tlog_tiles *tiles, struct core_range *at,
                          uint64_t size, struct err *e)
{
    struct tlog_walk walk = {.leaf = on_leaf, .arg = k, .with_tiles = true};
    struct core_checkpoint cp;
    struct digest root;
    struct buf note;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    if ((rc = tlog_tiles_checkpoint(k->dir, size, &note, e)) != 0)
        goto out;
    if ((rc = check_note(k, buf_span(&note), &cp, e)) != 0) {
        (void)err_prefix(e, "\"%s/checkpoints/%" PRIu64 "\"", k->dir, size);
        goto out;
    }
    if ((rc = tlog_tiles_walk(tiles, at, size, &walk, e)) != 0)
        goto out;
    core_range_root(&note_crypto, at, &root);
    if (cp.size != size || !digest_eq(&root, &cp.root))
        rc = err_set(e, -EBADMSG,
                     "\"%s/checkpoints/%" PRIu64
                     "\" is signed over another tree than the leaves before it",
                     k->dir, size);
out:
    buf_free(&note);
    return rc;
}

static int check_all(struct check *k, size_t *archived, struct digest *root, struct err *e)
{
    struct core_range at = {.size = 0};
    struct tlog_tiles *tiles = NULL;
    uint64_t *sizes = NULL;
    size_t n = 0;
    int rc;

    if ((rc = check_newest(k, e)) != 0 ||
        (rc = tlog_tiles_checkpoints(k->dir, &sizes, &n, e)) != 0 ||
        (rc = tlog_tiles_open(&tiles, k->dir, k->newest, e)) != 0)
        goto out;
    if (n == 0 || sizes[n - 1] != k->newest) {
        rc =
            err_set(e, -EBADMSG,
                    "\"%s/checkpoint\" has %" PRIu64 " leaves, the newest of checkpoints/ %" PRIu64,
                    k->dir, k->newest, n == 0 ? 0 : sizes[n - 1]);
        goto out;
    }
    progress_begin(&k->bar, "ledger check", "leaves", k->newest);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_archived(k, tiles, &at, sizes[i], e);
    progress_end(&k->bar);
    *archived = n;
    core_range_root(&note_crypto, &at, root);
out:
    tlog_tiles_close(tiles);
    free(sizes);
    return rc;
}

static void tell(const struct check *k, size_t archived, const struct digest *root)
{
    char b64[TEXT_BASE64_LEN(32) + 1];

    text_base64(b64, root->b, sizeof(root->b));
    (void)printf("%s: %" PRIu64 " leaves, root %s\n%zu checkpoint%s of the archive: signed by the "
                 "log, each the root of its leaves\n",
                 k->dir, k->newest, b64, archived, archived == 1 ? "" : "s");
    if (k->trust == NULL) {
        (void)printf("witnesses: not looked at (give --trust)\n");
        return;
    }
    (void)printf("each with the quorum of witnesses; %" PRIu64 " cosignatures verified, by",
                 k->cosignatures);
    for (size_t i = 0; i < tlog_policy_witness_count(k->trust->policy); i++)
        if ((k->seen >> i & 1) != 0)
            (void)printf(" %s", tlog_policy_witness(k->trust->policy, i)->name);
    (void)printf("\n");
}

static const struct option check_options[] = {{"vkey", required_argument, NULL, 'k'},
                                              {"trust", required_argument, NULL, 't'},
                                              {"help", no_argument, NULL, 'h'},
                                              {NULL, 0, NULL, 0}};

static int ledger_check(const struct command *c, int argc, char **argv)
{
    struct check k = {.dir = NULL};
    const char *key = NULL, *trust = NULL;
    struct digest root;
    struct err e = ERR_INIT;
    size_t archived = 0;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "k:t:h", check_options)) != -1) {
        if (o == 'k')
            key = optarg;
        else if (o == 't')
            trust = optarg;
    }
    if (optind + 1 != argc || (key == NULL) == (trust == NULL))
        return cli_usage(c, "name one folder, and either --vkey or --trust");
    k.dir = argv[optind];
    if (trust != NULL)
        rc = trust_load(&k.trust, trust, &e);
    else if (strchr(key, '+') != NULL)
        rc = note_vkey_parse(&k.key, span_str(key), &e);
    else
        rc = note_vkey_load(&k.key, key, &e);
    if (rc == 0 && (rc = check_all(&k, &archived, &root, &e)) == 0)
        tell(&k, archived, &root);
    trust_free(k.trust);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* ---- prove ----------------------------------------------------------------------------------- */

static const struct option prove_options[] = {
    {"out", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int ledger_prove(const struct command *c, int argc, char **argv)
{
    const char *path = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    uint64_t index;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "o:h", prove_options)) != -1)
        if (o == 'o')
            path = optarg;
    if (optind + 2 != argc ||
        text_u64(span_str(argv[optind + 1]), (uint64_t)INT64_MAX, &index) != 0)
        return cli_usage(c, "name a ledger's folder and the index of a leaf");
    buf_init(&out, TLOG_PROOF_MAX);
    if ((rc = prove_leaf(argv[optind], index, &out, &e)) == 0) {
        if (path == NULL)
            (void)fwrite(out.data, 1, out.len, stdout);
        else if ((rc = io_create_file(AT_FDCWD, path, out.data, out.len, 0644)) != 0)
            (void)err_sys(&e, rc, "writing \"%s\"", path);
    }
    buf_free(&out);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* ---- witness --------------------------------------------------------------------------------- */

static const struct option witness_options[] = {{"config", required_argument, NULL, 'c'},
                                                {"init", no_argument, NULL, 'i'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

static int ledger_witness(const struct command *c, int argc, char **argv)
{
    const char *path = NULL;
    struct err e = ERR_INIT;
    bool init = false;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "c:ih", witness_options)) != -1) {
        if (o == 'c')
            path = optarg;
        else if (o == 'i')
            init = true;
    }
    if (optind != argc || path == NULL)
        return cli_usage(c, "name --config");
    rc = init ? witness_init(path, &e) : witness_serve(path, &e);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_ledger[] = {
    {"ledger check", "recompute a ledger from its leaves", "LEDGER --trust FILE | --vkey KEY",
     "  -t, --trust FILE   log keys and witnesses from a trust file\n"
     "  -k, --vkey KEY     only the log's verifier key (text or file); witnesses are not "
     "checked\n\n"
     "Every archived checkpoint must be signed and be the root of that many leaves; with --trust\n"
     "it must carry the quorum of witnesses too.  Tiles are compared on the way.\n\n"
     "Example: glarus ledger check /mirror/zrh1 --trust trust.yaml\n",
     ledger_check},
    {"ledger prove", "write the proof that a leaf is in a ledger", "LEDGER INDEX [--out FILE]",
     "  -o, --out FILE   else standard output\n\n"
     "The proof is a receipt without openings; \"glarus receipt verify\" reads it.\n\n"
     "Example: glarus ledger prove /mirror/zrh1 0 --out leaf0.tlog-proof\n",
     ledger_prove},
    {"ledger witness", "run a witness (C2SP tlog-witness)", "--config FILE [--init]",
     "  -c, --config FILE   see witness.yaml(5)\n"
     "  -i, --init          make the key, print its verifier key, and end\n\n"
     "Stays in the foreground; SIGTERM ends it in order.\n\n"
     "Example: glarus ledger witness --config witness.yaml\n",
     ledger_witness},
    {NULL, NULL, NULL, NULL, NULL}};
