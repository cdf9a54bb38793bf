/* leaf.h - the leaves of a ledger: one table of kinds, a builder and a strict reader.
 *
 * The table is kinds.def (for people: docs/events.md).  A leaf is one JSON object in RFC 8785 form
 * (docs/formats.md, "Leaf").  What the reader accepts is byte for byte what the builder writes, so
 * that a leaf has one spelling only.
 *
 * No function here keeps state; all are safe from several threads. */
#ifndef EVENTS_LEAF_H
#define EVENTS_LEAF_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define LEAF_MAX 65535            /* bytes of a leaf */
#define LEAF_INT_MAX (1ULL << 53) /* the greatest int is one less */
#define LEAF_VKEY_MAX 256

/* LK_SITE_OPENED, ... */
enum leaf_kind {
#define KIND(name, text, id) LK_##name,
#define ONE(f)
#define OPT(f)
#define WORD(f, list)
#define OPTWORD(f, list)
#define END(name)
#include "events/kinds.def"
#undef KIND
#undef ONE
#undef OPT
#undef WORD
#undef OPTWORD
#undef END
    LEAF_KINDS
};

/* LF_SUB, LF_SEALED_REF, ... */
enum leaf_field {
#define FIELD(name, text, type) LF_##name,
#include "events/fields.def"
#undef FIELD
    LEAF_FIELDS
};

enum leaf_type {
    LT_KIND,
    LT_INT,
    LT_ID,
    LT_DIGEST,
    LT_COUNTRY,
    LT_MINUTE,
    LT_SITE,
    LT_ZONE,
    LT_KEY,
    LT_SIG,
    LT_VKEY,
    LT_WORD,
    LT_LABEL,
    LT_SEALED,
};

/* The words of each list, in the order of words.def: LW_ROLE_REGISTRAR is 0, ... */
enum leaf_list {
    LL_NONE,
    LL_CLOSED,
    LL_ROLE,
    LL_SCOPES,
    LL_SUBMISSION,
    LL_BASIS,
    LL_ERASE,
    LL_REMOVED,
    LL_ATTESTATION,
    LL_VERDICT,
    LL_REASON,
    LL_MODE,
    LL_URGENT,
    LL_SAME,
    LL_COMPARED,
    LL_OVERRIDE,
    LL_ASKER,
    LEAF_LISTS
};
enum leaf_word_closed { LW_CLOSED_SUCCESSOR, LW_CLOSED_END };
enum leaf_word_role {
    LW_ROLE_REGISTRAR,
    LW_ROLE_POLICY,
    LW_ROLE_STATEMENT,
    LW_ROLE_MOVER,
    LW_ROLE_RELEASE,
    LW_ROLE_OPERATOR,
    LW_ROLE_AUDITOR,
    LW_ROLE_AUTHOR,
    LW_ROLE_SUPERVISOR
};
enum leaf_word_submission { LW_SUBMISSION_FILE, LW_SUBMISSION_STATISTIC, LW_SUBMISSION_LOOKUP };
enum leaf_word_erase { LW_ERASE_WITHDRAWN, LW_ERASE_SUBJECT, LW_ERASE_RETENTION, LW_ERASE_POLICY };
enum leaf_word_removed { LW_REMOVED_ERASED, LW_REMOVED_MOVED };
enum leaf_word_attestation {
    LW_ATTESTATION_FILE_OVERWRITTEN,
    LW_ATTESTATION_TOKEN_DESTROYED,
    LW_ATTESTATION_CUSTODIAN
};
enum leaf_word_verdict { LW_VERDICT_MALICIOUS, LW_VERDICT_CLEAN, LW_VERDICT_INCOMPLETE };
enum leaf_word_reason {
    LW_REASON_NONE,
    LW_REASON_ENCRYPTED,
    LW_REASON_RECURSION,
    LW_REASON_FILES,
    LW_REASON_SIZE,
    LW_REASON_TIME,
    LW_REASON_UNSUPPORTED,
    LW_REASON_DAMAGED,
    LW_REASON_ENGINE,
    LW_REASON_CRASH
};
enum leaf_word_mode { LW_MODE_DETECT, LW_MODE_ENFORCE };
enum leaf_word_urgent { LW_URGENT_NO, LW_URGENT_YES };
enum leaf_word_same { LW_SAME_NO, LW_SAME_YES };
enum leaf_word_compared { /* in the order of enum compare_class */
                          LW_COMPARED_IDENTICAL,
                          LW_COMPARED_SAME_CONTENT,
                          LW_COMPARED_DERIVED_ONLY,
                          LW_COMPARED_SIGNATURE_ONLY,
                          LW_COMPARED_METADATA_ONLY,
                          LW_COMPARED_EXPLAINED,
                          LW_COMPARED_UNEXPLAINED
};
enum leaf_word_override { LW_OVERRIDE_ALLOW, LW_OVERRIDE_WITHDRAW, LW_OVERRIDE_VERDICT };
enum leaf_word_asker {
    LW_ASKER_VENDOR,
    LW_ASKER_OWNER,
    LW_ASKER_PARTNER,
    LW_ASKER_RESEARCHER,
    LW_ASKER_GOVERNMENT,
    LW_ASKER_COURT
};
/* A set of scopes is a mask of 1 << LW_SUBMISSION_*; 1..7. */
#define LEAF_SCOPE_BIT(submission) (1U << (submission))
static inline unsigned leaf_scopes_mask(unsigned word)
{
    return word + 1;
}
static inline unsigned leaf_scopes_word(unsigned mask)
{
    return mask - 1;
}

/* The table. */
struct leaf_slot {
    uint8_t field; /* enum leaf_field */
    uint8_t list;  /* enum leaf_list, LL_NONE unless the type is LT_WORD */
    bool optional;
};
struct leaf_kind_info {
    const char *name;
    enum leaf_field id;           /* its value names the leaf in commitments */
    const struct leaf_slot *slot; /* in the order of the wire, the four common ones included */
    size_t slots;
};
extern const struct leaf_kind_info leaf_kinds[LEAF_KINDS];
const char *leaf_field_name(enum leaf_field f);
enum leaf_type leaf_field_type(enum leaf_field f);
const char *leaf_type_name(enum leaf_type t);
/* The i-th word of a list; NULL beyond its end. */
const char *leaf_word_text(enum leaf_list l, size_t i);
/* -ENOENT if no kind or field is spelled so. */
MUST_CHECK int leaf_kind_of(struct span name, enum leaf_kind *out);
MUST_CHECK int leaf_field_of(struct span name, enum leaf_field *out);

/* ------------------------------------------------------------------ writing
 * leaf_begin, setters in any order, leaf_end.  The first mistake (a field the kind does not list, a
 * value of another type, a field set twice) is kept and told by leaf_end, so setters need no check.
 *
 *   struct leaf_builder b;
 *   leaf_begin(&b, LK_EPOCH_OPENED, clock_now(), "zrh1");
 *   leaf_set_int(&b, LF_EPOCH, 3);
 *   rc = leaf_end(&b, &out, e);
 */
struct leaf_builder {
    enum leaf_kind kind;
    struct {
        uint16_t at, n; /* n 0: not set */
    } value[LEAF_FIELDS];
    size_t used;
    struct err bad;
    char text[1536]; /* the greatest leaf's values: a vkey, or submission.accepted's */
};

void leaf_begin(struct leaf_builder *b, enum leaf_kind k, unix_time t, const char *site);
void leaf_set_int(struct leaf_builder *b, enum leaf_field f, uint64_t v);
void leaf_set_id(struct leaf_builder *b, enum leaf_field f, const struct id128 *v);
void leaf_set_digest(struct leaf_builder *b, enum leaf_field f, const struct digest *v);
void leaf_set_time(struct leaf_builder *b, enum leaf_field f, unix_time v);
void leaf_set_key(struct leaf_builder *b, enum leaf_field f, const uint8_t v[32]);
void leaf_set_sig(struct leaf_builder *b, enum leaf_field f, const uint8_t v[64]);
void leaf_set_word(struct leaf_builder *b, enum leaf_field f, unsigned word);
/* The spelling of any field that is not sealed: country, site, zone, label, vkey, or all others. */
void leaf_set_text(struct leaf_builder *b, enum leaf_field f, const char *text);
void leaf_set_span(struct leaf_builder *b, enum leaf_field f, struct span text);
/* The commitment to value under salt (seal.h); the kind's identifier must have been set before. */
void leaf_set_sealed(struct leaf_builder *b, enum leaf_field f, const uint8_t salt[32],
                     struct span value);
/* Appends the leaf to out.  -EINVAL: a setter's mistake or a missing field; -E2BIG, -ENOMEM: out.
 */
MUST_CHECK int leaf_end(struct leaf_builder *b, struct buf *out, struct err *e);

/* ------------------------------------------------------------------ reading
 * No allocation, no copy: a struct leaf borrows the bytes. */
struct leaf {
    enum leaf_kind kind;
    unix_time time;
    struct span bytes;
    uint64_t has[2]; /* bit f: field f is present */
    struct {
        uint16_t at, n; /* inside bytes, without the quotes; read only if present */
    } value[LEAF_FIELDS];
};

/* 0, or
 * -EBADMSG          not a leaf: not what leaf_end would write
 * -EPROTONOSUPPORT  an object of our form whose v is not 1
 * -ENOTSUP          v is 1, but kind, a field, a word or a country is not in this program's table
 * An auditor says BROKEN to the first and UNKNOWN to the other two; everybody else refuses all. */
MUST_CHECK int leaf_parse(struct leaf *l, struct span bytes);
/* The value of `kind` of a leaf that leaf_parse refused with -ENOTSUP; empty if there is none. */
struct span leaf_kind_text(struct span bytes);
/* A sentence for a refused leaf: which field at which byte. Slow; for messages only. */
void leaf_why(struct span bytes, struct err *e);

static inline bool leaf_has(const struct leaf *l, enum leaf_field f)
{
    return (l->has[f >> 6] >> (f & 63) & 1) != 0;
}
/* The value's text, lent; an absent field gives an empty span. */
static inline struct span leaf_text(const struct leaf *l, enum leaf_field f)
{
    struct span none = {NULL, 0};
    struct span s = {l->bytes.p + l->value[f].at, l->value[f].n};

    return leaf_has(l, f) ? s : none;
}
/* Typed getters.  The parser has checked the spelling, so they cannot fail; asking for a field that
 * is absent or of another type is the caller's bug (asserted). */
uint64_t leaf_int(const struct leaf *l, enum leaf_field f);
struct id128 leaf_id(const struct leaf *l, enum leaf_field f);
struct digest leaf_digest(const struct leaf *l, enum leaf_field f); /* sealed ones too */
unix_time leaf_time(const struct leaf *l, enum leaf_field f);
unsigned leaf_word(const struct leaf *l, enum leaf_field f);    /* number in the kind's list */
unsigned leaf_country(const struct leaf *l, enum leaf_field f); /* country_index, country.h */
void leaf_key(const struct leaf *l, enum leaf_field f, uint8_t out[32]);
void leaf_sig(const struct leaf *l, enum leaf_field f, uint8_t out[64]);

#endif
