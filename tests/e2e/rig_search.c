/* rig_search.c - which bytes are on disk, which in memory. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "rig_priv.h"

static struct {
    const struct rig_needle *needle;
    size_t n, found;
    bool tell;
} look; /* nftw has no argument of the caller's */

static void look_at(const char *where, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < look.n; i++)
        if (memmem(p, n, look.needle[i].b, look.needle[i].n) != NULL) {
            look.found++;
            if (look.tell)
                print_message("found: %s in %s\n", look.needle[i].what, where);
        }
}

static int one_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    void *p;
    int fd;

    if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size == 0)
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1; /* it may go while we walk */
    p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    io_close(&fd);
    if (p == MAP_FAILED)
        return -1;
    look_at(path, p, (size_t)st->st_size);
    (void)munmap(p, (size_t)st->st_size);
    return 0;
}

size_t rig_in_files(const char *dir, const struct rig_needle *needle, size_t n, bool tell)
{
    look.needle = needle;
    look.n = n;
    look.found = 0;
    look.tell = tell;
    assert_int_equal(nftw(dir, one_file, 32, FTW_PHYS), 0);
    return look.found;
}

/* --- memory --- */

#define WINDOW (1U << 20)
#define OVERLAP 128U

static void look_at_range(int mem, const char *where, uint64_t from, uint64_t to, uint8_t *window)
{
    while (from < to) {
        size_t n = to - from > WINDOW ? WINDOW : (size_t)(to - from);
        ssize_t got = pread(mem, window, n, (off_t)from);

        if (got <= 0) { /* a page that is not there: go on behind it */
            from += 4096;
            continue;
        }
        look_at(where, window, (size_t)got);
        if (from + (uint64_t)got >= to)
            return;
        from += (uint64_t)got > OVERLAP ? (uint64_t)got - OVERLAP : (uint64_t)got;
    }
}

static size_t look_at_process(pid_t pid)
{
    uint8_t *window = malloc(WINDOW);
    char path[32], line[512], name[32], where[256];
    unsigned long from, to;
    size_t ranges = 0;
    FILE *maps;
    int mem;

    assert_non_null(window);
    rig_process_name(pid, name);
    (void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    maps = fopen(path, "re");
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
    while (maps != NULL && mem >= 0 && fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx", &from, &to) != 2 || strstr(line, "[v") != NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(where, sizeof(where), "%s (%d) %.200s", name, pid, line);
        look_at_range(mem, where, from, to, window);
        ranges++;
    }
    if (maps != NULL)
        (void)fclose(maps);
    io_close(&mem);
    free(window);
    return ranges;
}

size_t rig_in_memory_of(struct rig *r, size_t site, const char *name,
                        const struct rig_needle *needle, size_t n)
{
    pid_t all[64];
    size_t np = rig_processes(r, site, all, ARRAY_LEN(all)), looked = 0;
    char is[32];

    look.needle = needle;
    look.n = n;
    look.found = 0;
    look.tell = false;
    for (size_t i = 0; i < np; i++) {
        rig_process_name(all[i], is);
        if (strcmp(is, name) == 0)
            looked += look_at_process(all[i]) > 0;
    }
    if (looked == 0)
        fail_msg("no process \"%s\" whose memory can be read", name);
    return look.found;
}

size_t rig_in_memory(struct rig *r, size_t site, const struct rig_needle *needle, size_t n,
                     bool tell)
{
    pid_t all[64];
    size_t np = rig_processes(r, site, all, ARRAY_LEN(all));

    look.needle = needle;
    look.n = n;
    look.found = 0;
    look.tell = tell;
    for (size_t i = 0; i < np; i++)
        if (look_at_process(all[i]) == 0 && i < 6)
            fail_msg("the memory of process %d cannot be read", all[i]);
    return look.found;
}
