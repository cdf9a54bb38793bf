/* register_text.c - the register at a time, for people. */
#include "people/register_priv.h"

#include "base/text.h"

static int person_text(const struct register_person *p, unix_time t, struct buf *out)
{
    char id[33], keyid[65], when[CLOCK_SECOND_LEN + 1];
    const char *sep = "";
    int rc;

    text_id(id, &p->id);
    rc = buf_printf(out, "%s  ", id);
    for (int r = 0; rc == 0 && r < REGISTER_ROLES; r++)
        if (register_has_role(p, (enum register_role)r, t)) {
            rc = buf_printf(out, "%s%s", sep, register_role_word((enum register_role)r));
            sep = ", ";
        }
    if (rc == 0)
        rc = buf_puts(out, *sep == '\0' ? "no role\n" : "\n");
    for (size_t i = 0; rc == 0 && i < p->n_keys; i++) {
        const struct register_key *k = &p->keys[i];
        const char *state = t >= k->revoked ? "revoked "
                            : t >= k->until ? "expired "
                                            : "valid from ";

        ed25519_keyid(&k->pub, keyid);
        clock_second(when, t >= k->revoked ? k->revoked : t >= k->until ? k->until : k->from);
        rc = buf_printf(out, "    key %s  %s%s\n", keyid, state, when);
    }
    return rc;
}

int register_text(const struct people *p, unix_time t, struct buf *out)
{
    char when[CLOCK_SECOND_LEN + 1];
    int rc;

    clock_second(when, t);
    rc = buf_printf(out, "register %llu at %s: %zu person%s\n", (unsigned long long)p->chain.serial,
                    when, p->n_persons, p->n_persons == 1 ? "" : "s");
    for (int k = 0; rc == 0 && k < DOCUMENTS; k++)
        if (p->rule[k].persons > 0)
            rc =
                buf_printf(out, "a %s needs %u person%s with role %s\n",
                           document_word((enum document)k), p->rule[k].persons,
                           p->rule[k].persons == 1 ? "" : "s", register_role_word(p->rule[k].role));
    for (size_t i = 0; rc == 0 && i < p->n_persons; i++)
        rc = person_text(&p->person[i], t, out);
    return rc;
}
