/* rules.unbroken and the update repository, beside what the cheats of betray/ show: what is
 * missing, what two sites say, what may be published again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "betray/served.h"
#include "crypto/sha256.h"
#include "scene.h"
#include "updates/published.h"

static struct scene scene;

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 1, .checkpoint = 1};

    (void)state;
    scene_make(&scene, &spec);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_remove(&scene);
    return 0;
}

static void expect(const struct tale *t, int site, enum audit_verdict verdict, const char *words)
{
    struct audit *a = scene_audit_as(&scene, site, t);
    const struct audit_result *r = audit_find(a, "rules.unbroken");

    if (r->verdict != verdict || strstr(r->sentence, words) == NULL)
        fail_msg("%s: %s", audit_verdict_word(r->verdict), r->sentence);
    audit_free(a);
}

static struct digest metadata(const struct tale *t, size_t i)
{
    struct leaf l = tale_leaf(t, i);

    return leaf_digest(&l, LF_METADATA);
}

static size_t artifact_of(const struct tale *t, const struct digest *d)
{
    for (size_t i = 0; i < t->artifacts; i++) {
        struct digest is;

        sha256_of(t->artifact[i].data, t->artifact[i].len, &is);
        if (digest_eq(&is, d))
            return i;
    }
    fail_msg("no such artifact");
    return 0;
}

static void tell(struct tale *t, const struct digest *doc, uint64_t serial)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_REPOSITORY_PUBLISHED, tale_end(t) + 60, t->site);
    leaf_set_digest(&b, LF_METADATA, doc);
    leaf_set_int(&b, LF_SERIAL, serial);
    assert_int_equal(tale_add(t, &b, NULL), 0);
    assert_int_equal(tale_publish(t, tale_end(t) + 60), 0);
}

static void publish(struct tale *t, const struct served *v, uint64_t serial)
{
    struct digest doc;
    struct buf b;

    buf_init(&b, PUBLISHED_MAX_BYTES);
    assert_int_equal(served_write(v, &b), 0);
    assert_int_equal(tale_document(t, buf_span(&b), &doc), 0);
    buf_free(&b);
    tell(t, &doc, serial);
}

/* The keys of the history's repository, in its folder: those that sign role. */
static size_t keys_of(const json_t *role, const json_t *keys, struct ed25519_key **out)
{
    const json_t *id;
    size_t i, n = 0;

    json_array_foreach(json_object_get(role, "keyids"), i, id)
    {
        const json_t *key = json_object_get(keys, json_string_value(id));
        const char *hex =
            json_string_value(json_object_get(json_object_get(key, "keyval"), "public"));
        struct ed25519_pub pub;
        char name[65], path[200];

        assert_int_equal(text_unhex(span_str(hex), pub.b, 32), 0);
        ed25519_keyid(&pub, name);
        (void)snprintf(path, sizeof(path), "%s/h/keys/%s.pem", scene.dir, name);
        assert_int_equal(ed25519_load(&out[n++], path, NULL), 0);
    }
    return n;
}

static void sign(struct served *v, const char *role, json_t *body)
{
    const json_t *root = served_find(v, "root")->body;
    const json_t *d = json_object_get(served_find(v, "targets")->body, "delegations");
    const json_t *top = json_object_get(json_object_get(root, "roles"), role);
    struct ed25519_key *k[4];
    size_t n = top != NULL ? keys_of(top, json_object_get(root, "keys"), k)
                           : keys_of(json_array_get(json_object_get(d, "roles"), 0),
                                     json_object_get(d, "keys"), k);

    assert_int_equal(served_put(v, role, body, k, n), 0);
    while (n > 0)
        ed25519_free(k[--n]);
}

static struct served_release release_of(const struct tale *t, size_t k)
{
    struct leaf l = tale_leaf(t, k == 0 ? tale_find(t, LK_RELEASE_PUBLISHED, 0)
                                        : tale_last(t, LK_RELEASE_PUBLISHED));

    return (struct served_release){leaf_int(&l, LF_SERIAL), leaf_digest(&l, LF_TREE)};
}

static void what_was_served_is_proved(void **state)
{
    struct audit *a = scene_audit(&scene, NULL);
    const struct audit_result *r = audit_find(a, "rules.unbroken");

    (void)state;
    assert_int_equal(r->verdict, AUDIT_PROVED);
    assert_non_null(strstr(r->sentence, "nor served in 4 publications of the update repository"));
    audit_free(a);
}

static void a_missing_artifact_is_named(void **state)
{
    struct digest d;
    struct tale t;
    char hex[65];
    size_t i;

    (void)state;
    scene_tale(&scene, ZRH, &t);
    d = metadata(&t, tale_find(&t, LK_REPOSITORY_PUBLISHED, 0));
    text_digest(hex, &d);
    i = artifact_of(&t, &d);
    buf_free(&t.artifact[i]);
    t.artifact[i] = t.artifact[--t.artifacts];
    expect(&t, ZRH, AUDIT_UNKNOWN, hex);
    tale_free(&t);
}

static void the_same_again_says_nothing_new(void **state)
{
    struct digest d;
    struct tale t;

    (void)state;
    scene_tale(&scene, ZRH, &t);
    d = metadata(&t, tale_last(&t, LK_REPOSITORY_PUBLISHED));
    tell(&t, &d, 2);
    expect(&t, ZRH, AUDIT_PROVED, "5 publications");
    tell(&t, &d, 1);
    expect(&t, ZRH, AUDIT_BROKEN, "goes back from release 2 to 1");
    tale_free(&t);
}

/* Versions go on, what they lead to does not: the newer release was not withdrawn. */
static void an_older_release_is_not_served_again(void **state)
{
    struct served_release r[2];
    struct served v;
    struct digest d;
    struct tale t;

    (void)state;
    scene_tale(&scene, ZRH, &t);
    served_init(&v);
    d = metadata(&t, tale_last(&t, LK_REPOSITORY_PUBLISHED));
    assert_int_equal(served_parse(&v, buf_span(&t.artifact[artifact_of(&t, &d)])), 0);
    r[0] = release_of(&t, 0);
    r[1] = release_of(&t, 1);
    sign(&v, "rules", served_rules(3, r, 2)); /* the list may be signed anew */
    sign(&v, "snapshot", served_snapshot(&v));
    publish(&t, &v, 2);
    expect(&t, ZRH, AUDIT_PROVED, "5 publications");
    sign(&v, "rules", served_rules(4, r + 1, 1)); /* and get shorter */
    sign(&v, "snapshot", served_snapshot(&v));
    publish(&t, &v, 2);
    expect(&t, ZRH, AUDIT_PROVED, "6 publications");
    sign(&v, "rules", served_rules(5, r, 1));
    sign(&v, "snapshot", served_snapshot(&v));
    publish(&t, &v, 1);
    expect(&t, ZRH, AUDIT_BROKEN, "goes back from release 2 to 1");
    served_free(&v);
    tale_free(&t);
}

static void two_sites_show_one_repository(void **state)
{
    struct ed25519_key *k[SERVED_KEYS];
    struct served_release r;
    struct served v;
    struct tale t;

    (void)state;
    scene_tale(&scene, MOW, &t);
    r = release_of(&t, 1);
    for (size_t i = 0; i < SERVED_KEYS; i++)
        assert_int_equal(ed25519_generate(&k[i]), 0);
    tale_delete(&t, tale_find(&t, LK_REPOSITORY_PUBLISHED, 0));
    tale_delete(&t, tale_find(&t, LK_REPOSITORY_PUBLISHED, 0));
    served_init(&v);
    assert_int_equal(served_begin(&v, k, &r, 1), 0);
    publish(&t, &v, r.serial);
    expect(&t, MOW, AUDIT_BROKEN, "the update repository is another than site \"zrh1\" shows");
    served_free(&v);
    tale_free(&t);
    for (size_t i = 0; i < SERVED_KEYS; i++)
        ed25519_free(k[i]);
}

/* The artifact begins "repository/v1\nroot 1 LENGTH\n", and then the file. */
static struct digest first_root(const struct tale *t)
{
    const struct digest doc = metadata(t, tale_find(t, LK_REPOSITORY_PUBLISHED, 0));
    const struct buf *b = &t->artifact[artifact_of(t, &doc)];
    unsigned long n = 0;
    struct digest d;
    int at = 0;

    assert_int_equal(sscanf((const char *)b->data, "repository/v1\nroot 1 %lu\n%n", &n, &at), 1);
    sha256_of(b->data + at, n, &d);
    return d;
}

static void the_trust_file_may_name_the_first_root(void **state)
{
    struct tale t;

    (void)state;
    scene_tale(&scene, ZRH, &t);
    scene.trust->updates_root = first_root(&t);
    scene.trust->has_updates_root = true;
    expect(&t, ZRH, AUDIT_PROVED, "publications of the update repository");
    scene.trust->updates_root.b[31] ^= 1;
    expect(&t, ZRH, AUDIT_BROKEN, "begins with another root than the trust file says");
    scene.trust->has_updates_root = false;
    tale_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trust_file_may_name_the_first_root),
        cmocka_unit_test(what_was_served_is_proved),
        cmocka_unit_test(a_missing_artifact_is_named),
        cmocka_unit_test(the_same_again_says_nothing_new),
        cmocka_unit_test(an_older_release_is_not_served_again),
        cmocka_unit_test(two_sites_show_one_repository),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
