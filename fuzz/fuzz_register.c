/* Registers: what is accepted finds each of its persons and keys again, is all new against nothing
 * and unchanged against itself. */
#include <stdlib.h>
#include <string.h>

#include "people/register.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool held)
{
    if (!held)
        abort();
}

static void look_up_everything(const struct people *p)
{
    for (size_t i = 0; i < register_count(p); i++) {
        const struct register_person *person = register_person(p, i);

        expect(register_find(p, &person->id) == person && person->n_keys > 0);
        for (size_t k = 0; k < person->n_keys; k++) {
            const struct register_key *key = NULL;

            expect(register_key(p, &person->keys[k].pub, &key) == person);
            expect(key == &person->keys[k] && key->from < key->until);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct register_diff d = {0};
    struct people *p = NULL;
    struct err e = ERR_INIT;
    size_t keys = 0, ended = 0;
    struct buf out;

    if (register_parse(&p, "r", span_of(data, size), &e) != 0) {
        expect(p == NULL && strncmp(e.text, "r:", 2) == 0);
        return 0;
    }
    look_up_everything(p);
    expect((register_serial(p) == 1) == (register_previous(p) == NULL));
    for (size_t i = 0; i < register_count(p); i++) {
        const struct register_person *person = register_person(p, i);

        keys += person->n_keys + person->n_duties;
        for (size_t k = 0; k < person->n_keys; k++)
            ended += person->keys[k].revoked != REGISTER_NEVER;
        for (size_t k = 0; k < person->n_duties; k++)
            ended += person->duties[k].until != REGISTER_NEVER;
    }
    expect(register_diff(NULL, p, &d, NULL) == 0);
    expect(d.n == register_count(p) + keys + ended);
    buf_init(&out, (size_t)64 << 20);
    expect(register_diff_text(&d, &out) == 0 && register_text(p, 1795507200, &out) == 0);
    buf_free(&out);
    register_diff_done(&d);
    expect(register_diff(p, p, &d, NULL) == 0);
    expect(d.n == 0 && d.orgs_added == 0 && !d.rules_changed);
    register_diff_done(&d);
    register_free(p);
    return 0;
}
