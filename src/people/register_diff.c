/* register_diff.c - what one register says that the one before did not.
 *
 * A register only grows: persons, keys, roles and organizations are added, and an end ("revoked" of
 * a key, "until" of a role) is written once.  Every growth is one leaf of the ledger; everything
 * else is a rewriting of history and is refused, with the place in the new document. */
#include "people/register_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const change_words[] = {
    "person.enrolled", "key.bound", "key.revoked", "role.granted", "role.ended",
};

const char *register_change_word(enum register_change_kind k)
{
    return change_words[k];
}

struct comparison {
    const struct people *old; /* NULL: everything is new */
    const struct people *next;
    struct register_diff d;
    struct err *e;
};

static int refuse(struct comparison *c, int line, int column, const char *what)
{
    struct mark at = {line, column};

    return document_err(c->e, c->next->name, at, "%s", what);
}

static struct register_change *add(struct comparison *c, enum register_change_kind kind,
                                   const struct register_person *p)
{
    struct register_change *ch = &c->d.change[c->d.n++];

    memset(ch, 0, sizeof(*ch));
    ch->kind = kind;
    ch->person = p->id;
    return ch;
}

/* Every key and every role of next may give two changes, every person one: room for all. */
static int make_room(struct comparison *c)
{
    size_t most = 1;

    for (size_t i = 0; i < c->next->n_persons; i++)
        most += 1 + 2 * (c->next->person[i].n_keys + c->next->person[i].n_duties);
    c->d.change = calloc(most, sizeof(*c->d.change));
    return c->d.change == NULL ? err_set(c->e, -ENOMEM, "register: out of memory") : 0;
}

static int compare_key(struct comparison *c, const struct register_person *p,
                       const struct register_key *k)
{
    const struct register_key *was = NULL;
    const struct register_person *whose =
        c->old == NULL ? NULL : register_key(c->old, &k->pub, &was);

    if (whose == NULL) {
        add(c, CHANGE_KEY_BOUND, p)->key = k->pub;
        if (k->revoked != REGISTER_NEVER)
            add(c, CHANGE_KEY_REVOKED, p)->key = k->pub;
        return 0;
    }
    if (!register_id_eq(&whose->id, &p->id))
        return refuse(c, k->line, k->column,
                      "this key was another person's in the register before; a key never changes "
                      "hands");
    if (was->from != k->from || was->until != k->until)
        return refuse(c, k->line, k->column,
                      "this key's \"from\" or \"until\" is not what the register before says; "
                      "write \"revoked\" to end a key");
    if (was->revoked != REGISTER_NEVER && was->revoked != k->revoked)
        return refuse(c, k->line, k->column,
                      "this key was revoked at another time in the register before; that stands");
    if (was->revoked == REGISTER_NEVER && k->revoked != REGISTER_NEVER)
        add(c, CHANGE_KEY_REVOKED, p)->key = k->pub;
    return 0;
}

static const struct register_duty *find_duty(const struct register_person *p,
                                             const struct register_duty *like)
{
    for (size_t i = 0; p != NULL && i < p->n_duties; i++)
        if (p->duties[i].role == like->role && p->duties[i].from == like->from)
            return &p->duties[i];
    return NULL;
}

static int compare_duty(struct comparison *c, const struct register_person *was,
                        const struct register_person *p, const struct register_duty *d)
{
    const struct register_duty *had = find_duty(was, d);

    if (had == NULL)
        add(c, CHANGE_ROLE_GRANTED, p)->role = d->role;
    else if (had->until == d->until)
        return 0;
    else if (had->until != REGISTER_NEVER)
        return refuse(c, d->line, d->column,
                      "this role's \"until\" is not what the register before says; that stands");
    if (d->until != REGISTER_NEVER)
        add(c, CHANGE_ROLE_ENDED, p)->role = d->role;
    return 0;
}

/* What the person had must still be there. */
static int nothing_lost(struct comparison *c, const struct register_person *was,
                        const struct register_person *p)
{
    for (size_t i = 0; i < was->n_keys; i++)
        if (register_key(c->next, &was->keys[i].pub, NULL) == NULL)
            return refuse(c, p->line, p->column,
                          "a key this person has in the register before is missing; revoke it "
                          "instead");
    for (size_t i = 0; i < was->n_duties; i++)
        if (find_duty(p, &was->duties[i]) == NULL)
            return refuse(c, p->line, p->column,
                          "a role this person has in the register before is missing or starts at "
                          "another time; end it with \"until\" instead");
    return 0;
}

static int compare_old_person(struct comparison *c, const struct register_person *was,
                              const struct register_person *p)
{
    if (!register_id_eq(&was->org, &p->org))
        return refuse(c, p->line, p->column,
                      "this person's organization is another in the register before; enroll them "
                      "anew");
    if (was->vouched != p->vouched || (was->vouched && !register_id_eq(&was->voucher, &p->voucher)))
        return refuse(c, p->line, p->column,
                      "this person's voucher is another in the register before; that stands");
    return nothing_lost(c, was, p);
}

static int compare_new_person(struct comparison *c, const struct register_person *p)
{
    struct register_change *ch;

    if (c->old != NULL && !p->vouched)
        return refuse(c, p->line, p->column,
                      "a new person needs a \"voucher\"; only serial 1 goes without");
    if (c->old != NULL && register_find(c->old, &p->voucher) == NULL)
        return refuse(c, p->line, p->column,
                      "a new person's voucher must be in the register before this one");
    ch = add(c, CHANGE_PERSON_ENROLLED, p);
    ch->org = p->org;
    ch->voucher = p->voucher;
    ch->vouched = p->vouched;
    return 0;
}

static int compare_person(struct comparison *c, const struct register_person *p)
{
    const struct register_person *was = c->old == NULL ? NULL : register_find(c->old, &p->id);
    int rc;

    rc = was != NULL ? compare_old_person(c, was, p) : compare_new_person(c, p);
    for (size_t i = 0; rc == 0 && i < p->n_keys; i++)
        rc = compare_key(c, p, &p->keys[i]);
    for (size_t i = 0; rc == 0 && i < p->n_duties; i++)
        rc = compare_duty(c, was, p, &p->duties[i]);
    return rc;
}

static int compare_lists(struct comparison *c)
{
    const struct people *old = c->old, *next = c->next;
    char text[160];

    for (size_t i = 0; old != NULL && i < old->n_persons; i++)
        if (register_find(next, &old->person[i].id) == NULL) {
            (void)snprintf(text, sizeof(text),
                           "person %s of the register before is missing; end their roles and "
                           "revoke their keys instead",
                           register_short(&old->person[i].id).text);
            return refuse(c, next->persons_at.line, next->persons_at.column, text);
        }
    for (size_t i = 0; old != NULL && i < old->n_orgs; i++) {
        const struct register_organization *o = register_organization(next, &old->org[i].id);

        if (o == NULL || o->kind != old->org[i].kind) {
            (void)snprintf(text, sizeof(text),
                           "organization %s of the register before is missing or of another kind",
                           register_short(&old->org[i].id).text);
            return o == NULL ? refuse(c, next->orgs_at.line, next->orgs_at.column, text)
                             : refuse(c, o->at.line, o->at.column, text);
        }
    }
    c->d.orgs_added = next->n_orgs - (old == NULL ? 0 : old->n_orgs);
    for (int k = 0; old != NULL && k < DOCUMENTS; k++)
        if (old->rule[k].role != next->rule[k].role ||
            old->rule[k].persons != next->rule[k].persons)
            c->d.rules_changed = true;
    return 0;
}

int register_diff(const struct people *old, const struct people *next, struct register_diff *out,
                  struct err *e)
{
    struct comparison c = {old, next, {NULL, 0, false, 0}, e};
    int rc = make_room(&c);

    if (rc == 0)
        rc = compare_lists(&c);
    for (size_t i = 0; rc == 0 && i < next->n_persons; i++)
        rc = compare_person(&c, &next->person[i]);
    if (rc != 0) {
        register_diff_done(&c.d);
        return rc;
    }
    *out = c.d;
    return 0;
}

void register_diff_done(struct register_diff *d)
{
    free(d->change);
    memset(d, 0, sizeof(*d));
}

static int change_text(const struct register_change *ch, struct buf *out)
{
    char id[33], other[33], voucher[33], key[TEXT_BASE64_LEN(32) + 1];

    text_id(id, &ch->person);
    text_base64(key, ch->key.b, sizeof(ch->key.b));
    switch (ch->kind) {
    case CHANGE_PERSON_ENROLLED:
        text_id(other, &ch->org);
        text_id(voucher, &ch->voucher);
        return buf_printf(out, "+ person %s of organization %s%s%s\n", id, other,
                          ch->vouched ? ", vouched for by " : "", ch->vouched ? voucher : "");
    case CHANGE_KEY_BOUND:
        return buf_printf(out, "+ person %s: key %s\n", id, key);
    case CHANGE_KEY_REVOKED:
        return buf_printf(out, "- person %s: key %s is revoked\n", id, key);
    case CHANGE_ROLE_GRANTED:
        return buf_printf(out, "+ person %s: role %s\n", id, register_role_word(ch->role));
    case CHANGE_ROLE_ENDED:
        return buf_printf(out, "- person %s: role %s has an end\n", id,
                          register_role_word(ch->role));
    }
    return -EINVAL;
}

int register_diff_text(const struct register_diff *d, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < d->n; i++)
        rc = change_text(&d->change[i], out);
    if (rc == 0 && d->orgs_added > 0)
        rc =
            buf_printf(out, "+ %zu organization%s\n", d->orgs_added, d->orgs_added == 1 ? "" : "s");
    if (rc == 0 && d->rules_changed)
        rc = buf_puts(out, "~ the numbers or roles under \"approvals\"\n");
    return rc;
}
