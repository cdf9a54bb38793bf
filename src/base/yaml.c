/* yaml.c - libyaml's events become a tree of our own, and everything the header refuses is refused
 * at the event that shows it, so hostile input costs no more than it had cost until there.  The
 * text is looked over before libyaml sees it: its own reader tells no line for bad characters. */
#include "base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/io.h"
#include "base/text.h"
#include "base/yaml_priv.h"

#define INPUT_MAX (4u << 20)
#define NODES_MAX 200000
#define DEPTH_MAX 16
static void node_free(struct yaml_node *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->n; i++) {
        free(n->entry[i].key);
        node_free(n->entry[i].value); /* DEPTH_MAX deep at most */
    }
    if (n->known != NULL)
        for (size_t i = 0; i < n->known->n; i++)
            free(n->known->name[i]);
    free(n->known);
    free(n->sorted);
    free(n->entry);
    free(n->text);
    free(n);
}

void yaml_doc_free(struct yaml_doc *d)
{
    if (d == NULL)
        return;
    node_free(d->root);
    free(d->name);
    free(d);
}

const struct yaml_node *yaml_root(const struct yaml_doc *d)
{
    return d->root;
}

static struct entry *entry_add(struct yaml_node *n)
{
    if (n->n == n->cap) {
        size_t cap = n->cap == 0 ? 4 : n->cap * 2;
        struct entry *grown = reallocarray(n->entry, cap, sizeof(*grown));

        if (grown == NULL)
            return NULL;
        n->entry = grown;
        n->cap = cap;
    }
    n->entry[n->n] = (struct entry){0};
    return &n->entry[n->n++];
}

struct builder {
    yaml_parser_t p;
    struct yaml_doc *doc;
    struct yaml_node *open[DEPTH_MAX];
    size_t depth, nodes;
    char *key; /* read, its value is next */
    yaml_mark_t key_at;
    struct err *e;
};

static int refuse(struct builder *b, yaml_mark_t at, int code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static int refuse(struct builder *b, yaml_mark_t at, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)yaml_say(b->e, code, b->doc->name, (int)at.line + 1, (int)at.column + 1, fmt, ap);
    va_end(ap);
    return code;
}

static int no_memory(struct builder *b)
{
    return err_set(b->e, -ENOMEM, "no memory to read \"%s\"", b->doc->name);
}

/* What libyaml's reader refuses without a place, and what could make a reader see another text
 * than the program does. */
static bool is_allowed(uint32_t code)
{
    if (code == '\n' || code == '\t')
        return true;
    return !text_is_control(code) && code != 0xfeff && code != 0xfffe && code != 0xffff;
}

static int check_characters(struct builder *b, struct span text)
{
    yaml_mark_t at = {0, 0, 0};

    while (text.n > 0) {
        uint32_t code = 0;
        size_t len = text_utf8_next(text, &code);

        if (len == 0)
            return refuse(b, at, -EINVAL, "this is not UTF-8");
        if (code == '\r' && text.n > 1 && text.p[1] == '\n')
            code = ' '; /* a line may end in CR LF */
        if (!is_allowed(code))
            return refuse(b, at, -EINVAL, "the character U+%04X is not allowed; remove it",
                          (unsigned)code);
        at.column++;
        if (code == '\n') {
            at.line++;
            at.column = 0;
        }
        text = span_of(text.p + len, text.n - len);
    }
    return 0;
}

static int check_scalar(struct builder *b, const yaml_event_t *ev)
{
    struct span s = span_of(ev->data.scalar.value, ev->data.scalar.length);

    while (s.n > 0) {
        uint32_t code = 0;
        size_t len = text_utf8_next(s, &code);

        if (len == 0 || !is_allowed(code)) /* by an escape in double quotes */
            return refuse(b, ev->start_mark, -EINVAL,
                          "the escaped character U+%04X is not allowed; remove it", (unsigned)code);
        s = span_of(s.p + len, s.n - len);
    }
    return 0;
}

static int check_limits(struct builder *b, const yaml_event_t *ev)
{
    if (b->nodes == NODES_MAX)
        return refuse(b, ev->start_mark, -E2BIG, "more than %d values", NODES_MAX);
    b->nodes++;
    if (ev->type != YAML_SCALAR_EVENT && b->depth == DEPTH_MAX)
        return refuse(b, ev->start_mark, -E2BIG, "nested more than %d deep", DEPTH_MAX);
    return 0;
}

static int check_marks(struct builder *b, const yaml_event_t *ev)
{
    const yaml_char_t *anchor, *tag;

    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        anchor = ev->data.scalar.anchor;
        tag = ev->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = ev->data.sequence_start.anchor;
        tag = ev->data.sequence_start.tag;
        break;
    default:
        anchor = ev->data.mapping_start.anchor;
        tag = ev->data.mapping_start.tag;
        break;
    }
    if (anchor != NULL)
        return refuse(b, ev->start_mark, -EINVAL, "anchors (&%.*s) are not allowed",
                      yaml_shown((const char *)anchor), (const char *)anchor);
    if (tag != NULL)
        return refuse(b, ev->start_mark, -EINVAL, "tags (!) are not allowed");
    return 0;
}

static int take_key(struct builder *b, const yaml_event_t *ev)
{
    const char *key;

    if (ev->type != YAML_SCALAR_EVENT)
        return refuse(b, ev->start_mark, -EINVAL, "a key must be a plain word");
    key = (const char *)ev->data.scalar.value;
    if (key[0] == '\0')
        return refuse(b, ev->start_mark, -EINVAL, "a key must not be empty");
    if (strcmp(key, "<<") == 0)
        return refuse(b, ev->start_mark, -EINVAL, "merge keys (<<) are not allowed");
    b->key = strdup(key);
    b->key_at = ev->start_mark;
    return b->key == NULL ? no_memory(b) : 0;
}

/* Hangs a new node into the tree at once, so that whatever happens next it is freed with it. */
static struct yaml_node *node_add(struct builder *b, const yaml_event_t *ev, enum yaml_type type)
{
    struct yaml_node *n = calloc(1, sizeof(*n));
    struct entry *slot;

    if (n == NULL)
        return NULL;
    n->doc = b->doc;
    n->type = type;
    n->line = (int)ev->start_mark.line + 1;
    n->column = (int)ev->start_mark.column + 1;
    if (b->depth == 0) {
        b->doc->root = n;
        return n;
    }
    slot = entry_add(b->open[b->depth - 1]);
    if (slot == NULL) {
        free(n);
        return NULL;
    }
    slot->key = b->key;
    slot->line = (int)b->key_at.line + 1;
    slot->column = (int)b->key_at.column + 1;
    slot->value = n;
    b->key = NULL;
    return n;
}

static int take_value(struct builder *b, const yaml_event_t *ev)
{
    enum yaml_type type = ev->type == YAML_SCALAR_EVENT           ? YAML_TEXT_
                          : ev->type == YAML_SEQUENCE_START_EVENT ? YAML_LIST_
                                                                  : YAML_MAP_;
    struct yaml_node *n = node_add(b, ev, type);

    if (n == NULL)
        return no_memory(b);
    if (type != YAML_TEXT_) {
        b->open[b->depth++] = n;
        return 0;
    }
    n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->text = strdup((const char *)ev->data.scalar.value);
    return n->text == NULL ? no_memory(b) : 0;
}

static int take_node(struct builder *b, const yaml_event_t *ev)
{
    bool in_map = b->depth > 0 && b->open[b->depth - 1]->type == YAML_MAP_;
    int rc = check_limits(b, ev);

    if (rc == 0)
        rc = check_marks(b, ev);
    if (rc == 0 && ev->type == YAML_SCALAR_EVENT)
        rc = check_scalar(b, ev);
    if (rc != 0)
        return rc;
    return in_map && b->key == NULL ? take_key(b, ev) : take_value(b, ev);
}

static int by_key(const void *a, const void *b, void *map)
{
    const struct entry *entry = ((const struct yaml_node *)map)->entry;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int c = strcmp(entry[i].key, entry[k].key);

    return c != 0 ? c : i < k ? -1 : 1; /* of two equal keys the first written comes first */
}

/* Sorting finds duplicates and serves look-ups: neither may cost the square of what a stranger
 * writes. */
static int close_map(struct builder *b, struct yaml_node *map)
{
    map->sorted = map->n > 0 ? calloc(map->n, sizeof(*map->sorted)) : NULL;
    if (map->n > 0 && map->sorted == NULL)
        return no_memory(b);
    for (size_t i = 0; i < map->n; i++)
        map->sorted[i] = i;
    if (map->n > 1)
        qsort_r(map->sorted, map->n, sizeof(*map->sorted), by_key, map);
    for (size_t i = 1; i < map->n; i++) {
        const struct entry *first = &map->entry[map->sorted[i - 1]];
        const struct entry *again = &map->entry[map->sorted[i]];

        if (strcmp(first->key, again->key) == 0)
            return err_set(b->e, -EINVAL, "%s:%d:%d: duplicate key \"%.*s\", first at line %d",
                           b->doc->name, again->line, again->column, yaml_shown(again->key),
                           again->key, first->line);
    }
    return 0;
}

static int take_end(struct builder *b)
{
    struct yaml_node *n = b->open[--b->depth];

    return n->type == YAML_MAP_ ? close_map(b, n) : 0;
}

static int take_document(struct builder *b, const yaml_event_t *ev)
{
    const yaml_tag_directive_t *tag = ev->data.document_start.tag_directives.start;

    if (b->doc->root != NULL)
        return refuse(b, ev->start_mark, -EINVAL, "a second document is not allowed");
    if (ev->data.document_start.version_directive != NULL ||
        tag != ev->data.document_start.tag_directives.end)
        return refuse(b, ev->start_mark, -EINVAL, "directives (%%) are not allowed");
    return 0;
}

static int take_event(struct builder *b, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        return take_document(b, ev);
    case YAML_ALIAS_EVENT:
        return refuse(b, ev->start_mark, -EINVAL, "aliases (*) are not allowed");
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_node(b, ev);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return take_end(b);
    default: /* stream start, document end */
        return 0;
    }
}

static int syntax_error(struct builder *b)
{
    const char *problem = b->p.problem != NULL ? b->p.problem : "not YAML";

    if (b->p.error == YAML_MEMORY_ERROR)
        return no_memory(b);
    if (b->p.context != NULL)
        return refuse(b, b->p.problem_mark, -EINVAL, "%s, %s", problem, b->p.context);
    return refuse(b, b->p.error == YAML_READER_ERROR ? b->p.mark : b->p.problem_mark, -EINVAL, "%s",
                  problem);
}

static int build(struct builder *b)
{
    bool end = false;
    int rc = 0;

    while (rc == 0 && !end) {
        yaml_event_t ev;

        if (!yaml_parser_parse(&b->p, &ev))
            return syntax_error(b);
        end = ev.type == YAML_STREAM_END_EVENT;
        rc = end && b->doc->root == NULL
                 ? refuse(b, ev.start_mark, -EINVAL, "there is nothing in it")
                 : take_event(b, &ev);
        yaml_event_delete(&ev);
    }
    return rc;
}

int yaml_parse(struct yaml_doc **out, const char *name, struct span text, struct err *e)
{
    struct builder b = {.e = e};
    int rc;

    if (text.n > INPUT_MAX)
        return err_set(e, -E2BIG, "%s:1:1: larger than %u bytes", name, INPUT_MAX);
    b.doc = calloc(1, sizeof(*b.doc));
    if (b.doc == NULL || (b.doc->name = strdup(name)) == NULL || !yaml_parser_initialize(&b.p)) {
        yaml_doc_free(b.doc);
        return err_set(e, -ENOMEM, "no memory to read \"%s\"", name);
    }
    yaml_parser_set_encoding(&b.p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.p, text.n > 0 ? text.p : (const uint8_t *)"", text.n);
    rc = check_characters(&b, text);
    if (rc == 0)
        rc = build(&b);
    yaml_parser_delete(&b.p);
    free(b.key);
    if (rc != 0) {
        yaml_doc_free(b.doc);
        return rc;
    }
    *out = b.doc;
    return 0;
}

int yaml_read(struct buf *out, const char *path, struct err *e)
{
    int rc;

    buf_init(out, INPUT_MAX);
    rc = io_read_file(AT_FDCWD, path, out);
    if (rc == 0)
        return 0;
    buf_free(out);
    if (rc == -E2BIG)
        return err_set(e, rc, "%s:1:1: larger than %u bytes", path, INPUT_MAX);
    if (rc == -EINVAL)
        return err_set(e, rc, "\"%s\" is not a regular file", path);
    return err_sys(e, rc, "cannot read \"%s\"", path);
}

int yaml_load(struct yaml_doc **out, const char *path, struct err *e)
{
    struct buf b;
    int rc = yaml_read(&b, path, e);

    if (rc != 0)
        return rc;
    rc = yaml_parse(out, path, buf_span(&b), e);
    buf_free(&b);
    return rc;
}
