#include "cli/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "http/server.h"
#include "ledger/tlog_witness.h"
#include "people/document.h"

#define DRAIN_MS 5000

struct settings {
    struct yaml_doc *doc; /* what the texts point into */
    const char *name, *listen;
    char *key, *state; /* absolute or relative to the working folder */
    const struct yaml_node *logs;
    uint64_t uid; /* 0: stay */
};

/* Paths are relative to the configuration's folder. */
static char *beside(const char *config, const char *path)
{
    const char *slash = strrchr(config, '/');
    char *out = NULL;

    if (path[0] == '/' || slash == NULL)
        return strdup(path);
    return asprintf(&out, "%.*s/%s", (int)(slash - config), config, path) < 0 ? NULL : out;
}

static void settings_done(struct settings *s)
{
    free(s->key);
    free(s->state);
    yaml_free(s->doc);
}

static int settings_load(struct settings *s, const char *path, struct err *e)
{
    const struct yaml_node *root, *uid;
    const char *key, *state;
    int rc;

    memset(s, 0, sizeof(*s));
    if ((rc = yaml_load(&s->doc, path, e)) != 0)
        return rc;
    root = yaml_root(s->doc);
    if ((rc = document_format(root, "witness/v1", e)) != 0 ||
        (rc = yaml_need_text(root, "name", &s->name, e)) != 0 ||
        (rc = yaml_need_text(root, "key", &key, e)) != 0 ||
        (rc = yaml_need_text(root, "state", &state, e)) != 0 ||
        (rc = yaml_need_text(root, "listen", &s->listen, e)) != 0 ||
        (rc = document_list(root, "logs", 0, TLOG_WITNESS_LOGS_MAX, &s->logs, e)) != 0 ||
        (rc = yaml_may(root, "run_as", &uid, e)) != 0 ||
        (uid != NULL && (rc = yaml_u64(uid, 1, INT32_MAX, &s->uid, e)) != 0) ||
        (rc = yaml_map_done(root, e)) != 0)
        return rc;
    s->key = beside(path, key);
    s->state = beside(path, state);
    return s->key == NULL || s->state == NULL ? err_sys(e, -ENOMEM, "reading \"%s\"", path) : 0;
}

/* ---- init ------------------------------------------------------------------------------------ */

static int make_key(const struct settings *s, struct err *e)
{
    struct ed25519_key *k = NULL;
    struct note_signer self;
    char text[CORE_VKEY_TEXT_MAX + 1];
    int rc;

    if ((rc = ed25519_generate(&k)) != 0)
        return err_sys(e, rc, "making the key");
    if ((rc = note_signer_init(&self, s->name, VKEY_COSIGNATURE, k, e)) == 0 &&
        (rc = ed25519_store(k, s->key, e)) == 0) {
        note_vkey_format(&self.key, text);
        (void)printf("%s\n", text);
    }
    ed25519_free(k);
    return rc;
}

int witness_init(const char *config, struct err *e)
{
    struct settings s;
    int rc = settings_load(&s, config, e);

    if (rc == 0 && (rc = io_mkdir_synced(AT_FDCWD, s.state, 0700)) != 0)
        rc = err_sys(e, rc, "making \"%s\"", s.state);
    if (rc == 0)
        rc = make_key(&s, e);
    if (rc == 0 && s.uid != 0 && geteuid() == 0 &&
        (chown(s.key, (uid_t)s.uid, (gid_t)s.uid) != 0 ||
         chown(s.state, (uid_t)s.uid, (gid_t)s.uid) != 0))
        rc = err_sys(e, -errno, "giving key and state to uid %llu", (unsigned long long)s.uid);
    settings_done(&s);
    return rc;
}

/* ---- serve ----------------------------------------------------------------------------------- */

static void answer(struct http_req *r, struct tlog_answer *a)
{
    http_put_header(r, "Cache-Control", HTTP_CACHE_NEVER);
    http_answer_take(r, a->status, a->content_type, &a->body);
    tlog_answer_free(a);
}

static void on_add(struct http_req *r, void *arg)
{
    struct tlog_answer a;

    tlog_answer_init(&a);
    tlog_witness_add(arg, http_body(r), clock_now(), &a);
    answer(r, &a);
}

static void on_get(struct http_req *r, void *arg)
{
    struct tlog_answer a;

    tlog_answer_init(&a);
    tlog_witness_get(arg, http_param(r, "origin"), &a);
    answer(r, &a);
}

static const struct http_route routes[] = {
    {.method = HTTP_POST,
     .pattern = "/add-checkpoint",
     .body_mode = HTTP_BODY_WHOLE,
     .max_body = TLOG_WITNESS_BODY_MAX,
     .begin = on_add},
    {.method = HTTP_GET, .pattern = "/{origin}/checkpoint", .begin = on_get},
};

/* No jail of jail/ both serves and keeps files; this process gives up root and can gain nothing. */
static int drop(uint64_t uid, struct err *e)
{
    if (uid != 0 && geteuid() == 0 &&
        (setgroups(0, NULL) != 0 || setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) != 0 ||
         setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) != 0))
        return err_sys(e, -errno, "becoming uid %llu", (unsigned long long)uid);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(e, -errno, "giving up rights");
    return 0;
}

static int trust_logs(struct tlog_witness *w, const struct settings *s, struct err *e)
{
    const struct yaml_node *n;
    const char *text;
    struct vkey log;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < yaml_count(s->logs); i++) {
        if ((rc = yaml_item(s->logs, i, &n, e)) != 0 || (rc = yaml_text(n, &text, e)) != 0)
            return rc;
        if ((rc = note_vkey_parse(&log, span_str(text), e)) != 0)
            return yaml_err(e, n, "%s", err_text(e));
        rc = tlog_witness_trust(w, &log, e);
    }
    return rc;
}

static int signals(int *fd, struct err *e)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (*fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
        return err_sys(e, -errno, "waiting for signals");
    return 0;
}

static int loop(struct http_server *server, int sig, struct err *e)
{
    bool draining = false;
    int rc;

    for (;;) {
        struct pollfd p[2] = {{.fd = http_server_fd(server), .events = POLLIN},
                              {.fd = draining ? -1 : sig, .events = POLLIN}};

        if (poll(p, 2, http_server_wait(server)) < 0 && errno != EINTR)
            return err_sys(e, -errno, "waiting for requests");
        if (p[1].revents != 0) {
            http_server_drain(server, DRAIN_MS);
            draining = true;
        }
        if ((rc = http_server_run(server)) != 0)
            return err_sys(e, rc, "serving");
        if (draining && http_server_drained(server))
            return 0;
    }
}

static int announce(int fd, const struct vkey *self, struct err *e)
{
    char text[CORE_VKEY_TEXT_MAX + 1], address[128];
    int rc = http_listen_name(fd, address, sizeof(address));

    if (rc != 0)
        return err_sys(e, rc, "reading the address");
    note_vkey_format(self, text);
    (void)printf("%s\nlistening on %s\n", text, address);
    (void)fflush(stdout);
    return 0;
}

static int serve(const struct settings *s, struct err *e)
{
    struct http_server *server = NULL;
    struct tlog_witness *w = NULL;
    struct ed25519_key *key = NULL;
    struct note_signer self;
    int sig = -1, fd = -1, rc;

    if ((rc = http_listen(&fd, s->listen, e)) != 0 || (rc = drop(s->uid, e)) != 0 ||
        (rc = ed25519_load(&key, s->key, e)) != 0 ||
        (rc = note_signer_init(&self, s->name, VKEY_COSIGNATURE, key, e)) != 0 ||
        (rc = tlog_witness_open(&w, s->state, &self, e)) != 0 || (rc = trust_logs(w, s, e)) != 0 ||
        (rc = signals(&sig, e)) != 0 ||
        (rc = http_server_new(&server, routes, ARRAY_LEN(routes), NULL, w, e)) != 0 ||
        (rc = announce(fd, &self.key, e)) != 0)
        goto out;
    rc = http_server_listen(server, fd, e);
    fd = -1; /* the server's, also on failure */
    if (rc == 0)
        rc = loop(server, sig, e);
out:
    http_server_free(server);
    tlog_witness_close(w);
    ed25519_free(key);
    io_close(&fd);
    io_close(&sig);
    return rc;
}

int witness_serve(const char *config, struct err *e)
{
    struct settings s;
    int rc = settings_load(&s, config, e);

    log_open("witness", LOG_INFO_, -1);
    if (rc == 0)
        rc = serve(&s, e);
    settings_done(&s);
    return rc;
}
