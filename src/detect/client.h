/* client.h - one engine: batches out, findings back, never blocking.  Several engines and the
 * members of containers are put together by detect/line.h, which is what the keeper uses.
 *
 *   release_load(&r, "rules/demo", &e)
 *   detect_client_new(&c, r, &limits)              // r stays the caller's and outlives c
 *   detect_engine_start(&proc, &sock, &espec, &e)  // the one who may exec: the supervisor
 *   detect_client_attach(c, sock)                  // sock may have come in a message
 *   loop: epoll on detect_client_fd; on any event, and at detect_client_due: detect_client_step;
 *         then detect_client_next until 0
 *
 *   detect_batch_new(&b, c, submitter); detect_batch_add(b, size, &where, cookie); write the
 *   plaintext to where; ... detect_client_submit(c, b)
 *
 * Hash sets are asked before scanning: detect_client_known(c, sha256, f).
 *
 * An engine that ends, breaks the protocol or misses its deadline is dropped: everything in flight
 * becomes INCOMPLETE(engine), and detect_client_wants_engine says from when on (back-off, 100 ms
 * doubling to 30 s) the owner should start and attach another.  Nothing is sent twice by the client
 * itself.  While no engine serves, submit answers -EAGAIN. */
#ifndef DETECT_CLIENT_H
#define DETECT_CLIENT_H

#include "base/clock.h"
#include "detect/protocol.h"
#include "detect/release.h"
#include "detect/verdict.h"
#include "jail/proc.h"

/* --- starting an engine (whoever may fork and exec) --- */
struct detect_engine_spec {
    const char *path; /* the executable, e.g. /usr/libexec/glarus/glarus-engine-yara */
    uid_t uid;        /* as root: the uid the engine becomes; otherwise ignored */
    gid_t gid;
    uint32_t children; /* at a time; 0: as many as processors */
    uint64_t memory;   /* bytes of address space a child may add; 0: 1 GiB */
};
/* *sock is the client's end.  The engine ends when its peer closes or its parent ends. */
MUST_CHECK int detect_engine_start(struct proc *p, int *sock, const struct detect_engine_spec *s,
                                   struct err *e);

/* --- the client --- */
struct detect_limits {
    uint32_t file_ms; /* 0: 60,000 */
    uint32_t load_ms; /* RULES to HELLO; 0: 120,000 */
    uint32_t batches; /* in flight; 0: 8 */
    /* what one submitted file may hold, at any depth together; for engines that open containers */
    uint64_t member_bytes; /* 0: 256 MiB */
    uint32_t members;      /* 0: 10,000 */
    uint32_t depth;        /* 0: 16 */
    bool others_open;      /* another engine opens more kinds of containers */
    bool walks;            /* this engine is the one that opens containers; no other may say so */
};
enum detect_state { DETECT_DOWN, DETECT_STARTING, DETECT_READY };

struct detect_client;
MUST_CHECK int detect_client_new(struct detect_client **out, const struct release *r,
                                 const struct detect_limits *l);
void detect_client_free(struct detect_client *c);
MUST_CHECK int detect_client_attach(struct detect_client *c, int sock, struct err *e); /* takes */
enum detect_state detect_client_state(const struct detect_client *c);
bool detect_client_wants_engine(const struct detect_client *c, mono_ms now);
const char *detect_client_trouble(const struct detect_client *c); /* why the last engine went; "" */
int detect_client_fd(const struct detect_client *c);              /* -1 while down */
bool detect_client_wants_write(const struct detect_client *c);
mono_ms detect_client_due(const struct detect_client *c); /* call step then; INT64_MAX: never */
void detect_client_step(struct detect_client *c, mono_ms now);

/* What serves now, for rules.loaded and scan.done: valid while READY. */
const char *detect_client_engine(const struct detect_client *c); /* label "yara" */
const char *detect_client_version(const struct detect_client *c);
uint32_t detect_client_rules(const struct detect_client *c); /* of engine and hash sets together */
struct digest detect_client_release(const struct detect_client *c);

/* --- one submitter's files --- */
struct detect_batch;
MUST_CHECK int detect_batch_new(struct detect_batch **out);
void detect_batch_free(struct detect_batch *b);
/* Room for one more file; the caller writes its size bytes to *where before submitting.  -EAGAIN:
 * the batch is full (DETECT_BATCH_FILES, DETECT_BATCH_BYTES): submit it and begin another.  -E2BIG:
 * no engine takes such a file: it is INCOMPLETE(size). */
MUST_CHECK int detect_batch_add(struct detect_batch *b, uint64_t size, void **where,
                                uint64_t cookie);
size_t detect_batch_count(const struct detect_batch *b);
/* A batch whose files lie in memory that is sealed already; fd is duplicated.  point: -EAGAIN when
 * it is full. */
MUST_CHECK int detect_batch_slice(struct detect_batch **out, int fd);
MUST_CHECK int detect_batch_point(struct detect_batch *b, uint64_t offset, uint64_t size,
                                  uint64_t cookie);
/* What all files of the batch may take together, ms; 0: as much as its files one by one. */
void detect_batch_total(struct detect_batch *b, uint64_t ms);
/* Takes b when 0.  -EAGAIN: too many in flight or no engine ready; b stays the caller's. */
MUST_CHECK int detect_client_submit(struct detect_client *c, struct detect_batch *b);

struct detect_result {
    uint64_t cookie;
    uint32_t child;
    bool lost; /* the engine went before it answered: INCOMPLETE(engine) */
    /* An engine that opens containers gives this last for a batch: the members of the files whose
     * findings came before; the batch's other files were not looked at and give no finding. */
    bool members;
    struct detect_members table; /* cookie is the first file's, finding is CLEAN */
    int fd;                      /* the caller's from here on; -1 */
    struct finding finding;      /* finding_init it once, finding_done it at the end */
};
/* 1: *r is filled; 0: none now.  r is reusable.  Results of one batch come in its order. */
int detect_client_next(struct detect_client *c, struct detect_result *r);

/* Hash sets: 1 found (f MALICIOUS), 0 not, negative errno. */
MUST_CHECK int detect_client_known(struct detect_client *c, const struct digest *d,
                                   struct finding *f);

struct detect_counts { /* since the client began; for metrics */
    uint64_t batches, files, bytes, malicious, clean, incomplete, known, engines_lost;
    uint32_t in_flight; /* batches now */
};
struct detect_counts detect_client_counts(const struct detect_client *c);

#endif
