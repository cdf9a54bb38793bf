/* Parses a stranger's YAML and asks every value for every meaning.  What is read must be printable
 * by its own rules: texts are UTF-8 without NUL, places are inside the input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static void ask_scalar(const struct yaml_node *n)
{
    static const char *const words[] = {"required", "none"};
    struct err e = ERR_INIT;
    struct digest d;
    struct id128 id;
    const char *s;
    uint64_t v;
    unix_time t;
    size_t w;
    bool yes;

    if (yaml_text(n, &s, &e) == 0)
        must(text_is_utf8(span_str(s)));
    if (yaml_u64(n, 5, 500, &v, &e) == 0)
        must(v >= 5 && v <= 500);
    if (yaml_word(n, words, ARRAY_LEN(words), &w, &e) == 0)
        must(w < ARRAY_LEN(words));
    if (yaml_time(n, &t, &e) == 0)
        must(t >= 0);
    (void)!yaml_bool(n, &yes, &e);
    (void)!yaml_digest(n, &d, &e);
    (void)!yaml_id(n, &id, &e);
    (void)!yaml_duration(n, &v, &e);
    (void)!yaml_size(n, &v, &e);
}

static void walk(const struct yaml_node *n, int depth)
{
    const struct yaml_node *child;
    struct err e = ERR_INIT;
    const char *key;

    must(depth <= 17 && yaml_line(n) >= 1 && yaml_column(n) >= 1);
    ask_scalar(n);
    for (size_t i = 0; i < yaml_count(n); i++) {
        if (yaml_type(n) == YAML_MAP_) {
            const struct yaml_node *again;

            must(yaml_entry(n, i, &key, &child, &e) == 0);
            must(yaml_need(n, key, &again, &e) == 0 && again == child);
        } else {
            must(yaml_item(n, i, &child, &e) == 0);
        }
        walk(child, depth + 1);
    }
    if (yaml_type(n) == YAML_MAP_)
        must(yaml_map_done(n, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;

    if (yaml_parse(&d, "f", span_of(data, size), &e) == 0)
        walk(yaml_root(d), 1);
    else
        must(d == NULL && strncmp(e.text, "f:", 2) == 0);
    yaml_free(d);
    return 0;
}
