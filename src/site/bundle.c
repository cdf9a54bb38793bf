#include "site/bundle.h"

#include <errno.h>
#include <string.h>

#include "base/defs.h"

int bundle_split(struct span bytes, struct span *part, size_t n)
{
    struct cur c = cur_of(bytes);
    uint8_t head[sizeof(BUNDLE_HEAD) - 1];
    uint32_t parts;
    int rc = cur_copy(&c, head, sizeof(head));

    if (rc != 0 || memcmp(head, BUNDLE_HEAD, sizeof(head)) != 0 || cur_u32(&c, &parts) != 0 ||
        parts != n)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        uint64_t length;

        if (cur_u64(&c, &length) != 0 || length == 0 || length > bytes.n)
            return -EBADMSG;
        part[i] = span_of(NULL, (size_t)length);
    }
    for (size_t i = 0; i < n; i++)
        if (cur_take(&c, part[i].n, &part[i]) != 0)
            return -EBADMSG;
    return c.n == 0 ? 0 : -EBADMSG;
}

int bundle_write(const struct span *part, size_t n, struct buf *out)
{
    int rc;

    if ((rc = buf_puts(out, BUNDLE_HEAD)) != 0 || (rc = buf_put_u32(out, (uint32_t)n)) != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = buf_put_u64(out, part[i].n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = buf_put(out, part[i].p, part[i].n);
    return rc;
}
