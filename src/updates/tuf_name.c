#include "updates/tuf_name.h"

#include <errno.h>
#include <string.h>

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
#define IN_PATH UNRESERVED "/!$&'()*+,;=:@"
#define HEX "0123456789abcdefABCDEF"

static int quote(struct buf *b, const char *s, const char *kept)
{
    int rc = 0;

    for (; rc == 0 && *s != '\0'; s++)
        rc = strchr(kept, *s) != NULL ? buf_putc(b, *s) : buf_printf(b, "%%%02X", (uint8_t)*s);
    return rc;
}

int tuf_name_quote(struct buf *b, const char *s)
{
    return quote(b, s, UNRESERVED);
}

int tuf_name_url_path(struct buf *b, const char *s)
{
    int rc = 0;

    for (; rc == 0 && *s != '\0'; s++) {
        const char one[2] = {*s, '\0'};

        if (s[0] == '%' && s[1] != '\0' && s[2] != '\0' && strchr(HEX, s[1]) != NULL &&
            strchr(HEX, s[2]) != NULL)
            rc = buf_putc(b, '%');
        else
            rc = quote(b, one, IN_PATH);
    }
    return rc;
}

int tuf_name_file(struct buf *b, const char *s, const char *suffix)
{
    size_t from = b->len;
    int rc = 0;

    if (s[0] == '.') {
        rc = buf_puts(b, "%2E");
        s++;
    }
    if (rc == 0)
        rc = quote(b, s, UNRESERVED);
    if (rc == 0)
        rc = buf_puts(b, suffix);
    if (rc == 0 && b->len - from > TUF_FILE_NAME_MAX)
        rc = -E2BIG;
    return rc;
}
