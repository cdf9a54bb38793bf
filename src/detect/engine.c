#include <stdio.h>
#include <signal.h>

#include "base/io.h"
#include "detect/client.h"
#include "jail/msg.h"

#define CHANNEL 3 /* the descriptor an engine finds its client on */

int detect_engine_start(struct proc *p, int *sock, const struct detect_engine_spec *s,
                        struct err *e)
{
    char uid[16], gid[16], children[16], memory[24];
    const char *const argv[] = {s->path,      "--uid",  uid,        "--gid", gid,
                                "--children", children, "--memory", memory,  NULL};
    /* transparent huge pages for the rules: a fork then copies 512 times fewer page table entries
     */
    const char *const envp[] = {"GLIBC_TUNABLES=glibc.malloc.hugetlb=1", NULL};
    struct proc_fd fds[] = {{-1, CHANNEL}};
    struct proc_spec spec = {.path = s->path,
                             .argv = argv,
                             .envp = envp,
                             .fds = fds,
                             .nfds = 1,
                             .death_signal = SIGKILL};
    int pair[2] = {-1, -1}, rc;

    (void)snprintf(uid, sizeof(uid), "%u", s->uid);
    (void)snprintf(gid, sizeof(gid), "%u", s->gid);
    (void)snprintf(children, sizeof(children), "%u", s->children);
    (void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)s->memory);
    if ((rc = msg_pair(pair, e)) != 0)
        return rc;
    fds[0].from = pair[1];
    rc = proc_spawn(p, &spec, e);
    io_close(&pair[1]);
    if (rc != 0) {
        io_close(&pair[0]);
        return rc;
    }
    *sock = pair[0];
    return 0;
}
