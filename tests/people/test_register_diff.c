#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "people/register.h"

#include "faults.h"
#include "model.h"

/* The diff as text, one change a line, in short: "enrolled 6 by 1", "bound 6 7", "granted 6 mover".
 * Identifiers and keys are turned back into the model's numbers. */
static int number_of_key(const struct ed25519_pub *k)
{
    for (int n = 1; n < 256; n++) {
        struct ed25519_pub pub = model_public(n);

        if (memcmp(&pub, k, sizeof(pub)) == 0)
            return n;
    }
    return -1;
}

static const char *shorten(const struct register_diff *d, struct buf *b)
{
    buf_reset(b);
    for (size_t i = 0; i < d->n; i++) {
        const struct register_change *c = &d->change[i];
        const char *word = strchr(register_change_word(c->kind), '.') + 1;

        model_put(b, "%s%s %d", i > 0 ? ", " : "", word, c->person.b[15]);
        if (c->kind == CHANGE_PERSON_ENROLLED && c->vouched)
            model_put(b, " by %d", c->voucher.b[15]);
        if (c->kind == CHANGE_KEY_BOUND || c->kind == CHANGE_KEY_REVOKED)
            model_put(b, " %d", number_of_key(&c->key));
        if (c->kind == CHANGE_ROLE_GRANTED || c->kind == CHANGE_ROLE_ENDED)
            model_put(b, " %s", register_role_word(c->role));
    }
    return buf_str(b);
}

static void the_first_register_is_all_new(void **state)
{
    struct model m = model_usual();
    struct people *p;
    struct register_diff d;
    struct buf b;

    (void)state;
    m.n_persons = 3;
    m.rule[DOCUMENT_MOVE].role = ROLE_STATEMENT;
    m.rule[DOCUMENT_MOVE].persons = 1;
    p = model_people(&m);
    buf_init(&b, 10000);
    assert_int_equal(register_diff(NULL, p, &d, NULL), 0);
    assert_string_equal(shorten(&d, &b),
                        "enrolled 1, bound 1 1, bound 1 11, granted 1 registrar, granted 1 policy, "
                        "enrolled 2 by 1, bound 2 2, granted 2 registrar, granted 2 policy, "
                        "enrolled 3 by 1, bound 3 3, granted 3 policy, granted 3 statement");
    assert_int_equal(d.orgs_added, 2);
    assert_false(d.rules_changed);
    register_diff_done(&d);
    buf_free(&b);
    register_free(p);
}

/* One edit each of the usual register. */
static void someone_joins(struct model *m)
{
    m->persons[m->n_persons++] = (struct model_person){
        6, 1, 3, {{6, 1, FOREVER, FOREVER}}, 1, {{ROLE_OPERATOR, 1, FOREVER}}, 1};
}
static void someone_joins_and_ends_at_once(struct model *m)
{
    m->persons[m->n_persons++] =
        (struct model_person){6, 1, 3, {{6, 1, FOREVER, 2}}, 1, {{ROLE_OPERATOR, 1, 2}}, 1};
}
static void a_joiner_vouched_by_a_joiner(struct model *m)
{
    someone_joins(m);
    m->persons[m->n_persons] = m->persons[m->n_persons - 1];
    m->persons[m->n_persons].id = 7;
    m->persons[m->n_persons].voucher = 6;
    m->persons[m->n_persons++].keys[0].key = 7;
}
static void a_joiner_without_voucher(struct model *m)
{
    someone_joins(m);
    m->persons[5].voucher = 0;
}
static void someone_leaves(struct model *m)
{
    m->persons[2].keys[0].revoked = 9;
    m->persons[2].roles[1].until = 9;
}
static void a_key_is_replaced(struct model *m)
{
    m->persons[0].keys[1].revoked = 9;
    m->persons[0].keys[m->persons[0].n_keys++] = (struct model_key){12, 9, FOREVER, FOREVER};
}
static void someone_is_left_out(struct model *m)
{
    m->persons[3] = m->persons[4];
    m->n_persons--;
    m->rule[DOCUMENT_MOVE].persons = 1;
}
static void a_key_changes_hands(struct model *m)
{
    m->persons[1].keys[m->persons[1].n_keys++] = m->persons[0].keys[1];
    m->persons[0].n_keys = 1;
}
static void a_key_is_left_out(struct model *m)
{
    m->persons[0].n_keys = 1;
}
static void a_key_begins_earlier(struct model *m)
{
    m->persons[1].keys[0].from = -3;
}
static void a_key_gets_an_expiry(struct model *m)
{
    m->persons[1].keys[0].until = 100;
}
static void a_role_is_left_out(struct model *m)
{
    m->persons[0].roles[0] = m->persons[0].roles[1];
    m->persons[0].n_roles = 1;
    m->rule[DOCUMENT_REGISTER].persons = 1;
}
static void a_role_begins_earlier(struct model *m)
{
    m->persons[4].roles[0].from = -2;
}
static void someone_changes_organization(struct model *m)
{
    m->persons[4].org = 1;
}
static void someone_gets_another_voucher(struct model *m)
{
    m->persons[4].voucher = 1;
}
static void someone_loses_the_voucher(struct model *m)
{
    m->persons[4].voucher = 0;
}
static void an_organization_joins(struct model *m)
{
    m->orgs[m->n_orgs++] = 3;
}
static void an_organization_is_left_out(struct model *m)
{
    m->n_orgs = 1;
    m->persons[4].org = 1;
}
static void more_must_approve(struct model *m)
{
    m->rule[DOCUMENT_POLICY].persons = 3;
}
static void the_persons_are_reordered(struct model *m)
{
    struct model_person t = m->persons[3];

    m->persons[3] = m->persons[4];
    m->persons[4] = t;
}
static void nothing(struct model *m)
{
    (void)m;
}

static const struct {
    const char *name;
    void (*edit)(struct model *m);
    const char *diff; /* NULL: refused */
    const char *says;
} steps[] = {
    {"nothing", nothing, "", NULL},
    {"joins", someone_joins, "enrolled 6 by 3, bound 6 6, granted 6 operator", NULL},
    {"joins and ends", someone_joins_and_ends_at_once,
     "enrolled 6 by 3, bound 6 6, revoked 6 6, granted 6 operator, ended 6 operator", NULL},
    {"leaves", someone_leaves, "revoked 3 3, ended 3 statement", NULL},
    {"key replaced", a_key_is_replaced, "revoked 1 11, bound 1 12", NULL},
    {"organization", an_organization_joins, "", NULL},
    {"rules", more_must_approve, "", NULL},
    {"reordered", the_persons_are_reordered, "", NULL},
    {"joiner by joiner", a_joiner_vouched_by_a_joiner, NULL,
     "r.yaml:58:5: a new person's voucher must be in the register before"},
    {"no voucher", a_joiner_without_voucher, NULL, "r.yaml:51:5: a new person needs a \"voucher\""},
    {"left out", someone_is_left_out, NULL,
     "r.yaml:13:3: person 00000000… of the register before is missing"},
    {"changes hands", a_key_changes_hands, NULL, "r.yaml:25:15: this key was another person's"},
    {"key left out", a_key_is_left_out, NULL,
     "r.yaml:13:5: a key this person has in the register before is missing"},
    {"key earlier", a_key_begins_earlier, NULL,
     "r.yaml:25:15: this key's \"from\" or \"until\" is not what the register before says"},
    {"key expiry", a_key_gets_an_expiry, NULL,
     "r.yaml:25:15: this key's \"from\" or \"until\" is not what the register before says"},
    {"role left out", a_role_is_left_out, NULL,
     "r.yaml:13:5: a role this person has in the register before is missing"},
    {"role earlier", a_role_begins_earlier, NULL,
     "r.yaml:44:5: a role this person has in the register before is missing or starts at another"},
    {"organization changed", someone_changes_organization, NULL,
     "r.yaml:44:5: this person's organization is another"},
    {"voucher changed", someone_gets_another_voucher, NULL,
     "r.yaml:44:5: this person's voucher is another"},
    {"voucher lost", someone_loses_the_voucher, NULL,
     "r.yaml:44:5: this person's voucher is another"},
    {"organization left out", an_organization_is_left_out, NULL,
     "r.yaml:10:3: organization a0000000… of the register before is missing"},
};

static void a_step_is_its_leaves_or_refused(void **state)
{
    struct model before = model_usual();
    struct people *old = model_people(&before);
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct model after = before;
        struct register_diff d = {0};
        struct err e = ERR_INIT;
        struct people *next;
        int rc;

        steps[i].edit(&after);
        next = model_people(&after);
        rc = register_diff(old, next, &d, &e);
        if (steps[i].diff != NULL && (rc != 0 || strcmp(shorten(&d, &b), steps[i].diff) != 0))
            fail_msg("%s: %d %s: %s", steps[i].name, rc, err_text(&e), buf_str(&b));
        if (steps[i].diff == NULL &&
            (rc != -EINVAL || strncmp(err_text(&e), steps[i].says, strlen(steps[i].says)) != 0))
            fail_msg("%s: %d %s", steps[i].name, rc, err_text(&e));
        assert_int_equal(d.orgs_added, steps[i].edit == an_organization_joins ? 1 : 0);
        assert_int_equal(d.rules_changed, steps[i].edit == more_must_approve);
        register_diff_done(&d);
        register_free(next);
    }
    buf_free(&b);
    register_free(old);
}

/* An end that was written stands: neither taken back nor moved. */
static void a_written_end_stands(void **state)
{
    static const int moved[] = {FOREVER, 8, 10};
    struct model before = model_usual(), after;
    struct people *old, *next;
    struct register_diff d;
    struct err e = ERR_INIT;

    (void)state;
    before.persons[0].keys[1].revoked = 9;
    before.persons[2].roles[0].until = 9;
    old = model_people(&before);
    for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
        after = before;
        after.persons[0].keys[1].revoked = moved[i];
        next = model_people(&after);
        assert_int_equal(register_diff(old, next, &d, &e), -EINVAL);
        assert_non_null(strstr(err_text(&e), "this key was revoked at another time"));
        register_free(next);
        after = before;
        after.persons[2].roles[0].until = moved[i];
        next = model_people(&after);
        assert_int_equal(register_diff(old, next, &d, &e), -EINVAL);
        assert_non_null(strstr(err_text(&e), "this role's \"until\" is not what"));
        register_free(next);
    }
    register_free(old);
}

static void the_text_has_a_line_a_change(void **state)
{
    struct model before = model_usual(), after = before;
    struct people *old = model_people(&before), *next;
    struct register_diff d;
    struct buf b;

    (void)state;
    someone_joins(&after);
    someone_leaves(&after);
    an_organization_joins(&after);
    after.rule[DOCUMENT_POLICY].persons = 1;
    next = model_people(&after);
    assert_int_equal(register_diff(old, next, &d, NULL), 0);
    buf_init(&b, 10000);
    assert_int_equal(register_diff_text(&d, &b), 0);
    /* key 3 and key 6 in base64: openssl pkey -pubout of the seeds 03…03 and 06…06 */
    assert_string_equal(
        buf_str(&b),
        "- person 00000000000000000000000000000003: key "
        "7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E= is revoked\n"
        "- person 00000000000000000000000000000003: role statement has an end\n"
        "+ person 00000000000000000000000000000006 of organization "
        "a0000000000000000000000000000001, vouched for by 00000000000000000000000000000003\n"
        "+ person 00000000000000000000000000000006: key "
        "iodf/x6zhFFXes1a/uQFRWVo3XyJ4JCGOgVXvHr0nxc=\n"
        "+ person 00000000000000000000000000000006: role operator\n"
        "+ 1 organization\n"
        "~ the numbers or roles under \"approvals\"\n");
    buf_free(&b);
    register_diff_done(&d);
    register_free(next);
    register_free(old);
}

/* --- random edits --- */

/* What a reader of the leaves knows: who is enrolled where, which keys are bound or revoked, and
 * how often each role is held open. */
struct known {
    int org[64], voucher[64]; /* by person; 0: unknown */
    int holder[64];           /* of a key */
    bool revoked[64];
    int open[64][REGISTER_ROLES];
};

static void know_people(const struct people *p, struct known *k)
{
    memset(k, 0, sizeof(*k));
    for (size_t i = 0; i < register_count(p); i++) {
        const struct register_person *person = register_person(p, i);
        int id = person->id.b[15];

        k->org[id] = person->org.b[15];
        k->voucher[id] = person->vouched ? person->voucher.b[15] : 0;
        for (size_t j = 0; j < person->n_keys; j++) {
            int key = number_of_key(&person->keys[j].pub);

            k->holder[key] = id;
            k->revoked[key] = person->keys[j].revoked != REGISTER_NEVER;
        }
        for (size_t j = 0; j < person->n_duties; j++)
            k->open[id][person->duties[j].role] += person->duties[j].until == REGISTER_NEVER;
    }
}

static void know_leaves(struct known *k, const struct register_diff *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct register_change *c = &d->change[i];
        int id = c->person.b[15];

        switch (c->kind) {
        case CHANGE_PERSON_ENROLLED:
            assert_int_equal(k->org[id], 0);
            k->org[id] = c->org.b[15];
            k->voucher[id] = c->vouched ? c->voucher.b[15] : 0;
            break;
        case CHANGE_KEY_BOUND:
            assert_int_equal(k->holder[number_of_key(&c->key)], 0);
            k->holder[number_of_key(&c->key)] = id;
            break;
        case CHANGE_KEY_REVOKED:
            assert_int_equal(k->holder[number_of_key(&c->key)], id);
            assert_false(k->revoked[number_of_key(&c->key)]);
            k->revoked[number_of_key(&c->key)] = true;
            break;
        case CHANGE_ROLE_GRANTED:
            k->open[id][c->role]++;
            break;
        case CHANGE_ROLE_ENDED:
            k->open[id][c->role]--;
            break;
        }
    }
}

static unsigned dice_state;

static int dice(int n)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (int)((dice_state >> 8) % (unsigned)n);
}

/* Lawful and unlawful edits alike. */
static void random_edit(struct model *m)
{
    struct model_person *p = &m->persons[dice(m->n_persons)];
    struct model_key *k = &p->keys[dice(p->n_keys)];
    struct model_role *r = p->n_roles > 0 ? &p->roles[dice(p->n_roles)] : NULL;
    int day = 1 + dice(40);

    switch (dice(16)) {
    case 0:
    case 1:
        if (m->n_persons < MODEL_MANY - 2) {
            m->persons[m->n_persons] =
                (struct model_person){1 + dice(30),
                                      1 + dice(3),
                                      dice(8),
                                      {{1 + dice(60), day, FOREVER, FOREVER}},
                                      1,
                                      {{(enum register_role)dice(REGISTER_ROLES), day, FOREVER}},
                                      dice(2)};
            m->n_persons++;
        }
        break;
    case 2:
    case 3:
        if (p->n_keys < MODEL_MANY)
            p->keys[p->n_keys++] = (struct model_key){1 + dice(60), day, FOREVER, FOREVER};
        break;
    case 4:
    case 5:
        k->revoked = dice(4) > 0 ? day : FOREVER;
        break;
    case 6:
    case 7:
        if (p->n_roles < MODEL_MANY)
            p->roles[p->n_roles++] = (struct model_role){(enum register_role)dice(REGISTER_ROLES),
                                                         day, dice(3) == 0 ? day + 5 : FOREVER};
        break;
    case 8:
    case 9:
        if (r != NULL)
            r->until = dice(4) > 0 ? r->from + 1 + dice(9) : FOREVER;
        break;
    case 10:
        k->from = day;
        break;
    case 11:
        k->until = day;
        break;
    case 12:
        p->org = 1 + dice(3);
        break;
    case 13:
        *p = m->persons[--m->n_persons];
        break;
    case 14:
        m->orgs[m->n_orgs < MODEL_MANY ? m->n_orgs++ : 0] = 1 + dice(9);
        break;
    case 15:
        p->voucher = dice(8);
        break;
    }
}

static void random_edits_are_refused_or_rebuilt_from_their_leaves(void **state)
{
    int accepted = 0, refused = 0, unread = 0, leaves = 0;

    (void)state;
    for (unsigned round = 1; round <= 80; round++) {
        struct model before = model_usual(), after;
        struct people *old = model_people(&before), *next;

        dice_state = round;
        /* a chain of accepted registers */
        for (int tries = 0; tries < 24; tries++) {
            struct register_diff d = {0};
            struct known rebuilt, want;

            after = before;
            for (int n = 1 + dice(3); n > 0; n--)
                random_edit(&after);
            if (model_parse(&after, &next, NULL) != 0) {
                unread++;
                continue;
            }
            if (register_diff(old, next, &d, NULL) != 0) {
                assert_null(d.change);
                refused++;
                register_free(next);
                continue;
            }
            know_people(old, &rebuilt);
            know_leaves(&rebuilt, &d);
            know_people(next, &want);
            assert_memory_equal(&rebuilt, &want, sizeof(want));
            leaves += (int)d.n;
            accepted++;
            register_diff_done(&d);
            register_free(old);
            old = next;
            before = after;
        }
        register_free(old);
    }
    /* the dice reach every outcome, or this test says nothing */
    assert_true(accepted >= 400 && refused > 300 && unread > 300 && leaves > 400);
}

struct pair {
    const struct people *old, *next;
};

static int diff_pair(void *ctx)
{
    const struct pair *p = ctx;
    struct register_diff d = {0};
    int rc = register_diff(p->old, p->next, &d, NULL);

    register_diff_done(&d);
    return rc;
}

static void running_out_of_memory_is_said(void **state)
{
    struct model m = model_usual();
    struct people *p = model_people(&m);
    struct pair pair = {NULL, p};

    (void)state;
    assert_int_equal(faults_each(diff_pair, &pair), 1);
    register_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_register_is_all_new),
        cmocka_unit_test(a_step_is_its_leaves_or_refused),
        cmocka_unit_test(a_written_end_stands),
        cmocka_unit_test(the_text_has_a_line_a_change),
        cmocka_unit_test(random_edits_are_refused_or_rebuilt_from_their_leaves),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
