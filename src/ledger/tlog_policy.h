/* tlog_policy.h - which logs are believed, which witnesses are known, and which sets of them make a
 * checkpoint valid (C2SP tlog-policy).  A policy is parsed once and never changes; any number of
 * threads may evaluate it. */
#ifndef LEDGER_TLOG_POLICY_H
#define LEDGER_TLOG_POLICY_H

#include "ledger/note.h"

#define TLOG_POLICY_MAX 64 /* logs; witnesses; groups: each */
#define TLOG_POLICY_TEXT_MAX (64 * 1024)

struct tlog_policy;
/* A set of witnesses: bit i is the i-th witness line. */
typedef uint64_t tlog_witnesses;

/* Messages name the line: "policy line 4: ...". */
MUST_CHECK int tlog_policy_parse(struct tlog_policy **out, struct span text, struct err *e);
MUST_CHECK int tlog_policy_load(struct tlog_policy **out, const char *path, struct err *e);
void tlog_policy_free(struct tlog_policy *p);

size_t tlog_policy_logs(const struct tlog_policy *p);
const struct vkey *tlog_policy_log(const struct tlog_policy *p, size_t i);
const char *tlog_policy_log_url(const struct tlog_policy *p, size_t i); /* "" if none given */
size_t tlog_policy_witness_count(const struct tlog_policy *p);
const struct vkey *tlog_policy_witness(const struct tlog_policy *p, size_t i);
const char *tlog_policy_witness_name(const struct tlog_policy *p,
                                     size_t i); /* name in the policy */
const char *tlog_policy_witness_url(const struct tlog_policy *p, size_t i);
/* The witness line of that policy name, or -1. */
int tlog_policy_find_witness(const struct tlog_policy *p, const char *name);

/* Do these witnesses suffice for the quorum? */
bool tlog_policy_quorum(const struct tlog_policy *p, tlog_witnesses set);
/* Is the quorum reachable without any witness of `set`?  (The audit warns when it is without the
 * outsiders.) */
bool tlog_policy_quorum_without(const struct tlog_policy *p, tlog_witnesses set);

/* What a checkpoint is worth under a policy. */
struct tlog_verdict {
    struct core_checkpoint checkpoint; /* points into the note */
    struct span text;                  /* what was signed */
    int log;                           /* index of the log line whose key signed */
    tlog_witnesses cosigned;           /* every witness whose cosignature verified */
    uint64_t time[TLOG_POLICY_MAX];    /* their POSIX times; 0 where not cosigned */
    uint64_t earliest, latest;         /* over cosigned; 0 if none */
    bool quorum;                       /* final; without it the checkpoint is pending */
};
/* 0 if the note is a checkpoint signed by a log of the policy whose name is the origin; quorum
 * tells the rest.  -EBADMSG: malformed, unknown log, or any known key's signature fails. */
MUST_CHECK int tlog_policy_check(struct tlog_verdict *out, const struct tlog_policy *p,
                                 struct span note, struct err *e);
/* The same for a log that is known by other means (its vkey), with the policy's witnesses. */
MUST_CHECK int tlog_policy_check_log(struct tlog_verdict *out, const struct tlog_policy *p,
                                     const struct vkey *log, struct span note, struct err *e);

#endif
