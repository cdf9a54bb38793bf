/* protocol.h - what an engine server and its client say to each other (over jail/msg.h).
 * A new engine is a new executable that speaks this.
 *
 *   client (MSG_A)                       engine (MSG_B)
 *   RULES  + bundle memfd     ------->   compiles, warms up, locks down, proves itself
 *                             <-------   HELLO, or FAILED with a sentence (file:line) and the end
 *   SCAN   + batch memfd      ------->   one forked child for the batch
 *                             <-------   VERDICT for each file of it, in order
 *
 * A batch is one submitter's: the files of one SCAN share a child and no child serves two SCANs.
 * Its bytes lie in one memfd, sealed against writing, shrinking and growing; a table of (offset,
 * size) says where.  The message's id names the batch, an index a file; no identifier of a
 * submission reaches an engine.  After a child's death the file it was at is INCOMPLETE, the files
 * behind it go to a new child; no file is tried twice.
 *
 * The structs are the messages' bodies; put and get translate.  get checks all that does not need
 * the peer's state: -EPROTO. */
#ifndef DETECT_PROTOCOL_H
#define DETECT_PROTOCOL_H

#include "detect/verdict.h"
#include "jail/msg.h"

enum detect_phase { DETECT_LOADING, DETECT_SERVING };
enum detect_msg { DETECT_RULES = 1, DETECT_HELLO, DETECT_FAILED, DETECT_SCAN, DETECT_VERDICT };
extern const struct msg_protocol detect_protocol;

#define DETECT_BATCH_FILES 256
#define DETECT_BATCH_BYTES (UINT64_C(64) << 20) /* a lone file may be larger */
#define DETECT_FILE_BYTES (UINT64_C(2) << 30)
#define DETECT_LABEL_MAX 32
#define DETECT_TIME_MAX 600000 /* ms a file */

struct detect_rules { /* RULES */
    uint64_t size;    /* of the bundle in the descriptor */
};
struct detect_hello {                   /* HELLO */
    char engine[DETECT_LABEL_MAX + 1];  /* "yara": the leaf's engine label */
    char version[DETECT_LABEL_MAX + 1]; /* "4.2.3" */
    uint32_t rules;
};
struct detect_scan { /* SCAN */
    uint32_t limit;  /* ms a file may take */
    uint32_t n;
    struct {
        uint64_t offset, size;
    } file[DETECT_BATCH_FILES];
};
struct detect_answer { /* VERDICT */
    uint32_t index;
    uint32_t
        child; /* the engine's running number of the child that served it: for logs and tests */
    struct finding finding;
};

MUST_CHECK int protocol_put_rules(struct buf *b, const struct detect_rules *m);
MUST_CHECK int protocol_get_rules(struct span s, struct detect_rules *m);
MUST_CHECK int protocol_put_hello(struct buf *b, const struct detect_hello *m);
MUST_CHECK int protocol_get_hello(struct span s, struct detect_hello *m);
MUST_CHECK int protocol_put_scan(struct buf *b, const struct detect_scan *m);
MUST_CHECK int protocol_get_scan(struct span s, struct detect_scan *m);
MUST_CHECK int protocol_put_answer(struct buf *b, const struct detect_answer *m);
MUST_CHECK int protocol_get_answer(struct span s,
                                   struct detect_answer *m); /* finding initialized */

/* The bundle of a release's YARA sources: files in ascending order of their names, each
 * u16 length, name, u32 length, content. */
struct protocol_file {
    char name[256];
    struct span content;
};
/* The next file of the bundle; 1: one, 0: the end, -EBADMSG. */
MUST_CHECK int protocol_put_file(struct buf *b, const char *name,
                                 uint32_t size); /* not the content */
MUST_CHECK int protocol_bundle_next(struct cur *c, struct protocol_file *out);

#endif
