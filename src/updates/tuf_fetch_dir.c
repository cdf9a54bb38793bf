/* tuf_fetch_dir.c - a repository that lies in a folder: a copy on a medium, a mount. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "updates/tuf_fetch.h"

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* URLs are percent-encoded; files are named plainly.  What is quoted to be no separator ("%2F", of
 * a role's name) becomes none here, either. */
static bool is_plain(const char *p)
{
    int c = hex(p[1]) < 0 || hex(p[2]) < 0 ? 0 : hex(p[1]) * 16 + hex(p[2]);

    return c != 0 && c != '/';
}

static char *unquote(const char *url)
{
    char *out = malloc(strlen(url) + 1), *to = out;

    for (const char *p = url; out != NULL && *p != '\0'; p++) {
        if (*p == '%' && is_plain(p)) {
            *to++ = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    if (out != NULL)
        *to = '\0';
    return out;
}

static int copy(int fd, uint64_t max, int (*sink)(const void *p, size_t n, void *arg), void *arg)
{
    uint8_t piece[65536];
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0) {
            rc = errno == EINTR ? 0 : -errno;
        } else if ((uint64_t)n > max) {
            rc = -E2BIG;
        } else {
            max -= (uint64_t)n;
            rc = sink(piece, (size_t)n, arg);
        }
    }
    return rc;
}

static int get(void *ctx, const char *url, uint64_t max,
               int (*sink)(const void *p, size_t n, void *arg), void *arg, struct err *e)
{
    char *path = unquote(url);
    struct stat st;
    int fd, rc;

    (void)ctx;
    if (path == NULL)
        return err_sys(e, -ENOMEM, "reading \"%s\"", url);
    if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0)
        rc = errno == ENOENT ? err_set(e, -ENOENT, "the repository has no \"%s\"", path)
                             : err_sys(e, -errno, "reading \"%s\"", path);
    else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = err_set(e, -EINVAL, "\"%s\" is no regular file", path);
    else if ((rc = copy(fd, max, sink, arg)) != 0 && (e == NULL || e->code == 0))
        (void)err_sys(e, rc, "reading \"%s\"", path);
    io_close(&fd);
    free(path);
    return rc;
}

void tuf_fetch_dir(struct tuf_fetch *out)
{
    *out = (struct tuf_fetch){get, NULL};
}
