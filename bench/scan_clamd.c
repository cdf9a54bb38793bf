/* bench-scan-clamd ENGINE RELEASE CORPUS TMP: the files of a corpus through our jailed ClamAV
 * engine, against `clamdscan --multiscan --fdpass` and a clamd that has loaded the same databases.
 *
 * clamd is started here, on a socket of its own under TMP, with our engine's limits, without its
 * cache of clean files (as ours; in the second round it would else scan nothing) and with two
 * threads, as ours has two children.  Both load before the clock starts.  The CPU is that of client
 * and server on either side.
 *
 * Not equal: ours looks for all names in a file and tells every limit and warning, clamd stops at
 * the first name; so what must agree is which files are named, and that each name of clamd's is one
 * of ours. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "hits.h"
#include "scanner.h"

#define START_MS 120000

static struct clamd {
    struct proc proc;
    char folder[64], socket[96], conf[96];
    double loading;
} clamd = {.proc = PROC_NONE};
struct found {
    struct hits hits;
    size_t incomplete;
    char why[4200]; /* the first of these */
};

/* ------------------------------------------------------------------ ours */

static void told(void *arg, const struct file *f, const struct finding *found)
{
    struct found *mine = arg;

    hits_add_names(&mine->hits, found, f->path);
    if (found->verdict != VERDICT_INCOMPLETE)
        return;
    if (mine->incomplete++ == 0)
        (void)snprintf(mine->why, sizeof(mine->why), "%s (%s)", f->path,
                       verdict_reason_word(found->reason));
}

/* ------------------------------------------------------------------ the peer */

static void write_conf(const char *release)
{
    struct clamd *d = &clamd;
    int fd;
    struct buf b;

    (void)snprintf(d->socket, sizeof(d->socket), "%.60s/clamd.socket", d->folder);
    (void)snprintf(d->conf, sizeof(d->conf), "%.60s/clamd.conf", d->folder);
    buf_init(&b, 8192);
    fd = open(d->conf, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 ||
        buf_printf(&b,
                   "DatabaseDirectory %s\nLocalSocket %s\nForeground yes\nMaxThreads %d\n"
                   "TemporaryDirectory %s\nDisableCache yes\nDisableCertCheck yes\nBytecode no\n"
                   "SelfCheck 0\nMaxScanSize 256M\nMaxFileSize 2047M\nMaxRecursion 17\n"
                   "MaxFiles 10000\nMaxScanTime 0\nMaxEmbeddedPE 100M\n"
                   "MaxHTMLNormalize 100M\nMaxScriptNormalize 100M\nDetectPUA yes\n"
                   "AlertExceedsMax yes\nAlertEncrypted yes\nPhishingSignatures no\n"
                   "PhishingScanURLs no\n",
                   release, d->socket, SCANNER_CHILDREN,
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : d->folder) != 0 ||
        io_write_all(fd, b.data, b.len) != 0)
        measure_die(d->conf, NULL);
    io_close(&fd);
    buf_free(&b);
}

static bool answers(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char pong[8] = "";
    bool good;

    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%.95s", clamd.socket);
    good = fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 &&
           write(fd, "zPING", 6) == 6 && read(fd, pong, sizeof(pong)) >= 4 &&
           memcmp(pong, "PONG", 4) == 0;
    io_close(&fd);
    return good;
}

static void clamd_end(void)
{
    proc_end_now(&clamd.proc);
    measure_remove(clamd.folder);
}

/* Until it answers; it ends with us, whatever way. */
static void clamd_start(const char *release)
{
    struct cost begin = measure_now();
    char argument[128];
    const char *argv[] = {"clamd", argument, NULL};
    struct proc_spec spec = {.path = "/usr/sbin/clamd", .argv = argv, .death_signal = SIGKILL};
    struct proc_last why;
    struct err e = ERR_INIT;
    char text[96];

    (void)snprintf(clamd.folder, sizeof(clamd.folder), "/tmp/bench-clamd-XXXXXX");
    if (mkdtemp(clamd.folder) == NULL || atexit(clamd_end) != 0)
        measure_die("a folder for clamd", NULL);
    write_conf(release);
    (void)snprintf(argument, sizeof(argument), "--config-file=%s", clamd.conf);
    if (proc_spawn(&clamd.proc, &spec, &e) != 0)
        measure_die("clamd", &e);
    while (!answers()) {
        if (proc_reap(&clamd.proc, false, &why) == 0) {
            (void)err_set(&e, -EPROTO, "%s", proc_last_text(&why, text));
            measure_die("clamd does not start", &e);
        }
        if (measure_since(&begin).wall * 1000 > START_MS)
            measure_die("clamd does not answer", NULL);
        (void)usleep(20000);
    }
    clamd.loading = measure_since(&begin).wall;
}

/* clamdscan ends with 1 when it found something. */
static struct cost peer(const char *corpus, const char *out)
{
    static const char line[] = "clamdscan --config-file=\"$1\" --multiscan --fdpass --infected "
                               "--no-summary \"$2\"; [ $? = 1 ]";
    const char *argv[] = {"sh", "-c", line, "sh", clamd.conf, corpus, NULL};
    double before = scanner_tree_cpu(clamd.proc.pid);
    struct cost c = measure_command(argv, out);

    c.cpu += scanner_tree_cpu(clamd.proc.pid) - before;
    return c;
}

/* "PATH: NAME.UNOFFICIAL FOUND" as "NAME PATH". */
static void read_found(struct hits *h, const char *path)
{
    static const char end[] = ".UNOFFICIAL FOUND";
    struct hits lines = {0};

    hits_read(&lines, path);
    for (size_t i = 0; i < lines.n; i++) {
        char *line = lines.v[i], *colon = strstr(line, ": "), text[4400];
        size_t n = strlen(line);
        int len;

        if (colon == NULL || n < sizeof(end) || strcmp(line + n - (sizeof(end) - 1), end) != 0)
            measure_die(line, NULL);
        line[n - (sizeof(end) - 1)] = '\0';
        *colon = '\0';
        len = snprintf(text, sizeof(text), "%s %s", colon + 2, line);
        hits_add(h, text, (size_t)len);
    }
    hits_free(&lines);
}

/* ------------------------------------------------------------------ both */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files named: the distinct second words of lines. */
static size_t count_files(const struct hits *h)
{
    char **path = calloc(h->n + 1, sizeof(*path));
    size_t n = 0;

    if (path == NULL)
        measure_die("out of memory", NULL);
    for (size_t i = 0; i < h->n; i++)
        path[i] = strchr(h->v[i], ' ') + 1;
    qsort(path, h->n, sizeof(*path), by_text);
    for (size_t i = 0; i < h->n; i++)
        n += i == 0 || strcmp(path[i - 1], path[i]) != 0;
    free(path);
    return n;
}

/* Each of theirs is one of mine, and as many files are named. */
static void compare(struct hits *mine, struct hits *theirs)
{
    struct err e = ERR_INIT;

    if (theirs->n == 0)
        measure_die("nothing was found: the comparison would be empty", NULL);
    qsort(mine->v, mine->n, sizeof(*mine->v), by_text);
    for (size_t i = 0; i < theirs->n; i++)
        if (bsearch(&theirs->v[i], mine->v, mine->n, sizeof(*mine->v), by_text) == NULL) {
            (void)err_set(&e, -EPROTO, "clamd alone says \"%s\"", theirs->v[i]);
            measure_die("the two did not find the same", &e);
        }
    if (count_files(mine) != count_files(theirs)) {
        (void)err_set(&e, -EPROTO, "ours names %zu files, clamd %zu", count_files(mine),
                      count_files(theirs));
        measure_die("the two did not find the same", &e);
    }
}

static void report(struct bench *b, const struct scanner *s, const struct files *files,
                   const struct found *mine)
{
    struct bench by_clock = *b;

    b->bar = 1;
    b->by_cpu = true;
    measure_print(b);
    by_clock.name = "scan-clamd-wall";
    measure_print(&by_clock);
    measure_say(b->name,
                "%zu files, %.0f MB, %u signatures; %zu files named by both; loaded in %.2f and "
                "%.2f s",
                files->n, (double)files->bytes / 1e6, detect_client_rules(s->client),
                count_files(&mine->hits), s->loading, clamd.loading);
    measure_say(b->name,
                "not equal: ours forks a jailed child per 64 files, looks for all names in a file "
                "(%zu) and tells what it did not look at (%zu files%s%s); clamd is one process "
                "without a jail and stops at the first name",
                mine->hits.n, mine->incomplete, mine->incomplete > 0 ? ", the first " : "",
                mine->why);
}

int main(int argc, char **argv)
{
    struct bench b = {.name = "scan-clamd", .unit = "files"};
    struct found mine = {0};
    struct hits theirs = {0};
    struct proc_last last;
    struct files files;
    struct scanner s;
    char out[4096];

    if (argc != 5) {
        (void)fprintf(stderr, "usage: bench-scan-clamd ENGINE RELEASE CORPUS TMP\n");
        return 2;
    }
    (void)snprintf(out, sizeof(out), "%s/clamd.out", argv[4]);
    files_list(&files, (const char *const[]){argv[3], NULL}, 0, SCANNER_FILE_MOST);
    scanner_start(&s, argv[1], argv[2]);
    clamd_start(argv[2]);
    (void)peer(argv[3], out); /* the page cache is warm */
    for (size_t n = measure_rounds(5); b.n < n; b.n++) {
        hits_forget(&mine.hits);
        hits_forget(&theirs);
        mine.incomplete = 0;
        b.ours[b.n] = scanner_run(&s, &files, told, &mine);
        b.peer[b.n] = peer(argv[3], out);
        read_found(&theirs, out);
        compare(&mine.hits, &theirs);
    }
    b.work = (double)files.n;
    report(&b, &s, &files, &mine);
    scanner_end(&s, &last);
    hits_free(&mine.hits);
    hits_free(&theirs);
    files_free(&files);
    return 0;
}
