/* What an accepted trust file promises to the audit. */
#include <string.h>

#include "claims/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool good)
{
    if (!good)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    struct trust *t;

    if (trust_parse(&t, "trust.yaml", span_of(data, size), &e) != 0) {
        hold(e.text[0] != '\0');
        return 0;
    }
    hold(t->sites >= 1 && t->sites <= TRUST_SITES);
    hold(t->threshold >= 1 && t->threshold <= t->roots && t->roots <= TRUST_ROOTS);
    for (size_t i = 0; i < t->sites; i++) {
        hold(t->site[i].log != NULL && strcmp(t->site[i].log->name, t->site[i].origin) == 0);
        hold(trust_site(t, t->site[i].site) == &t->site[i]);
    }
    trust_free(t);
    return 0;
}
