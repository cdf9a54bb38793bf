#include "capi/client_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define STATE_MAX ((size_t)1 << 30)
#define ENTRIES_MAX (1u << 26)

/* Two tables of numbers of entries (0: empty), open addressing, by path and by sub. */
struct table {
    uint32_t *slot;
    size_t size; /* a power of two */
};

struct client_state {
    int fd;
    bool torn;                  /* its last line is not whole, and nothing may follow it */
    struct client_entry *entry; /* one a sub; entry[i].path is owned */
    size_t n, cap;
    struct table path, sub;
};

static const char *const stages[] = {"drawn", "pending", "done", "refused"};

static uint64_t hash(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3ULL;
    return h ^ h >> 32;
}

static uint64_t path_hash(const struct client_entry *e)
{
    return hash(e->path, strlen(e->path));
}

static uint64_t sub_hash(const struct client_entry *e)
{
    return hash(e->sub.b, sizeof(e->sub.b));
}

static bool same_path(const struct client_entry *a, const struct client_entry *b)
{
    return strcmp(a->path, b->path) == 0;
}

static bool same_sub(const struct client_entry *a, const struct client_entry *b)
{
    return memcmp(&a->sub, &b->sub, sizeof(a->sub)) == 0;
}

typedef bool same_fn(const struct client_entry *, const struct client_entry *);

/* The slot of key, or the empty one where it belongs. */
static uint32_t *find(const struct client_state *s, const struct table *t,
                      const struct client_entry *key, uint64_t h, same_fn *same)
{
    for (size_t i = h & (t->size - 1);; i = (i + 1) & (t->size - 1))
        if (t->slot[i] == 0 || same(&s->entry[t->slot[i] - 1], key))
            return &t->slot[i];
}

static int grow(struct client_state *s)
{
    size_t cap = s->cap == 0 ? 64 : s->cap * 2;
    struct client_entry *more;
    uint32_t *p, *q;

    if (cap > ENTRIES_MAX)
        return -E2BIG;
    if ((more = reallocarray(s->entry, cap, sizeof(*more))) == NULL)
        return -ENOMEM;
    s->entry = more;
    p = calloc(cap * 2, sizeof(*p));
    q = calloc(cap * 2, sizeof(*q));
    if (p == NULL || q == NULL) {
        free(p);
        free(q);
        return -ENOMEM;
    }
    free(s->path.slot);
    free(s->sub.slot);
    s->path = (struct table){p, cap * 2};
    s->sub = (struct table){q, cap * 2};
    s->cap = cap;
    for (size_t i = 0; i < s->n; i++) {
        const struct client_entry *e = &s->entry[i];

        *find(s, &s->path, e, path_hash(e), same_path) = (uint32_t)i + 1; /* the last one wins */
        *find(s, &s->sub, e, sub_hash(e), same_sub) = (uint32_t)i + 1;
    }
    return 0;
}

/* Into memory.  A sub that is known changes in place, and its path stays. */
static int learn(struct client_state *s, const struct client_entry *e)
{
    uint32_t *at;
    char *path;
    int rc;

    if (s->n == s->cap && (rc = grow(s)) != 0)
        return rc;
    at = find(s, &s->sub, e, sub_hash(e), same_sub);
    if (*at != 0) {
        struct client_entry *old = &s->entry[*at - 1];
        const char *kept = old->path;

        *old = *e;
        old->path = kept;
        return 0;
    }
    if ((path = strdup(e->path)) == NULL)
        return -ENOMEM;
    s->entry[s->n] = *e;
    s->entry[s->n].path = path;
    *at = (uint32_t)s->n + 1;
    *find(s, &s->path, e, path_hash(e), same_path) = (uint32_t)s->n + 1;
    s->n++;
    return 0;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int put_path(struct buf *b, const char *path)
{
    int rc = 0;

    for (const uint8_t *p = (const uint8_t *)path; rc == 0 && *p != '\0'; p++)
        rc = *p > 0x20 && *p < 0x7f && *p != '%' ? buf_putc(b, *p) : buf_printf(b, "%%%02x", *p);
    return rc;
}

static int unput_path(struct span s, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; n++) {
        if (n + 1 >= cap)
            return -EBADMSG;
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return -EBADMSG;
        if (s.p[i] != '%') {
            out[n] = (char)s.p[i++];
            continue;
        }
        if (s.n - i < 3 || text_unhex(span_of(s.p + i + 1, 2), out + n, 1) != 0 || out[n] == '\0')
            return -EBADMSG;
        i += 3;
    }
    out[n] = '\0';
    return n > 0 && out[0] == '/' ? 0 : -EBADMSG;
}

static int word(struct span *line, struct span *out)
{
    const uint8_t *blank = memchr(line->p, ' ', line->n);

    if (blank == NULL)
        return -EBADMSG;
    *out = span_of(line->p, (size_t)(blank - line->p));
    line->p = blank + 1;
    line->n -= out->n + 1;
    return 0;
}

static int short_text(struct span s, char *out, size_t cap)
{
    if (s.n == 0 || s.n >= cap)
        return -EBADMSG;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    if (strcmp(out, "-") == 0)
        out[0] = '\0';
    return 0;
}

static int read_line(struct span line, struct client_entry *e, char *path, size_t cap)
{
    struct span sub, stage, verdict, size, mtime, site;
    uint64_t when;

    memset(e, 0, sizeof(*e));
    if (word(&line, &sub) != 0 || word(&line, &stage) != 0 || word(&line, &verdict) != 0 ||
        word(&line, &size) != 0 || word(&line, &mtime) != 0 || word(&line, &site) != 0 ||
        text_unid(sub, &e->sub) != 0 || short_text(verdict, e->verdict, sizeof(e->verdict)) != 0 ||
        short_text(site, e->site, sizeof(e->site)) != 0 ||
        text_u64(size, UINT64_MAX, &e->size) != 0 || text_u64(mtime, INT64_MAX, &when) != 0)
        return -EBADMSG;
    e->mtime = (int64_t)when;
    e->path = path;
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (span_is(stage, stages[i])) {
            e->stage = (enum client_stage)i;
            return unput_path(line, path, cap);
        }
    }
    return -EBADMSG;
}

/* The file is not synced: a power cut leaves zeros, or what lay on the disk before, in place of
 * lines.  Neither is printable, and nothing else writes such bytes here. */
static bool has_lost_lines(const struct buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] != '\n' && (text->data[i] < 0x20 || text->data[i] > 0x7e))
            return true;
    return false;
}

/* Lines that were lost are passed over: what they said is done again.  Without any, a line that
 * cannot be read is somebody's mistake. */
static int load_lines(struct client_state *s, const struct buf *text, bool lost, size_t *rest,
                      const char *name, struct err *e)
{
    struct cur c = cur_of(buf_span(text));
    char path[PATH_MAX];
    struct client_entry entry;
    struct span line;
    size_t number = 0;
    int rc;

    while (c.n > 0 && cur_line(&c, &line) == 0) {
        number++;
        if (read_line(line, &entry, path, sizeof(path)) != 0) {
            if (lost)
                continue;
            return err_set(e, -EBADMSG,
                           "%s:%zu: not a line of a client's state; repair or move it away", name,
                           number);
        }
        if ((rc = learn(s, &entry)) != 0)
            return err_sys(e, rc, "reading \"%s\"", name);
    }
    *rest = c.n;
    return 0;
}

static int load(struct client_state *s, const char *name, struct err *e)
{
    bool lost = false;
    struct buf text;
    size_t rest = 0;
    int rc;

    buf_init(&text, STATE_MAX);
    if ((rc = io_read_fd(s->fd, &text)) != 0) {
        rc = err_sys(e, rc, "reading \"%s\"", name);
    } else {
        lost = has_lost_lines(&text);
        rc = load_lines(s, &text, lost, &rest, name, e);
    }
    /* the unfinished line ends, or goes; what shows that lines were lost stays to show it */
    if (rc == 0 && rest > 0 && lost)
        rc = io_write_all(s->fd, "\n", 1);
    else if (rc == 0 && rest > 0 && ftruncate(s->fd, (off_t)(text.len - rest)) != 0)
        rc = -errno;
    if (rc != 0 && rest > 0)
        (void)err_sys(e, rc, "ending the unfinished line of \"%s\"", name);
    buf_free(&text);
    return rc;
}

int client_state_open(struct client_state **out, const char *path, struct err *e)
{
    struct client_state *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL)
        return err_sys(e, -ENOMEM, "opening \"%s\"", path);
    s->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->fd < 0)
        rc = err_sys(e, -errno, "opening \"%s\"", path);
    else if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK
                 ? err_set(e, -EBUSY, "another run works with \"%s\"; wait for its end", path)
                 : err_sys(e, -errno, "locking \"%s\"", path);
    else if ((rc = grow(s)) != 0)
        (void)err_sys(e, rc, "opening \"%s\"", path);
    else
        rc = load(s, path, e);
    if (rc != 0) {
        client_state_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void client_state_close(struct client_state *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        free((void *)(uintptr_t)s->entry[i].path);
    free(s->entry);
    free(s->path.slot);
    free(s->sub.slot);
    io_close(&s->fd);
    free(s);
}

/* A line whole or not at all: half a line would make one with the next. */
static int append(struct client_state *s, const struct buf *line)
{
    off_t end = lseek(s->fd, 0, SEEK_END);
    int rc;

    if (s->torn)
        return -EIO;
    if (end < 0)
        return -errno;
    if ((rc = io_write_all(s->fd, line->data, line->len)) != 0)
        s->torn = ftruncate(s->fd, end) != 0;
    return rc;
}

int client_state_put(struct client_state *s, const struct client_entry *entry, struct err *e)
{
    char sub[33];
    struct buf line;
    int rc;

    buf_init(&line, 3 * PATH_MAX + 256);
    text_id(sub, &entry->sub);
    if ((rc = buf_printf(&line, "%s %s %s %" PRIu64 " %" PRId64 " %s ", sub, stages[entry->stage],
                         entry->verdict[0] != '\0' ? entry->verdict : "-", entry->size,
                         entry->mtime < 0 ? 0 : entry->mtime,
                         entry->site[0] != '\0' ? entry->site : "-")) != 0 ||
        (rc = put_path(&line, entry->path)) != 0 || (rc = buf_putc(&line, '\n')) != 0 ||
        (rc = append(s, &line)) != 0 || (rc = learn(s, entry)) != 0)
        (void)err_sys(e, rc, "writing the client's state");
    buf_free(&line);
    return rc;
}

const struct client_entry *client_state_path(const struct client_state *s, const char *path)
{
    struct client_entry key = {.path = path};
    uint32_t at = *find(s, &s->path, &key, path_hash(&key), same_path);

    return at == 0 ? NULL : &s->entry[at - 1];
}

const struct client_entry *client_state_sub(const struct client_state *s, const struct id128 *sub)
{
    struct client_entry key = {.sub = *sub};
    uint32_t at = *find(s, &s->sub, &key, sub_hash(&key), same_sub);

    return at == 0 ? NULL : &s->entry[at - 1];
}
