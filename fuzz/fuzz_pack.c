/* What an update brings, and what writes one: a packed release, a difference, rules/current.json,
 * the keys of a repository.  The first byte says which. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "updates/delta.h"
#include "updates/install_priv.h"
#include "updates/pack.h"
#include "updates/repository_keys.h"

#define MOST 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct span all;
    char before[256];
    size_t bytes;
};

/* Names lead nowhere else, come in order, and contents lie in what was given. */
static int see(void *arg, const char *name, struct span content, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    assert(name[0] != '\0' && name[0] != '/' && strlen(name) < 256);
    assert(strstr(name, "/.") == NULL && name[0] != '.' && strstr(name, "//") == NULL);
    assert(name[strlen(name) - 1] != '/' && strcmp(s->before, name) < 0);
    memcpy(s->before, name, strlen(name) + 1);
    assert(content.n == 0 ||
           (content.p >= s->all.p && content.p + content.n <= s->all.p + s->all.n));
    s->bytes += content.n;
    return 0;
}

static void packed(struct span s)
{
    struct seen all = {.all = s};

    if (pack_each(s, see, &all, NULL) == 0) {
        assert(s.n % 512 == 0 && all.bytes <= s.n - 1024);
    }
}

static void difference(struct span s)
{
    static const char old[] = "rule a { condition: true } rule b { condition: false }";
    uint8_t *to = malloc(MOST);

    assert(to != NULL);
    for (size_t n = 1; n <= MOST; n *= 16)
        (void)!delta_apply(to, n, span_str(old), s, NULL);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repository_keys keys;
    struct span rest;
    uint64_t serial = 0;

    if (size == 0)
        return 0;
    rest = span_of(data + 1, size - 1);
    switch (data[0] & 3) {
    case 0:
        packed(rest);
        break;
    case 1:
        difference(rest);
        break;
    case 2:
        if (install_current(rest, &serial, NULL) == 0)
            assert(serial > 0);
        break;
    default:
        if (repository_keys_parse(&keys, "keys.yaml", rest, NULL) == 0)
            for (unsigned i = 0; i < REPOSITORY_PRODUCTS; i++)
                assert(keys.role[i].threshold >= 1 && keys.role[i].threshold <= keys.role[i].n);
    }
    return 0;
}
