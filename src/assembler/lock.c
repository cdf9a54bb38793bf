#include "assembler/lock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/files.h"
#include "assembler/support.h"
#include "base/text.h"
#include "base/yaml.h"
#include "crypto/sha256.h"
#include "people/document.h"

static bool plain(const char *s, size_t n, const char *more)
{
    if (n == 0 || !isalnum((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && (s[i] == '\0' || strchr(more, s[i]) == NULL))
            return false;
    return true;
}

int lock_named(struct lock_package *p)
{
    const char *version = strchr(p->file, '_');
    const char *arch = version == NULL ? NULL : strchr(version + 1, '_');
    const char *end = arch == NULL ? NULL : strstr(arch, ".deb");
    size_t n = 0;

    if (end == NULL || end[4] != '\0' || !plain(p->file, (size_t)(version - p->file), "+.-") ||
        !plain(version + 1, (size_t)(arch - version - 1), "+.~-%") ||
        !plain(arch + 1, (size_t)(end - arch - 1), "-") ||
        (size_t)(version - p->file) >= sizeof(p->name) ||
        (size_t)(arch - version) > sizeof(p->version) ||
        (size_t)(end - arch) > sizeof(p->architecture))
        return -EINVAL;
    (void)snprintf(p->name, sizeof(p->name), "%.*s", (int)(version - p->file), p->file);
    (void)snprintf(p->architecture, sizeof(p->architecture), "%.*s", (int)(end - arch - 1),
                   arch + 1);
    for (version++; version < arch; version++) {
        bool colon = strncmp(version, "%3a", 3) == 0;

        if (*version == '%' && !colon)
            return -EINVAL;
        p->version[n++] = colon ? ':' : *version;
        version += colon ? 2 : 0;
    }
    p->version[n] = '\0';
    return 0;
}

static int package(const struct yaml_node *map, struct lock_package *p, struct err *e)
{
    const struct yaml_node *n;
    const char *file;
    int rc;

    if ((rc = yaml_need(map, "file", &n, e)) != 0 || (rc = yaml_text(n, &file, e)) != 0)
        return rc;
    if (strlen(file) >= sizeof(p->file))
        return yaml_err(e, n, "the file's name is too long");
    (void)snprintf(p->file, sizeof(p->file), "%s", file);
    if (lock_named(p) != 0)
        return yaml_err(e, n, "\"file\" must be a package's, NAME_VERSION_ARCHITECTURE.deb");
    if ((rc = yaml_need_u64(map, "size", 1, (uint64_t)1 << 40, &p->size, e)) != 0 ||
        (rc = yaml_need(map, "sha256", &n, e)) != 0 || (rc = yaml_digest(n, &p->sha256, e)) != 0 ||
        (rc = document_may_time(map, "until", SUPPORT_UNKNOWN, &p->until, e)) != 0)
        return rc;
    return yaml_map_done(map, e);
}

static int packages(const struct yaml_node *map, struct lock *l, struct err *e)
{
    const struct yaml_node *list, *item;
    int rc;

    if ((rc = document_list(map, "packages", 1, LOCK_MAX_PACKAGES, &list, e)) != 0)
        return rc;
    if ((l->packages = calloc(yaml_count(list), sizeof(*l->packages))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = document_item(list, i, &item, e)) != 0 ||
            (rc = package(item, &l->packages[i], e)) != 0)
            return rc;
        if (i > 0 && strcmp(l->packages[i - 1].file, l->packages[i].file) >= 0)
            return yaml_err(e, item, "packages stand in the order of their file names, each once");
        l->n = i + 1;
    }
    return 0;
}

static int fill(struct lock *l, const struct yaml_node *map, struct err *e)
{
    const struct yaml_node *n;
    const char *arch;
    int rc;

    if (yaml_type(map) != YAML_MAP_)
        return yaml_err(e, map, "a lock is a map");
    if ((rc = document_format(map, "lock/v1", e)) != 0 ||
        (rc = yaml_need(map, "recipe", &n, e)) != 0 || (rc = yaml_digest(n, &l->recipe, e)) != 0 ||
        (rc = yaml_need(map, "architecture", &n, e)) != 0 || (rc = yaml_text(n, &arch, e)) != 0)
        return rc;
    if (!plain(arch, strlen(arch), "-") || strlen(arch) >= sizeof(l->architecture))
        return yaml_err(e, n, "\"%s\" is no architecture", arch);
    (void)snprintf(l->architecture, sizeof(l->architecture), "%s", arch);
    if ((rc = packages(map, l, e)) != 0)
        return rc;
    return yaml_map_done(map, e);
}

int lock_parse(struct lock *out, const char *name, struct span text, struct err *e)
{
    struct yaml_doc *doc = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    sha256_of(text.p, text.n, &out->digest);
    if ((rc = yaml_parse(&doc, name, text, e)) == 0)
        rc = fill(out, yaml_root(doc), e);
    yaml_doc_free(doc);
    return rc;
}

int lock_write(const struct lock *l, struct buf *out)
{
    char hex[65], until[CLOCK_SECOND_LEN + 1];
    int rc;

    text_digest(hex, &l->recipe);
    rc = buf_printf(out, "format: lock/v1\nrecipe: %s\narchitecture: %s\npackages:\n", hex,
                    l->architecture);
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const struct lock_package *p = &l->packages[i];

        text_digest(hex, &p->sha256);
        rc = buf_printf(out, "  - file: \"%s\"\n    size: %llu\n    sha256: %s\n", p->file,
                        (unsigned long long)p->size, hex);
        if (rc == 0 && p->until != SUPPORT_UNKNOWN) {
            clock_second(until, p->until);
            rc = buf_printf(out, "    until: \"%s\"\n", until);
        }
    }
    return rc;
}

int lock_check(const struct lock *l, const char *folder, struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct lock_package *p = &l->packages[i];
        struct digest d;
        uint64_t size;
        char path[4096];
        int rc;

        files_path(path, sizeof(path), "%s/%s", folder, p->file);
        if ((rc = files_digest(path, &d, &size, e)) != 0)
            return rc;
        if (size != p->size || !digest_eq(&d, &p->sha256))
            return err_set(e, -EBADMSG,
                           "\"%s\" is not the package of the lock (its SHA-256 differs): it was "
                           "changed since; lock again, or take the right one from a backup",
                           path);
    }
    return 0;
}

void lock_done(struct lock *l)
{
    free(l->packages);
    memset(l, 0, sizeof(*l));
}
