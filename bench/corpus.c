/* bench-corpus: makes the input of the benches, the same from the same machine's /usr each time.
 *
 *   files DIR COUNT    slices of the ELF files of /usr, sizes as users' executables have them:
 *                      log-normal with half under 54 KB and nine tenths under 234 KB, at most 2 MB
 *   copies DIR COUNT   whole files of /usr/bin and /usr/lib up to 4 MB, evenly from their list
 *   rules FILE COUNT CORPUS   YARA rules of random strings; every fifteenth has 16 bytes that stand
 *                      somewhere in the corpus, so that there is something to find
 *   clamav DIR COUNT CORPUS   ClamAV databases of the same kind: a third hashes of files
 *                      (.hsb), the rest texts with a gap (.ndb); two of a thousand name something
 *                      in a small file of the corpus */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "files.h"
#include "measure.h"

#define KB 1000
#define MEDIAN 54000.0
#define SIGMA 1.1442 /* ln(234 / 54) / 1.2816, the normal distribution's ninth decile */
#define MOST 2000000
#define COPY_MOST 4000000
#define TAKEN_EVERY 15
#define TAKEN_RARELY 1000

static uint64_t state = 42;

static double uniform(void)
{
    return (double)(measure_random(&state) >> 11) / 9007199254740992.0;
}

static size_t size_drawn(void)
{
    double normal = -6, size;

    for (int i = 0; i < 12; i++) /* nearly normal, mean 0, deviation 1 */
        normal += uniform();
    size = MEDIAN * exp(SIGMA * normal);
    return size < 200 ? 200 : size > MOST ? MOST : (size_t)size;
}

static uint8_t *whole(const struct file *f)
{
    uint8_t *p = malloc((size_t)f->size + 1);

    if (p == NULL)
        measure_die("out of memory", NULL);
    files_read(f, p);
    return p;
}

static void store(const char *dir, size_t number, const void *p, size_t n)
{
    char path[4096];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%03zu", dir, number / 100);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        measure_die(path, NULL);
    (void)snprintf(path, sizeof(path), "%s/%03zu/%05zu", dir, number / 100, number);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || io_write_all(fd, p, n) != 0)
        measure_die(path, NULL);
    io_close(&fd);
}

static bool is_elf(const struct file *f)
{
    uint8_t magic[4] = {0};
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    bool elf = fd >= 0 && io_read_full(fd, magic, 4) == 0 && memcmp(magic, "\177ELF", 4) == 0;

    io_close(&fd);
    return elf;
}

/* A file of /usr is read once and gives slices until about as many bytes as it has were taken. */
static void make_files(const char *dir, size_t count)
{
    const char *const from[] = {"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", NULL};
    struct files f;
    size_t made = 0;

    files_list(&f, from, 100 * KB, 64000 * KB);
    while (made < count) {
        size_t before = made;

        for (size_t i = 0; i < f.n && made < count; i++) {
            uint64_t taken = 0;
            uint8_t *p;

            if (!is_elf(&f.v[i]))
                continue;
            p = whole(&f.v[i]);
            while (made < count && taken < f.v[i].size) {
                size_t n = size_drawn();

                if (n > f.v[i].size)
                    n = (size_t)f.v[i].size;
                store(dir, made++, p + measure_random(&state) % (f.v[i].size - n + 1), n);
                taken += n;
            }
            free(p);
        }
        if (made == before)
            measure_die("there are no ELF files of 100 KB in /usr", NULL);
    }
    files_free(&f);
}

static void make_copies(const char *dir, size_t count)
{
    const char *const from[] = {"/usr/bin", "/usr/lib", NULL};
    struct files f;

    files_list(&f, from, 1, COPY_MOST);
    if (count > f.n)
        count = f.n;
    for (size_t i = 0; i < count; i++) {
        const struct file *one = &f.v[i * f.n / count];
        uint8_t *p = whole(one);

        store(dir, i, p, (size_t)one->size);
        free(p);
    }
    files_free(&f);
}

static void random_text(FILE *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)fputc("abcdefghijklmnopqrstuvwxyzABCDEF0123456789_./"[measure_random(&state) % 45],
                    out);
}

static bool telling(const uint8_t *p, size_t n)
{
    bool seen[256] = {false};
    size_t distinct = 0;

    for (size_t i = 0; i < n; i++) {
        distinct += !seen[p[i]];
        seen[p[i]] = true;
    }
    return distinct >= 12;
}

/* Bytes that stand somewhere in the corpus, each in hexadecimal behind `mark`. */
static void taken_bytes(FILE *out, const struct files *f, size_t n, const char *mark)
{
    for (;;) {
        const struct file *one = &f->v[measure_random(&state) % f->n];
        uint8_t *p;
        const uint8_t *at;

        if (one->size < 4096)
            continue;
        p = whole(one);
        at = p + measure_random(&state) % (one->size - n);
        if (telling(at, n)) {
            for (size_t i = 0; i < n; i++)
                (void)fprintf(out, "%s%02X", mark, at[i]);
            free(p);
            return;
        }
        free(p);
    }
}

static void make_rules(const char *path, size_t count, const char *corpus)
{
    const char *const from[] = {corpus, NULL};
    FILE *out = fopen(path, "we");
    struct files f;

    files_list(&f, from, 1, COPY_MOST);
    if (out == NULL || f.n == 0)
        measure_die(path, NULL);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "rule bench_%05zu\n{\n    strings:\n        $a = \"", i);
        random_text(out, 10 + measure_random(&state) % 12);
        (void)fprintf(out, "\"\n        $b = \"");
        random_text(out, 8 + measure_random(&state) % 12);
        (void)fprintf(out, "\" nocase\n        $c = {");
        if (i % TAKEN_EVERY == 0)
            taken_bytes(out, &f, 16, " ");
        else
            for (size_t k = 0; k < 14; k++)
                (void)fprintf(out, k == 6 || k == 7 ? " ??" : " %02X",
                              (unsigned)(measure_random(&state) & 0xff));
        (void)fprintf(out, " }\n    condition:\n        any of them\n}\n\n");
    }
    if (fclose(out) != 0)
        measure_die(path, NULL);
    files_free(&f);
}

/* --- ClamAV databases --- */

static void hex_of(FILE *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)fprintf(out, "%02x", p[i]);
}

/* The hash of a file of the corpus, or of none. */
static void hash_line(FILE *out, size_t number, const struct files *f, bool taken)
{
    const struct file *one = &f->v[measure_random(&state) % f->n];
    uint64_t drawn[4];
    struct digest d;

    for (size_t i = 0; i < ARRAY_LEN(drawn); i++)
        drawn[i] = measure_random(&state);
    memcpy(&d, drawn, sizeof(d));
    if (taken) {
        uint8_t *p = whole(one);

        sha256_of(p, (size_t)one->size, &d);
        free(p);
    }
    hex_of(out, d.b, sizeof(d.b));
    (void)fprintf(out, ":%llu:Bench.Hash.%05zu\n", (unsigned long long)one->size, number);
}

static void text_line(FILE *out, size_t number, const struct files *f, bool taken)
{
    uint8_t text[40];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)measure_random(&state);
    (void)fprintf(out, "Bench.Text.%05zu:%d:*:", number, number % 4 == 0 && !taken ? 6 : 0);
    if (taken) {
        taken_bytes(out, f, 48, "");
        (void)fputc('\n', out);
        return;
    }
    hex_of(out, text, 12);
    (void)fputs(number % 2 == 0 ? "{4-60}" : "??", out);
    hex_of(out, text + 12, 8 + measure_random(&state) % 20);
    (void)fputc('\n', out);
}

static void make_clamav(const char *dir, size_t count, const char *corpus)
{
    const char *const from[] = {corpus, NULL};
    char path[2][4096];
    FILE *hashes, *texts;
    struct files f;

    /* from small ones: a scanner that stops at the first name would else skip much of the work */
    files_list(&f, from, 4096, 16 * KB);
    (void)snprintf(path[0], sizeof(path[0]), "%s/generated.hsb", dir);
    (void)snprintf(path[1], sizeof(path[1]), "%s/generated.ndb", dir);
    hashes = fopen(path[0], "we");
    texts = fopen(path[1], "we");
    if (hashes == NULL || texts == NULL || f.n == 0)
        measure_die(dir, NULL);
    for (size_t i = 0; i < count; i++)
        (i % 3 == 0 ? hash_line : text_line)(i % 3 == 0 ? hashes : texts, i, &f,
                                             i % TAKEN_RARELY < 2);
    if (fclose(hashes) != 0 || fclose(texts) != 0)
        measure_die(dir, NULL);
    files_free(&f);
}

int main(int argc, char **argv)
{
    size_t count = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

    if (argc == 4 && strcmp(argv[1], "files") == 0)
        make_files(argv[2], count);
    else if (argc == 4 && strcmp(argv[1], "copies") == 0)
        make_copies(argv[2], count);
    else if (argc == 5 && strcmp(argv[1], "rules") == 0)
        make_rules(argv[2], count, argv[4]);
    else if (argc == 5 && strcmp(argv[1], "clamav") == 0)
        make_clamav(argv[2], count, argv[4]);
    else {
        (void)fprintf(stderr, "usage: bench-corpus files|copies DIR COUNT | rules FILE COUNT DIR | "
                              "clamav DIR COUNT DIR\n");
        return 2;
    }
    return 0;
}
