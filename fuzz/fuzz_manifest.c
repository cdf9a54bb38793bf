/* The list of a backup: what is read is written again the same, and no name leads out of the
 * folder. */
#include <assert.h>
#include <string.h>

#include "site/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_file f;
    struct manifest m;
    struct buf again;
    int rc;

    if (manifest_read(&m, span_of(data, size), NULL) != 0)
        return 0;
    buf_init(&again, size);
    assert(manifest_put_head(&again, m.site, m.epoch, m.leaves) == 0);
    while ((rc = manifest_next(&m, &f, NULL)) == 1) {
        assert(f.name[0] != '/' && strstr(f.name, "..") == NULL);
        assert(manifest_put_file(&again, &f.sha256, f.name) == 0);
    }
    assert(rc == 0 || rc == -74);
    assert(again.len <= size && memcmp(again.data, data, again.len) == 0);
    assert(rc != 0 || again.len == size);
    buf_free(&again);
    return 0;
}
