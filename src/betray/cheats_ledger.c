/* Cheats about the ledger itself: played afterwards, on what was published already. */
#include "betray/cheats_priv.h"

#include "crypto/secret.h"

/* Changes a published leaf and signs every later checkpoint again. */
static int edit_published(struct stage *s, bool witness_too, struct err *e)
{
    size_t i;
    int site, rc = stage_find(s, LK_SUBMISSION_ACCEPTED, &site, &i, e);
    struct tale *t = &s->tale[site];
    char hex[65];

    if (rc != 0)
        return rc;
    cheats_random_hex(hex, 32);
    if ((rc = tale_edit(t, i, LF_STATEMENT, hex, e)) != 0)
        return rc;
    for (size_t k = 0; k < t->marks && !witness_too; k++)
        if (t->mark[k].size > i)
            t->mark[k].when = 0;
    return 0;
}

int cheats_edited_leaf(struct stage *s, struct err *e)
{
    return edit_published(s, false, e);
}

int cheats_edited_file(struct stage *s, struct err *e)
{
    return stage_find(s, LK_SUBMISSION_ACCEPTED, &s->patch_site, &s->patch_leaf, e);
}

/* Another history from the last checkpoint on, of the same size. */
static int fork_all(struct stage *s, struct err *e)
{
    for (size_t i = 0; i < s->sites; i++) {
        struct tale *t = &s->tale[i];
        struct leaf l;
        char text[CLOCK_MINUTE_LEN + 1];
        int rc;

        if (t->leaves < 2)
            return stage_nothing(e, "the history is too short");
        l = tale_leaf(t, t->leaves - 1);
        clock_minute(text, l.time - 60);
        if ((rc = tale_edit(t, t->leaves - 1, LF_TIME, text, e)) != 0)
            return rc;
    }
    return 0;
}

int cheats_forked(struct stage *s, struct err *e)
{
    return s->n_receipts == 0 ? stage_nothing(e, "nobody holds a receipt") : fork_all(s, e);
}

int cheats_forked_unseen(struct stage *s, struct err *e)
{
    s->no_receipts = true;
    return fork_all(s, e);
}

static int roll_all(struct stage *s, struct err *e)
{
    for (size_t i = 0; i < s->sites; i++) {
        struct tale *t = &s->tale[i];

        if (t->marks < 2)
            return stage_nothing(e, "the history has a single checkpoint");
        t->marks--;
        while (t->leaves > t->mark[t->marks - 1].size)
            tale_delete(t, t->leaves - 1);
    }
    return 0;
}

int cheats_rolled_back(struct stage *s, struct err *e)
{
    return s->n_receipts == 0 ? stage_nothing(e, "nobody holds a receipt") : roll_all(s, e);
}

int cheats_stale(struct stage *s, struct err *e)
{
    s->no_receipts = true;
    return roll_all(s, e);
}

int cheats_back_dated_entry(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct leaf_builder b;
    struct digest release;
    int rc;

    random_bytes(release.b, sizeof(release.b));
    stage_begin(s, 0, &b, LK_RULES_LOADED, t - HOUR);
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_ENGINE, "yara");
    leaf_set_int(&b, LF_RULES, 1);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}
