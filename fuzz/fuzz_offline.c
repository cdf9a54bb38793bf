/* A bundle: what is accepted is read the same again, and its documents say all of it.  The file
 * that a .dsc is, too (first byte 'd'; a bundle begins with 'p'). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "assembler/dsc.h"
#include "assembler/offline.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int listed(void *arg, const struct dsc_file *f, struct err *e)
{
    (void)e;
    if (f->name[0] == '\0' || f->name[0] == '.' || strchr(f->name, '/') != NULL)
        abort();
    ++*(size_t *)arg;
    return 0;
}

static void bundle(const uint8_t *data, size_t size)
{
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    struct err e = ERR_INIT;
    struct offline b;

    if (fd < 0 || io_write_all(fd, data, size) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    if (offline_read(&b, fd, NULL, NULL, &e) == 0) {
        if (b.product.artifacts + b.lock.n + b.recipe->nsources > b.files || b.bytes > size)
            abort();
    } else if (e.text[0] == '\0') {
        abort(); /* a refusal has a sentence */
    }
    offline_done(&b);
    io_close(&fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    size_t n = 0;

    if (size > 0 && data[0] == 'd') {
        if (dsc_each(span_of(data + 1, size - 1), listed, &n, &e) == 0 && n == 0)
            abort();
        return 0;
    }
    bundle(data, size);
    return 0;
}
