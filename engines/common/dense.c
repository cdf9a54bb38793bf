#include "dense.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE (UINT64_C(2) << 20)
#define MOST (UINT64_C(4) << 30) /* no rules are larger; what a sanitizer keeps for itself is */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; glibc 2.36 does not name it */
#endif

struct range {
    uint64_t from, to;
};

/* Whole large pages of one line of /proc/self/maps, if it is memory of our own. */
static bool parse(const char *line, struct range *r)
{
    unsigned long inode;
    char rights[8];

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*x %*s %lu", &r->from, &r->to, rights, &inode) !=
            4 ||
        strcmp(rights, "rw-p") != 0 || inode != 0 || strstr(line, "[stack]") != NULL)
        return false;
    r->from = (r->from + LARGE - 1) / LARGE * LARGE;
    r->to = r->to / LARGE * LARGE;
    return r->from < r->to && r->to - r->from <= MOST;
}

void dense_memory(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    struct range r;
    char line[512];

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        if (!parse(line, &r))
            continue;
        /* lets the kernel keep them large; then at once, rather than when it comes by */
        (void)madvise((void *)(uintptr_t)r.from, r.to - r.from, MADV_HUGEPAGE);
        (void)madvise((void *)(uintptr_t)r.from, r.to - r.from, MADV_COLLAPSE);
    }
    if (maps != NULL)
        (void)fclose(maps);
}
