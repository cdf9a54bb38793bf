#include "events/receipt_pack.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define HEX 32u

static const char word[] = "receipt ";
#define WORD (sizeof(word) - 1)

int receipt_pack_put(struct buf *out, const struct id128 *sub, struct span receipt)
{
    char hex[HEX + 1];
    int rc;

    text_id(hex, sub);
    if ((rc = buf_reserve(out, receipt.n + WORD + HEX + 24)) != 0 ||
        (rc = buf_printf(out, "%s%s %zu\n", word, hex, receipt.n)) != 0)
        return rc;
    return buf_put(out, receipt.p, receipt.n);
}

bool receipt_pack_is(struct span text)
{
    return text.n >= WORD && memcmp(text.p, word, WORD) == 0;
}

int receipt_pack_next(struct cur *c, struct id128 *sub, struct span *receipt, struct err *e)
{
    struct cur at = *c;
    struct span line;
    uint64_t n;

    if (c->n == 0)
        return -ENOENT;
    if (cur_line(&at, &line) != 0 || !receipt_pack_is(line) || line.n < WORD + HEX + 2 ||
        text_unid(span_of(line.p + WORD, HEX), sub) != 0 || line.p[WORD + HEX] != ' ' ||
        text_u64(span_of(line.p + WORD + HEX + 1, line.n - WORD - HEX - 1), RECEIPT_PACK_MAX, &n) !=
            0 ||
        cur_take(&at, (size_t)n, receipt) != 0)
        return err_set(e, -EBADMSG, "%zu bytes before its end the pack is damaged", c->n);
    *c = at;
    return 0;
}
