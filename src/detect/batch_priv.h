/* batch_priv.h - a batch as its client sees it. */
#ifndef DETECT_BATCH_PRIV_H
#define DETECT_BATCH_PRIV_H

#include "detect/protocol.h"

struct detect_batch {
    int fd;
    uint8_t *map; /* while it is being filled */
    uint64_t capacity, used;
    bool sealed; /* the memory is another's, or it is done already */
    struct detect_scan scan;
    uint64_t cookie[DETECT_BATCH_FILES];
};

/* Ends the filling: unmapped, cut to size, sealed. */
MUST_CHECK int detect_batch_seal(struct detect_batch *b);

#endif
