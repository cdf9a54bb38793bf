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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_says_what_the_page_says),
    };

    rig_args(argc < 4 ? argc : 4, argv);
    glarus = realpath(argv[4], NULL);
    runner = realpath(argv[5], NULL);
    page = realpath(argv[6], NULL);
    assert_int_equal(io_mkdirs(AT_FDCWD, argv[7]), 0);
    packages = realpath(argv[7], NULL);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
