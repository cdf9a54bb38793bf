#include "rules/cost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "detect/protocol.h"
#include "rules/yara_text.h"

#define TIMES_MAX 64  /* the files are scanned so often at most */
#define ENOUGH_MS 600 /* CPU time of scanning that a measurement takes */
#define BASES 4       /* measurements of nothing: twice their spread cannot be told */
#define NOTHING "rule glarus_cost_nothing { condition: false }\n"

struct rule {
    struct span name, text;
    const char *file;
    unsigned line;
    bool always; /* global, or needed by one that is: part of every measurement */
    bool in;     /* of the measurement that is being put together */
};
struct group {
    size_t from, to; /* of order */
    double ms;
};

struct search {
    const struct cost *c;
    struct trial_spec engines;
    const uint8_t *map;
    size_t size;
    struct rule *rule;
    size_t n, room;
    char **file;
    size_t files;
    struct buf imports;
    uint32_t *by_name; /* places in rule, in the order of names */
    uint32_t *order;   /* rules to be measured, in that of the sources */
    size_t candidates;
    const char **path; /* of all times */
    unsigned times, trials;
    double base, least;
    struct group *group;
    size_t groups, group_room;
};

/* --- the rules --- */

static int keep_rule(struct search *s, const struct yara_rule *r)
{
    struct rule *x;

    if (s->n == s->room) {
        size_t room = s->room == 0 ? 256 : s->room * 2;
        struct rule *more = reallocarray(s->rule, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        s->rule = more;
        s->room = room;
    }
    x = &s->rule[s->n++];
    *x = (struct rule){.name = r->name,
                       .text = r->text,
                       .file = s->file[s->files - 1],
                       .line = r->line,
                       .always = r->is_global};
    return 0;
}

/* "import" is a word of YARA's: it stands nowhere else. */
static int keep_imports(struct search *s, struct span source)
{
    struct yara_text t = yara_text_of(source);
    struct yara_piece p, q;
    int rc = 0;

    while (rc == 0 && yara_text_next(&t, &p) == 1)
        if (p.sort == YARA_WORD && span_is(p.text, "import") && yara_text_next(&t, &q) == 1 &&
            (rc = buf_puts(&s->imports, "import ")) == 0 &&
            (rc = buf_put(&s->imports, q.text.p, q.text.n)) == 0)
            rc = buf_putc(&s->imports, '\n');
    return rc;
}

static int take_source(struct search *s, const struct protocol_file *f, struct err *e)
{
    char **more = reallocarray(s->file, s->files + 1, sizeof(*more));
    struct yara_text t = yara_text_of(f->content);
    struct yara_rule r;
    int rc;

    if (more == NULL)
        return -ENOMEM;
    s->file = more;
    if ((s->file[s->files] = strdup(f->name)) == NULL)
        return -ENOMEM;
    s->files++;
    while ((rc = yara_text_rule(&t, &r, e)) == 1)
        if ((rc = keep_rule(s, &r)) != 0)
            break;
    if (rc == -EBADMSG)
        (void)err_prefix(e, "%s", f->name);
    return rc != 0 ? rc : keep_imports(s, f->content);
}

static bool is_yara(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && (strcmp(dot, ".yar") == 0 || strcmp(dot, ".yara") == 0);
}

static int by_name(const void *a, const void *b, void *arg)
{
    const struct search *s = arg;
    struct span x = s->rule[*(const uint32_t *)a].name, y = s->rule[*(const uint32_t *)b].name;
    size_t n = x.n < y.n ? x.n : y.n;
    int c = memcmp(x.p, y.p, n);

    return c != 0 ? c : (x.n > y.n) - (x.n < y.n);
}

static int read_rules(struct search *s, struct err *e)
{
    struct protocol_file f;
    struct cur c;
    void *map;
    int rc;

    s->size = (size_t)release_size(s->c->rules);
    map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, release_fd(s->c->rules), 0);
    if (map == MAP_FAILED)
        return -errno;
    s->map = map;
    c = cur_of(span_of(s->map, s->size));
    while ((rc = protocol_bundle_next(&c, &f)) == 1)
        if (is_yara(f.name) && (rc = take_source(s, &f, e)) != 0)
            return rc;
    if (rc != 0)
        return rc;
    if (s->n == 0)
        return err_set(e, -EINVAL, "there is no rule of YARA's whose cost could be told");
    s->by_name = calloc(s->n, sizeof(*s->by_name));
    s->order = calloc(s->n, sizeof(*s->order));
    if (s->by_name == NULL || s->order == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++)
        s->by_name[i] = (uint32_t)i;
    qsort_r(s->by_name, s->n, sizeof(*s->by_name), by_name, s);
    return 0;
}

/* --- what a rule needs --- */

/* The first place in by_name whose name is not before this one. */
static size_t lower(const struct search *s, struct span name)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        struct span x = s->rule[s->by_name[mid]].name;
        size_t n = x.n < name.n ? x.n : name.n;
        int c = memcmp(x.p, name.p, n);

        if (c < 0 || (c == 0 && x.n < name.n))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void need(struct search *s, size_t i, unsigned depth);

/* A word of a rule that is another's name, or with "*" behind it the beginning of several. */
static void need_word(struct search *s, struct span word, bool many, size_t self, unsigned depth)
{
    for (size_t k = lower(s, word); k < s->n; k++) {
        size_t j = s->by_name[k];
        struct span x = s->rule[j].name;

        if (x.n < word.n || memcmp(x.p, word.p, word.n) != 0 || (!many && x.n != word.n))
            return;
        if (j != self)
            need(s, j, depth);
    }
}

/* A rule can refer to rules before it only, so that this ends; a chain of thousands is none that
 * people write, and is cut: the engine then says which name is missing. */
static void need(struct search *s, size_t i, unsigned depth)
{
    struct yara_text t = yara_text_of(s->rule[i].text);
    struct yara_piece p, q;
    int more;

    if (s->rule[i].in || depth > 1000)
        return;
    s->rule[i].in = true;
    for (more = yara_text_next(&t, &p); more == 1; p = q) {
        more = yara_text_next(&t, &q);
        if (p.sort == YARA_WORD)
            need_word(s, p.text,
                      more == 1 && span_is(q.text, "*") && q.text.p == p.text.p + p.text.n, i,
                      depth + 1);
    }
}

static void begin(struct search *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->rule[i].in = false;
    for (size_t i = 0; i < s->n; i++)
        if (s->rule[i].always)
            need(s, i, 0);
}

/* --- a measurement --- */

static int put_rules(const struct search *s, struct buf *text)
{
    int rc = buf_put(text, s->imports.data, s->imports.len);

    if (rc == 0)
        rc = buf_puts(text, NOTHING);
    for (size_t i = 0; rc == 0 && i < s->n; i++)
        if (s->rule[i].in && (rc = buf_put(text, s->rule[i].text.p, s->rule[i].text.n)) == 0)
            rc = buf_putc(text, '\n');
    return rc;
}

/* The chosen rules as a release. */
static int pack(const struct search *s, struct release **out, struct err *e)
{
    int fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc = fd < 0 ? -errno : 0;
    struct buf text, head;

    buf_init(&text, 2 * RELEASE_BYTES_MAX);
    buf_init(&head, 64);
    if (rc == 0 && (rc = put_rules(s, &text)) == 0 &&
        (rc = protocol_put_file(&head, "cost.yar", (uint32_t)text.len)) == 0 &&
        (rc = io_write_all(fd, head.data, head.len)) == 0 &&
        (rc = io_write_all(fd, text.data, text.len)) == 0)
        rc = release_seal(fd, e);
    buf_free(&text);
    buf_free(&head);
    if (rc != 0) {
        io_close(&fd);
        return rc;
    }
    return release_open(out, fd, e);
}

static void nothing(void *arg, size_t i, const struct digest *sha256, const struct finding *f)
{
    (void)arg;
    (void)i;
    (void)sha256;
    (void)f;
}

static int measure(struct search *s, double *ms, struct trial_cost *cost, struct err *e)
{
    struct release *r = NULL;
    struct trial *t = NULL;
    uint64_t cpu = 0;
    int rc = pack(s, &r, e);

    if (rc == 0 && (rc = trial_open(&t, r, &s->engines, e)) != 0)
        (void)err_prefix(e, "some rules apart from the others");
    if (rc == 0)
        rc = trial_run(t, s->path, s->c->n * s->times, nothing, NULL, NULL, cost, e);
    if (rc == 0)
        rc = trial_end(t, &cpu, e);
    else
        trial_close(t);
    release_free(r);
    *ms = (double)cpu / 1000;
    s->trials++;
    if (s->c->progress != NULL)
        progress_step(s->c->progress, s->trials);
    return rc;
}

static int measure_group(struct search *s, size_t from, size_t to, double *ms, struct err *e)
{
    struct trial_cost cost;
    int rc;

    begin(s);
    for (size_t i = from; i < to; i++)
        need(s, s->order[i], 0);
    rc = measure(s, ms, &cost, e);
    *ms -= s->base;
    return rc;
}

/* --- the search --- */

static int set_times(struct search *s, unsigned times)
{
    const char **more = reallocarray(s->path, s->c->n * times + 1, sizeof(*more));

    if (more == NULL)
        return -ENOMEM;
    s->path = more;
    s->times = times;
    for (size_t i = 0; i < s->c->n * times; i++)
        s->path[i] = s->c->path[i % s->c->n];
    return 0;
}

/* How often the files must be scanned that something can be seen, and what is seen of nothing. */
static int find_base(struct search *s, struct cost_result *out, struct err *e)
{
    struct trial_cost cost;
    double start = 0, ms = 0, most = 0;
    unsigned times;
    int rc;

    begin(s);
    if ((rc = set_times(s, 0)) != 0 || (rc = measure(s, &start, &cost, e)) != 0 ||
        (rc = set_times(s, 1)) != 0 || (rc = measure(s, &ms, &cost, e)) != 0)
        return rc;
    out->bytes = cost.bytes;
    ms -= start;
    times = ms < 1 ? ENOUGH_MS : (unsigned)(ENOUGH_MS / ms);
    times = times < 1 ? 1 : times > TIMES_MAX ? TIMES_MAX : times;
    if ((rc = set_times(s, times)) != 0)
        return rc;
    for (int i = 0; i < BASES; i++) {
        if ((rc = measure(s, &ms, &cost, e)) != 0)
            return rc;
        s->base = i == 0 || ms < s->base ? ms : s->base;
        most = ms > most ? ms : most;
    }
    s->least = 2 * (most - s->base);
    out->base_ms = s->base > start ? (s->base - start) / s->times : 0;
    return 0;
}

static int add(struct search *s, size_t from, size_t to, struct err *e)
{
    struct group g = {from, to, 0};
    int rc = measure_group(s, from, to, &g.ms, e);

    if (rc != 0)
        return rc;
    if (to - from == 1) { /* noise only adds: the smaller of two is nearer */
        double again;

        if ((rc = measure_group(s, from, to, &again, e)) != 0)
            return rc;
        g.ms = again < g.ms ? again : g.ms;
    }
    if (s->groups == s->group_room) {
        size_t room = s->group_room == 0 ? 64 : s->group_room * 2;
        struct group *more = reallocarray(s->group, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        s->group = more;
        s->group_room = room;
    }
    s->group[s->groups++] = g;
    return 0;
}

static struct group take_costliest(struct search *s)
{
    size_t best = 0;
    struct group g;

    for (size_t i = 1; i < s->groups; i++)
        if (s->group[i].ms > s->group[best].ms)
            best = i;
    g = s->group[best];
    s->group[best] = s->group[--s->groups];
    return g;
}

static void tell(const struct search *s, const struct group *g, struct cost_result *out)
{
    const struct rule *r = &s->rule[s->order[g->from]];
    struct cost_rule told = {
        .name = r->name, .file = r->file, .line = r->line, .cpu_ms = g->ms / s->times};

    out->told++;
    s->c->found(s->c->arg, &told);
}

static int find(struct search *s, struct cost_result *out, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < s->n; i++)
        if (!s->rule[i].always)
            s->order[s->candidates++] = (uint32_t)i;
    if (s->candidates > 0)
        rc = add(s, 0, s->candidates, e);
    while (rc == 0 && s->groups > 0 && out->told < s->c->want) {
        struct group g = take_costliest(s);
        size_t mid = g.from + (g.to - g.from) / 2;

        if (g.ms <= s->least)
            break;
        if ((out->stopped = s->trials >= COST_TRIALS * (s->c->want + 1)))
            break;
        if (g.to - g.from == 1)
            tell(s, &g, out);
        else if ((rc = add(s, g.from, mid, e)) == 0)
            rc = add(s, mid, g.to, e);
    }
    return rc;
}

/* --- --- */

static int choose(struct search *s, struct err *e)
{
    const struct trial_spec *from = s->c->engines;
    bool scans = false;

    s->engines = *from;
    s->engines.n = 0;
    for (size_t i = 0; i < from->n; i++) {
        bool yara = strcmp(from->engines[i], "yara") == 0;

        scans |= yara;
        if (yara || strcmp(from->engines[i], "walk") == 0)
            s->engines.engines[s->engines.n++] = from->engines[i];
    }
    return scans ? 0 : err_set(e, -EINVAL, "the cost of rules is told of YARA's; add that engine");
}

static void done(struct search *s)
{
    if (s->map != NULL)
        (void)munmap((void *)(uintptr_t)s->map, s->size);
    for (size_t i = 0; i < s->files; i++)
        free(s->file[i]);
    free(s->file);
    free(s->rule);
    free(s->by_name);
    free(s->order);
    free(s->path);
    free(s->group);
    buf_free(&s->imports);
}

int cost_run(const struct cost *c, struct cost_result *out, struct err *e)
{
    struct search s = {.c = c};
    int rc;

    memset(out, 0, sizeof(*out));
    buf_init(&s.imports, RELEASE_BYTES_MAX);
    if ((rc = choose(&s, e)) == 0 && (rc = read_rules(&s, e)) == 0 &&
        (rc = find_base(&s, out, e)) == 0)
        rc = find(&s, out, e);
    if (rc != 0 && e != NULL && e->code == 0)
        (void)err_sys(e, rc, "measuring the rules");
    out->rules = s.n;
    out->times = s.times;
    out->trials = s.trials;
    out->least_ms = s.times > 0 ? s.least / s.times : 0;
    done(&s);
    return rc;
}
