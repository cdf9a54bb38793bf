/* x509.c - certificates (RFC 5280), lists of revoked ones, requests (RFC 2986), and signed data, in
 * DER: which of them a file is, and what it consists of. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compare/der.h"

extern const struct look_format x509_format;

/* The element at *at as a part; false: there is none, or of another tag (0: any). */
static bool take(struct der_parts *o, uint64_t *at, uint64_t end, uint8_t tag, enum der_show show,
                 const char *label)
{
    struct der d;

    if (tag == 0 ? !der_next(o->all, at, end, &d) : !der_is(o->all, at, end, tag, &d))
        return false;
    der_add(o, d.all, show, "%s", label);
    return o->rc == 0;
}

/* Into the element at *at: *end is where it ends, *behind what follows it. */
static bool enter(struct der_parts *o, uint64_t *at, uint64_t *end, uint8_t tag, uint64_t *behind,
                  const char *label)
{
    struct der d;

    *behind = *at;
    if (!der_is(o->all, behind, *end, tag, &d))
        return false;
    der_head(o, &d, label);
    *at = d.body.at;
    *end = der_end(&d);
    return o->rc == 0;
}

static bool extension(struct der_parts *o, uint64_t *at, uint64_t end, const char *of)
{
    char text[DER_LABEL];
    struct der d, oid;
    uint64_t in;
    bool is_names;

    if (!der_is(o->all, at, end, DER_SEQUENCE, &d))
        return false;
    in = d.body.at;
    if (!der_is(o->all, &in, der_end(&d), DER_OID, &oid))
        return false;
    is_names = der_oid_is(der_bytes(o->all, oid.body), "2.5.29.17") ||
               der_oid_is(der_bytes(o->all, oid.body), "2.5.29.18");
    der_add(o, d.all, is_names ? DER_SHOW_NAMES : DER_SHOW_HEX, "%sextension %.60s", of,
            der_oid(text, der_bytes(o->all, oid.body)));
    return o->rc == 0;
}

/* [n] SEQUENCE of them, to the end. */
static bool extensions(struct der_parts *o, uint64_t *at, uint64_t end, unsigned n)
{
    uint64_t in = *at, tagged = end, inner, behind;

    if (!enter(o, &in, &tagged, (uint8_t)DER_CONTEXT(n), at, "the tag of the extensions"))
        return false;
    inner = tagged;
    if (!enter(o, &in, &inner, DER_SEQUENCE, &behind, "the extensions") || behind != tagged)
        return false;
    while (in < inner)
        if (!extension(o, &in, inner, ""))
            return false;
    return true;
}

/* What all three end with: the algorithm, and the signature. */
static bool signature(struct der_parts *o, uint64_t *at, uint64_t end)
{
    enum compare_class class = o->class;
    bool ok;

    if (!take(o, at, end, DER_SEQUENCE, DER_SHOW_ALGORITHM, "the algorithm of the signature"))
        return false;
    o->class = COMPARE_SIGNATURE;
    ok = take(o, at, end, DER_BITS, DER_SHOW_SIGNATURE, "the signature");
    o->class = class;
    return ok && *at == end;
}

static bool optional(struct der_parts *o, uint64_t *at, uint64_t end, uint8_t tag,
                     enum der_show show, const char *label)
{
    return *at >= end || o->all.p[*at] != tag || take(o, at, end, tag, show, label);
}

/* The signed part of a certificate: from in up to end. */
static bool to_be_signed(struct der_parts *o, uint64_t in, uint64_t end)
{
    uint64_t validity, until = end;

    if (!optional(o, &in, end, DER_CONTEXT(0), DER_SHOW_HEX, "the version") ||
        !take(o, &in, end, DER_INTEGER, DER_SHOW_HEX, "the serial number") ||
        !take(o, &in, end, DER_SEQUENCE, DER_SHOW_ALGORITHM, "the algorithm that is signed") ||
        !take(o, &in, end, DER_SEQUENCE, DER_SHOW_NAME, "the issuer"))
        return false;
    validity = in;
    if (!enter(o, &validity, &until, DER_SEQUENCE, &in, "the validity") ||
        !take(o, &validity, until, 0, DER_SHOW_TIME, "valid from") ||
        !take(o, &validity, until, 0, DER_SHOW_TIME, "valid until") || validity != until)
        return false;
    return take(o, &in, end, DER_SEQUENCE, DER_SHOW_NAME, "the subject") &&
           take(o, &in, end, DER_SEQUENCE, DER_SHOW_HEX, "the public key") &&
           optional(o, &in, end, 0x81, DER_SHOW_HEX, "the issuer's identifier") &&
           optional(o, &in, end, 0x82, DER_SHOW_HEX, "the subject's identifier") &&
           (in == end || extensions(o, &in, end, 3)) && in == end;
}

bool x509_certificate(struct der_parts *o, uint64_t at, uint64_t end)
{
    uint64_t outer = end, in, inner, behind;

    if (!enter(o, &at, &outer, DER_SEQUENCE, &behind, "the certificate"))
        return false;
    in = at;
    inner = outer;
    return enter(o, &in, &inner, DER_SEQUENCE, &at, "what is signed") &&
           to_be_signed(o, in, inner) && signature(o, &at, outer);
}

/* RFC 5280 5.1: one that is revoked, by its serial number. */
static bool revoked(struct der_parts *o, uint64_t *at, uint64_t end)
{
    char text[DER_SHOWN];
    struct der d, serial;
    uint64_t in;

    if (!der_is(o->all, at, end, DER_SEQUENCE, &d))
        return false;
    in = d.body.at;
    if (!der_is(o->all, &in, der_end(&d), DER_INTEGER, &serial))
        return false;
    der_add(o, d.all, DER_SHOW_HEX, "revoked %.60s",
            der_show(text, DER_SHOW_HEX, der_bytes(o->all, serial.all)));
    return o->rc == 0;
}

static bool list_signed(struct der_parts *o, uint64_t in, uint64_t end)
{
    uint64_t list, until = end;

    if (!optional(o, &in, end, DER_INTEGER, DER_SHOW_HEX, "the version") ||
        !take(o, &in, end, DER_SEQUENCE, DER_SHOW_ALGORITHM, "the algorithm that is signed") ||
        !take(o, &in, end, DER_SEQUENCE, DER_SHOW_NAME, "the issuer") ||
        (in < end && o->all.p[in] != DER_UTC_TIME && o->all.p[in] != DER_TIME) ||
        !take(o, &in, end, 0, DER_SHOW_TIME, "this update") ||
        !optional(o, &in, end, DER_UTC_TIME, DER_SHOW_TIME, "next update") ||
        !optional(o, &in, end, DER_TIME, DER_SHOW_TIME, "next update"))
        return false;
    if (in < end && o->all.p[in] == DER_SEQUENCE) {
        list = in;
        if (!enter(o, &list, &until, DER_SEQUENCE, &in, "the revoked ones"))
            return false;
        while (list < until)
            if (!revoked(o, &list, until))
                return false;
    }
    return (in == end || extensions(o, &in, end, 0)) && in == end;
}

bool x509_revoked(struct der_parts *o, uint64_t at, uint64_t end)
{
    uint64_t outer = end, in, inner, behind;

    if (!enter(o, &at, &outer, DER_SEQUENCE, &behind, "the list"))
        return false;
    in = at;
    inner = outer;
    return enter(o, &in, &inner, DER_SEQUENCE, &at, "what is signed") &&
           list_signed(o, in, inner) && signature(o, &at, outer);
}

bool x509_request(struct der_parts *o, uint64_t at, uint64_t end)
{
    uint64_t outer = end, in, inner, behind;

    if (!enter(o, &at, &outer, DER_SEQUENCE, &behind, "the request"))
        return false;
    in = at;
    inner = outer;
    return enter(o, &in, &inner, DER_SEQUENCE, &at, "what is signed") &&
           take(o, &in, inner, DER_INTEGER, DER_SHOW_HEX, "the version") &&
           take(o, &in, inner, DER_SEQUENCE, DER_SHOW_NAME, "the subject") &&
           take(o, &in, inner, DER_SEQUENCE, DER_SHOW_HEX, "the public key") &&
           take(o, &in, inner, DER_CONTEXT(0), DER_SHOW_HEX, "the attributes") && in == inner &&
           signature(o, &at, outer);
}

/* --- which of them it is --- */

static bool signed_data(struct der_parts *o, uint64_t at, uint64_t end)
{
    return cms_signed(o, at, end, "");
}

static const struct {
    const char *name;
    bool (*parts)(struct der_parts *o, uint64_t at, uint64_t end);
} kinds[] = {
    {"X.509 certificate", x509_certificate},
    {"list of revoked certificates", x509_revoked},
    {"request for a certificate", x509_request},
    {"signed data", signed_data},
};

static bool is(struct span side, const char *name)
{
    uint64_t at = 0;
    struct der d, in;

    (void)name;
    if (!der_is(side, &at, side.n, DER_SEQUENCE, &d))
        return false;
    at = d.body.at;
    return der_next(side, &at, der_end(&d), &in) && (in.tag == DER_SEQUENCE || in.tag == DER_OID) &&
           at < der_end(&d);
}

/* *kind: the first that it is; ARRAY_LEN(kinds): none. */
static int read_side(struct look *l, int side, struct der_parts *o, size_t *kind)
{
    for (*kind = 0; *kind < ARRAY_LEN(kinds); ++*kind) {
        uint64_t at = 0;
        struct der d;

        *o = (struct der_parts){.l = l, .all = look_side(l, side), .class = COMPARE_UNEXPLAINED};
        if (!der_next(o->all, &at, o->all.n, &d))
            continue;
        if (kinds[*kind].parts(o, 0, at) && o->rc == 0)
            return 0;
        if (o->rc == -ENOMEM)
            return -ENOMEM;
        der_parts_done(o);
    }
    return 0;
}

static int compare(struct look *l)
{
    struct der_parts o[2] = {{.l = NULL}, {.l = NULL}};
    size_t kind[2] = {0, 0};
    int rc = read_side(l, 0, &o[0], &kind[0]);

    if (rc == 0)
        rc = read_side(l, 1, &o[1], &kind[1]);
    if (rc == 0 && (kind[0] != kind[1] || kind[0] == ARRAY_LEN(kinds))) {
        rc = look_otherwise(l, &x509_format);
    } else if (rc == 0 && (rc = look_node_format(l->node, kinds[kind[0]].name)) == 0) {
        rc = der_compare(l, o);
    }
    der_parts_done(&o[0]);
    der_parts_done(&o[1]);
    return rc;
}

const struct look_format x509_format = {"DER", is, compare};
