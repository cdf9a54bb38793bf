#include <assert.h>
#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "events/seal.h"

#define PREFIX "sealed."

void seal_commit(struct digest *out, struct span kind, struct span site, struct span id,
                 struct span name, const uint8_t salt[32], struct span value)
{
    static const char domain[] = "sealed/v1";
    struct span lp[5] = {span_of(domain, sizeof(domain) - 1), kind, site, id, name};
    uint8_t len[5][2];
    struct span part[12];
    size_t n = 0;

    for (size_t i = 0; i < 5; i++) {
        assert(lp[i].n <= UINT16_MAX);
        len[i][0] = (uint8_t)(lp[i].n >> 8);
        len[i][1] = (uint8_t)lp[i].n;
        part[n++] = span_of(len[i], 2);
        part[n++] = lp[i];
    }
    part[n++] = span_of(salt, 32);
    part[n++] = value;
    sha256_ofv(part, n, out);
}

int seal_check(const struct leaf *l, enum leaf_field f, const uint8_t salt[32], struct span value)
{
    struct digest want, got;

    if (leaf_field_type(f) != LT_SEALED || !leaf_has(l, f))
        return -ENOENT;
    want = leaf_digest(l, f);
    seal_commit(&got, span_str(leaf_kinds[l->kind].name), leaf_text(l, LF_SITE),
                leaf_text(l, leaf_kinds[l->kind].id), span_str(seal_name(f)), salt, value);
    return digest_eq(&want, &got) ? 0 : -EBADMSG;
}

int seal_field(struct span name, enum leaf_field *out)
{
    for (size_t f = 0; f < LEAF_FIELDS; f++) {
        const char *s = seal_name((enum leaf_field)f);

        if (s != NULL && span_is(name, s)) {
            *out = (enum leaf_field)f;
            return 0;
        }
    }
    return -ENOENT;
}

const char *seal_name(enum leaf_field f)
{
    return leaf_field_type(f) == LT_SEALED ? leaf_field_name(f) + sizeof(PREFIX) - 1 : NULL;
}
