/* keeper_receive.c - a country arrives.  The old site's cosigned leaf move.opened says what may
 * come; files are decrypted chunk by chunk into the vault and wait, uncommitted, until the set is
 * whole and its root is the one in that leaf; then all of them, their copy.placed leaves and
 * move.received are one group. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "events/country.h"
#include "events/setroot.h"
#include "site/keeper_intake.h"
#include "site/keeper_notes.h"
#include "site/move_stream.h"

#define RECEIVE_MAX VAULT_GROUP_PUTS /* all of a move are one group */
#define RECEIVES 4                   /* moves at once */
#define IDLE_MS (30 * 60 * 1000)     /* of a move nobody sends for; its sender starts it anew */

struct held {
    struct id128 sub;
    struct move_meta meta;
    struct vault_put *put; /* finished */
};

struct move_in {
    struct move_in *next;
    struct catalog_move row;
    struct digest salt;
    struct held *held;
    struct id128 *sub; /* of held, apart: looked through for each file that begins */
    size_t n, cap;
    uint64_t no; /* ours, never used twice */
    mono_ms touched;
    uint64_t open_id; /* the front's FK_MOVE_OPEN while the reader looks at the proof */
    uint64_t read_id;
    uint64_t close_id; /* the front's FK_MOVE_CLOSE until move.received is final */
    bool proved;
    struct buf proof; /* of move.opened, while the reader looks at it */
};

struct move_object {
    uint64_t in; /* its move's no: the move may go while its files come */
    struct id128 sub;
    struct move_receiver *receiver;
};

/* The move whose opening is proved; one that is being proved counts for nothing yet. */
static struct move_in *in_of(struct keeper *k, const struct id128 *move)
{
    for (struct move_in *m = k->moves_in; m != NULL; m = m->next)
        if (m->proved && memcmp(&m->row.move, move, sizeof(*move)) == 0)
            return m;
    return NULL;
}

static void in_drop(struct keeper *k, struct move_in *m)
{
    for (struct move_in **at = &k->moves_in; *at != NULL; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    for (size_t i = 0; i < m->n; i++)
        vault_put_abort(m->held[i].put);
    if (m->held != NULL)
        secret_wipe(m->held, m->n * sizeof(*m->held));
    secret_wipe(&m->salt, sizeof(m->salt));
    buf_free(&m->proof);
    free(m->held);
    free(m->sub);
    free(m);
}

/* --- opening --- */

static void go(struct keeper *k, uint64_t id)
{
    keeper_answer(k, FK_MOVE_GO, id, NULL, 0, span_of(NULL, 0), NULL);
}

static int open_salt(struct keeper *k, struct move_in *m, struct span sealed)
{
    uint8_t ctx[12 + 16];

    memcpy(ctx, "move-open/v1", 12);
    memcpy(ctx + 12, m->row.move.b, 16);
    if (sealed.n != 32 + BOX_EXTRA)
        return -EBADMSG;
    return box_open(k->move_key, span_of(ctx, sizeof(ctx)), sealed.p, sealed.n, m->salt.b);
}

/* The leaf names its site; its proof must satisfy that peer's policy, so the reader is asked with
 * it. */
static const struct config_peer *peer_of_proof(const struct keeper *k, struct span proof)
{
    for (size_t i = 0; i < k->c->peers; i++) {
        struct tlog_policy *p = NULL;
        const char *origin;
        struct err e = ERR_INIT;

        if (tlog_policy_parse(&p, span_str(k->c->peer[i].policy), &e) == 0 &&
            tlog_policy_logs(p) == 1) {
            origin = tlog_policy_log(p, 0)->name;
            if (memmem(proof.p, proof.n, origin, strlen(origin)) != NULL) {
                tlog_policy_free(p);
                return &k->c->peer[i];
            }
        }
        tlog_policy_free(p);
    }
    return NULL;
}

void keeper_receive_open(struct keeper *k, uint64_t id, const struct pm_move *ask,
                         struct span proof, struct span sealed)
{
    const struct config_peer *peer = peer_of_proof(k, proof);
    struct catalog_move known;
    struct move_in *m;
    struct err e = ERR_INIT;
    size_t n = 0;

    for (const struct move_in *x = k->moves_in; x != NULL; x = x->next)
        n++;
    if (catalog_move_get(k->catalog, &ask->move, &known) == 0 &&
        known.state == CATALOG_MOVE_RECEIVED) {
        go(k, id); /* it has arrived already; closing gives the proof again */
        return;
    }
    if (peer == NULL) {
        keeper_refuse(k, id, PRF_PROOF, "the proof is of no ledger of this site's peers");
        return;
    }
    m = n >= RECEIVES ? NULL : calloc(1, sizeof(*m));
    if (m == NULL) {
        keeper_refuse(k, id, PRF_BUSY, "other moves are arriving");
        return;
    }
    m->row.move = ask->move;
    (void)snprintf(m->row.from, sizeof(m->row.from), "%s", peer->site);
    m->open_id = id;
    m->read_id = m->no = ++k->next_id;
    m->touched = clock_mono();
    m->next = k->moves_in;
    k->moves_in = m;
    buf_init(&m->proof, PROTO_TAIL_MAX);
    if (open_salt(k, m, sealed) != 0) {
        keeper_refuse(k, id, PRF_PROOF, "the sealed salt is not for this site");
        in_drop(k, m);
    } else if (buf_put(&m->proof, proof.p, proof.n) != 0 ||
               keeper_read_proof(k, m->read_id, peer->policy, proof, &e) != 0) {
        keeper_refuse(k, id, PRF_BUSY, "%s", err_text(&e));
        in_drop(k, m);
    }
}

static const char *wrong(struct keeper *k, const struct move_in *m, const struct leaf *l)
{
    const struct placement *p = keeper_policy(k, clock_now());
    struct id128 id = l->kind == LK_MOVE_OPENED ? leaf_id(l, LF_MOVE) : (struct id128){{0}};
    char country[3] = "";

    if (l->kind != LK_MOVE_OPENED || memcmp(&id, &m->row.move, sizeof(id)) != 0)
        return "the proof is not of this move's move.opened";
    if (!span_is(leaf_text(l, LF_FROM), m->row.from) ||
        !span_is(leaf_text(l, LF_SITE), m->row.from) || !span_is(leaf_text(l, LF_TO), k->c->site))
        return "the move is not from that site to this one";
    (void)snprintf(country, sizeof(country), "%.2s",
                   country_table[leaf_country(l, LF_COUNTRY)].code);
    if (p == NULL || placement_zone(p, country, clock_now()) < 0 ||
        placement_zone(p, country, clock_now()) != placement_zone_index(p, k->c->zone))
        return "by the policy in force here the country does not belong to this zone";
    if (leaf_int(l, LF_COUNT) > RECEIVE_MAX)
        return "more files than a move may have";
    return NULL;
}

/* Anybody can show the proof of a public leaf: what has arrived goes only when the opening is
 * proved and names another salt.  true: there was such a move already, and it stays. */
static bool opened_again(struct keeper *k, struct move_in *m)
{
    struct move_in *old = in_of(k, &m->row.move);

    if (old == NULL)
        return false;
    if (secret_eq(old->salt.b, m->salt.b, sizeof(m->salt.b))) {
        old->touched = clock_mono();
        return true;
    }
    in_drop(k, old);
    return false;
}

bool keeper_receive_proof_read(struct keeper *k, uint64_t id, int rc, const char *text,
                               struct span bytes)
{
    struct move_in *m = id == 0 ? NULL : k->moves_in; /* 0: none is at the reader */
    const struct config_peer *peer;
    struct leaf l;
    const char *why;

    while (m != NULL && m->read_id != id)
        m = m->next;
    if (m == NULL)
        return false;
    m->read_id = 0;
    peer = config_peer(k->c, m->row.from);
    why = rc != 0 ? text
          : peer == NULL || !keeper_proof_holds(peer->policy, buf_span(&m->proof), bytes)
              ? "the proof does not verify"
          : leaf_parse(&l, bytes) != 0 ? "the proof's leaf is malformed"
                                       : wrong(k, m, &l);
    if (why != NULL) {
        keeper_refuse(k, m->open_id, PRF_PROOF, "%s", why);
        in_drop(k, m);
        return true;
    }
    if (opened_again(k, m)) {
        go(k, m->open_id);
        in_drop(k, m);
        return true;
    }
    memcpy(m->row.country, country_table[leaf_country(&l, LF_COUNTRY)].code, 3);
    (void)snprintf(m->row.to, sizeof(m->row.to), "%s", k->c->site);
    m->row.count = leaf_int(&l, LF_COUNT);
    m->row.set_root = leaf_digest(&l, LF_SET_ROOT);
    m->row.policy = leaf_digest(&l, LF_POLICY);
    m->row.doc = leaf_digest(&l, LF_DOC);
    m->row.opened = clock_now();
    m->proved = true;
    go(k, m->open_id);
    m->open_id = 0;
    return true;
}

/* --- files --- */

static bool is_held(const struct move_in *m, const struct id128 *sub)
{
    for (size_t i = 0; i < m->n; i++)
        if (memcmp(&m->sub[i], sub, sizeof(*sub)) == 0)
            return true;
    return false;
}

bool keeper_receive_holds(const struct keeper *k, const struct id128 *sub)
{
    for (const struct move_in *m = k->moves_in; m != NULL; m = m->next)
        if (is_held(m, sub))
            return true;
    return false;
}

static void here_already(struct keeper *k, uint64_t id)
{
    const struct pm_receipt done = {1, 0};

    keeper_answer(k, FK_PUT_DONE, id, &done, sizeof(done), span_of(NULL, 0), NULL);
}

bool keeper_receive_object_new(struct keeper *k, uint64_t id, const struct id128 *move,
                               const struct id128 *sub, struct move_object **out)
{
    struct move_in *m = in_of(k, move);
    struct catalog_submission known;
    struct catalog_move row;
    struct move_object *o;

    *out = NULL;
    if (m == NULL && catalog_move_get(k->catalog, move, &row) == 0 &&
        row.state == CATALOG_MOVE_RECEIVED) { /* a sender that restarted before it was told */
        here_already(k, id);
        return false;
    }
    if (m == NULL) {
        keeper_refuse(k, id, PRF_UNKNOWN, "no such move is arriving; open it first");
        return false;
    }
    m->touched = clock_mono();
    if (is_held(m, sub)) {
        here_already(k, id);
        return false;
    }
    if (catalog_submission_get(k->catalog, sub, &known) == 0) {
        keeper_refuse(k, id, PRF_CONFLICT, "this site knows that submission already");
        return false;
    }
    o = m->n >= m->row.count ? NULL : calloc(1, sizeof(*o));
    if (o == NULL || move_receiver_new(&o->receiver, k->move_key, move, sub, &m->salt) != 0) {
        keeper_refuse(k, id, m->n >= m->row.count ? PRF_CONFLICT : PRF_BUSY,
                      "the move has all its files");
        free(o);
        return false;
    }
    o->in = m->no;
    o->sub = *sub;
    *out = o;
    return true;
}

static int sink(void *arg, const void *p, size_t n)
{
    return vault_put_append(arg, p, n);
}

int keeper_receive_object_data(struct move_object *o, struct vault_put *put, const void *p,
                               size_t n)
{
    return move_receiver_data(o->receiver, p, n, sink, put);
}

void keeper_receive_object_free(struct move_object *o)
{
    if (o == NULL)
        return;
    move_receiver_free(o->receiver);
    free(o);
}

static int room_for_one(struct move_in *m)
{
    size_t cap = m->cap == 0 ? 64 : m->cap * 2;
    struct held *held;
    struct id128 *sub;

    if (m->n < m->cap)
        return 0;
    if ((held = reallocarray(m->held, cap, sizeof(*held))) == NULL)
        return -ENOMEM;
    m->held = held;
    if ((sub = reallocarray(m->sub, cap, sizeof(*sub))) == NULL)
        return -ENOMEM;
    m->sub = sub;
    m->cap = cap;
    return 0;
}

static int hold(struct keeper *k, struct move_in *m, struct move_object *o, struct vault_put *put)
{
    struct catalog_submission known;
    const struct move_meta *meta;
    struct digest sha;
    uint64_t size;
    int rc;

    if ((rc = move_receiver_end(o->receiver, &meta)) != 0 ||
        (rc = vault_put_finish(put, &sha, &size)) != 0)
        return rc;
    if (!digest_eq(&sha, &meta->sha256) || size != meta->size ||
        memcmp(meta->country, m->row.country, 2) != 0)
        return -EBADMSG;
    if (m->n >= m->row.count)
        return -EBADMSG; /* others came first while this one was on its way */
    if (catalog_submission_get(k->catalog, &o->sub, &known) == 0)
        return -EEXIST; /* its client sent it here while this one was on its way */
    if ((rc = room_for_one(m)) != 0)
        return rc;
    m->sub[m->n] = o->sub;
    m->held[m->n].sub = o->sub;
    m->held[m->n].meta = *meta;
    m->held[m->n++].put = put;
    return 0;
}

void keeper_receive_object_end(struct keeper *k, uint64_t id, struct move_object *o,
                               struct vault_put **put)
{
    struct pm_receipt done = {0, 0};
    struct move_in *m = k->moves_in;
    int rc;

    while (m != NULL && m->no != o->in)
        m = m->next;
    if (m != NULL && is_held(m, &o->sub)) { /* sent twice at once: the first one counts */
        here_already(k, id);
        keeper_receive_object_free(o);
        return;
    }
    rc = m == NULL ? -ENOENT : hold(k, m, o, *put);
    if (rc == 0) {
        m->touched = clock_mono();
        *put = NULL;
        keeper_answer(k, FK_PUT_DONE, id, &done, sizeof(done), span_of(NULL, 0), NULL);
    } else {
        keeper_refuse(k, id,
                      rc == -ENOENT    ? PRF_UNKNOWN
                      : rc == -EEXIST  ? PRF_CONFLICT
                      : rc == -EBADMSG ? PRF_PROOF
                                       : PRF_BUSY,
                      "the file of the move is not taken: %s", strerror(-rc));
    }
    keeper_receive_object_free(o);
}

/* --- closing --- */

static int place(struct keeper *k, struct move_in *m, struct held *h, unix_time now)
{
    struct slot_blob blob;
    struct note_accept n;
    struct id128 ref = random_id();
    struct act *a = keeper_act_new();
    struct vault_group *g = keeper_group_of(k);
    struct buf bytes, *note = a == NULL ? NULL : keeper_act_note_new(a, &ref, -1);
    bool again;
    int rc = note == NULL ? -ENOMEM : g == NULL ? -EIO : 0;

    memset(&n, 0, sizeof(n));
    buf_init(&bytes, VAULT_BLOB_MAX);
    random_bytes(blob.seed, 32);
    memcpy(blob.sub_key, h->meta.sub_key, 32);
    memcpy(blob.country, h->meta.country, 2);
    blob.account = span_str(h->meta.account);
    blob.name = span_of(h->meta.name, h->meta.name_len);
    if (rc == 0 &&
        (rc = keeper_intake_copy_leaf(k, a, &ref, &h->sub, &h->meta.sha256, &blob, now)) == 0 &&
        (rc = keeper_blob_encode(&blob, &bytes)) == 0)
        rc = vault_group_put(g, h->put, &ref, &h->sub, buf_span(&bytes), &again, &n.row.object);
    if (rc == 0) {
        h->put = NULL;
        n.row.sub = h->sub;
        n.row.ref = ref;
        memcpy(n.row.country, m->row.country, 3);
        (void)snprintf(n.row.account, sizeof(n.row.account), "%s", h->meta.account);
        n.row.kind = n.row.scope = CATALOG_FILE;
        n.row.statement = h->meta.statement;
        n.row.policy = h->meta.policy;
        n.row.accepted = h->meta.accepted;
        memcpy(n.sub_key, h->meta.sub_key, 32);
        if ((rc = keeper_note_put_accept(note, &n)) == 0)
            keeper_note_set_leaf(note, CATALOG_NO_LEAF);
    }
    if (bytes.data != NULL)
        secret_wipe(bytes.data, bytes.len);
    buf_free(&bytes);
    secret_wipe(&blob, sizeof(blob));
    if (rc != 0) {
        keeper_act_free(a);
        return rc;
    }
    keeper_group_add(k, a);
    return 0;
}

static void received(struct keeper *k, struct act *a, int rc)
{
    struct id128 *move = a->ctx;
    struct move_in *m = in_of(k, move);

    if (m == NULL)
        return;
    if (rc != 0) {
        keeper_refuse(k, m->close_id, PRF_BUSY, "the move could not be logged: %s", strerror(-rc));
        in_drop(k, m); /* the sender starts anew */
        return;
    }
    m->row.leaf = a->index[0];
    k->n.moved_in += m->n;
}

static void ctx_free(struct act *a)
{
    free(a->ctx);
}

static int received_act(struct keeper *k, struct move_in *m, unix_time now)
{
    struct leaf_builder b;
    struct act *a = keeper_act_new();
    struct buf *note = a == NULL ? NULL : keeper_act_note_new(a, NULL, 0);
    int rc = note == NULL || (a->ctx = malloc(sizeof(m->row.move))) == NULL ? -ENOMEM : 0;

    leaf_begin(&b, LK_MOVE_RECEIVED, now, k->c->site);
    leaf_set_id(&b, LF_MOVE, &m->row.move);
    leaf_set_text(&b, LF_COUNTRY, m->row.country);
    leaf_set_text(&b, LF_FROM, m->row.from);
    leaf_set_text(&b, LF_TO, m->row.to);
    leaf_set_int(&b, LF_COUNT, m->row.count);
    leaf_set_digest(&b, LF_SET_ROOT, &m->row.set_root);
    m->row.state = CATALOG_MOVE_RECEIVED;
    m->row.closed = now;
    if (rc != 0 || (rc = keeper_act_leaf(a, &b)) != 0 ||
        (rc = keeper_note_put_move(note, &m->row)) != 0) {
        keeper_act_free(a);
        return rc;
    }
    memcpy(a->ctx, &m->row.move, sizeof(m->row.move));
    a->free = ctx_free;
    a->done = received;
    keeper_group_add(k, a);
    return 0;
}

static int whole(const struct move_in *m)
{
    struct digest *items = calloc(m->n + 1, sizeof(*items)), root;
    int rc;

    if (items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->n; i++)
        setroot_move_item(m->salt.b, &m->held[i].sub, &m->held[i].meta.sha256, &items[i]);
    rc = setroot_items(items, m->n, &root);
    free(items);
    if (rc != 0)
        return rc;
    return m->n == m->row.count && digest_eq(&root, &m->row.set_root) ? 0 : -EBADMSG;
}

/* Is one of them here by another way?  Nothing is held that is, but what was accepted in the same
 * turn is in the catalog only now. */
static bool one_is_here(struct keeper *k, const struct move_in *m)
{
    struct catalog_submission known;

    for (size_t i = 0; i < m->n; i++)
        if (catalog_submission_get(k->catalog, &m->sub[i], &known) == 0)
            return true;
    return false;
}

static void proof_again(struct keeper *k, uint64_t id, uint64_t leaf)
{
    struct pm_receipt head = {0, 1};
    struct err e = ERR_INIT;
    struct buf out;
    bool final = false;
    int rc;

    buf_init(&out, PROTO_TAIL_MAX);
    rc = keeper_receipt_plain(k, leaf, &out, &final, &e);
    if (rc == 0 && final)
        keeper_answer(k, FK_RECEIPT_IS, id, &head, sizeof(head), buf_span(&out), NULL);
    else
        keeper_refuse(k, id, PRF_BUSY, "move.received is logged and waits for its witnesses");
    buf_free(&out);
}

void keeper_receive_close(struct keeper *k, uint64_t id, const struct pm_move *ask)
{
    struct move_in *m = in_of(k, &ask->move);
    struct catalog_move known;
    unix_time now = clock_now();
    int rc;

    if (catalog_move_get(k->catalog, &ask->move, &known) == 0 &&
        known.state == CATALOG_MOVE_RECEIVED) {
        proof_again(k, id, known.leaf);
        return;
    }
    if (m == NULL) {
        keeper_refuse(k, id, PRF_UNKNOWN, "no such move is arriving");
        return;
    }
    m->touched = clock_mono();
    if (m->n < m->row.count) { /* anybody may ask for the end; files go on coming */
        keeper_refuse(k, id, PRF_UNKNOWN, "%zu files of %llu are here; open the move again", m->n,
                      (unsigned long long)m->row.count);
        return;
    }
    if ((rc = whole(m)) != 0) {
        keeper_refuse(k, id, PRF_PROOF,
                      "the root of the %zu files that are here is not the one in move.opened",
                      m->n);
        in_drop(k, m);
        return;
    }
    m->close_id = id;
    rc = keeper_group_commit(k);
    if (rc == 0 && one_is_here(k, m)) {
        keeper_refuse(k, id, PRF_CONFLICT, "this site knows a submission of the move already");
        in_drop(k, m);
        return;
    }
    for (size_t i = 0; i < m->n && rc == 0; i++)
        rc = place(k, m, &m->held[i], now);
    if (rc == 0)
        rc = received_act(k, m, now);
    if (rc == 0) {
        (void)keeper_group_commit(k); /* received() is told */
        return;
    }
    k->group_bad = true;
    (void)keeper_group_commit(k);
    keeper_refuse(k, id, rc == -ENOSPC ? PRF_FULL : PRF_BUSY, "the move could not be logged: %s",
                  strerror(-rc));
    in_drop(k, m); /* part of its files is gone with the group: the sender starts anew */
}

/* Moves that nobody sends for any more. */
void keeper_receive_tick(struct keeper *k, mono_ms now)
{
    struct move_in *m, *next;

    for (m = k->moves_in; m != NULL; m = next) {
        next = m->next;
        if (m->proved && m->row.state != CATALOG_MOVE_RECEIVED && now > m->touched + IDLE_MS) {
            log_warn("a move that was arriving is given up; its sender can start it anew");
            in_drop(k, m);
        } else if (k->stopped != 0 && m->close_id != 0) {
            keeper_refuse(k, m->close_id, PRF_STOPPED, "the site's writer has stopped");
            m->close_id = 0;
        }
    }
}

void keeper_receive_reader_gone(struct keeper *k)
{
    struct move_in *m, *next;

    for (m = k->moves_in; m != NULL; m = next) {
        next = m->next;
        if (m->read_id == 0)
            continue;
        keeper_refuse(k, m->open_id, PRF_BUSY, "the reader ended while it looked at the proof");
        in_drop(k, m);
    }
}

/* A checkpoint was published: closings that it covers are answered. */
void keeper_receive_published(struct keeper *k)
{
    struct move_in *m, *next;

    for (m = k->moves_in; m != NULL; m = next) {
        next = m->next;
        if (m->row.state != CATALOG_MOVE_RECEIVED || m->row.leaf >= ledger_published(k->ledger))
            continue;
        if (m->close_id != 0)
            proof_again(k, m->close_id, m->row.leaf);
        in_drop(k, m);
    }
}

void keeper_receive_close_all(struct keeper *k)
{
    while (k->moves_in != NULL)
        in_drop(k, k->moves_in);
}
