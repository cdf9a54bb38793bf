/* shop.h - an update repository whose keys are all in the forger's hands, and a client that trusts
 * what everybody trusts: what the cheats against clients are played with.
 *
 * Two releases of a history's ledger are published in it, and the client has the second; a third
 * is ready. */
#ifndef BETRAY_SHOP_H
#define BETRAY_SHOP_H

#include "betray/stage.h"
#include "updates/install.h"
#include "updates/tuf_write.h"

#define SHOP_RELEASES 3

struct shop {
    struct stage *s;
    const char *tmp; /* an empty folder */
    int site;        /* whose ledger has the releases */
    uint64_t serial; /* of the first of them */
    struct signkey *root[2], *online;
    struct buf before; /* timestamp.json as of the first release */
};

/* Which ledger a release is added from, and who says that it is cosigned. */
enum shop_ledger {
    SHOP_TRUE,
    SHOP_FORGED, /* the same leaves, signed by a log and a witness of the forger's */
    SHOP_UNSEEN, /* the true log; its newest checkpoint was shown to no witness */
    SHOP_OTHER   /* as FORGED, and the release is another tree in it, and in the repository */
};

/* To be closed after failure too. */
MUST_CHECK int shop_open(struct shop *h, struct stage *s, const char *tmp, struct err *e);
void shop_close(struct shop *h);

/* Release i (0 to 2) into pending/, signed; then published by shop_publish. */
MUST_CHECK int shop_add(struct shop *h, int i, enum shop_ledger from, struct err *e);
MUST_CHECK int shop_publish(struct shop *h, struct err *e);
/* The client updates.  *refused: it did not, and sentence says why; what it had is still in use. */
MUST_CHECK int shop_update(struct shop *h, bool *refused, struct err *sentence, struct err *e);

/* The parts of shop_add: the ledger with releases up to i as the folder "ledgerI"; signing what
 * waits. */
MUST_CHECK int shop_ledger(struct shop *h, int i, struct err *e);
MUST_CHECK int shop_sign_rules(struct shop *h, struct err *e);
/* The proof of release i in such a ledger. */
MUST_CHECK int shop_proof(struct shop *h, int i, enum shop_ledger from, struct buf *out,
                          struct err *e);

void shop_path(const struct shop *h, const char *name, char out[4200]);
MUST_CHECK int shop_read(const struct shop *h, const char *name, struct buf *b, struct err *e);
MUST_CHECK int shop_write(const struct shop *h, const char *name, struct span bytes, struct err *e);
/* Metadata that keys sign: becomes the file of that name. */
MUST_CHECK int shop_sign(const struct shop *h, const char *name, json_t *part,
                         struct signkey *const *keys, size_t n, struct err *e);

#endif
