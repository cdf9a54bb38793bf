/* cms.c - signed data of PKCS #7 and CMS (RFC 2315, RFC 5652): what it consists of, and what of it
 * a signature covers.
 *
 * A signature covers the content and the attributes that are signed.  It does not cover: other
 * attributes, of which a timestamp and a countersignature are signatures themselves; certificates,
 * which belong to it only where they lead from who signed to a root, by their names; lists of
 * revoked ones.  The rest of what is not covered can say anything. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compare/der.h"

#define CERTIFICATES 64u
#define SIGNERS 32u
#define KEY_IDENTIFIER 64u
#define ALGORITHMS 8u
#define NESTED 4u
#define OF 40u
#define PARAMETERS 80u /* bytes of an algorithm; those of RSA-PSS have about 60 */
#define COUNTERSIGNATURE "1.2.840.113549.1.9.6"
#define NESTED_SIGNATURE "1.3.6.1.4.1.311.2.4.1"

struct certificate {
    struct look_range all;
    struct span issuer, serial, subject;
    bool leads; /* from who signed to a root */
};
struct signer {
    struct span issuer, serial;
};
struct cms {
    struct der_parts *o;
    const char *of;
    unsigned nested;
    bool stamp; /* it is a timestamp */
    struct certificate certificate[CERTIFICATES];
    size_t certificates;
    struct signer signer[SIGNERS];
    size_t signers;
};

static bool signed_data(struct der_parts *o, uint64_t at, uint64_t end, const char *of,
                        unsigned nested, bool stamp);
static bool signer(struct cms *c, const struct der *info);

static void add(struct cms *c, const struct der *d, enum compare_class class, enum der_show show,
                const char *label)
{
    struct der_parts *o = c->o;
    const enum compare_class usual = o->class;

    o->class = class;
    der_add(o, d->all, show, "%s%s", c->of, label);
    o->class = usual;
}

static void head(struct cms *c, const struct der *d, const char *label)
{
    char text[DER_LABEL];

    (void)snprintf(text, sizeof(text), "%s%s", c->of, label);
    der_head(c->o, d, text);
}

/* An algorithm with no more than parameters: none is covered by a signature. */
static bool algorithm(const struct span s, uint64_t *at, uint64_t end, struct der *out)
{
    struct der oid, more;
    uint64_t in;

    if (!der_is(s, at, end, DER_SEQUENCE, out) || out->body.n > PARAMETERS)
        return false;
    in = out->body.at;
    if (!der_is(s, &in, der_end(out), DER_OID, &oid))
        return false;
    return in == der_end(out) ||
           (der_next(s, &in, der_end(out), &more) && in == der_end(out) &&
            (more.tag == DER_SEQUENCE || (more.tag == 0x05 && more.body.n == 0)));
}

static bool algorithms(const struct span s, const struct der *set)
{
    uint64_t at = set->body.at;
    unsigned n = 0;
    struct der d;

    while (at < der_end(set))
        if (n++ == ALGORITHMS || !algorithm(s, &at, der_end(set), &d))
            return false;
    return true;
}

/* What is signed: its sort, and at most one content. */
static bool encapsulated(const struct span s, const struct der *d)
{
    uint64_t at = d->body.at, in;
    struct der oid, tagged, inner;

    if (!der_is(s, &at, der_end(d), DER_OID, &oid))
        return false;
    if (at == der_end(d))
        return true;
    if (!der_is(s, &at, der_end(d), DER_CONTEXT(0), &tagged) || at != der_end(d))
        return false;
    in = tagged.body.at;
    return der_next(s, &in, der_end(&tagged), &inner) && in == der_end(&tagged);
}

/* --- certificates --- */

static bool read_certificate(struct cms *c, const struct der *d)
{
    struct certificate *x = &c->certificate[c->certificates];
    const struct span s = c->o->all;
    uint64_t at = d->body.at, end;
    struct der tbs, in;

    if (c->certificates == CERTIFICATES || !der_is(s, &at, der_end(d), DER_SEQUENCE, &tbs))
        return false;
    at = tbs.body.at;
    end = der_end(&tbs);
    *x = (struct certificate){.all = d->all};
    if (at < end && s.p[at] == DER_CONTEXT(0) && !der_next(s, &at, end, &in))
        return false;
    if (!der_is(s, &at, end, DER_INTEGER, &in))
        return false;
    x->serial = der_bytes(s, in.all);
    if (!der_is(s, &at, end, DER_SEQUENCE, &in) || !der_is(s, &at, end, DER_SEQUENCE, &in))
        return false;
    x->issuer = der_bytes(s, in.all);
    if (!der_is(s, &at, end, DER_SEQUENCE, &in) || !der_is(s, &at, end, DER_SEQUENCE, &in))
        return false;
    x->subject = der_bytes(s, in.all);
    c->certificates++;
    return true;
}

/* An attribute certificate (RFC 5652 10.2.2), as timestamping authorities add them to what they
 * sign. */
static bool of_attributes(struct cms *c, const struct der *d)
{
    const struct span s = c->o->all;
    uint64_t at = d->body.at;
    struct der info, name, bits;

    if (d->tag != DER_CONTEXT(1) && d->tag != DER_CONTEXT(2))
        return false;
    if (!der_is(s, &at, der_end(d), DER_SEQUENCE, &info) || !algorithm(s, &at, der_end(d), &name) ||
        !der_is(s, &at, der_end(d), DER_BITS, &bits) || at != der_end(d))
        return false;
    add(c, d, c->stamp ? c->o->class : COMPARE_UNEXPLAINED, DER_SHOW_HEX,
        "a certificate of attributes");
    return true;
}

static bool certificates(struct cms *c, const struct der *list)
{
    for (uint64_t at = list->body.at; at < der_end(list);) {
        struct der d;

        if (!der_next(c->o->all, &at, der_end(list), &d) ||
            !(d.tag == DER_SEQUENCE ? read_certificate(c, &d) : of_attributes(c, &d)))
            return false;
    }
    return true;
}

/* Of several that would do the first: the others lead nowhere. */
static void follow(struct cms *c)
{
    for (size_t k = 0; k < c->signers; k++)
        for (size_t i = 0; i < c->certificates; i++)
            if (span_eq(c->certificate[i].issuer, c->signer[k].issuer) &&
                span_eq(c->certificate[i].serial, c->signer[k].serial)) {
                c->certificate[i].leads = true;
                break;
            }
    for (size_t i = 0; i < c->certificates; i++) {
        size_t at = i, up;

        for (size_t step = 0; c->certificate[at].leads && step < c->certificates; step++) {
            for (up = 0; up < c->certificates; up++)
                if (span_eq(c->certificate[up].subject, c->certificate[at].issuer))
                    break;
            if (up == c->certificates)
                break;
            c->certificate[up].leads = true;
            at = up;
        }
    }
}

static void add_certificates(struct cms *c)
{
    struct der_parts *o = c->o;
    const enum compare_class usual = o->class;
    char text[DER_SHOWN];

    follow(c);
    for (size_t i = 0; i < c->certificates; i++) {
        const struct certificate *x = &c->certificate[i];

        o->class = x->leads ? usual : COMPARE_UNEXPLAINED;
        der_add(o, x->all, DER_SHOW_HEX, "%sthe certificate of %.40s%s", c->of,
                der_show(text, DER_SHOW_NAME, x->subject),
                x->leads ? "" : " that leads to no signer");
    }
    o->class = usual;
}

/* --- signers --- */

static bool note_signer(struct cms *c, const struct der *sid)
{
    const struct span s = c->o->all;
    uint64_t at = sid->body.at;
    struct der issuer, serial;

    if (sid->tag != DER_SEQUENCE) /* by the identifier of its key: leads to no certificate here */
        return sid->body.n <= KEY_IDENTIFIER;
    if (c->signers == SIGNERS || !der_is(s, &at, der_end(sid), DER_SEQUENCE, &issuer) ||
        !der_is(s, &at, der_end(sid), DER_INTEGER, &serial) || at != der_end(sid))
        return false;
    c->signer[c->signers++] = (struct signer){der_bytes(s, issuer.all), der_bytes(s, serial.all)};
    return true;
}

/* A countersignature is the information of a signer, whose certificate may be among those. */
static bool countersigners(struct cms *c, const struct der *set)
{
    const char *of = c->of;
    char deeper[OF];
    bool good = true;

    if (c->nested >= NESTED)
        return false;
    (void)snprintf(deeper, sizeof(deeper), "%.18scountersignature: ", of);
    c->of = deeper;
    c->nested++;
    for (uint64_t at = set->body.at; good && at < der_end(set);) {
        struct der d;

        good = der_is(c->o->all, &at, der_end(set), DER_SEQUENCE, &d) && signer(c, &d);
    }
    c->nested--;
    c->of = of;
    return good;
}

/* Values of an attribute that are signed data themselves. */
static bool inside(struct cms *c, const struct der *set, bool stamp)
{
    char of[OF];

    (void)snprintf(of, sizeof(of), "%.20s%s: ", c->of, stamp ? "timestamp" : "nested");
    if (c->nested >= NESTED)
        return false;
    for (uint64_t at = set->body.at; at < der_end(set);) {
        const uint64_t from = at;
        struct der d;

        if (!der_is(c->o->all, &at, der_end(set), DER_SEQUENCE, &d) ||
            !signed_data(c->o, from, at, of, c->nested + 1, stamp))
            return false;
    }
    return true;
}

/* Signatures themselves: RFC 2985 5.3.6, RFC 3161 appendix A, and those of Authenticode. */
static bool is_signature(struct span oid)
{
    return der_oid_is(oid, COUNTERSIGNATURE) || der_oid_is(oid, "1.3.6.1.4.1.311.3.3.1") ||
           der_oid_is(oid, "1.2.840.113549.1.9.16.2.14") || der_oid_is(oid, NESTED_SIGNATURE);
}

static bool unsigned_attribute(struct cms *c, const struct der *d)
{
    const struct span s = c->o->all;
    const enum compare_class usual = c->o->class;
    uint64_t at = d->body.at;
    struct der oid, set;
    char text[DER_LABEL], label[DER_LABEL + 48];
    struct span id;
    bool good;

    if (!der_is(s, &at, der_end(d), DER_OID, &oid) || !der_is(s, &at, der_end(d), DER_SET, &set) ||
        at != der_end(d))
        return false;
    id = der_bytes(s, oid.body);
    if (!is_signature(id)) {
        (void)snprintf(label, sizeof(label), "attribute %.50s that is not signed",
                       der_oid(text, id));
        add(c, d, COMPARE_UNEXPLAINED, DER_SHOW_HEX, label);
        return true;
    }
    c->o->class = COMPARE_SIGNATURE;
    der_add(c->o, (struct look_range){d->all.at, set.body.at - d->all.at}, DER_SHOW_HEX,
            "%shead of %s", c->of, der_oid(text, id));
    if (der_oid_is(id, COUNTERSIGNATURE))
        good = countersigners(c, &set);
    else
        good = inside(c, &set, !der_oid_is(id, NESTED_SIGNATURE));
    c->o->class = usual;
    return good;
}

static bool signed_attributes(struct cms *c, const struct der *list)
{
    const struct span s = c->o->all;

    head(c, list, "the signed attributes");
    for (uint64_t at = list->body.at; at < der_end(list);) {
        char text[DER_LABEL], label[DER_LABEL + 24];
        struct der d, oid;
        uint64_t in;

        if (!der_is(s, &at, der_end(list), DER_SEQUENCE, &d))
            return false;
        in = d.body.at;
        if (!der_is(s, &in, der_end(&d), DER_OID, &oid))
            return false;
        (void)snprintf(label, sizeof(label), "signed attribute %.60s",
                       der_oid(text, der_bytes(s, oid.body)));
        add(c, &d, c->o->class, DER_SHOW_HEX, label);
    }
    return true;
}

static bool unsigned_attributes(struct cms *c, const struct der *list)
{
    head(c, list, "the attributes that are not signed");
    for (uint64_t at = list->body.at; at < der_end(list);) {
        struct der d;

        if (!der_is(c->o->all, &at, der_end(list), DER_SEQUENCE, &d) || !unsigned_attribute(c, &d))
            return false;
    }
    return true;
}

static bool signer(struct cms *c, const struct der *info)
{
    const struct span s = c->o->all;
    const uint64_t end = der_end(info);
    uint64_t at = info->body.at;
    struct der d;

    head(c, info, "a signer");
    if (!der_is(s, &at, end, DER_INTEGER, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_HEX, "the version of the signer");
    if (!der_next(s, &at, end, &d) || (d.tag != DER_SEQUENCE && d.tag != 0x80) ||
        !note_signer(c, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_HEX, "the signer");
    if (!algorithm(s, &at, end, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_ALGORITHM, "the digest algorithm of the signer");
    if (at < end && s.p[at] == DER_CONTEXT(0))
        if (!der_next(s, &at, end, &d) || !signed_attributes(c, &d))
            return false;
    if (!algorithm(s, &at, end, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_ALGORITHM, "the algorithm of the signature");
    if (!der_is(s, &at, end, DER_OCTETS, &d))
        return false;
    add(c, &d, COMPARE_SIGNATURE, DER_SHOW_SIGNATURE, "the signature");
    if (at < end && s.p[at] == DER_CONTEXT(1))
        if (!der_next(s, &at, end, &d) || !unsigned_attributes(c, &d))
            return false;
    return at == end;
}

/* --- signed data --- */

static bool signers(struct cms *c, uint64_t *at, uint64_t end)
{
    struct der set, d;

    if (!der_is(c->o->all, at, end, DER_SET, &set))
        return false;
    head(c, &set, "the signers");
    for (uint64_t in = set.body.at; in < der_end(&set);)
        if (!der_is(c->o->all, &in, der_end(&set), DER_SEQUENCE, &d) || !signer(c, &d))
            return false;
    return true;
}

/* From the version on up to end. */
static bool content(struct cms *c, uint64_t at, uint64_t end)
{
    const struct span s = c->o->all;
    struct der d, lists[2];
    bool have[2] = {false, false};

    if (!der_is(s, &at, end, DER_INTEGER, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_HEX, "the version");
    if (!der_is(s, &at, end, DER_SET, &d) || !algorithms(s, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_HEX, "the digest algorithms");
    if (!der_is(s, &at, end, DER_SEQUENCE, &d) || !encapsulated(s, &d))
        return false;
    add(c, &d, c->o->class, DER_SHOW_HEX, "the content that is signed");
    for (unsigned i = 0; i < 2; i++)
        if (at < end && s.p[at] == DER_CONTEXT(i)) {
            if (!der_next(s, &at, end, &lists[i]))
                return false;
            have[i] = true;
        }
    if (have[0]) {
        head(c, &lists[0], "the certificates");
        if (!certificates(c, &lists[0]))
            return false;
    }
    if (have[1])
        add(c, &lists[1], COMPARE_UNEXPLAINED, DER_SHOW_HEX, "the lists of revoked certificates");
    if (!signers(c, &at, end) || at != end)
        return false;
    add_certificates(c);
    return true;
}

static bool signed_data(struct der_parts *o, uint64_t at, uint64_t end, const char *of,
                        unsigned nested, bool stamp)
{
    struct cms c = {.o = o, .of = of, .nested = nested, .stamp = stamp};
    struct der outer, oid, tagged, inner;

    if (!der_is(o->all, &at, end, DER_SEQUENCE, &outer) || at != end)
        return false;
    at = outer.body.at;
    if (!der_is(o->all, &at, der_end(&outer), DER_OID, &oid) ||
        !der_oid_is(der_bytes(o->all, oid.body), "1.2.840.113549.1.7.2") ||
        !der_is(o->all, &at, der_end(&outer), DER_CONTEXT(0), &tagged) || at != der_end(&outer))
        return false;
    at = tagged.body.at;
    if (!der_is(o->all, &at, der_end(&tagged), DER_SEQUENCE, &inner) || at != der_end(&tagged))
        return false;
    head(&c, &outer, "all");
    add(&c, &oid, o->class, DER_SHOW_HEX, "the sort of content");
    head(&c, &tagged, "the tag of the content");
    head(&c, &inner, "the signed data");
    return content(&c, inner.body.at, der_end(&inner)) && o->rc == 0;
}

bool cms_signed(struct der_parts *o, uint64_t at, uint64_t end, const char *of)
{
    return signed_data(o, at, end, of, 0, false);
}
