/* front_priv.h - the inside of the front: requests of clients become messages to the keeper, its
 * answers become answers.  A message's id is the request's http_id, so that an answer whose client
 * has left finds nobody and is dropped.  Nothing here decides anything but spelling. */
#ifndef SITE_FRONT_PRIV_H
#define SITE_FRONT_PRIV_H

#include "http/server.h"
#include "jail/msg.h"
#include "jail/ring.h"
#include "site/config.h"
#include "site/front_lookup.h"
#include "site/front_tls.h"
#include "site/proto.h"

#define FRONT_ROUTES 17
#define FRONT_NO_SLOT UINT32_MAX
#define FRONT_FILES_MAX 1024 /* answers that hold a descriptor of the keeper, at once */
#define FRONT_MOVE_BODY_MAX PROTO_TAIL_MAX

struct front;

enum front_upload {
    UPLOAD_NONE,  /* not an upload */
    UPLOAD_ASKED, /* FK_PUT_BEGIN is out; the body waits */
    UPLOAD_FLOWS,
    UPLOAD_ENDED, /* FK_PUT_END is out */
    UPLOAD_OVER,  /* the keeper has answered */
};

/* What a request waits for; lives as the request's context. */
struct visit {
    struct visit *next; /* uploads whose body flows */
    struct visit *wait; /* uploads that wait for a slot, oldest first */
    struct front *f;
    uint64_t id;
    enum front_upload upload;
    uint32_t slot, len; /* being filled */
    mono_ms claimed;
    bool waits, move, metrics, file;
    char path[128];   /* of a ledger's file */
    const char *type; /* content type of a file */
    struct id128 sub;
    const char *state; /* of an order */
};

/* A message that did not fit into the channel yet. */
struct parcel {
    struct parcel *next;
    uint16_t type;
    uint64_t id;
    struct buf body;
};

struct front {
    const struct config *c;
    struct front_tls *tls; /* NULL: plain HTTP */
    struct http_server *server;
    struct msg_chan *keeper;
    struct ring *ring;
    struct front_lookup *lookup;
    struct http_route route[FRONT_ROUTES];
    struct visit *uploads;
    struct visit *wait, **wait_end;
    struct parcel *outbox, **outbox_end;
    int failed; /* negative errno: the keeper is gone or broke the protocol */
    bool draining;
    uint64_t uploads_now, uploads_total, aborted, starved, files_now;
};

/* --- front.c --- */
/* Sends, or keeps until the channel takes it.  Never blocks. */
void front_send(struct front *f, uint16_t type, uint64_t id, const void *p, size_t n);
/* Asks the keeper on behalf of r and parks it for at most ms; answers 503 when the keeper is busy.
 */
void front_ask(struct front *f, struct http_req *r, uint16_t type, const void *p, size_t n,
               uint32_t ms);
/* A new visit as r's context; NULL: it has answered 503. */
struct visit *front_visit(struct front *f, struct http_req *r);

/* --- front_routes.c --- */
/* Fills f->route. */
void front_routes(struct front *f);
/* The digest of the bearer token; false: it has answered 401. */
bool front_token(struct http_req *r, struct digest *out);

/* --- front_upload.c --- */
void front_upload_begin(struct http_req *r, void *arg);
void front_upload_object(struct http_req *r, void *arg);
size_t front_upload_room(struct http_req *r, uint8_t **into, void *arg);
void front_upload_body(struct http_req *r, struct span chunk, void *arg);
void front_upload_end(struct http_req *r, void *arg);
void front_upload_gone(struct http_req *r, void *arg);
void front_upload_go(struct front *f, struct http_req *r);
void front_upload_freed(struct front *f, uint32_t slot);
/* While uploads wait for slots: takes those that others have held for long. */
void front_upload_pressure(struct front *f, mono_ms now);

/* --- front_answer.c --- */
/* One message of the keeper. */
void front_answer(struct front *f, struct msg *m);
/* An error with the number of seconds after which to try again (0: none). */
void front_answer_error(struct http_req *r, int status, const char *code, const char *cure,
                        unsigned retry_after, const char *text);

#endif
