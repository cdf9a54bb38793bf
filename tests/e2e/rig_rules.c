#include "rig_rules.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "detect/release.h"
#include "people/dsse.h"
#include "rig_priv.h"
#include "rules/report.h"

const int rig_by_author[] = {RIG_AUTHOR, -1}, rig_by_two[] = {0, 1, -1};

/* --- the folder --- */

void rig_rules_make(char *dir)
{
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
}

void rig_rules_remove(const char *dir)
{
    assert_int_equal(io_remove_tree(dir), 0);
}

void rig_rule(const char *dir, const char *name, const char *text)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (text == NULL)
        (void)unlink(path);
    else
        assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

struct digest rig_rules_tree(const char *dir)
{
    struct release *rel = NULL;
    struct digest d;

    rig_ok(release_load(&rel, dir, NULL), NULL);
    d = release_digest(rel);
    release_free(rel);
    return d;
}

/* --- documents --- */

static void wrap(struct rig *r, enum document kind, const struct buf *yaml, const int *by,
                 struct buf *out)
{
    struct dsse *d = NULL;

    buf_init(out, DSSE_MAX_BYTES);
    assert_int_equal(dsse_new(&d, document_type(kind), buf_span(yaml)), 0);
    for (; *by >= 0; by++)
        assert_int_equal(dsse_sign(d, r->person[*by]), 0);
    assert_int_equal(dsse_write(d, out), 0);
    dsse_free(d);
}

void rig_publish(struct rig *r, size_t site, enum proto_read what, const struct buf *env,
                 const char *refusal)
{
    struct pm_admin ask = {.what = ADMIN_PUBLISH, .document = (uint32_t)what};
    char text[1024];
    int rc = rig_admin(r, site, &ask, env, NULL, text);

    if ((rc == 0) != (refusal == NULL) || (refusal != NULL && strstr(text, refusal) == NULL))
        fail_msg("%d: %s; expected: %s", rc, text, refusal == NULL ? "taken" : refusal);
}

void rig_propose(struct rig *r, size_t site, struct rig_release *n, const struct digest *tree,
                 const struct digest *base, const int *by, const char *refusal)
{
    static uint8_t made;
    struct buf yaml, env;

    n->change.change = random_id();
    n->change.change.b[0] = (uint8_t)(0xff - made++); /* the later, the earlier by name */
    n->change.author = r->person_id[RIG_AUTHOR];
    n->change.first = base == NULL;
    if (base != NULL)
        n->change.base = *base;
    n->change.tree = *tree;
    n->release.change = n->change.change;
    n->release.author = n->change.author;
    n->release.tree = n->change.tree;
    buf_init(&yaml, 4096);
    assert_int_equal(change_write(&n->change, &yaml), 0);
    wrap(r, DOCUMENT_CHANGE, &yaml, by, &env);
    rig_publish(r, site, READ_CHANGE, &env, refusal);
    buf_free(&env);
    buf_free(&yaml);
}

void rig_report(struct rig *r, size_t site, struct rig_release *n, const struct digest *of,
                uint64_t missed, const char *refusal)
{
    struct rules_report x = {.tree = *of,
                             .first = true,
                             .engines = "yara",
                             .rules = 2,
                             .allows = n->release.allows,
                             .hit = 3,
                             .missed = missed,
                             .clean = 100,
                             .ms = 5};
    struct buf b;

    x.passed = missed == 0;
    random_bytes(x.corpus_root.b, sizeof(x.corpus_root.b));
    buf_init(&b, 4096);
    assert_int_equal(report_write(&x, &b), 0);
    sha256_of(b.data, b.len, &n->release.report);
    rig_publish(r, site, READ_REPORT, &b, refusal);
    buf_free(&b);
}

void rig_release(struct rig *r, size_t site, struct rig_release *n,
                 const struct rig_release *before, const int *by, const char *refusal)
{
    struct buf yaml;

    n->release.chain.serial = before == NULL ? 1 : before->release.chain.serial + 1;
    if (before != NULL)
        n->release.chain.previous = before->doc;
    buf_init(&yaml, 4096);
    assert_int_equal(approval_write(&n->release, &yaml), 0);
    buf_free(&n->env);
    wrap(r, DOCUMENT_RELEASE, &yaml, by, &n->env);
    dsse_digest(buf_span(&n->env), &n->doc);
    rig_publish(r, site, READ_RELEASE, &n->env, refusal);
    buf_free(&yaml);
}

void rig_override(struct rig *r, size_t site, enum rules_ground ground,
                  const struct digest *subject, uint64_t count, const int *by, const char *refusal)
{
    struct rules_override o = {.override = random_id(),
                               .author = r->person_id[RIG_AUTHOR],
                               .ground = ground,
                               .asker = RULES_OWNER,
                               .count = count,
                               .subject = *subject};
    struct buf yaml, env;

    buf_init(&yaml, 8192);
    assert_int_equal(override_write(&o, "because", &yaml), 0);
    wrap(r, DOCUMENT_OVERRIDE, &yaml, by, &env);
    rig_publish(r, site, READ_OVERRIDE, &env, refusal);
    buf_free(&env);
    buf_free(&yaml);
}

void rig_release_folder(struct rig *r, size_t site, struct rig_release *n, const char *dir,
                        const struct rig_release *before)
{
    struct digest tree = rig_rules_tree(dir);

    rig_propose(r, site, n, &tree, before == NULL ? NULL : &before->change.tree, rig_by_author,
                NULL);
    rig_report(r, site, n, &tree, 0, NULL);
    rig_release(r, site, n, before, rig_by_two, NULL);
}
