/* keeper_move.c - a country leaves this site (docs/architecture.md, "The way of a country").
 *
 * States of a move, each reached only after what it says is durable:
 *   OPENED    move.opened is logged; waits until a published checkpoint covers it
 *   sending   the destination has accepted the proof; files go over, a few at a time
 *   closing   the destination has all; it is asked for the cosigned proof of move.received
 *   proved    the reader has verified that proof; slots are destroyed, then inventories and
 * move.closed What is in memory is lost with the process; the catalog's row brings the move back at
 * OPENED, and the destination starts the set anew.  Nothing is destroyed before `proved`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "events/setroot.h"
#include "site/keeper_intake.h"
#include "site/keeper_notes.h"
#include "site/move_stream.h"

#define MOVE_MAX                                                                                   \
    VAULT_GROUP_PUTS /* files of one approval: the destination takes all in one group */
#define MOVE_IN_FLIGHT 4
#define MOVE_RETRY_MS 1000
/* The id of a question about one file says which move and which file. */
#define ITEM_QUESTION (UINT64_C(1) << 63)
#define ITEM_ID(m, i) (ITEM_QUESTION | (uint64_t)(m)->no << 32 | (i))

struct item {
    struct id128 sub, ref;
    enum { ITEM_WAITS, ITEM_OUT, ITEM_OVER } state;
};

struct move_out {
    struct move_out *next;
    struct catalog_move row;
    uint64_t admin; /* who is told; 0: nobody */
    uint32_t peer;
    uint32_t no; /* of this process; stands in the ids of its files' questions */
    struct item *item;
    size_t n, over, out;
    enum { M_PUBLISHING, M_OPENING, M_SENDING, M_CLOSING, M_PROVING, M_ENDING } step;
    bool asked;  /* a question of this step is at the courier or the reader */
    uint64_t id; /* of that question */
    mono_ms retry_at;
    struct buf proof; /* of move.received, while the reader looks at it */
};

const struct config_peer *keeper_move_peer_of(struct keeper *k,
                                              const struct catalog_submission *row)
{
    const struct placement *p = keeper_policy(k, clock_now());
    const char *site =
        p == NULL ? NULL : placement_site(p, placement_zone(p, row->country, clock_now()));

    return site == NULL ? NULL : config_peer(k->c, site);
}

bool keeper_move_holds(const struct keeper *k, const struct catalog_submission *row)
{
    for (const struct move_out *m = k->moves_out; m != NULL; m = m->next)
        if (memcmp(m->row.country, row->country, 2) == 0)
            return true;
    return false;
}

static void move_free(struct move_out *m)
{
    if (m == NULL)
        return;
    secret_wipe(&m->row.salt, sizeof(m->row.salt));
    buf_free(&m->proof);
    free(m->item);
    free(m);
}

static void move_drop(struct keeper *k, struct move_out *m)
{
    for (struct move_out **at = &k->moves_out; *at != NULL; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    move_free(m);
}

static void move_fail(struct keeper *k, struct move_out *m, int rc, const char *why)
{
    log_error("a move stops; it goes on when the same approval is run again, or after a restart",
              "why", why);
    keeper_admin_say(k, m->admin, true, rc, m->over, m->n, "the move stops: %s", why);
    move_drop(k, m);
}

static void later(struct move_out *m)
{
    m->asked = false;
    m->retry_at = clock_mono() + MOVE_RETRY_MS;
}

/* --- the set --- */

/* The salt of a move's items: known to whoever holds this epoch's key, gone with it. */
static int salt_of(struct keeper *k, uint64_t epoch, const struct id128 *move, struct digest *salt)
{
    uint8_t msg[12 + 16];

    memcpy(msg, "move-salt/v1", 12);
    memcpy(msg + 12, move->b, 16);
    return k->keys->ops->mac(k->keys, epoch, span_of(msg, sizeof(msg)), salt);
}

static int take_item(void *arg, const struct catalog_submission *s)
{
    struct move_out *m = arg;
    struct item *more;

    if (m->n == MOVE_MAX)
        return -E2BIG;
    if ((m->n & (m->n + 1)) == 0 || m->item == NULL) {
        more = reallocarray(m->item, m->n * 2 + 2, sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        m->item = more;
    }
    m->item[m->n++] = (struct item){s->sub, s->ref, ITEM_WAITS};
    return 0;
}

static int set_of(struct keeper *k, struct move_out *m, struct err *e)
{
    struct digest *items;
    struct vault_slot_info info;
    int rc;

    if ((rc = salt_of(k, m->row.epoch, &m->row.move, &m->row.salt)) != 0)
        return err_sys(e, rc, "deriving the salt of the move");
    if ((rc = catalog_submissions(k->catalog, m->row.country, take_item, m)) != 0)
        return rc == -E2BIG
                   ? err_set(e, rc, "%s has more than %d files here, the most that one move takes",
                             m->row.country, MOVE_MAX)
                   : err_sys(e, rc, "listing the files of \"%s\"", m->row.country);
    items = calloc(m->n + 1, sizeof(*items));
    if (items == NULL)
        return err_sys(e, -ENOMEM, "listing the files of \"%s\"", m->row.country);
    for (size_t i = 0; i < m->n && rc == 0; i++)
        if ((rc = vault_slot_info(k->vault, &m->item[i].ref, &info, e)) == 0) {
            setroot_move_item(m->row.salt.b, &m->item[i].sub, &info.sha256, &items[i]);
            vault_slot_info_done(&info);
        }
    if (rc == 0)
        rc = setroot_items(items, m->n, &m->row.set_root);
    free(items);
    m->row.count = m->n;
    return rc;
}

/* --- opening --- */

static void opened(struct keeper *k, struct act *a, int rc)
{
    struct move_out *m = a->ctx;

    if (rc != 0) {
        move_fail(k, m, rc, "move.opened could not be logged");
        return;
    }
    m->row.leaf = a->index[0];
    keeper_admin_say(k, m->admin, false, 0, 0, m->n,
                     "opened: %zu files of %s, set and approval are in leaf %llu", m->n,
                     m->row.country, (unsigned long long)m->row.leaf);
}

static int open_act(struct keeper *k, struct move_out *m)
{
    struct leaf_builder b;
    struct act *a = keeper_act_new();
    struct buf *note = a == NULL ? NULL : keeper_act_note_new(a, NULL, 0);
    int rc = note == NULL ? -ENOMEM : 0;

    leaf_begin(&b, LK_MOVE_OPENED, m->row.opened, k->c->site);
    leaf_set_id(&b, LF_MOVE, &m->row.move);
    leaf_set_text(&b, LF_COUNTRY, m->row.country);
    leaf_set_text(&b, LF_FROM, m->row.from);
    leaf_set_text(&b, LF_TO, m->row.to);
    leaf_set_digest(&b, LF_POLICY, &m->row.policy);
    leaf_set_digest(&b, LF_DOC, &m->row.doc);
    leaf_set_int(&b, LF_CUT, m->row.cut);
    leaf_set_int(&b, LF_COUNT, m->row.count);
    leaf_set_digest(&b, LF_SET_ROOT, &m->row.set_root);
    if (rc != 0 || (rc = keeper_act_leaf(a, &b)) != 0 ||
        (rc = keeper_note_put_move(note, &m->row)) != 0) {
        keeper_act_free(a);
        return rc;
    }
    a->ctx = m;
    a->done = opened;
    keeper_group_add(k, a);
    return 0;
}

static int peer_index(const struct keeper *k, const char *site, uint32_t *out)
{
    for (size_t i = 0; i < k->c->peers; i++)
        if (strcmp(k->c->peer[i].site, site) == 0) {
            *out = (uint32_t)i;
            return 0;
        }
    return -ENOENT;
}

/* A move of the catalog goes on from its opening.  Its count and root are what was logged; what is
 * left of the set here may be less, when a crash came between its end and move.closed. */
static int go_on(struct keeper *k, struct move_out *m, struct err *e)
{
    struct digest logged = m->row.set_root;
    uint64_t count = m->row.count;
    int rc;

    if (peer_index(k, m->row.to, &m->peer) != 0)
        return err_set(e, -EINVAL,
                       "a move to \"%s\" is under way, but it is not among the peers; add it to "
                       "the configuration",
                       m->row.to);
    if ((rc = set_of(k, m, e)) != 0)
        return rc;
    if (!digest_eq(&logged, &m->row.set_root))
        log_warn("a move that was interrupted goes on with what is left of its set");
    m->row.set_root = logged;
    m->row.count = count;
    return 0;
}

void keeper_move_begin(struct keeper *k, uint64_t admin, const struct read_move *r,
                       const struct digest *doc)
{
    struct move_out *m = calloc(1, sizeof(*m));
    struct catalog_submission probe;
    struct catalog_move known;
    struct err e = ERR_INIT;
    bool again = false;
    int rc = m == NULL ? err_sys(&e, -ENOMEM, "beginning the move") : 0;

    memset(&probe, 0, sizeof(probe));
    memcpy(probe.country, r->country, 3);
    if (rc == 0 && strcmp(r->from, k->c->site) != 0)
        rc = err_set(&e, -EINVAL, "the approval moves files of site \"%s\"; this is \"%s\"",
                     r->from, k->c->site);
    if (rc == 0 && peer_index(k, r->to, &m->peer) != 0)
        rc = err_set(&e, -EINVAL,
                     "site \"%s\" is not among this site's peers; add it to the configuration",
                     r->to);
    if (rc == 0 && keeper_move_holds(k, &probe))
        rc = err_set(&e, -EBUSY, "files of %s are on their way already", r->country);
    if (rc == 0 && vault_epoch_oldest(k->vault) != vault_epoch(k->vault))
        rc = err_set(&e, -EAGAIN, "the epoch is turning; try again in a moment");
    if (rc == 0 && catalog_move_get(k->catalog, &r->move, &known) == 0) {
        again = known.state == CATALOG_MOVE_OPENED;
        if (!again)
            rc = err_set(&e, -EEXIST,
                         "this approval has been carried out; a new move needs a new approval");
        else
            m->row = known; /* it stopped, or the keeper did: it goes on */
    }
    if (rc == 0)
        rc = keeper_group_commit(k);
    if (rc == 0) {
        m->admin = admin;
        m->no = (uint32_t)(++k->next_id & INT32_MAX);
    }
    if (rc == 0 && again && (rc = go_on(k, m, &e)) == 0) {
        m->next = k->moves_out;
        k->moves_out = m;
        keeper_admin_say(k, admin, false, 0, 0, m->n, "the move goes on: %zu files are here", m->n);
        return;
    }
    if (rc == 0) {
        m->row.move = r->move;
        memcpy(m->row.country, r->country, 3);
        (void)snprintf(m->row.from, sizeof(m->row.from), "%s", r->from);
        (void)snprintf(m->row.to, sizeof(m->row.to), "%s", r->to);
        m->row.state = CATALOG_MOVE_OPENED;
        m->row.policy = r->policy;
        m->row.doc = *doc;
        m->row.cut = vault_ledger_size(k->vault);
        m->row.opened = clock_now();
        m->row.epoch = vault_epoch(k->vault);
        rc = set_of(k, m, &e);
    }
    if (rc == 0) {
        m->next = k->moves_out;
        k->moves_out = m;
        if ((rc = open_act(k, m)) == 0)
            return;
        k->moves_out = m->next;
        rc = err_sys(&e, rc, "writing move.opened");
    }
    keeper_admin_say(k, admin, true, rc, 0, 0, "%s",
                     e.text[0] != '\0' ? err_text(&e) : strerror(-rc));
    move_free(m);
}

/* --- words to the courier --- */

static int carry_text(struct keeper *k, struct move_out *m, uint32_t what, struct span body)
{
    struct pm_carry c;
    struct buf b;
    int rc;

    memset(&c, 0, sizeof(c));
    c.peer = m->peer;
    c.what = what;
    c.move = m->row.move;
    c.length = body.n;
    buf_init(&b, MSG_BODY_MAX);
    m->id = ++k->next_id;
    if ((rc = buf_put(&b, &c, sizeof(c))) == 0 && (rc = buf_put(&b, body.p, body.n)) == 0)
        rc = keeper_parts_ask(k, false, PC_CARRY_TEXT, m->id, buf_span(&b), NULL);
    buf_free(&b);
    m->asked = rc == 0;
    return rc;
}

/* u32 length of the proof | proof of move.opened | box(salt), context "move-open/v1" | move */
static int send_open(struct keeper *k, struct move_out *m)
{
    uint8_t ctx[12 + 16], box[32 + BOX_EXTRA];
    struct buf leaf, json, proof, body;
    struct err e = ERR_INIT;
    bool final = false;
    int rc;

    buf_init(&leaf, LEAF_MAX);
    buf_init(&json, PROTO_TAIL_MAX);
    buf_init(&proof, PROTO_RECEIPT_MAX);
    buf_init(&body, PROTO_TAIL_MAX);
    memcpy(ctx, "move-open/v1", 12);
    memcpy(ctx + 12, m->row.move.b, 16);
    rc = keeper_receipt_plain(k, m->row.leaf, &proof, &final, &e);
    if (rc == 0 && !final)
        rc = -EAGAIN;
    if (rc == 0 &&
        (rc = box_seal(k->c->peer[m->peer].move_key, span_of(ctx, sizeof(ctx)), m->row.salt.b, 32,
                       box)) == 0 &&
        (rc = buf_put_u32(&body, (uint32_t)proof.len)) == 0 &&
        (rc = buf_put(&body, proof.data, proof.len)) == 0 &&
        (rc = buf_put(&body, box, sizeof(box))) == 0)
        rc = carry_text(k, m, CARRY_MOVE_OPEN, buf_span(&body));
    buf_free(&leaf);
    buf_free(&json);
    buf_free(&proof);
    buf_free(&body);
    return rc;
}

static int meta_of(struct keeper *k, const struct item *it, struct move_meta *meta)
{
    struct catalog_submission row;
    struct vault_slot_info info;
    struct slot_blob blob;
    struct err e = ERR_INIT;
    int rc;

    if ((rc = catalog_submission_get(k->catalog, &it->sub, &row)) != 0 ||
        (rc = vault_slot_info(k->vault, &it->ref, &info, &e)) != 0)
        return rc;
    memset(meta, 0, sizeof(*meta));
    if ((rc = keeper_blob_decode(buf_span(&info.blob), &blob)) == 0) {
        memcpy(meta->sub_key, blob.sub_key, 32);
        meta->sha256 = info.sha256;
        meta->size = info.size;
        meta->statement = row.statement;
        meta->policy = row.policy;
        meta->accepted = row.accepted;
        memcpy(meta->country, row.country, 3);
        (void)snprintf(meta->account, sizeof(meta->account), "%.*s", (int)blob.account.n,
                       (const char *)blob.account.p);
        meta->name_len = blob.name.n < sizeof(meta->name) ? blob.name.n : sizeof(meta->name);
        memcpy(meta->name, blob.name.p, meta->name_len);
    }
    secret_wipe(&blob, sizeof(blob));
    vault_slot_info_done(&info);
    return rc;
}

/* The sealed stream of one file, in a memfd: ciphertext only. */
static int seal_file(struct keeper *k, struct move_out *m, const struct item *it, int fd,
                     uint64_t *length)
{
    struct move_sender *s = NULL;
    struct vault_read *r = NULL;
    struct move_meta meta;
    struct buf out;
    const uint8_t *p;
    uint64_t sent = 0;
    size_t n;
    struct err e = ERR_INIT;
    int rc;

    *length = 0;
    buf_init(&out, MOVE_CHUNK + MOVE_HEAD_MAX + 64);
    if ((rc = meta_of(k, it, &meta)) == 0 &&
        (rc = move_sender_new(&s, k->c->peer[m->peer].move_key, &m->row.move, &it->sub,
                              &m->row.salt, &meta, &out)) == 0)
        rc = vault_read_open(&r, k->vault, &it->ref, &e);
    while (rc == 0 && (rc = vault_read_next(r, &p, &n)) == 0) {
        bool last = sent + n == meta.size;

        if (n > 0 || meta.size == 0)
            rc = move_sender_chunk(s, p, n, last, &out);
        if (rc == 0)
            rc = io_write_all(fd, out.data, out.len);
        *length += out.len;
        buf_reset(&out);
        sent += n;
        if (n == 0 || (last && n > 0))
            break;
    }
    if (rc == 0 && sent != meta.size)
        rc = -EBADMSG;
    vault_read_close(r);
    move_sender_free(s);
    secret_wipe(&meta, sizeof(meta));
    buf_free(&out);
    return rc;
}

static int send_item(struct keeper *k, struct move_out *m, size_t i)
{
    struct pm_carry c;
    int fd = memfd_create("moving", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    if (fd < 0)
        return -errno;
    memset(&c, 0, sizeof(c));
    rc = seal_file(k, m, &m->item[i], fd, &c.length);
    if (rc == 0) {
        c.peer = m->peer;
        c.what = CARRY_MOVE_PUT;
        c.move = m->row.move;
        c.sub = m->item[i].sub;
        rc = keeper_parts_ask(k, false, PC_CARRY_FILE, ITEM_ID(m, i), span_of(&c, sizeof(c)), &fd);
    }
    io_close(&fd);
    if (rc == 0) {
        m->item[i].state = ITEM_OUT;
        m->out++;
    }
    return rc;
}

static void send_some(struct keeper *k, struct move_out *m)
{
    int rc = 0;

    for (size_t i = 0; i < m->n && m->out < MOVE_IN_FLIGHT && rc == 0; i++)
        if (m->item[i].state == ITEM_WAITS)
            rc = send_item(k, m, i);
    if (rc == -EAGAIN || rc == -ENOMEM)
        later(m);
    else if (rc != 0)
        move_fail(k, m, rc, "a file cannot be read for the move; run \"glarus site scrub\"");
    else if (m->over == m->n) {
        m->step = M_CLOSING;
        m->asked = false;
    }
}

/* --- the end: destroy here what is proved to be there --- */

static void ended(struct keeper *k, struct act *a, int rc)
{
    struct move_out *m = a->ctx;

    if (rc != 0) {
        log_warn("the end of a move could not be logged; it is repeated");
        later(m);
        return;
    }
    k->n.moved_out += m->n;
    keeper_admin_say(
        k, m->admin, true, 0, m->n, m->n,
        "closed: %zu files of %s are at %s; their keys here are destroyed, final with epoch %llu",
        m->n, m->row.country, m->row.to, (unsigned long long)m->row.epoch);
    keeper_trace_changed(k, NULL);
    move_drop(k, m);
}

static int remove_item(struct keeper *k, struct move_out *m, const struct item *it)
{
    struct note_end n = {it->sub, CATALOG_MOVED, clock_now(), vault_epoch(k->vault)};
    struct leaf_builder b;
    struct act *a = keeper_act_new();
    struct buf *note = a == NULL ? NULL : keeper_act_note_new(a, NULL, 0);
    int rc = note == NULL ? -ENOMEM : 0;

    (void)m;
    leaf_begin(&b, LK_COPY_REMOVED, n.at, k->c->site);
    leaf_set_id(&b, LF_REF, &it->ref);
    leaf_set_word(&b, LF_GROUND, LW_REMOVED_MOVED);
    if (rc == 0 && (rc = keeper_act_leaf(a, &b)) == 0 && (rc = keeper_note_put_end(note, &n)) == 0)
        rc = keeper_act_destroy(k, a, &it->ref);
    if (rc != 0) {
        keeper_act_free(a);
        return rc;
    }
    keeper_group_add(k, a);
    return 0;
}

static void end_move(struct keeper *k, struct move_out *m)
{
    struct leaf_builder b;
    struct act *a;
    struct buf *note;
    struct err e = ERR_INIT;
    int rc = 0;

    keeper_group_commit(k);
    for (size_t i = 0; i < m->n && rc == 0; i++) {
        rc = remove_item(k, m, &m->item[i]);
        if (rc == -ENOENT) /* removed before a crash */
            rc = 0;
    }
    k->group_bad = rc != 0;
    if (keeper_group_commit(k) != 0 && rc == 0)
        rc = -EAGAIN; /* nothing is closed before the slots are gone */
    if (rc == 0)
        rc = keeper_epoch_inventory(k, m->row.country, &e);
    a = rc == 0 ? keeper_act_new() : NULL;
    note = a == NULL ? NULL : keeper_act_note_new(a, NULL, 0);
    if (note != NULL) {
        m->row.epoch = vault_epoch(k->vault);
        m->row.state = CATALOG_MOVE_CLOSED;
        m->row.closed = clock_now();
        leaf_begin(&b, LK_MOVE_CLOSED, m->row.closed, k->c->site);
        leaf_set_id(&b, LF_MOVE, &m->row.move);
        leaf_set_text(&b, LF_COUNTRY, m->row.country);
        leaf_set_int(&b, LF_EPOCH, m->row.epoch);
        if (keeper_act_leaf(a, &b) == 0 && keeper_note_put_move(note, &m->row) == 0) {
            a->ctx = m;
            a->done = ended;
            m->asked = true;
            keeper_group_add(k, a);
            return;
        }
        keeper_act_free(a);
    }
    later(m);
}

/* --- answers --- */

static struct move_out *move_of(struct keeper *k, uint64_t id)
{
    for (struct move_out *m = k->moves_out; m != NULL; m = m->next)
        if ((id & ITEM_QUESTION) != 0 ? (id >> 32 & INT32_MAX) == m->no : m->asked && m->id == id)
            return m;
    return NULL;
}

/* The destination has forgotten the move: from its opening.  Files that are out stay so until their
 * answers come. */
static void begin_anew(struct move_out *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->item[i].state == ITEM_OVER)
            m->item[i].state = ITEM_WAITS;
    m->over = 0;
    m->step = M_OPENING;
    later(m);
}

static void item_carried(struct keeper *k, struct move_out *m, size_t i, const struct pm_carried *c)
{
    if (i >= m->n || m->item[i].state != ITEM_OUT)
        return;
    m->out--;
    if (m->step != M_SENDING) { /* the move began anew meanwhile: what this one says is stale */
        m->item[i].state = ITEM_WAITS;
    } else if (c->status / 100 == 2) {
        m->item[i].state = ITEM_OVER;
        m->over++;
        keeper_admin_say(k, m->admin, false, 0, m->over, m->n, "moving");
    } else if (c->status == 404) {
        m->item[i].state = ITEM_WAITS;
        begin_anew(m);
    } else if (c->status == 0 || c->status >= 500 || c->status == 429) {
        m->item[i].state = ITEM_WAITS;
        later(m);
    } else {
        move_fail(k, m, -EPROTO, c->text[0] != '\0' ? c->text : "the destination refuses a file");
    }
}

void keeper_move_carried(struct keeper *k, uint64_t id, const struct pm_carried *c,
                         struct span tail)
{
    struct move_out *m = move_of(k, id);
    struct err e = ERR_INIT;

    if (m == NULL)
        return;
    if ((id & ITEM_QUESTION) != 0) {
        item_carried(k, m, (size_t)(id & UINT32_MAX), c);
        return;
    }
    if (m->step != M_OPENING && m->step != M_CLOSING)
        return; /* the courier was not asked: the reader is, or the journal */
    m->asked = false;
    if (c->status / 100 == 2 && m->step == M_OPENING) {
        m->step = M_SENDING;
    } else if (c->status == 200 && m->step == M_CLOSING) {
        m->step = M_PROVING;
        m->id = ++k->next_id;
        buf_free(&m->proof);
        buf_init(&m->proof, PROTO_TAIL_MAX);
        if (buf_put(&m->proof, tail.p, tail.n) == 0 &&
            keeper_read_proof(k, m->id, k->c->peer[m->peer].policy, tail, &e) == 0)
            m->asked = true;
        else { /* the closing is asked for once more */
            m->step = M_CLOSING;
            later(m);
        }
    } else if (c->status == 404 && m->step == M_CLOSING) {
        begin_anew(m);
    } else if (c->status == 0 || c->status >= 500 || c->status == 202 || c->status == 429) {
        later(m);
    } else {
        move_fail(k, m, -EPROTO, c->text[0] != '\0' ? c->text : "the destination refuses the move");
    }
}

static bool is_received(const struct move_out *m, struct span bytes)
{
    struct leaf l;
    struct digest root;
    struct id128 id;

    if (leaf_parse(&l, bytes) != 0 || l.kind != LK_MOVE_RECEIVED)
        return false;
    root = leaf_digest(&l, LF_SET_ROOT);
    id = leaf_id(&l, LF_MOVE);
    return memcmp(&id, &m->row.move, sizeof(id)) == 0 && digest_eq(&root, &m->row.set_root) &&
           leaf_int(&l, LF_COUNT) == m->row.count && span_is(leaf_text(&l, LF_SITE), m->row.to) &&
           span_is(leaf_text(&l, LF_FROM), m->row.from) &&
           span_is(leaf_text(&l, LF_COUNTRY), m->row.country);
}

bool keeper_move_proof_read(struct keeper *k, uint64_t id, int rc, const char *text,
                            struct span leaf)
{
    struct move_out *m = move_of(k, id);

    if (m == NULL || m->step != M_PROVING || (id & ITEM_QUESTION) != 0)
        return false;
    m->asked = false;
    if (rc != 0 || !is_received(m, leaf) ||
        !keeper_proof_holds(k->c->peer[m->peer].policy, buf_span(&m->proof), leaf)) {
        move_fail(k, m, rc != 0 ? rc : -EBADMSG,
                  rc != 0 ? text : "the destination's proof is of another move");
        return true;
    }
    m->step = M_ENDING;
    return true;
}

void keeper_move_courier_gone(struct keeper *k)
{
    for (struct move_out *m = k->moves_out; m != NULL; m = m->next) {
        for (size_t i = 0; i < m->n; i++)
            if (m->item[i].state == ITEM_OUT)
                m->item[i].state = ITEM_WAITS; /* a file that is there is told so */
        m->out = 0;
        if (m->step == M_OPENING || m->step == M_SENDING || m->step == M_CLOSING)
            later(m);
    }
}

void keeper_move_reader_gone(struct keeper *k)
{
    for (struct move_out *m = k->moves_out; m != NULL; m = m->next)
        if (m->step == M_PROVING) { /* the closing is asked for once more */
            m->step = M_CLOSING;
            later(m);
        }
}

void keeper_move_published(struct keeper *k)
{
    keeper_receive_published(k); /* what leaves looks by itself: keeper_move_step */
}

void keeper_move_step(struct keeper *k, mono_ms now)
{
    struct move_out *m, *next;
    int rc = 0;

    for (m = k->moves_out; m != NULL; m = next, rc = 0) {
        next = m->next;
        if (m->asked || now < m->retry_at || k->stopped != 0)
            continue;
        switch (m->step) {
        case M_PUBLISHING: /* leaf 0 is the site's own: move.opened is not logged yet */
            if (m->row.leaf != 0 && m->row.leaf < ledger_published(k->ledger))
                m->step = M_OPENING;
            break;
        case M_PROVING:
            break;
        case M_OPENING:
            rc = send_open(k, m);
            break;
        case M_SENDING:
            send_some(k, m);
            break;
        case M_CLOSING:
            rc = carry_text(k, m, CARRY_MOVE_CLOSE, span_of(NULL, 0));
            break;
        case M_ENDING:
            end_move(k, m);
            break;
        }
        if (rc != 0)
            later(m);
    }
}

/* After a restart: what the catalog says is under way goes on from its opening. */
static int take_open(void *arg, const struct catalog_move *row)
{
    struct keeper *k = arg;
    struct move_out *m;

    if (row->state != CATALOG_MOVE_OPENED || strcmp(row->from, k->c->site) != 0)
        return 0;
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return -ENOMEM;
    m->row = *row;
    m->no = (uint32_t)(++k->next_id & INT32_MAX);
    m->next = k->moves_out;
    k->moves_out = m;
    return 0;
}

int keeper_move_resume(struct keeper *k, struct err *e)
{
    struct move_out *m, *next;
    struct err why = ERR_INIT;
    int rc = catalog_moves(k->catalog, take_open, k);

    if (rc != 0)
        return err_sys(e, rc, "reading the moves from the catalog");
    for (m = k->moves_out; m != NULL; m = next) {
        next = m->next;
        rc = go_on(k, m, &why);
        if (rc == -EINVAL)
            return err_set(e, rc, "%s", err_text(&why));
        if (rc != 0)
            move_fail(k, m, rc, err_text(&why));
    }
    return 0;
}

void keeper_move_close_all(struct keeper *k)
{
    while (k->moves_out != NULL)
        move_drop(k, k->moves_out);
}
