/* check_published.c FILE...: reads publications of an update repository (log/N.repository), each of
 * which must follow the one before. */
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "updates/published.h"

static int take(const char *path, struct published **before)
{
    struct published *p = NULL;
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, PUBLISHED_MAX_BYTES);
    if ((rc = io_read_file(AT_FDCWD, path, &b)) != 0)
        (void)err_sys(&e, rc, "reading");
    else if ((rc = published_read(&p, buf_span(&b), &e)) == 0 && *before != NULL)
        rc = published_follows(*before, p, &e);
    buf_free(&b);
    if (rc != 0) {
        (void)fprintf(stderr, "%s: %s\n", path, err_text(&e));
        published_free(p);
        return 1;
    }
    published_free(*before);
    *before = p;
    return 0;
}

int main(int argc, char **argv)
{
    struct published *last = NULL;
    int rc = argc > 1 ? 0 : 2;

    for (int i = 1; rc == 0 && i < argc; i++)
        rc = take(argv[i], &last);
    if (rc == 0)
        (void)printf("%d publications, the newest lists release %llu\n", argc - 1,
                     (unsigned long long)published_serial(last));
    published_free(last);
    return rc;
}
