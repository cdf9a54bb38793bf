#include <errno.h>

#include "events/country.h"

#define C(code, name, formerly) {#code, formerly, name},
const struct country country_table[COUNTRY_COUNT] = {
#include "events/country.def"
};
#undef C

static inline unsigned letters(const void *code)
{
    const uint8_t *c = code;

    return (unsigned)c[0] << 8 | c[1];
}

int country_index(struct span code)
{
    unsigned want, lo = 0;

    if (code.n != 2)
        return -ENOENT;
    want = letters(code.p);
    /* lo is the last entry not above want; nine halvings, none of them predicted wrong for long */
    for (unsigned step = 256; step > 0; step /= 2)
        if (lo + step < COUNTRY_COUNT && letters(country_table[lo + step].code) <= want)
            lo += step;
    return letters(country_table[lo].code) == want ? (int)lo : -ENOENT;
}
