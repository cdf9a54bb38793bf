/* main.c - an engine: load and warm up, lock down, prove it, serve.
 *
 * Started by detect_engine_start, never by hand: descriptor 3 is the client.  Exit codes: 0 the
 * client went, 1 it broke the protocol, 2 the rules do not compile, 3 no jail or the environment
 * failed. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "dense.h"
#include "detect/protocol.h"
#include "server.h"

#define CHANNEL 3
#define CHILD_MEMORY (UINT64_C(1) << 30)
#define CHILDREN_MAX JAIL_TMP_PARTS_MAX
#define LOAD_BYTES (UINT64_C(2) << 30) /* one database at a time is in it, and gone when loaded */

struct options {
    uint64_t uid, gid, children, memory;
};

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"uid", required_argument, NULL, 'u'},
                                          {"gid", required_argument, NULL, 'g'},
                                          {"children", required_argument, NULL, 'c'},
                                          {"memory", required_argument, NULL, 'm'},
                                          {NULL, 0, NULL, 0}};
    int opt;

    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        uint64_t *to = opt == 'u'   ? &o->uid
                       : opt == 'g' ? &o->gid
                       : opt == 'c' ? &o->children
                       : opt == 'm' ? &o->memory
                                    : NULL;

        if (to == NULL || text_u64(span_str(optarg), INT64_MAX, to) != 0)
            return -EINVAL;
    }
    if (o->uid > UINT32_MAX || o->gid > UINT32_MAX || o->children > CHILDREN_MAX)
        return -EINVAL;
    if (o->children == 0)
        o->children = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (o->children > CHILDREN_MAX)
        o->children = CHILDREN_MAX;
    if (o->memory == 0)
        o->memory = CHILD_MEMORY;
    return optind == argc ? 0 : -EINVAL;
}

/* The rules, compiled from the bundle that the client's first message brings. */
static int load(struct rules **out, struct msg_chan *c, int folder, struct err *e)
{
    struct detect_rules rules;
    struct msg m;
    void *p;
    int rc, fd;

    if ((rc = msg_recv_wait(c, &m, -1, e)) != 0)
        return rc;
    if ((rc = protocol_get_rules(m.body, &rules)) != 0)
        return err_set(e, rc, "the client's rules make no sense");
    if (rules.size == 0)
        return rules_compile(out, span_of(NULL, 0), &rules, folder, e);
    fd = msg_take_fd(&m, 0);
    p = mmap(NULL, (size_t)rules.size, PROT_READ, MAP_PRIVATE, fd, 0);
    io_close(&fd);
    if (p == MAP_FAILED)
        return err_sys(e, -errno, "cannot map the rules");
    rc = rules_compile(out, span_of(p, (size_t)rules.size), &rules, folder, e);
    (void)munmap(p, (size_t)rules.size);
    return rc;
}

/* Where an engine that needs files has them until its jail closes. */
static int load_folder(int *out, const struct options *o, struct err *e)
{
    const struct jail_spec s = {
        .uid = (uid_t)o->uid, .gid = (gid_t)o->gid, .tmp_bytes = LOAD_BYTES};

    return rules_traits.scratch_bytes == 0 ? 0 : jail_memory_folder(out, &s, e);
}

/* Address space the process has now: a child's limit counts it too. */
static uint64_t mapped(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f != NULL) {
        if (fscanf(f, "%lu", &pages) != 1)
            pages = 0;
        (void)fclose(f);
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int lock_down(struct jail_door **door, const struct rules *r, const struct options *o,
                     struct err *e)
{
    bool scratch = rules_traits.scratch_bytes != 0;
    struct jail_spec child = {.profile = scratch ? JAIL_SCRATCH_CHILD : JAIL_ENGINE_CHILD,
                              /* the largest file is mapped beside what the rules need */
                              .address_space =
                                  mapped() + o->memory + DETECT_FILE_BYTES + rules_arena_size(r),
                              .file_size = rules_traits.scratch_bytes};
    struct jail_spec server = {.profile = scratch ? JAIL_SCRATCH_SERVER : JAIL_ENGINE_SERVER,
                               .flags = JAIL_NET | JAIL_IPC | JAIL_PID | JAIL_EMPTY_ROOT,
                               .uid = (uid_t)o->uid,
                               .gid = (gid_t)o->gid,
                               .tmp_bytes = rules_traits.scratch_bytes,
                               .tmp_inodes = rules_traits.scratch_inodes,
                               .tmp_parts = scratch ? (unsigned)o->children : 0,
                               /* a file it makes is a batch's arena, or one of a child's */
                               .file_size = rules_arena_size(r) + rules_traits.scratch_bytes};
    int rc = jail_door_new(door, &child, e);

    return rc != 0 ? rc : jail_enter(&server, e);
}

static int say_hello(struct msg_chan *c, const struct rules *r)
{
    struct detect_hello h = {.rules = rules_count(r), .members = rules_traits.members};
    struct buf b;
    int rc;

    (void)snprintf(h.engine, sizeof(h.engine), "%s", rules_traits.label);
    (void)snprintf(h.version, sizeof(h.version), "%s", rules_version());

    buf_init(&b, 128);
    rc = protocol_put_hello(&b, &h);
    if (rc == 0)
        rc = msg_send_wait(c, DETECT_HELLO, 0, buf_span(&b), NULL, -1);
    buf_free(&b);
    msg_phase(c, DETECT_SERVING);
    return rc;
}

static void refuse(struct msg_chan *c, const struct err *e)
{
    struct span why = span_str(err_text(e));

    log_error("the engine cannot serve", "why", err_text(e));
    if (why.n > 0)
        (void)!msg_send_wait(c, DETECT_FAILED, 0, why, NULL, 5000);
}

/* The exit code. */
static int work(struct server_spec *s, struct rules **rules, struct jail_door **door,
                const struct options *o)
{
    struct err e = ERR_INIT;
    int folder = -1, rc = load_folder(&folder, o, &e);

    if (rc == 0)
        rc = load(rules, s->chan, folder, &e);
    io_close(&folder);
    if (rc == -EPIPE)
        return 0;
    dense_memory();
    s->rules = *rules;
    /* without Landlock a child's folder is no border: one child at a time, and emptied after it */
    s->children =
        rules_traits.scratch_bytes != 0 && jail_landlock_abi() == 0 ? 1 : (uint32_t)o->children;
    if (rc != 0 || lock_down(door, *rules, o, &e) != 0) {
        refuse(s->chan, &e);
        return rc == -EBADMSG ? 2 : 3;
    }
    s->door = *door;
    if (server_prove(s, &e) != 0) {
        refuse(s->chan, &e);
        return 3;
    }
    if (say_hello(s->chan, s->rules) != 0)
        return 0;
    rc = server_run(s, &e);
    if (rc != 0)
        log_error("the engine stops", "why", err_text(&e));
    return rc == 0 ? 0 : rc == -EPROTO ? 1 : 3;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct server_spec s = {0};
    struct rules *rules = NULL;
    struct jail_door *door = NULL;
    struct err e = ERR_INIT;
    int code;

    log_open(rules_traits.label, LOG_INFO_, -1);
    if (parse(argc, argv, &o) != 0 ||
        msg_open(&s.chan, CHANNEL, &detect_protocol, MSG_B, &e) != 0) {
        log_error("this program is started by the site, not by hand");
        return 2;
    }
    code = work(&s, &rules, &door, &o);
    msg_close(s.chan);
    rules_free(rules);
    jail_door_free(door);
    _exit(code); /* inside the jail there is nothing left to flush, and no leak check */
}
