#include "keeper_rig_moves.h"

#include <stdio.h>

const char *const content[FILES] = {"the first", "the second file", "a third"};

void leaf_of(const struct story *t, struct buf *out)
{
    static const struct digest some = {{7}};
    struct leaf_builder b;
    struct err e = ERR_INIT;

    buf_init(out, LEAF_MAX);
    leaf_begin(&b, t->kind, clock_now(), t->site);
    leaf_set_id(&b, LF_MOVE, &t->move);
    leaf_set_text(&b, LF_COUNTRY, t->country);
    leaf_set_text(&b, LF_FROM, t->from);
    leaf_set_text(&b, LF_TO, t->to);
    leaf_set_int(&b, LF_COUNT, t->count);
    leaf_set_digest(&b, LF_SET_ROOT, &t->root);
    if (t->kind == LK_MOVE_OPENED) {
        leaf_set_digest(&b, LF_POLICY, &some);
        leaf_set_digest(&b, LF_DOC, &some);
        leaf_set_int(&b, LF_CUT, 5);
    }
    rig_ok(leaf_end(&b, out, &e), &e);
}

void lying_proof(struct keeper_rig *r, enum lie lie, struct span leaf, struct buf *out)
{
    struct note_signer fake;
    struct story other = {LK_MOVE_RECEIVED, "mow1", "zrh1", "mow1", "CA", random_id(), 0, {{1}}};
    struct err e = ERR_INIT;
    struct buf b;

    buf_init(out, PROTO_TAIL_MAX);
    switch (lie) {
    case LIE_NOT_COSIGNED:
        rig_proof(leaf, &r->peer_signer, NULL, out);
        break;
    case LIE_OTHER_LOG:
        rig_proof(leaf, &r->log_signer, &r->w_signer, out);
        break;
    case LIE_WITNESS_IS_LOG:
        rig_ok(note_signer_init(&fake, "witness.example/w1", VKEY_COSIGNATURE, r->peer_key, &e),
               &e);
        rig_proof(leaf, &r->peer_signer, &fake, out);
        break;
    case LIE_OTHER_LEAF:
        leaf_of(&other, &b);
        rig_proof(buf_span(&b), &r->peer_signer, &r->w_signer, out);
        buf_free(&b);
        break;
    case LIE_GARBAGE:
        rig_ok(buf_puts(out, "c2sp.org/tlog-proof@v1\nmow1.example/ledger\n"), NULL);
        break;
    case LIE_NOTHING:
        break;
    case LIE_CUT:
    case LIES:
        rig_proof(leaf, &r->peer_signer, &r->w_signer, out);
        out->len -= 30;
        break;
    }
}

void read_lies(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    const struct buf *leaf = r->arg;

    if (m->what == READ_PROOF)
        rig_read_is(r, id, READ_PROOF, 0, NULL, buf_span(leaf));
    else
        rig_read_honest(r, id, m, fd);
}

void here_are(struct keeper_rig *r, unsigned n)
{
    char text[1024], want[32];

    (void)snprintf(want, sizeof(want), "%u objects", n);
    if (rig_admin(r, ADMIN_SCRUB, 0, NULL, text) != 0 || strncmp(text, want, strlen(want)) != 0)
        fail_msg("%u objects should be here: %s", n, text);
}
