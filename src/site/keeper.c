/* keeper.c - the only writer: opens the stores, brings them up to the journal's end, then one loop.
 *
 * A turn of the loop: take what has come from front, signer, courier, reader, engine,
 * administrators; if no group is on its way to the disk, do what time wants and send off the next;
 * ask the signer.  While a group is on its way, a thread waits for the disk and uploads go on:
 * under load groups grow by themselves. */
#include "site/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "ledger/tlog_proof.h"
#include "site/keeper_lookup.h"
#include "site/data_format.h"
#include "site/keeper_lines.h"
#include "site/keeper_notes.h"
#include "site/keeper_sync.h"
#include "site/process.h"

#define TICK_MS 100
#define BATCH 512 /* messages of one channel in a turn */
#define CHECKPOINT_BYTES                                                                           \
    (UINT64_C(256) << 20) /* of journal between checkpoints of the derived stores */

/* What an event of epoll is about; admins carry their pointer. */
enum { EV_FRONT = 1, EV_SIGNER, EV_COURIER, EV_READER, EV_CONTROL, EV_DETECT, EV_SYNC, EV_FIXED };

/* --- messages --- */

/* What changes more than uploads waits for the group on its way, see keeper_priv.h. */
static bool front_may_go_on(uint16_t type)
{
    return type != FK_ORDER && type != FK_MOVE_OPEN && type != FK_MOVE_CLOSE;
}

/* What writes leaves waits while the clock is wrong: they would be dated wrongly for ever. */
static bool clock_refuses(struct keeper *k, const struct msg *m)
{
    uint16_t t = m->type->type;

    if (keeper_clock_good(k) || (t != FK_OPEN && t != FK_PUT_END && t != FK_ORDER &&
                                 t != FK_MOVE_OPEN && t != FK_MOVE_CLOSE))
        return false;
    if (t == FK_PUT_END)
        keeper_intake_put_abort(k, m->id);
    keeper_refuse(k, m->id, PRF_CLOCK, "the site's clock is not right, or not confirmed yet");
    return true;
}

static void from_front(struct keeper *k, const struct msg *m)
{
    const void *p = m->body.p;

    if (clock_refuses(k, m))
        return;
    if (!front_may_go_on(m->type->type))
        (void)keeper_group_settle(k);
    switch (m->type->type) {
    case FK_OPEN:
        keeper_ticket_ask(k, m->id, p);
        break;
    case FK_PUT_BEGIN:
        keeper_intake_put_begin(k, m->id, p);
        break;
    case FK_PUT_DATA:
        keeper_intake_put_data(k, m->id, p);
        break;
    case FK_PUT_END:
        keeper_intake_put_end(k, m->id);
        break;
    case FK_PUT_ABORT:
        keeper_intake_put_abort(k, m->id);
        break;
    case FK_TRACE:
        keeper_trace_ask(k, m->id, p, false);
        break;
    case FK_RECEIPT:
        keeper_trace_ask(k, m->id, p, true);
        break;
    case FK_ORDER:
        keeper_trace_order(k, m->id, p);
        break;
    case FK_FILE:
        keeper_files_ask(k, m->id, p);
        break;
    case FK_DOC:
        keeper_files_doc(k, m->id, p);
        break;
    case FK_STATE:
        keeper_state_ask(k, m->id);
        break;
    case FK_LOOKUP:
        keeper_lookup_ask(k, m->id, p);
        break;
    case FK_LOOKED:
        keeper_lookup_count(k, p);
        break;
    case FK_MOVE_CLOSE:
        keeper_receive_close(k, m->id, p);
        break;
    case FK_MOVE_OPEN: {
        struct pm_move open;
        struct cur c = cur_of(m->body);
        struct span proof, sealed;

        if (cur_copy(&c, &open, sizeof(open)) != 0 || cur_take(&c, open.proof_len, &proof) != 0 ||
            cur_take(&c, open.sealed_len, &sealed) != 0 || c.n != 0)
            keeper_refuse(k, m->id, PRF_MALFORMED, "the opening of the move is malformed");
        else
            keeper_receive_open(k, m->id, &open, proof, sealed);
        break;
    }
    default:
        break;
    }
}

static void take_config(struct keeper *k, int fd)
{
    struct config *c = NULL;
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, 4 << 20);
    if ((rc = io_read_fd(fd, &b)) == 0 &&
        (rc = config_read(&c, k->c->file, buf_span(&b), &e)) == 0 &&
        (rc = config_may_replace(k->c, c, &e)) == 0) {
        (void)keeper_group_commit(k); /* what is complete has its ticket until it stands */
        keeper_ticket_config(k, c);
        config_free(k->c);
        k->c = c;
        c = NULL;
        log_info("configuration taken over");
    } else {
        log_warn("the configuration was not taken over", "why",
                 e.text[0] != '\0' ? err_text(&e) : strerror(-rc));
    }
    config_free(c);
    buf_free(&b);
}

static void from_control(struct keeper *k, struct msg *m)
{
    struct pm_engine_is is;

    (void)keeper_group_settle(k);
    if (m->type->type == PX_ENGINE) {
        memcpy(&is, m->body.p, sizeof(is));
        if (is.engine.which < k->c->engines)
            keeper_started_engine(k, is.engine.which, &is.binary);
        keeper_lines_engine(k, &is.engine, msg_take_fd(m, 0));
    } else if (m->type->type == PX_RULES) {
        keeper_lines_rules(k, msg_take_fd(m, 0));
    } else if (m->type->type == PX_COURIER) {
        keeper_parts_come(k, false, m->id, msg_take_fd(m, 0), EV_COURIER);
    } else if (m->type->type == PX_READER) {
        keeper_parts_come(k, true, m->id, msg_take_fd(m, 0), EV_READER);
    } else if (m->type->type == PX_CONFIG) {
        take_config(k, m->fd[0]);
    } else if (m->type->type == PX_ADMIN) {
        keeper_admin_take(k, msg_take_fd(m, 0));
    } else if (m->type->type == PX_DRAIN) {
        k->draining = true;
        keeper_answer(k, FK_DRAIN, 0, NULL, 0, span_of(NULL, 0), NULL);
    }
}

static void from_reader(struct keeper *k, const struct msg *m)
{
    struct pm_read_is is;
    struct cur c = cur_of(m->body);
    struct span tail;

    if (cur_copy(&c, &is, sizeof(is)) != 0)
        return;
    (void)keeper_group_settle(k);
    is.text[sizeof(is.text) - 1] = '\0';
    if (is.rc > 0)
        is.rc = -EPROTO;
    keeper_parts_answered(k, true);
    tail = span_of(c.p, c.n);
    if (is.what != READ_PROOF)
        keeper_admin_read_answer(k, m->id, &is, tail);
    else if (!keeper_move_proof_read(k, m->id, is.rc, is.text, tail))
        (void)keeper_receive_proof_read(k, m->id, is.rc, is.text, tail);
}

static void from_courier(struct keeper *k, const struct msg *m)
{
    struct pm_cosigned cosigned;
    struct pm_carried carried;
    struct cur c = cur_of(m->body);

    if (m->type->type == PC_COSIGNED && cur_copy(&c, &cosigned, sizeof(cosigned)) == 0) {
        cosigned.text[sizeof(cosigned.text) - 1] = '\0';
        keeper_parts_answered(k, false);
        keeper_round_answer(k, m->id, &cosigned);
    } else if (m->type->type == PC_CARRIED && cur_copy(&c, &carried, sizeof(carried)) == 0) {
        carried.text[sizeof(carried.text) - 1] = '\0';
        (void)keeper_group_settle(k);
        keeper_move_carried(k, m->id, &carried, span_of(c.p, c.n));
    }
}

static void from_signer(struct keeper *k, const struct msg *m)
{
    struct pm_signed s;

    memcpy(&s, m->body.p, sizeof(s));
    s.text[sizeof(s.text) - 1] = '\0';
    if (k->sign.out && m->id == k->sign.id)
        keeper_sign_answer(k, &s);
}

/* Takes what a channel has.  false: its other end is gone, or spoke nonsense. */
static bool drain_channel(struct keeper *k, struct msg_chan *c, int what)
{
    struct err e = ERR_INIT;
    struct msg m;
    int rc = 0;

    for (int i = 0; (i < BATCH || msg_has_more(c)) && (rc = msg_recv(c, &m, &e)) == 0; i++)
        switch (what) {
        case EV_FRONT:
            from_front(k, &m);
            break;
        case EV_SIGNER:
            from_signer(k, &m);
            break;
        case EV_COURIER:
            from_courier(k, &m);
            break;
        case EV_READER:
            from_reader(k, &m);
            break;
        case EV_CONTROL:
            from_control(k, &m);
            break;
        default:
            break;
        }
    if (rc == -EPROTO)
        log_error("a part broke the protocol", "why", err_text(&e));
    return rc == 0 || rc == -EAGAIN;
}

static void event(struct keeper *k, const struct epoll_event *ev)
{
    struct msg_chan *chan[] = {[EV_FRONT] = k->front,
                               [EV_SIGNER] = k->signer,
                               [EV_COURIER] = k->courier,
                               [EV_READER] = k->reader,
                               [EV_CONTROL] = k->control};
    const char *name[] = {
        [EV_FRONT] = "front", [EV_SIGNER] = "signer", [EV_CONTROL] = "supervisor"};
    uint64_t what = ev->data.u64;

    if (what >= EV_FIXED) {
        (void)keeper_group_settle(k);
        keeper_admin_event(k, ev->data.ptr);
    } else if (what == EV_COURIER || what == EV_READER) {
        if (chan[what] != NULL && !drain_channel(k, chan[what], (int)what)) {
            (void)keeper_group_settle(k);
            keeper_parts_lost(k, what == EV_READER);
        }
    } else if (what == EV_DETECT) {
        keeper_lines_told(k);
    } else if (what != EV_SYNC && !drain_channel(k, chan[what], (int)what)) {
        log_info("a part is gone; the keeper ends", "part", name[what]);
        k->quit = true;
    }
}

/* --- the loop --- */

static void maybe_checkpoint(struct keeper *k)
{
    struct err e = ERR_INIT;
    int rc;

    if (k->stopped != 0 || vault_behind(k->vault) < CHECKPOINT_BYTES)
        return;
    if ((rc = ledger_flush(k->ledger, &e)) == 0 && (rc = catalog_sync(k->catalog)) == 0)
        rc = vault_checkpoint(k->vault, &e);
    if (rc != 0)
        keeper_stop_writer(k, rc, err_text(&e));
}

static void tick(struct keeper *k, mono_ms now)
{
    unix_time t = clock_now();

    keeper_trace_tick(k, now);
    keeper_receive_tick(k, now);
    keeper_parts_tick(k, now);
    if (keeper_clock_confirmed(k)) /* nobody waits for it: it need not be dated wrongly for ever */
        keeper_started_tick(k);
    if (keeper_clock_good(k)) {
        keeper_ticket_tick(k, t);
        keeper_epoch_tick(k, t);
        keeper_lookup_tick(k);
    }
    keeper_epoch_reclaim(k, now);
    maybe_checkpoint(k);
    if (k->stopped == -ENOSPC && !keeper_disk_low(k)) {
        log_info("there is room on the disk again; the keeper begins anew");
        k->quit = true;
    }
    if (k->stopped == -ENOMEM) { /* whatever lacked memory may be half done: replay does it whole */
        log_warn("the writer stopped for want of memory; the keeper begins anew");
        k->quit = true;
    }
}

static int flush_channels(struct keeper *k)
{
    struct msg_chan *all[] = {k->front, k->signer, k->courier, k->reader, k->control};
    int wait = keeper_admin_flush(k) ? 10 : TICK_MS;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] != NULL && msg_wants_write(all[i]) && msg_flush(all[i]) == -EAGAIN)
            wait = 1;
    return wait;
}

static bool idle(const struct keeper *k)
{
    return k->n_uploads == 0 && !keeper_group_pending(k) && k->unsigned_ == NULL &&
           k->round.state == ROUND_IDLE && ledger_published(k->ledger) == ledger_size(k->ledger) &&
           keeper_lookup_done(k);
}

/* What runs is told before the site says that it serves, if the clock is confirmed by then.  A
 * keeper that is about to begin anew (tick) does not say so. */
static bool may_be_ready(const struct keeper *k, mono_ms now)
{
    return now >= k->clock.settled && k->stopped != -ENOMEM &&
           (keeper_started_told(k) || k->stopped != 0 || !keeper_clock_confirmed(k));
}

static void loop(struct keeper *k)
{
    struct epoll_event ev[64];
    mono_ms ticked = 0, drain_until = 0;
    bool ready = false;

    while (!k->quit) {
        int wait = flush_channels(k);
        int n = epoll_wait(k->epoll, ev, ARRAY_LEN(ev),
                           k->commit.group == NULL && keeper_lines_busy(k) ? 0 : wait);
        mono_ms now = clock_mono();

        keeper_clock_step(k, now);
        for (int i = 0; i < n && !k->quit; i++)
            event(k, &ev[i]);
        if (keeper_group_free(k)) {
            if (now - ticked >= TICK_MS) {
                tick(k, now);
                ticked = now;
            }
            if (keeper_clock_good(k)) {
                keeper_scan_step(k, now);
                keeper_move_step(k, now);
            }
            keeper_lines_watch(k, k->epoll, EV_DETECT);
            keeper_group_start(k);
        }
        keeper_round_step(k, now);
        keeper_sign_step(k);
        if (!ready && may_be_ready(k, now))
            ready = msg_send(k->control, PX_READY, 0, span_of(NULL, 0), NULL) == 0;
        if (k->draining && drain_until == 0)
            drain_until = now + 10000;
        if (k->draining && (idle(k) || now > drain_until))
            k->quit = true;
    }
    (void)flush_channels(k); /* what was said last */
}

/* --- opening and closing --- */

static int open_stores(struct keeper *k, struct err *e)
{
    char path[4096];
    int rc;

    if (snprintf(path, sizeof(path), "%s/vault", k->c->data) >= (int)sizeof(path) ||
        snprintf(k->ledger_dir, sizeof(k->ledger_dir), "%s/ledger", k->c->data) >=
            (int)sizeof(k->ledger_dir))
        return err_set(e, -ENAMETOOLONG, "the data folder's path is too long");
    if ((rc = data_format_bring(k->c->data, &data_format_steps, e)) != 0 ||
        (rc = store_dir_open(&k->store, path, e)) != 0 ||
        (rc = keyring_file_open(&k->keys, k->c->epoch_keys, e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/catalog.db", k->c->data);
    if ((rc = catalog_open(&k->catalog, path, e)) != 0 ||
        (rc = ledger_open(&k->ledger, k->ledger_dir, e)) != 0)
        return rc;
    k->ledger_fd = open(k->ledger_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return k->ledger_fd >= 0 ? 0 : err_sys(e, -errno, "opening \"%s\"", k->ledger_dir);
}

static int catch_up(struct keeper *k, struct err *e)
{
    struct vault_config vc = {k->store, k->keys, catalog_index(k->catalog), k->c->segment};
    struct vault_report r;
    uint64_t applied = 0;
    int rc;

    if ((rc = vault_open(&k->vault, &vc, &r, e)) != 0)
        return rc;
    for (size_t i = 0; i < r.damaged && i < VAULT_DAMAGE_MAX; i++)
        log_error("the journal is damaged; run \"glarus site scrub\" and restore the segment from "
                  "a copy");
    if ((rc = catalog_applied(k->catalog, &applied)) != 0)
        return err_sys(e, rc, "asking the catalog where it stands");
    return vault_replay(k->vault, applied, ledger_size(k->ledger), keeper_apply, k, e);
}

static int open_keys(struct keeper *k, struct err *e)
{
    struct buf b;
    char path[4096];
    int rc;

    buf_init(&b, 64);
    if ((rc = io_read_file(AT_FDCWD, k->c->move_key, &b)) != 0 || b.len != 32)
        rc = err_set(e, rc != 0 ? rc : -EBADMSG,
                     "\"%s\" is no move key of 32 bytes; \"glarus site init\" makes one",
                     k->c->move_key);
    else
        memcpy(k->move_key, b.data, 32);
    if (b.data != NULL)
        secret_wipe(b.data, b.len);
    buf_free(&b);
    (void)snprintf(path, sizeof(path), "%s/ledger.vkey", k->c->data);
    if (rc == 0 && (rc = note_vkey_load(&k->log_key, path, e)) == 0)
        rc = tlog_policy_parse(&k->quorum, span_str(k->c->quorum), e);
    return rc;
}

static int watch(struct keeper *k, int fd, uint64_t what, struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = what};

    return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) == 0
               ? 0
               : err_sys(e, -errno, "watching a descriptor");
}

static int open_channels(struct keeper *k, struct err *e)
{
    int rc;

    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (k->epoll < 0)
        return err_sys(e, -errno, "epoll_create1");
    if ((rc = msg_open(&k->front, PART_FRONT, &proto_front, MSG_B, e)) != 0 ||
        (rc = msg_open(&k->signer, PART_SIGNER, &proto_signer, MSG_A, e)) != 0 ||
        (rc = msg_open(&k->courier, PART_COURIER, &proto_courier, MSG_A, e)) != 0 ||
        (rc = msg_open(&k->reader, PART_READER, &proto_reader, MSG_A, e)) != 0 ||
        (rc = msg_open(&k->control, PART_CONTROL, &proto_control, MSG_B, e)) != 0 ||
        (rc = ring_attach(&k->ring, PART_RING, PROTO_SLOT_BYTES, (uint32_t)k->c->ring_slots, e)) !=
            0)
        return rc;
    msg_gather(k->front);
    if ((rc = watch(k, msg_fd(k->front), EV_FRONT, e)) != 0 ||
        (rc = watch(k, msg_fd(k->signer), EV_SIGNER, e)) != 0 ||
        (rc = watch(k, msg_fd(k->courier), EV_COURIER, e)) != 0 ||
        (rc = watch(k, msg_fd(k->reader), EV_READER, e)) != 0)
        return rc;
    return watch(k, msg_fd(k->control), EV_CONTROL, e);
}

/* Leaf 0 of every ledger. */
static int found_site(struct keeper *k, struct err *e)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1];
    struct leaf_builder b;
    struct act *a;
    int rc;

    if (vault_ledger_size(k->vault) > 0)
        return 0;
    if ((a = keeper_act_new()) == NULL)
        return err_sys(e, -ENOMEM, "founding the ledger");
    note_vkey_format(&k->log_key, vkey);
    leaf_begin(&b, LK_SITE_OPENED, clock_now(), k->c->site);
    leaf_set_text(&b, LF_ZONE, k->c->zone);
    leaf_set_text(&b, LF_VKEY, vkey);
    if ((rc = keeper_act_leaf(a, &b)) != 0) {
        keeper_act_free(a);
        return err_set(e, rc, "the ledger's first leaf cannot be built");
    }
    keeper_group_add(k, a);
    rc = keeper_group_commit(k);
    return rc == 0 ? 0 : err_sys(e, rc, "writing the ledger's first leaf");
}

static int open_sync(struct keeper *k, struct err *e)
{
    int rc = keeper_ticket_open(k);

    if (rc == 0)
        rc = keeper_lookup_open(k);
    if (rc != 0)
        return err_sys(e, rc, "making room for tickets");
    rc = keeper_sync_open(&k->sync, e);
    return rc != 0 ? rc : watch(k, keeper_sync_fd(k->sync), EV_SYNC, e);
}

static int keeper_open(struct keeper *k, struct err *e)
{
    int rc;

    if ((rc = keeper_started_open(k, e)) != 0 || (rc = open_channels(k, e)) != 0 ||
        (rc = keeper_lines_open(k, e)) != 0 || (rc = open_keys(k, e)) != 0 ||
        (rc = process_jail(k->c, CONFIG_KEEPER, e)) != 0 || (rc = open_stores(k, e)) != 0 ||
        (rc = catch_up(k, e)) != 0 || (rc = open_sync(k, e)) != 0 || (rc = found_site(k, e)) != 0 ||
        (rc = keeper_load_documents(k, e)) != 0)
        return rc;
    if ((rc = catalog_scan_free(k->catalog)) != 0) /* whoever had files in hand is gone */
        return err_sys(e, rc, "freeing the scan queue");
    k->sign.signer_size = ledger_published(k->ledger); /* at least; it tells if it is more */
    k->round_due = clock_mono();
    keeper_clock_start(k);
    keeper_epoch_start(k);
    return keeper_move_resume(k, e);
}

static void keeper_close(struct keeper *k)
{
    struct err e = ERR_INIT;
    struct act *a;

    (void)keeper_group_settle(k);
    keeper_intake_front_gone(k);
    keeper_trace_front_gone(k);
    keeper_admin_close_all(k);
    while ((a = k->acts != NULL ? k->acts : k->unsigned_) != NULL) {
        *(a == k->acts ? &k->acts : &k->unsigned_) = a->next;
        keeper_act_free(a);
    }
    keeper_ticket_close(k);
    keeper_lookup_close(k);
    keeper_scan_close(k);
    keeper_receive_close_all(k);
    keeper_move_close_all(k);
    if (k->stopped == 0 && k->vault != NULL && ledger_flush(k->ledger, &e) == 0 &&
        catalog_sync(k->catalog) == 0 && vault_checkpoint(k->vault, &e) != 0)
        log_warn("no checkpoint at the end", "why", err_text(&e));
    keeper_sync_close(k->sync);
    vault_close(k->vault);
    ledger_close(k->ledger);
    catalog_close(k->catalog);
    keyring_free(k->keys);
    store_free(k->store);
    tlog_policy_free(k->quorum);
    for (size_t i = 0; i < k->policies; i++)
        placement_free(k->policy[i]);
    buf_free(&k->sign.signed_note);
    buf_free(&k->round.note);
    msg_close(k->front);
    msg_close(k->signer);
    msg_close(k->courier);
    msg_close(k->reader);
    msg_close(k->control);
    ring_close(k->ring);
    secret_wipe(k->move_key, sizeof(k->move_key));
}

int keeper_main(struct config *c)
{
    struct keeper *k = calloc(1, sizeof(*k));
    struct err e = ERR_INIT;
    int rc;

    if (k == NULL)
        return 3;
    k->c = c;
    k->acts_end = &k->acts;
    k->unsigned_end = &k->unsigned_;
    buf_init(&k->sign.signed_note, CORE_NOTE_MAX);
    buf_init(&k->round.note, CORE_NOTE_MAX);
    rc = keeper_open(k, &e);
    if (rc == 0) {
        log_info("keeper serves");
        loop(k);
    } else {
        log_error(err_text(&e));
    }
    keeper_close(k);
    free(k);
    return rc == 0 ? 0 : rc == -EINVAL ? 2 : 3;
}
