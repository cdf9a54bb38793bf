/* transplant.h - the signature of a file that was published, put onto the same file built again.
 *
 * Whoever signs with a key that no builder has, signs after the build; so what others build has no
 * signature, and differs.  Taking the published signature over and comparing is the strongest that
 * can be said then: that what is published is what was built here and a signature, to the byte.
 *
 * Only what by its own lengths is a signature is taken, from the end of the published file; all
 * else comes from what was built, so a difference anywhere else stays one.  Whether the signature
 * is good is not looked at.  docs/compare.md. */
#ifndef COMPARE_TRANSPLANT_H
#define COMPARE_TRANSPLANT_H

#include "base/err.h"

enum transplant_format {
    TRANSPLANT_PE,     /* Authenticode: certificate table, its directory entry, checksum */
    TRANSPLANT_DEB,    /* debsigs: members _gpg... at the end of the package */
    TRANSPLANT_MODULE, /* Linux modules: PKCS #7 and its trailer behind the module */
    TRANSPLANT_FORMATS
};
const char *transplant_word(enum transplant_format f); /* "Authenticode" */

#define TRANSPLANT_MAX (UINT64_C(16) << 20) /* bytes of signatures */

struct transplant {
    enum transplant_format format;
    unsigned signatures;
    uint64_t kept;  /* of the file that was built: all of it, then */
    uint64_t zeros; /* so many, then */
    uint64_t at, n; /* of the signed file: its end */
    struct transplant_edit {
        uint64_t at, n; /* in what was kept */
        uint8_t b[8];
    } edit[2];
    unsigned edits;
};

/* Makes `to` of both (replaced if there).  0, and whether it is the signed file to the byte;
 * -EBADMSG with a sentence: there is no signature that could be taken, or one already; or trouble.
 * The files are read in a jailed child. */
MUST_CHECK int transplant_run(struct transplant *t, bool *identical, const char *signed_file,
                              const char *built, const char *to, struct err *e);

/* The look itself, of who is jailed.  NULL, or why not. */
const char *transplant_plan(struct transplant *t, struct span signed_file, struct span built);

#endif
