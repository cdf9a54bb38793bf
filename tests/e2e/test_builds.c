/* Products and rebuilds at a real site, by the real command line: what is signed, true to its
 * files, chained and built where the policy says becomes a leaf, and everything else is refused
 * with its reason; what the site knows of it comes back when its catalog is made again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assembler/product.h"
#include "assembler/proven.h"
#include "assembler/rebuilt.h"
#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "people/dsse.h"
#include "rig_client.h"
#include "rig_priv.h"

static struct rig *r;
static const char *glarus, *program; /* program: glarusd */
static struct ed25519_key *builder;

static const char *at(const char *name)
{
    static char path[16][192];
    static unsigned n;
    char *p = path[n++ % 16];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", r->dir, name);
    return p;
}

static void put(const char *name, const void *bytes, size_t n)
{
    assert_int_equal(io_replace_file(AT_FDCWD, at(name), bytes, n, 0644), 0);
}

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 2};

    (void)state;
    r = rig_open(&plan);
    assert_int_equal(ed25519_generate(&builder), 0);
    assert_int_equal(ed25519_store(r->person[0], at("anna.pem"), NULL), 0);
    assert_int_equal(ed25519_store(r->person[1], at("beat.pem"), NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ed25519_free(builder);
    rig_close(r);
    return 0;
}

/* A line of the shell in the test's folder: its exit code, and what it says. */
static void PRINTF_LIKE(3, 4) line(int code, const char *says, const char *fmt, ...)
{
    char text[1024], all[1400], out[4096];
    size_t n;
    va_list ap;
    FILE *f;
    int status;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)snprintf(all, sizeof(all), "cd %s && { %s; } 2>&1", r->dir, text);
    assert_non_null(f = popen(all, "r"));
    n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = '\0';
    status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code || strstr(out, says) == NULL)
        fail_msg("\"%s\": exit %d, wanted %d and \"%s\": %s", text,
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1, code, says, out);
}

/* --- what is built --- */

#define Z60 "000000000000000000000000000000000000000000000000000000000000"
#define SOURCE Z60 "50a1"

static void hex_of(const char *name, char out[65])
{
    struct digest d;
    struct buf b;

    buf_init(&b, 64 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, at(name), &b), 0);
    sha256_of(b.data, b.len, &d);
    text_digest(out, &d);
    buf_free(&b);
}

/* The provenance that speaks of NAME.bin, of this source. */
static void prove(const char *name, const char *source)
{
    char file[32], bin[65], recipe[65], lock[65];
    struct dsse *d = NULL;
    struct buf json, env;

    put("recipe.yaml", "recipe", 6);
    put("lock.yaml", "lock", 4);
    put("sbom.json", "{}", 2);
    (void)snprintf(file, sizeof(file), "%s.bin", name);
    hex_of(file, bin);
    hex_of("recipe.yaml", recipe);
    hex_of("lock.yaml", lock);
    buf_init(&json, 1 << 16);
    assert_int_equal(buf_printf(&json,
                                "{\"_type\":\"" PROVEN_STATEMENT
                                "\",\"predicateType\":\"" PROVEN_PREDICATE
                                "\",\"subject\":[{\"name\":\"%s\",\"digest\":{\"sha256\":\"%s\"}}],"
                                "\"predicate\":{\"buildDefinition\":{\"resolvedDependencies\":["
                                "{\"digest\":{\"sha256\":\"%s\"}},{\"digest\":{\"sha256\":\"%s\"}},"
                                "{\"digest\":{\"sha256\":\"%s\"}}]}}}",
                                file, bin, source, recipe, lock),
                     0);
    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(dsse_new(&d, PROVEN_TYPE, buf_span(&json)), 0);
    assert_int_equal(dsse_sign(d, builder), 0);
    assert_int_equal(dsse_write(d, &env), 0);
    (void)snprintf(file, sizeof(file), "%s.provenance", name);
    put(file, env.data, env.len);
    dsse_free(d);
    buf_free(&json);
    buf_free(&env);
}

static void build(const char *name, const char *source)
{
    char file[32];

    (void)snprintf(file, sizeof(file), "%s.bin", name);
    put(file, name, strlen(name));
    prove(name, source);
}

#define PARTS "--recipe recipe.yaml --toolchain lock.yaml --sbom sbom.json"

static void write_product(const char *name, const char *place, const char *after)
{
    line(0, "let supervisors sign it",
         "%s assemble product %s.bin --name hello --version 2.10-3 %s --source " SOURCE " " PARTS
         " --provenance %s.provenance --out %s.yaml %s",
         glarus, name, place, name, name, after);
}

static void sign(const char *name, const char *by)
{
    line(0, "signature", "%s assemble sign %s.yaml --key %s.pem --out %s.dsse", glarus, name, by,
         name);
}

static void sign_more(const char *name, const char *by)
{
    line(0, "2 signatures", "%s assemble sign %s.dsse --key %s.pem", glarus, name, by);
}

static void publish(int code, const char *says, const char *name)
{
    line(code, says, "%s assemble publish %s.dsse " PARTS " --provenance %s.provenance --config %s",
         glarus, name, name, r->site[RIG_ZRH].file);
}

#define HERE "--site zrh1 --zone CH"

static void a_product_is_published_once_and_whole(void **state)
{
    (void)state;
    build("one", SOURCE);
    write_product("one", HERE, "");
    sign("one", "anna");
    publish(1, "2 distinct persons with role \"supervisor\" must sign, 1 counts", "one");
    sign_more("one", "beat");
    line(2, "published with the files it names", "%s assemble publish one.dsse --config %s", glarus,
         r->site[RIG_ZRH].file);
    line(0, "", "cp sbom.json kept; echo other >sbom.json");
    publish(1, "the sbom that came along is not the one the product names", "one");
    line(0, "", "mv kept sbom.json");
    publish(0, "published", "one");
    publish(3, "published already", "one");
    line(2, "is no signed product", "%s assemble publish sbom.json --config %s", glarus,
         r->site[RIG_ZRH].file);
    /* the files it names are there for everybody */
    for (size_t i = 0; i < 4; i++) {
        static const char *const file[] = {"recipe.yaml", "lock.yaml", "sbom.json",
                                           "one.provenance"};
        char hex[65];

        hex_of(file[i], hex);
        line(0, "", "cmp %s %s/ledger/artifact/sha256/%s", file[i], r->site[RIG_ZRH].data, hex);
    }
}

static void what_is_another_than_it_says_is_refused(void **state)
{
    (void)state;
    /* the document cannot even be written of a provenance that speaks of something else */
    build("other", Z60 "bad1");
    line(1, "says another source than the product",
         "%s assemble product other.bin --name hello --version 2 " HERE " --source " SOURCE
         " " PARTS " --provenance other.provenance --out other.yaml",
         glarus);
    /* written for a true one, and published with it swapped */
    build("two", SOURCE);
    write_product("two", HERE, "--after one.dsse");
    line(0, "", "sed -i 's/^source: .*/source: \"" Z60 "bad1\"/' two.yaml");
    sign("two", "anna");
    sign_more("two", "beat");
    publish(1, "the provenance says another source than the product", "two");
    /* built elsewhere; nothing before it; another in the place of the first */
    write_product("two", "--site mow1 --zone RU", "--after one.dsse");
    sign("two", "anna");
    sign_more("two", "beat");
    publish(1, "is built in zone CH", "two");
    write_product("two", "--site mow1 --zone CH", "--after one.dsse");
    sign("two", "anna");
    sign_more("two", "beat");
    publish(1, "is built in zone CH", "two");
    write_product("two", HERE, "");
    sign("two", "anna");
    sign_more("two", "beat");
    publish(1, "does not follow the newest \"hello\" of this ledger", "two");
    write_product("two", HERE, "--after one.dsse");
    sign("two", "anna");
    sign_more("two", "beat");
    publish(0, "published", "two");
}

/* --- rebuilds --- */

static struct rebuilt about(const char *name, enum compare_class verdict)
{
    struct rebuilt b = {.verdict = verdict};
    struct product p;
    struct dsse *d = NULL;
    struct buf env;
    char file[32];

    (void)snprintf(file, sizeof(file), "%s.dsse", name);
    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(io_read_file(AT_FDCWD, at(file), &env), 0);
    dsse_digest(buf_span(&env), &b.product);
    assert_int_equal(dsse_parse(&d, buf_span(&env), NULL), 0);
    assert_int_equal(product_parse(&p, name, dsse_payload(d), NULL), 0);
    assert_int_equal(product_output(&p, &b.output), 0);
    product_done(&p);
    dsse_free(d);
    buf_free(&env);
    return b;
}

static void attest(int code, const char *says, struct rebuilt b)
{
    struct buf env;

    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(rebuilt_sign(&b, builder, &env, NULL), 0);
    put("rebuilt.dsse", env.data, env.len);
    buf_free(&env);
    line(code, says, "%s assemble publish rebuilt.dsse --config %s", glarus, r->site[RIG_ZRH].file);
}

static void a_rebuild_is_about_a_product_of_this_ledger(void **state)
{
    struct rebuilt b;

    (void)state;
    attest(0, "published", about("one", COMPARE_IDENTICAL));
    attest(3, "published already", about("one", COMPARE_IDENTICAL));
    b = about("two", COMPARE_IDENTICAL);
    b.output.b[0] ^= 1;
    attest(1, "says identical, and names another output", b);
    b.verdict = COMPARE_DERIVED;
    attest(0, "published", b);
    attest(1, "does not call it identical", about("two", COMPARE_UNEXPLAINED));
    b.product.b[0] ^= 1;
    attest(1, "about no product of this ledger", b);
}

/* By the command: what it compared, the word, and the very document that was published above. */
static void what_was_compared_is_signed(void **state)
{
    static const char attest_it[] =
        "%s assemble attest one.dsse --published was --rebuilt is --key builder.pem --out new.dsse";

    (void)state;
    assert_int_equal(ed25519_store(builder, at("builder.pem"), NULL), 0);
    line(0, "", "mkdir was is && cp one.bin was && cp one.bin is");
    line(0, "new.dsse: identical, signed", attest_it, glarus);
    line(3, "published already", "%s assemble publish new.dsse --config %s", glarus,
         r->site[RIG_ZRH].file);
    line(0, "", "rm new.dsse; printf more >>is/one.bin");
    line(1, "new.dsse: unexplained, signed", attest_it, glarus);
    line(0, "", "test -s new.dsse && rm new.dsse && cp is/one.bin was");
    line(1, "is not the file that the product names", attest_it, glarus);
    line(0, "", "cp one.bin was && rm is/one.bin");
    line(3, "reading \"is/one.bin\"", attest_it, glarus);
    line(0, "", "test ! -e new.dsse");
}

static void auditors_count_the_builders_they_trust(void **state)
{
    const struct audit_result *is;
    struct audit *a;

    (void)state;
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    rig_proved(a, "build.provenance", 2, 0);
    rig_proved(a, "build.placement", 2, 0);
    assert_int_equal(audit_find(a, "build.reproduced")->verdict, AUDIT_EMPTY);
    audit_free(a);
    ed25519_public(builder, &r->trust->builder[0]);
    r->trust->builders = 1;
    a = rig_audit(r);
    is = audit_find(a, "build.reproduced"); /* one is, and the other came out otherwise */
    if (is->verdict != AUDIT_UNKNOWN || is->n != 1 ||
        strstr(is->sentence, "got it derived-only, which is not reproduced") == NULL)
        fail_msg("%s %llu: %s", audit_verdict_word(is->verdict), (unsigned long long)is->n,
                 is->sentence);
    audit_free(a);
    attest(0, "published", about("two", COMPARE_IDENTICAL));
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    rig_proved(a, "build.reproduced", 2, 0);
    audit_free(a);
}

static void it_is_known_again_when_the_catalog_is_made_anew(void **state)
{
    const char *data = r->site[RIG_ZRH].data;

    (void)state;
    rig_settle(r, RIG_ZRH);
    rig_stop(r, RIG_ZRH);
    line(0, "", "rm %s/catalog.db && %s site rebuild --config %s && test -s %s/catalog.db", data,
         glarus, r->site[RIG_ZRH].file, data);
    rig_start(r, RIG_ZRH);
    publish(3, "published already", "one");
    attest(3, "published already", about("one", COMPARE_IDENTICAL));
    build("three", SOURCE);
    write_product("three", HERE, "--after one.dsse");
    sign("three", "anna");
    sign_more("three", "beat");
    publish(1, "does not follow the newest", "three");
    write_product("three", HERE, "--after two.dsse");
    sign("three", "anna");
    sign_more("three", "beat");
    publish(0, "published", "three");
}

/* The sites told at their starts what they run; glarusd becomes a product, and is built again. */
static void what_runs_is_held_against_the_releases(void **state)
{
    struct audit *a;

    (void)state;
    memcpy(r->trust->software, "hello", 6); /* of which glarusd is no file */
    r->trust->software_builders = 1;
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    assert_int_equal(audit_find(a, "site.software")->verdict, AUDIT_BROKEN);
    assert_non_null(strstr(audit_find(a, "site.software")->sentence,
                           "\"site\" runs a program that is in no release of \"hello\""));
    audit_free(a);
    line(0, "", "cp %s runs.bin", program);
    prove("runs", SOURCE);
    write_product("runs", HERE, "--after three.dsse");
    sign("runs", "anna");
    sign_more("runs", "beat");
    publish(0, "published", "runs");
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    assert_int_equal(audit_find(a, "site.software")->verdict, AUDIT_UNKNOWN);
    assert_non_null(strstr(audit_find(a, "site.software")->sentence, "where 1 are wanted"));
    audit_free(a);
    attest(0, "published", about("runs", COMPARE_IDENTICAL));
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    rig_proved(a, "site.software", 3, 0); /* two starts of zrh1, one of mow1 */
    audit_free(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_is_published_once_and_whole),
        cmocka_unit_test(what_is_another_than_it_says_is_refused),
        cmocka_unit_test(a_rebuild_is_about_a_product_of_this_ledger),
        cmocka_unit_test(what_was_compared_is_signed),
        cmocka_unit_test(auditors_count_the_builders_they_trust),
        cmocka_unit_test(it_is_known_again_when_the_catalog_is_made_anew),
        cmocka_unit_test(what_runs_is_held_against_the_releases),
    };

    rig_args(argc < 4 ? argc : 4, argv);
    program = realpath(argv[1], NULL);
    glarus = realpath(argv[4], NULL); /* lines run in the test's folder */
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
