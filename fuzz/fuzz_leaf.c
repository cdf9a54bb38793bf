/* A leaf that is read has one spelling: set again field by field, the builder writes the same
 * bytes. (Sealed fields cannot be set without their openings; leaves with some are compared by
 * their keys.) */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "events/leaf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct leaf *l)
{
    struct leaf_builder b;
    struct buf out;
    char site[17] = "";

    buf_init(&out, LEAF_MAX);
    assert(leaf_text(l, LF_SITE).n < sizeof(site));
    memcpy(site, leaf_text(l, LF_SITE).p, leaf_text(l, LF_SITE).n);
    leaf_begin(&b, l->kind, l->time, site);
    for (size_t i = 0; i < leaf_kinds[l->kind].slots; i++) {
        enum leaf_field f = (enum leaf_field)leaf_kinds[l->kind].slot[i].field;

        if (leaf_field_type(f) == LT_SEALED)
            goto out;
        if (leaf_has(l, f) && f != LF_KIND && f != LF_SITE && f != LF_TIME && f != LF_V)
            leaf_set_span(&b, f, leaf_text(l, f));
    }
    if (leaf_end(&b, &out, NULL) != 0)
        __builtin_trap();
    if (!span_eq(buf_span(&out), l->bytes))
        __builtin_trap();
out:
    buf_free(&out);
}

static void read_all(const struct leaf *l)
{
    uint8_t raw[64];

    for (size_t f = 0; f < LEAF_FIELDS; f++) {
        enum leaf_field lf = (enum leaf_field)f;

        if (!leaf_has(l, lf))
            continue;
        switch (leaf_field_type(lf)) {
        case LT_INT:
            if (leaf_int(l, lf) >= LEAF_INT_MAX)
                __builtin_trap();
            break;
        case LT_WORD:
            (void)leaf_word(l, lf);
            break;
        case LT_COUNTRY:
            (void)leaf_country(l, lf);
            break;
        case LT_KEY:
            leaf_key(l, lf, raw);
            break;
        case LT_SIG:
            leaf_sig(l, lf, raw);
            break;
        case LT_DIGEST:
        case LT_SEALED:
            (void)leaf_digest(l, lf);
            break;
        case LT_MINUTE:
            if (leaf_time(l, lf) < 0)
                __builtin_trap();
            break;
        default:
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    struct leaf l;
    int rc = leaf_parse(&l, span_of(data, size));

    if (rc == 0) {
        read_all(&l);
        write_again(&l);
    } else {
        if (rc != -EBADMSG && rc != -ENOTSUP && rc != -EPROTONOSUPPORT)
            __builtin_trap();
        leaf_why(span_of(data, size), &e);
    }
    return 0;
}
