/* install_priv.h - what the two parts of an installation share: fetching and the folder. */
#ifndef UPDATES_INSTALL_PRIV_H
#define UPDATES_INSTALL_PRIV_H

#include <limits.h>

#include "updates/install.h"
#include "updates/tuf_updater.h"

struct installing {
    const struct install *in;
    struct install_done *out;
    int dir; /* in->dir */
    char *metadata_url, *targets_url;
    struct tuf_store store;
    struct tuf_shelf *shelf;
    struct tuf_updater *updater;
};

/* The serial that rules/current.json names. */
MUST_CHECK int install_current(struct span text, uint64_t *serial, struct err *e);

/* Makes releases/, removes what a killed update left, and finds which release is in use. */
MUST_CHECK int install_look(struct installing *w, struct err *e);
/* Whether releases/N of the wanted release has the files that were released. */
bool install_is_sound(const struct installing *w);
MUST_CHECK int install_keep_proof(struct installing *w, struct span proof, struct err *e);
/* The archive's files as releases/N; -EBADMSG if they are not the tree that was released. */
MUST_CHECK int install_unpack(struct installing *w, struct span tar, struct err *e);
/* current becomes the wanted release. */
MUST_CHECK int install_switch(struct installing *w, struct err *e);
/* Removes releases before the last one, and downloads that nothing needs any more. */
void install_sweep(struct installing *w);

#endif
