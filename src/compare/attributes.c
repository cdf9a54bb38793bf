/* attributes.c - extended attributes of what both trees have: capabilities, access lists, what
 * users put there.  xattr(7). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "compare/run_priv.h"

#define LIST_MAX 65536u /* the kernel's own limits: linux/limits.h */
#define VALUE_MAX 65536u

struct values {
    char *list; /* names, each with its NUL */
    size_t n;
    uint8_t *value; /* room for one */
};

/* What machines put there for themselves: labels of their policies, overlays' notes. */
static bool of_the_machine(const char *name)
{
    static const char *const theirs[] = {
        "security.selinux", "security.SMACK64", "security.apparmor", "security.ima",
        "security.evm",     "trusted.overlay.", "user.overlay."};

    for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
        if (strncmp(name, theirs[i], strlen(theirs[i])) == 0)
            return true;
    return false;
}

/* Most files have none, which one call tells. */
static int names_of(int fd, struct values *v)
{
    ssize_t n = flistxattr(fd, NULL, 0);

    *v = (struct values){NULL, 0, NULL};
    if (n <= 0)
        return n == 0 || errno == ENOTSUP ? 0 : -errno;
    if ((v->list = malloc(LIST_MAX)) == NULL || (v->value = malloc(VALUE_MAX)) == NULL)
        return -ENOMEM;
    if ((n = flistxattr(fd, v->list, LIST_MAX)) < 0)
        return -errno;
    v->n = (size_t)n;
    return 0;
}

static void values_free(struct values *v)
{
    free(v->list);
    free(v->value);
}

static bool has(const struct values *v, const char *name)
{
    for (size_t at = 0; at < v->n; at += strlen(v->list + at) + 1)
        if (strcmp(v->list + at, name) == 0)
            return true;
    return false;
}

static int only(struct running *r, struct compare_node *n, int side, const char *attribute,
                const char *name)
{
    char what[LOOK_WHAT];

    (void)snprintf(what, sizeof(what), "the attribute \"%.80s\" of \"%.160s\" is only in %c",
                   attribute, name, "AB"[side]);
    return run_note(r, n, COMPARE_UNEXPLAINED, what);
}

static int both(struct running *r, struct compare_node *n, const int fd[2], struct values v[2],
                const char *attribute, const char *name)
{
    char what[LOOK_WHAT];
    ssize_t len[2];

    for (int side = 0; side < 2; side++)
        if ((len[side] = fgetxattr(fd[side], attribute, v[side].value, VALUE_MAX)) < 0)
            return err_sys(r->e, -errno, "the attribute \"%.80s\" of \"%.160s\"", attribute, name);
    if (len[0] == len[1] && memcmp(v[0].value, v[1].value, (size_t)len[0]) == 0)
        return 0;
    (void)snprintf(what, sizeof(what),
                   "the attribute \"%.80s\" of \"%.160s\" differs, in %zd and %zd bytes", attribute,
                   name, len[0], len[1]);
    return run_note(r, n, COMPARE_UNEXPLAINED, what);
}

int attributes_compare(struct running *r, struct compare_node *n, const int fd[2], const char *name)
{
    struct values v[2] = {{NULL, 0, NULL}, {NULL, 0, NULL}};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((rc = names_of(fd[side], &v[side])) != 0)
            (void)err_sys(r->e, rc, "the attributes of \"%.160s\"", name);
    for (int side = 0; side < 2 && rc == 0; side++)
        for (size_t at = 0; at < v[side].n && rc == 0; at += strlen(v[side].list + at) + 1) {
            const char *a = v[side].list + at;

            if (of_the_machine(a))
                continue;
            if (!has(&v[1 - side], a))
                rc = only(r, n, side, a, name);
            else if (side == 0)
                rc = both(r, n, fd, v, a, name);
        }
    values_free(&v[0]);
    values_free(&v[1]);
    return rc;
}
