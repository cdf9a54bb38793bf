/* err.h - a failure's sentence for a human, beside the errno value for the program.
 * A struct err lives in the caller's frame: struct err e = ERR_INIT;  Every function accepts NULL.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/defs.h"

#define ERR_TEXT_MAX 480

struct err {
    int code; /* negative errno of the first failure, 0 if none */
    char text[ERR_TEXT_MAX];
};
#define ERR_INIT                                                                                   \
    {                                                                                              \
        0, ""                                                                                      \
    }

/* Records code (negative errno) and the formatted sentence, and returns code, so that
 * "return err_set(e, -EINVAL, ...)" reads well.  Control characters in the result are replaced by
 * '?', so strangers' bytes cannot drive a terminal.  Overlong text is cut. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, and appends ": " and strerror(-code). */
int err_sys(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the text already there (context from a caller).  Returns e's code, 0
 * without e: where e may be NULL return your own. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The sentence, or strerror of the code if none was written. Never NULL. */
const char *err_text(const struct err *e);

#endif
