#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assembler/cell_priv.h"
#include "assembler/files.h"
#include "base/io.h"

#define SCRIPT_MAX ((size_t)100 << 10) /* less than one argument may have */
#define MAX_WORDS 4096
#define FIRST_USER 2000000000u /* on this machine: ids that nobody else has */

/* A list of words that grows; each is owned. */
struct words {
    char *v[MAX_WORDS];
    size_t n;
};

static int word(struct words *w, const char *form, ...) PRINTF_LIKE(2, 3);

static int word(struct words *w, const char *form, ...)
{
    char *made;
    va_list ap;
    int n;

    if (w->n + 1 >= MAX_WORDS)
        return -E2BIG;
    va_start(ap, form);
    n = vasprintf(&made, form, ap);
    va_end(ap);
    if (n < 0)
        return -ENOMEM;
    w->v[w->n++] = made;
    w->v[w->n] = NULL;
    return 0;
}

static int plain(struct words *w, const char *const *list)
{
    int rc = 0;

    for (; rc == 0 && *list != NULL; list++)
        rc = word(w, "%s", *list);
    return rc;
}

static void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i]);
}

/* 'text' for a shell. */
static int quoted(struct buf *b, const char *text)
{
    int rc = buf_putc(b, '\'');

    for (; rc == 0 && *text != '\0'; text++)
        rc = *text == '\'' ? buf_puts(b, "'\\''") : buf_putc(b, *text);
    return rc != 0 ? rc : buf_putc(b, '\'');
}

/* "${cores}" is the one thing a recipe may ask about its circumstances. */
static int filled(struct buf *b, const char *text, unsigned cores)
{
    static const char mark[] = "${cores}";
    const char *at;
    int rc = 0;

    while (rc == 0 && (at = strstr(text, mark)) != NULL) {
        if ((rc = buf_put(b, text, (size_t)(at - text))) == 0)
            rc = buf_printf(b, "%u", cores);
        text = at + strlen(mark);
    }
    return rc != 0 ? rc : buf_puts(b, text);
}

static int filled_quoted(struct buf *out, const char *text, unsigned cores)
{
    struct buf b;
    int rc;

    buf_init(&b, SCRIPT_MAX);
    if ((rc = filled(&b, text, cores)) == 0)
        rc = buf_str(&b) == NULL ? -ENOMEM : quoted(out, (char *)b.data);
    buf_free(&b);
    return rc;
}

/* Archives lose their first folder as everywhere; what is not one folder stays as it is. */
static int lay_source(struct buf *b, size_t i, const struct recipe_source *s)
{
    const char *base = strrchr(s->where, '/');
    int rc;

    base = base != NULL ? base + 1 : s->where;
    switch (s->kind) {
    case SOURCE_DEBIAN:
        rc = buf_puts(b, "rmdir \"$work\"; dpkg-source --no-check -x /sources/");
        rc = rc != 0 ? rc : quoted(b, base);
        return rc != 0 ? rc : buf_puts(b, " \"$work\"\n");
    case SOURCE_TAR:
        rc = buf_printf(b, "mkdir /tmp/u%zu; /bin/tar -x -f /sources/", i);
        rc = rc != 0 ? rc : quoted(b, base);
        return rc != 0 ? rc
                       : buf_printf(b,
                                    " -C /tmp/u%zu; set -- /tmp/u%zu/*\n"
                                    "if [ $# = 1 ] && [ -d \"$1\" ]; then from=$1; "
                                    "else from=/tmp/u%zu; fi\n"
                                    "cp -R -p \"$from/.\" \"$work/\"; rm -rf /tmp/u%zu\n",
                                    i, i, i, i);
    case SOURCE_GIT:
    case SOURCE_TREE:
        return buf_printf(b, "cp -R -p /sources/%zu/. \"$work/\"\n", i);
    case SOURCE_FILE:
        rc = buf_puts(b, "cp -p /sources/");
        rc = rc != 0 ? rc : quoted(b, base);
        return rc != 0 ? rc : buf_puts(b, " \"$work/\"\n");
    }
    return -EINVAL;
}

/* Files are made in one order whatever the archive's was: by name, or against it. */
static const char order[] =
    "cd \"$work\"; find . | LC_ALL=C sort %s >/tmp/order; mkdir \"$base/.o\"\n"
    "/bin/tar -c -f - --no-recursion -T /tmp/order | /bin/tar -x -p -f - -C \"$base/.o\"\n"
    "cd \"$base\"; rm -rf \"$work\" /tmp/order; mv .o \"$work\"; cd \"$work\"\n";

static int one_step(struct buf *b, size_t i, const struct recipe_step *s, unsigned cores)
{
    int rc = buf_printf(b, "echo %zu >&3\n", i + 1);

    if (rc != 0)
        return rc;
    if (s->shell != NULL) {
        if ((rc = buf_puts(b, "/bin/sh -e -u -c ")) == 0 &&
            (rc = filled_quoted(b, s->shell, cores)) == 0)
            rc = buf_puts(b, " 3>&-\n");
        return rc;
    }
    for (size_t k = 0; rc == 0 && s->argv[k] != NULL; k++)
        if ((rc = filled_quoted(b, s->argv[k], cores)) == 0)
            rc = buf_putc(b, ' ');
    return rc != 0 ? rc : buf_puts(b, "3>&-\n");
}

static int script(struct buf *b, const struct cell_spec *s)
{
    const struct recipe *r = s->recipe;
    const struct cell_settings *set = s->settings;
    int rc;

    rc = buf_printf(b,
                    "set -e; umask 022; echo r >&3; read -r go <&4; exec 4<&-\n"
                    "base=%s; work=$base/%s; mkdir -p \"$work\"; cd \"$work\"\n",
                    set->path, r->folder);
    for (size_t i = 0; rc == 0 && i < r->nsources; i++)
        rc = lay_source(b, i, &r->sources[i]);
    if (rc == 0)
        rc = buf_printf(b, order, set->reversed ? "-r" : "");
    if (rc == 0)
        rc = buf_printf(b, "umask %03o\n", set->umask);
    for (size_t i = 0; rc == 0 && i < r->nsteps; i++)
        rc = one_step(b, i, &r->steps[i], set->cores);
    return rc == 0 && buf_str(b) == NULL ? -ENOMEM : rc;
}

static int environment(struct words *w, const struct recipe *r, const struct cell_settings *set)
{
    static const char *const fixed[] = {"--clearenv",
                                        "--setenv",
                                        "PATH",
                                        "/usr/sbin:/usr/bin:/sbin:/bin",
                                        "--setenv",
                                        "HOME",
                                        "/nonexistent",
                                        "--setenv",
                                        "TERM",
                                        "dumb",
                                        NULL};
    struct buf b;
    int rc = plain(w, fixed);
    const char *vary[] = {"--setenv", "LC_ALL", set->locale, "--setenv", "TZ", set->timezone, NULL};

    if (rc == 0)
        rc = plain(w, vary);
    if (rc == 0 && r->clock >= 0 && (rc = word(w, "--setenv")) == 0 &&
        (rc = word(w, "SOURCE_DATE_EPOCH")) == 0)
        rc = word(w, "%lld", (long long)r->clock);
    for (size_t i = 0; rc == 0 && i < r->nenv; i++) {
        buf_init(&b, SCRIPT_MAX);
        if ((rc = filled(&b, r->env[2 * i + 1], set->cores)) == 0 && buf_str(&b) == NULL)
            rc = -ENOMEM;
        if (rc == 0 && (rc = word(w, "--setenv")) == 0 && (rc = word(w, "%s", r->env[2 * i])) == 0)
            rc = word(w, "%s", (char *)b.data);
        buf_free(&b);
    }
    return rc;
}

/* "0,1": as many of the cores that we may use. */
static int cores(struct words *w, unsigned many)
{
    cpu_set_t set;
    char list[2048] = "";
    size_t len = 0;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return -errno;
    for (int cpu = 0; many > 0 && cpu < CPU_SETSIZE && len < sizeof(list) - 8; cpu++)
        if (CPU_ISSET(cpu, &set)) {
            len +=
                (size_t)snprintf(list + len, sizeof(list) - len, "%s%d", len == 0 ? "" : ",", cpu);
            many--;
        }
    return word(w, "%s", list);
}

static int namespaces(struct words *w, const struct cell_spec *s)
{
    static const char *const flags[] = {"--unshare-user",
                                        "--unshare-ipc",
                                        "--unshare-pid",
                                        "--unshare-net",
                                        "--unshare-uts",
                                        "--unshare-cgroup-try",
                                        "--disable-userns",
                                        "--die-with-parent",
                                        "--new-session",
                                        "--info-fd",
                                        "5",
                                        "--hostname",
                                        NULL};
    const struct recipe_limits *l = &s->recipe->limits;
    const char *mounts[] = {"--ro-bind", s->root, "/", "--proc", "/proc", "--dev", "/dev", NULL};
    static const char *const more[] = {"--ro-bind", NULL};
    static const char *const last[] = {"/sources", "--chdir", "/build", NULL};
    int rc;

    if ((rc = plain(w, flags)) != 0 || (rc = word(w, "%s", s->settings->host)) != 0 ||
        (rc = word(w, "--uid")) != 0 || (rc = word(w, "%u", s->settings->user)) != 0 ||
        (rc = word(w, "--gid")) != 0 || (rc = word(w, "%u", s->settings->user)) != 0 ||
        (rc = plain(w, mounts)) != 0)
        return rc;
    static const char *const place[] = {"/dev/shm", "/tmp", "/build"};
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(place); i++)
        if ((rc = word(w, "--perms")) == 0 && (rc = word(w, i == 2 ? "0755" : "1777")) == 0 &&
            (rc = word(w, "--size")) == 0 &&
            (rc = word(w, "%llu", (unsigned long long)(i == 0 ? l->disk / 4 : l->disk))) == 0 &&
            (rc = word(w, "--tmpfs")) == 0)
            rc = word(w, "%s", place[i]);
    if (rc == 0 && (rc = word(w, "--remount-ro")) == 0 && (rc = word(w, "/dev")) == 0 &&
        (rc = plain(w, more)) == 0 && (rc = word(w, "%s", s->sources)) == 0)
        rc = plain(w, last);
    return rc;
}

static int command(struct words *w, const struct cell_spec *s)
{
    const struct recipe_limits *l = &s->recipe->limits;
    struct buf text;
    int rc;

    buf_init(&text, SCRIPT_MAX);
    if ((rc = word(w, "prlimit")) == 0 && (rc = word(w, "--core=0")) == 0 &&
        (rc = word(w, "--nproc=%llu", (unsigned long long)l->processes)) == 0 &&
        (rc = word(w, "--as=%llu", (unsigned long long)l->memory)) == 0 &&
        (rc = word(w, "--")) == 0 && (rc = word(w, "taskset")) == 0 && (rc = word(w, "-c")) == 0 &&
        (rc = cores(w, s->settings->cores)) == 0 && (rc = word(w, "bwrap")) == 0 &&
        (rc = namespaces(w, s)) == 0 && (rc = environment(w, s->recipe, s->settings)) == 0 &&
        (rc = script(&text, s)) == 0 && (rc = word(w, "--")) == 0 &&
        (rc = word(w, "/bin/sh")) == 0 && (rc = word(w, "-c")) == 0)
        rc = word(w, "%s", (char *)text.data);
    buf_free(&text);
    return rc;
}

static int channel(int *read_end, int *write_end)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC) != 0)
        return -errno;
    *read_end = p[0];
    *write_end = p[1];
    return 0;
}

int cell_start(struct cell *c, const struct cell_spec *s, struct err *e)
{
    static const char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    int log = -1, up = -1, down = -1, info = -1, rc;
    struct words *w = calloc(1, sizeof(*w));
    char path[64], tool[64];

    if (w == NULL)
        return -ENOMEM;
    if ((rc = files_tool("bwrap", tool, e)) != 0 || (rc = files_tool("taskset", tool, e)) != 0 ||
        (rc = files_tool("prlimit", path, e)) != 0)
        goto out;
    if ((rc = command(w, s)) != 0) {
        rc = err_sys(e, rc, "the steps of \"%s\"", s->recipe->name);
        goto out;
    }
    if ((rc = channel(&c->log, &log)) != 0 || (rc = channel(&c->up, &up)) != 0 ||
        (rc = channel(&down, &c->down)) != 0 || (rc = channel(&c->info, &info)) != 0) {
        rc = err_sys(e, rc, "a pipe");
        goto out;
    }
    struct proc_fd fds[] = {{log, 1}, {log, 2}, {up, 3}, {down, 4}, {info, 5}};
    uid_t user = FIRST_USER + (uid_t)getpid();
    struct proc_spec spec = {.path = path,
                             .argv = (const char *const *)w->v,
                             .envp = envp,
                             .fds = fds,
                             .nfds = ARRAY_LEN(fds),
                             .set_ids = geteuid() == 0,
                             .uid = user,
                             .gid = user,
                             .death_signal = 9};
    rc = proc_spawn(&c->proc, &spec, e);
out:
    io_close(&log);
    io_close(&up);
    io_close(&down);
    io_close(&info);
    words_free(w);
    free(w);
    return rc;
}
