#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "events/leaf_priv.h"
#include "events/seal.h"

static const struct leaf_slot *slot_of(enum leaf_kind k, enum leaf_field f)
{
    const struct leaf_kind_info *info = &leaf_kinds[k];

    for (size_t i = 0; i < info->slots; i++)
        if (info->slot[i].field == f)
            return &info->slot[i];
    return NULL;
}

static void refuse(struct leaf_builder *b, enum leaf_field f, const char *why)
{
    if (b->bad.code == 0)
        (void)err_set(&b->bad, -EINVAL, "leaf \"%s\": field \"%s\" %s", leaf_kinds[b->kind].name,
                      leaf_field_name(f), why);
}

/* All setters end here: the field is the kind's, not set before, and spelled as its type is. */
static void put(struct leaf_builder *b, enum leaf_field f, struct span text)
{
    const struct leaf_slot *s = slot_of(b->kind, f);

    if (s == NULL) {
        refuse(b, f, "is not in the table of this kind");
    } else if (b->value[f].n != 0) {
        refuse(b, f, "is set twice");
    } else if (text.n == 0 || leaf_scan(leaf_field_type(f), (enum leaf_list)s->list, text.p,
                                        text.p + text.n) != text.n) {
        refuse(b, f, "is not spelled as its type asks (docs/events.md, \"Field types\")");
    } else if (text.n > sizeof(b->text) - b->used) {
        refuse(b, f, "does not fit");
    } else {
        memcpy(b->text + b->used, text.p, text.n);
        b->value[f].at = (uint16_t)b->used;
        b->value[f].n = (uint16_t)text.n;
        b->used += text.n;
    }
}

/* A typed setter on a field of another type is refused before its text could pass by accident. */
static bool typed(struct leaf_builder *b, enum leaf_field f, enum leaf_type t)
{
    if (leaf_field_type(f) == t)
        return true;
    refuse(b, f, "has another type");
    return false;
}

void leaf_begin(struct leaf_builder *b, enum leaf_kind k, unix_time t, const char *site)
{
    memset(b->value, 0, sizeof(b->value));
    b->kind = k;
    b->used = 0;
    b->bad.code = 0;
    b->bad.text[0] = '\0';
    leaf_set_text(b, LF_KIND, leaf_kinds[k].name);
    leaf_set_text(b, LF_SITE, site);
    leaf_set_time(b, LF_TIME, t);
    leaf_set_int(b, LF_V, 1);
}

void leaf_set_span(struct leaf_builder *b, enum leaf_field f, struct span text)
{
    if (leaf_field_type(f) == LT_SEALED)
        refuse(b, f, "is sealed: set it with a salt");
    else
        put(b, f, text);
}

void leaf_set_text(struct leaf_builder *b, enum leaf_field f, const char *text)
{
    leaf_set_span(b, f, span_str(text));
}

void leaf_set_int(struct leaf_builder *b, enum leaf_field f, uint64_t v)
{
    char t[24];

    if (!typed(b, f, LT_INT))
        return;
    (void)snprintf(t, sizeof(t), "%llu", (unsigned long long)v);
    put(b, f, span_str(t));
}

void leaf_set_id(struct leaf_builder *b, enum leaf_field f, const struct id128 *v)
{
    char t[33];

    if (!typed(b, f, LT_ID))
        return;
    text_id(t, v);
    put(b, f, span_of(t, 32));
}

void leaf_set_digest(struct leaf_builder *b, enum leaf_field f, const struct digest *v)
{
    char t[65];

    if (!typed(b, f, LT_DIGEST))
        return;
    text_digest(t, v);
    put(b, f, span_of(t, 64));
}

void leaf_set_time(struct leaf_builder *b, enum leaf_field f, unix_time v)
{
    char t[CLOCK_MINUTE_LEN + 1];

    if (!typed(b, f, LT_MINUTE))
        return;
    clock_minute(t, v);
    put(b, f, span_of(t, CLOCK_MINUTE_LEN));
}

void leaf_set_key(struct leaf_builder *b, enum leaf_field f, const uint8_t v[32])
{
    char t[TEXT_BASE64_LEN(32) + 1];

    if (!typed(b, f, LT_KEY))
        return;
    text_base64(t, v, 32);
    put(b, f, span_of(t, TEXT_BASE64_LEN(32)));
}

void leaf_set_sig(struct leaf_builder *b, enum leaf_field f, const uint8_t v[64])
{
    char t[TEXT_BASE64_LEN(64) + 1];

    if (!typed(b, f, LT_SIG))
        return;
    text_base64(t, v, 64);
    put(b, f, span_of(t, TEXT_BASE64_LEN(64)));
}

void leaf_set_word(struct leaf_builder *b, enum leaf_field f, unsigned word)
{
    const struct leaf_slot *s = slot_of(b->kind, f);
    const char *text;

    if (!typed(b, f, LT_WORD))
        return;
    text = s == NULL ? NULL : leaf_word_text((enum leaf_list)s->list, word);
    put(b, f, text == NULL ? span_of(NULL, 0) : span_str(text));
}

void leaf_set_sealed(struct leaf_builder *b, enum leaf_field f, const uint8_t salt[32],
                     struct span value)
{
    enum leaf_field id = leaf_kinds[b->kind].id;
    char t[TEXT_BASE64_LEN(32) + 1];
    struct digest c;

    if (!typed(b, f, LT_SEALED))
        return;
    if (b->value[id].n == 0) {
        refuse(b, f, "is sealed before the leaf's identifier is set");
        return;
    }
    if (b->bad.code != 0)
        return;
    seal_commit(&c, span_str(leaf_kinds[b->kind].name),
                span_of(b->text + b->value[LF_SITE].at, b->value[LF_SITE].n),
                span_of(b->text + b->value[id].at, b->value[id].n), span_str(seal_name(f)), salt,
                value);
    text_base64(t, c.b, 32);
    put(b, f, span_of(t, TEXT_BASE64_LEN(32)));
}

static int put_field(const struct leaf_builder *b, enum leaf_field f, bool is_first,
                     struct buf *out)
{
    const struct leaf_key *k = &leaf_keys[f];
    int rc;

    /* the key's text begins with the comma; the first field has the brace in its place */
    if ((rc = buf_putc(out, is_first ? '{' : ',')) != 0 ||
        (rc = buf_put(out, k->text + 1, k->n - 1)) != 0 ||
        (rc = buf_put(out, b->text + b->value[f].at, b->value[f].n)) != 0)
        return rc;
    return leaf_field_type(f) == LT_INT ? 0 : buf_putc(out, '"');
}

int leaf_end(struct leaf_builder *b, struct buf *out, struct err *e)
{
    const struct leaf_kind_info *info = &leaf_kinds[b->kind];
    size_t before = out->len;
    bool is_first = true;
    struct leaf l;
    int rc = 0;

    for (size_t i = 0; i < info->slots; i++) {
        enum leaf_field f = (enum leaf_field)info->slot[i].field;

        if (b->value[f].n == 0 && !info->slot[i].optional)
            refuse(b, f, "is missing");
    }
    if (b->bad.code != 0)
        return err_set(e, b->bad.code, "%s", b->bad.text);
    for (size_t i = 0; i < info->slots && rc == 0; i++) {
        enum leaf_field f = (enum leaf_field)info->slot[i].field;

        if (b->value[f].n == 0)
            continue;
        rc = put_field(b, f, is_first, out);
        is_first = false;
    }
    if (rc == 0)
        rc = buf_putc(out, '}');
    /* what the reader refuses is never written */
    if (rc == 0 && leaf_parse(&l, span_of(out->data + before, out->len - before)) != 0)
        rc = err_set(e, -EINVAL, "leaf \"%s\": its fields contradict each other", info->name);
    if (rc != 0)
        out->len = before;
    return rc;
}
