/* tlog_policy.c - C2SP tlog-policy.  Names of witnesses and groups share one table; every entry is
 * a set of member names with a threshold, a witness being a set of its own bit.  Since a name can
 * be a member only once and only after its definition, one pass over the table in the order of the
 * file decides everything. */
#include "ledger/tlog_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"

#define WORDS_MAX (3 + 2 * TLOG_POLICY_MAX)

struct name {
    char *text;
    bool is_witness, is_member;
    size_t witness;   /* its number, if it is one */
    size_t threshold; /* of a group */
    size_t members;
    uint8_t member[2 * TLOG_POLICY_MAX]; /* indices into names */
};

struct tlog_policy {
    struct vkey log[TLOG_POLICY_MAX], witness[TLOG_POLICY_MAX];
    char *log_url[TLOG_POLICY_MAX], *witness_url[TLOG_POLICY_MAX];
    size_t witness_name[TLOG_POLICY_MAX]; /* index into names */
    size_t logs, witnesses, groups, names;
    struct name name[2 * TLOG_POLICY_MAX];
    bool has_quorum;
    int quorum; /* index into names; -1 for none */
};

struct line {
    size_t number, words;
    struct span word[WORDS_MAX];
};

static const struct name *find_name(const struct tlog_policy *p, struct span text)
{
    for (size_t i = 0; i < p->names; i++)
        if (span_is(text, p->name[i].text))
            return &p->name[i];
    return NULL;
}

static char *keep(struct span s)
{
    char *t = malloc(s.n + 1);

    if (t != NULL) {
        memcpy(t, s.p, s.n);
        t[s.n] = '\0';
    }
    return t;
}

#define FMT_SPAN(s) (int)(s).n, (const char *)(s).p

static int new_name(struct tlog_policy *p, const struct line *l, struct span text,
                    struct name **out, struct err *e)
{
    struct name *n = &p->name[p->names];

    if (span_is(text, "none"))
        return err_set(e, -EBADMSG, "policy line %zu: the name \"none\" is taken by the format",
                       l->number);
    if (find_name(p, text) != NULL)
        return err_set(e, -EBADMSG, "policy line %zu: the name \"%.*s\" is defined twice",
                       l->number, FMT_SPAN(text));
    if ((n->text = keep(text)) == NULL)
        return err_sys(e, -ENOMEM, "reading a policy");
    p->names++;
    *out = n;
    return 0;
}

static int read_vkey(struct vkey *out, uint8_t type, const char *what, const struct line *l,
                     struct span text, struct err *e)
{
    int rc = note_vkey_parse(out, text, e);

    if (rc != 0) {
        (void)err_prefix(e, "policy line %zu", l->number);
        return -EBADMSG;
    }
    if (out->type != type)
        return err_set(e, -EBADMSG, "policy line %zu: a %s's key has type %d, not %d", l->number,
                       what, type, out->type);
    return 0;
}

static bool has_key(const struct vkey *keys, size_t n, const struct vkey *k)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(keys[i].pub, k->pub, sizeof(k->pub)) == 0)
            return true;
    return false;
}

static int add_log(struct tlog_policy *p, const struct line *l, struct err *e)
{
    struct vkey *k = &p->log[p->logs];
    int rc;

    if (l->words < 2 || l->words > 3)
        return err_set(e, -EBADMSG, "policy line %zu: expected: log <vkey> [<url>]", l->number);
    if (p->logs == TLOG_POLICY_MAX)
        return err_set(e, -E2BIG, "policy line %zu: more than %d logs", l->number, TLOG_POLICY_MAX);
    if ((rc = read_vkey(k, VKEY_ED25519, "log", l, l->word[1], e)) != 0)
        return rc;
    if (has_key(p->log, p->logs, k))
        return err_set(e, -EBADMSG, "policy line %zu: this public key is on another log line too",
                       l->number);
    if (l->words == 3 && (p->log_url[p->logs] = keep(l->word[2])) == NULL)
        return err_sys(e, -ENOMEM, "reading a policy");
    p->logs++;
    return 0;
}

static int add_witness(struct tlog_policy *p, const struct line *l, struct err *e)
{
    struct vkey *k = &p->witness[p->witnesses];
    struct name *n;
    int rc;

    if (l->words < 3 || l->words > 4)
        return err_set(e, -EBADMSG, "policy line %zu: expected: witness <name> <vkey> [<url>]",
                       l->number);
    if (p->witnesses == TLOG_POLICY_MAX)
        return err_set(e, -E2BIG, "policy line %zu: more than %d witnesses", l->number,
                       TLOG_POLICY_MAX);
    if ((rc = read_vkey(k, VKEY_COSIGNATURE, "witness", l, l->word[2], e)) != 0)
        return rc;
    if (has_key(p->witness, p->witnesses, k))
        return err_set(e, -EBADMSG,
                       "policy line %zu: this public key is on another witness line too",
                       l->number);
    if ((rc = new_name(p, l, l->word[1], &n, e)) != 0)
        return rc;
    n->is_witness = true;
    n->witness = p->witnesses;
    if (l->words == 4 && (p->witness_url[p->witnesses] = keep(l->word[3])) == NULL)
        return err_sys(e, -ENOMEM, "reading a policy");
    p->witness_name[p->witnesses++] = p->names - 1;
    return 0;
}

static int read_threshold(const struct line *l, size_t members, size_t *out, struct err *e)
{
    uint64_t k;

    if (span_is(l->word[2], "any"))
        k = 1;
    else if (span_is(l->word[2], "all"))
        k = members;
    else if (text_u64(l->word[2], members, &k) != 0 || k == 0)
        return err_set(e, -EBADMSG,
                       "policy line %zu: \"%.*s\" is not any, all or a number from 1 to %zu (the "
                       "members)",
                       l->number, FMT_SPAN(l->word[2]), members);
    *out = (size_t)k;
    return 0;
}

static int add_group(struct tlog_policy *p, const struct line *l, struct err *e)
{
    struct name *g, *m;
    int rc;

    if (l->words < 4)
        return err_set(e, -EBADMSG, "policy line %zu: expected: group <name> any|all|<k> <name>...",
                       l->number);
    if (p->groups == TLOG_POLICY_MAX)
        return err_set(e, -E2BIG, "policy line %zu: more than %d groups", l->number,
                       TLOG_POLICY_MAX);
    if ((rc = new_name(p, l, l->word[1], &g, e)) != 0)
        return rc;
    p->groups++;
    if ((rc = read_threshold(l, l->words - 3, &g->threshold, e)) != 0)
        return rc;
    for (size_t i = 3; i < l->words; i++) {
        m = (struct name *)(uintptr_t)find_name(p, l->word[i]);
        if (m == NULL || m == g)
            return err_set(e, -EBADMSG, "policy line %zu: \"%.*s\" is not defined on a line before",
                           l->number, FMT_SPAN(l->word[i]));
        if (m->is_member)
            return err_set(e, -EBADMSG, "policy line %zu: \"%.*s\" is already a member of a group",
                           l->number, FMT_SPAN(l->word[i]));
        m->is_member = true;
        g->member[g->members++] = (uint8_t)(m - p->name);
    }
    return 0;
}

static int set_quorum(struct tlog_policy *p, const struct line *l, struct err *e)
{
    const struct name *n;

    if (l->words != 2)
        return err_set(e, -EBADMSG, "policy line %zu: expected: quorum <name>", l->number);
    if (p->has_quorum)
        return err_set(e, -EBADMSG, "policy line %zu: a second quorum line", l->number);
    p->has_quorum = true;
    p->quorum = -1;
    if (span_is(l->word[1], "none"))
        return 0;
    if ((n = find_name(p, l->word[1])) == NULL)
        return err_set(e, -EBADMSG, "policy line %zu: \"%.*s\" is not defined on a line before",
                       l->number, FMT_SPAN(l->word[1]));
    p->quorum = (int)(n - p->name);
    return 0;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static int split_words(struct line *l, struct span s, struct err *e)
{
    size_t i = 0, from;

    l->words = 0;
    for (;;) {
        while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
            i++;
        if (i == s.n || (l->words == 0 && s.p[i] == '#'))
            return 0;
        for (from = i; i < s.n && s.p[i] != ' ' && s.p[i] != '\t';)
            i++;
        if (l->words == WORDS_MAX)
            return err_set(e, -E2BIG, "policy line %zu: more than %d words", l->number, WORDS_MAX);
        l->word[l->words++] = span_of(s.p + from, i - from);
    }
}

static int read_line(struct tlog_policy *p, struct line *l, struct span text, struct err *e)
{
    static const struct {
        const char *word;
        int (*fn)(struct tlog_policy *, const struct line *, struct err *);
    } kinds[] = {
        {"log", add_log}, {"witness", add_witness}, {"group", add_group}, {"quorum", set_quorum}};
    int rc;

    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] < 0x20 && text.p[i] != '\t') || text.p[i] == 0x7f)
            return err_set(e, -EBADMSG, "policy line %zu: control character", l->number);
    if ((rc = split_words(l, text, e)) != 0 || l->words == 0)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (span_is(l->word[0], kinds[i].word))
            return kinds[i].fn(p, l, e);
    return err_set(e, -EBADMSG, "policy line %zu: \"%.*s\" is not log, witness, group or quorum",
                   l->number, FMT_SPAN(l->word[0]));
}

int tlog_policy_parse(struct tlog_policy **out, struct span text, struct err *e)
{
    struct tlog_policy *p;
    struct cur c = cur_of(text);
    struct line l = {0};
    struct span s;
    int rc = 0;

    if (text.n > TLOG_POLICY_TEXT_MAX)
        return err_set(e, -E2BIG, "policy is larger than %d bytes", TLOG_POLICY_TEXT_MAX);
    if ((p = calloc(1, sizeof(*p))) == NULL)
        return err_sys(e, -ENOMEM, "reading a policy");
    for (l.number = 1; rc == 0 && c.n > 0; l.number++) {
        if (cur_line(&c, &s) != 0)
            rc = err_set(e, -EBADMSG, "policy line %zu: no line feed at the end", l.number);
        else
            rc = read_line(p, &l, s, e);
    }
    if (rc == 0 && !p->has_quorum)
        rc = err_set(e, -EBADMSG, "policy has no quorum line; add one, \"quorum none\" at least");
    if (rc != 0) {
        tlog_policy_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

int tlog_policy_load(struct tlog_policy **out, const char *path, struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, TLOG_POLICY_TEXT_MAX);
    if ((rc = io_read_file(AT_FDCWD, path, &b)) != 0)
        rc = err_sys(e, rc, "reading \"%s\"", path);
    else if ((rc = tlog_policy_parse(out, buf_span(&b), e)) != 0)
        (void)err_prefix(e, "\"%s\"", path);
    buf_free(&b);
    return rc;
}

void tlog_policy_free(struct tlog_policy *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(p->name); i++)
        free(p->name[i].text);
    for (size_t i = 0; i < TLOG_POLICY_MAX; i++) {
        free(p->log_url[i]);
        free(p->witness_url[i]);
    }
    free(p);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

size_t tlog_policy_logs(const struct tlog_policy *p)
{
    return p->logs;
}

const struct vkey *tlog_policy_log(const struct tlog_policy *p, size_t i)
{
    return i < p->logs ? &p->log[i] : NULL;
}

const char *tlog_policy_log_url(const struct tlog_policy *p, size_t i)
{
    return i < p->logs ? or_empty(p->log_url[i]) : "";
}

size_t tlog_policy_witness_count(const struct tlog_policy *p)
{
    return p->witnesses;
}

const struct vkey *tlog_policy_witness(const struct tlog_policy *p, size_t i)
{
    return i < p->witnesses ? &p->witness[i] : NULL;
}

const char *tlog_policy_witness_name(const struct tlog_policy *p, size_t i)
{
    return i < p->witnesses ? p->name[p->witness_name[i]].text : "";
}

const char *tlog_policy_witness_url(const struct tlog_policy *p, size_t i)
{
    return i < p->witnesses ? or_empty(p->witness_url[i]) : "";
}

int tlog_policy_find_witness(const struct tlog_policy *p, const char *name)
{
    const struct name *n = find_name(p, span_str(name));

    return n != NULL && n->is_witness ? (int)n->witness : -1;
}

/* ---- Deciding -------------------------------------------------------------------------------- */

bool tlog_policy_quorum(const struct tlog_policy *p, tlog_witnesses set)
{
    bool holds[ARRAY_LEN(p->name)];

    if (p->quorum < 0)
        return true;
    for (size_t i = 0; i < p->names; i++) {
        const struct name *n = &p->name[i];
        size_t count = 0;

        for (size_t k = 0; k < n->members; k++)
            count += holds[n->member[k]]; /* members stand before their group */
        holds[i] = n->is_witness ? (set >> n->witness & 1) != 0 : count >= n->threshold;
    }
    return holds[p->quorum];
}

bool tlog_policy_quorum_without(const struct tlog_policy *p, tlog_witnesses set)
{
    return tlog_policy_quorum(p, ~set); /* thresholds only grow true with more witnesses */
}

/* Collects the cosignatures of a note whose log signature is verified. */
static int count_witnesses(struct tlog_verdict *out, const struct tlog_policy *p,
                           const struct core_note *note, struct err *e)
{
    for (size_t i = 0; i < p->witnesses; i++) {
        uint64_t t = 0;
        int rc = core_note_verify(&note_crypto, note, &p->witness[i], &t);

        if (rc == -ENOENT)
            continue;
        if (rc != 0)
            return err_set(e, -EBADMSG, "the cosignature of \"%s\" does not verify",
                           p->witness[i].name);
        if (out->cosigned == 0 || t < out->earliest)
            out->earliest = t;
        if (t > out->latest)
            out->latest = t;
        out->cosigned |= UINT64_C(1) << i;
        out->time[i] = t;
    }
    out->quorum = tlog_policy_quorum(p, out->cosigned);
    return 0;
}

int tlog_policy_check_log(struct tlog_verdict *out, const struct tlog_policy *p,
                          const struct vkey *log, struct span note, struct err *e)
{
    struct tlog_verdict v = {.log = -1};
    struct core_note n;
    int rc;

    if ((rc = note_checkpoint_open(&v.checkpoint, &n, note, log, e)) != 0)
        return rc;
    v.text = n.text;
    if ((rc = count_witnesses(&v, p, &n, e)) != 0)
        return rc;
    *out = v;
    return 0;
}

int tlog_policy_check(struct tlog_verdict *out, const struct tlog_policy *p, struct span note,
                      struct err *e)
{
    struct tlog_verdict v = {.log = -1};
    struct core_note n;
    int rc;

    if (core_note_split(note, &n) != 0 || core_checkpoint_parse(n.text, &v.checkpoint) != 0)
        return err_set(e, -EBADMSG, "not a signed checkpoint");
    v.text = n.text;
    for (size_t i = 0; i < p->logs; i++) {
        if (!span_is(v.checkpoint.origin, p->log[i].name))
            continue; /* a log's key speaks for its own origin only */
        rc = core_note_verify(&note_crypto, &n, &p->log[i], NULL);
        if (rc == -EBADMSG)
            return err_set(e, rc, "the signature of \"%s\" does not verify", p->log[i].name);
        if (rc == 0 && v.log < 0)
            v.log = (int)i;
    }
    if (v.log < 0)
        return err_set(e, -EBADMSG, "checkpoint of \"%.*s\" is not signed by a log of the policy",
                       (int)v.checkpoint.origin.n, (const char *)v.checkpoint.origin.p);
    if ((rc = count_witnesses(&v, p, &n, e)) != 0)
        return rc;
    *out = v;
    return 0;
}
