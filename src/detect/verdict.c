#include "detect/verdict.h"

#include <errno.h>

static const char *const verdicts[] = {
    [VERDICT_CLEAN] = "clean",
    [VERDICT_INCOMPLETE] = "incomplete",
    [VERDICT_MALICIOUS] = "malicious",
};
static const char *const reasons[] = {
    [REASON_NONE] = "none",
    [REASON_ENCRYPTED] = "encrypted",
    [REASON_RECURSION] = "recursion",
    [REASON_FILES] = "files",
    [REASON_SIZE] = "size",
    [REASON_TIME] = "time",
    [REASON_UNSUPPORTED] = "unsupported",
    [REASON_DAMAGED] = "damaged",
    [REASON_ENGINE] = "engine",
    [REASON_CRASH] = "crash",
};

const char *verdict_word(enum verdict v)
{
    return verdicts[v];
}

const char *verdict_reason_word(enum verdict_reason r)
{
    return reasons[r];
}

int verdict_of_word(struct span s, enum verdict *out)
{
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
        if (span_is(s, verdicts[i])) {
            *out = (enum verdict)i;
            return 0;
        }
    return -EBADMSG;
}

int verdict_reason_of_word(struct span s, enum verdict_reason *out)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (span_is(s, reasons[i])) {
            *out = (enum verdict_reason)i;
            return 0;
        }
    return -EBADMSG;
}
