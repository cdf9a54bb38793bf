#include "crypto/secret.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

/* n as whole pages, 0 if there is no such size */
static size_t whole_pages(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (n == 0 || n > SIZE_MAX - page)
        return 0;
    return (n + page - 1) / page * page;
}

void *secret_alloc(size_t n)
{
    size_t size = whole_pages(n);
    void *p;

    if (size == 0)
        return NULL;
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (mlock(p, size) != 0 || madvise(p, size, MADV_DONTDUMP) != 0) {
        (void)munmap(p, size);
        return NULL;
    }
    return p;
}

int secret_err(struct err *e, size_t n)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_MEMLOCK, &lim) != 0 || lim.rlim_cur == RLIM_INFINITY)
        return err_set(e, -ENOMEM, "no memory for %zu bytes of keys", n);
    return err_set(e, -ENOMEM,
                   "cannot lock %zu bytes of memory for keys: the limit of locked memory is %llu "
                   "bytes in all; raise it (LimitMEMLOCK= of the service, ulimit -l in a shell)",
                   n, (unsigned long long)lim.rlim_cur);
}

void secret_free(void *p, size_t n)
{
    int rc;

    if (p == NULL)
        return;
    secret_wipe(p, n);
    rc = munmap(p, whole_pages(n));
    assert(rc == 0); /* p or n is not what secret_alloc gave */
    (void)rc;
}

void secret_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}

bool secret_eq(const void *a, const void *b, size_t n)
{
    return n == 0 || gnutls_memcmp(a, b, n) == 0;
}
