/* front_lookup.h - look-ups: is a file of this hash known to be malicious?  Answered here from the
 * snapshot that the keeper has given out (hot.h); who may ask, for which country, the keeper says,
 * and its word holds a few seconds.  Neither hashes nor askers are kept or logged: the keeper is
 * told how many look-ups there were for a country, and nothing else. */
#ifndef SITE_FRONT_LOOKUP_H
#define SITE_FRONT_LOOKUP_H

#include "http/server.h"
#include "jail/msg.h"

#define FRONT_LOOKUP_MOST 4096 /* hashes of one request */

struct front;
struct front_lookup;
MUST_CHECK int front_lookup_new(struct front_lookup **out);
void front_lookup_free(struct front_lookup *l); /* NULL is fine */

/* GET /v1/lookups/{sha256}, POST /v1/lookups */
void front_lookup_one(struct http_req *r, void *arg);
void front_lookup_many(struct http_req *r, void *arg);
/* The keeper allows what r asks. */
void front_lookup_go(struct front *f, struct http_req *r);
/* A new snapshot. */
MUST_CHECK int front_lookup_take(struct front *f, struct msg *m);
/* Tells the keeper of look-ups that have waited long enough.  Returns the milliseconds until it has
 * to be called again, -1: nothing waits. */
int front_lookup_tell(struct front *f);
/* The front drains: tells all, and that it was all.  Nothing is looked up any more. */
void front_lookup_end(struct front *f);

#endif
