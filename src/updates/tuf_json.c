/* tuf_json.c - jansson refuses most of what must be refused.  It allocates for whatever a document
 * says, so a scan counts depth and values first. */
#include "updates/tuf_json.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Counts outside strings.  Each value but the first stands behind one of [ { , so there are at most
 * so many.  What is no JSON is jansson's to refuse. */
static int check_size(struct span s, struct err *e)
{
    size_t depth = 0, n = 1;
    bool in_string = false;

    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        in_string = c == '"';
        if ((c == '[' || c == '{') && ++depth > TUF_JSON_MAX_DEPTH)
            return err_set(e, -E2BIG, "nested deeper than %d levels", TUF_JSON_MAX_DEPTH);
        if ((c == ']' || c == '}') && depth > 0)
            depth--;
        n += c == ',' || c == '[' || c == '{';
        if (n > TUF_JSON_MAX_VALUES)
            return err_set(e, -E2BIG, "more than %d values", TUF_JSON_MAX_VALUES);
    }
    return 0;
}

/* jansson checks UTF-8 and duplicates; a real number is JSON, but not of this format. */
static bool has_real(const json_t *v)
{
    const char *key;
    json_t *member;
    bool real = json_is_real(v);
    size_t i;

    if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, key, member) real = real || has_real(member);
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, member) real = real || has_real(member);
    }
    return real;
}

/* Without memory jansson (2.14) says "syntax error", or leaves an element out of an array or the
 * rest of a string away, and is content.  Such a file must not pass for a bad one: what lies here
 * guards against rolling back.  So its allocator is watched. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static json_malloc_t their_malloc;
static _Thread_local bool out_of_memory;

static void *watched_malloc(size_t n)
{
    void *p = their_malloc(n);

    out_of_memory = out_of_memory || p == NULL;
    return p;
}

static void watch(void)
{
    json_free_t their_free;

    json_get_alloc_funcs(&their_malloc, &their_free);
    json_set_alloc_funcs(watched_malloc, their_free);
}

static int load(json_t **out, struct span bytes, struct err *e)
{
    json_error_t bad = {.text = "the file is empty"};

    (void)pthread_once(&once, watch);
    out_of_memory = false;
    if (bytes.n > 0) /* jansson does not take an empty text */
        *out = json_loadb((const char *)bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &bad);
    if (out_of_memory)
        return err_sys(e, -ENOMEM, "JSON");
    if (*out == NULL)
        return err_set(e, -EBADMSG, "not JSON: %s", bad.text);
    if (!json_is_object(*out))
        return err_set(e, -EBADMSG, "not a JSON object");
    return has_real(*out) ? err_set(e, -EBADMSG, "a number that is no integer") : 0;
}

int tuf_json_parse(json_t **out, struct span bytes, struct err *e)
{
    json_t *v = NULL;
    int rc;

    *out = NULL;
    if ((rc = check_size(bytes, e)) != 0)
        return rc;
    if ((rc = load(&v, bytes, e)) != 0) {
        json_decref(v);
        return rc;
    }
    *out = v;
    return 0;
}

/* --- canonical form --------------------------------------------------------------------------- */

static int put_string(struct buf *b, const char *s, size_t n)
{
    int rc = buf_putc(b, '"');
    size_t from = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (s[i] != '"' && s[i] != '\\')
            continue;
        if ((rc = buf_put(b, s + from, i - from)) == 0)
            rc = buf_putc(b, '\\');
        from = i;
    }
    if (rc == 0)
        rc = buf_put(b, s + from, n - from);
    return rc == 0 ? buf_putc(b, '"') : rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int put_object(struct buf *b, const json_t *v)
{
    size_t n = json_object_size(v), i = 0;
    const char **keys = calloc(n > 0 ? n : 1, sizeof(*keys));
    const char *key;
    json_t *member;
    int rc;

    if (keys == NULL)
        return -ENOMEM;
    json_object_foreach((json_t *)(uintptr_t)v, key, member) keys[i++] = key;
    qsort(keys, n, sizeof(*keys), by_bytes);
    rc = buf_putc(b, '{');
    for (i = 0; rc == 0 && i < n; i++) {
        if (i > 0)
            rc = buf_putc(b, ',');
        if (rc == 0)
            rc = put_string(b, keys[i], strlen(keys[i]));
        if (rc == 0)
            rc = buf_putc(b, ':');
        if (rc == 0)
            rc = tuf_json_canonical(b, json_object_get(v, keys[i]));
    }
    free(keys);
    return rc == 0 ? buf_putc(b, '}') : rc;
}

static int put_array(struct buf *b, const json_t *v)
{
    int rc = buf_putc(b, '[');
    json_t *member;
    size_t i;

    json_array_foreach(v, i, member)
    {
        if (rc == 0 && i > 0)
            rc = buf_putc(b, ',');
        if (rc == 0)
            rc = tuf_json_canonical(b, member);
    }
    return rc == 0 ? buf_putc(b, ']') : rc;
}

int tuf_json_canonical(struct buf *b, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return put_object(b, v);
    case JSON_ARRAY:
        return put_array(b, v);
    case JSON_STRING:
        return put_string(b, json_string_value(v), json_string_length(v));
    case JSON_INTEGER:
        return buf_printf(b, "%lld", (long long)json_integer_value(v));
    case JSON_TRUE:
        return buf_puts(b, "true");
    case JSON_FALSE:
        return buf_puts(b, "false");
    case JSON_NULL:
        return buf_puts(b, "null");
    default:
        return -EBADMSG;
    }
}

/* --- members ---------------------------------------------------------------------------------- */

static json_t *member_of(const json_t *in, const char *where, const char *name, struct err *e)
{
    json_t *v = json_object_get(in, name);

    if (v == NULL)
        (void)err_set(e, -EBADMSG, "%.80s: no \"%s\"", where, name);
    return v;
}

static int is_not(const char *where, const char *name, const char *what, struct err *e)
{
    return err_set(e, -EBADMSG, "%.80s: \"%s\" is not %s", where, name, what);
}

int tuf_json_object(const json_t *in, const char *where, const char *name, json_t **out,
                    struct err *e)
{
    if ((*out = member_of(in, where, name, e)) == NULL)
        return -EBADMSG;
    return json_is_object(*out) ? 0 : is_not(where, name, "an object", e);
}

int tuf_json_array(const json_t *in, const char *where, const char *name, json_t **out,
                   struct err *e)
{
    if ((*out = member_of(in, where, name, e)) == NULL)
        return -EBADMSG;
    return json_is_array(*out) ? 0 : is_not(where, name, "an array", e);
}

int tuf_json_string(const json_t *in, const char *where, const char *name, const char **out,
                    struct err *e)
{
    json_t *v = member_of(in, where, name, e);

    if (v == NULL)
        return -EBADMSG;
    return (*out = json_string_value(v)) != NULL ? 0 : is_not(where, name, "a string", e);
}

int tuf_json_int(const json_t *in, const char *where, const char *name, int64_t least, int64_t most,
                 int64_t *out, struct err *e)
{
    json_t *v = member_of(in, where, name, e);

    if (v == NULL)
        return -EBADMSG;
    if (!json_is_integer(v))
        return is_not(where, name, "an integer", e);
    *out = json_integer_value(v);
    if (*out >= least && *out <= most)
        return 0;
    return err_set(e, -EBADMSG, "%.80s: \"%s\" is not between %lld and %lld", where, name,
                   (long long)least, (long long)most);
}

int tuf_json_bool(const json_t *in, const char *where, const char *name, bool *out, struct err *e)
{
    const json_t *v = json_object_get(in, name);

    *out = v != NULL && json_is_true(v);
    return v == NULL || json_is_boolean(v) ? 0 : is_not(where, name, "true or false", e);
}
