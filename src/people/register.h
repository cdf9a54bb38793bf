/* register.h - the register of people: who may approve what, with which key, from when until when.
 * The document, every field and every refusal: docs/people.md; its place in a ledger:
 * docs/formats.md.
 *
 * A register is read once into an immutable value (register_parse), asked (register_key, _role,
 * _approved), and compared with its predecessor (register_follows, register_diff).  Persons are
 * pseudonyms; there are no names in it.
 *
 * Time: an interval holds its beginning and not its end.  A key counts at t if from <= t < until
 * and t < revoked; a role if from <= t < until.  The register that decides about a document is the
 * one in force at the witnessed time of the document's leaf: a later register cannot change the
 * past.
 *
 * Errors: -EINVAL with "NAME:LINE:COLUMN: …" for a document that is refused, -EPERM for an approval
 * that does not suffice.  Everything here is a pure function of its arguments; a parsed register
 * may be read from several threads. */
#ifndef PEOPLE_REGISTER_H
#define PEOPLE_REGISTER_H

#include "base/clock.h"
#include "base/err.h"
#include "crypto/ed25519.h"
#include "people/document.h"
#include "people/dsse.h"

#define REGISTER_NEVER INT64_MAX /* "until" or "revoked" that is not there */
#define REGISTER_MAX_PERSONS 10000
#define REGISTER_MAX_ORGS 4096
#define REGISTER_MAX_KEYS 64  /* of one person, ever */
#define REGISTER_MAX_ROLES 64 /* entries of one person, ever */

enum register_role {
    ROLE_REGISTRAR,
    ROLE_POLICY,
    ROLE_STATEMENT,
    ROLE_MOVER,
    ROLE_RELEASE,
    ROLE_OPERATOR,
    ROLE_AUDITOR,
    ROLE_AUTHOR,     /* of rules */
    ROLE_SUPERVISOR, /* of builds */
};
#define REGISTER_ROLES 9
/* "registrar", … as in the document and in the leaves role.granted and role.ended */
const char *register_role_word(enum register_role r);
/* 0 or -EBADMSG */
MUST_CHECK int register_role_of(struct span word, enum register_role *out);

enum register_org { ORG_VENDOR, ORG_PARTNER, ORG_GOVERNMENT, ORG_AUDITOR };

/* Plain values; arrays are lent and live as long as the register. */
struct register_key {
    struct ed25519_pub pub;
    unix_time from, until, revoked;
    int line, column; /* where the document says so */
};
struct register_duty {
    enum register_role role;
    unix_time from, until;
    int line, column;
};
struct register_person {
    struct id128 id, org, voucher;
    bool vouched; /* voucher is there */
    const struct register_key *keys;
    size_t n_keys;
    const struct register_duty *duties;
    size_t n_duties;
    int line, column;
};
struct register_rule { /* k distinct persons who hold the role; persons 0: the register says nothing
                        * of that kind, which then cannot be approved */
    enum register_role role;
    unsigned persons;
};

struct people; /* one register; "register" itself is a word of C */

/* Reads and validates the document's bytes (the envelope's payload).  name is used in messages. */
MUST_CHECK int register_parse(struct people **out, const char *name, struct span text,
                              struct err *e);
void register_free(struct people *p);

uint64_t register_serial(const struct people *p);
const struct digest *register_previous(const struct people *p); /* NULL exactly in serial 1 */
struct register_rule register_rule(const struct people *p, enum document k);
size_t register_count(const struct people *p);
const struct register_person *register_person(const struct people *p, size_t i); /* as written */
const struct register_person *register_find(const struct people *p, const struct id128 *person);

/* "vendor", "partner", "government", "auditor"; NULL: no such organization. */
const char *register_org_word(const struct people *p, const struct id128 *org);

/* The person a key is bound to and the binding, or NULL.  Says nothing about time. */
const struct register_person *register_key(const struct people *p, const struct ed25519_pub *k,
                                           const struct register_key **binding);
/* As above by keyid (64 hex digits): what a DSSE signature names. */
const struct register_person *register_keyid(const struct people *p, const char *keyid,
                                             const struct register_key **binding);
bool register_key_valid(const struct register_key *k, unix_time t);
bool register_has_role(const struct register_person *person, enum register_role r, unix_time t);

/* Can every kind of document still be approved at t?  -EPERM names the first kind that cannot, and
 * how many persons with a valid key hold the role.  Ask before publishing: a register that fails
 * this can have no successor. */
MUST_CHECK int register_workable(const struct people *p, unix_time t, struct err *e);

/* What an approval came to, whether or not it sufficed. */
struct register_approval {
    unsigned counted, needed;                 /* distinct persons */
    struct id128 person[DSSE_MAX_SIGNATURES]; /* those counted, in the envelope's order */
};
/* Is env, a document of kind k, approved at t by the people of the register in force then?
 * author (of a policy) may be NULL; the author must be in the register and does not count.
 * -EPERM: not approved; the sentence says how many count and why each other signature does not.
 * -EBADMSG: the envelope's payloadType is not k's.  out may be NULL. */
MUST_CHECK int register_approved(const struct people *in_force, enum document k,
                                 const struct dsse *env, unix_time t, const struct id128 *author,
                                 struct register_approval *out, struct err *e);
/* Serial 1: at least threshold of the root keys have signed.  A key listed twice counts once. */
MUST_CHECK int register_approved_by_roots(const struct ed25519_pub *roots, size_t n,
                                          unsigned threshold, const struct dsse *env,
                                          unsigned *counted, struct err *e);

/* Is next the successor of p, whose envelope's digest is doc?  Serial plus one, previous = doc. */
MUST_CHECK int register_follows(const struct people *p, const struct digest *doc,
                                const struct people *next, struct err *e);

/* One leaf each, with the fields of docs/events.md. */
enum register_change_kind {
    CHANGE_PERSON_ENROLLED, /* person, org, voucher if vouched */
    CHANGE_KEY_BOUND,       /* person, key */
    CHANGE_KEY_REVOKED,     /* person, key */
    CHANGE_ROLE_GRANTED,    /* person, role */
    CHANGE_ROLE_ENDED,      /* person, role */
};
struct register_change {
    enum register_change_kind kind;
    struct id128 person, org, voucher;
    bool vouched;
    struct ed25519_pub key;
    enum register_role role;
};
const char *register_change_word(enum register_change_kind k); /* "person.enrolled", … */
struct register_diff {
    struct register_change *change; /* in the order of the document */
    size_t n;
    bool rules_changed; /* "approvals" differ: said by the document itself, by no leaf */
    size_t orgs_added;  /* likewise */
};
/* Everything that next says and old (NULL: nothing before) did not.  -EINVAL, with next's line and
 * column, if anything else changed: a person, key, role or organization disappeared, moved or was
 * rewritten; an end that was written changed; a new person is vouched for by nobody who was in old.
 */
MUST_CHECK int register_diff(const struct people *old, const struct people *next,
                             struct register_diff *out, struct err *e);
void register_diff_done(struct register_diff *d);

/* Texts for people: a change a line ("+ person 01ab…  of organization …"), and the register at t.
 */
MUST_CHECK int register_diff_text(const struct register_diff *d, struct buf *out);
MUST_CHECK int register_text(const struct people *p, unix_time t, struct buf *out);

#endif
