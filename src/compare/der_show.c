/* der_show.c - values in DER as text: names, times, algorithms, else some of the bytes. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "compare/der.h"
#include "compare/plain.h"

static size_t add(char out[DER_SHOWN], size_t at, const char *text)
{
    int n = snprintf(out + at, DER_SHOWN - at, "%s", text);

    return n < 0 || (size_t)n >= DER_SHOWN - at ? DER_SHOWN - 1 : at + (size_t)n;
}

static const char *hex(char out[DER_SHOWN], struct span s)
{
    const size_t most = 24;
    char text[2 * 24 + 1];

    text_hex(text, s.p, s.n < most ? s.n : most);
    (void)snprintf(out, DER_SHOWN, "%s%s", text, s.n > most ? "..." : "");
    return out;
}

/* CN=one, O=other */
static bool name(char out[DER_SHOWN], struct span s)
{
    uint64_t at = 0, in;
    struct der all, set, one, oid, value;
    char text[DER_LABEL], shown[PLAIN_SHOWN];
    size_t to = 0;

    out[0] = '\0';
    if (!der_is(s, &at, s.n, DER_SEQUENCE, &all))
        return false;
    for (at = all.body.at; at < der_end(&all);) {
        if (!der_is(s, &at, der_end(&all), DER_SET, &set))
            return false;
        for (uint64_t i = set.body.at; i < der_end(&set);) {
            if (!der_is(s, &i, der_end(&set), DER_SEQUENCE, &one))
                return false;
            in = one.body.at;
            if (!der_is(s, &in, der_end(&one), DER_OID, &oid) ||
                !der_next(s, &in, der_end(&one), &value))
                return false;
            to = add(out, to, to > 0 ? ", " : "");
            to = add(out, to, der_oid(text, der_bytes(s, oid.body)));
            to = add(out, to, "=");
            to = add(out, to, plain_show(shown, der_bytes(s, value.body), 0, false));
        }
    }
    return to > 0;
}

static bool algorithm(char out[DER_SHOWN], struct span s)
{
    uint64_t at = 0;
    struct der all, oid;
    char text[DER_LABEL];

    if (!der_is(s, &at, s.n, DER_SEQUENCE, &all))
        return false;
    at = all.body.at;
    if (!der_is(s, &at, der_end(&all), DER_OID, &oid))
        return false;
    (void)add(out, 0, der_oid(text, der_bytes(s, oid.body)));
    return true;
}

/* An extension with GeneralNames in it: what is text in them. */
static bool names(char out[DER_SHOWN], struct span s)
{
    uint64_t at = 0;
    struct der all, d;
    char shown[PLAIN_SHOWN];
    size_t to = 0;

    out[0] = '\0';
    if (!der_is(s, &at, s.n, DER_SEQUENCE, &all))
        return false;
    at = all.body.at;
    while (at < der_end(&all) && der_next(s, &at, der_end(&all), &d) && d.tag != DER_OCTETS)
        ;
    at = d.body.at;
    if (d.tag != DER_OCTETS || !der_is(s, &at, der_end(&d), DER_SEQUENCE, &all))
        return false;
    for (at = all.body.at; at < der_end(&all) && der_next(s, &at, der_end(&all), &d);) {
        to = add(out, to, to > 0 ? ", " : "");
        if (d.tag >= 0x81 && d.tag <= 0x86 && d.tag != 0x84) {
            to = add(out, to, plain_show(shown, der_bytes(s, d.body), 0, false));
        } else {
            char text[DER_SHOWN];

            to = add(out, to, hex(text, der_bytes(s, d.body)));
        }
    }
    return to > 0;
}

const char *der_show(char out[DER_SHOWN], enum der_show how, struct span s)
{
    uint64_t at = 0;
    char text[PLAIN_SHOWN];
    struct der d;

    if (s.n == 0)
        return memcpy(out, "nothing", sizeof("nothing"));
    if ((how == DER_SHOW_NAME && name(out, s)) || (how == DER_SHOW_NAMES && names(out, s)) ||
        (how == DER_SHOW_ALGORITHM && algorithm(out, s)))
        return out;
    if (!der_next(s, &at, s.n, &d))
        return hex(out, s);
    if (how == DER_SHOW_TIME) {
        (void)add(out, 0, plain_show(text, der_bytes(s, d.body), 0, false));
        return out;
    }
    return hex(out, der_bytes(s, d.body));
}
