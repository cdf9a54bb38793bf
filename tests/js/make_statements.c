/* make_statements.c FOLDER KEY: what a build of every kind of source and of packages with odd names
 * says of itself, as provenance.json, provenance.dsse, sbom.spdx.json and sbom.cdx.json in FOLDER;
 * FOLDER/artifact is the first output. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/provenance.h"
#include "base/io.h"
#include "crypto/sha256.h"
#include "people/dsse.h"

#define D "00000000000000000000000000000000000000000000000000000000000000d"
#define ARTIFACT "good day\n"

static const char recipe_text[] =
    "format: recipe/v1\nname: greet\nversion: \"1:2.0~rc1-1\"\n"
    "clock: \"2024-01-01T00:00:00Z\"\nsupport: {until: \"2030-12-31T23:59:59Z\"}\n"
    "sources:\n"
    "  - {tar: greet-2.0.tar.gz, sha256: \"" D "1\"}\n"
    "  - {debian: greet_2.0-1.dsc, sha256: \"" D "2\"}\n"
    "  - {git: ../greet.git, commit: \"00000000000000000000000000000000000000c1\"}\n"
    "  - {tree: ../greet, sha256: \"" D "3\"}\n"
    "  - {file: fix.patch, sha256: \"" D "4\"}\n"
    "toolchain: {packages: [gcc]}\nsteps: [[make]]\noutputs: [\"install/**\"]\n";
static const char lock_text[] =
    "format: lock/v1\nrecipe: \"" D "5\"\narchitecture: amd64\npackages:\n"
    "  - {file: \"g++-12_4%3a12.2.0-3_amd64.deb\", size: 1, sha256: \"" D "6\"}\n"
    "  - {file: \"libstdc++6_12.2.0-14+deb12u1_amd64.deb\", size: 2, sha256: \"" D "7\"}\n"
    "  - {file: \"tzdata_2024a~0+deb12u1_all.deb\", size: 3, sha256: \"" D "8\", "
    "until: \"2026-07-11T23:59:59Z\"}\n";

static int store(const char *folder, const char *name, const struct buf *b)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return io_replace_file(AT_FDCWD, path, b->data, b->len, 0644);
}

static int put(const char *folder, const char *name, const struct provenance *p,
               int (*write_it)(const struct provenance *p, struct buf *out))
{
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_PAYLOAD);
    if ((rc = write_it(p, &b)) == 0)
        rc = store(folder, name, &b);
    buf_free(&b);
    return rc;
}

static int sign(const char *folder, const char *key, const struct provenance *p, struct err *e)
{
    struct ed25519_key *k = NULL;
    struct buf statement, envelope;
    int rc;

    buf_init(&statement, DSSE_MAX_PAYLOAD);
    buf_init(&envelope, DSSE_MAX_BYTES);
    if ((rc = ed25519_load(&k, key, e)) == 0 && (rc = provenance_statement(p, &statement)) == 0 &&
        (rc = dsse_own_sign(PROVENANCE_TYPE, buf_span(&statement), k, &envelope)) == 0)
        rc = store(folder, "provenance.dsse", &envelope);
    ed25519_free(k);
    buf_free(&statement);
    buf_free(&envelope);
    return rc;
}

int main(int argc, char **argv)
{
    struct output made[] = {{.path = (char[]){"install/bin/greet"}, .size = sizeof(ARTIFACT) - 1},
                            {.path = (char[]){"install/share/gr\303\274\303\237 \"dich\"\\"}}};
    const struct outputs outputs = {.v = made, .n = ARRAY_LEN(made)};
    struct provenance p = {.outputs = &outputs,
                           .builder = "https://builder.example/1",
                           .began = 1704067200,
                           .ended = 1704067260,
                           .again = true,
                           .equal = true};
    struct recipe *r = NULL;
    struct err e = ERR_INIT;
    struct lock l;
    struct buf artifact;
    int rc;

    if (argc != 3)
        return 2;
    sha256_of(ARTIFACT, sizeof(ARTIFACT) - 1, &made[0].sha256);
    sha256_of("", 0, &made[1].sha256);
    buf_init(&artifact, 64);
    if ((rc = recipe_parse(&r, "recipe", span_str(recipe_text), &e)) == 0 &&
        (rc = lock_parse(&l, "lock", span_str(lock_text), &e)) == 0) {
        p.recipe = r;
        p.lock = &l;
        if ((rc = put(argv[1], "provenance.json", &p, provenance_statement)) == 0 &&
            (rc = put(argv[1], "sbom.spdx.json", &p, provenance_spdx)) == 0 &&
            (rc = put(argv[1], "sbom.cdx.json", &p, provenance_cyclonedx)) == 0 &&
            (rc = sign(argv[1], argv[2], &p, &e)) == 0 && (rc = buf_puts(&artifact, ARTIFACT)) == 0)
            rc = store(argv[1], "artifact", &artifact);
        lock_done(&l);
    }
    if (rc != 0)
        (void)fprintf(stderr, "%s (%d)\n", err_text(&e), rc);
    recipe_free(r);
    buf_free(&artifact);
    return rc == 0 ? 0 : 1;
}
