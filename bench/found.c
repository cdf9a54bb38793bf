/* bench-found ENGINE RELEASE: what the jailed engine finds in the files whose paths stand on
 * standard input, one a line, for tests/detect/hits_equal.sh to compare with yara's own word.
 *
 *   M<tab>HITS<tab>PATH<tab>NAME<tab>NAME ...   malicious: by so many rules, of which these are
 * kept I<tab>REASON<tab>PATH                       incomplete T<tab>FILES<tab>BYTES<tab>CPU SECONDS
 * the last line: all of them */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scanner.h"

static void told(void *arg, const struct file *f, const struct finding *found)
{
    struct cur c = cur_of(buf_span(&found->names));

    (void)arg;
    if (found->verdict == VERDICT_INCOMPLETE)
        (void)printf("I\t%s\t%s\n", verdict_reason_word(found->reason), f->path);
    if (found->verdict != VERDICT_MALICIOUS)
        return;
    (void)printf("M\t%u\t%s\t", found->hits, f->path);
    for (; c.n > 0; c.p++, c.n--)
        (void)putchar(*c.p == '\n' ? '\t' : *c.p);
    (void)putchar('\n');
}

static void read_list(struct files *f)
{
    size_t room = 0, cap = 0;
    char *line = NULL;
    struct stat st;
    ssize_t n;

    memset(f, 0, sizeof(*f));
    while ((n = getline(&line, &room, stdin)) > 0) {
        line[n - 1] = line[n - 1] == '\n' ? '\0' : line[n - 1];
        if (stat(line, &st) != 0 || !S_ISREG(st.st_mode))
            measure_die(line, NULL);
        if (f->n == cap) {
            cap = cap == 0 ? 1024 : cap * 2;
            if ((f->v = reallocarray(f->v, cap, sizeof(*f->v))) == NULL)
                measure_die("out of memory", NULL);
        }
        if ((f->v[f->n].path = strdup(line)) == NULL)
            measure_die("out of memory", NULL);
        f->v[f->n].size = (uint64_t)st.st_size;
        f->bytes += f->v[f->n++].size;
    }
    free(line);
}

int main(int argc, char **argv)
{
    struct proc_last last;
    struct files files;
    struct scanner s;
    struct cost c;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench-found ENGINE RELEASE <LIST\n");
        return 2;
    }
    read_list(&files);
    scanner_start(&s, argv[1], argv[2]);
    c = scanner_run(&s, &files, told, NULL);
    scanner_end(&s, &last);
    (void)printf("T\t%zu\t%llu\t%.2f\n", files.n, (unsigned long long)files.bytes, c.cpu);
    files_free(&files);
    return fflush(stdout) == 0 ? 0 : 3;
}
