#include "base/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/yaml_priv.h"

int yaml_say(struct err *e, int code, const char *name, int line, int column, const char *fmt,
             va_list ap)
{
    char text[ERR_TEXT_MAX];

    (void)vsnprintf(text, sizeof(text), fmt, ap);
    return err_set(e, code, "%s:%d:%d: %s", name, line, column, text);
}

int yaml_err(struct err *e, const struct yaml_node *n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)yaml_say(e, -EINVAL, n->doc->name, n->line, n->column, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

int yaml_shown(const char *s)
{
    struct span rest = span_str(s);
    size_t n = 0, len;
    uint32_t code;

    while ((len = text_utf8_next(rest, &code)) > 0 && n + len <= 60) {
        n += len;
        rest = span_of(rest.p + len, rest.n - len);
    }
    return (int)n;
}

enum yaml_type yaml_type(const struct yaml_node *n)
{
    return n->type;
}

int yaml_line(const struct yaml_node *n)
{
    return n->line;
}

int yaml_column(const struct yaml_node *n)
{
    return n->column;
}

size_t yaml_count(const struct yaml_node *n)
{
    return n->n;
}

static int need_type(const struct yaml_node *n, enum yaml_type type, const char *want,
                     struct err *e)
{
    static const char *const word[] = {"a map", "a list", "a text"};

    if (n->type == type)
        return 0;
    return yaml_err(e, n, "%s is asked for, this is %s", want, word[n->type]);
}

/* Remembers that the map was asked for key; names beyond KNOWN_MAX are not worth listing. */
static int remember(const struct yaml_node *map, const char *key)
{
    struct known *k = map->known;

    if (k == NULL) { /* what was asked is not part of what the node says: hence the cast */
        k = calloc(1, sizeof(*k));
        ((struct yaml_node *)(uintptr_t)map)->known = k;
    }
    if (k == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->name[i], key) == 0)
            return 0;
    if (k->n == KNOWN_MAX)
        return 0;
    k->name[k->n] = strdup(key);
    return k->name[k->n] == NULL ? -ENOMEM : (k->n++, 0);
}

static struct entry *find(const struct yaml_node *map, const char *key)
{
    size_t low = 0, high = map->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(key, map->entry[map->sorted[mid]].key);

        if (c == 0)
            return &map->entry[map->sorted[mid]];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

int yaml_may(const struct yaml_node *map, const char *key, const struct yaml_node **out,
             struct err *e)
{
    struct entry *found;
    int rc = need_type(map, YAML_MAP_, "a map", e);

    if (rc != 0)
        return rc;
    if (remember(map, key) != 0)
        return err_set(e, -ENOMEM, "no memory to read \"%s\"", map->doc->name);
    found = find(map, key);
    if (found != NULL)
        found->asked = true;
    *out = found != NULL ? found->value : NULL;
    return 0;
}

int yaml_need(const struct yaml_node *map, const char *key, const struct yaml_node **out,
              struct err *e)
{
    const struct yaml_node *found = NULL;
    int rc = yaml_may(map, key, &found, e);

    if (rc != 0)
        return rc;
    if (found == NULL)
        return yaml_err(e, map, "the key \"%s\" is missing", key);
    *out = found;
    return 0;
}

int yaml_map_done(const struct yaml_node *map, struct err *e)
{
    const struct entry *stray = NULL;
    char known[300] = "";
    size_t at = 0;
    int rc = need_type(map, YAML_MAP_, "a map", e);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < map->n && stray == NULL; i++)
        if (!map->entry[i].asked)
            stray = &map->entry[i];
    if (stray == NULL)
        return 0;
    for (size_t i = 0; map->known != NULL && i < map->known->n && at < sizeof(known); i++) {
        const char *comma = i > 0 ? ", " : "";

        at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", comma, map->known->name[i]);
    }
    return err_set(e, -EINVAL, "%s:%d:%d: unknown key \"%.*s\"; known: %s", map->doc->name,
                   stray->line, stray->column, yaml_shown(stray->key), stray->key,
                   known[0] != '\0' ? known : "none");
}

int yaml_entry(const struct yaml_node *map, size_t i, const char **key,
               const struct yaml_node **out, struct err *e)
{
    int rc = need_type(map, YAML_MAP_, "a map", e);

    if (rc != 0)
        return rc;
    if (i >= map->n)
        return yaml_err(e, map, "there is no entry %zu", i + 1);
    map->entry[i].asked = true;
    *key = map->entry[i].key;
    *out = map->entry[i].value;
    return 0;
}

int yaml_item(const struct yaml_node *list, size_t i, const struct yaml_node **out, struct err *e)
{
    int rc = need_type(list, YAML_LIST_, "a list", e);

    if (rc != 0)
        return rc;
    if (i >= list->n)
        return yaml_err(e, list, "there is no item %zu", i + 1);
    *out = list->entry[i].value;
    return 0;
}

/* The text of n; want names what is asked for ("a number"), and an empty plain value is none. */
static int scalar(const struct yaml_node *n, const char *want, const char **out, struct err *e)
{
    int rc = need_type(n, YAML_TEXT_, want, e);

    if (rc != 0)
        return rc;
    if (!n->quoted && n->text[0] == '\0')
        return yaml_err(e, n, "%s is asked for, nothing is written", want);
    *out = n->text;
    return 0;
}

/* As scalar, for what is not a text: then quotes would say it is one. */
static int plain(const struct yaml_node *n, const char *want, const char **out, struct err *e)
{
    int rc = scalar(n, want, out, e);

    if (rc == 0 && n->quoted)
        return yaml_err(e, n, "%s is asked for: write it without quotes", want);
    return rc;
}

int yaml_text(const struct yaml_node *n, const char **out, struct err *e)
{
    return scalar(n, "a text", out, e);
}

int yaml_u64(const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
    const char *s;
    uint64_t v;
    int rc = plain(n, "a number", &s, e);

    if (rc != 0)
        return rc;
    if (text_u64(span_str(s), UINT64_MAX, &v) != 0)
        return yaml_err(e, n,
                        "\"%.*s\" is not a number; write decimal digits without leading zeros",
                        yaml_shown(s), s);
    if (v < min || v > max)
        return yaml_err(e, n, "%llu is out of range; it must be from %llu to %llu",
                        (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
    *out = v;
    return 0;
}

int yaml_bool(const struct yaml_node *n, bool *out, struct err *e)
{
    const char *s;
    int rc = plain(n, "true or false", &s, e);

    if (rc != 0)
        return rc;
    if (strcmp(s, "true") != 0 && strcmp(s, "false") != 0)
        return yaml_err(e, n, "\"%.*s\" is neither true nor false", yaml_shown(s), s);
    *out = s[0] == 't';
    return 0;
}

int yaml_digest(const struct yaml_node *n, struct digest *out, struct err *e)
{
    const char *s;
    int rc = scalar(n, "a SHA-256", &s, e);

    if (rc != 0)
        return rc;
    if (text_undigest(span_str(s), out) != 0)
        return yaml_err(e, n, "\"%.*s\" is not a SHA-256; write 64 lower-case hex digits",
                        yaml_shown(s), s);
    return 0;
}

int yaml_id(const struct yaml_node *n, struct id128 *out, struct err *e)
{
    const char *s;
    int rc = scalar(n, "an identifier", &s, e);

    if (rc != 0)
        return rc;
    if (text_unid(span_str(s), out) != 0)
        return yaml_err(e, n, "\"%.*s\" is not an identifier; write 32 lower-case hex digits",
                        yaml_shown(s), s);
    return 0;
}

int yaml_time(const struct yaml_node *n, unix_time *out, struct err *e)
{
    const char *s;
    int rc = scalar(n, "a time", &s, e);

    if (rc != 0)
        return rc;
    if (clock_unsecond(span_str(s), out) != 0)
        return yaml_err(e, n, "\"%.*s\" is not a time; write it in UTC like 2026-11-23T20:51Z",
                        yaml_shown(s), s);
    return 0;
}

struct unit {
    const char *name;
    uint64_t worth;
};

/* Digits and one of the units, nothing between them.  -EBADMSG if it is not that, -E2BIG if the
 * product does not fit. */
static int amount(const char *s, const struct unit *unit, size_t units, uint64_t *out)
{
    size_t digits = strspn(s, "0123456789");
    uint64_t v;

    if (text_u64(span_of(s, digits), UINT64_MAX, &v) != 0)
        return -EBADMSG;
    for (size_t i = 0; i < units; i++) {
        if (strcmp(s + digits, unit[i].name) != 0)
            continue;
        if (v > UINT64_MAX / unit[i].worth)
            return -E2BIG;
        *out = v * unit[i].worth;
        return 0;
    }
    return -EBADMSG;
}

int yaml_duration(const struct yaml_node *n, uint64_t *seconds, struct err *e)
{
    static const struct unit unit[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    const char *s;
    int rc = scalar(n, "a duration", &s, e);

    if (rc != 0)
        return rc;
    rc = amount(s, unit, ARRAY_LEN(unit), seconds);
    if (rc == -E2BIG)
        return yaml_err(e, n, "\"%.*s\" is too long", yaml_shown(s), s);
    if (rc != 0)
        return yaml_err(e, n,
                        "\"%.*s\" is not a duration; write a number and its unit: s, m, h or d",
                        yaml_shown(s), s);
    return 0;
}

int yaml_size(const struct yaml_node *n, uint64_t *bytes, struct err *e)
{
    static const struct unit unit[] = {
        {"", 1},
        {"kB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", 1u << 10},
        {"MiB", 1u << 20},
        {"GiB", 1u << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    const char *s;
    int rc = scalar(n, "a size", &s, e);

    if (rc != 0)
        return rc;
    rc = amount(s, unit, ARRAY_LEN(unit), bytes);
    if (rc == -E2BIG)
        return yaml_err(e, n, "\"%.*s\" is too large", yaml_shown(s), s);
    if (rc != 0)
        return yaml_err(
            e, n,
            "\"%.*s\" is not a size; write bytes, or a number and its unit: kB, MB, GB, "
            "TB, KiB, MiB, GiB or TiB",
            yaml_shown(s), s);
    return 0;
}

int yaml_word(const struct yaml_node *n, const char *const *names, size_t count, size_t *out,
              struct err *e)
{
    char list[300] = "";
    size_t at = 0;
    const char *s;
    int rc = scalar(n, "a word", &s, e);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(s, names[i]) == 0) {
            *out = i;
            return 0;
        }
        if (at < sizeof(list))
            at +=
                (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    return yaml_err(e, n, "\"%.*s\" is not one of: %s", yaml_shown(s), s, list);
}

int yaml_need_text(const struct yaml_node *map, const char *key, const char **out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(map, key, &n, e);

    return rc != 0 ? rc : yaml_text(n, out, e);
}

int yaml_need_u64(const struct yaml_node *map, const char *key, uint64_t min, uint64_t max,
                  uint64_t *out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(map, key, &n, e);

    return rc != 0 ? rc : yaml_u64(n, min, max, out, e);
}
