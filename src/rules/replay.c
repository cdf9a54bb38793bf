#include "rules/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

int replay_rules(const struct leaf *l, const struct release *r, struct err *e)
{
    struct digest need, have = release_digest(r);
    char hex[65], other[65];

    if (l->kind != LK_SCAN_DONE)
        return err_set(e, -EINVAL, "the receipt is of \"%s\"; a verdict stands in one of scan.done",
                       leaf_kinds[l->kind].name);
    need = leaf_digest(l, LF_RELEASE);
    if (digest_eq(&need, &have))
        return 0;
    text_digest(hex, &need);
    text_digest(other, &have);
    return err_set(e, -EINVAL,
                   "the verdict was made with the rule release %s, these rules are %s: get the "
                   "folder of that release",
                   hex, other);
}

/* "clamav.walk.yara": the engines, each a program. */
static int engines_of(const struct leaf *l, char text[DETECT_LABEL_MAX + 1], struct trial_spec *s,
                      struct err *e)
{
    struct span label = leaf_text(l, LF_ENGINE);
    char *rest = NULL;

    if (label.n > DETECT_LABEL_MAX)
        return err_set(e, -EINVAL, "the leaf's label of engines is too long");
    memcpy(text, label.p, label.n);
    text[label.n] = '\0';
    s->n = 0;
    for (char *w = strtok_r(text, ".", &rest); w != NULL; w = strtok_r(NULL, ".", &rest)) {
        if (s->n == DETECT_LINE_ENGINES)
            return err_set(e, -EINVAL, "the leaf names more than %d engines", DETECT_LINE_ENGINES);
        s->engines[s->n++] = w;
    }
    return 0;
}

static void differ(struct replayed *r, const char *what, struct span leaf, const char *now)
{
    if (r->same)
        (void)snprintf(r->differs, sizeof(r->differs), "the leaf says %s %.*s, here it is %s", what,
                       (int)leaf.n, (const char *)leaf.p, now);
    r->same = false;
}

static void compare(const struct replay *p, struct replayed *r)
{
    const struct leaf *l = p->leaf;
    const char *verdict = verdict_word(r->found.verdict);
    const char *reason = verdict_reason_word(r->found.reason);
    char hits[16];

    (void)snprintf(hits, sizeof(hits), "%u", r->found.hits);
    r->same = true;
    r->compared_names = p->names != NULL;
    if (!span_is(leaf_text(l, LF_VERDICT), verdict))
        differ(r, "verdict", leaf_text(l, LF_VERDICT), verdict);
    if (!span_is(leaf_text(l, LF_REASON), reason))
        differ(r, "reason", leaf_text(l, LF_REASON), reason);
    if (!span_is(leaf_text(l, LF_HITS), hits))
        differ(r, "hits", leaf_text(l, LF_HITS), hits);
    if (p->names != NULL && !span_eq(p->names->value, buf_span(&r->found.names)) && r->same) {
        (void)snprintf(r->differs, sizeof(r->differs), "as many rules hit, but not the same ones");
        r->same = false;
    }
}

struct look {
    struct replayed *out;
    int rc;
};

static void look(void *arg, size_t i, const struct digest *sha256, const struct finding *f)
{
    struct look *w = arg;

    (void)i;
    w->out->read = sha256 != NULL;
    if (sha256 != NULL)
        w->out->sha256 = *sha256;
    w->rc = finding_add(&w->out->found, f);
}

int replay_run(const struct replay *p, struct replayed *out, struct err *e)
{
    struct trial_spec s = *p->engines;
    char label[DETECT_LABEL_MAX + 1];
    struct look w = {out, 0};
    struct trial *t = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    finding_init(&out->found);
    if ((rc = replay_rules(p->leaf, p->rules, e)) != 0 ||
        (rc = engines_of(p->leaf, label, &s, e)) != 0)
        return rc;
    s.file_max = DETECT_FILE_BYTES;
    if ((rc = trial_open(&t, p->rules, &s, e)) != 0)
        return rc;
    if (!span_is(leaf_text(p->leaf, LF_ENGINE), trial_engines(t)))
        rc = err_set(e, -EINVAL, "the leaf names the engines in another way than they do: \"%s\"",
                     trial_engines(t));
    if (rc == 0)
        rc = trial_run(t, &p->file, 1, look, &w, NULL, NULL, e);
    if (rc == 0 && w.rc != 0)
        rc = err_sys(e, w.rc, "keeping the verdict");
    trial_close(t);
    if (rc == 0)
        compare(p, out);
    return rc;
}

void replay_done(struct replayed *r)
{
    finding_done(&r->found);
}
