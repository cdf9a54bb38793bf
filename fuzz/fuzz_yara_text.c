/* Where the rules of a YARA source are: every rule lies in the source behind the one before, is
 * itself and alone when it is read again, and its meta ends. */
#include <errno.h>
#include <stdlib.h>

#include "rules/yara_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void meta(const struct yara_rule *r)
{
    struct yara_text t = yara_text_of(r->body);
    struct span key, value;
    struct buf b;
    size_t n = 0;

    buf_init(&b, r->body.n);
    while (yara_text_meta(&t, &key, &value) == 1) {
        if (key.n == 0 || value.n == 0 || value.p + value.n > r->body.p + r->body.n ||
            ++n > r->body.n)
            abort();
        buf_reset(&b);
        if (yara_text_value(&b, value) != 0 || b.len > value.n)
            abort();
    }
    buf_free(&b);
}

static void again(const struct yara_rule *r)
{
    struct yara_text t = yara_text_of(r->text);
    struct yara_rule same;

    if (yara_text_rule(&t, &same, NULL) != 1 || !span_eq(same.name, r->name) ||
        !span_eq(same.text, r->text) || same.is_private != r->is_private ||
        same.is_global != r->is_global || yara_text_rule(&t, &same, NULL) != 0)
        abort();
    if (!yara_text_same(r->text, r->text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yara_text t = yara_text_of(span_of(data, size));
    const uint8_t *from = data;
    struct err e = ERR_INIT;
    struct yara_rule r;
    int rc;

    while ((rc = yara_text_rule(&t, &r, &e)) == 1) {
        if (r.text.p < from || r.text.p + r.text.n > data + size || r.name.n == 0 ||
            r.body.p < r.text.p || r.body.p + r.body.n != r.text.p + r.text.n ||
            r.body.p[0] != '{' || r.body.p[r.body.n - 1] != '}')
            abort();
        from = r.text.p + r.text.n;
        meta(&r);
        again(&r);
    }
    if (rc != 0 && (rc != -EBADMSG || e.code != -EBADMSG))
        abort();
    return 0;
}
