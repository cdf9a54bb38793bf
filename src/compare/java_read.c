/* java_read.c - the tables of a class file, within its bounds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/java_priv.h"

#define HEAD 10u

uint64_t java_get(const struct java *f, uint64_t at, unsigned n)
{
    uint64_t v = 0;

    if (at > f->all.n || n > f->all.n - at)
        return 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | f->all.p[at + i];
    return v;
}

struct span java_utf8(const struct java *f, unsigned index)
{
    if (index >= f->constants || f->constant[index].tag != JAVA_UTF8)
        return span_of("", 0);
    return span_of(f->all.p + f->constant[index].at.at + 3, (size_t)f->constant[index].at.n - 3);
}

/* --- the pool --- */

static uint64_t constant_size(const struct java *f, uint64_t at)
{
    switch ((enum java_tag)java_get(f, at, 1)) {
    case JAVA_UTF8:
        return 3 + java_get(f, at + 1, 2);
    case JAVA_CLASS:
    case JAVA_STRING:
    case JAVA_METHOD_TYPE:
    case JAVA_MODULE:
    case JAVA_PACKAGE:
        return 3;
    case JAVA_METHOD_HANDLE:
        return 4;
    case JAVA_INTEGER:
    case JAVA_FLOAT:
    case JAVA_FIELD:
    case JAVA_METHOD:
    case JAVA_INTERFACE_METHOD:
    case JAVA_NAME_AND_TYPE:
    case JAVA_DYNAMIC:
    case JAVA_INVOKE_DYNAMIC:
        return 5;
    case JAVA_LONG:
    case JAVA_DOUBLE:
        return 9;
    default:
        return 0;
    }
}

static bool is_tag(const struct java *f, uint64_t at, enum java_tag tag)
{
    const uint64_t i = java_get(f, at, 2);

    return i < f->constants && f->constant[i].tag == tag;
}

static bool is_member(const struct java *f, uint64_t at)
{
    return is_tag(f, at, JAVA_FIELD) || is_tag(f, at, JAVA_METHOD) ||
           is_tag(f, at, JAVA_INTERFACE_METHOD);
}

/* What it refers to is of the sort that belongs there. */
static bool refers_rightly(const struct java *f, const struct java_constant *c)
{
    const uint64_t at = c->at.at;

    switch ((enum java_tag)c->tag) {
    case JAVA_CLASS:
    case JAVA_STRING:
    case JAVA_METHOD_TYPE:
    case JAVA_MODULE:
    case JAVA_PACKAGE:
        return is_tag(f, at + 1, JAVA_UTF8);
    case JAVA_NAME_AND_TYPE:
        return is_tag(f, at + 1, JAVA_UTF8) && is_tag(f, at + 3, JAVA_UTF8);
    case JAVA_FIELD:
    case JAVA_METHOD:
    case JAVA_INTERFACE_METHOD:
        return is_tag(f, at + 1, JAVA_CLASS) && is_tag(f, at + 3, JAVA_NAME_AND_TYPE);
    case JAVA_DYNAMIC:
    case JAVA_INVOKE_DYNAMIC:
        return is_tag(f, at + 3, JAVA_NAME_AND_TYPE);
    case JAVA_METHOD_HANDLE:
        return is_member(f, at + 2);
    default:
        return true;
    }
}

static const char *read_pool(struct java *f, int *rc)
{
    uint64_t at = HEAD;

    f->constants = (size_t)java_get(f, 8, 2);
    if (f->constants == 0)
        return "it has no constants";
    if ((f->constant = calloc(f->constants, sizeof(*f->constant))) == NULL) {
        *rc = -ENOMEM;
        return "no memory";
    }
    for (size_t i = 1; i < f->constants; i++) {
        const uint64_t n = constant_size(f, at);

        if (n == 0)
            return "a constant is of no known sort";
        if (n > f->all.n - at)
            return "its constants go beyond its end";
        f->constant[i] =
            (struct java_constant){.tag = (uint8_t)java_get(f, at, 1), .at = {at, n}, .peer = -1};
        at += n;
        if (f->constant[i].tag == JAVA_LONG || f->constant[i].tag == JAVA_DOUBLE)
            if (++i == f->constants)
                return "its last constant has no second number";
    }
    for (size_t i = 1; i < f->constants; i++)
        if (!refers_rightly(f, &f->constant[i]))
            return "a constant refers to what does not belong there";
    f->body = at;
    return NULL;
}

/* --- fields, methods, attributes --- */

/* Over the attributes whose count lies at *at; false: they do not end in the file. */
static bool skip_attributes(const struct java *f, uint64_t *at)
{
    uint64_t n = java_get(f, *at, 2);

    if (f->all.n - *at < 2)
        return false;
    for (*at += 2; n > 0; n--) {
        const uint64_t size = java_get(f, *at + 2, 4);

        if (f->all.n - *at < 6 || size > f->all.n - *at - 6 || !is_tag(f, *at, JAVA_UTF8))
            return false;
        *at += 6 + size;
    }
    return true;
}

static bool read_members(struct java *f, uint64_t *at, struct java_member **out, size_t *n, int *rc)
{
    *n = 0;
    if (f->all.n - *at < 2)
        return false;
    if ((*out = calloc((size_t)java_get(f, *at, 2) + 1, sizeof(**out))) == NULL) {
        *rc = -ENOMEM;
        return false;
    }
    for (uint64_t left = java_get(f, *at, 2), next = *at + 2; left > 0; left--) {
        struct java_member *m = &(*out)[*n];

        *at = next;
        if (f->all.n - *at < 8 || !is_tag(f, *at + 2, JAVA_UTF8) || !is_tag(f, *at + 4, JAVA_UTF8))
            return false;
        next += 6;
        if (!skip_attributes(f, &next))
            return false;
        *m = (struct java_member){{*at, next - *at},
                                  (unsigned)java_get(f, *at + 2, 2),
                                  (unsigned)java_get(f, *at + 4, 2)};
        ++*n;
    }
    *at = *n > 0 ? (*out)[*n - 1].at.at + (*out)[*n - 1].at.n : *at + 2;
    return true;
}

const char *java_read(struct java *f, struct span all, int *rc)
{
    const char *why;
    uint64_t at;

    *f = (struct java){.all = all};
    *rc = 0;
    if (all.n < HEAD)
        return "it ends in its header";
    if ((why = read_pool(f, rc)) != NULL)
        return why;
    if (all.n - f->body < 8)
        return "it ends behind its constants";
    f->fields = at = f->body + 8 + 2 * java_get(f, f->body + 6, 2);
    if (at > all.n)
        return "its interfaces go beyond its end";
    if (!read_members(f, &at, &f->field, &f->n_fields, rc))
        return *rc != 0 ? "no memory" : "its fields are malformed";
    f->methods = at;
    if (!read_members(f, &at, &f->method, &f->n_methods, rc))
        return *rc != 0 ? "no memory" : "its methods are malformed";
    f->classes = at;
    if (!skip_attributes(f, &at))
        return "its attributes are malformed";
    f->end = at;
    return NULL;
}

void java_done(struct java *f)
{
    free(f->constant);
    free(f->field);
    free(f->method);
    *f = (struct java){.all = f->all};
}
