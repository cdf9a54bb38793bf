#include "base/ustar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_PART 155u

/* Where the parts of a header are, and how long. */
enum {
    AT_NAME = 0,
    AT_MODE = 100,
    AT_UID = 108,
    AT_GID = 116,
    AT_SIZE = 124,
    AT_TIME = 136,
    AT_SUM = 148,
    AT_TYPE = 156,
    AT_MAGIC = 257,
    AT_MAJOR = 329,
    AT_MINOR = 337,
    AT_PREFIX = 345
};

const uint8_t ustar_zeros[2 * USTAR_BLOCK];

/* Where name is cut in two: 0: it fits whole; else the '/' that neither part has.  -E2BIG. */
static int cut(const char *name, size_t *at)
{
    size_t n = strlen(name);

    *at = 0;
    if (n <= USTAR_PART_MAX)
        return 0;
    for (size_t i = n - USTAR_PART_MAX - 1; i < n && i <= PREFIX_PART; i++)
        if (i > 0 && name[i] == '/' && i + 1 < n) {
            *at = i;
            return 0;
        }
    return -E2BIG;
}

int ustar_header(uint8_t out[USTAR_BLOCK], const char *name, uint64_t size)
{
    char text[16];
    unsigned sum = 0;
    size_t at;
    int rc = size > USTAR_SIZE_MAX ? -E2BIG : cut(name, &at);

    if (rc != 0)
        return rc;
    memset(out, 0, USTAR_BLOCK);
    memcpy(out + AT_PREFIX, name, at);
    memcpy(out + AT_NAME, name + at + (at > 0), strlen(name) - at - (at > 0));
    memcpy(out + AT_MODE, "0000644", 7);
    memcpy(out + AT_UID, "0000000", 7);
    memcpy(out + AT_GID, "0000000", 7);
    (void)snprintf(text, sizeof(text), "%011llo", (unsigned long long)size);
    memcpy(out + AT_SIZE, text, 11);
    memcpy(out + AT_TIME, "00000000000", 11);
    memset(out + AT_SUM, ' ', 8);
    out[AT_TYPE] = '0';
    memcpy(out + AT_MAGIC,
           "ustar\0"
           "00",
           8);
    memcpy(out + AT_MAJOR, "0000000", 7);
    memcpy(out + AT_MINOR, "0000000", 7);
    for (size_t i = 0; i < USTAR_BLOCK; i++)
        sum += out[i];
    (void)snprintf(text, sizeof(text), "%06o", sum);
    memcpy(out + AT_SUM, text, 7); /* six digits, NUL, blank */
    return 0;
}

/* Name and size are read and nothing else; what ustar_header makes of them must be the header. */
int ustar_read(const uint8_t h[USTAR_BLOCK], char name[USTAR_NAME_MAX + 1], uint64_t *size)
{
    size_t prefix = strnlen((const char *)h + AT_PREFIX, PREFIX_PART);
    size_t rest = strnlen((const char *)h + AT_NAME, USTAR_PART_MAX);
    uint8_t again[USTAR_BLOCK];

    if (memcmp(h, ustar_zeros, USTAR_BLOCK) == 0)
        return 0;
    memcpy(name, h + AT_PREFIX, prefix);
    if (prefix > 0)
        name[prefix++] = '/';
    memcpy(name + prefix, h + AT_NAME, rest);
    name[prefix + rest] = '\0';
    *size = 0;
    for (int i = 0; i < 11; i++) {
        unsigned digit = h[AT_SIZE + i] - (unsigned)'0';

        if (digit > 7)
            return -EBADMSG;
        *size = *size * 8 + digit;
    }
    return ustar_header(again, name, *size) == 0 && memcmp(again, h, USTAR_BLOCK) == 0 ? 1
                                                                                       : -EBADMSG;
}

size_t ustar_padding(uint64_t size)
{
    return (size_t)((USTAR_BLOCK - size % USTAR_BLOCK) % USTAR_BLOCK);
}
