/* passwords.h - what to try on encrypted members: the .pwdb files of a release, as ClamAV's are:
 * NAME;TARGET;STORAGE;PASSWORD a line, STORAGE 0: text, 1: hexadecimal. */
#ifndef ENGINE_WALK_PASSWORDS_H
#define ENGINE_WALK_PASSWORDS_H

#include "base/buf.h"
#include "base/err.h"

#define PASSWORDS_MAX 64
#define PASSWORD_MAX 128

struct passwords {
    char *v[PASSWORDS_MAX];
    size_t n;
};
/* -EBADMSG with file:line; -E2BIG: too many. */
MUST_CHECK int passwords_add(struct passwords *p, const char *file, struct span text,
                             struct err *e);
void passwords_free(struct passwords *p);

#endif
