/* rules.c - the walk behind the engines' common header: it has no rules and finds nothing bad; it
 * says what there is to scan, and why it does not know all of it. */
#include "rules.h"

#include <archive.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/text.h"
#include "formats.h"
#include "kinds.h"
#include "passwords.h"
#include "sample.h"
#include "walk.h"

#define CANARY_BYTES 16
#define BATCH_FILES 4 /* as many full budgets of members fit into the table of a batch */
#define BATCH_BYTES 2 /* as many full budgets of bytes */

const struct rules_traits rules_traits = {.label = "walk", .members = true, .samples = 2};

struct rules {
    struct passwords passwords;
    struct walk walk;
    char canary[2 * CANARY_BYTES + 1];
    struct buf zip, other;
};

static uint64_t table_bytes(const struct walk *w)
{
    return (uint64_t)w->table * sizeof(struct detect_member);
}

uint64_t rules_arena_size(const struct rules *r)
{
    return table_bytes(&r->walk) + BATCH_BYTES * r->walk.limits.member_bytes +
           (uint64_t)r->walk.table * DETECT_MEMBER_NAME;
}

bool rules_arena_room(const struct rules *r, const struct rules_where *w)
{
    const struct detect_rules *l = &r->walk.limits;

    return l->members <= r->walk.table - w->members &&
           l->member_bytes + (uint64_t)l->members * DETECT_MEMBER_NAME <= w->arena_size - w->used;
}

int rules_child(struct rules *r, struct rules_where *w)
{
    r->walk.where = w;
    w->used = table_bytes(&r->walk);
    return 0;
}

/* --- loading --- */

static int take_passwords(struct rules *r, struct span bundle, struct err *e)
{
    struct cur c = cur_of(bundle);
    struct protocol_file f;
    int rc;

    while ((rc = protocol_bundle_next(&c, &f)) == 1) {
        const char *dot = strrchr(f.name, '.');

        if (dot != NULL && strcmp(dot, ".pwdb") == 0 &&
            (rc = passwords_add(&r->passwords, f.name, f.content, e)) != 0)
            return rc;
    }
    return rc == 0 ? 0 : err_set(e, rc, "the rules' bundle is malformed");
}

static int make_samples(struct rules *r)
{
    uint8_t random[CANARY_BYTES];
    int rc;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -errno;
    text_hex(r->canary, random, sizeof(random));
    buf_init(&r->zip, 8192);
    buf_init(&r->other, 8192);
    rc = sample_zip(&r->zip, "canary", span_str(r->canary));
    return rc != 0 ? rc : sample_zip(&r->other, "other", span_str(r->canary + 1));
}

int rules_compile(struct rules **out, struct span bundle, const struct detect_rules *m, int folder,
                  struct err *e)
{
    struct rules *r = calloc(1, sizeof(*r));
    int rc;

    (void)folder;
    if (r == NULL)
        return err_set(e, -ENOMEM, "out of memory for the walk");
    r->walk.limits = *m;
    r->walk.passwords = &r->passwords;
    r->walk.table = m->members > DETECT_MEMBERS_MAX / BATCH_FILES ? DETECT_MEMBERS_MAX
                                                                  : m->members * BATCH_FILES;
    rc = take_passwords(r, bundle, e);
    if (rc == 0 && (rc = make_samples(r)) != 0)
        (void)err_sys(e, rc, "cannot make a known sample");
    if (rc == 0)
        rc = kinds_load(e);
    if (rc != 0) {
        rules_free(r);
        return rc;
    }
    formats_warm_up();
    *out = r;
    return 0;
}

void rules_free(struct rules *r)
{
    if (r == NULL)
        return;
    passwords_free(&r->passwords);
    buf_free(&r->zip);
    buf_free(&r->other);
    free(r);
}

/* --- scanning --- */

enum verdict_reason rules_scan(struct rules *r, uint32_t index, struct span file,
                               struct rules_hits *hits)
{
    uint32_t from = r->walk.where->members;
    enum verdict_reason why = walk_file(&r->walk, index, file);

    hits->n = hits->kept = 0;
    hits->canary = false;
    for (uint32_t i = from; i < r->walk.where->members; i++)
        hits->canary |= span_is(walk_content(&r->walk, i), r->canary);
    return why;
}

struct span rules_sample(const struct rules *r, size_t i, bool *canary)
{
    *canary = i == 0;
    return buf_span(i == 0 ? &r->zip : &r->other);
}

uint32_t rules_count(const struct rules *r)
{
    (void)r;
    return 0;
}

uint32_t rules_ranks(const struct rules *r)
{
    (void)r;
    return 0;
}

const char *rules_name(const struct rules *r, uint32_t rank)
{
    (void)r;
    (void)rank;
    return "";
}

const char *rules_version(void)
{
    static char text[DETECT_LABEL_MAX + 1];

    (void)snprintf(text, sizeof(text), "%d", archive_version_number());
    return text;
}
