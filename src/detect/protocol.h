/* protocol.h - what an engine server and its client say to each other (over jail/msg.h).
 * A new engine is a new executable that speaks this.
 *
 *   client (MSG_A)                       engine (MSG_B)
 *   RULES  + bundle memfd     ------->   compiles, warms up, locks down, proves itself
 *                             <-------   HELLO, or FAILED with a sentence (file:line) and the end
 *   SCAN   + batch memfd      ------->   one forked child for the batch
 *                             <-------   VERDICT for each file of it, in order
 *                             <-------   MEMBERS + memfd: only from an engine whose HELLO says so
 *
 * An engine that opens containers (HELLO's members) answers a SCAN with the verdicts of its first
 * files, as many as its memory holds the members of, and then with MEMBERS, which ends the batch:
 * `next` is the first file it did not come to, to be sent again later.  The memfd holds a table and
 * the members' bytes, sealed when the child that wrote it is dead; protocol_members_check says
 * whether every word of the table is in bounds.
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
enum detect_msg {
    DETECT_RULES = 1,
    DETECT_HELLO,
    DETECT_FAILED,
    DETECT_SCAN,
    DETECT_VERDICT,
    DETECT_MEMBERS
};
extern const struct msg_protocol detect_protocol;

#define DETECT_BATCH_FILES 256
#define DETECT_BATCH_BYTES (UINT64_C(64) << 20) /* a lone file may be larger */
#define DETECT_FILE_BYTES (UINT64_C(2) << 30)
#define DETECT_LABEL_MAX 32
#define DETECT_TIME_MAX 600000 /* ms a file */

struct detect_rules { /* RULES */
    uint64_t size;    /* of the bundle in the descriptor */
    /* what one submitted file may hold, at any depth together; for engines that open containers */
    uint64_t member_bytes;
    uint32_t members, depth;
    uint32_t flags; /* set of DETECT_OTHERS_OPEN */
};
#define DETECT_OTHERS_OPEN 1u           /* another engine opens more kinds of containers (ClamAV) */
struct detect_hello {                   /* HELLO */
    char engine[DETECT_LABEL_MAX + 1];  /* "yara": the leaf's engine label */
    char version[DETECT_LABEL_MAX + 1]; /* "4.2.3" */
    uint32_t rules;
    uint32_t members; /* 1: each SCAN is ended by MEMBERS */
};
struct detect_scan { /* SCAN */
    uint32_t limit;  /* ms a file may take */
    uint32_t total;  /* ms all of them together; what has no verdict then is INCOMPLETE(time) */
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
struct detect_members { /* MEMBERS */
    uint32_t next;      /* the first file that was not looked at; n: none */
    uint32_t count;     /* of members */
    uint64_t size;      /* of the memfd */
};

/* The memfd of MEMBERS: `count` of these from byte 0, then bytes.  Host order: both ends are one
 * build on one machine, as with the sheet of a child. */
struct detect_member {
    uint32_t file;   /* index in the SCAN of the file it lies in */
    uint32_t parent; /* 0: the file itself holds it; else the number of a member before it */
    uint32_t depth;  /* 1: in the file itself */
    uint32_t name_len;
    uint64_t name_at; /* its name as the container spells it: any bytes */
    uint64_t offset, size;
    uint32_t reason; /* enum verdict_reason: why what it holds was not all taken out */
    uint32_t zero;
};
#define DETECT_MEMBERS_MAX 100000u /* of one SCAN */
#define DETECT_MEMBER_NAME 255u
#define DETECT_DEPTH_MAX 64u
#define DETECT_MEMBER_BYTES (UINT64_C(1) << 30)
/* Is every word of the table in bounds?  -EPROTO.  Members of one file stand side by side, files in
 * their order.  Numbers: 1 + index, so a parent is known before
 * its members, lies in the same file and is one less deep. */
MUST_CHECK int protocol_members_check(const struct detect_members *m, const uint8_t *map,
                                      uint32_t files);

MUST_CHECK int protocol_put_rules(struct buf *b, const struct detect_rules *m);
MUST_CHECK int protocol_get_rules(struct span s, struct detect_rules *m);
MUST_CHECK int protocol_put_hello(struct buf *b, const struct detect_hello *m);
MUST_CHECK int protocol_get_hello(struct span s, struct detect_hello *m);
MUST_CHECK int protocol_put_scan(struct buf *b, const struct detect_scan *m);
MUST_CHECK int protocol_get_scan(struct span s, struct detect_scan *m);
MUST_CHECK int protocol_put_answer(struct buf *b, const struct detect_answer *m);
MUST_CHECK int protocol_get_answer(struct span s,
                                   struct detect_answer *m); /* finding initialized */
MUST_CHECK int protocol_put_members(struct buf *b, const struct detect_members *m);
MUST_CHECK int protocol_get_members(struct span s, struct detect_members *m);

/* The bundle of a release's sources for one engine: files in ascending order of their names, each
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
