/* tuf_updater.c - what is fetched and stored when; whether it is trusted, tuf_trusted.c says.
 *
 * When root takes a key away from timestamp or snapshot, what was signed with it must be forgotten
 * (5.3.11), even if this process dies between the two writes.  So the version of that root goes
 * into the file "root.rotated" first, then root.json is replaced, then the two are forgotten, then
 * the note is; an update that finds a note of a root it has begins by forgetting. */
#include "updates/tuf_updater.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "updates/tuf_name.h"
#include "updates/tuf_trusted.h"
#include "updates/tuf_updater_priv.h"

#define ROTATED "root.rotated"

/* --- store and fetch -------------------------------------------------------------------------- */

static int load(const struct tuf_store *s, const char *name, uint64_t max, struct buf *b,
                struct err *e)
{
    buf_init(b, (size_t)max);
    return s->load(s->ctx, name, b, e);
}

static int to_buf(const void *p, size_t n, void *arg)
{
    return buf_put(arg, p, n);
}

/* One metadata file, at most max bytes; the name is "VERSION.ROLE.json" if version is not 0. */
static int fetch(struct tuf_updater *u, const char *role, int64_t version, uint64_t max,
                 struct buf *b, struct err *e)
{
    char number[24] = ""; /* for messages */
    struct buf url;
    const char *text;
    int rc;

    if (version != 0)
        (void)snprintf(number, sizeof(number), " %" PRId64, version);
    buf_init(b, (size_t)max);
    buf_init(&url, strlen(u->url) + 4 * TUF_BIN_NAME_SIZE);
    rc = buf_puts(&url, u->url);
    if (rc == 0 && version != 0)
        rc = buf_printf(&url, "%" PRId64 ".", version);
    if (rc == 0)
        rc = tuf_name_quote(&url, role);
    if (rc == 0)
        rc = buf_puts(&url, ".json");
    if (rc == 0 && (text = buf_str(&url)) == NULL)
        rc = -ENOMEM;
    if (rc != 0)
        (void)err_sys(e, rc, "%.80s", role);
    else if ((rc = u->fetch.get(u->fetch.ctx, text, max, to_buf, b, e)) != 0)
        (void)err_prefix(e, "%.80s%s", role, number);
    buf_free(&url);
    return rc;
}

static int save(struct tuf_updater *u, const char *name, struct span bytes, struct err *e)
{
    return u->store.save(u->store.ctx, name, bytes, e);
}

static int save_role(struct tuf_updater *u, const char *role, struct span bytes, struct err *e)
{
    struct buf name;
    const char *text;
    int rc;

    buf_init(&name, 4 * TUF_BIN_NAME_SIZE);
    rc = tuf_name_file(&name, role, ".json");
    if (rc == 0 && (text = buf_str(&name)) == NULL)
        rc = -ENOMEM;
    rc = rc == 0 ? save(u, text, bytes, e) : err_sys(e, rc, "role \"%.80s\" as a file", role);
    buf_free(&name);
    return rc;
}

/* What is here already, for verification.  -ENOENT also for what cannot be metadata. */
static int load_role(struct tuf_updater *u, const char *role, struct buf *b, struct err *e)
{
    struct buf name;
    const char *text;
    int rc;

    buf_init(b, 0);
    buf_init(&name, 4 * TUF_BIN_NAME_SIZE);
    rc = tuf_name_file(&name, role, ".json");
    if (rc == 0 && (text = buf_str(&name)) == NULL)
        rc = -ENOMEM;
    rc = rc == 0 ? load(&u->store, text, TUF_MAX_BYTES, b, e)
                 : err_sys(e, rc, "role \"%.80s\" as a file", role);
    buf_free(&name);
    return rc;
}

/* Something wrong with what lies here means that it is fetched anew; a machine that has no memory
 * or cannot read its disk is another matter. */
static bool is_about_the_file(int rc)
{
    return rc == -ENOENT || rc == -EBADMSG || rc == -E2BIG || rc == -EINVAL;
}

static uint64_t announced(const struct tuf_file *f, uint64_t otherwise)
{
    return f->has_length ? f->length : otherwise;
}

static int check_announced(const struct tuf_file *f, struct err *e)
{
    if (!f->has_length || f->length <= TUF_MAX_BYTES)
        return 0;
    return err_set(e, -E2BIG, "\"%.80s\": %llu bytes are announced, %d is the most that is read",
                   f->name, (unsigned long long)f->length, TUF_MAX_BYTES);
}

/* --- root (5.2, 5.3) -------------------------------------------------------------------------- */

int tuf_updater_init(const struct tuf_store *store, struct span root, struct err *e)
{
    struct tuf_trusted *t;
    struct buf b;
    int rc;

    if (root.n > TUF_MAX_ROOT)
        return err_set(e, -E2BIG, "root: more than %d bytes", TUF_MAX_ROOT);
    if ((rc = tuf_trusted_new(&t, root, clock_now(), e)) != 0)
        return rc;
    tuf_trusted_free(t);
    rc = load(store, "root.json", TUF_MAX_ROOT, &b, NULL);
    if (rc == 0 && span_eq(buf_span(&b), root))
        rc = 0;
    else if (rc != -ENOENT)
        rc = err_set(e, -EEXIST,
                     "there is another root already; to begin anew remove the metadata folder");
    else
        rc = store->save(store->ctx, "root.json", root, e);
    buf_free(&b);
    return rc;
}

static int load_root(struct tuf_updater *u, unix_time start, struct err *e)
{
    struct buf b;
    int rc = load(&u->store, "root.json", TUF_MAX_ROOT, &b, e);

    if (rc == -ENOENT)
        rc = err_set(e, -EINVAL, "no root to begin with; run \"init\" with one that you trust");
    else if (rc == 0 && (rc = tuf_trusted_new(&u->trusted, buf_span(&b), start, e)) != 0)
        (void)err_prefix(e, "the root in the metadata folder");
    buf_free(&b);
    return rc;
}

static int forget_rotated(struct tuf_updater *u, struct err *e)
{
    static const char *const names[] = {"timestamp.json", "snapshot.json", ROTATED};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++)
        rc = u->store.forget(u->store.ctx, names[i], e);
    return rc;
}

/* A note of a root that never came is left: the next rotation replaces it.  One that cannot be read
 * as a version is taken for one of now. */
static int finish_rotation(struct tuf_updater *u, struct err *e)
{
    struct err why = ERR_INIT;
    uint64_t version = 0;
    struct buf b;
    int rc = load(&u->store, ROTATED, 32, &b, &why);

    if (rc == 0 && text_u64(buf_span(&b), TUF_INT_MAX, &version) != 0)
        version = 0;
    buf_free(&b);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0 && rc != -E2BIG)
        return err_set(e, rc, "%s", err_text(&why));
    return (int64_t)version <= tuf_updater_version(u, TUF_ROOT) ? forget_rotated(u, e) : 0;
}

static int keep_root(struct tuf_updater *u, struct span bytes, bool rotated, struct err *e)
{
    char note[24];
    int n = snprintf(note, sizeof(note), "%" PRId64, tuf_updater_version(u, TUF_ROOT)), rc = 0;

    if (rotated)
        rc = save(u, ROTATED, span_of(note, (size_t)n), e);
    if (rc == 0)
        rc = save(u, "root.json", bytes, e);
    if (rc == 0 && rotated)
        rc = forget_rotated(u, e);
    return rc;
}

/* 5.3.3 to 5.3.9 for N + 1.  *last: there is none. */
static int next_root(struct tuf_updater *u, bool *last, struct err *e)
{
    struct err none = ERR_INIT;
    bool rotated;
    struct buf b;
    int rc = fetch(u, "root", tuf_updater_version(u, TUF_ROOT) + 1, TUF_MAX_ROOT, &b, &none);

    if (rc == -ENOENT) {
        *last = true;
        rc = 0;
    } else if (rc != 0) {
        rc = err_set(e, rc, "%s", err_text(&none));
    } else if ((rc = tuf_trusted_root(u->trusted, buf_span(&b), &rotated, e)) == 0) {
        rc = keep_root(u, buf_span(&b), rotated, e);
    }
    buf_free(&b);
    return rc;
}

static int update_root(struct tuf_updater *u, struct err *e)
{
    bool last = false;
    int rc = finish_rotation(u, e);

    for (int i = 0; rc == 0 && !last && i < TUF_MAX_ROOTS; i++)
        rc = next_root(u, &last, e);
    return rc != 0 ? rc : tuf_trusted_root_final(u->trusted, e);
}

/* --- timestamp, snapshot (5.4, 5.5) ----------------------------------------------------------- */

static int local_timestamp(struct tuf_updater *u, struct err *e)
{
    struct err why = ERR_INIT;
    struct buf b;
    bool same;
    int rc = load_role(u, "timestamp", &b, &why);

    if (rc == 0)
        rc = tuf_trusted_timestamp(u->trusted, buf_span(&b), true, &same, &why);
    buf_free(&b);
    return rc == 0 || is_about_the_file(rc) ? 0 : err_set(e, rc, "%s", err_text(&why));
}

static int update_timestamp(struct tuf_updater *u, struct err *e)
{
    struct buf b;
    bool same;
    int rc;

    if ((rc = local_timestamp(u, e)) != 0)
        return rc;
    rc = fetch(u, "timestamp", 0, TUF_MAX_TIMESTAMP, &b, e);
    if (rc == 0)
        rc = tuf_trusted_timestamp(u->trusted, buf_span(&b), false, &same, e);
    if (rc == 0 && !same)
        rc = save_role(u, "timestamp", buf_span(&b), e);
    buf_free(&b);
    return rc == 0 ? tuf_trusted_timestamp_final(u->trusted, e) : rc;
}

/* *current: the one here is the announced one. */
static int local_snapshot(struct tuf_updater *u, bool *current, struct err *e)
{
    struct err why = ERR_INIT;
    struct buf b;
    int rc = load_role(u, "snapshot", &b, &why);

    *current = false;
    if (rc == 0)
        rc = tuf_trusted_snapshot(u->trusted, buf_span(&b), true, current, &why);
    buf_free(&b);
    return rc == 0 || is_about_the_file(rc) ? 0 : err_set(e, rc, "%s", err_text(&why));
}

static int64_t in_name(const struct tuf_updater *u, const struct tuf_file *f)
{
    return tuf_trusted_get(u->trusted, TUF_ROOT)->consistent_snapshot ? f->version : 0;
}

static int update_snapshot(struct tuf_updater *u, struct err *e)
{
    const struct tuf_file *said = &tuf_trusted_get(u->trusted, TUF_TIMESTAMP)->files[0];
    bool current;
    struct buf b;
    int rc;

    if ((rc = local_snapshot(u, &current, e)) != 0 || current)
        return rc;
    if ((rc = check_announced(said, e)) != 0)
        return rc;
    rc = fetch(u, "snapshot", in_name(u, said), announced(said, TUF_MAX_SNAPSHOT), &b, e);
    if (rc == 0)
        rc = tuf_trusted_snapshot(u->trusted, buf_span(&b), false, &current, e);
    if (rc == 0)
        rc = save_role(u, "snapshot", buf_span(&b), e);
    buf_free(&b);
    return rc;
}

/* --- targets (5.6.1 to 5.6.6) ----------------------------------------------------------------- */

static int local_targets(struct tuf_updater *u, const char *role, const char *delegator, bool *good,
                         struct err *e)
{
    struct err why = ERR_INIT;
    struct buf b;
    int rc = tuf_trusted_again(u->trusted, role, delegator, &why);

    *good = rc == 0;
    if (rc == 0)
        return 0;
    if (!is_about_the_file(rc))
        return err_set(e, rc, "%s", err_text(&why));
    rc = load_role(u, role, &b, &why);
    if (rc == 0)
        rc = tuf_trusted_targets(u->trusted, buf_span(&b), role, delegator, &why);
    *good = rc == 0;
    buf_free(&b);
    return rc == 0 || is_about_the_file(rc) ? 0 : err_set(e, rc, "%s", err_text(&why));
}

int tuf_updater_role(struct tuf_updater *u, const char *role, const char *delegator, struct err *e)
{
    const struct tuf_file *said = tuf_trusted_meta(u->trusted, role);
    struct buf b;
    bool good;
    int rc;

    if (said == NULL)
        return err_set(e, -ENOENT, "role \"%.80s\" is not in snapshot", role);
    if ((rc = local_targets(u, role, delegator, &good, e)) != 0 || good)
        return rc;
    if ((rc = check_announced(said, e)) != 0)
        return rc;
    rc = fetch(u, role, in_name(u, said), announced(said, TUF_MAX_TARGETS), &b, e);
    if (rc == 0)
        rc = tuf_trusted_targets(u->trusted, buf_span(&b), role, delegator, e);
    if (rc == 0)
        rc = save_role(u, role, buf_span(&b), e);
    buf_free(&b);
    return rc;
}

/* --- life ------------------------------------------------------------------------------------- */

int tuf_updater_new(struct tuf_updater **out, const struct tuf_fetch *fetch_,
                    const struct tuf_store *store, const char *metadata_url, struct err *e)
{
    struct tuf_updater *u = calloc(1, sizeof(*u));
    size_t n = strlen(metadata_url);
    int rc = -ENOMEM;

    *out = NULL;
    if (u == NULL || asprintf(&u->url, "%s%s", metadata_url,
                              n > 0 && metadata_url[n - 1] == '/' ? "" : "/") < 0) {
        free(u);
        return err_sys(e, rc, "update");
    }
    u->fetch = *fetch_;
    u->store = *store;
    if ((rc = load_root(u, clock_now(), e)) != 0) {
        tuf_updater_free(u);
        return rc;
    }
    *out = u;
    return 0;
}

void tuf_updater_free(struct tuf_updater *u)
{
    if (u == NULL)
        return;
    tuf_trusted_free(u->trusted);
    free(u->url);
    free(u);
}

int tuf_updater_refresh(struct tuf_updater *u, struct err *e)
{
    int rc;

    if (u->refreshed)
        return err_set(e, -EINVAL, "an updater refreshes once");
    if (u->failed)
        return err_set(e, -EINVAL, "this update has failed; begin another one");
    u->failed = true;
    if ((rc = update_root(u, e)) != 0 || (rc = update_timestamp(u, e)) != 0 ||
        (rc = update_snapshot(u, e)) != 0 || (rc = tuf_updater_role(u, "targets", "root", e)) != 0)
        return rc;
    u->failed = false;
    u->refreshed = true;
    return 0;
}

int64_t tuf_updater_version(const struct tuf_updater *u, enum tuf_type type)
{
    const struct tuf_metadata *m = tuf_trusted_get(u->trusted, type);

    return m != NULL ? m->version : 0;
}
