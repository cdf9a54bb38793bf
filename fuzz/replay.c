/* replay.c - runs a fuzz target over a corpus folder without libFuzzer, so that every "make test"
 * does, with any compiler.
 *
 *     replay_NAME CORPUS
 *
 * Every file is run whole, then cut short at every length, then with single bytes changed, each in
 * a heap block of exactly its size, so that a sanitizer sees the first byte read too far.  Large
 * files and large corpora take evenly spaced cuts and changes instead of all: at most RUNS_MAX runs
 * over BYTES_MAX bytes in all, so the same corpus always makes the same runs and ends in seconds.
 *
 * Exit 0; 1 if the folder is empty or unreadable.  If the target dies, the last line on standard
 * error names the input: file, and what was done to it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (4u << 20)
#define RUNS_MAX 60000u
#define BYTES_MAX (256u << 20)
#define FILE_RUNS_MAX 2048u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* What is being run, for the last words. */
static char doing[PATH_MAX + 64];

static void last_words(void)
{
    size_t n = strlen(doing);

    if (write(STDERR_FILENO, doing, n) != (ssize_t)n)
        _exit(1);
}

static void died(int sig)
{
    last_words();
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
}

static void run(const char *path, const char *what, size_t at, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        abort();
    (void)snprintf(doing, sizeof(doing), "replay: died on %s, %s %zu\n", path, what, at);
    if (size > 0)
        memcpy(copy, data, size);
    /* an empty input has no byte that may be read */
    (void)LLVMFuzzerTestOneInput(copy + (size > 0 ? 0 : 1), size);
    free(copy);
}

/* The distance between cuts (and changes) that keeps a file of size within its share of runs. */
static size_t stride_for(size_t size, size_t files)
{
    size_t runs = RUNS_MAX / files, by_bytes = BYTES_MAX / files / (size + 1);

    if (runs > FILE_RUNS_MAX)
        runs = FILE_RUNS_MAX;
    if (runs > by_bytes)
        runs = by_bytes;
    runs = runs < 4 ? 2 : runs / 2; /* half for cuts, half for changes */
    return (size + runs - 1) / runs;
}

static void replay(const char *path, uint8_t *data, size_t size, size_t files)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x20, 0x10, 0x7f};
    size_t stride = stride_for(size, files), k = 0;

    run(path, "whole, bytes", size, data, size);
    if (size == 0)
        return;
    for (size_t n = 0; n < size; n += stride)
        run(path, "cut to", n, data, n);
    for (size_t i = 0; i < size; i += stride) {
        uint8_t was = data[i];

        data[i] ^= masks[k++ % sizeof(masks)];
        run(path, "changed byte", i, data, size);
        data[i] = was;
    }
}

/* Reads a regular file of at most FILE_MAX bytes.  The caller frees *out. */
static int load(int dirfd, const char *name, uint8_t **out, size_t *size)
{
    struct stat st;
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -EINVAL;
    size_t got = 0;
    ssize_t n = 0;

    *out = NULL;
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        goto out;
    *size = (size_t)st.st_size;
    *out = malloc(*size + 1);
    if (*out == NULL)
        goto out;
    while (got < *size && (n = read(fd, *out + got, *size - got)) > 0)
        got += (size_t)n;
    rc = got == *size ? 0 : -EIO;
out:
    (void)close(fd);
    if (rc != 0) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

static int not_hidden(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static int replay_dir(const char *dir)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, not_hidden, alphasort), rc = 0;
    int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (n <= 0 || dirfd < 0) {
        (void)fprintf(stderr, "replay: nothing to replay in \"%s\"\n", dir);
        rc = 1;
    }
    for (int i = 0; rc == 0 && i < n; i++) {
        uint8_t *data;
        size_t size = 0;

        if (load(dirfd, names[i]->d_name, &data, &size) != 0) {
            (void)fprintf(stderr, "replay: cannot read \"%s\": not a file of at most %u bytes\n",
                          names[i]->d_name, FILE_MAX);
            rc = 1;
            break;
        }
        replay(names[i]->d_name, data, size, (size_t)n);
        free(data);
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (dirfd >= 0)
        (void)close(dirfd);
    return rc;
}

int main(int argc, char **argv)
{
    static const int deadly[] = {SIGABRT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    /* the runner ends a hang by SIGTERM; a sanitizer handles the rest itself and asks us back */
    size_t ours = __sanitizer_set_death_callback != NULL ? 2 : sizeof(deadly) / sizeof(deadly[0]);

    if (LLVMFuzzerInitialize != NULL)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(last_words);
    for (size_t i = 0; i < ours; i++)
        (void)signal(deadly[i], died);
    return replay_dir(argv[1]);
}
