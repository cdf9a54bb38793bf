/* bench-scan NAME ENGINE RELEASE COMPILED CORPUS TMP: the files of a corpus through the jailed
 * engine, against YARA's own program with the same rules.
 *
 * Ours is scanner.h; a round ends with the last verdict.  The engine has its rules compiled before
 * the first round, so the peer gets them compiled too: `yara -C -r -p 2`, which is kinder to it
 * than the sources, and what it takes to read them is told.  Both must name the same rules in the
 * same files, or the bench fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hits.h"
#include "scanner.h"

static void told(void *arg, const struct file *f, const struct finding *found)
{
    if (found->verdict == VERDICT_INCOMPLETE) {
        struct err e = ERR_INIT;

        (void)err_set(&e, -EPROTO, "\"%s\" is incomplete (%s)", f->path,
                      verdict_reason_word(found->reason));
        measure_die("scan", &e);
    }
    hits_add_names(arg, found, f->path);
}

static struct cost peer(const char *compiled, const char *corpus, const char *out)
{
    const char *argv[] = {"yara", "-C", "-w", "-r", "-p", "2", compiled, corpus, NULL};

    return measure_command(argv, out);
}

/* The peer with nothing to scan. */
static struct cost peer_start(const char *compiled, const char *tmp)
{
    char empty[4096];

    (void)snprintf(empty, sizeof(empty), "%s/empty", tmp);
    if (mkdir(empty, 0755) != 0 && errno != EEXIST)
        measure_die(empty, NULL);
    return peer(compiled, empty, NULL);
}

static void report(struct bench *b, const struct scanner *s, const struct files *files, size_t hits,
                   const struct cost *start)
{
    struct bench by_cpu = *b;
    char name[64];

    b->bar = 0.95;
    measure_print(b);
    (void)snprintf(name, sizeof(name), "%s-cpu", b->name);
    by_cpu.name = name;
    by_cpu.by_cpu = true;
    measure_print(&by_cpu);
    measure_say(b->name, "%zu files, %.0f MB, %u rules; %zu hits, identical; %s loaded in %.2f s",
                files->n, (double)files->bytes / 1e6, detect_client_rules(s->client), hits,
                detect_client_engine(s->client), s->loading);
    measure_say(b->name,
                "of the peer's CPU seconds %.2f are its start: it reads the compiled rules",
                start->cpu);
}

int main(int argc, char **argv)
{
    struct bench b = {.unit = "files"};
    struct hits mine = {0}, theirs = {0};
    struct files files;
    struct scanner s;
    struct proc_last last;
    struct cost start;
    char out[4096];

    if (argc != 7) {
        (void)fprintf(stderr, "usage: bench-scan NAME ENGINE RELEASE COMPILED CORPUS TMP\n");
        return 2;
    }
    b.name = argv[1];
    (void)snprintf(out, sizeof(out), "%s/yara.out", argv[6]);
    files_list(&files, (const char *const[]){argv[5], NULL}, 0, SCANNER_FILE_MOST);
    scanner_start(&s, argv[2], argv[3]);
    (void)peer(argv[4], argv[5], out); /* the page cache is warm */
    start = peer_start(argv[4], argv[6]);
    for (size_t n = measure_rounds(5); b.n < n; b.n++) {
        hits_forget(&mine);
        hits_forget(&theirs);
        b.ours[b.n] = scanner_run(&s, &files, told, &mine);
        b.peer[b.n] = peer(argv[4], argv[5], out);
        hits_read(&theirs, out);
        hits_compare(&mine, &theirs);
    }
    b.work = (double)files.n;
    report(&b, &s, &files, mine.n, &start);
    scanner_end(&s, &last);
    measure_say(b.name,
                "the engine and its %zu rounds of children used %.2f CPU seconds, loading included",
                b.n, (double)last.cpu_us / 1e6);
    hits_free(&mine);
    hits_free(&theirs);
    files_free(&files);
    return 0;
}
