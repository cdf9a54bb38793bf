/* der.c - elements of DER (X.690 8.1, 10.1), and object identifiers. */
#include "compare/der.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARCS 32u

bool der_next(struct span s, uint64_t *at, uint64_t end, struct der *out)
{
    uint64_t i = *at, n, more;

    if (end > s.n || i > end || end - i < 2 || (s.p[i] & 0x1f) == 0x1f)
        return false;
    out->tag = s.p[i];
    n = s.p[i + 1];
    i += 2;
    if (n >= 0x80) {
        more = n & 0x7f;
        if (more < 1 || more > 4 || more > end - i || s.p[i] == 0)
            return false;
        for (n = 0; more > 0; more--)
            n = n << 8 | s.p[i++];
        if (n < 0x80)
            return false;
    }
    if (n > end - i)
        return false;
    out->head = (struct look_range){*at, i - *at};
    out->body = (struct look_range){i, n};
    out->all = (struct look_range){*at, i + n - *at};
    *at = i + n;
    return true;
}

bool der_is(struct span s, uint64_t *at, uint64_t end, uint8_t tag, struct der *out)
{
    return *at < end && end <= s.n && s.p[*at] == tag && der_next(s, at, end, out);
}

struct span der_bytes(struct span s, struct look_range r)
{
    return span_of(s.p + r.at, (size_t)r.n);
}

uint64_t der_end(const struct der *d)
{
    return d->body.at + d->body.n;
}

/* --- object identifiers --- */

static const struct {
    const char *dotted, *name;
} known[] = {
    {"2.5.4.3", "CN"},
    {"2.5.4.5", "serialNumber"},
    {"2.5.4.6", "C"},
    {"2.5.4.7", "L"},
    {"2.5.4.8", "ST"},
    {"2.5.4.10", "O"},
    {"2.5.4.11", "OU"},
    {"0.9.2342.19200300.100.1.25", "DC"},
    {"1.2.840.113549.1.9.1", "emailAddress"},
    {"1.2.840.113549.1.9.3", "contentType"},
    {"1.2.840.113549.1.9.4", "messageDigest"},
    {"1.2.840.113549.1.9.5", "signingTime"},
    {"1.2.840.113549.1.9.6", "countersignature"},
    {"1.2.840.113549.1.9.14", "extensionRequest"},
    {"2.5.29.14", "subjectKeyIdentifier"},
    {"2.5.29.15", "keyUsage"},
    {"2.5.29.17", "subjectAltName"},
    {"2.5.29.18", "issuerAltName"},
    {"2.5.29.19", "basicConstraints"},
    {"2.5.29.20", "cRLNumber"},
    {"2.5.29.28", "issuingDistributionPoint"},
    {"2.5.29.30", "nameConstraints"},
    {"2.5.29.31", "cRLDistributionPoints"},
    {"2.5.29.32", "certificatePolicies"},
    {"2.5.29.35", "authorityKeyIdentifier"},
    {"2.5.29.37", "extKeyUsage"},
    {"1.3.6.1.5.5.7.1.1", "authorityInfoAccess"},
    {"1.3.6.1.4.1.11129.2.4.2", "signedCertificateTimestamps"},
    {"1.3.6.1.4.1.311.2.1.4", "digest of the program"},
    {"1.3.6.1.4.1.311.2.1.11", "statement type"},
    {"1.3.6.1.4.1.311.2.1.12", "name of the program"},
    {"1.3.6.1.4.1.311.2.4.1", "nested signature"},
    {"1.3.6.1.4.1.311.3.3.1", "timestamp"},
    {"1.3.14.3.2.26", "SHA-1"},
    {"2.16.840.1.101.3.4.2.1", "SHA-256"},
    {"2.16.840.1.101.3.4.2.2", "SHA-384"},
    {"2.16.840.1.101.3.4.2.3", "SHA-512"},
    {"1.2.840.113549.1.1.1", "RSA"},
    {"1.2.840.113549.1.1.5", "RSA with SHA-1"},
    {"1.2.840.113549.1.1.10", "RSA-PSS"},
    {"1.2.840.113549.1.1.11", "RSA with SHA-256"},
    {"1.2.840.113549.1.1.12", "RSA with SHA-384"},
    {"1.2.840.113549.1.1.13", "RSA with SHA-512"},
    {"1.2.840.10045.2.1", "EC"},
    {"1.2.840.10045.4.3.2", "ECDSA with SHA-256"},
    {"1.2.840.10045.4.3.3", "ECDSA with SHA-384"},
    {"1.3.101.112", "Ed25519"},
};

/* As numbers with points; cut when there are more than fit. */
static void dotted(char out[DER_LABEL], struct span oid)
{
    uint64_t arc = 0;
    size_t at = 0;
    bool first = true;

    out[0] = '\0';
    for (size_t i = 0; i < oid.n && at + 24 < DER_LABEL; i++) {
        if (arc >> 57 != 0) { /* longer than any that is in use */
            (void)snprintf(out + at, DER_LABEL - at, "...");
            return;
        }
        arc = arc << 7 | (oid.p[i] & 0x7fu);
        if ((oid.p[i] & 0x80) != 0)
            continue;
        if (first) {
            const uint64_t top = arc < 80 ? arc / 40 : 2;

            at += (size_t)snprintf(out + at, DER_LABEL - at, "%" PRIu64 ".", top);
            arc -= 40 * top;
        } else {
            at += (size_t)snprintf(out + at, DER_LABEL - at, ".");
        }
        at += (size_t)snprintf(out + at, DER_LABEL - at, "%" PRIu64, arc);
        first = false;
        arc = 0;
    }
}

const char *der_oid(char out[DER_LABEL], struct span oid)
{
    dotted(out, oid);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(out, known[i].dotted) == 0)
            return known[i].name;
    return out;
}

bool der_oid_is(struct span oid, const char *want)
{
    char out[DER_LABEL];

    if (oid.n == 0 || oid.n > ARCS || (oid.p[oid.n - 1] & 0x80) != 0)
        return false;
    for (size_t i = 0; i < oid.n; i++) /* X.690 8.19.2: no arc begins with zeros */
        if (oid.p[i] == 0x80 && (i == 0 || (oid.p[i - 1] & 0x80) == 0))
            return false;
    dotted(out, oid);
    return strcmp(out, want) == 0;
}
