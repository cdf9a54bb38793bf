/* rig_priv.h - what the rig's own files share. */
#ifndef E2E_RIG_PRIV_H
#define E2E_RIG_PRIV_H

#include <string.h>
#include <time.h>

#include "rig.h"

/* Fails the test with the sentence. */
#define rig_ok(rc, e)                                                                              \
    do {                                                                                           \
        int ok_rc_ = (rc);                                                                         \
        if (ok_rc_ != 0)                                                                           \
            fail_msg("%s: %d (%s): %s", #rc, ok_rc_, strerror(-ok_rc_), err_text(e));              \
    } while (0)

static inline void rig_nap(int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};

    (void)nanosleep(&t, NULL);
}

void rig_publish_documents(struct rig *r);

/* Prints the end of a site's log: the folder goes with the test. */
void rig_tell_log(const struct rig_site *s);

#endif
