/* The manual pages of the configurations say exactly what the programs read: every key that is
 * asked for is there and no other, and what they say of defaults and bounds is true.
 *   test-cli-reference DOCS/man
 * Which keys are asked for is seen by wrapping the functions of base/yaml.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/yaml.h"
#include "capi/client.h"
#include "site/config.h"

#define KEYS_MAX 160
#define KEY_MAX 48

static const char *man; /* the folder */

struct keys {
    char key[KEYS_MAX][KEY_MAX];
    size_t n;
};

static bool has(const struct keys *k, const char *key)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->key[i], key) == 0)
            return true;
    return false;
}

static void add(struct keys *k, const char *key)
{
    if (has(k, key))
        return;
    assert_true(k->n < KEYS_MAX && strlen(key) < KEY_MAX);
    (void)snprintf(k->key[k->n++], KEY_MAX, "%s", key);
}

/* --- what is asked for --- */

static struct keys asked;
static struct {
    const struct yaml_node *node;
    char path[KEY_MAX];
} place[512]; /* of maps and lists, by what led to them */
static size_t n_places;

static const char *path_of(const struct yaml_node *n)
{
    for (size_t i = n_places; i > 0; i--)
        if (place[i - 1].node == n)
            return place[i - 1].path;
    return "";
}

static void leads_to(const struct yaml_node *from, const char *key, const struct yaml_node *to)
{
    const char *path = path_of(from);
    char full[KEY_MAX];

    if (key == NULL)
        (void)snprintf(full, sizeof(full), "%.40s[]", path);
    else
        (void)snprintf(full, sizeof(full), "%.24s%s%.20s", path, path[0] == '\0' ? "" : ".", key);
    if (key != NULL)
        add(&asked, full);
    if (to != NULL) {
        assert_true(n_places < sizeof(place) / sizeof(place[0]));
        place[n_places].node = to;
        memcpy(place[n_places++].path, full, sizeof(full));
    }
}

int __real_yaml_may(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                    struct err *e);
int __wrap_yaml_may(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                    struct err *e);
int __real_yaml_need(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                     struct err *e);
int __wrap_yaml_need(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                     struct err *e);
int __real_yaml_need_text(const struct yaml_node *map, const char *key, const char **out,
                          struct err *e);
int __wrap_yaml_need_text(const struct yaml_node *map, const char *key, const char **out,
                          struct err *e);
int __real_yaml_need_u64(const struct yaml_node *map, const char *key, uint64_t min, uint64_t max,
                         uint64_t *out, struct err *e);
int __wrap_yaml_need_u64(const struct yaml_node *map, const char *key, uint64_t min, uint64_t max,
                         uint64_t *out, struct err *e);
int __real_yaml_item(const struct yaml_node *list, size_t i, const struct yaml_node **out,
                     struct err *e);
int __wrap_yaml_item(const struct yaml_node *list, size_t i, const struct yaml_node **out,
                     struct err *e);

int __wrap_yaml_may(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                    struct err *e)
{
    int rc = __real_yaml_may(map, key, out, e);

    leads_to(map, key, rc == 0 ? *out : NULL);
    return rc;
}

int __wrap_yaml_need(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                     struct err *e)
{
    int rc = __real_yaml_need(map, key, out, e);

    leads_to(map, key, rc == 0 ? *out : NULL);
    return rc;
}

int __wrap_yaml_need_text(const struct yaml_node *map, const char *key, const char **out,
                          struct err *e)
{
    leads_to(map, key, NULL);
    return __real_yaml_need_text(map, key, out, e);
}

int __wrap_yaml_need_u64(const struct yaml_node *map, const char *key, uint64_t min, uint64_t max,
                         uint64_t *out, struct err *e)
{
    leads_to(map, key, NULL);
    return __real_yaml_need_u64(map, key, min, max, out, e);
}

int __wrap_yaml_item(const struct yaml_node *list, size_t i, const struct yaml_node **out,
                     struct err *e)
{
    int rc = __real_yaml_item(list, i, out, e);

    if (rc == 0)
        leads_to(list, NULL, *out);
    return rc;
}

static void forget(void)
{
    memset(&asked, 0, sizeof(asked));
    n_places = 0;
}

/* --- what the pages say --- */

struct said {
    struct keys keys;
    struct {
        char key[KEY_MAX], least[32], most[32], otherwise[64]; /* least "": no bounds */
    } value[KEYS_MAX];
    size_t n;
};

/* From "first" to "last" section of a page: .It Cm KEY, and lines "From A to B; default C." and
 * "Default: C." below it. */
static void read_page(const char *page, const char *end, struct said *s)
{
    char path[512], *line, *save = NULL, *stop;
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/%s", man, page);
    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    stop = strstr(buf_str(&b), end);
    assert_non_null(stop);
    *stop = '\0';
    for (line = strtok_r((char *)b.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char a[32], c[32], d[64];
        const char *key = s->keys.n > 0 ? s->keys.key[s->keys.n - 1] : "";

        if (strncmp(line, ".It Cm ", 7) == 0) {
            assert_false(has(&s->keys, line + 7));
            add(&s->keys, line + 7);
        } else if (sscanf(line, "From %31s to %31[^;]; default %63s", a, c, d) == 3 ||
                   sscanf(line, "Default: %63s", d) == 1) {
            bool bounds = line[0] == 'F';

            d[strlen(d) - 1] = '\0'; /* the full stop */
            (void)snprintf(s->value[s->n].key, KEY_MAX, "%s", key);
            (void)snprintf(s->value[s->n].least, 32, "%s", bounds ? a : "");
            (void)snprintf(s->value[s->n].most, 32, "%s", bounds ? c : "");
            (void)snprintf(s->value[s->n++].otherwise, 64, "%s", d);
        }
    }
    buf_free(&b);
}

static void same(const struct keys *program, const struct keys *page, const char *name)
{
    for (size_t i = 0; i < program->n; i++)
        if (!has(page, program->key[i]))
            fail_msg("%s does not say \"%s\", which the program reads", name, program->key[i]);
    for (size_t i = 0; i < page->n; i++)
        if (!has(program, page->key[i]))
            fail_msg("%s says \"%s\", which no program reads", name, page->key[i]);
}

/* --- glarusd.yaml --- */

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define TOP(scheme)                                                                                \
    "format: site/v1\nsite: zrh1\nzone: CH\norigin: zrh1.example/ledger\nurl: " scheme             \
    "://127.0.0.1:1\nlisten: 127.0.0.1:0\nquorum: \"quorum none\"\nroots: {threshold: 1, keys: "   \
    "[" KEY "]}\n"
#define ENGINE "engine: {%s}\n"
#define SUBMITTER "submitters: [{name: a, token_sha256: " HEX "%s%s}]\n"

static int load(const char *text, struct config **c, struct err *e)
{
    return config_read(c, "/etc/t.yaml", (struct span){(const uint8_t *)text, strlen(text)}, e);
}

static void every_key_of_a_site_is_in_its_page(void **state)
{
    static struct said s;
    struct err e = ERR_INIT;
    struct config *c;

    forget();
    read_page("glarusd.yaml.5", ".Sh EXAMPLES", &s);
    if (load(TOP("https") "keys: {}\nrun_as: {front: 1}\nadmins: [1]\nlimits: {object: 2MiB}\n"
                          "engine: {rules: r}\ntls: {certificate: a, key: b}\nauthorities: c\n"
                          "plain_http: false\nbreaker: {files: 10}\n"
                          "peers: [{site: mow1, zone: RU, url: 'http://x', move_key: " KEY
                          ", policy: 'quorum none'}]\n"
                          "submitters: [{name: a, token_sha256: " HEX ", countries: [CH]}]\n",
             &c, &e) != 0)
        fail_msg("%s", err_text(&e));
    config_free(c);
    /* and what excludes something of the above */
    if (load(TOP("http") "keys: {}\nengines: [{name: yara}]\nscan: {rules: r}\n", &c, &e) != 0)
        fail_msg("%s", err_text(&e));
    config_free(c);
    assert_true(asked.n > 45);
    same(&asked, &s.keys, "glarusd.yaml(5)");
}

/* A whole configuration in which one key has a value; "": none has. */
static int with(const char *key, const char *value, struct config **c)
{
    const char *dot = strchr(key, '.'), *name = dot == NULL ? key : dot + 1;
    char text[4096], map[32] = "", one[160] = "", submitter[320];
    struct err e = ERR_INIT;
    bool tls, scan;

    (void)snprintf(map, sizeof(map), "%.*s", dot == NULL ? 0 : (int)(dot - key), key);
    if (value[0] != '\0')
        (void)snprintf(one, sizeof(one), "%s: %s", name, value);
    tls = strcmp(map, "tls") == 0;
    (void)snprintf(submitter, sizeof(submitter), SUBMITTER,
                   strcmp(map, "submitters[]") == 0 ? ", " : "",
                   strcmp(map, "submitters[]") == 0 ? one : "");
    scan = strcmp(map, "scan") == 0;
    (void)snprintf(
        text, sizeof(text), "%skeys: {%s}\nlimits: {%s}\nbreaker: {%s}\n%s{%s}\n%s%s%s%s%s\n",
        tls ? TOP("https") : TOP("http"), strcmp(map, "keys") == 0 ? one : "",
        strcmp(map, "limits") == 0 ? one : "", strcmp(map, "breaker") == 0 ? one : "",
        scan ? "engines: [{name: yara, program: /usr/libexec/glarus/glarus-engine-yara}]\nscan: "
             : "engine: ",
        scan || strcmp(map, "engine") == 0 ? one : "", submitter, "tls: {certificate: a, key: b",
        tls && one[0] != '\0' ? ", " : "", tls ? one : "", "}");
    if (!tls)
        *strstr(text, "tls: {") = '\0';
    if (dot == NULL && value[0] != '\0')
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", one);
    return load(text, c, &e);
}

/* Everything a file can leave to its default. */
static void same_config(const struct config *a, const struct config *b, const char *key)
{
    const struct {
        const char *a, *b;
    } texts[] = {{a->data, b->data},
                 {a->admin, b->admin},
                 {a->ledger_key, b->ledger_key},
                 {a->epoch_keys, b->epoch_keys},
                 {a->move_key, b->move_key},
                 {a->engine[0].program, b->engine[0].program},
                 {a->rules, b->rules}};
    const uint64_t na[] = {a->epoch,
                           a->inventory,
                           a->checkpoint_ms,
                           a->object_max,
                           a->ring_slots,
                           a->connections,
                           a->per_address,
                           a->segment,
                           a->reserve,
                           a->scan_seconds,
                           a->unpacked,
                           a->members,
                           a->depth,
                           a->breaker_files,
                           a->breaker_share,
                           a->handshakes,
                           a->submitter[0].per_day,
                           a->submitter[0].in_flight},
                   nb[] = {b->epoch,
                           b->inventory,
                           b->checkpoint_ms,
                           b->object_max,
                           b->ring_slots,
                           b->connections,
                           b->per_address,
                           b->segment,
                           b->reserve,
                           b->scan_seconds,
                           b->unpacked,
                           b->members,
                           b->depth,
                           b->breaker_files,
                           b->breaker_share,
                           b->handshakes,
                           b->submitter[0].per_day,
                           b->submitter[0].in_flight};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(texts[i].a, texts[i].b) != 0)
            fail_msg("\"%s\" has another default than its page says: %s, %s", key, texts[i].a,
                     texts[i].b);
    for (size_t i = 0; i < sizeof(na) / sizeof(na[0]); i++)
        if (na[i] != nb[i])
            fail_msg("\"%s\" has another default than its page says: %llu, %llu", key,
                     (unsigned long long)na[i], (unsigned long long)nb[i]);
}

static void beyond(const char *value, bool above, char out[64])
{
    unsigned long long n = strtoull(value, NULL, 10);

    /* one unit further */
    (void)snprintf(out, 64, "%llu%s", above ? n + 1 : n - 1, value + strspn(value, "0123456789"));
}

static void defaults_and_bounds_are_what_the_page_says(void **state)
{
    static struct said s;
    struct config *plain, *tls, *c;
    size_t bounded = 0;

    forget();
    read_page("glarusd.yaml.5", ".Sh EXAMPLES", &s);
    assert_int_equal(with("", "", &plain), 0);
    assert_int_equal(with("tls.x", "", &tls), 0);
    for (size_t i = 0; i < s.n; i++) {
        const char *key = s.value[i].key;
        char past[64];

        forget();
        if (with(key, s.value[i].otherwise, &c) != 0)
            fail_msg("\"%s: %s\" is refused, and said to be the default", key,
                     s.value[i].otherwise);
        same_config(strncmp(key, "tls.", 4) == 0 ? tls : plain, c, key);
        config_free(c);
        if (s.value[i].least[0] == '\0')
            continue;
        bounded++;
        for (int k = 0; k < 2; k++) {
            const char *at = k == 0 ? s.value[i].least : s.value[i].most;

            if (with(key, at, &c) != 0)
                fail_msg("\"%s: %s\" is refused, and said to be allowed", key, at);
            config_free(c);
            beyond(at, k == 1, past);
            if (with(key, past, &c) == 0)
                fail_msg("\"%s: %s\" is taken, and said not to be allowed", key, past);
        }
    }
    assert_true(s.n >= 18 && bounded >= 12);
    config_free(plain);
    config_free(tls);
}

/* --- client.yaml --- */

static void every_key_of_a_client_is_in_its_page(void **state)
{
    static const char text[] =
        "format: client/v1\nsecret: s\ntoken: t\ncountry: CH\nstatement: " HEX "\npolicy: p\n"
        "register: g\nregister_digest: " HEX "\n"
        "trust: t\nreceipts: r\nstate: s\nsites: [{site: zrh1, url: 'http://x'}]\n"
        "authorities: a\nin_flight: 1\n";
    static struct said s;
    char dir[64] = "/tmp/reference-XXXXXX", file[96], secret[96];
    struct err e = ERR_INIT;
    struct client *c = NULL;

    forget();
    read_page("client.yaml.5", ".Ss The state file", &s);
    assert_non_null(mkdtemp(dir));
    (void)snprintf(file, sizeof(file), "%s/client.yaml", dir);
    (void)snprintf(secret, sizeof(secret), "%s/s", dir);
    assert_int_equal(io_replace_file(AT_FDCWD, file, text, strlen(text), 0600), 0);
    /* all settings are read before the files they name, which are not there */
    assert_int_equal(client_load(&c, file, &e), -ENOENT);
    assert_null(strstr(err_text(&e), "client.yaml:"));
    (void)unlink(secret);
    (void)unlink(file);
    (void)rmdir(dir);
    assert_true(asked.n > 12);
    same(&asked, &s.keys, "client.yaml(5)");
    assert_int_equal(s.n, 1);
    assert_string_equal(s.value[0].key, "in_flight");
    assert_int_equal(strtoul(s.value[0].least, NULL, 10), 1);
    assert_int_equal(strtoul(s.value[0].most, NULL, 10), CLIENT_IN_FLIGHT_MAX);
    assert_int_equal(strtoul(s.value[0].otherwise, NULL, 10), CLIENT_IN_FLIGHT_DEFAULT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_a_site_is_in_its_page),
        cmocka_unit_test(defaults_and_bounds_are_what_the_page_says),
        cmocka_unit_test(every_key_of_a_client_is_in_its_page),
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s DOCS/man\n", argv[0]);
        return 2;
    }
    man = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
