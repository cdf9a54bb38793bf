#include "capi/client_history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_priv.h"
#include "capi/client_shelf.h"
#include "events/receipt_pack.h"

#define POLL_SECONDS 20
#define PAUSE_MS 1000
#define LOOK_MS 250

/* 32 hex digits, or a file that was submitted. */
int client_subject_find(const struct client *c, const char *which, struct client_subject *s,
                        struct err *e)
{
    char *real;

    memset(s, 0, sizeof(*s));
    if (text_unid(span_str(which), &s->sub) == 0) {
        s->entry = client_state_sub(c->state, &s->sub);
    } else {
        if ((real = realpath(which, NULL)) == NULL)
            return err_sys(e, -errno, "\"%s\" is neither 32 hex digits nor a file", which);
        s->entry = client_state_path(c->state, real);
        free(real);
        if (s->entry == NULL)
            return err_set(e, -ENOENT, "\"%s\" was not submitted with the state \"%s\"", which,
                           c->state_path);
        s->sub = s->entry->sub;
    }
    text_id(s->hex, &s->sub);
    if (s->entry != NULL)
        s->site = client_site_named(c, s->entry->site);
    if (s->site == NULL)
        s->site = client_home(c, e);
    return s->site == NULL ? -EINVAL : 0;
}

static int get(struct client *c, const struct client_subject *s, const char *tail,
               struct http_result *a, struct err *e)
{
    char url[640], auth[CLIENT_AUTH_MAX];
    const char *headers[] = {auth, NULL};
    struct http_call call = {.method = HTTP_GET,
                             .url = url,
                             .pin = s->site->pin,
                             .headers = headers,
                             .max_answer = TLOG_PROOF_MAX,
                             .total_ms = 60000};
    int rc;

    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s%s", s->site->url, s->hex, tail);
    memset(a, 0, sizeof(*a));
    if ((rc = client_auth(c, &s->sub, auth)) != 0)
        return err_sys(e, rc, "signing the request");
    if ((rc = client_do(c, &call, a, e)) != 0)
        return rc;
    return a->status == 200 ? 0 : client_refused(a, e);
}

/* The answer of the site where the submission lives now.  The address of a site comes from the
 * configuration, never from an answer. */
static int ask(struct client *c, struct client_subject *s, const char *tail,
               struct client_answer_state *st, char went[CLIENT_MOVES_MAX][17], size_t *moves,
               struct err *e)
{
    const struct client_site *next;
    struct http_result a;
    int rc;

    memset(st, 0, sizeof(*st));
    for (*moves = 0;; (*moves)++) {
        rc = get(c, s, tail, &a, e);
        if (rc == 0)
            rc = client_answer_submission(st, &s->sub, buf_span(&a.body), e);
        http_result_free(&a);
        if (rc != 0 || strcmp(st->site, s->site->name) == 0 || *moves == CLIENT_MOVES_MAX)
            return rc;
        if ((next = client_site_named(c, st->site)) == NULL) {
            rc = err_set(e, -ENOENT,
                         "it has moved to site \"%s\", which the configuration does not name",
                         st->site);
            client_answer_state_done(st);
            return rc;
        }
        memcpy(went[*moves], s->site->name, sizeof(went[0]));
        client_answer_state_done(st);
        s->site = next;
    }
}

int client_history_ask(struct client *c, struct client_subject *s, struct client_answer_state *st,
                       char went[CLIENT_MOVES_MAX][17], size_t *moves, struct err *e)
{
    return ask(c, s, "", st, went, moves, e);
}

/* ---- receipts -------------------------------------------------------------------------------- */

static bool about(const struct client_receipt *r, const struct client_subject *s)
{
    const struct receipt_opening *o = receipt_extra_find(&r->x, LF_SEALED_SUB);
    struct id128 sub;

    if (leaf_has(&r->leaf, LF_SUB))
        sub = leaf_id(&r->leaf, LF_SUB);
    else if (r->leaf.kind == LK_SCAN_DONE)
        return true; /* it names the copy only; the site says it is of this submission */
    else if (o == NULL || text_unid(o->value, &sub) != 0)
        return false;
    return memcmp(&sub, &s->sub, sizeof(sub)) == 0;
}

static int verified(const struct client *c, const struct client_subject *s, struct span text,
                    struct client_receipt *r, struct err *e)
{
    int rc = client_receipt_open(r, text, c->trust, e);

    if (rc == 0 && !about(r, s))
        rc = err_set(e, -EBADMSG, "it is of another submission");
    return rc == 0 ? 0 : err_prefix(e, "the receipt is not believed");
}

/* Under which name it is kept. */
static const char *suffix_of(const char *of, struct err *e)
{
    static const struct {
        const char *of, *suffix;
    } kinds[] = {{"accepted", ".tlog-proof"},
                 {"scan", ".scan.tlog-proof"},
                 {"erased", ".erased.tlog-proof"}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].of, of) == 0)
            return kinds[i].suffix;
    (void)err_set(e, -EINVAL, "there is no receipt of \"%s\": name accepted, scan or erased", of);
    return NULL;
}

/* What a receipt says of a verdict stays said when other rules change it: the one that is kept is
 * then moved to a name with its release. */
static int keep_older(const struct client *c, const struct client_subject *s,
                      const struct client_receipt *newer, struct err *e)
{
    struct client_receipt r = {.site = NULL};
    struct span release;
    char *path = NULL, suffix[48];
    int rc = 0;

    if (newer->leaf.kind != LK_SCAN_DONE)
        return 0;
    if (asprintf(&path, "%s/%s.scan.tlog-proof", c->receipts, s->hex) < 0)
        return err_sys(e, -ENOMEM, "keeping a receipt");
    if (client_receipt_load(&r, path, c->trust, NULL) == 0 && r.leaf.kind == LK_SCAN_DONE &&
        !span_eq(r.leaf.bytes, newer->leaf.bytes)) {
        release = leaf_text(&r.leaf, LF_RELEASE);
        (void)snprintf(suffix, sizeof(suffix), ".scan-%.16s.tlog-proof", (const char *)release.p);
        rc = client_keep(c, &s->sub, suffix, buf_span(&r.text), e);
    }
    client_receipt_done(&r);
    free(path);
    return rc;
}

int client_history_receipt(struct client *c, const struct client_subject *s, const char *of,
                           struct client_receipt *r, struct err *e)
{
    const char *suffix = suffix_of(of, e);
    struct http_result a;
    char tail[64];
    int rc;

    memset(r, 0, sizeof(*r));
    if (suffix == NULL)
        return -EINVAL;
    (void)snprintf(tail, sizeof(tail), "/receipt?of=%s", of);
    if ((rc = get(c, s, tail, &a, e)) == 0 && (rc = verified(c, s, buf_span(&a.body), r, e)) == 0 &&
        (rc = keep_older(c, s, r, e)) == 0)
        rc = client_keep(c, &s->sub, suffix, buf_span(&a.body), e);
    http_result_free(&a);
    return rc;
}

/* Has the site got as far as that receipt is final? */
static bool is_there(const struct client_answer_state *st, const char *of)
{
    return strcmp(of, "accepted") == 0 ? st->final
           : strcmp(of, "scan") == 0   ? st->scanned
                                       : st->erased;
}

/* Sleeps a little, or less; false: there is no time left, or it is cancelled. */
static bool pause_until(struct client *c, mono_ms end)
{
    for (unsigned i = 0; i < PAUSE_MS / LOOK_MS && !atomic_load(&c->stop); i++) {
        if (clock_mono() >= end)
            return false;
        (void)poll(NULL, 0, LOOK_MS);
    }
    return !atomic_load(&c->stop);
}

/* One look: the receipt if the site says that it is there. */
static int look(struct client *c, struct client_subject *s, const char *of, uint64_t *seen,
                unsigned wait, struct client_receipt *r, struct err *e)
{
    char went[CLIENT_MOVES_MAX][17], tail[64];
    struct client_answer_state st;
    size_t moves;
    int rc;

    (void)snprintf(tail, sizeof(tail), "?wait=%u&seen=%llu", wait, (unsigned long long)*seen);
    rc = ask(c, s, tail, &st, went, &moves, e);
    *seen = rc == 0 ? st.seen : 0;
    if (rc == 0 && is_there(&st, of) && (rc = client_history_receipt(c, s, of, r, e)) == 0 &&
        r->verdict.quorum) {
        client_answer_state_done(&st);
        return 0;
    }
    client_answer_state_done(&st);
    return rc == 0 || rc == -ENOENT || rc == -ETIMEDOUT || rc == -EBUSY ? -EAGAIN : rc;
}

int client_history_wait(struct client *c, struct client_subject *s, const char *of,
                        unsigned seconds, struct client_receipt *r, struct err *e)
{
    mono_ms end = clock_mono() + (mono_ms)seconds * 1000, left;
    uint64_t seen = 0;
    int rc;

    memset(r, 0, sizeof(*r));
    if (suffix_of(of, e) == NULL)
        return -EINVAL;
    for (;;) {
        left = (end - clock_mono()) / 1000;
        client_receipt_done(r); /* a pending one, of the look before */
        memset(r, 0, sizeof(*r));
        rc = look(c, s, of, &seen,
                  left <= 0             ? 0
                  : left < POLL_SECONDS ? (unsigned)left
                                        : POLL_SECONDS,
                  r, e);
        if (rc != -EAGAIN || !pause_until(c, end))
            break;
    }
    if (atomic_load(&c->stop))
        return err_set(e, -ECANCELED, "cancelled");
    return rc != -EAGAIN
               ? rc
               : err_set(e, -EAGAIN, "%s receipt (%s) of %s after %u seconds; ask again later",
                         r->site != NULL ? "only a pending" : "no", of, s->hex, seconds);
}

/* From a pack of the folder; -ENOENT: it is not in this one. */
static int from_pack(const struct client *c, const struct client_subject *s, int dir,
                     const char *name, struct client_receipt *r, struct err *e)
{
    struct span receipt;
    struct id128 sub;
    struct buf text;
    struct cur at;
    int rc;

    buf_init(&text, RECEIPT_PACK_MAX);
    if ((rc = io_read_file(dir, name, &text)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", name);
    at = cur_of(buf_span(&text));
    while (rc == 0 && (rc = receipt_pack_next(&at, &sub, &receipt, e)) == 0) {
        if (memcmp(&sub, &s->sub, sizeof(sub)) != 0)
            continue;
        rc = verified(c, s, receipt, r, e);
        break;
    }
    buf_free(&text);
    return rc;
}

static int from_packs(const struct client *c, const struct client_subject *s,
                      struct client_receipt *r, struct err *e)
{
    const size_t end = sizeof(CLIENT_SHELF_PACK) - 1;
    DIR *folder = opendir(c->receipts);
    const struct dirent *d;
    int rc = -ENOENT;

    if (folder == NULL)
        return err_sys(e, -errno, "opening \"%s\"", c->receipts);
    while (rc == -ENOENT && (d = readdir(folder)) != NULL) {
        size_t n = strlen(d->d_name);

        if (d->d_name[0] != '.' && n > end && strcmp(d->d_name + n - end, CLIENT_SHELF_PACK) == 0)
            rc = from_pack(c, s, dirfd(folder), d->d_name, r, e);
    }
    (void)closedir(folder);
    return rc != -ENOENT
               ? rc
               : err_set(e, -ENOENT, "no receipt of %s is kept in \"%s\"", s->hex, c->receipts);
}

int client_history_kept(const struct client *c, const struct client_subject *s, const char *of,
                        struct client_receipt *r, struct err *e)
{
    const char *suffix = suffix_of(of, e);
    struct buf text;
    char *path;
    int rc;

    memset(r, 0, sizeof(*r));
    if (suffix == NULL)
        return -EINVAL;
    if (asprintf(&path, "%s/%s%s", c->receipts, s->hex, suffix) < 0)
        return err_sys(e, -ENOMEM, "looking for a receipt");
    buf_init(&text, TLOG_PROOF_MAX);
    rc = io_read_file(AT_FDCWD, path, &text);
    if (rc == 0)
        rc = verified(c, s, buf_span(&text), r, e);
    else if (rc == -ENOENT && strcmp(of, "accepted") == 0)
        rc = from_packs(c, s, r, e);
    else
        (void)err_sys(e, rc, "reading \"%s\"", path);
    buf_free(&text);
    free(path);
    return rc;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static int send_order(struct client *c, const struct client_subject *s, enum client_order what,
                      struct http_result *a, struct err *e)
{
    char url[640], body[160], sig64[TEXT_BASE64_LEN(64) + 1];
    const char *headers[] = {"Content-Type: application/json", NULL};
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .pin = s->site->pin,
                             .headers = headers,
                             .max_answer = TLOG_PROOF_MAX + 4096,
                             .total_ms = 60000};
    struct ed25519_key *k = NULL;
    struct ed25519_sig sig;
    int rc = submitter_key(&k, c->secret, &s->sub);

    memset(a, 0, sizeof(*a));
    if (rc == 0)
        rc = what == CLIENT_WITHDRAW ? submitter_sign_withdraw(k, &s->sub, &sig)
                                     : submitter_sign_erase(k, &s->sub, &sig);
    ed25519_free(k);
    if (rc != 0)
        return err_sys(e, rc, "signing the order");
    text_base64(sig64, sig.b, sizeof(sig.b));
    (void)snprintf(body, sizeof(body), "{\"sub_sig\":\"%s\"}", sig64);
    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s/%s", s->site->url, s->hex,
                   what == CLIENT_WITHDRAW ? "withdraw" : "erase");
    call.body = span_str(body);
    if ((rc = client_do(c, &call, a, e)) != 0)
        return rc;
    return a->status == 202 ? 0 : client_refused(a, e);
}

int client_history_order(struct client *c, struct client_subject *s, enum client_order what,
                         struct client_ordered *o, struct client_receipt *r, struct err *e)
{
    struct client_answer_state st;
    char went[CLIENT_MOVES_MAX][17];
    struct http_result a;
    size_t moves;
    int rc;

    memset(o, 0, sizeof(*o));
    memset(r, 0, sizeof(*r));
    memset(&a, 0, sizeof(a));
    if ((rc = client_history_ask(c, s, &st, went, &moves, e)) == 0 && /* it may have moved */
        (rc = send_order(c, s, what, &a, e)) == 0 &&
        (rc = client_answer_ordered(o, buf_span(&a.body), e)) == 0 &&
        (rc = verified(c, s, buf_span(&o->receipt), r, e)) == 0 &&
        r->leaf.kind != LK_SUBMISSION_ERASED)
        rc = err_set(e, -EBADMSG, "the receipt is not of an erasure");
    if (rc == 0 && leaf_int(&r->leaf, LF_FINAL_EPOCH) != o->final_epoch)
        rc = err_set(e, -EBADMSG, "the receipt says another epoch than the answer");
    if (rc == 0)
        rc = client_keep(c, &s->sub, ".erased.tlog-proof", buf_span(&o->receipt), e);
    client_answer_state_done(&st);
    http_result_free(&a);
    return rc;
}
