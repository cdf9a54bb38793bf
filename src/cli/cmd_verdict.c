/* cmd_verdict.c - a verdict that stands in a receipt, made again on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_receipt.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "crypto/sha256.h"
#include "rules/attestation.h"
#include "rules/replay.h"
#include "rules/source.h"

#define SCAN_SUFFIX ".scan.tlog-proof"

struct replaying {
    const char *receipt, *accepted, *trust_path, *file;
    struct source rules;
    const char *attest, *key;
    struct trial_spec engines;
    uint64_t seconds, unpacked, members, depth;
    bool json;

    struct trust *trust;
    struct client_receipt scan;
    struct client_file bytes;
    bool bound; /* a receipt says that the file is the one */
    struct replayed out;
};

/* --- which file it is about --- */

/* <sub>.tlog-proof stands beside <sub>.scan.tlog-proof, where clients keep both. */
static char *beside(const char *receipt)
{
    size_t n = strlen(receipt), m = sizeof(SCAN_SUFFIX) - 1;
    char *path = NULL;

    if (n <= m || strcmp(receipt + n - m, SCAN_SUFFIX) != 0)
        return NULL;
    if (asprintf(&path, "%.*s.tlog-proof", (int)(n - m), receipt) < 0)
        return NULL;
    if (access(path, F_OK) != 0) {
        free(path);
        return NULL;
    }
    return path;
}

/* The acceptance says which bytes the copy with that ref has. */
static int same_copy(const struct replaying *w, const struct client_receipt *a, struct err *e)
{
    const struct receipt_opening *o = receipt_extra_find(&a->x, LF_SEALED_REF);
    struct id128 want = leaf_id(&w->scan.leaf, LF_REF), ref;

    if (a->leaf.kind != LK_SUBMISSION_ACCEPTED)
        return err_set(e, -EINVAL, "it is of \"%s\", not of an acceptance",
                       leaf_kinds[a->leaf.kind].name);
    if (o == NULL)
        return err_set(e, -EINVAL, "it does not open \"ref\": it says of no stored copy");
    if (text_unid(o->value, &ref) != 0 || memcmp(&ref, &want, sizeof(ref)) != 0 ||
        a->site != w->scan.site)
        return err_set(e, -EBADMSG, "it is of another stored copy than the scan");
    return 0;
}

static int bind_file(struct replaying *w, struct err *e)
{
    char *found = w->accepted == NULL ? beside(w->receipt) : NULL;
    const char *path = w->accepted != NULL ? w->accepted : found;
    struct client_receipt a = {.site = NULL};
    int rc;

    if (path == NULL)
        return 0;
    if ((rc = client_receipt_load(&a, path, w->trust, e)) == 0 && (rc = same_copy(w, &a, e)) != 0) {
        (void)err_prefix(e, "\"%s\"", path);
        if (found != NULL) { /* nobody named it: after a move it is of the copy at the old site */
            e->code = 0;
            rc = 0;
        }
    } else if (rc == 0 && (rc = client_receipt_covers(&a, &w->bytes, e)) == 0) {
        w->bound = true;
    } else if (rc != 0) {
        (void)err_prefix(e, "\"%s\"", w->file);
    }
    client_receipt_done(&a);
    free(found);
    return rc;
}

static int read_file(struct replaying *w, struct err *e)
{
    int fd = open(w->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;

    if (fd < 0)
        return err_sys(e, -errno, "opening \"%s\"", w->file);
    rc = client_file_read(&w->bytes, fd, e);
    io_close(&fd);
    return rc == 0 ? 0 : err_prefix(e, "\"%s\"", w->file);
}

/* --- the scan --- */

static int scan(struct replaying *w, struct err *e)
{
    struct replay p = {.leaf = &w->scan.leaf,
                       .names = receipt_extra_find(&w->scan.x, LF_SEALED_NAMES),
                       .engines = &w->engines,
                       .file = w->file};
    struct release *r = NULL;
    int rc = source_load(&r, &w->rules, NULL, e);

    w->engines.limits = (struct detect_limits){.file_ms = (uint32_t)(w->seconds * 1000),
                                               .member_bytes = w->unpacked,
                                               .members = (uint32_t)w->members,
                                               .depth = (uint32_t)w->depth};
    p.rules = r;
    if (rc == 0 && (rc = replay_rules(&w->scan.leaf, r, e)) != 0)
        (void)err_prefix(e, "\"%s\"", w->rules.where);
    if (rc == 0)
        rc = replay_run(&p, &w->out, e);
    if (rc == 0 && w->out.read && !digest_eq(&w->out.sha256, &w->bytes.sha256))
        rc = err_set(e, -EIO, "\"%s\" changed while it was scanned", w->file);
    release_free(r);
    return rc;
}

/* --- signed --- */

/* Nothing of the file: which leaf, and whether it was the same. */
static int attest(const struct replaying *w, struct err *e)
{
    const struct leaf *l = &w->scan.leaf;
    struct span engine = leaf_text(l, LF_ENGINE);
    struct ed25519_key *key = NULL;
    struct attestation a;
    struct buf out;
    int rc;

    memset(&a, 0, sizeof(a));
    (void)snprintf(a.site, sizeof(a.site), "%s", w->scan.site->site);
    (void)snprintf(a.engines, sizeof(a.engines), "%.*s", (int)engine.n, (const char *)engine.p);
    a.leaf = w->scan.proof.index;
    sha256_leaf(w->scan.x.leaf.p, w->scan.x.leaf.n, &a.scan);
    a.release = leaf_digest(l, LF_RELEASE);
    a.names = w->out.compared_names;
    a.same = w->out.same;
    buf_init(&out, DSSE_MAX_BYTES);
    if ((rc = ed25519_load(&key, w->key, e)) == 0 &&
        (rc = attestation_sign(&a, key, &out, e)) == 0 &&
        (rc = io_replace_file(AT_FDCWD, w->attest, out.data, out.len, 0644)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", w->attest);
    ed25519_free(key);
    buf_free(&out);
    return rc;
}

/* What is attested is about this file, and about a leaf that stays. */
static int may_attest(const struct replaying *w, struct err *e)
{
    if (!w->bound)
        return err_set(e, -EINVAL,
                       "no receipt says that \"%s\" is the file that was scanned (--accepted): "
                       "that cannot be attested",
                       w->file);
    if (!w->scan.verdict.quorum)
        return err_set(e, -EAGAIN, "\"%s\" is pending: attest when it is final", w->receipt);
    return 0;
}

static int replay(struct replaying *w, struct err *e)
{
    int rc;

    if ((rc = trust_load(&w->trust, w->trust_path, e)) != 0 ||
        (rc = client_receipt_load(&w->scan, w->receipt, w->trust, e)) != 0)
        return rc;
    if (w->scan.leaf.kind != LK_SCAN_DONE)
        return err_set(e, -EINVAL,
                       "\"%s\" is of \"%s\"; a verdict stands in the receipt of a scan "
                       "(SUB" SCAN_SUFFIX ", kept by \"glarus trace\")",
                       w->receipt, leaf_kinds[w->scan.leaf.kind].name);
    if ((rc = read_file(w, e)) != 0 || (rc = bind_file(w, e)) != 0 ||
        (w->attest != NULL && (rc = may_attest(w, e)) != 0) || (rc = scan(w, e)) != 0)
        return rc;
    return w->attest != NULL ? attest(w, e) : 0;
}

/* --- what came out --- */

static const char *bound_text(const struct replaying *w)
{
    return w->bound ? "it is the one that was accepted: hash and size are the opened ones"
                    : "no receipt here says that it is the one (--accepted); that the verdict is "
                      "the same does";
}

static int put_text(const struct replaying *w, struct buf *out)
{
    const struct leaf *l = &w->scan.leaf;
    const struct finding *f = &w->out.found;
    struct span release = leaf_text(l, LF_RELEASE), engine = leaf_text(l, LF_ENGINE),
                when = leaf_text(l, LF_TIME);
    int rc;

    if ((rc = buf_printf(out, "Site %s scanned it at %.*s: leaf %" PRIu64 " of %s.\n",
                         w->scan.site->site, (int)when.n, (const char *)when.p, w->scan.proof.index,
                         w->scan.site->origin)) != 0 ||
        (rc = buf_printf(out, "  %-10s %.*s\n  %-10s %.*s\n", "release", (int)release.n,
                         (const char *)release.p, "engines", (int)engine.n,
                         (const char *)engine.p)) != 0 ||
        (rc = buf_printf(out, "  %-10s %s\n  %-10s %s, reason %s, %u rules hit\n", "file",
                         bound_text(w), "here", verdict_word(f->verdict),
                         verdict_reason_word(f->reason), f->hits)) != 0)
        return rc;
    for (struct cur c = cur_of(buf_span(&f->names)); rc == 0 && c.n > 0;) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end != NULL ? (size_t)(end - c.p) : c.n;

        rc = buf_printf(out, "  %-10s %.*s\n", "rule", (int)n, (const char *)c.p);
        n += end != NULL;
        c.p += n;
        c.n -= n;
    }
    if (rc != 0)
        return rc;
    if (!w->out.same)
        return buf_printf(out, "DIFFERENT: %s.\n", w->out.differs);
    return buf_printf(out, "SAME: verdict, reason%s.%s\n",
                      w->out.compared_names ? ", hits and the names, to the byte" : " and hits",
                      w->out.compared_names ? "" : "  The names are sealed and not opened here.");
}

static int put_json(const struct replaying *w, struct buf *out)
{
    const struct finding *f = &w->out.found;
    int rc = buf_printf(out,
                        "{\"same\":%s,\"final\":%s,\"bound\":%s,\"names_compared\":%s,"
                        "\"verdict\":\"%s\",\"reason\":\"%s\",\"hits\":%u,\"names\":",
                        w->out.same ? "true" : "false", w->scan.verdict.quorum ? "true" : "false",
                        w->bound ? "true" : "false", w->out.compared_names ? "true" : "false",
                        verdict_word(f->verdict), verdict_reason_word(f->reason), f->hits);

    if (rc == 0 && (rc = text_json_string(out, buf_span(&f->names))) == 0 &&
        (rc = buf_puts(out, ",\"differs\":")) == 0 &&
        (rc = text_json_string(out, span_str(w->out.differs))) == 0)
        rc = buf_puts(out, "}\n");
    return rc;
}

static const struct option replay_options[] = {{"trust", required_argument, NULL, 't'},
                                               {"file", required_argument, NULL, 'f'},
                                               {"rules", required_argument, NULL, 'r'},
                                               {"git", required_argument, NULL, 'g'},
                                               {"accepted", required_argument, NULL, 'a'},
                                               {"attest", required_argument, NULL, 'A'},
                                               {"key", required_argument, NULL, 'k'},
                                               {"programs", required_argument, NULL, 'P'},
                                               {"seconds", required_argument, NULL, 'S'},
                                               {"unpacked", required_argument, NULL, 'U'},
                                               {"members", required_argument, NULL, 'M'},
                                               {"depth", required_argument, NULL, 'D'},
                                               {"json", no_argument, NULL, 'j'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

/* A limit of the site: the same bounds as in its configuration. */
static int limit(const struct command *c, struct replaying *w, int o, const char *text)
{
    const struct {
        int o;
        const char *name;
        uint64_t least, most, *to;
    } all[] = {{'S', "seconds", 1, 600, &w->seconds},
               {'U', "unpacked", 1 << 20, 1 << 30, &w->unpacked},
               {'M', "members", 1, 100000, &w->members},
               {'D', "depth", 1, 62, &w->depth}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].o == o &&
            (text_u64(span_str(text), all[i].most, all[i].to) != 0 || *all[i].to < all[i].least))
            return cli_usage(c, "--%s is a number from %" PRIu64 " to %" PRIu64, all[i].name,
                             all[i].least, all[i].most);
    return 0;
}

static int tell(const struct command *c, const struct replaying *w)
{
    struct err e = ERR_INIT;
    struct buf out;
    int code = EXIT_TROUBLE;

    buf_init(&out, 1 << 20);
    if ((e.code = w->json ? put_json(w, &out) : put_text(w, &out)) != 0) {
        code = cli_fail(c, &e);
    } else {
        (void)fwrite(out.data, 1, out.len, stdout);
        code = !w->out.same ? EXIT_FALSE : w->scan.verdict.quorum ? EXIT_HELD : EXIT_PENDING;
    }
    buf_free(&out);
    return code;
}

static int verdict_replay(const struct command *c, int argc, char **argv)
{
    struct replaying w = {.seconds = 30, .unpacked = 256 << 20, .members = 10000, .depth = 16};
    struct err e = ERR_INIT;
    int o, code = 0;

    engines_usual(&w.engines);
    while (code == 0 &&
           (o = cli_getopt(c, argc, argv, "t:f:r:g:a:A:k:P:S:U:M:D:jh", replay_options)) != -1) {
        if (o == 'j')
            w.json = true;
        else if (strchr("SUMD", o) != NULL)
            code = limit(c, &w, o, optarg);
        else
            *(o == 't'   ? &w.trust_path
              : o == 'f' ? &w.file
              : o == 'r' ? &w.rules.where
              : o == 'g' ? &w.rules.git
              : o == 'a' ? &w.accepted
              : o == 'A' ? &w.attest
              : o == 'k' ? &w.key
                         : &w.engines.programs) = optarg;
    }
    if (code != 0)
        return code;
    if (optind + 1 != argc || w.trust_path == NULL || w.file == NULL || w.rules.where == NULL)
        return cli_usage(c, "name the receipt of a scan, --file, --rules and --trust");
    if ((w.attest == NULL) != (w.key == NULL))
        return cli_usage(c, "--attest and --key go together");
    w.receipt = argv[optind];
    code = replay(&w, &e) == 0 ? tell(c, &w) : cli_fail(c, &e);
    replay_done(&w.out);
    client_receipt_done(&w.scan);
    trust_free(w.trust);
    return code;
}

static const struct option publish_options[] = {
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int verdict_publish(const struct command *c, int argc, char **argv)
{
    struct admin_ask ask = {.what = ADMIN_PUBLISH, .document = READ_REPLAY};
    const char *path = "glarusd.yaml";
    struct config *config = NULL;
    struct err e = ERR_INIT;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "c:h", publish_options)) != -1)
        if (o == 'c')
            path = optarg;
    if (optind + 1 != argc)
        return cli_usage(c, "name one attestation");
    ask.file = argv[optind];
    if ((rc = config_load(&config, path, &e)) == 0)
        rc = admin_do(config, &ask, c->words, &e);
    config_free(config);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_verdict[] = {
    {"verdict replay", "make a verdict again on this machine, and compare it to the byte",
     "RECEIPT --file FILE --rules FOLDER --trust FILE [--accepted RECEIPT] [--attest FILE --key "
     "KEY]",
     "  -f, --file FILE          the file that was scanned\n"
     "  -r, --rules FOLDER       the rules of the release that the receipt names\n"
     "  -g, --git REPOSITORY     FOLDER is a revision of it, as of \"rules check\"\n"
     "  -t, --trust FILE         the trust file\n"
     "  -a, --accepted RECEIPT   of the file's acceptance, which says that it is the one "
     "(default:\n"
     "                           SUB.tlog-proof beside SUB.scan.tlog-proof)\n"
     "  -A, --attest FILE        write what came out, the same or not, signed; it names the leaf "
     "and\n"
     "                           says nothing of the file\n"
     "  -k, --key KEY            by this key (PEM), whose public half auditors name in trust "
     "files\n"
     "  -P, --programs FOLDER    where the engines are (default " ENGINES_PROGRAMS ")\n"
     "  -S, --seconds N          limits of the site, where they are not the usual ones: 30 s,\n"
     "  -U, --unpacked BYTES     268435456,\n"
     "  -M, --members N          10000\n"
     "  -D, --depth N            and 16\n"
     "  -j, --json               one JSON object\n\n"
     "Needs no network and no site; nothing of the file leaves the machine.  The engines that the\n"
     "receipt names run in the jails of a site.  Exit 0: the same; 4: the same, and the receipt "
     "is\n"
     "pending; 1: different, or the receipt does not verify; 2: other rules are needed.\n\n"
     "Example: glarus verdict replay 6f0c.scan.tlog-proof --file report.pdf --rules release-7 \\\n"
     "    --trust trust.yaml\n",
     verdict_replay},
    {"verdict publish", "publish what somebody attests of a verdict in its site's ledger",
     "ATTESTATION [--config FILE]",
     "  -c, --config FILE   the site's configuration (default glarusd.yaml)\n\n"
     "As \"verdict replay --attest\" wrote it.  What is about no verdict of this ledger is "
     "refused.\n\n"
     "Example: glarus verdict publish 6f0c.replay.dsse --config zrh1.yaml\n",
     verdict_publish},
    {NULL, NULL, NULL, NULL, NULL}};
