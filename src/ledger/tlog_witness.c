/* tlog_witness.c - C2SP tlog-witness: the decisions of a witness, one function a step, in the order
 * of the page. */
#include "ledger/tlog_witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

#define LOCK ".lock"

/* What is remembered of one origin.  Size 0 and the empty root until something was cosigned. */
struct origin {
    char name[CORE_NAME_MAX + 1];
    char file[65]; /* hex SHA-256 of the name */
    uint64_t size;
    struct digest root;
};

struct tlog_witness {
    char *dir;
    int dirfd, lockfd;
    struct note_signer self;
    pthread_mutex_t lock; /* guards size and root of the origins, and their files */
    size_t origins, keys;
    struct origin origin[TLOG_WITNESS_LOGS_MAX];
    struct vkey key[TLOG_WITNESS_LOGS_MAX];
};

/* A request on its way through the checks. */
struct request {
    struct core_add_checkpoint add;
    struct core_note note;
    struct core_checkpoint checkpoint;
    struct origin *origin;
};

/* ---- Opening --------------------------------------------------------------------------------- */

int tlog_witness_open(struct tlog_witness **out, const char *dir, const struct note_signer *self,
                      struct err *e)
{
    struct tlog_witness *w;
    int rc;

    if (self->key.type != VKEY_COSIGNATURE)
        return err_set(e, -EINVAL, "key \"%s\" is not a cosigner's key (type 4)", self->key.name);
    if ((w = calloc(1, sizeof(*w))) == NULL)
        return err_sys(e, -ENOMEM, "opening the witness \"%s\"", dir);
    w->dirfd = w->lockfd = -1;
    w->self = *self;
    (void)pthread_mutex_init(&w->lock, NULL);
    if ((w->dir = strdup(dir)) == NULL) {
        rc = err_sys(e, -ENOMEM, "opening the witness \"%s\"", dir);
        goto fail;
    }
    if ((w->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (w->lockfd = openat(w->dirfd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) {
        rc = err_sys(e, -errno, "opening the witness's folder \"%s\"", dir);
        goto fail;
    }
    if (flock(w->lockfd, LOCK_EX | LOCK_NB) != 0) {
        rc = err_set(e, -EBUSY, "\"%s\" is in use by another witness; stop it first", dir);
        goto fail;
    }
    *out = w;
    return 0;
fail:
    tlog_witness_close(w);
    return rc;
}

void tlog_witness_close(struct tlog_witness *w)
{
    if (w == NULL)
        return;
    io_close(&w->lockfd);
    io_close(&w->dirfd);
    (void)pthread_mutex_destroy(&w->lock);
    free(w->dir);
    free(w);
}

static struct origin *find_origin(struct tlog_witness *w, struct span name)
{
    for (size_t i = 0; i < w->origins; i++)
        if (span_is(name, w->origin[i].name))
            return &w->origin[i];
    return NULL;
}

/* What was cosigned last, from the file; it must carry our own cosignature. */
static int load_origin(struct tlog_witness *w, struct origin *o, struct err *e)
{
    struct core_checkpoint c;
    struct core_note note;
    struct buf b;
    int rc;

    buf_init(&b, CORE_NOTE_MAX);
    rc = io_read_file(w->dirfd, o->file, &b);
    if (rc == -ENOENT) {
        sha256_of("", 0, &o->root);
        rc = 0;
    } else if (rc != 0) {
        rc = err_sys(e, rc, "reading \"%s/%s\"", w->dir, o->file);
    } else if (core_note_split(buf_span(&b), &note) != 0 ||
               core_checkpoint_parse(note.text, &c) != 0 || !span_is(c.origin, o->name) ||
               core_note_verify(&note_crypto, &note, &w->self.key, NULL) != 0) {
        rc =
            err_set(e, -EBADMSG,
                    "\"%s/%s\" is not a checkpoint of \"%s\" cosigned by \"%s\"; restore it from a "
                    "copy, never start anew",
                    w->dir, o->file, o->name, w->self.key.name);
    } else {
        o->size = c.size;
        o->root = c.root;
    }
    buf_free(&b);
    return rc;
}

int tlog_witness_trust(struct tlog_witness *w, const struct vkey *log, struct err *e)
{
    struct digest d;
    struct origin *o;
    size_t n = strlen(log->name);
    int rc;

    if (log->type != VKEY_ED25519)
        return err_set(e, -EINVAL, "key \"%s\" is not a log's key (type 1)", log->name);
    if (w->keys == TLOG_WITNESS_LOGS_MAX)
        return err_set(e, -E2BIG, "more than %d logs", TLOG_WITNESS_LOGS_MAX);
    if (find_origin(w, span_str(log->name)) == NULL) {
        o = &w->origin[w->origins];
        memcpy(o->name, log->name, n + 1);
        sha256_of(log->name, n, &d);
        text_digest(o->file, &d);
        if ((rc = load_origin(w, o, e)) != 0)
            return rc;
        w->origins++;
    }
    w->key[w->keys++] = *log;
    return 0;
}

/* ---- Answers --------------------------------------------------------------------------------- */

void tlog_answer_init(struct tlog_answer *a)
{
    a->status = 500;
    a->content_type = "text/plain; charset=utf-8";
    buf_init(&a->body, CORE_NOTE_MAX);
}

void tlog_answer_free(struct tlog_answer *a)
{
    buf_free(&a->body);
}

static void say(struct tlog_answer *a, int status, const char *text)
{
    a->status = status;
    a->content_type = "text/plain; charset=utf-8";
    buf_reset(&a->body);
    if (buf_puts(&a->body, text) != 0)
        a->status = 500;
}

static void say_conflict(struct tlog_answer *a, uint64_t size)
{
    say(a, 409, "");
    a->content_type = "text/x.tlog.size";
    if (buf_printf(&a->body, "%" PRIu64 "\n", size) != 0)
        a->status = 500;
}

/* ---- add-checkpoint -------------------------------------------------------------------------- */

static int read_request(struct request *r, struct span body, struct tlog_answer *a)
{
    if (body.n > TLOG_WITNESS_BODY_MAX || core_add_checkpoint_parse(body, &r->add) != 0) {
        say(a, 400, "expected: old <size>, at most 63 hashes, an empty line, a checkpoint\n");
        return -EBADMSG;
    }
    if (core_note_split(r->add.checkpoint, &r->note) != 0 ||
        core_checkpoint_parse(r->note.text, &r->checkpoint) != 0) {
        say(a, 400, "not a signed checkpoint\n");
        return -EBADMSG;
    }
    return 0;
}

/* Known origin, a signature by one of its keys, and none by them that fails. */
static int check_signature(struct tlog_witness *w, struct request *r, struct tlog_answer *a)
{
    bool any = false;

    if ((r->origin = find_origin(w, r->checkpoint.origin)) == NULL) {
        say(a, 404, "unknown origin\n");
        return -ENOENT;
    }
    for (size_t i = 0; i < w->keys; i++) {
        int rc;

        if (strcmp(w->key[i].name, r->origin->name) != 0)
            continue;
        if ((rc = core_note_verify(&note_crypto, &r->note, &w->key[i], NULL)) == -EBADMSG) {
            say(a, 403, "a signature of the log does not verify\n");
            return -EACCES;
        }
        any = any || rc == 0;
    }
    if (!any) {
        say(a, 403, "no signature by a trusted key of the log\n");
        return -EACCES;
    }
    return 0;
}

/* With the lock held. */
static int check_extends(const struct request *r, struct tlog_answer *a)
{
    const struct origin *o = r->origin;
    const struct core_checkpoint *c = &r->checkpoint;
    struct digest empty;

    if (r->add.old_size != o->size) {
        say_conflict(a, o->size);
        return -EAGAIN;
    }
    sha256_of("", 0, &empty);
    if (c->size == 0 && !digest_eq(&c->root, &empty)) {
        say(a, 422, "size 0 without the empty root\n");
        return -EBADMSG;
    }
    if (core_consistency(&note_crypto, o->size, c->size, &o->root, &c->root, r->add.path,
                         r->add.n) != 0) {
        say(a, 422, "the proof does not show that this checkpoint extends the last one\n");
        return -EBADMSG;
    }
    return 0;
}

/* The log's verified lines and ours; what strangers signed is not kept. */
static int build_note(const struct tlog_witness *w, const struct request *r,
                      const struct buf *cosignature, struct buf *out)
{
    int rc = buf_put(out, r->note.text.p, r->note.text.n);

    if (rc == 0)
        rc = buf_putc(out, '\n');
    for (size_t i = 0; rc == 0 && i < r->note.n; i++) {
        const struct core_sig *s = &r->note.sig[i];

        for (size_t k = 0; rc == 0 && k < w->keys; k++)
            if (span_is(s->name, w->key[k].name) && memcmp(s->id, w->key[k].id, 4) == 0 &&
                (rc = buf_put(out, s->line.p, s->line.n)) == 0) {
                rc = buf_putc(out, '\n');
                break;
            }
    }
    return rc != 0 ? rc : buf_put(out, cosignature->data, cosignature->len);
}

/* Cosigns, remembers durably, then answers.  With the lock held. */
static void cosign(struct tlog_witness *w, struct request *r, unix_time now, struct tlog_answer *a)
{
    struct buf note, line;

    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&line, 1024);
    if (note_cosign(&line, r->note.text, now, &w->self, NULL) != 0 ||
        build_note(w, r, &line, &note) != 0 ||
        io_replace_file(w->dirfd, r->origin->file, note.data, note.len, 0644) != 0) {
        say(a, 500, "the witness cannot keep its state\n");
        goto out;
    }
    r->origin->size = r->checkpoint.size;
    r->origin->root = r->checkpoint.root;
    say(a, 200, "");
    if (buf_put(&a->body, line.data, line.len) != 0)
        say(a, 500, "out of memory\n");
out:
    buf_free(&note);
    buf_free(&line);
}

void tlog_witness_add(struct tlog_witness *w, struct span body, unix_time now,
                      struct tlog_answer *a)
{
    struct request *r = malloc(sizeof(*r));

    if (r == NULL) {
        say(a, 500, "out of memory\n");
        return;
    }
    if (read_request(r, body, a) != 0 || check_signature(w, r, a) != 0)
        goto out;
    if (r->add.old_size > r->checkpoint.size) {
        say(a, 400, "the old size is above the checkpoint's\n");
        goto out;
    }
    (void)pthread_mutex_lock(&w->lock);
    if (check_extends(r, a) == 0)
        cosign(w, r, now, a);
    (void)pthread_mutex_unlock(&w->lock);
out:
    free(r);
}

void tlog_witness_get(struct tlog_witness *w, struct span origin_hash, struct tlog_answer *a)
{
    const struct origin *o = NULL;
    int rc = -ENOENT;

    for (size_t i = 0; i < w->origins && o == NULL; i++)
        if (span_is(origin_hash, w->origin[i].file))
            o = &w->origin[i];
    say(a, 200, "");
    if (o != NULL)
        rc = io_read_file(w->dirfd, o->file, &a->body); /* replaced whole: no lock is needed */
    if (rc == -ENOENT)
        say(a, 404, "no checkpoint of that origin was cosigned here\n");
    else if (rc != 0)
        say(a, 500, "the witness cannot read its state\n");
}

/* ---- Client ---------------------------------------------------------------------------------- */

static int put_request(struct buf *b, uint64_t old_size, const struct digest *path, size_t n,
                       struct span checkpoint)
{
    char b64[TEXT_BASE64_LEN(32) + 1];
    int rc = buf_printf(b, "old %" PRIu64 "\n", old_size);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        text_base64(b64, path[i].b, sizeof(path[i].b));
        rc = buf_printf(b, "%s\n", b64);
    }
    if (rc == 0)
        rc = buf_putc(b, '\n');
    return rc != 0 ? rc : buf_put(b, checkpoint.p, checkpoint.n);
}

int tlog_witness_request(struct buf *out, uint64_t old_size, const struct digest *path, size_t n,
                         struct span checkpoint, struct err *e)
{
    struct core_add_checkpoint check;
    struct buf b;
    int rc;

    buf_init(&b, TLOG_WITNESS_BODY_MAX);
    if ((rc = put_request(&b, old_size, path, n, checkpoint)) != 0)
        rc = err_sys(e, rc, "writing a request to a witness");
    else if (core_add_checkpoint_parse(buf_span(&b), &check) != 0)
        rc = err_set(e, -EINVAL, "a witness takes at most 63 hashes and needs a checkpoint");
    else if ((rc = buf_put(out, b.data, b.len)) != 0)
        rc = err_sys(e, rc, "writing a request to a witness");
    buf_free(&b);
    return rc;
}

static int read_conflict(struct span body, uint64_t *old_size, struct err *e)
{
    if (body.n < 2 || body.p[body.n - 1] != '\n' ||
        core_decimal(span_of(body.p, body.n - 1), old_size) != 0)
        return err_set(e, -EPROTO, "the witness answered 409 without a size");
    return err_set(e, -EAGAIN, "the witness is at size %" PRIu64, *old_size);
}

int tlog_witness_answer(struct buf *note, int status, struct span body, const struct vkey *keys,
                        size_t nkeys, uint64_t *old_size, struct err *e)
{
    size_t added;

    switch (status) {
    case 200:
        if (note_merge(note, body, keys, nkeys, &added, e) != 0)
            return err_set(e, -EPROTO, "the witness's cosignature does not verify");
        if (added == 0)
            return err_set(e, -EPROTO, "the witness did not answer with its cosignature");
        return 0;
    case 409:
        return read_conflict(body, old_size, e);
    case 400:
    case 403:
    case 404:
    case 422:
        return err_set(e, -EPERM, "the witness refuses (%d): %.*s", status,
                       body.n < 200 ? (int)body.n : 200, (const char *)body.p);
    default:
        return err_set(e, -EIO, "the witness answered %d; trying again later", status);
    }
}
