#include "rules/story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "events/leaf.h"
#include "ledger/tlog_tiles.h"
#include "people/register.h"

struct proposal { /* a change, until its release comes */
    struct id128 id;
    struct rules_change change;
    struct story_person author;
    unix_time at, tested_at;
    struct digest report; /* of the newest gates.passed */
    bool tested;
};

struct telling {
    struct story *s;
    const char *dir;
    struct people *people; /* in force */
    struct proposal *proposal;
    size_t proposals, room;
    size_t last; /* release that was found last; SIZE_MAX: none since the newest came */
};

static int grow(void **v, size_t *room, size_t n, size_t most, size_t size)
{
    size_t next = *room == 0 ? 16 : *room * 2;
    void *more;

    if (n < *room)
        return 0;
    if (n >= most)
        return -E2BIG;
    if ((more = reallocarray(*v, next, size)) == NULL)
        return -ENOMEM;
    *v = more;
    *room = next;
    return 0;
}

/* --- documents --- */

/* 0: read; 1: it is not there or not what it should be, *why says it. */
static int document(const struct telling *w, enum document kind, const struct digest *d,
                    struct dsse **env, struct err *why)
{
    struct buf b;
    int rc;

    *env = NULL;
    buf_init(&b, DSSE_MAX_BYTES);
    if ((rc = tlog_tiles_artifact(w->dir, d, &b, why)) == 0 &&
        (rc = dsse_parse(env, buf_span(&b), why)) == 0 &&
        strcmp(dsse_type(*env), document_type(kind)) != 0) {
        dsse_free(*env);
        *env = NULL;
        rc = err_set(why, -EBADMSG, "it is of another kind");
    }
    buf_free(&b);
    return rc == 0 || rc == -ENOMEM ? rc : 1;
}

static struct story_person person(const struct telling *w, const struct id128 *id)
{
    const struct register_person *r = w->people != NULL ? register_find(w->people, id) : NULL;
    struct story_person p = {.id = *id};

    if (r != NULL) {
        p.org = r->org;
        p.kind = register_org_word(w->people, &r->org);
    }
    return p;
}

static int approvals(const struct telling *w, enum document kind, const struct dsse *env,
                     unix_time t, const struct id128 *author, struct story_people *out)
{
    struct register_approval by = {.counted = 0};
    struct err why = ERR_INIT;
    int rc;

    if (w->people == NULL)
        rc = err_set(&why, -EPERM, "the ledger shows no register of people before it");
    else
        rc = register_approved(w->people, kind, env, t, author, &by, &why);
    if (rc == -ENOMEM)
        return rc;
    out->counted = by.counted;
    for (unsigned i = 0; i < by.counted && i < STORY_APPROVERS; i++)
        out->by[i] = person(w, &by.person[i]);
    if (rc != 0)
        (void)snprintf(out->refused, sizeof(out->refused), "%s", err_text(&why));
    return 0;
}

static void not_there(struct story_people *p, const struct err *why)
{
    (void)snprintf(p->refused, sizeof(p->refused), "%s", err_text(why));
}

/* --- leaves, each by its kind --- */

static int on_register(struct telling *w, const struct leaf *l)
{
    struct digest d = leaf_digest(l, LF_DOC);
    struct people *next = NULL;
    struct err why = ERR_INIT;
    struct dsse *env = NULL;
    int rc = document(w, DOCUMENT_REGISTER, &d, &env, &why);

    if (rc == 0 && (rc = register_parse(&next, "register", dsse_payload(env), NULL)) != 0 &&
        rc != -ENOMEM)
        rc = 1;
    dsse_free(env);
    register_free(w->people); /* one that cannot be read is in force all the same */
    w->people = next;
    return rc < 0 ? rc : 0;
}

static struct proposal *find(struct telling *w, const struct id128 *id)
{
    for (size_t i = w->proposals; i > 0; i--)
        if (memcmp(&w->proposal[i - 1].id, id, sizeof(*id)) == 0)
            return &w->proposal[i - 1];
    return NULL;
}

static int on_change(struct telling *w, const struct leaf *l)
{
    struct digest d = leaf_digest(l, LF_DOC), tree = leaf_digest(l, LF_TREE);
    struct rules_change said;
    struct err why = ERR_INIT;
    struct dsse *env = NULL;
    struct proposal *p;
    int rc = grow((void **)&w->proposal, &w->room, w->proposals, STORY_RELEASES_MAX,
                  sizeof(*w->proposal));

    if (rc != 0)
        return rc;
    p = &w->proposal[w->proposals];
    memset(p, 0, sizeof(*p));
    p->id = leaf_id(l, LF_CHANGE);
    p->at = l->time;
    p->change.tree = tree;
    rc = document(w, DOCUMENT_CHANGE, &d, &env, &why);
    if (rc == 0 && (rc = change_parse(&said, "change", dsse_payload(env), NULL)) == 0 &&
        memcmp(&said.change, &p->id, sizeof(p->id)) == 0 && digest_eq(&said.tree, &tree)) {
        p->change = said;
        p->author = person(w, &said.author);
    }
    dsse_free(env);
    w->proposals++;
    return rc == -ENOMEM ? rc : 0;
}

static void on_gates(struct telling *w, const struct leaf *l)
{
    struct id128 id = leaf_id(l, LF_CHANGE);
    struct digest tree = leaf_digest(l, LF_TREE);
    struct proposal *p = find(w, &id);

    if (p == NULL || !digest_eq(&p->change.tree, &tree))
        return;
    p->tested = true;
    p->tested_at = l->time;
    p->report = leaf_digest(l, LF_REPORT);
}

static int read_report(const struct telling *w, struct story_release *r)
{
    struct buf b;
    int rc;

    buf_init(&b, 1 << 16);
    if ((rc = tlog_tiles_artifact(w->dir, &r->said.report, &b, NULL)) == 0)
        rc = report_parse(&r->report, "report", buf_span(&b), NULL);
    r->reported = rc == 0;
    buf_free(&b);
    return rc == -ENOMEM ? rc : 0;
}

/* What the leaf says, with the author and the approvals of the document. */
static int read_release(const struct telling *w, struct story_release *r)
{
    struct rules_release doc;
    struct dsse *env = NULL;
    struct err why = ERR_INIT;
    int rc = document(w, DOCUMENT_RELEASE, &r->doc, &env, &why);

    if (rc == 0 && (rc = approval_parse(&doc, "release", dsse_payload(env), &why)) == 0) {
        if (!digest_eq(&doc.tree, &r->said.tree) || doc.chain.serial != r->said.chain.serial)
            rc = err_set(&why, -EBADMSG, "the document is of another release than the leaf");
        else
            r->said.author = doc.author;
    }
    if (rc == 0)
        rc = approvals(w, DOCUMENT_RELEASE, env, r->at, &doc.author, &r->approved);
    else if (rc != -ENOMEM)
        not_there(&r->approved, &why);
    dsse_free(env);
    return rc == -ENOMEM ? rc : 0;
}

static int on_release(struct telling *w, uint64_t index, const struct leaf *l)
{
    struct story *s = w->s;
    struct story_release *r;
    struct proposal *p;
    int rc = grow((void **)&s->release, &s->release_room, s->releases, STORY_RELEASES_MAX,
                  sizeof(*s->release));

    if (rc != 0)
        return rc;
    r = &s->release[s->releases++];
    w->last = SIZE_MAX;
    memset(r, 0, sizeof(*r));
    r->leaf = index;
    r->at = l->time;
    r->doc = leaf_digest(l, LF_DOC);
    r->said.chain.serial = leaf_int(l, LF_SERIAL);
    r->said.change = leaf_id(l, LF_CHANGE);
    r->said.tree = leaf_digest(l, LF_TREE);
    r->said.report = leaf_digest(l, LF_REPORT);
    r->said.mode = leaf_word(l, LF_MODE) == LW_MODE_DETECT ? RULES_DETECT : RULES_ENFORCE;
    r->said.urgent = leaf_word(l, LF_URGENT) == LW_URGENT_YES;
    r->said.allows = leaf_int(l, LF_ALLOWS);
    if ((p = find(w, &r->said.change)) != NULL && digest_eq(&p->change.tree, &r->said.tree)) {
        r->proposed = true;
        r->proposed_at = p->at;
        r->change = p->change;
        r->author = p->author;
        r->tested = p->tested && digest_eq(&p->report, &r->said.report);
        r->tested_at = p->tested_at;
    }
    return (rc = read_report(w, r)) != 0 ? rc : read_release(w, r);
}

/* The newest release of that tree. */
static struct story_release *release_of(struct telling *w, const struct digest *tree)
{
    struct story *s = w->s;

    if (w->last < s->releases && digest_eq(&s->release[w->last].said.tree, tree))
        return &s->release[w->last];
    for (size_t i = s->releases; i > 0; i--)
        if (digest_eq(&s->release[i - 1].said.tree, tree)) {
            w->last = i - 1;
            return &s->release[i - 1];
        }
    return NULL;
}

static int on_override(struct telling *w, uint64_t index, const struct leaf *l)
{
    struct digest d = leaf_digest(l, LF_DOC);
    struct story *s = w->s;
    struct story_override *o;
    struct story_release *r;
    struct dsse *env = NULL;
    struct err why = ERR_INIT;
    struct buf text;
    int rc = grow((void **)&s->override, &s->override_room, s->overrides, STORY_OVERRIDES_MAX,
                  sizeof(*s->override));

    if (rc != 0)
        return rc;
    o = &s->override[s->overrides++];
    memset(o, 0, sizeof(*o));
    o->leaf = index;
    o->at = l->time;
    buf_init(&text, OVERRIDE_TEXT_MAX + 1);
    rc = document(w, DOCUMENT_OVERRIDE, &d, &env, &why);
    if (rc == 0 && (rc = override_parse(&o->said, "override", dsse_payload(env), &why)) == 0 &&
        (rc = override_why("override", dsse_payload(env), &text, &why)) == 0) {
        o->read = true;
        rc = approvals(w, DOCUMENT_OVERRIDE, env, o->at, NULL, &o->approved);
        o->why = rc == 0 && buf_str(&text) != NULL ? strdup(buf_str(&text)) : NULL;
        if (rc == 0 && o->why == NULL)
            rc = -ENOMEM;
        if (rc == 0 && o->said.ground == RULES_WITHDRAW &&
            (r = release_of(w, &o->said.subject)) != NULL)
            r->withdrawn = true;
    } else if (rc != -ENOMEM) {
        not_there(&o->approved, &why);
    }
    dsse_free(env);
    buf_free(&text);
    return rc == -ENOMEM ? rc : 0;
}

static void on_scan(struct telling *w, const struct leaf *l)
{
    struct digest tree = leaf_digest(l, LF_RELEASE);
    struct story_release *r = release_of(w, &tree);
    unsigned verdict = leaf_word(l, LF_VERDICT);

    if (r == NULL)
        return;
    r->malicious += verdict == LW_VERDICT_MALICIOUS;
    r->clean += verdict == LW_VERDICT_CLEAN;
    r->incomplete += verdict == LW_VERDICT_INCOMPLETE;
}

static void on_loaded(struct telling *w, const struct leaf *l)
{
    struct digest tree = leaf_digest(l, LF_RELEASE);
    struct story_release *r = release_of(w, &tree);

    if (r != NULL && r->loaded == 0)
        r->loaded = l->time;
}

static int on_leaf(void *arg, uint64_t index, struct span bytes, struct err *e)
{
    struct telling *w = arg;
    struct leaf l;
    int rc = leaf_parse(&l, bytes);

    if (rc == -EBADMSG) {
        leaf_why(bytes, e);
        (void)err_prefix(e, "leaf %llu", (unsigned long long)index);
        return rc;
    }
    if (rc != 0) {
        w->s->unknown++;
        return 0;
    }
    if (w->s->site[0] == '\0')
        (void)snprintf(w->s->site, sizeof(w->s->site), "%.*s", (int)leaf_text(&l, LF_SITE).n,
                       (const char *)leaf_text(&l, LF_SITE).p);
    w->s->last = l.time;
    if (l.kind == LK_REGISTER_PUBLISHED)
        rc = on_register(w, &l);
    else if (l.kind == LK_CHANGE_PROPOSED)
        rc = on_change(w, &l);
    else if (l.kind == LK_GATES_PASSED)
        on_gates(w, &l);
    else if (l.kind == LK_RELEASE_PUBLISHED)
        rc = on_release(w, index, &l);
    else if (l.kind == LK_OVERRIDE_MADE)
        rc = on_override(w, index, &l);
    else if (l.kind == LK_RULES_LOADED)
        on_loaded(w, &l);
    else if (l.kind == LK_SCAN_DONE)
        on_scan(w, &l);
    return rc == 0 ? 0 : err_sys(e, rc, "leaf %llu", (unsigned long long)index);
}

int story_read(struct story **out, const char *dir, uint64_t size, const struct digest *root,
               struct err *e)
{
    struct telling w = {.dir = dir, .last = SIZE_MAX};
    const struct tlog_walk walk = {.leaf = on_leaf, .arg = &w};
    struct core_range at = {.size = 0};
    struct tlog_tiles *tiles = NULL;
    struct digest got;
    int rc;

    if ((w.s = calloc(1, sizeof(*w.s))) == NULL)
        return err_sys(e, -ENOMEM, "reading the ledger");
    if ((rc = tlog_tiles_open(&tiles, dir, size, e)) == 0)
        rc = tlog_tiles_walk(tiles, &at, size, &walk, e);
    if (rc == 0) {
        core_range_root(&note_crypto, &at, &got);
        if (!digest_eq(&got, root))
            rc = err_set(e, -EBADMSG, "\"%s\": the leaves are not those of its checkpoint", dir);
    }
    tlog_tiles_close(tiles);
    register_free(w.people);
    free(w.proposal);
    if (rc != 0) {
        story_free(w.s);
        return rc;
    }
    *out = w.s;
    return 0;
}

void story_free(struct story *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->overrides; i++)
        free(s->override[i].why);
    free(s->override);
    free(s->release);
    free(s);
}
