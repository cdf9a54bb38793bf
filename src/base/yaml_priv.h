/* yaml_priv.h - the tree between yaml.c, which builds it from libyaml's events, and yaml_read.c,
 * which answers what it says. */
#ifndef BASE_YAML_PRIV_H
#define BASE_YAML_PRIV_H

#include <stdarg.h>

#include "base/yaml.h"

#define KNOWN_MAX 32 /* names listed when a key is unknown */

struct entry {
    char *key; /* NULL in lists */
    int line, column;
    bool asked;
    struct yaml_node *value;
};

/* The names a reader asked a map for, there or not. */
struct known {
    size_t n;
    char *name[KNOWN_MAX];
};

struct yaml_node {
    const struct yaml_doc *doc;
    enum yaml_type type;
    int line, column;
    bool quoted;
    char *text; /* of a text */
    struct entry *entry;
    size_t n, cap;
    size_t *sorted;      /* of a map: entries in the order of their keys */
    struct known *known; /* of a map, made when first asked */
};

struct yaml_doc {
    char *name;
    struct yaml_node *root;
};

/* "NAME:LINE:COLUMN: " and the sentence; returns code. */
int yaml_say(struct err *e, int code, const char *name, int line, int column, const char *fmt,
             va_list ap) __attribute__((format(printf, 6, 0)));
/* For "%.*s": at most 60 bytes of s, cut between characters. */
int yaml_shown(const char *s);

#endif
