/* rig_operator.c - documents and the admin socket, metrics, the audit. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "crypto/secret.h"
#include "events/country.h"
#include "people/document.h"
#include "people/dsse.h"
#include "residency/move.h"
#include "rig_priv.h"

/* --- the admin socket --- */

/* -1: nobody listens. */
static int reach(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof(a.sun_path));
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
        io_close(&fd);
    return fd;
}

/* Asks on a connection of its own; -EPIPE: nobody listens. */
static int ask_on(struct msg_chan **chan, const char *path, const struct pm_admin *ask,
                  const struct buf *document)
{
    struct err e = ERR_INIT;
    int fd = -1, sock = reach(path), rc;

    if (sock < 0)
        return -EPIPE;
    if (document != NULL) {
        fd = memfd_create("document", MFD_CLOEXEC);
        rig_ok(io_write_all(fd, document->data, document->len), &e);
    }
    rig_ok(msg_open(chan, sock, &proto_admin, MSG_A, &e), &e);
    rc = msg_send_wait(*chan, fd < 0 ? PA_ASK : PA_ASK_FILE, 1, span_of(ask, sizeof(*ask)),
                       fd < 0 ? NULL : &fd, RIG_SOON);
    io_close(&fd);
    return rc;
}

/* The last word of the keeper, or why there is none. */
static int converse(const char *path, const struct pm_admin *ask, const struct buf *document,
                    struct pm_admin_says *says)
{
    struct msg_chan *chan = NULL;
    struct err e = ERR_INIT;
    int rc = ask_on(&chan, path, ask, document);
    struct msg m;

    while (rc == 0 && (rc = msg_recv_wait(chan, &m, 2 * RIG_SOON, &e)) == 0) {
        memcpy(says, m.body.p, sizeof(*says));
        says->text[sizeof(says->text) - 1] = '\0';
        if (says->end)
            break;
    }
    msg_close(chan);
    return rc;
}

void rig_admin_leave(struct rig *r, size_t site, const struct pm_admin *ask,
                     const struct buf *document)
{
    struct msg_chan *chan = NULL;
    struct err e = ERR_INIT;
    struct msg m;

    /* its first word, so that the document is taken */
    rig_ok(ask_on(&chan, r->site[site].admin, ask, document), &e);
    rig_ok(msg_recv_wait(chan, &m, RIG_SOON, &e), &e);
    msg_close(chan);
}

int rig_admin(struct rig *r, size_t site, const struct pm_admin *ask, const struct buf *document,
              uint64_t *done, char text[1024])
{
    struct pm_admin_says says;
    int rc = converse(r->site[site].admin, ask, document, &says);

    if (rc != 0)
        fail_msg("%s: the keeper does not answer: %s", r->site[site].name, strerror(-rc));
    if (done != NULL)
        *done = says.done;
    if (text != NULL)
        memcpy(text, says.text, sizeof(says.text));
    return says.rc;
}

int rig_admin_try(struct rig *r, size_t site, const struct pm_admin *ask,
                  const struct buf *document, char text[1024])
{
    struct pm_admin_says says;

    if (converse(r->site[site].admin, ask, document, &says) != 0) {
        (void)snprintf(text, 1024, "it ended before it answered");
        return -EPIPE;
    }
    memcpy(text, says.text, sizeof(says.text));
    return says.rc;
}

static void admin(struct rig *r, size_t site, const struct pm_admin *ask,
                  const struct buf *document)
{
    char text[1024];
    int rc = rig_admin(r, site, ask, document, NULL, text);

    if (rc != 0)
        fail_msg("%s refuses: %s", r->site[site].name, text);
}

/* --- documents --- */

static void sign(const char *type, const struct buf *payload, struct ed25519_key *const *by,
                 struct buf *out, struct digest *doc)
{
    struct err e = ERR_INIT;
    struct dsse *d;

    rig_ok(dsse_new(&d, type, buf_span(payload)), &e);
    rig_ok(dsse_sign(d, by[0]), &e);
    rig_ok(dsse_sign(d, by[1]), &e);
    buf_init(out, DSSE_MAX_BYTES);
    rig_ok(dsse_write(d, out), &e);
    dsse_digest(buf_span(out), doc);
    dsse_free(d);
}

static void publish(struct rig *r, enum document kind, enum proto_read what,
                    const struct buf *payload, struct ed25519_key *const *by, struct digest *doc)
{
    struct pm_admin ask = {.what = ADMIN_PUBLISH, .document = (uint32_t)what};
    struct buf env;

    sign(document_type(kind), payload, by, &env, doc);
    for (size_t i = 0; i < r->sites; i++)
        admin(r, i, &ask, &env);
    buf_free(&env);
}

#define put(...) assert_int_equal(buf_printf(__VA_ARGS__), 0)

static void put_person(const struct rig *r, size_t i, const char *org, struct buf *b)
{
    static const char *const roles[] = {"registrar", "policy",  "statement", "mover",
                                        "author",    "release", "supervisor"};
    char id[33], key[TEXT_BASE64_LEN(32) + 1];
    struct ed25519_pub pub;

    text_id(id, &r->person_id[i]);
    ed25519_public(r->person[i], &pub);
    text_base64(key, pub.b, 32);
    put(b, "  - id: %s\n    org: %s\n    keys:\n      - {key: '%s', from: 2020-01-01T00:00Z}\n", id,
        org, key);
    put(b, "    roles:\n");
    for (size_t k = 0; k < ARRAY_LEN(roles); k++)
        put(b, "      - {role: %s, from: 2020-01-01T00:00Z}\n", roles[k]);
}

static void publish_register(struct rig *r)
{
    struct id128 id = random_id();
    struct buf b;
    char org[33];

    buf_init(&b, 65536);
    text_id(org, &id);
    put(&b, "format: register/v1\nserial: 1\nprevious: none\napprovals:\n"
            "  register: {role: registrar, persons: 2}\n  policy: {role: policy, persons: 2}\n"
            "  statement: {role: statement, persons: 1}\n  move: {role: mover, persons: 2}\n"
            "  change: {role: author, persons: 1}\n  release: {role: release, persons: 2}\n"
            "  override: {role: release, persons: 2}\n"
            "  product: {role: supervisor, persons: 2}\n");
    put(&b, "organizations:\n  - {id: %s, kind: vendor}\npersons:\n", org);
    for (size_t i = 0; i < RIG_PERSONS; i++)
        put_person(r, i, org, &b);
    publish(r, DOCUMENT_REGISTER, READ_REGISTER, &b, r->root, &r->register_doc);
    buf_free(&b);
}

/* The first countries of the table that have no other part in the plan. */
static void choose_movers(struct rig *r)
{
    size_t n = 0;

    assert_true(r->plan.movers <= RIG_MOVERS);
    for (size_t i = 0; i < COUNTRY_COUNT && n < r->plan.movers; i++) {
        const struct country *c = &country_table[i];

        if (!c->formerly && strstr("CA CH LI DE", c->code) == NULL)
            memcpy(r->mover[n++], c->code, 3);
    }
}

static bool moves(const struct rig *r, const char *code)
{
    bool found = strcmp(code, "CA") == 0;

    for (size_t i = 0; i < r->plan.movers; i++)
        found = found || strcmp(code, r->mover[i]) == 0;
    return found;
}

static bool lives_at_zrh(const struct rig *r, const char *code)
{
    return r->sites == 1 || strcmp(code, "CH") == 0 || strcmp(code, "LI") == 0;
}

static void put_subjects(const struct rig *r, bool zrh, struct buf *b)
{
    bool first = true;

    put(b, "  - subjects: [");
    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        const struct country *c = &country_table[i];

        if (c->formerly || moves(r, c->code) || lives_at_zrh(r, c->code) != zrh)
            continue;
        put(b, "%s'%s'", first ? "" : ", ", c->code);
        first = false;
    }
    put(b, "]\n    at:\n      - {zone: %s, from: 2017-01-01T00:00Z}\n", zrh ? "CH" : "RU");
}

static void publish_policy(struct rig *r)
{
    char author[33], now[CLOCK_SECOND_LEN + 1], from[CLOCK_SECOND_LEN + 1],
        by[CLOCK_SECOND_LEN + 1];
    struct buf b;

    choose_movers(r);
    buf_init(&b, 65536);
    text_id(author, &r->person_id[2]);
    clock_second(now, clock_now());
    put(&b,
        "format: policy/v1\nserial: 1\nprevious: none\nauthor: %s\nvalid_from: %s\nzones:\n"
        "  - zone: CH\n    sites: [zrh1]\n%s"
        "uniform:\n  retention: 365d\n  consent: required\n  read_approvals: 2\n  copies: 1\n"
        "  scan_within: 1h\ndifferences: []\nplacement:\n",
        author, now, r->sites == 2 ? "  - zone: RU\n    sites: [mow1]\n" : "");
    put_subjects(r, true, &b);
    if (r->sites == 2)
        put_subjects(r, false, &b);
    put(&b, "  - subjects: [CA");
    for (size_t i = 0; i < r->plan.movers; i++)
        put(&b, ", '%s'", r->mover[i]);
    put(&b, "]\n    at:\n      - {zone: %s, from: 2017-01-01T00:00Z}\n",
        r->sites == 2 ? "RU" : "CH");
    if (r->plan.moves_in > 0) {
        r->canada_moves = clock_now() + r->plan.moves_in;
        clock_second(from, r->canada_moves);
        clock_second(by, r->canada_moves + 3600);
        put(&b, "      - {zone: CH, from: %s, move_by: %s}\n", from, by);
    }
    put(&b, "  - subjects: ['product:*', 'rules:*']\n    at:\n"
            "      - {zone: CH, from: 2017-01-01T00:00Z}\n");
    publish(r, DOCUMENT_POLICY, READ_POLICY, &b, r->person, &r->policy_doc);
    buf_free(&b);
}

void rig_publish_statement(struct rig *r, const char *scopes, const char *text, struct digest *doc)
{
    struct buf b;

    buf_init(&b, 4096);
    put(&b,
        "format: statement/v1\nlanguage: en\nscopes: [%s]\nerase_within: 30d\nretention: 365d\n"
        "text: |\n  %s\n",
        scopes, text);
    publish(r, DOCUMENT_STATEMENT, READ_STATEMENT, &b, r->person, doc);
    buf_free(&b);
}

void rig_publish_documents(struct rig *r)
{
    struct pm_admin ask = {.what = ADMIN_WITHDRAW_STATEMENT};

    publish_register(r);
    publish_policy(r);
    rig_publish_statement(r, "file", "This one was withdrawn.", &r->withdrawn);
    ask.digest = r->withdrawn;
    for (size_t i = 0; i < r->sites; i++)
        admin(r, i, &ask, NULL);
    rig_publish_statement(r, "lookup", "You agree that we look things up.", &r->lookups_only);
    rig_publish_statement(r, "file", "You agree that we keep and scan your file.", &r->statement);
}

void rig_approve_move(struct rig *r, const char *country, size_t from, size_t to, struct buf *env)
{
    struct move_approval m;
    struct digest doc;
    struct buf b;

    memset(&m, 0, sizeof(m));
    m.move = random_id();
    (void)snprintf(m.country, sizeof(m.country), "%s", country);
    (void)snprintf(m.from, sizeof(m.from), "%s", r->site[from].name);
    (void)snprintf(m.to, sizeof(m.to), "%s", r->site[to].name);
    m.policy = r->policy_doc;
    buf_init(&b, 4096);
    assert_int_equal(move_write(&m, &b), 0);
    sign(document_type(DOCUMENT_MOVE), &b, r->person, env, &doc);
    buf_free(&b);
}

void rig_relocate(struct rig *r, const char *country, size_t from, size_t to)
{
    struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};
    struct buf env;

    rig_approve_move(r, country, from, to, &env);
    admin(r, from, &ask, &env);
    buf_free(&env);
}

/* --- the rest --- */

uint64_t rig_metric(struct rig *r, size_t site, const char *name)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = RIG_SOON};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[80], line[96];
    const char *text, *at;
    uint64_t v;

    (void)snprintf(url, sizeof(url), "%s/metrics", r->site[site].url);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    assert_int_equal(a.status, 200);
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    text = buf_str(&a.body);
    at = strstr(text, line);
    if (at == NULL)
        fail_msg("no metric \"%s\"", name);
    v = strtoull(at + strlen(line), NULL, 10);
    http_result_free(&a);
    return v;
}

void rig_settle(struct rig *r, size_t site)
{
    mono_ms until = clock_mono() + RIG_SOON;

    while (rig_metric(r, site, "site_ledger_published") !=
           rig_metric(r, site, "site_ledger_size")) {
        if (clock_mono() > until) {
            rig_tell_log(&r->site[site]);
            fail_msg("%s does not publish; its witness has %s", r->site[site].name,
                     waitpid(r->witness, NULL, WNOHANG) == 0 ? "not ended" : "ended");
        }
        rig_nap(50);
    }
}

void rig_turn_epoch(struct rig *r, size_t site)
{
    struct pm_admin ask = {.what = ADMIN_TURN_EPOCH};
    uint64_t before = rig_metric(r, site, "site_epoch");
    mono_ms until = clock_mono() + RIG_SOON;

    admin(r, site, &ask, NULL);
    while (rig_metric(r, site, "site_epoch_oldest") <= before) {
        if (clock_mono() > until)
            fail_msg("%s: epoch %llu is not destroyed", r->site[site].name,
                     (unsigned long long)before);
        rig_nap(50);
    }
}

uint64_t rig_slots(struct rig *r, size_t site)
{
    struct pm_admin ask = {.what = ADMIN_SCRUB};
    char text[1024];
    uint64_t n;
    int rc = rig_admin(r, site, &ask, NULL, &n, text);

    if (rc != 0)
        fail_msg("%s: scrub: %s", r->site[site].name, text);
    return n;
}

struct id128 rig_object_of(struct rig *r, size_t site, const struct id128 *sub)
{
    static const char *const names[] = {"", "-wal"};
    struct catalog_submission row;
    struct err e = ERR_INIT;
    struct catalog *c;
    char from[160], to[160];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf b;

        buf_init(&b, 64 << 20);
        (void)snprintf(from, sizeof(from), "%s/catalog.db%s", r->site[site].data, names[i]);
        (void)snprintf(to, sizeof(to), "%s/copy.db%s", r->dir, names[i]);
        if (io_read_file(AT_FDCWD, from, &b) == 0)
            rig_ok(io_replace_file(AT_FDCWD, to, b.data, b.len, 0600), NULL);
        buf_free(&b);
    }
    (void)snprintf(to, sizeof(to), "%s/copy.db", r->dir);
    rig_ok(catalog_open(&c, to, &e), &e);
    rig_ok(catalog_submission_get(c, sub, &row), NULL);
    catalog_close(c);
    return row.object;
}

struct audit *rig_audit(struct rig *r)
{
    struct audit_source src[RIG_SITES];
    struct audit_options o = {0};
    struct err e = ERR_INIT;
    char dir[RIG_SITES][128];
    struct audit *a;

    for (size_t i = 0; i < r->sites; i++) {
        (void)snprintf(dir[i], sizeof(dir[i]), "%s/ledger", r->site[i].data);
        src[i] = (struct audit_source){r->site[i].name, dir[i]};
    }
    rig_ok(audit_run(&a, r->trust, src, r->sites, &o, &e), &e);
    return a;
}

void rig_proved(const struct audit *a, const char *claim, uint64_t n, uint64_t pending)
{
    const struct audit_result *x = audit_find(a, claim);

    assert_non_null(x);
    if (x->verdict != AUDIT_PROVED || x->n != n || x->pending != pending)
        fail_msg("%s: %s over %llu %s, %llu pending (to be: PROVED over %llu): %s [%s leaf %lld]",
                 claim, audit_verdict_word(x->verdict), (unsigned long long)x->n, x->unit,
                 (unsigned long long)x->pending, (unsigned long long)n, x->sentence, x->site,
                 (long long)x->leaf);
}
