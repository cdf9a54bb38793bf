#include "assembler/provenance.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

#define BUILD_TYPE "urn:x-assemble:recipe:v1"

/* "KEY": "text" as JSON, with what stands before it. */
static int pair(struct buf *b, const char *before, const char *key, const char *text)
{
    int rc = buf_printf(b, "%s\"%s\":", before, key);

    return rc != 0 ? rc : text_json_string(b, span_str(text));
}

static int digest(struct buf *b, const char *before, const struct digest *d)
{
    char hex[65];

    text_digest(hex, d);
    return buf_printf(b, "%s\"digest\":{\"sha256\":\"%s\"}", before, hex);
}

/* pkg:deb/debian/NAME@VERSION?arch=ARCH, as a JSON string. */
static int purl(struct buf *b, const struct lock_package *p)
{
    const char *part[] = {p->name, "@", p->version, "?arch=", p->architecture};
    int rc = buf_puts(b, "\"pkg:deb/debian/");

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(part); i++)
        for (const char *c = part[i]; rc == 0 && *c != '\0'; c++)
            rc = i % 2 == 1 || isalnum((unsigned char)*c) || strchr(".-_~", *c) != NULL
                     ? buf_putc(b, *c)
                     : buf_printf(b, "%%%02X", (unsigned)(unsigned char)*c);
    return rc != 0 ? rc : buf_putc(b, '"');
}

static int when(struct buf *b, const char *before, const char *key, unix_time t)
{
    char text[CLOCK_SECOND_LEN + 1];

    clock_second(text, t);
    return buf_printf(b, "%s\"%s\":\"%s\"", before, key, text);
}

static int source(struct buf *b, const struct recipe_source *s)
{
    static const char *const words[] = {"tar", "debian", "git", "tree", "file"};
    int rc = pair(b, ",{", "name", s->where);

    if (rc == 0 && s->kind == SOURCE_GIT)
        rc = buf_printf(b, ",\"digest\":{\"gitCommit\":\"%s\"}", s->commit);
    else if (rc == 0)
        rc = digest(b, ",", &s->sha256);
    return rc != 0 ? rc : buf_printf(b, ",\"annotations\":{\"source\":\"%s\"}}", words[s->kind]);
}

/* Recipe, lock, sources, packages: all that went in. */
static int dependencies(const struct provenance *p, struct buf *b)
{
    int rc;

    if ((rc = digest(b, "\"resolvedDependencies\":[{\"name\":\"recipe\",", &p->recipe->digest)) !=
            0 ||
        (rc = digest(b, "},{\"name\":\"lock\",", &p->lock->digest)) != 0 ||
        (rc = buf_putc(b, '}')) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < p->recipe->nsources; i++)
        rc = source(b, &p->recipe->sources[i]);
    for (size_t i = 0; rc == 0 && i < p->lock->n; i++)
        if ((rc = pair(b, ",{", "name", p->lock->packages[i].file)) == 0 &&
            (rc = buf_puts(b, ",\"uri\":")) == 0 && (rc = purl(b, &p->lock->packages[i])) == 0 &&
            (rc = digest(b, ",", &p->lock->packages[i].sha256)) == 0)
            rc = buf_putc(b, '}');
    return rc != 0 ? rc : buf_putc(b, ']');
}

int provenance_statement(const struct provenance *p, struct buf *out)
{
    int rc = buf_puts(out, "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[");

    for (size_t i = 0; rc == 0 && i < p->outputs->n; i++)
        if ((rc = pair(out, i == 0 ? "{" : ",{", "name", p->outputs->v[i].path)) == 0 &&
            (rc = digest(out, ",", &p->outputs->v[i].sha256)) == 0)
            rc = buf_putc(out, '}');
    if (rc == 0)
        rc = buf_puts(out, "],\"predicateType\":\"https://slsa.dev/provenance/v1\",\"predicate\":{"
                           "\"buildDefinition\":{\"buildType\":\"" BUILD_TYPE
                           "\",\"externalParameters\":{");
    if (rc == 0 && (rc = pair(out, "", "name", p->recipe->name)) == 0 &&
        (rc = pair(out, ",", "version", p->recipe->version)) == 0 &&
        (rc = digest(out, ",\"recipe\":{", &p->recipe->digest)) == 0 &&
        (rc = pair(out, "}},\"internalParameters\":{", "path", p->recipe->path)) == 0 &&
        (rc = pair(out, ",", "folder", p->recipe->folder)) == 0 &&
        (rc = pair(out, ",", "architecture", p->lock->architecture)) == 0 &&
        (rc = buf_printf(out, ",\"cores\":%u},", p->recipe->cores)) == 0 &&
        (rc = dependencies(p, out)) == 0 &&
        (rc = pair(out, "},\"runDetails\":{\"builder\":{", "id", p->builder)) == 0 &&
        (rc = when(out, "},\"metadata\":{", "startedOn", p->began)) == 0)
        rc = when(out, ",", "finishedOn", p->ended);
    if (rc == 0 && p->again)
        rc = buf_printf(out,
                        "},\"byproducts\":[{\"name\":\"second build, varied\",\"annotations\":{"
                        "\"equal\":%s}}]}}}\n",
                        p->equal ? "true" : "false");
    else if (rc == 0)
        rc = buf_puts(out, "}}}}\n");
    return rc;
}

/* The digest of what went in and came out: no two bills of material share it. */
static void identity(const struct provenance *p, char hex[65])
{
    struct digest d = p->lock->digest;

    for (size_t i = 0; i < p->outputs->n; i++) {
        struct span part[2] = {span_of(d.b, sizeof(d.b)),
                               span_of(p->outputs->v[i].sha256.b, sizeof(d.b))};

        sha256_ofv(part, 2, &d);
    }
    text_digest(hex, &d);
}

static unix_time moment(const struct provenance *p)
{
    return p->recipe->clock >= 0 ? p->recipe->clock : p->ended;
}

/* SPDX has a member for the end of support; CycloneDX 1.5 a property of its taxonomy
 * (cdx:lifecycle:milestone). */
static int spdx_until(struct buf *b, unix_time until)
{
    return until < 0 ? 0 : when(b, ",", "validUntilDate", until);
}

static int cyclonedx_until(struct buf *b, const char *milestone, unix_time until)
{
    char text[CLOCK_SECOND_LEN + 1];

    if (until < 0)
        return 0;
    clock_second(text, until);
    return buf_printf(
        b, ",\"properties\":[{\"name\":\"cdx:lifecycle:milestone:%s\",\"value\":\"%s\"}]",
        milestone, text);
}

/* One SPDX package; sha256 may be NULL. */
static int spdx_package(struct buf *b, char kind, size_t i, const char *name, const char *version,
                        const struct digest *sha256)
{
    char hex[65];
    int rc = buf_printf(b, ",{\"SPDXID\":\"SPDXRef-%c%zu\"", kind, i);

    if (rc == 0)
        rc = pair(b, ",", "name", name);
    if (rc == 0 && version != NULL)
        rc = pair(b, ",", "versionInfo", version);
    if (rc == 0)
        rc = buf_puts(b, ",\"downloadLocation\":\"NOASSERTION\",\"filesAnalyzed\":false");
    if (rc == 0 && sha256 != NULL) {
        text_digest(hex, sha256);
        rc = buf_printf(b, ",\"checksums\":[{\"algorithm\":\"SHA256\",\"checksumValue\":\"%s\"}]",
                        hex);
    }
    return rc;
}

static int spdx_packages(const struct provenance *p, struct buf *b)
{
    const struct recipe *r = p->recipe;
    int rc = pair(b, "\"packages\":[{\"SPDXID\":\"SPDXRef-Product\",", "name", r->name);

    if (rc == 0 && (rc = pair(b, ",", "versionInfo", r->version)) == 0 &&
        (rc = spdx_until(b, r->until)) == 0)
        rc = buf_puts(b, ",\"downloadLocation\":\"NOASSERTION\",\"filesAnalyzed\":false}");
    for (size_t i = 0; rc == 0 && i < p->outputs->n; i++)
        if ((rc = spdx_package(b, 'O', i, p->outputs->v[i].path, NULL, &p->outputs->v[i].sha256)) ==
                0 &&
            (rc = pair(b, ",", "packageFileName", p->outputs->v[i].path)) == 0)
            rc = buf_putc(b, '}');
    for (size_t i = 0; rc == 0 && i < r->nsources; i++) {
        const struct recipe_source *s = &r->sources[i];

        if ((rc = spdx_package(b, 'S', i, s->where, s->kind == SOURCE_GIT ? s->commit : NULL,
                               s->kind == SOURCE_GIT ? NULL : &s->sha256)) == 0)
            rc = buf_puts(b, ",\"primaryPackagePurpose\":\"SOURCE\"}");
    }
    for (size_t i = 0; rc == 0 && i < p->lock->n; i++) {
        const struct lock_package *l = &p->lock->packages[i];

        if ((rc = spdx_package(b, 'T', i, l->name, l->version, &l->sha256)) == 0 &&
            (rc = spdx_until(b, l->until)) == 0 &&
            (rc = buf_puts(b, ",\"externalRefs\":[{\"referenceCategory\":\"PACKAGE-MANAGER\","
                              "\"referenceType\":\"purl\",\"referenceLocator\":")) == 0 &&
            (rc = purl(b, l)) == 0)
            rc = buf_puts(b, "}]}");
    }
    return rc != 0 ? rc : buf_puts(b, "],");
}

static int relation(struct buf *b, const char *from, const char *type, char kind, size_t n)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = buf_printf(b,
                        ",{\"spdxElementId\":\"%s\",\"relationshipType\":\"%s\","
                        "\"relatedSpdxElement\":\"SPDXRef-%c%zu\"}",
                        from, type, kind, i);
    return rc;
}

int provenance_spdx(const struct provenance *p, struct buf *out)
{
    static const char product[] = "SPDXRef-Product";
    char hex[65];
    int rc;

    identity(p, hex);
    if ((rc = pair(out,
                   "{\"spdxVersion\":\"SPDX-2.3\",\"dataLicense\":\"CC0-1.0\","
                   "\"SPDXID\":\"SPDXRef-DOCUMENT\",",
                   "name", p->recipe->folder)) != 0 ||
        (rc = buf_printf(out, ",\"documentNamespace\":\"urn:x-sbom:sha256:%s\",", hex)) != 0 ||
        (rc = when(out, "\"creationInfo\":{", "created", moment(p))) != 0 ||
        (rc = buf_puts(out, ",\"creators\":[\"Tool: assemble\"]},")) != 0 ||
        (rc = spdx_packages(p, out)) != 0 ||
        (rc = buf_printf(out,
                         "\"relationships\":[{\"spdxElementId\":\"SPDXRef-DOCUMENT\","
                         "\"relationshipType\":\"DESCRIBES\",\"relatedSpdxElement\":\"%s\"}",
                         product)) != 0 ||
        (rc = relation(out, product, "CONTAINS", 'O', p->outputs->n)) != 0 ||
        (rc = relation(out, product, "GENERATED_FROM", 'S', p->recipe->nsources)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < p->lock->n; i++)
        rc = buf_printf(
            out,
            ",{\"spdxElementId\":\"SPDXRef-T%zu\",\"relationshipType\":\"BUILD_TOOL_OF\","
            "\"relatedSpdxElement\":\"%s\"}",
            i, product);
    return rc != 0 ? rc : buf_puts(out, "]}\n");
}

static int hashes(struct buf *b, const struct digest *d)
{
    char hex[65];

    text_digest(hex, d);
    return buf_printf(b, ",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":\"%s\"}]}", hex);
}

static int cyclonedx_components(const struct provenance *p, struct buf *b)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->outputs->n; i++)
        if ((rc = buf_printf(b, "%s{\"type\":\"file\",\"bom-ref\":\"O%zu\"", i == 0 ? "" : ",",
                             i)) == 0 &&
            (rc = pair(b, ",", "name", p->outputs->v[i].path)) == 0)
            rc = hashes(b, &p->outputs->v[i].sha256);
    for (size_t i = 0; rc == 0 && i < p->lock->n; i++) {
        const struct lock_package *l = &p->lock->packages[i];

        if ((rc = buf_printf(b, ",{\"type\":\"library\",\"bom-ref\":\"T%zu\"", i)) == 0 &&
            (rc = pair(b, ",", "name", l->name)) == 0 &&
            (rc = pair(b, ",", "version", l->version)) == 0 &&
            (rc = buf_puts(b, ",\"scope\":\"excluded\",\"purl\":")) == 0 &&
            (rc = purl(b, l)) == 0 &&
            (rc = cyclonedx_until(b, "endOfGuaranteedSupport", l->until)) == 0)
            rc = hashes(b, &l->sha256);
    }
    return rc;
}

int provenance_cyclonedx(const struct provenance *p, struct buf *out)
{
    int rc;

    if ((rc = buf_puts(
             out, "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"version\":1,")) != 0 ||
        (rc = when(out, "\"metadata\":{", "timestamp", moment(p))) != 0 ||
        (rc = pair(out, ",\"component\":{\"type\":\"application\",\"bom-ref\":\"product\",", "name",
                   p->recipe->name)) != 0 ||
        (rc = pair(out, ",", "version", p->recipe->version)) != 0 ||
        (rc = cyclonedx_until(out, "endOfSupport", p->recipe->until)) != 0 ||
        (rc = buf_puts(out, "}},\"components\":[")) != 0 ||
        (rc = cyclonedx_components(p, out)) != 0 ||
        (rc = buf_puts(out, "],\"dependencies\":[{\"ref\":\"product\",\"dependsOn\":[")) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < p->outputs->n; i++)
        rc = buf_printf(out, "%s\"O%zu\"", i == 0 ? "" : ",", i);
    return rc != 0 ? rc : buf_puts(out, "]}]}\n");
}
