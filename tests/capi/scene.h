/* scene.h - a client in a folder: configuration, trust file, a register that root keys have signed,
 * a policy that its people have approved; and the site it speaks to. */
#ifndef TESTS_CAPI_SCENE_H
#define TESTS_CAPI_SCENE_H

#include "fake.h"

#include <dirent.h>
#include <sys/stat.h>

#include "capi/client.h"

struct scene {
    struct fake site;
    char dir[64], config[96], files[96];
    int fate[CLIENT_SKIPPED + 1], before, final, malicious;
    char why[2048];
    struct ed25519_key *root[2], *person[3];
};
#define AUTHOR "00000000000000000000000000000003"

static inline void put(const struct scene *s, const char *name, const char *text)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

/* Every country belongs to zone CH, but Canada, which belongs to RU. */
static inline void policy_text(const char *author, const char *valid_from, struct buf *text)
{
    bool first = true;

    assert_int_equal(
        buf_printf(text,
                   "format: policy/v1\nserial: 1\nprevious: none\n"
                   "author: %s\nvalid_from: %s\n"
                   "zones:\n  - {zone: CH, sites: [zrh1]}\n  - {zone: RU, sites: [mow1]}\n"
                   "uniform: {retention: 365d, consent: required, read_approvals: 2, copies: 1, "
                   "scan_within: 24h}\ndifferences: []\nplacement:\n"
                   "  - {subjects: [CA], at: [{zone: RU, from: 2017-01-01T00:00Z}]}\n"
                   "  - {subjects: [",
                   author, valid_from),
        0);
    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        if (country_table[i].formerly || strcmp(country_table[i].code, "CA") == 0)
            continue;
        assert_int_equal(buf_printf(text, "%s'%s'", first ? "" : ", ", country_table[i].code), 0);
        first = false;
    }
    assert_int_equal(buf_puts(text, ", 'product:*', 'rules:*'], at: [{zone: CH, from: "
                                    "2017-01-01T00:00Z}]}\n"),
                     0);
}

/* An envelope of text, signed by n keys, as a file of the scene. */
static inline void put_signed(const struct scene *s, const char *name, enum document kind,
                              const struct buf *text, struct ed25519_key *const *by, size_t n)
{
    struct dsse *d = NULL;
    struct buf env;

    buf_init(&env, 1 << 20);
    assert_int_equal(dsse_new(&d, document_type(kind), buf_span(text)), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(dsse_sign(d, by[i]), 0);
    assert_int_equal(dsse_write(d, &env), 0);
    put(s, name, buf_str(&env));
    dsse_free(d);
    buf_free(&env);
}

/* Three persons: two of them approve a policy, the third is its author.  more[i]: what the register
 * says beside of person i's key (", until: ..."). */
static inline void register_text(const struct scene *s, unsigned serial, const char *const more[3],
                                 struct buf *text)
{
    static const char *const roles[] = {"registrar", "policy", "statement", "mover"};
    static const char org[] = "abababababababababababababababab";

    assert_int_equal(
        buf_printf(text,
                   "format: register/v1\nserial: %u\nprevious: %s\napprovals:\n"
                   "  register: {role: registrar, persons: 2}\n"
                   "  policy: {role: policy, persons: 2}\n"
                   "  statement: {role: statement, persons: 1}\n"
                   "  move: {role: mover, persons: 2}\n"
                   "organizations:\n  - {id: %s, kind: vendor}\npersons:\n",
                   serial,
                   serial == 1 ? "none"
                               : "'00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
                                 "ff'",
                   org),
        0);
    for (size_t i = 0; i < 3; i++) {
        char key[TEXT_BASE64_LEN(32) + 1];
        struct ed25519_pub pub;

        ed25519_public(s->person[i], &pub);
        text_base64(key, pub.b, sizeof(pub.b));
        assert_int_equal(buf_printf(text,
                                    "  - id: '%032zu'\n    org: %s\n    keys:\n"
                                    "      - {key: '%s', from: 2020-01-01T00:00Z%s}\n    roles:\n",
                                    i + 1, org, key, more[i]),
                         0);
        for (size_t k = 0; k < ARRAY_LEN(roles); k++)
            assert_int_equal(
                buf_printf(text, "      - {role: %s, from: 2020-01-01T00:00Z}\n", roles[k]), 0);
    }
}

static inline void put_documents(const struct scene *s)
{
    static const char *const more[3] = {"", "", ""};
    struct buf text;

    buf_init(&text, 1 << 20);
    register_text(s, 1, more, &text);
    put_signed(s, "register.dsse", DOCUMENT_REGISTER, &text, s->root, 2);
    buf_reset(&text);
    policy_text(AUTHOR, "2026-01-01T00:00Z", &text);
    put_signed(s, "policy.dsse", DOCUMENT_POLICY, &text, s->person, 2);
    buf_free(&text);
}

static inline void put_config_with(const struct scene *s, const char *country, const char *more)
{
    char text[2048];

    (void)snprintf(text, sizeof(text),
                   "format: client/v1\nsecret: secret\ntoken: token-1\ncountry: %s\nstatement: "
                   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
                   "policy: policy.dsse\nregister: register.dsse\ntrust: trust.yaml\nreceipts: "
                   "receipts\nstate: state\n"
                   "sites:\n  - {site: zrh1, url: 'http://%s/'}\n%s",
                   country, s->site.rig.address, more);
    put(s, "client.yaml", text);
}

/* A configuration in which no statement is agreed to. */
static inline void put_config_unagreed(const struct scene *s)
{
    char text[2048];

    (void)snprintf(text, sizeof(text),
                   "format: client/v1\nsecret: secret\ntoken: token-1\ncountry: CH\n"
                   "policy: policy.dsse\nregister: register.dsse\ntrust: trust.yaml\nreceipts: "
                   "receipts\nstate: state\nsites:\n  - {site: zrh1, url: 'http://%s/'}\n",
                   s->site.rig.address);
    put(s, "client.yaml", text);
}

static inline void put_config(const struct scene *s, const char *country)
{
    put_config_with(s, country, "");
}

static inline int open_scene(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    char log[CORE_VKEY_TEXT_MAX + 1], witness[CORE_VKEY_TEXT_MAX + 1], text[2048];
    char root[2][TEXT_BASE64_LEN(32) + 1];

    assert_non_null(s);
    for (size_t i = 0; i < 2; i++) {
        struct ed25519_pub pub;

        assert_int_equal(ed25519_generate(&s->root[i]), 0);
        ed25519_public(s->root[i], &pub);
        text_base64(root[i], pub.b, sizeof(pub.b));
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ed25519_generate(&s->person[i]), 0);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/client-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->config, sizeof(s->config), "%s/client.yaml", s->dir);
    (void)snprintf(s->files, sizeof(s->files), "%s/files", s->dir);
    assert_int_equal(mkdir(s->files, 0755), 0);
    fake_open(&s->site);
    note_vkey_format(&s->site.log.key, log);
    note_vkey_format(&s->site.witness.key, witness);
    (void)snprintf(text, sizeof(text),
                   "format: trust/v1\nexpires: 2099-01-01T00:00Z\ntolerance: 180s\npolicy: |\n"
                   "  log %s\n  witness w1 %s\n  quorum w1\n"
                   "sites:\n  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}\n"
                   "roots: {threshold: 2, keys: ['%s', '%s']}\n"
                   "outsiders: [w1]\n",
                   log, witness, root[0], root[1]);
    put(s, "trust.yaml", text);
    put_documents(s);
    put_config(s, "CH");
    put(s, "files/even", "even");
    put(s, "files/odd", "odd");
    put(s, "files/none", "");
    *state = s;
    return 0;
}

static inline void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *d;
    char below[512];

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (snprintf(below, sizeof(below), "%s/%s", path, d->d_name) >= (int)sizeof(below))
            continue;
        if (unlink(below) != 0)
            remove_tree(below);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

static inline int close_scene(void **state)
{
    struct scene *s = *state;

    fake_close(&s->site);
    for (size_t i = 0; i < 2; i++)
        ed25519_free(s->root[i]);
    for (size_t i = 0; i < 3; i++)
        ed25519_free(s->person[i]);
    remove_tree(s->dir);
    free(s);
    return 0;
}

#endif
