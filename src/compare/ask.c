#include "compare/ask.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/elf_priv.h"
#include "jail/jail.h"

#define NOBODY 65534
#define BATCH 128u                       /* pairs a child */
#define BATCH_BYTES (UINT64_C(32) << 20) /* or so many, of both sides */
#define SPLIT_PAIRS 16u                  /* the last batch is worth two children */
#define SPLIT_BYTES (UINT64_C(1) << 20)
#define ANSWER_MAX (512u << 20) /* bytes of a child's answer */
#define STEP_MS 200
#define HELPERS 2u /* threads of a child */

void ask_init(struct asker *k, const struct compare_options *o, struct err *e)
{
    static const struct compare_options none;

    *k = (struct asker){.o = o != NULL ? o : &none, .e = e};
    for (size_t i = 0; i < ASK_CHILDREN; i++)
        k->child[i] = (struct asked){.p = PROC_NONE, .fd = -1};
}

static uint64_t bytes_of(const struct ask_pair *p)
{
    return (uint64_t)p->side[0].n + p->side[1].n;
}

static uint64_t bytes_of_all(const struct ask_pair *p, size_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += bytes_of(&p[i]);
    return bytes;
}

/* What children say of pairs that they have not answered, as far as it can be. */
static uint64_t under_way(const struct asker *k)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ASK_CHILDREN; i++) {
        const struct asked *c = &k->child[i];
        uint64_t seen = c->seen == NULL ? 0 : atomic_load(c->seen);
        uint64_t most = seen == 0 ? 0 : bytes_of_all(c->pair, c->pairs);

        sum += seen < most ? seen : most;
    }
    return sum;
}

void ask_step(struct asker *k, uint64_t n)
{
    k->done += n;
    if (k->o->step != NULL)
        k->o->step(k->o->arg, k->done + under_way(k), k->total);
}

void ask_unmap(struct span *s)
{
    if (s->n > 0)
        (void)munmap((void *)(uintptr_t)s->p, s->n);
    *s = span_of("", 0);
}

/* -ENOMEM: a folder that this ended could not be handed up. */
static int forget(struct ask_pair *p, size_t n)
{
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        for (int side = 0; side < 2; side++) {
            ask_unmap(&p[i].side[side]);
            free(p[i].name[side]);
            p[i].name[side] = NULL;
        }
        if (p[i].place != NULL)
            rc = place_let_go(p[i].place) != 0 ? -ENOMEM : rc;
        p[i].place = NULL;
    }
    return rc;
}

/* --- the child --- */

static int answer(const struct asker *k, const struct asked *c, const struct ask_pair *p, size_t n,
                  struct buf *out)
{
    uint64_t seen = 0;
    struct look_budget b;
    int rc = 0;

    look_budget_init(&b, k->o);
    b.helpers = HELPERS;
    b.seen = c->seen;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct compare_node *node = NULL;

        rc = look_compare(&b, p[i].side[0], p[i].side[1], p[i].name[0], p[i].name[1], &node);
        if (rc == 0)
            rc = look_wire_put(out, node);
        look_node_free(node);
        seen += bytes_of(&p[i]);
        if (c->seen != NULL)
            atomic_store(c->seen, seen);
    }
    return rc == 0 ? buf_put_u64(out, b.looked) : rc;
}

/* Ends with 0 when all of the answer is in fd. */
static void child(const struct asker *k, const struct asked *c, const struct ask_pair *p, size_t n,
                  int fd)
{
    const struct jail_spec spec = {.profile = JAIL_EXPANDER,
                                   .flags = JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT,
                                   .uid = NOBODY,
                                   .gid = NOBODY,
                                   .file_size = ANSWER_MAX,
                                   .address_space = UINT64_C(1) << 40, /* files are mapped */
                                   .cpu_seconds =
                                       k->o->seconds != 0 ? k->o->seconds : LOOK_SECONDS};
    struct err e = ERR_INIT;
    struct buf out;

    /* a thread's own heap asks /proc how memory is given back, which the jail does not have */
    (void)mallopt(M_ARENA_MAX, 1);
    if (jail_close_from(3, &fd, 1) != 0 || elf_show_load(&e) != 0 || jail_enter(&spec, &e) != 0) {
        (void)!io_write_all(fd, e.text, strlen(e.text) + 1);
        _exit(3);
    }
    buf_init(&out, ANSWER_MAX);
    if (answer(k, c, p, n, &out) != 0 || io_write_all(fd, out.data, out.len) != 0)
        _exit(1);
    _exit(0);
}

/* Without it there is no progress between two answers. */
static void see(struct asked *c)
{
    void *p =
        mmap(NULL, sizeof(*c->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    c->seen = p == MAP_FAILED ? NULL : p;
}

static void unsee(struct asked *c)
{
    if (c->seen != NULL)
        (void)munmap((void *)(uintptr_t)c->seen, sizeof(*c->seen));
    c->seen = NULL;
}

/* Takes the n pairs (not their array, if it is not to be freed with them). */
static int start(struct asker *k, struct asked *c, struct ask_pair *p, size_t n)
{
    int fd = memfd_create("compare", MFD_CLOEXEC), rc;

    if (fd < 0)
        return err_sys(k->e, -errno, "comparing");
    see(c);
    if ((rc = proc_fork(&c->p)) == 1)
        child(k, c, p, n, fd);
    if (rc != 0) {
        unsee(c);
        io_close(&fd);
        return err_sys(k->e, rc, "comparing");
    }
    c->fd = fd;
    c->pair = p;
    c->pairs = n;
    return 0;
}

/* --- its answer --- */

/* What a look into two contents that differ can have found. */
static bool adds_up(const struct compare_node *n, const struct ask_pair *p)
{
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++) {
            if (n->bytes[side][c] > p->side[side].n)
                return false;
            sum += n->bytes[side][c];
        }
        if (n->size[side] != p->side[side].n || sum != n->size[side])
            return false;
    }
    return n->class != COMPARE_IDENTICAL;
}

/* All nodes, or none.  -EBADMSG: not an answer to these. */
static int read_answer(struct asked *c, struct span said, struct compare_node **node,
                       uint64_t *looked)
{
    struct cur cur = cur_of(said);
    int rc = 0;

    for (size_t i = 0; i < c->pairs && rc == 0; i++)
        if ((rc = look_wire_get(&cur, &node[i])) == 0 && !adds_up(node[i], &c->pair[i]))
            rc = -EBADMSG;
    if (rc == 0 && (rc = cur_u64(&cur, looked)) == 0 && cur.n > 0)
        rc = -EBADMSG;
    return rc;
}

static int take_answer(struct asker *k, struct asked *c, struct span said)
{
    struct compare_node **node = calloc(c->pairs, sizeof(*node));
    uint64_t looked = 0;
    int rc = node == NULL ? -ENOMEM : read_answer(c, said, node, &looked);

    for (size_t i = 0; i < c->pairs && node != NULL; i++) {
        if (rc == 0)
            rc = look_node_add(c->pair[i].place->node, node[i]);
        else
            look_node_free(node[i]);
    }
    free(node);
    k->looked += rc == 0 ? looked : 0;
    return rc;
}

static int give_up(struct asker *k, const struct ask_pair *p, const struct proc_last *why)
{
    const struct look_range all[2] = {{0, p->side[0].n}, {0, p->side[1].n}};
    struct compare_node *n = NULL;
    char text[96], what[LOOK_WHAT];
    int rc = look_node_new(&n, "bytes", p->name[0], p->name[1]);

    if (rc != 0)
        return err_sys(k->e, rc, "comparing");
    if (why->end == PROC_EXITED && why->code == 0)
        (void)snprintf(what, sizeof(what), "the look into it ended with an answer that is none");
    else
        (void)snprintf(what, sizeof(what), "the look into it ended by force: %s",
                       proc_last_text(why, text));
    for (int side = 0; side < 2; side++) {
        n->size[side] = all[side].n;
        n->bytes[side][COMPARE_UNEXPLAINED] = all[side].n;
    }
    if ((rc = look_node_find(n, 1, COMPARE_UNEXPLAINED, all, what)) != 0)
        look_node_free(n);
    else
        rc = look_node_add(p->place->node, n);
    k->looked++;
    return rc == 0 ? 0 : err_sys(k->e, rc, "comparing");
}

/* 0; 1: it did not answer, *why says how it ended; or trouble. */
static int reap(struct asker *k, struct asked *c, struct proc_last *why)
{
    int rc = proc_reap(&c->p, true, why);
    struct buf said;

    buf_init(&said, ANSWER_MAX);
    if (rc != 0)
        (void)err_sys(k->e, rc, "comparing");
    else if (lseek(c->fd, 0, SEEK_SET) != 0 || (rc = io_read_fd(c->fd, &said)) != 0)
        rc = err_sys(k->e, rc != 0 ? rc : -errno, "comparing");
    else if (why->end == PROC_EXITED && why->code == 3)
        rc = err_set(k->e, -EPERM, "%.400s", buf_str(&said));
    else if (why->end != PROC_EXITED || why->code != 0)
        rc = 1;
    else if ((rc = take_answer(k, c, buf_span(&said))) == -ENOMEM)
        (void)err_sys(k->e, rc, "comparing");
    else
        rc = rc == 0 ? 0 : 1;
    buf_free(&said);
    io_close(&c->fd);
    unsee(c);
    return rc;
}

/* The pairs of a child that died, each in a child of its own. */
static int one_by_one(struct asker *k, struct ask_pair *p, size_t n, struct proc_last *why)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        struct asked c = {.p = PROC_NONE, .fd = -1};

        rc = 1;
        if (n > 1 && (rc = start(k, &c, &p[i], 1)) == 0)
            rc = reap(k, &c, why);
        if (rc == 1)
            rc = give_up(k, &p[i], why);
        ask_step(k, 0);
    }
    return rc;
}

static int collect(struct asker *k, struct asked *c)
{
    struct proc_last why;
    struct ask_pair *p = c->pair;
    size_t n = c->pairs;
    uint64_t bytes = bytes_of_all(p, n);
    int rc = reap(k, c, &why);

    if (rc == 1)
        rc = one_by_one(k, p, n, &why);
    if (forget(p, n) != 0 && rc == 0)
        rc = err_sys(k->e, -ENOMEM, "comparing");
    free(p);
    c->pair = NULL;
    c->pairs = 0;
    ask_step(k, bytes);
    return rc;
}

/* --- two at a time --- */

/* The child that ends first. */
static struct asked *wait_for_one(struct asker *k)
{
    for (;;) {
        struct pollfd pfd[ASK_CHILDREN];

        for (size_t i = 0; i < ASK_CHILDREN; i++)
            pfd[i] = (struct pollfd){.fd = k->child[i].pairs > 0 ? k->child[i].p.pidfd : -1,
                                     .events = POLLIN};
        (void)poll(pfd, ASK_CHILDREN, STEP_MS);
        for (size_t i = 0; i < ASK_CHILDREN; i++)
            if (pfd[i].fd >= 0 && pfd[i].revents != 0)
                return &k->child[i];
        ask_step(k, 0);
    }
}

static bool any_at_work(const struct asker *k)
{
    for (size_t i = 0; i < ASK_CHILDREN; i++)
        if (k->child[i].pairs > 0)
            return true;
    return false;
}

/* Asks the first n of the pairs that wait. */
static int send_off(struct asker *k, size_t n)
{
    struct asked *c = NULL;
    struct ask_pair *p = calloc(n, sizeof(*p));
    int rc;

    if (p == NULL)
        return err_sys(k->e, -ENOMEM, "comparing");
    for (size_t i = 0; i < ASK_CHILDREN && c == NULL; i++)
        c = k->child[i].pairs == 0 ? &k->child[i] : NULL;
    if (c == NULL) {
        c = wait_for_one(k);
        if ((rc = collect(k, c)) != 0) {
            free(p);
            return rc;
        }
    }
    memcpy(p, k->pair, n * sizeof(*p));
    if ((rc = start(k, c, p, n)) != 0) {
        free(p); /* they wait on, and are forgotten with the others */
        return rc;
    }
    k->pairs -= n;
    memmove(k->pair, k->pair + n, k->pairs * sizeof(*k->pair));
    k->bytes = bytes_of_all(k->pair, k->pairs);
    return 0;
}

int ask_add(struct asker *k, const struct ask_pair *p)
{
    struct ask_pair taken = *p;

    if (k->pair == NULL && (k->pair = calloc(BATCH, sizeof(*k->pair))) == NULL) {
        (void)!forget(&taken, 1);
        return err_sys(k->e, -ENOMEM, "comparing");
    }
    k->pair[k->pairs++] = taken;
    k->bytes += bytes_of(p);
    return k->pairs == BATCH || k->bytes > BATCH_BYTES ? send_off(k, k->pairs) : 0;
}

int ask_finish(struct asker *k)
{
    int rc = 0;

    if (k->pairs > 1 && (k->pairs >= SPLIT_PAIRS || k->bytes > SPLIT_BYTES))
        rc = send_off(k, k->pairs / 2);
    if (rc == 0 && k->pairs > 0)
        rc = send_off(k, k->pairs);
    while (rc == 0 && any_at_work(k))
        rc = collect(k, wait_for_one(k));
    return rc;
}

void ask_done(struct asker *k)
{
    for (size_t i = 0; i < ASK_CHILDREN; i++) {
        struct asked *c = &k->child[i];

        proc_end_now(&c->p);
        io_close(&c->fd);
        unsee(c);
        (void)!forget(c->pair, c->pairs);
        free(c->pair);
        *c = (struct asked){.p = PROC_NONE, .fd = -1};
    }
    (void)!forget(k->pair, k->pairs);
    free(k->pair);
    k->pair = NULL;
    k->pairs = 0;
}
