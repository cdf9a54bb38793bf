/* kin.h - who is whose child: an engine is two processes, the outer one waits for the inner, which
 * is the server and forks a child for each batch. */
#ifndef TESTS_DETECT_KIN_H
#define TESTS_DETECT_KIN_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "base/text.h"

/* A number of /proc/PID/stat, by its place in proc(5), from 4 on; -1: there is no such process. */
static inline long kin_stat(pid_t pid, int place)
{
    char path[64], line[1024];
    const char *p = NULL;
    long value = -1;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return -1;
    if (fgets(line, sizeof(line), f) != NULL)
        p = strrchr(line, ')');
    for (int i = 2; p != NULL && i < place; i++)
        p = strchr(p + 1, ' ');
    if (p != NULL)
        (void)sscanf(p, " %ld", &value);
    (void)fclose(f);
    return value;
}

static inline pid_t kin_parent_of(pid_t pid)
{
    return (pid_t)kin_stat(pid, 4);
}

static inline size_t kin_children_of(pid_t parent, pid_t *out, size_t max)
{
    DIR *d = opendir("/proc");
    struct dirent *en;
    size_t n = 0;

    while (d != NULL && (en = readdir(d)) != NULL) {
        uint64_t pid;

        if (text_u64(span_str(en->d_name), INT32_MAX, &pid) == 0 &&
            kin_parent_of((pid_t)pid) == parent && n < max)
            out[n++] = (pid_t)pid;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

#endif
