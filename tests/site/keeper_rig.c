#include "keeper_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "events/receipt_extra.h"
#include "jail/jail.h"
#include "ledger/tlog_proof.h"
#include "site/init.h"
#include "site/process.h"

#define ROOT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

const char *keeper_rig_epoch = "1d";
void (*keeper_rig_in_child)(void);

/* --- founding --- */

static void put_token(struct buf *b, const char *name, const char *token, const char *more)
{
    struct digest d;
    char hex[65];

    sha256_of(token, strlen(token), &d);
    text_digest(hex, &d);
    assert_int_equal(buf_printf(b, "  - {name: %s, token_sha256: %s%s}\n", name, hex, more), 0);
}

static void write_config(struct keeper_rig *r)
{
    char w_key[CORE_VKEY_TEXT_MAX + 1], peer[CORE_VKEY_TEXT_MAX + 1], move[TEXT_BASE64_LEN(32) + 1];
    uint8_t pub[32];
    struct err e = ERR_INIT;
    struct buf b;

    note_vkey_format(&r->w_signer.key, w_key);
    note_vkey_format(&r->peer_signer.key, peer);
    box_public(r->peer_move, pub);
    text_base64(move, pub, sizeof(pub));
    (void)snprintf(r->peer_policy, sizeof(r->peer_policy), "log %s\nwitness w1 %s\nquorum w1\n",
                   peer, w_key);
    buf_init(&b, 16384);
    assert_int_equal(
        buf_printf(
            &b,
            "format: site/v1\nsite: zrh1\nzone: CH\norigin: zrh1.example/ledger\n"
            "url: http://127.0.0.1:1\nlisten: 127.0.0.1:0\nkeys: {}\n"
            "roots: {threshold: 1, keys: [" ROOT "]}\n"
            "run_as: {front: 64001, keeper: 64002, signer: 64003, courier: 64004, "
            "reader: 64005}\n"
            "epoch: %s\nlimits: {object: %u, in_flight: 4MiB, segment: 4MiB, checkpoint_ms: 50}\n"
            "quorum: |\n  witness w1 %s http://127.0.0.1:1/\n  quorum w1\n"
            "peers:\n  - site: mow1\n    zone: RU\n    url: http://127.0.0.1:2\n"
            "    move_key: '%s'\n    policy: |\n      log %s\n      witness w1 %s\n"
            "      quorum w1\nsubmitters:\n",
            keeper_rig_epoch, RIG_OBJECT_MAX, w_key, move, peer, w_key),
        0);
    put_token(&b, "all", RIG_TOKEN, ", in_flight: 20");
    put_token(&b, "swiss", RIG_TOKEN_CH, ", countries: ['CH']");
    rig_ok(io_replace_file(AT_FDCWD, r->file, b.data, b.len, 0644), &e);
    buf_free(&b);
}

static void keys(struct keeper_rig *r)
{
    struct err e = ERR_INIT;

    rig_ok(ed25519_generate(&r->witness), &e);
    rig_ok(ed25519_generate(&r->peer_key), &e);
    rig_ok(note_signer_init(&r->w_signer, "witness.example/w1", VKEY_COSIGNATURE, r->witness, &e),
           &e);
    rig_ok(note_signer_init(&r->peer_signer, "mow1.example/ledger", VKEY_ED25519, r->peer_key, &e),
           &e);
    random_bytes(r->peer_move, sizeof(r->peer_move));
    random_bytes(r->secret, sizeof(r->secret));
}

static void found(struct keeper_rig *r)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1], w_key[CORE_VKEY_TEXT_MAX + 1];
    struct err e = ERR_INIT;
    int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    rig_ok(config_load(&r->c, r->file, &e), &e);
    (void)fflush(stdout); /* it prints the keys */
    (void)dup2(null, STDOUT_FILENO);
    rig_ok(site_init(r->c, &e), &e);
    (void)fflush(stdout);
    (void)dup2(out, STDOUT_FILENO);
    (void)close(out);
    (void)close(null);
    rig_ok(ed25519_load(&r->key, r->c->ledger_key, &e), &e);
    rig_ok(note_signer_init(&r->log_signer, r->c->origin, VKEY_ED25519, r->key, &e), &e);
    rig_ok(site_init_move_key(r->c, r->move_pub, &e), &e);
    note_vkey_format(&r->log_signer.key, vkey);
    note_vkey_format(&r->w_signer.key, w_key);
    (void)snprintf(r->policy, sizeof(r->policy), "log %s\nwitness w1 %s\nquorum w1\n", vkey, w_key);
}

/* --- the child --- */

static __attribute__((noreturn)) void child(struct keeper_rig *r, const int end[5], int ring)
{
    static const int at[] = {PART_FRONT, PART_SIGNER, PART_COURIER, PART_READER, PART_CONTROL};
    int moved[5], log;

    log = open(r->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(99);
    ring = fcntl(ring, F_DUPFD, 40);
    for (int i = 0; i < 5; i++)
        moved[i] = fcntl(end[i], F_DUPFD, 40);
    for (int i = 0; i < 5; i++)
        if (dup2(moved[i], at[i]) < 0)
            _exit(99);
    (void)close(PART_CHANNEL);
    if (dup2(ring, PART_RING) < 0 || jail_close_from(PART_CONTROL + 1, NULL, 0) != 0)
        _exit(98);
    (void)close(PART_LISTEN);
    log_open("keeper", LOG_INFO_, -1);
    if (keeper_rig_in_child != NULL)
        keeper_rig_in_child();
    _exit(keeper_main(r->c));
}

void rig_spawn(struct keeper_rig *r)
{
    int front[2], signer[2], courier[2], reader[2], control[2];
    struct err e = ERR_INIT;

    rig_ok(msg_pair(front, &e), &e);
    rig_ok(msg_pair(signer, &e), &e);
    rig_ok(msg_pair(courier, &e), &e);
    rig_ok(msg_pair(reader, &e), &e);
    rig_ok(msg_pair(control, &e), &e);
    ring_close(r->ring);
    rig_ok(ring_new(&r->ring, PROTO_SLOT_BYTES, RIG_SLOTS, &e), &e);
    r->gone = r->ready = false;
    r->life[0] = r->life[1] = 0;
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0) {
        const int end[] = {front[0], signer[0], courier[0], reader[0], control[0]};

        child(r, end, ring_fd(r->ring));
    }
    (void)close(front[0]);
    (void)close(signer[0]);
    (void)close(courier[0]);
    (void)close(reader[0]);
    (void)close(control[0]);
    rig_ok(msg_open(&r->front, front[1], &proto_front, MSG_A, &e), &e);
    rig_ok(msg_open(&r->signer, signer[1], &proto_signer, MSG_B, &e), &e);
    rig_ok(msg_open(&r->courier, courier[1], &proto_courier, MSG_B, &e), &e);
    rig_ok(msg_open(&r->reader, reader[1], &proto_reader, MSG_B, &e), &e);
    rig_ok(msg_open(&r->control, control[1], &proto_control, MSG_A, &e), &e);
}

void rig_start(struct keeper_rig *r)
{
    rig_spawn(r);
    /* the parts answer meanwhile: it asks the witness for the time first */
    rig_until(r, r->ready);
}

static void new_part(struct keeper_rig *r, bool reader)
{
    struct msg_chan **c = reader ? &r->reader : &r->courier;
    struct err e = ERR_INIT;
    int end[2], rc;

    assert_true(r->n_old < ARRAY_LEN(r->old));
    if (*c != NULL)
        r->old[r->n_old++] = *c;
    rig_ok(msg_pair(end, &e), &e);
    rig_ok(msg_open(c, end[1], reader ? &proto_reader : &proto_courier, MSG_B, &e), &e);
    rc = msg_send_wait(r->control, reader ? PX_READER : PX_COURIER, ++r->life[reader],
                       span_of(NULL, 0), &end[0], RIG_SOON);
    assert_true(rc == 0 || rc == -EPIPE); /* gone: whoever waits for the keeper notices */
    assert_int_equal(close(end[0]), 0);
}

void rig_new_courier(struct keeper_rig *r)
{
    new_part(r, false);
}

void rig_new_reader(struct keeper_rig *r)
{
    new_part(r, true);
}

static void forget_heard(struct keeper_rig *r)
{
    for (size_t i = 0; i < r->n_heard; i++) {
        buf_free(&r->heard[i].body);
        io_close(&r->heard[i].fd);
    }
    r->n_heard = 0;
}

void rig_close_parts(struct keeper_rig *r)
{
    struct msg_chan **all[] = {&r->front, &r->signer, &r->courier, &r->reader, &r->control};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        msg_close(*all[i]);
        *all[i] = NULL;
    }
    while (r->n_old > 0)
        msg_close(r->old[--r->n_old]);
    forget_heard(r);
}

int rig_ended(struct keeper_rig *r)
{
    mono_ms until = clock_mono() + RIG_SOON;
    int status = 0;
    pid_t got;

    while ((got = waitpid(r->pid, &status, WNOHANG)) == 0) {
        if (clock_mono() > until)
            fail_msg("the keeper does not end");
        rig_turn(r, 5);
        (void)poll(NULL, 0, r->gone ? 5 : 0);
    }
    assert_int_equal(got, r->pid);
    r->pid = 0;
    rig_close_parts(r);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void rig_kill(struct keeper_rig *r)
{
    (void)kill(r->pid, SIGKILL);
    (void)waitpid(r->pid, NULL, 0);
    r->pid = 0;
    rig_close_parts(r);
}

bool rig_alive(struct keeper_rig *r)
{
    return rig_metric(r, "site_ledger_size") > 0;
}

bool rig_logged(const struct keeper_rig *r, const char *words)
{
    struct buf b;
    bool found;

    buf_init(&b, 16 << 20);
    found = io_read_file(AT_FDCWD, r->log, &b) == 0 &&
            memmem(b.data, b.len, words, strlen(words)) != NULL;
    buf_free(&b);
    return found;
}

/* --- the pump --- */

/* false: nothing there. */
static bool take(struct keeper_rig *r, struct msg_chan *c, struct msg *m)
{
    struct err e = ERR_INIT;
    int rc = c == NULL ? -EAGAIN : msg_recv(c, m, &e);

    if (rc == -EPROTO)
        fail_msg("the keeper broke the protocol: %s", err_text(&e));
    if (rc == -EPIPE && (c == r->courier || c == r->reader)) {
        msg_close(c); /* the keeper does without it */
        r->courier = c == r->courier ? NULL : r->courier;
        r->reader = c == r->reader ? NULL : r->reader;
        return false;
    }
    r->gone = r->gone || rc == -EPIPE;
    return rc == 0;
}

static bool take_front(struct keeper_rig *r)
{
    struct rig_heard *h = &r->heard[r->n_heard];
    struct msg m;

    if (r->n_heard == RIG_HEARD || !take(r, r->front, &m))
        return false;
    h->type = m.type->type;
    h->id = m.id;
    h->fd = m.type->nfds > 0 ? msg_take_fd(&m, 0) : -1;
    buf_init(&h->body, MSG_BODY_MAX);
    assert_int_equal(buf_put(&h->body, m.body.p, m.body.n), 0);
    r->n_heard++;
    return true;
}

static void take_courier(struct keeper_rig *r, struct msg *m)
{
    struct cur c = cur_of(m->body);
    struct pm_witness w;
    struct pm_carry carry;

    r->last_courier_id = m->id;
    if (m->type->type == PC_WITNESS) {
        r->asked_witness++;
        assert_int_equal(cur_copy(&c, &w, sizeof(w)), 0);
        if (r->cosign != NULL)
            r->cosign(r, m->id, w.witness, span_of(c.p, c.n));
    } else {
        r->asked_courier++;
        assert_int_equal(cur_copy(&c, &carry, sizeof(carry)), 0);
        if (r->carry != NULL)
            r->carry(r, m->id, &carry, span_of(c.p, c.n));
    }
}

static void take_parts(struct keeper_rig *r)
{
    struct msg m;

    while (take(r, r->signer, &m)) {
        struct pm_sign s;

        memcpy(&s, m.body.p, sizeof(s));
        r->asked_signer++;
        if (r->sign != NULL)
            r->sign(r, m.id, &s);
    }
    while (take(r, r->courier, &m))
        take_courier(r, &m);
    while (take(r, r->reader, &m)) {
        struct pm_read s;

        memcpy(&s, m.body.p, sizeof(s));
        r->asked_reader++;
        r->last_reader_id = m.id;
        if (r->read != NULL)
            r->read(r, m.id, &s, m.fd[0]);
    }
    while (take(r, r->control, &m)) {
        r->ready = r->ready || m.type->type == PX_READY;
        r->lost_courier += m.type->type == PX_LOST_COURIER;
        r->lost_reader += m.type->type == PX_LOST_READER;
        if (m.type->type == PX_LOST_COURIER || m.type->type == PX_LOST_READER)
            r->lost_life = m.id;
    }
}

void rig_parts_only(struct keeper_rig *r, int ms)
{
    struct pollfd p = {.fd = msg_fd(r->control), .events = POLLIN};

    take_parts(r);
    (void)poll(&p, 1, ms);
    r->gone = r->gone || (p.revents & POLLHUP) != 0;
}

void rig_turn(struct keeper_rig *r, int ms)
{
    struct msg_chan *all[] = {r->front, r->signer, r->courier, r->reader, r->control};
    struct pollfd p[ARRAY_LEN(all)];
    mono_ms until = clock_mono() + ms;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        p[i] = (struct pollfd){.fd = all[i] == NULL ? -1 : msg_fd(all[i]), .events = POLLIN};
    for (;;) {
        mono_ms now;

        take_parts(r);
        if (take_front(r) || r->gone || (now = clock_mono()) >= until)
            return;
        (void)poll(p, ARRAY_LEN(all), (int)(until - now));
    }
}

void rig_quiet(struct keeper_rig *r)
{
    mono_ms until = clock_mono() + RIG_QUIET, now;
    size_t before = r->n_heard;

    while ((now = clock_mono()) < until && !r->gone)
        rig_turn(r, (int)(until - now));
    if (r->n_heard != before)
        fail_msg("a message of type %u came", r->heard[before].type);
}

/* --- up and down --- */

int keeper_rig_up(void **state)
{
    struct keeper_rig *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->last.fd = -1;
    buf_init(&r->last.body, MSG_BODY_MAX);
    buf_init(&r->record, PROTO_TAIL_MAX);
    (void)snprintf(r->dir, sizeof(r->dir), "%s/keeper-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(chmod(r->dir, 0755), 0);
    (void)snprintf(r->file, sizeof(r->file), "%s/glarusd.yaml", r->dir);
    (void)snprintf(r->admin, sizeof(r->admin), "%s/admin.sock", r->dir);
    (void)snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
    r->sign = rig_sign_honest;
    r->cosign = rig_cosign_honest;
    r->read = rig_read_honest;
    keys(r);
    write_config(r);
    found(r);
    rig_start(r);
    rig_publish(r);
    rig_until(r, rig_logged(r, "what runs is told"));
    rig_settle(r);
    *state = r;
    return 0;
}

int keeper_rig_down(void **state)
{
    struct keeper_rig *r = *state;
    const char *argv[] = {"rm", "-rf", r->dir, NULL};
    pid_t pid;

    if (r->pid > 0)
        rig_kill(r);
    rig_close_parts(r);
    ring_close(r->ring);
    io_close(&r->last.fd);
    buf_free(&r->last.body);
    buf_free(&r->record);
    signer_close(r->rule);
    ed25519_free(r->key);
    ed25519_free(r->witness);
    ed25519_free(r->peer_key);
    config_free(r->c);
    if ((pid = fork()) == 0) {
        (void)execvp("rm", (char *const *)argv);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
    free(r);
    return 0;
}
