/* tuf_fetch.h - where an updater gets files from: a table of functions, so that tests (and other
 * transports) can take the network's place. */
#ifndef UPDATES_TUF_FETCH_H
#define UPDATES_TUF_FETCH_H

#include "base/err.h"

struct tuf_fetch {
    /* Gives the file's bytes to sink as they come, at most max of them: a file that is longer is
     * -E2BIG, and sink has seen no byte beyond max.  -ENOENT: the repository says there is no such
     * file (404, 403).  What sink returns other than 0 ends it and is returned. */
    int (*get)(void *ctx, const char *url, uint64_t max,
               int (*sink)(const void *p, size_t n, void *arg), void *arg, struct err *e);
    void *ctx;
};

struct tuf_fetch_limits { /* zero in a field: the default in brackets */
    uint32_t stall_ms;    /* [20,000] with less than stall_rate bytes a second: given up */
    uint32_t stall_rate;  /* [1,000] */
    uint32_t metadata_ms; /* [300,000] for a file of max up to 16 MiB, whatever its pace */
};

/* By HTTP (http/client.h): answers other than 200, 403 and 404 are failures (-EPROTO); nothing is
 * retried, no redirect followed.  limits may be NULL.  Free with tuf_fetch_http_free. */
MUST_CHECK int tuf_fetch_http_new(struct tuf_fetch *out, const struct tuf_fetch_limits *limits,
                                  struct err *e);
void tuf_fetch_http_free(struct tuf_fetch *f);

/* From folders: the URLs are paths. */
void tuf_fetch_dir(struct tuf_fetch *out);

#endif
