#include "updates/delta.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 30 /* of a frame that is expanded; the output itself is the window */

/* Both files must lie in the window for any part of the old one to be found. */
static int window_for(uint64_t n)
{
    int log = 10;

    while (log < WINDOW_LOG_MAX && (UINT64_C(1) << log) < n)
        log++;
    return log;
}

static size_t set_up(ZSTD_CCtx *z, struct span from, struct span to)
{
    const struct {
        ZSTD_cParameter what;
        int value;
    } set[] = {{ZSTD_c_compressionLevel, DELTA_LEVEL},
               {ZSTD_c_contentSizeFlag, 1},
               {ZSTD_c_checksumFlag, 0}, /* the result's hash is checked */
               {ZSTD_c_windowLog, window_for((uint64_t)from.n + to.n)},
               {ZSTD_c_enableLongDistanceMatching, from.n > 0}};
    size_t z_rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(set) && !ZSTD_isError(z_rc); i++)
        z_rc = ZSTD_CCtx_setParameter(z, set[i].what, set[i].value);
    if (!ZSTD_isError(z_rc) && from.n > 0)
        z_rc = ZSTD_CCtx_refPrefix(z, from.p, from.n);
    return z_rc;
}

int delta_make(struct buf *out, struct span from, struct span to, struct err *e)
{
    size_t room = ZSTD_compressBound(to.n), z_rc;
    ZSTD_CCtx *z = ZSTD_createCCtx();
    int rc;

    if (z == NULL || (rc = buf_reserve(out, room)) != 0) {
        rc = z == NULL ? -ENOMEM : rc;
        goto out;
    }
    z_rc = set_up(z, from, to);
    if (!ZSTD_isError(z_rc))
        z_rc = ZSTD_compress2(z, out->data + out->len, room, to.p, to.n);
    if (ZSTD_isError(z_rc)) {
        rc = ZSTD_getErrorCode(z_rc) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
        goto out;
    }
    out->len += z_rc;
out:
    ZSTD_freeCCtx(z);
    return rc == 0 ? 0 : err_sys(e, rc, "compressing");
}

int delta_apply(void *to, size_t n, struct span from, struct span frame, struct err *e)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    size_t z_rc;

    if (z == NULL)
        return err_sys(e, -ENOMEM, "expanding");
    z_rc = ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    if (!ZSTD_isError(z_rc) && from.n > 0)
        z_rc = ZSTD_DCtx_refPrefix(z, from.p, from.n);
    if (!ZSTD_isError(z_rc))
        z_rc = ZSTD_decompressDCtx(z, to, n, frame.p, frame.n);
    ZSTD_freeDCtx(z);
    if (!ZSTD_isError(z_rc))
        return z_rc == n ? 0 : err_set(e, -EBADMSG, "expands to fewer bytes than announced");
    return ZSTD_getErrorCode(z_rc) == ZSTD_error_memory_allocation
               ? err_sys(e, -ENOMEM, "expanding")
               : err_set(e, -EBADMSG, "does not expand (%s)", ZSTD_getErrorName(z_rc));
}
