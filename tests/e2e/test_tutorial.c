/* A tutorial, run at sites that were founded for it: what `make run` leaves in var/ is there by the
 * same names, as far as the page uses it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "rig_client.h"
#include "rig_priv.h"

static struct rig *r;
static const char *glarus, *runner, *page, *packages;

static const char *at(const char *name)
{
    static char path[8][192];
    static unsigned n;
    char *p = path[n++ % 8];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", r->dir, name);
    return p;
}

static void linked(const char *to, const char *name)
{
    assert_int_equal(symlink(to, at(name)), 0);
}

/* "glarus" for the page's lines: roots of builds are kept in this folder, too. */
static void write_glarus(void)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "#!/bin/sh\ncase \"$1 $2\" in\n"
                   "\"assemble build\" | \"assemble rebuild\") exec %s \"$@\" --work %s/roots ;;\n"
                   "*) exec %s \"$@\" ;;\nesac\n",
                   glarus, r->dir, glarus);
    assert_int_equal(io_replace_file(AT_FDCWD, at("bin/glarus"), text, strlen(text), 0755), 0);
}

/* The register as it was published. */
static void link_register(void)
{
    char path[256], hex[65];

    text_digest(hex, &r->register_doc);
    (void)snprintf(path, sizeof(path), "%s/ledger/artifact/sha256/%s", r->site[RIG_ZRH].data, hex);
    assert_int_equal(io_mkdirs(AT_FDCWD, at("var/documents")), 0);
    linked(path, "var/documents/register.yaml.dsse");
}

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 2};

    (void)state;
    r = rig_open(&plan);
    assert_int_equal(io_mkdirs(AT_FDCWD, at("bin")), 0);
    assert_int_equal(io_mkdirs(AT_FDCWD, at("var/people")), 0);
    assert_int_equal(io_mkdirs(AT_FDCWD, at("work")), 0);
    linked(r->site[RIG_ZRH].file, "var/zrh1.yaml");
    linked(r->site[RIG_ZRH].data, "var/zrh1");
    linked(r->site[RIG_MOW].data, "var/mow1");
    linked("../trust.yaml", "var/trust.yaml");
    linked("../var", "work/var");
    linked(packages, "work/kept");
    assert_int_equal(ed25519_store(r->person[0], at("var/people/person-3.pem"), NULL), 0);
    assert_int_equal(ed25519_store(r->person[1], at("var/people/person-4.pem"), NULL), 0);
    link_register();
    write_glarus();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    return 0;
}

static void every_line_says_what_the_page_says(void **state)
{
    char text[1024], said[4096];
    FILE *f;
    size_t n;

    (void)state;
    (void)snprintf(text, sizeof(text),
                   "exec 2>&1; cd %s/work && PATH=%s/bin:$PATH python3 %s %s %s", r->dir, r->dir,
                   runner, page, getenv("TELL") != NULL ? "tell" : "");
    assert_non_null(f = popen(text, "r"));
    while ((n = fread(said, 1, sizeof(said), f)) > 0)
        (void)fwrite(said, 1, n, stdout);
    assert_int_equal(pclose(f), 0);
}

/* A line of the shell where the page's were run: its exit code, and what it says. */
static void line(int code, const char *says, const char *text)
{
    char all[1400], out[4096];
    size_t n;
    FILE *f;
    int status;

    (void)snprintf(all, sizeof(all), "cd %s/work && PATH=%s/bin:$PATH && { %s; } 2>&1", r->dir,
                   r->dir, text);
    assert_non_null(f = popen(all, "r"));
    n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = '\0';
    status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code || strstr(out, says) == NULL)
        fail_msg("\"%s\": exit %d, wanted %d and \"%s\": %s", text,
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1, code, says, out);
}

#define TAR                                                                                        \
    "LC_ALL=C tar --format=ustar --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner "   \
    "--mode=0644 -b1 "
#define AGAIN "--key olga.pem --out none --quiet "

/* With what the page left: proofs, registers and repositories that are not what is asked for. */
static void what_is_asked_for_must_be_there(void **state)
{
    (void)state;
    line(1, "has no proof that its product stands in a ledger",
         "glarus assemble rebuild --bundle greet-1.1.bundle --trust mine.yaml " AGAIN);
    line(2, "has no proof that its product stands in a ledger",
         "glarus repository add-product updates greet-1.1.bundle --trust mine.yaml");
    line(0, "",
         "mkdir swap && tar -xf greet-1.1.bundle -C swap && tar -xf greet-1.0.bundle -C swap "
         "product.proof && tar -tf greet-1.0.bundle | sed 's/greet-1.0.tar/greet-1.1.tar/' >names "
         "&& "
         "cd swap && " TAR "-cf ../swapped.bundle -T ../names");
    line(1, "the proof is of another product",
         "glarus assemble rebuild --bundle swapped.bundle " AGAIN);
    /* the bundle of 1.0 under another log's trust */
    line(1, "is not signed by a log of the policy",
         "sed /zrh1/d mine.yaml >other.yaml; glarus assemble rebuild "
         "--bundle greet-1.0.bundle --trust other.yaml " AGAIN);
    /* a register that asks for more, and one that is not the roots' */
    line(
        1, "must sign, 2 count",
        "grep -ao '\"payload\":\"[^\"]*' var/documents/register.yaml.dsse | cut -d'\"' -f4 | "
        "base64 "
        "-d | sed 's/product: *{role: supervisor, persons: 2}/product: {role: supervisor, persons: "
        "3}/' >more.yaml; glarus assemble rebuild --bundle greet-1.0.bundle --register "
        "more.yaml " AGAIN);
    line(2, "is not signed",
         "glarus assemble rebuild --bundle greet-1.0.bundle --trust mine.yaml "
         "--register more.yaml " AGAIN);
    line(3, "greet_9.bundle",
         "glarus assemble rebuild greet --version 9 --from updates --dir pavel-trusts " AGAIN);
    line(0, "", "test ! -e none");
}

/* The repository is plain files: any web server serves it. */
static void it_comes_over_http_too(void **state)
{
    (void)state;
    line(0, "install/usr/bin/greet: identical",
         "python3 -u -m http.server --bind 127.0.0.1 --directory updates 0 >port.txt 2>&1 "
         "</dev/null & "
         "pid=$!; until grep -q 'port [0-9]' port.txt; do sleep 0.1; done; "
         "glarus assemble rebuild greet --version 1.0 --key olga.pem --out web --quiet --once "
         "--from http://127.0.0.1:$(sed -n 's/.* port \\([0-9]*\\) .*/\\1/p' port.txt) "
         "--root updates/metadata/1.root.json --dir web-trusts; code=$?; kill $pid; exit $code");
}

/* The trust file can say which root the repository begins with. */
static void the_first_root_is_who_the_trust_file_says(void **state)
{
    (void)state;
    line(
        0, "",
        "for h in $(sha256sum <updates/metadata/1.root.json | cut -c1-64) $(echo | sha256sum | cut "
        "-c1-64); do (cat mine.yaml; echo \"updates_root: \\\"$h\\\"\") >root-$((n += 1)).yaml; "
        "done");
    line(0, "cosigned by the quorum",
         "glarus assemble rebuild greet --version 1.0 --from updates --dir rooted --trust "
         "root-1.yaml "
         "--key olga.pem --out rooted-out --quiet --once");
    line(1, "the first root is another than the one the trust file names",
         "glarus assemble rebuild greet --version 1.0 --from updates --dir other --trust "
         "root-2.yaml "
         "--key olga.pem --out none --quiet --once");
    line(2, "root",
         "glarus assemble rebuild greet --version 1.0 --from updates --dir third --trust mine.yaml "
         "--key olga.pem --out none --quiet --once");
    line(0, "", "test ! -e none");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_says_what_the_page_says),
        cmocka_unit_test(what_is_asked_for_must_be_there),
        cmocka_unit_test(it_comes_over_http_too),
        cmocka_unit_test(the_first_root_is_who_the_trust_file_says),
    };

    if (access("/usr/bin/bwrap", X_OK) != 0) {
        puts("bubblewrap is not installed");
        return 77;
    }
    rig_args(argc < 4 ? argc : 4, argv);
    glarus = realpath(argv[4], NULL);
    runner = realpath(argv[5], NULL);
    page = realpath(argv[6], NULL);
    assert_int_equal(io_mkdirs(AT_FDCWD, argv[7]), 0);
    packages = realpath(argv[7], NULL);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
