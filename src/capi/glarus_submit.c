/* glarus_submit.c - submitting: options checked, a run of the client, what it tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "capi/capi_priv.h"
#include "events/country.h"

/* ---- one file's end -------------------------------------------------------------------------- */

struct glarus_submission {
    struct client_report r; /* its texts are ours in a copy, lent while it is reported */
    char *store;
};

static const char *keep(char **at, const char *text)
{
    size_t n = strlen(text) + 1;
    const char *kept = memcpy(*at, text, n);

    *at += n;
    return kept;
}

static glarus_submission *copy_of(const struct client_report *r)
{
    glarus_submission *s = calloc(1, sizeof(*s));
    char *at;

    if (s == NULL)
        return NULL;
    s->store = at = malloc(strlen(r->path) + strlen(r->sub) + strlen(r->verdict) + strlen(r->site) +
                           strlen(r->why) + 5);
    if (at == NULL) {
        free(s);
        return NULL;
    }
    s->r = *r;
    s->r.path = keep(&at, r->path);
    s->r.sub = keep(&at, r->sub);
    s->r.verdict = keep(&at, r->verdict);
    s->r.site = keep(&at, r->site);
    s->r.why = keep(&at, r->why);
    return s;
}

void glarus_submission_free(glarus_submission *submission)
{
    if (submission == NULL)
        return;
    free(submission->store);
    free(submission);
}

int glarus_submission_fate(const glarus_submission *submission)
{
    static const int fates[] = {[CLIENT_DONE] = GLARUS_DONE,
                                [CLIENT_PENDING] = GLARUS_PENDING,
                                [CLIENT_REFUSED] = GLARUS_REFUSED,
                                [CLIENT_FAILED] = GLARUS_FAILED,
                                [CLIENT_SKIPPED] = GLARUS_SKIPPED};

    return submission != NULL ? fates[submission->r.fate] : GLARUS_SKIPPED;
}

const char *glarus_submission_sub(const glarus_submission *submission)
{
    return submission != NULL ? submission->r.sub : "";
}

const char *glarus_submission_path(const glarus_submission *submission)
{
    const char *path = submission != NULL ? submission->r.path : "";

    return strncmp(path, "/-/", 3) == 0 ? strrchr(path, '/') + 1 : path; /* client_find.c */
}

const char *glarus_submission_site(const glarus_submission *submission)
{
    return submission != NULL ? submission->r.site : "";
}

const char *glarus_submission_verdict(const glarus_submission *submission)
{
    return submission != NULL ? submission->r.verdict : "";
}

uint64_t glarus_submission_size(const glarus_submission *submission)
{
    return submission != NULL ? submission->r.size : 0;
}

int glarus_submission_final(const glarus_submission *submission)
{
    return submission != NULL && submission->r.final;
}

int glarus_submission_before(const glarus_submission *submission)
{
    return submission != NULL && submission->r.before;
}

int glarus_submission_code(const glarus_submission *submission)
{
    return submission != NULL ? capi_code(submission->r.code) : GLARUS_E_INVALID;
}

const char *glarus_submission_why(const glarus_submission *submission)
{
    return submission != NULL ? submission->r.why : "";
}

/* ---- options --------------------------------------------------------------------------------- */

/* What the caller was compiled with may know less than we do, or more that it does not use. */
static int take_options(const glarus_submit_options *given, glarus_submit_options *o,
                        const char *function, glarus_error *error)
{
    const glarus_submit_options none = GLARUS_SUBMIT_OPTIONS_INIT;
    struct err e = ERR_INIT;
    enum intake_scope scope;

    *o = none;
    if (given == NULL)
        return GLARUS_OK;
    if (given->size < sizeof(*o)) /* smaller there never was */
        return capi_wrong(error, "%s: options.size is %zu; begin with GLARUS_SUBMIT_OPTIONS_INIT",
                          function, given->size);
    for (size_t i = sizeof(*o); i < given->size; i++)
        if (((const char *)given)[i] != 0) {
            (void)err_set(&e, -ENOTSUP,
                          "%s: options that this version of the library does not know", function);
            return capi_fail(error, -ENOTSUP, &e);
        }
    *o = *given;
    if (o->country != NULL && country_index(span_str(o->country)) < 0)
        return capi_wrong(error, "%s: \"%.8s\" is not a country of ISO 3166-1: two letters A-Z",
                          function, o->country);
    if (o->scope == NULL)
        return GLARUS_OK;
    if (intake_scope_of(span_str(o->scope), &scope) != 0)
        return capi_wrong(error, "%s: \"%.16s\" is not a scope of consent: use \"file\"", function,
                          o->scope);
    if (scope == SCOPE_FILE)
        return GLARUS_OK;
    (void)err_set(&e, -ENOTSUP, "%s: files are submitted for the scope \"file\", not \"%s\"",
                  function, o->scope);
    return capi_fail(error, -ENOTSUP, &e);
}

/* ---- a run ----------------------------------------------------------------------------------- */

struct run {
    const glarus_submit_options *o;
    bool one;               /* its end is wanted: */
    glarus_submission *end; /* NULL: none yet, or no memory for it */
    glarus_progress p;
    bool leave;
};

static bool tell(struct run *r)
{
    if (r->o->progress != NULL && r->o->progress(r->o->arg, &r->p) != 0)
        r->leave = true;
    return !r->leave;
}

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct run *r = arg;

    r->p.files = done;
    r->p.files_total = total;
    return tell(r);
}

static bool on_sent(void *arg, uint64_t bytes, uint64_t of)
{
    struct run *r = arg;

    r->p.bytes = bytes;
    r->p.bytes_total = of;
    return tell(r);
}

static void on_report(void *arg, const struct client_report *report)
{
    struct glarus_submission s = {.r = *report};
    struct run *r = arg;

    if (r->o->report != NULL)
        r->o->report(r->o->arg, &s);
    if (r->one && r->end == NULL)
        r->end = copy_of(report);
}

static struct client_submit plan(struct run *r)
{
    const struct client_submit how = {.country = r->o->country,
                                      .no_wait = r->o->no_wait != 0,
                                      .wait = r->o->wait,
                                      .tries = r->o->tries,
                                      .progress = on_progress,
                                      .report = on_report,
                                      .sent = on_sent,
                                      .arg = r};

    return how;
}

/* What the one file's end means for the call that submitted it. */
static int conclude(struct run *r, int rc, const struct err *e, glarus_submission **out,
                    glarus_error *error)
{
    glarus_submission *s = r->end;
    struct err why = ERR_INIT;

    if (s != NULL && s->r.fate <= CLIENT_PENDING && (rc == 0 || rc == -ECANCELED)) {
        *out = s; /* it was accepted, whatever came after */
        return GLARUS_OK;
    }
    if (rc == 0 && s == NULL)
        rc = -ENOMEM;
    if (rc == 0) {
        rc = s->r.code != 0 ? s->r.code : -EIO;
        (void)err_set(&why, rc, "%s", s->r.why);
        e = &why;
    }
    glarus_submission_free(s);
    return capi_fail(error, rc, e);
}

static int submit_one(glarus_client *client, const char *path, const struct client_source *source,
                      const char *function, const glarus_submit_options *options,
                      glarus_submission **out, glarus_error *error)
{
    struct run r = {.one = true};
    struct client_submit how;
    glarus_submit_options o;
    struct err e = ERR_INIT;
    int code, rc;

    if (out == NULL)
        return capi_wrong(error, "%s: out is NULL", function);
    *out = NULL;
    if ((code = take_options(options, &o, function, error)) != GLARUS_OK ||
        (code = capi_enter(client, function, error)) != GLARUS_OK)
        return code;
    r.o = &o;
    how = plan(&r);
    rc = path != NULL ? client_submit(client->c, &path, 1, &how, &e)
                      : client_submit_source(client->c, source, &how, &e);
    capi_leave(client);
    return conclude(&r, rc, &e, out, error);
}

int glarus_submit_path(glarus_client *client, const char *path,
                       const glarus_submit_options *options, glarus_submission **out,
                       glarus_error *error)
{
    struct err e = ERR_INIT;
    struct stat st;
    int rc;

    if (out != NULL)
        *out = NULL;
    if (path == NULL)
        return capi_wrong(error, "glarus_submit_path: path is NULL");
    if (stat(path, &st) != 0) {
        rc = err_sys(&e, -errno, "\"%s\"", path);
        return capi_fail(error, rc, &e);
    }
    if (!S_ISREG(st.st_mode))
        return capi_wrong(error,
                          "glarus_submit_path: \"%s\" is not a regular file; glarus_submit_paths "
                          "takes folders",
                          path);
    return submit_one(client, path, NULL, "glarus_submit_path", options, out, error);
}

static int check_name(const char *name, const char *function, glarus_error *error)
{
    if (name == NULL)
        return GLARUS_OK;
    if (strlen(name) > CLIENT_NAME_MAX || strchr(name, '/') != NULL ||
        !text_is_utf8(span_str(name)))
        return capi_wrong(error, "%s: a name is at most %d bytes of UTF-8 without a slash",
                          function, CLIENT_NAME_MAX);
    return GLARUS_OK;
}

int glarus_submit_memory(glarus_client *client, const void *bytes, size_t n, const char *name,
                         const glarus_submit_options *options, glarus_submission **out,
                         glarus_error *error)
{
    const struct client_source source = {
        .name = name != NULL ? name : "", .fd = -1, .bytes = span_of(bytes, n)};
    int code;

    if (out != NULL)
        *out = NULL;
    if (bytes == NULL && n > 0)
        return capi_wrong(error, "glarus_submit_memory: bytes is NULL");
    if ((code = check_name(name, "glarus_submit_memory", error)) != GLARUS_OK)
        return code;
    return submit_one(client, NULL, &source, "glarus_submit_memory", options, out, error);
}

int glarus_submit_fd(glarus_client *client, int fd, const char *name,
                     const glarus_submit_options *options, glarus_submission **out,
                     glarus_error *error)
{
    const struct client_source source = {.name = name != NULL ? name : "", .fd = fd};
    struct stat st;
    int code;

    if (out != NULL)
        *out = NULL;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return capi_wrong(error,
                          "glarus_submit_fd: descriptor %d is not an open regular file; read what "
                          "comes from a pipe into memory",
                          fd);
    if ((code = check_name(name, "glarus_submit_fd", error)) != GLARUS_OK)
        return code;
    return submit_one(client, NULL, &source, "glarus_submit_fd", options, out, error);
}

int glarus_submit_paths(glarus_client *client, const char *const *paths, size_t n,
                        const glarus_submit_options *options, glarus_error *error)
{
    struct run r = {.one = false};
    struct client_submit how;
    glarus_submit_options o;
    struct err e = ERR_INIT;
    int code, rc;

    for (size_t i = 0; i < n; i++)
        if (paths == NULL || paths[i] == NULL)
            return capi_wrong(error, "glarus_submit_paths: a path is NULL");
    if ((code = take_options(options, &o, "glarus_submit_paths", error)) != GLARUS_OK ||
        (code = capi_enter(client, "glarus_submit_paths", error)) != GLARUS_OK)
        return code;
    r.o = &o;
    how = plan(&r);
    rc = client_submit(client->c, paths, n, &how, &e);
    capi_leave(client);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, &e);
}
