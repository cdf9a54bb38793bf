/* keeper_started.c - tells which programs run here: a leaf process.started for each, once in a life
 * of the keeper when its clock is confirmed, and again when an engine that is started anew has
 * other bytes.  The keeper reads its own program, which is that of all parts; the supervisor, who
 * starts the engines, says what they are.  Both are the site's word: the claim site.software holds
 * it against what was released. */
#include "base/log.h"
#include "crypto/sha256.h"
#include "site/keeper_priv.h"
#include "site/process.h"

int keeper_started_open(struct keeper *k, struct err *e)
{
    int rc = process_binary("/proc/self/exe", &k->started[0].binary, e);

    k->started[0].known = rc == 0;
    return rc;
}

void keeper_started_engine(struct keeper *k, size_t which, const struct digest *binary)
{
    struct keeper_started *s = &k->started[1 + which];

    if (s->known && digest_eq(&s->binary, binary))
        return;
    *s = (struct keeper_started){.binary = *binary, .known = true};
}

static int leaf(struct keeper *k, struct act *a, size_t i)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_PROCESS_STARTED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_BINARY, &k->started[i].binary);
    leaf_set_text(&b, LF_PART, i == 0 ? "site" : k->c->engine[i - 1].name);
    if (i == 0)
        leaf_set_text(&b, LF_VERSION, GLARUS_VERSION);
    return keeper_act_leaf(a, &b);
}

static void done(struct keeper *k, struct act *a, int rc)
{
    struct keeper_started *s = a->ctx;

    s->told = s->asked && rc == 0; /* not asked any more: it is another one meanwhile */
    s->asked = false;
    if (s == &k->started[0] && s->told)
        log_info("what runs is told");
}

bool keeper_started_told(const struct keeper *k)
{
    return k->started[0].told;
}

void keeper_started_tick(struct keeper *k)
{
    for (size_t i = 0; i <= k->c->engines; i++) {
        struct keeper_started *s = &k->started[i];
        struct act *a;

        if (!s->known || s->asked || s->told || k->stopped != 0)
            continue;
        if ((a = keeper_act_new()) == NULL || leaf(k, a, i) != 0) {
            keeper_act_free(a);
            continue; /* the next tick tries again */
        }
        a->in_order = true;
        a->done = done;
        a->ctx = s;
        s->asked = true;
        keeper_group_add(k, a);
    }
}
