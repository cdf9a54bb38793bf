#include "rules/exam.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "events/setroot.h"

struct watch {
    const struct exam *x;
    struct rules_report *r;
    struct digest *seen; /* contents */
    size_t n;
};

/* Is the rule among the names that hit?  A name may carry its engine or file before a colon or dot.
 */
static bool hit_by(const struct finding *f, const char *rule)
{
    struct cur c = cur_of(buf_span(&f->names));
    size_t want = strlen(rule);

    while (c.n > 0) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end != NULL ? (size_t)(end - c.p) : c.n;

        if (n >= want && memcmp(c.p + n - want, rule, want) == 0 &&
            (n == want || c.p[n - want - 1] == ':' || c.p[n - want - 1] == '.'))
            return true;
        n += end != NULL;
        c.p += n;
        c.n -= n;
    }
    return false;
}

static void look(void *arg, size_t i, const struct digest *sha256, const struct finding *f)
{
    struct watch *w = arg;
    const struct exam_file *file = &w->x->file[i];
    bool hit = f->verdict == VERDICT_MALICIOUS, wrong;

    if (file->disputed) {
        if (hit && w->x->wrong != NULL)
            w->x->wrong(w->x->arg, file, f);
        return;
    }
    if (sha256 != NULL)
        w->seen[w->n++] = *sha256;
    if (file->must) {
        wrong = !hit || (file->rule != NULL && !hit_by(f, file->rule));
        w->r->hit++;
        w->r->missed += wrong;
    } else {
        wrong = hit;
        w->r->clean++;
        w->r->false_hits += hit;
        w->r->unscanned += f->verdict == VERDICT_INCOMPLETE;
    }
    if (wrong && w->x->wrong != NULL)
        w->x->wrong(w->x->arg, file, f);
}

static void nothing(void *arg, size_t i, const struct digest *sha256, const struct finding *f)
{
    (void)arg;
    (void)i;
    (void)sha256;
    (void)f;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

/* The root over the set of contents: the same file twice is one. */
static int root_of(struct digest *seen, size_t n, struct digest *out)
{
    size_t kept = 0;

    qsort(seen, n, sizeof(*seen), by_bytes);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || memcmp(&seen[kept - 1], &seen[i], sizeof(*seen)) != 0)
            seen[kept++] = seen[i];
    return setroot_items(seen, kept, out);
}

static int scan(const struct exam *x, struct trial *t, trial_look *see, void *arg, const char *what,
                struct trial_cost *cost, struct err *e)
{
    const char **path = calloc(x->n + 1, sizeof(*path));
    struct progress p;
    int rc;

    if (path == NULL)
        return err_sys(e, -ENOMEM, "trying the rules");
    for (size_t i = 0; i < x->n; i++)
        path[i] = x->file[i].path;
    progress_begin(&p, what, "files", x->n);
    rc = trial_run(t, path, x->n, see, arg, x->quiet ? NULL : &p, cost, e);
    progress_end(&p);
    free(path);
    return rc;
}

/* What the rules before take for the same files, right after: the same machine in the same mood. */
static int compare(const struct exam *x, struct rules_report *r, struct err *e)
{
    struct trial *t = NULL;
    struct trial_cost cost;
    int rc = trial_open(&t, x->base, x->engines, e);

    if (rc != 0) {
        (void)err_prefix(e, "the base");
        return rc;
    }
    r->base = trial_tree(t);
    rc = scan(x, t, nothing, NULL, "testing the base", &cost, e);
    r->base_ms = cost.ms > 0 ? (uint64_t)cost.ms : 1;
    trial_close(t);
    return rc;
}

int exam_run(const struct exam *x, struct rules_report *out, struct err *e)
{
    struct rules_report r;
    struct watch w = {.x = x, .r = &r};
    struct trial *t = NULL;
    struct trial_cost cost;
    int rc;

    memset(&r, 0, sizeof(r));
    r.first = x->base == NULL;
    if ((rc = trial_open(&t, x->rules, x->engines, e)) != 0)
        return rc;
    w.seen = calloc(x->n + 1, sizeof(*w.seen));
    if (w.seen == NULL)
        rc = err_sys(e, -ENOMEM, "trying the rules");
    if (rc == 0)
        rc = trial_allows(t, &r.allows, e);
    if (rc == 0)
        rc = scan(x, t, look, &w, "testing the rules", &cost, e);
    if (rc == 0) {
        r.tree = trial_tree(t);
        r.rules = trial_rules(t);
        (void)snprintf(r.engines, sizeof(r.engines), "%s", trial_engines(t));
        r.bytes = cost.bytes;
        r.ms = cost.ms > 0 ? (uint64_t)cost.ms : 1;
        if ((rc = root_of(w.seen, w.n, &r.corpus_root)) != 0)
            (void)err_sys(e, rc, "the root of the corpus");
    }
    trial_close(t);
    free(w.seen);
    if (rc == 0 && x->base != NULL)
        rc = compare(x, &r, e);
    if (rc != 0)
        return rc;
    r.passed = report_passes(&r, x->slower, NULL, 0);
    *out = r;
    return 0;
}
