/* keeper_admin.c - the admin socket: who may speak is decided by the kernel's word about the peer's
 * uid. Documents are handed to the reader as one sealed memfd; what it answers decides. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "people/dsse.h"
#include "site/backup.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"

#define ADMINS_MAX 16
#define ASKS 8 /* of one of them in a turn */

struct admin {
    struct admin *next;
    struct msg_chan *chan;
    uint64_t no;     /* ours; never reused */
    uint64_t ask_id; /* of the request under way */
    bool busy;
    uint64_t read_id; /* at the reader; 0: none */
    uint32_t read_what;
    struct buf document;
};

static struct admin *admin_of(struct keeper *k, uint64_t no)
{
    for (struct admin *a = k->admins; a != NULL; a = a->next)
        if (a->no == no)
            return a;
    return NULL;
}

static void admin_drop(struct keeper *k, struct admin *a)
{
    for (struct admin **at = &k->admins; *at != NULL; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            break;
        }
    /* closing would not do: the supervisor may not have closed its own yet */
    (void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, msg_fd(a->chan), NULL);
    msg_close(a->chan);
    buf_free(&a->document);
    free(a);
}

void keeper_admin_say(struct keeper *k, uint64_t admin, bool end, int rc, uint64_t done,
                      uint64_t total, const char *fmt, ...)
{
    struct admin *a = admin_of(k, admin);
    struct pm_admin_says m;
    va_list ap;

    if (a == NULL)
        return; /* it has left; the work goes on */
    memset(&m, 0, sizeof(m));
    m.end = end;
    m.rc = rc;
    m.done = done;
    m.total = total;
    va_start(ap, fmt);
    (void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
    va_end(ap);
    if (!end && msg_queued(a->chan) > MSG_QUEUE / 2)
        return; /* progress may be lost, the end may not: there is always room for it */
    if (msg_send(a->chan, PA_SAYS, a->ask_id, span_of(&m, sizeof(m)), NULL) != 0 && !end)
        return;
    if (end)
        a->busy = false;
}

/* --- documents --- */

static int append_artifact(struct keeper *k, const struct digest *d, struct buf *all, uint64_t *at,
                           uint64_t *len, struct err *e)
{
    int rc;

    *at = all->len;
    rc = tlog_tiles_artifact(k->ledger_dir, d, all, e);
    *len = all->len - *at;
    return rc;
}

int keeper_admin_memfd(const struct buf *b, int *out)
{
    int fd = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    if (fd < 0)
        return -errno;
    rc = io_write_all(fd, b->data, b->len);
    if (rc == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        rc = -errno;
    if (rc != 0) {
        io_close(&fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static void published(struct keeper *k, struct act *a, int rc);

/* What the reader checks against must still be in force when its answer comes: one at a time. */
static bool another_is_checked(const struct keeper *k)
{
    for (const struct admin *a = k->admins; a != NULL; a = a->next)
        if (a->read_id != 0)
            return true;
    for (const struct act *a = k->acts; a != NULL; a = a->next)
        if (a->done == published)
            return true;
    return false;
}

/* Hands the document, the register in force and the predecessor to the reader. */
static int to_reader(struct keeper *k, struct admin *a, uint32_t what, struct err *e)
{
    struct pm_read m;
    struct buf all;
    int fd = -1, rc;

    if (another_is_checked(k))
        return err_set(e, -EBUSY, "another document is being checked; try again in a moment");
    memset(&m, 0, sizeof(m));
    buf_init(&all, 4 * DSSE_MAX_BYTES);
    m.what = what;
    m.at = clock_now();
    m.len = a->document.len;
    rc = buf_put(&all, a->document.data, a->document.len);
    if (rc == 0 && k->has_register) {
        m.register_doc = k->register_doc;
        rc = append_artifact(k, &k->register_doc, &all, &m.register_at, &m.register_len, e);
    }
    if (rc == 0 && (rc = keeper_predecessor(k, what, &m.previous_doc)) == 0)
        rc = append_artifact(k, &m.previous_doc, &all, &m.previous_at, &m.previous_len, e);
    else if (rc == 1)
        rc = 0; /* the first of its kind */
    if (rc == 0 && (rc = keeper_admin_memfd(&all, &fd)) == 0) {
        a->read_id = ++k->next_id;
        a->read_what = what;
        rc = keeper_parts_ask(k, true, PR_READ, a->read_id, span_of(&m, sizeof(m)), &fd);
        if (rc != 0)
            a->read_id = 0;
    }
    io_close(&fd);
    buf_free(&all);
    return rc == 0 ? 0 : err_sys(e, rc, "handing the document to the reader");
}

static int document_of(struct admin *a, int fd, struct err *e)
{
    struct stat st;
    int rc;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        (uint64_t)st.st_size > DSSE_MAX_BYTES)
        return err_set(e, -EINVAL, "a document is a regular file of at most %zu bytes",
                       DSSE_MAX_BYTES);
    buf_reset(&a->document);
    if ((rc = buf_reserve(&a->document, (size_t)st.st_size)) != 0)
        return err_sys(e, rc, "taking the document");
    rc = io_pread_full(fd, a->document.data, (size_t)st.st_size, 0);
    if (rc == 0)
        a->document.len = (size_t)st.st_size;
    return rc == 0 ? 0 : err_sys(e, rc, "reading the document");
}

/* --- publishing: what the reader found becomes leaves --- */

static void doc_leaf(struct leaf_builder *b, enum leaf_kind kind, const char *site,
                     const struct digest *doc, bool has_previous, const struct digest *previous,
                     uint64_t serial)
{
    leaf_begin(b, kind, clock_now(), site);
    leaf_set_digest(b, LF_DOC, doc);
    if (has_previous)
        leaf_set_digest(b, LF_PREV, previous);
    leaf_set_int(b, LF_SERIAL, serial);
}

static const enum leaf_kind change_kind[] = {
    [CHANGE_PERSON_ENROLLED] = LK_PERSON_ENROLLED, [CHANGE_KEY_BOUND] = LK_KEY_BOUND,
    [CHANGE_KEY_REVOKED] = LK_KEY_REVOKED,         [CHANGE_ROLE_GRANTED] = LK_ROLE_GRANTED,
    [CHANGE_ROLE_ENDED] = LK_ROLE_ENDED,
};

static int change_leaf(struct keeper *k, struct act *a, const struct register_change *h)
{
    struct leaf_builder b;

    leaf_begin(&b, change_kind[h->kind], clock_now(), k->c->site);
    leaf_set_id(&b, LF_PERSON, &h->person);
    if (h->kind == CHANGE_PERSON_ENROLLED) {
        leaf_set_id(&b, LF_ORG, &h->org);
        if (h->vouched)
            leaf_set_id(&b, LF_VOUCHER, &h->voucher);
    } else if (h->kind == CHANGE_KEY_BOUND || h->kind == CHANGE_KEY_REVOKED) {
        leaf_set_key(&b, LF_KEY, h->key.b);
    } else {
        leaf_set_text(&b, LF_ROLE, register_role_word(h->role));
    }
    return keeper_act_leaf(a, &b);
}

static int publish_register(struct keeper *k, struct act *a, const struct digest *doc,
                            struct span record)
{
    struct read_register r;
    struct leaf_builder b;
    int rc = read_register_decode(record, &r);

    if (rc != 0)
        return rc;
    doc_leaf(&b, LK_REGISTER_PUBLISHED, k->c->site, doc, r.has_previous, &r.previous, r.serial);
    rc = r.serial > KEEPER_REGISTERS_MAX ? -E2BIG : keeper_act_leaf(a, &b);
    for (size_t i = 0; i < r.n && rc == 0; i++)
        rc = change_leaf(k, a, &r.change[i]);
    read_register_done(&r);
    return rc;
}

static int publish_policy(struct keeper *k, struct act *a, const struct digest *doc,
                          struct span record)
{
    struct read_policy p;
    struct leaf_builder b;
    int rc = read_policy_decode(record, &p);

    if (rc != 0)
        return rc;
    doc_leaf(&b, LK_POLICY_PUBLISHED, k->c->site, doc, p.has_previous, &p.previous,
             p.placement->serial);
    leaf_set_time(&b, LF_VALID_FROM, p.placement->valid_from);
    rc = k->policies >= KEEPER_POLICIES_MAX ? -E2BIG : keeper_act_leaf(a, &b);
    placement_free(p.placement);
    return rc;
}

static int publish_statement(struct keeper *k, struct act *a, const struct digest *doc,
                             struct span record)
{
    struct read_statement s;
    struct leaf_builder b;
    int rc = read_statement_decode(record, &s);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_STATEMENT_PUBLISHED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    leaf_set_text(&b, LF_LANG, s.language);
    leaf_set_text(&b, LF_SCOPES, statement_scopes_word(s.scopes));
    leaf_set_int(&b, LF_ERASE_WITHIN, s.erase_within);
    leaf_set_int(&b, LF_RETENTION, s.retention);
    return k->statements >= KEEPER_STATEMENTS_MAX ? -E2BIG : keeper_act_leaf(a, &b);
}

struct publishing {
    uint64_t admin;
    struct digest doc;
};

static void published(struct keeper *k, struct act *a, int rc)
{
    struct publishing *p = a->ctx;
    struct err e = ERR_INIT;
    char hex[65];

    text_digest(hex, &p->doc);
    if (rc == 0 && (rc = keeper_load_documents(k, &e)) != 0)
        keeper_admin_say(k, p->admin, true, rc, 0, 0, "%s", err_text(&e));
    else if (rc != 0)
        keeper_admin_say(k, p->admin, true, rc, 0, 0, "not published: %s", strerror(-rc));
    else
        keeper_admin_say(k, p->admin, true, 0, 1, 1, "published %s in leaf %llu", hex,
                         (unsigned long long)a->index[0]);
}

static void ctx_free(struct act *a)
{
    free(a->ctx);
}

static int most(uint32_t what)
{
    return what == READ_POLICY     ? KEEPER_POLICIES_MAX
           : what == READ_REGISTER ? KEEPER_REGISTERS_MAX
                                   : KEEPER_STATEMENTS_MAX;
}

static int publish(struct keeper *k, struct admin *ad, const struct pm_read_is *m,
                   struct span record, struct err *e)
{
    struct note_document n = {(uint8_t)m->what, m->doc, record};
    struct buf of_rules;
    struct act *a;
    struct publishing *p = calloc(1, sizeof(*p));
    struct digest stored;
    struct buf *note;
    int rc;

    buf_init(&of_rules, 4096);
    (void)keeper_group_commit(k); /* what was admitted before stands in the ledger before */
    a = keeper_act_new();
    rc = a == NULL || p == NULL ? -ENOMEM : 0;
    /* the artifact is there before the leaf that names it */
    if (rc == 0)
        rc = keeper_builds_store(k, m->what, buf_span(&ad->document), &stored, e);
    if (rc == 0 && !digest_eq(&stored, &m->doc))
        rc = err_set(e, -EPROTO, "the reader speaks of another document");
    if (rc == 0 && m->what == READ_REGISTER)
        rc = publish_register(k, a, &m->doc, record);
    else if (rc == 0 && m->what == READ_POLICY)
        rc = publish_policy(k, a, &m->doc, record);
    else if (rc == 0 && m->what == READ_STATEMENT)
        rc = publish_statement(k, a, &m->doc, record);
    else if (rc == 0) {
        rc = (m->what >= READ_PRODUCT ? keeper_builds_leaf : keeper_rules_leaf)(
            k, a, m->what, &m->doc, record, &of_rules, e);
        n.record = buf_span(&of_rules);
    }
    if (rc == 0 && ((note = keeper_act_note_new(a, NULL, 0)) == NULL ||
                    keeper_note_put_document(note, &n) != 0))
        rc = -ENOMEM;
    buf_free(&of_rules);
    if (rc != 0) {
        free(p);
        keeper_act_free(a);
        return e->text[0] != '\0' ? rc
               : rc == -E2BIG
                   ? err_set(e, rc, "this site takes at most %d such documents", most(m->what))
                   : err_sys(e, rc, "publishing the document");
    }
    p->admin = ad->no;
    p->doc = m->doc;
    a->in_order = true;
    a->ctx = p;
    a->free = ctx_free;
    a->done = published;
    keeper_group_add(k, a);
    (void)keeper_group_commit(k); /* published() is told */
    return 0;
}

/* A move's approval is an artifact as well; the leaf move.opened names it. */
static int begin_move(struct keeper *k, struct admin *ad, const struct pm_read_is *m,
                      struct span record, struct err *e)
{
    struct read_move r;
    struct digest stored;
    int rc;

    if ((rc = read_move_decode(record, &r)) != 0)
        return err_sys(e, rc, "the reader's answer");
    if ((rc = ledger_put_artifact(k->ledger, buf_span(&ad->document), &stored, e)) != 0)
        return rc;
    keeper_move_begin(k, ad->no, &r, &m->doc);
    return 0;
}

void keeper_admin_read_answer(struct keeper *k, uint64_t id, const struct pm_read_is *m,
                              struct span record)
{
    struct err e = ERR_INIT;
    struct admin *a = id == 0 ? NULL : k->admins; /* 0: none is at the reader */
    int rc;

    while (a != NULL && a->read_id != id)
        a = a->next;
    if (a == NULL)
        return;
    a->read_id = 0;
    if (m->rc != 0)
        rc = err_set(&e, m->rc, "%.*s", (int)sizeof(m->text), m->text);
    else if (m->what != a->read_what)
        rc = err_set(&e, -EPROTO, "the reader answers another question");
    else if (m->what == READ_MOVE)
        rc = begin_move(k, a, m, record, &e);
    else
        rc = publish(k, a, m, record, &e);
    if (rc != 0)
        keeper_admin_say(k, a->no, true, rc, 0, 0, "%s", err_text(&e));
}

void keeper_admin_reader_gone(struct keeper *k)
{
    for (struct admin *a = k->admins; a != NULL; a = a->next) {
        if (a->read_id == 0)
            continue;
        a->read_id = 0;
        keeper_admin_say(k, a->no, true, -EAGAIN, 0, 0,
                         "the reader ended while it looked at the document; nothing was published, "
                         "try again");
    }
}

/* --- requests --- */

static void withdraw_statement(struct keeper *k, struct admin *ad, const struct digest *doc)
{
    struct leaf_builder b;
    struct publishing *p = calloc(1, sizeof(*p));
    struct act *a = keeper_act_new();
    struct buf *note = a == NULL ? NULL : keeper_act_note_new(a, NULL, 0);
    bool known = false;

    for (size_t i = 0; i < k->statements; i++)
        known = known || (digest_eq(&k->statement[i].doc, doc) && !k->statement[i].withdrawn);
    if (!known || note == NULL || p == NULL) {
        keeper_admin_say(k, ad->no, true, known ? -ENOMEM : -ENOENT, 0, 0,
                         "no such statement is in force; \"glarus site status\" lists them");
        keeper_act_free(a);
        free(p);
        return;
    }
    leaf_begin(&b, LK_STATEMENT_WITHDRAWN, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    p->admin = ad->no;
    p->doc = *doc;
    a->ctx = p;
    a->free = ctx_free;
    a->done = published;
    if (keeper_act_leaf(a, &b) == 0 && keeper_note_put_withdrawn(note, doc) == 0) {
        (void)keeper_group_commit(k); /* what was admitted before stands in the ledger before */
        keeper_group_add(k, a);
        (void)keeper_group_commit(k); /* and nothing after: published() reads what is in force */
    } else {
        keeper_act_free(a);
        keeper_admin_say(k, ad->no, true, -ENOMEM, 0, 0, "out of memory");
    }
}

/* The first thing that is damaged, for whoever fetches it from a copy. */
static const char *first_damage(const struct vault_scrub *s, char out[160])
{
    char ref[33];

    out[0] = '\0';
    if (s->bad_stretches > 0)
        (void)snprintf(out, 160, "; the first: segment %u, byte %llu, groups %llu to %llu",
                       (unsigned)s->first_stretch.segment, (unsigned long long)s->first_stretch.at,
                       (unsigned long long)s->first_stretch.first_seq,
                       (unsigned long long)s->first_stretch.last_seq);
    else if (s->bad_segments > 0)
        (void)snprintf(out, 160, "; the first: segment %u", (unsigned)s->first_bad_segment);
    else if (s->bad_objects > 0) {
        text_id(ref, &s->first_bad);
        (void)snprintf(out, 160, "; the first: copy %s", ref);
    }
    return out;
}

static void scrub(struct keeper *k, struct admin *ad)
{
    struct vault_scrub s;
    struct err e = ERR_INIT;
    char first[160];
    int rc;

    keeper_group_commit(k);
    if ((rc = vault_scrub(k->vault, &s, NULL, NULL, &e)) != 0) {
        keeper_admin_say(k, ad->no, true, rc, s.objects, s.objects, "%s", err_text(&e));
        return;
    }
    if (s.bad_objects + s.bad_segments + s.bad_stretches > 0)
        rc = -EBADMSG;
    keeper_admin_say(k, ad->no, true, rc, s.objects, s.objects,
                     "%llu objects, %llu bytes, %llu sealed segments, %llu groups read; %llu "
                     "objects, %llu segments and %llu stretches of the journal are damaged%s",
                     (unsigned long long)s.objects, (unsigned long long)s.bytes,
                     (unsigned long long)s.segments, (unsigned long long)s.groups,
                     (unsigned long long)s.bad_objects, (unsigned long long)s.bad_segments,
                     (unsigned long long)s.bad_stretches, first_damage(&s, first));
}

static void backup_point(struct keeper *k, struct admin *ad)
{
    struct backup_point at;

    (void)keeper_group_commit(k);
    vault_end(k->vault, &at.segment, &at.end);
    keeper_admin_say(k, ad->no, true, k->stopped, 0, 0, BACKUP_POINT, (unsigned)at.segment,
                     (unsigned long long)at.end, (unsigned long long)vault_epoch(k->vault),
                     (unsigned long long)vault_ledger_size(k->vault));
}

static void asked(struct keeper *k, struct admin *a, const struct pm_admin *m, int fd)
{
    struct err e = ERR_INIT;
    int rc = 0;

    if (k->stopped != 0 && m->what != ADMIN_STATUS) {
        keeper_admin_say(k, a->no, true, k->stopped, 0, 0, "the writer has stopped: %s",
                         k->stopped_why);
        return;
    }
    if (!keeper_clock_good(k) && m->what != ADMIN_STATUS && m->what != ADMIN_CONFIRM_CLOCK &&
        m->what != ADMIN_BACKUP) {
        keeper_admin_say(k, a->no, true, -EAGAIN, 0, 0,
                         "the clock is not right or not confirmed yet: nothing may be dated; "
                         "\"glarus site status\" tells more");
        return;
    }
    switch ((enum proto_admin)m->what) {
    case ADMIN_STATUS:
        keeper_state_tell(k, a->no);
        return;
    case ADMIN_CONFIRM_CLOCK:
        keeper_clock_confirm(k);
        keeper_admin_say(k, a->no, true, 0, 0, 0, "the clock is taken as right");
        return;
    case ADMIN_PUBLISH:
    case ADMIN_RELOCATE:
        rc = fd < 0 ? err_set(&e, -EINVAL, "no document came with the request")
                    : document_of(a, fd, &e);
        if (rc == 0 && (m->document >= READ_KINDS || m->document == READ_PROOF))
            rc = err_set(&e, -EINVAL, "unknown kind of document");
        if (rc == 0)
            rc = to_reader(k, a, m->what == ADMIN_RELOCATE ? READ_MOVE : m->document, &e);
        break;
    case ADMIN_WITHDRAW_STATEMENT:
        withdraw_statement(k, a, &m->digest);
        return;
    case ADMIN_TURN_EPOCH:
        k->turn_wanted = true;
        keeper_admin_say(k, a->no, true, 0, 0, 0, "the epoch turns; epoch %llu ends",
                         (unsigned long long)vault_epoch(k->vault));
        return;
    case ADMIN_INVENTORY:
        rc = keeper_epoch_inventory(k, NULL, &e);
        if (rc == 0) {
            keeper_admin_say(k, a->no, true, 0, 0, 0, "the inventory is logged");
            return;
        }
        break;
    case ADMIN_SCRUB:
        scrub(k, a);
        return;
    case ADMIN_BACKUP:
        backup_point(k, a);
        return;
    default:
        rc = err_set(&e, -EINVAL, "unknown request");
    }
    if (rc != 0)
        keeper_admin_say(k, a->no, true, rc, 0, 0, "%s", err_text(&e));
}

void keeper_admin_event(struct keeper *k, struct admin *a)
{
    struct err e = ERR_INIT;
    struct msg m;
    int rc;

    for (int i = 0; (rc = msg_recv(a->chan, &m, &e)) == 0; i++) {
        struct pm_admin ask;

        memcpy(&ask, m.body.p, sizeof(ask));
        if (a->busy) {
            rc = -EPROTO; /* one at a time */
            break;
        }
        a->busy = true;
        a->ask_id = m.id;
        asked(k, a, &ask, m.type->type == PA_ASK_FILE ? m.fd[0] : -1);
        if (i == ASKS) /* others want the keeper as well; the rest is there next turn */
            return;
    }
    if (rc != -EAGAIN)
        admin_drop(k, a);
}

void keeper_admin_take(struct keeper *k, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN};
    struct err e = ERR_INIT;
    struct admin *a;
    size_t n = 0;

    for (a = k->admins; a != NULL; a = a->next)
        n++;
    if (n >= ADMINS_MAX || (a = calloc(1, sizeof(*a))) == NULL) {
        log_warn("too many administrators at once; one was turned away");
        io_close(&fd);
        return;
    }
    buf_init(&a->document, DSSE_MAX_BYTES);
    if (msg_open(&a->chan, fd, &proto_admin, MSG_B, &e) != 0) {
        log_warn("an admin connection failed", "why", err_text(&e));
        free(a);
        return;
    }
    a->no = ++k->next_id;
    a->next = k->admins;
    k->admins = a;
    ev.data.ptr = a;
    if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, msg_fd(a->chan), &ev) != 0)
        admin_drop(k, a);
}

bool keeper_admin_flush(struct keeper *k)
{
    bool waits = false;

    for (struct admin *a = k->admins; a != NULL; a = a->next)
        if (msg_wants_write(a->chan))
            waits = msg_flush(a->chan) == -EAGAIN || waits;
    return waits;
}

void keeper_admin_close_all(struct keeper *k)
{
    while (k->admins != NULL)
        admin_drop(k, k->admins);
}
