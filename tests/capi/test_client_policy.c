/* Who may say where files belong: a policy that those in the client's register have not approved, k
 * of n, is refused before anything is sent. */
#include "scene.h"

static struct buf text;

static int open_with_text(void **state)
{
    buf_init(&text, 1 << 20);
    return open_scene(state);
}

static int close_with_text(void **state)
{
    buf_free(&text);
    return close_scene(state);
}

/* Submits; 0 or the refusal, whose sentence has these words.  Nothing may have left if it is one.
 */
static void submits(struct scene *s, int rc, const char *words)
{
    struct client_submit o = {.wait = 5, .backoff_ms = 5};
    int announces = s->site.announces;
    const char *paths[] = {s->files};
    struct client *c = NULL;
    struct err e = ERR_INIT;

    char fresh[32];

    (void)snprintf(fresh, sizeof(fresh), "files/%d", announces); /* one that nobody has sent */
    put(s, fresh, fresh);
    if (client_load(&c, s->config, &e) != 0)
        fail_msg("%s", err_text(&e));
    for (int forced = 0; forced < 2; forced++) {
        char url[96];
        int got;

        (void)snprintf(url, sizeof(url), "http://%s", s->site.rig.address);
        o.site_url = forced ? url : NULL;
        e = (struct err)ERR_INIT;
        got = client_submit(c, paths, 1, &o, &e);
        if (got != rc || strstr(e.text, words) == NULL)
            fail_msg("%d (to be %d): \"%s\" has no \"%s\"", got, rc, e.text, words);
        if (rc == 0)
            break;
        assert_int_equal(s->site.announces, announces);
    }
    if (rc == 0)
        assert_true(s->site.announces > announces);
    client_free(c);
}

static void policy_by(struct scene *s, const char *valid_from, struct ed25519_key *const *by,
                      size_t n)
{
    buf_reset(&text);
    policy_text(AUTHOR, valid_from, &text);
    put_signed(s, "policy.dsse", DOCUMENT_POLICY, &text, by, n);
}

static void register_by(struct scene *s, unsigned serial, const char *const more[3],
                        struct ed25519_key *const *by, size_t n)
{
    buf_reset(&text);
    register_text(s, serial, more, &text);
    put_signed(s, "register.dsse", DOCUMENT_REGISTER, &text, by, n);
}

static const char *const plain[3] = {"", "", ""};

static void an_approved_policy_is_followed(void **state)
{
    submits(*state, 0, "");
}

static void a_policy_needs_k_of_n_of_the_register(void **state)
{
    struct scene *s = *state;
    struct ed25519_key *strangers[2] = {s->root[0], s->root[1]};
    struct ed25519_key *one_and_author[2] = {s->person[0], s->person[2]};
    struct ed25519_key *one_and_stranger[2] = {s->person[1], s->root[0]};
    struct ed25519_key *two_and_stranger[3] = {s->root[1], s->person[0], s->person[1]};

    policy_by(s, "2026-01-01T00:00Z", NULL, 0);
    submits(s, -EPERM, "is not approved by the register");
    policy_by(s, "2026-01-01T00:00Z", s->person, 1);
    submits(s, -EPERM, "is not approved by the register");
    policy_by(s, "2026-01-01T00:00Z", strangers, 2); /* root keys approve no policy */
    submits(s, -EPERM, "is not approved by the register");
    policy_by(s, "2026-01-01T00:00Z", one_and_author, 2); /* the author does not count */
    submits(s, -EPERM, "is not approved by the register");
    policy_by(s, "2026-01-01T00:00Z", one_and_stranger, 2);
    submits(s, -EPERM, "is not approved by the register");
    policy_by(s, "2026-01-01T00:00Z", two_and_stranger, 3);
    submits(s, 0, "");
}

static void signatures_over_another_policy_do_not_count(void **state)
{
    struct scene *s = *state;
    struct buf env;
    char path[128], *at;

    (void)snprintf(path, sizeof(path), "%s/policy.dsse", s->dir);
    buf_init(&env, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &env), 0);
    /* one letter of a country in base64: Canada's neighbor moves */
    at = memmem(env.data, env.len, "\"payload\":\"", 11);
    assert_non_null(at);
    policy_by(s, "2026-01-02T00:00Z", NULL, 0); /* another payload, no signature */
    {
        struct buf other;
        char *sigs, *end;

        buf_init(&other, 1 << 20);
        assert_int_equal(io_read_file(AT_FDCWD, path, &other), 0);
        sigs = memmem(env.data, env.len, "\"signatures\":", 13);
        end = memmem(other.data, other.len, "\"signatures\":", 13);
        assert_non_null(sigs);
        assert_non_null(end);
        other.len = (size_t)(end - (char *)other.data);
        assert_int_equal(buf_put(&other, sigs, env.len - (size_t)(sigs - (char *)env.data)), 0);
        put(s, "policy.dsse", buf_str(&other));
        buf_free(&other);
    }
    buf_free(&env);
    submits(s, -EPERM, "is not approved by the register");
}

static void a_register_needs_the_root_keys(void **state)
{
    struct scene *s = *state;
    struct ed25519_key *once[2] = {s->root[0], s->person[0]};

    register_by(s, 1, plain, s->root, 1);
    submits(s, -EPERM, "is not signed by the root keys");
    register_by(s, 1, plain, s->person, 3);
    submits(s, -EPERM, "is not signed by the root keys");
    register_by(s, 1, plain, once, 2);
    submits(s, -EPERM, "is not signed by the root keys");
    register_by(s, 1, plain, s->root, 2);
    submits(s, 0, "");
}

static void a_later_register_needs_its_digest(void **state)
{
    struct scene *s = *state;
    struct digest d;
    char path[128], hex[65], more[128];
    struct buf env;

    register_by(s, 2, plain, s->root, 2); /* root keys sign the first alone */
    submits(s, -EPERM, "register_digest");
    register_by(s, 2, plain, s->person, 2);
    submits(s, -EPERM, "register_digest");
    put_config_with(s, "CH",
                    "register_digest: "
                    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    submits(s, -EPERM, "take the register that was checked");
    (void)snprintf(path, sizeof(path), "%s/register.dsse", s->dir);
    buf_init(&env, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &env), 0);
    sha256_of(env.data, env.len, &d); /* what sha256sum says of the file */
    text_digest(hex, &d);
    (void)snprintf(more, sizeof(more), "register_digest: %s\n", hex);
    put_config_with(s, "CH", more);
    submits(s, 0, "");
    register_by(s, 1, plain, s->root, 2); /* pinned is pinned, whoever has signed another */
    submits(s, -EPERM, "take the register that was checked");
    buf_free(&env);
}

static void keys_count_when_the_policy_takes_effect_and_never_once_revoked(void **state)
{
    static const struct {
        const char *more, *valid_from;
        int rc;
        const char *words;
    } row[] = {
        {", until: 2025-06-01T00:00Z", "2026-01-01T00:00Z", -EPERM, "is not approved"},
        {", until: 2026-02-01T00:00Z", "2026-01-01T00:00Z", 0, ""}, /* it had its time */
        {", revoked: 2025-06-01T00:00Z", "2026-01-01T00:00Z", -EPERM, "is not approved"},
        /* revoked since: whoever has stolen it writes any date */
        {", revoked: 2026-02-01T00:00Z", "2026-01-01T00:00Z", -EPERM, "revoked since"},
        {"", "2099-01-01T00:00Z", 0, ""}, /* not in effect yet: keys of now */
        {", until: 2026-02-01T00:00Z", "2099-01-01T00:00Z", -EPERM, "is not approved"},
    };
    struct scene *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        const char *const more[3] = {row[i].more, "", ""};

        register_by(s, 1, more, s->root, 2);
        policy_by(s, row[i].valid_from, s->person, 2);
        submits(s, row[i].rc, row[i].words);
    }
}

static void a_register_that_is_none_is_refused_and_withdrawing_goes_on(void **state)
{
    struct scene *s = *state;
    struct client *c = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    char path[128];

    submits(s, 0, "");
    put(s, "register.dsse", "{}");
    submits(s, -EBADMSG, "the register");
    buf_reset(&text);
    policy_text(AUTHOR, "2026-01-01T00:00Z", &text);
    put_signed(s, "register.dsse", DOCUMENT_POLICY, &text, s->root, 2);
    submits(s, -EINVAL, "not a register");
    (void)snprintf(path, sizeof(path), "%s/register.dsse", s->dir);
    assert_int_equal(unlink(path), 0);
    submits(s, -ENOENT, "reading the register");
    /* what was submitted before can be taken back all the same */
    buf_init(&out, 1 << 20);
    assert_int_equal(client_load(&c, s->config, &e), 0);
    (void)snprintf(path, sizeof(path), "%s/odd", s->files);
    if (client_order(c, path, CLIENT_WITHDRAW, false, &out, &e) != 0)
        fail_msg("%s", err_text(&e));
    client_free(c);
    buf_free(&out);
}

static void a_configuration_without_a_register_is_refused(void **state)
{
    struct scene *s = *state;
    struct client *c = NULL;
    struct err e = ERR_INIT;
    struct buf b;
    char path[128], *at;

    (void)snprintf(path, sizeof(path), "%s/client.yaml", s->dir);
    buf_init(&b, 1 << 16);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    at = memmem(b.data, b.len, "register: register.dsse\n", 24);
    assert_non_null(at);
    memset(at, '#', 23); /* a comment */
    put(s, "client.yaml", buf_str(&b));
    assert_int_equal(client_load(&c, s->config, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "register"));
    buf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_with_text, close_with_text)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_approved_policy_is_followed),
        T(a_policy_needs_k_of_n_of_the_register),
        T(signatures_over_another_policy_do_not_count),
        T(a_register_needs_the_root_keys),
        T(a_later_register_needs_its_digest),
        T(keys_count_when_the_policy_takes_effect_and_never_once_revoked),
        T(a_register_that_is_none_is_refused_and_withdrawing_goes_on),
        T(a_configuration_without_a_register_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
