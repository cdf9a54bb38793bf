#include "capi/client_receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "events/country.h"
#include "events/seal.h"
#include "intake/submitter.h"

/* The leaf's site must be the one whose log signed the checkpoint. */
static int find_site(struct client_receipt *r, const struct trust *t, struct err *e)
{
    const struct vkey *log = tlog_policy_log(t->policy, (size_t)r->verdict.log);
    struct span name = leaf_text(&r->leaf, LF_SITE);

    for (size_t i = 0; i < t->sites; i++)
        if (span_is(name, t->site[i].site))
            r->site = &t->site[i];
    if (r->site == NULL)
        return err_set(e, -EBADMSG,
                       "the leaf is of site \"%.*s\", which the trust file does not name",
                       (int)name.n, (const char *)name.p);
    if (strcmp(r->site->origin, log->name) != 0)
        return err_set(e, -EBADMSG, "the leaf is of site \"%s\", but the ledger \"%s\" signed it",
                       r->site->site, log->name);
    return 0;
}

static bool is_own(const struct client_signed *own, const struct submitter_act *act,
                   const struct ed25519_pub *pub, const struct ed25519_sig *sig)
{
    return memcmp(&own->act.sub, &act->sub, sizeof(act->sub)) == 0 && own->act.kind == act->kind &&
           own->act.scope == act->scope && strcmp(own->act.country, act->country) == 0 &&
           digest_eq(&own->act.statement, &act->statement) &&
           memcmp(pub->b, own->pub.b, sizeof(pub->b)) == 0 &&
           memcmp(sig->b, own->sig.b, sizeof(sig->b)) == 0;
}

/* The submitter's own signature in an acceptance. */
static int check_signature(const struct client_receipt *r, const struct client_signed *own,
                           struct err *e)
{
    const struct leaf *l = &r->leaf;
    struct submitter_act act = {.sub = {{0}}};
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    int rc;

    if (l->kind != LK_SUBMISSION_ACCEPTED)
        return 0;
    act.sub = leaf_id(l, LF_SUB);
    act.statement = leaf_digest(l, LF_STATEMENT);
    memcpy(act.country, country_table[leaf_country(l, LF_COUNTRY)].code, sizeof(act.country));
    leaf_key(l, LF_SUB_KEY, pub.b);
    leaf_sig(l, LF_SUB_SIG, sig.b);
    rc = intake_scope_of(leaf_text(l, LF_SUBMISSION), &act.kind) != 0 ||
                 intake_scope_of(leaf_text(l, LF_SCOPE), &act.scope) != 0
             ? -EBADMSG
         : own != NULL && is_own(own, &act, &pub, &sig) ? 0
                                                        : submitter_verify_submit(&pub, &act, &sig);
    if (rc == 0 || rc == -ENOMEM)
        return rc == 0 ? 0 : err_sys(e, rc, "verifying the submitter's signature");
    return err_set(e, -EBADMSG, "the submitter's signature in the leaf does not verify");
}

static int open_kept(struct client_receipt *r, const struct trust *t, struct tlog_proof_memo *memo,
                     const struct client_signed *own, struct err *e)
{
    struct digest hash;
    int rc;

    if ((rc = tlog_proof_parse(&r->proof, buf_span(&r->text), e)) != 0 ||
        (rc = tlog_proof_extra(&r->extra, &r->proof, e)) != 0 ||
        (rc = receipt_extra_decode(&r->x, buf_span(&r->extra), e)) != 0)
        return rc;
    sha256_leaf(r->x.leaf.p, r->x.leaf.n, &hash);
    rc = memo != NULL ? tlog_proof_verify_again(&r->verdict, memo, &r->proof, t->policy, &hash, e)
                      : tlog_proof_verify(&r->verdict, &r->proof, t->policy, &hash, e);
    if (rc != 0)
        return rc;
    if ((rc = leaf_parse(&r->leaf, r->x.leaf)) != 0) {
        leaf_why(r->x.leaf, e);
        return rc;
    }
    if ((rc = find_site(r, t, e)) != 0)
        return rc;
    return check_signature(r, own, e);
}

static void begin(struct client_receipt *r)
{
    memset(r, 0, sizeof(*r));
    buf_init(&r->text, TLOG_PROOF_MAX);
    buf_init(&r->extra, RECEIPT_EXTRA_MAX);
}

int client_receipt_open_own(struct client_receipt *r, struct span text, const struct trust *t,
                            struct tlog_proof_memo *memo, const struct client_signed *own,
                            struct err *e)
{
    int rc;

    begin(r);
    if ((rc = buf_put(&r->text, text.p, text.n)) != 0)
        return err_set(e, rc == -E2BIG ? -EBADMSG : rc, "a receipt has at most %d bytes",
                       TLOG_PROOF_MAX);
    return open_kept(r, t, memo, own, e);
}

int client_receipt_open(struct client_receipt *r, struct span text, const struct trust *t,
                        struct err *e)
{
    return client_receipt_open_own(r, text, t, NULL, NULL, e);
}

int client_receipt_load(struct client_receipt *r, const char *path, const struct trust *t,
                        struct err *e)
{
    int rc;

    begin(r);
    if ((rc = io_read_file(AT_FDCWD, path, &r->text)) != 0)
        return err_sys(e, rc, "reading \"%s\"", path);
    rc = open_kept(r, t, NULL, NULL, e);
    return rc == 0 ? 0 : err_prefix(e, "\"%s\"", path);
}

void client_receipt_done(struct client_receipt *r)
{
    receipt_extra_free(&r->x);
    buf_free(&r->text);
    buf_free(&r->extra);
}

int client_file_read(struct client_file *out, int fd, struct err *e)
{
    struct sha256 *h = sha256_new();
    uint8_t piece[1 << 16];
    ssize_t n;

    if (h == NULL)
        return err_sys(e, -ENOMEM, "reading the file");
    out->size = 0;
    for (;;) {
        n = pread(fd, piece, sizeof(piece), (off_t)out->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        sha256_add(h, piece, (size_t)n);
        out->size += (uint64_t)n;
    }
    sha256_end(h, &out->sha256);
    sha256_free(h);
    return n == 0 ? 0 : err_sys(e, -errno, "reading the file");
}

int client_receipt_covers(const struct client_receipt *r, const struct client_file *f,
                          struct err *e)
{
    const struct receipt_opening *sha = receipt_extra_find(&r->x, LF_SEALED_SHA256);
    const struct receipt_opening *size = receipt_extra_find(&r->x, LF_SEALED_SIZE);
    struct digest d;
    uint64_t n;

    if (sha == NULL || size == NULL)
        return err_set(e, -EBADMSG,
                       "the receipt does not open %s: it says of no file that it is the one",
                       sha == NULL ? "the hash" : "the size");
    if (text_undigest(sha->value, &d) != 0 || !digest_eq(&d, &f->sha256))
        return err_set(e, -EBADMSG, "the receipt is of another file: its SHA-256 is %.*s",
                       (int)sha->value.n, (const char *)sha->value.p);
    if (text_u64(size->value, UINT64_MAX, &n) != 0 || n != f->size)
        return err_set(e, -EBADMSG, "the receipt says %.*s bytes, the file has %" PRIu64,
                       (int)size->value.n, (const char *)size->value.p, f->size);
    return 0;
}

/* ---- shorter --------------------------------------------------------------------------------- */

static int drop_one(struct receipt_extra *x, const char *name, struct err *e)
{
    enum leaf_field f;

    if (seal_field(span_str(name), &f) == 0) {
        for (size_t i = 0; i < x->openings; i++) {
            if (x->opening[i].field != f)
                continue;
            memmove(&x->opening[i], &x->opening[i + 1],
                    (x->openings - i - 1) * sizeof(x->opening[0]));
            x->openings--;
            return 0;
        }
    }
    return err_set(e, -EINVAL, "the receipt has no opening \"%s\"", name);
}

static int drop_all(struct receipt_extra *x, const char *list, struct err *e)
{
    char names[512], *save = NULL;
    int rc = 0;

    if (strlen(list) >= sizeof(names))
        return err_set(e, -EINVAL, "the list of names is too long");
    memcpy(names, list, strlen(list) + 1);
    for (char *n = strtok_r(names, ",", &save); rc == 0 && n != NULL;
         n = strtok_r(NULL, ",", &save))
        rc = drop_one(x, n, e);
    return rc;
}

int client_receipt_redact(struct span text, const char *names, struct buf *out, struct err *e)
{
    struct receipt_extra x = {.openings = 0};
    struct core_proof proof;
    struct buf extra, shorter;
    int rc;

    buf_init(&extra, RECEIPT_EXTRA_MAX);
    buf_init(&shorter, RECEIPT_EXTRA_MAX);
    if ((rc = tlog_proof_parse(&proof, text, e)) == 0 &&
        (rc = tlog_proof_extra(&extra, &proof, e)) == 0 &&
        (rc = receipt_extra_decode(&x, buf_span(&extra), e)) == 0 &&
        (rc = drop_all(&x, names, e)) == 0 && (rc = receipt_extra_encode(&x, &shorter, e)) == 0)
        rc = tlog_proof_format(out, buf_span(&shorter), proof.index, proof.path, proof.n,
                               proof.checkpoint, e);
    receipt_extra_free(&x);
    buf_free(&extra);
    buf_free(&shorter);
    return rc;
}

/* ---- in words -------------------------------------------------------------------------------- */

static const char *meaning(const struct leaf *l)
{
    switch (l->kind) {
    case LK_SUBMISSION_ACCEPTED:
        return "accepted a submission";
    case LK_SUBMISSION_ERASED:
        return "erased a submission: its key slot is destroyed";
    case LK_SCAN_DONE:
        return "scanned a stored copy";
    case LK_MOVE_OPENED:
        return "opened the move of a country's files to another site";
    case LK_MOVE_RECEIVED:
        return "received a country's files from another site";
    case LK_MOVE_CLOSED:
        return "closed the move of a country's files: nothing of it is left here";
    case LK_EPOCH_DESTROYED:
        return "destroyed the key of an epoch: its erasures are final";
    default:
        return "logged an event";
    }
}

static const char *field_meaning(enum leaf_field f)
{
    switch (f) {
    case LF_SUB:
        return "submission";
    case LF_SUB_KEY:
        return "submitter's key";
    case LF_SUB_SIG:
        return "submitter's signature";
    case LF_SUBMISSION:
        return "kind of submission";
    case LF_COUNTRY:
        return "country, as declared";
    case LF_STATEMENT:
        return "under the consent statement";
    case LF_SCOPE:
        return "for the purpose";
    case LF_POLICY:
        return "under the policy";
    case LF_RELEASE:
        return "rule release";
    case LF_FINAL_EPOCH:
        return "final with the end of epoch";
    case LF_REF:
        return "stored copy";
    case LF_HITS:
        return "rules that hit";
    default:
        return leaf_field_name(f);
    }
}

static int put_field(struct buf *out, const struct leaf *l, enum leaf_field f)
{
    struct span s = leaf_text(l, f), country;
    int i, rc;

    if ((rc = buf_printf(out, "  %-28s ", field_meaning(f))) != 0 || (rc = text_plain(out, s)) != 0)
        return rc;
    country = s;
    if (f == LF_COUNTRY && (i = country_index(country)) >= 0)
        rc = buf_printf(out, " (%s)", country_table[i].name);
    return rc != 0 ? rc : buf_putc(out, '\n');
}

static int put_openings(struct buf *out, const struct client_receipt *r)
{
    const struct leaf_kind_info *k = &leaf_kinds[r->leaf.kind];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < k->slots; i++) {
        enum leaf_field f = (enum leaf_field)k->slot[i].field;
        const struct receipt_opening *o;

        if (leaf_field_type(f) != LT_SEALED || !leaf_has(&r->leaf, f))
            continue;
        if ((rc = buf_printf(out, "  %-28s ", seal_name(f))) != 0)
            break;
        o = receipt_extra_find(&r->x, f);
        if (o == NULL)
            rc = buf_puts(out, "(sealed, not opened here)");
        else if ((rc = text_plain(out, o->value)) == 0)
            rc = buf_puts(out, "  (opening verified)");
        if (rc == 0)
            rc = buf_putc(out, '\n');
    }
    return rc;
}

static int put_witnesses(struct buf *out, const struct client_receipt *r, const struct trust *t)
{
    const struct tlog_verdict *v = &r->verdict;
    char when[CLOCK_SECOND_LEN + 1];
    int rc = buf_printf(out, "  %-28s %s, leaf %" PRIu64 " of %" PRIu64 "\n", "ledger",
                        r->site->origin, r->proof.index, v->checkpoint.size);

    for (size_t i = 0; rc == 0 && i < tlog_policy_witness_count(t->policy); i++) {
        if ((v->cosigned >> i & 1) == 0)
            continue;
        clock_second(when, (unix_time)v->time[i]);
        rc = buf_printf(out, "  %-28s %s at %s%s\n", "witnessed by",
                        tlog_policy_witness(t->policy, i)->name, when,
                        (t->outsiders >> i & 1) != 0 ? " (not under the vendor's control)" : "");
    }
    return rc;
}

int client_receipt_text(const struct client_receipt *r, const struct trust *t, struct buf *out)
{
    const struct leaf_kind_info *k = &leaf_kinds[r->leaf.kind];
    struct span when = leaf_text(&r->leaf, LF_TIME);
    int rc;

    rc = buf_printf(out, "Site %s (zone %s) %s at %.*s [%s].\n", r->site->site, r->site->zone,
                    meaning(&r->leaf), (int)when.n, (const char *)when.p, k->name);
    for (size_t i = 0; rc == 0 && i < k->slots; i++) {
        enum leaf_field f = (enum leaf_field)k->slot[i].field;

        if (leaf_has(&r->leaf, f) && leaf_field_type(f) != LT_SEALED && f != LF_KIND &&
            f != LF_TIME && f != LF_SITE && f != LF_V)
            rc = put_field(out, &r->leaf, f);
    }
    if (rc != 0 || (rc = put_openings(out, r)) != 0 || (rc = put_witnesses(out, r, t)) != 0)
        return rc;
    return buf_puts(out,
                    r->verdict.quorum
                        ? "FINAL: enough witnesses have seen it; the site cannot take it back.\n"
                        : "PENDING: signed by the site's ledger, not yet by enough witnesses.\n");
}

static int json_member(struct buf *out, const char *name, struct span value, bool first)
{
    int rc = first ? 0 : buf_putc(out, ',');

    if (rc != 0 || (rc = text_json_string(out, span_str(name))) != 0 ||
        (rc = buf_putc(out, ':')) != 0)
        return rc;
    rc = text_json_string(out, value);
    return rc == -EBADMSG ? buf_puts(out, "null") : rc; /* an opened name that is not UTF-8 */
}

static int json_openings(struct buf *out, const struct client_receipt *r)
{
    int rc = buf_puts(out, ",\"openings\":{");

    for (size_t i = 0; rc == 0 && i < r->x.openings; i++)
        rc = json_member(out, seal_name(r->x.opening[i].field), r->x.opening[i].value, i == 0);
    return rc != 0 ? rc : buf_putc(out, '}');
}

static int json_witnesses(struct buf *out, const struct client_receipt *r, const struct trust *t)
{
    char when[CLOCK_SECOND_LEN + 1];
    bool first = true;
    int rc = buf_puts(out, ",\"witnesses\":[");

    for (size_t i = 0; rc == 0 && i < tlog_policy_witness_count(t->policy); i++) {
        if ((r->verdict.cosigned >> i & 1) == 0)
            continue;
        clock_second(when, (unix_time)r->verdict.time[i]);
        if ((rc = buf_puts(out, first ? "{" : ",{")) != 0 ||
            (rc = json_member(out, "name", span_str(tlog_policy_witness(t->policy, i)->name),
                              true)) != 0 ||
            (rc = json_member(out, "time", span_str(when), false)) != 0)
            break;
        rc = buf_putc(out, '}');
        first = false;
    }
    return rc != 0 ? rc : buf_putc(out, ']');
}

int client_receipt_json(const struct client_receipt *r, const struct trust *t, struct buf *out)
{
    int rc;

    if ((rc = buf_puts(out, "{\"status\":")) != 0 ||
        (rc = buf_puts(out, r->verdict.quorum ? "\"final\"" : "\"pending\"")) != 0 ||
        (rc = json_member(out, "origin", span_str(r->site->origin), false)) != 0 ||
        (rc = buf_printf(out, ",\"index\":%" PRIu64 ",\"size\":%" PRIu64 ",\"leaf\":",
                         r->proof.index, r->verdict.checkpoint.size)) != 0 ||
        (rc = buf_put(out, r->x.leaf.p, r->x.leaf.n)) != 0 || (rc = json_openings(out, r)) != 0 ||
        (rc = json_witnesses(out, r, t)) != 0)
        return rc;
    return buf_putc(out, '}');
}
