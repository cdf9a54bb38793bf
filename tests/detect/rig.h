/* rig.h - a folder of rules for a test, and waiting on a client. */
#ifndef TESTS_DETECT_RIG_H
#define TESTS_DETECT_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "detect/client.h"

static inline void rig_rule(const char *folder, const char *name, const char *text)
{
    char path[160];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
    (void)close(fd);
}

static inline int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void rig_remove(const char *folder)
{
    (void)nftw(folder, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* One turn of an event loop, at most 50 ms. */
static inline void rig_turn(struct detect_client *c)
{
    struct pollfd p = {detect_client_fd(c), POLLIN, 0};

    if (detect_client_wants_write(c))
        p.events |= POLLOUT;
    (void)poll(&p, 1, 50);
    detect_client_step(c, clock_mono());
}

#endif
