/* policy_explain.c - a subject's timeline, for people. */
#include "residency/policy_priv.h"

#include <errno.h>
#include <stdio.h>

static int sites_text(const struct policy_zone *z, struct buf *out)
{
    int rc = buf_printf(out, "%s (", z->name);

    for (size_t i = 0; rc == 0 && i < z->n_sites; i++)
        rc = buf_printf(out, "%s%s", i > 0 ? ", " : "", z->site[i]);
    return rc == 0 ? buf_puts(out, ")") : rc;
}

static int entry_text(const struct policy *p, const struct policy_placement *pl, size_t i,
                      struct buf *out)
{
    const struct policy_entry *en = &pl->entry[i];
    const char *before;
    int rc = buf_printf(out, "  from %s  ", policy_when(en->from).text);

    if (rc == 0)
        rc = sites_text(&p->zone[en->zone], out);
    if (rc != 0 || i == 0)
        return rc == 0 ? buf_puts(out, "\n") : rc;
    before = p->zone[pl->entry[i - 1].zone].name;
    if (en->move_by == POLICY_NEVER)
        return buf_printf(out, "; files already in %s stay there until they are erased\n", before);
    return buf_printf(out, "; files already in %s have moved by %s\n", before,
                      policy_when(en->move_by).text);
}

int policy_explain(const struct policy *p, const char *subject, struct buf *out, struct err *e)
{
    const struct policy_placement *pl = policy_of_subject(p, subject);
    int c = country_index(span_str(subject));
    size_t before = out->len;
    char text[256];
    int rc;

    if (pl == NULL) {
        (void)snprintf(text, sizeof(text), "policy %llu places no \"%.60s\"",
                       (unsigned long long)p->chain.serial, subject);
        policy_suggest(text, sizeof(text), subject);
        return err_set(e, -ENOENT, "%s", text);
    }
    rc = c >= 0 ? buf_printf(out, "%s (%s)\n", subject, country_table[c].name)
                : buf_printf(out, "%s\n", subject);
    for (size_t i = 0; rc == 0 && i < pl->n; i++)
        rc = entry_text(p, pl, i, out);
    if (rc != 0) {
        out->len = before;
        return err_set(e, rc, "policy: no room for the text");
    }
    return 0;
}
