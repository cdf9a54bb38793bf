/* landlock.c - the second lock: rights on files, TCP, abstract sockets and signals, as far as the
 * running kernel knows them.  Debian 12's headers end at ABI 2, so the numbers stand here. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail/jail_priv.h"

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define NET_BIND_TCP (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1

struct ruleset {
    uint64_t fs, net, scoped;
};
struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* Rights by the ABI that brought them: all FS rights up to a bit, attribute's size. */
static const struct {
    uint64_t fs;
    uint64_t net, scoped;
    size_t size;
} by_abi[] = {
    {0, 0, 0, 0},
    {(UINT64_C(1) << 13) - 1, 0, 0, 8},
    {(UINT64_C(1) << 14) - 1, 0, 0, 8},
    {(UINT64_C(1) << 15) - 1, 0, 0, 8},
    {(UINT64_C(1) << 15) - 1, NET_BIND_TCP | NET_CONNECT_TCP, 0, 16},
    {(UINT64_C(1) << 16) - 1, NET_BIND_TCP | NET_CONNECT_TCP, 0, 16},
    {(UINT64_C(1) << 16) - 1, NET_BIND_TCP | NET_CONNECT_TCP, SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL,
     24},
};

int jail_landlock_abi(void)
{
    long v = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

    return v < 0 ? 0 : (int)v;
}

static uint64_t rights(bool write, bool folder)
{
    uint64_t files = FS_READ_FILE, folders = FS_READ_DIR;

    if (write) {
        files |= FS_WRITE_FILE | FS_TRUNCATE;
        folders |= FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER;
    }
    return folder ? files | folders : files;
}

static int allow(int ruleset, int beneath, uint64_t allowed)
{
    struct path_beneath rule = {allowed, beneath};

    if (allowed == 0)
        return 0;
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : -errno;
}

int landlock_restrict(const struct jail_spec *s, const struct jail_pin *pins, int tmp,
                      struct err *e)
{
    struct ruleset attr = {0, 0, 0};
    size_t abi = (size_t)jail_landlock_abi();
    int fd, rc = 0;

    if (abi == 0)
        return 0;
    if (abi >= ARRAY_LEN(by_abi))
        abi = ARRAY_LEN(by_abi) - 1;
    attr.fs = by_abi[abi].fs;
    attr.net = by_abi[abi].net;
    attr.scoped = by_abi[abi].scoped;
    if (s->profile == JAIL_COURIER) /* it connects, also to the system's name service */
        attr.net &= ~NET_CONNECT_TCP;
    fd = (int)syscall(SYS_landlock_create_ruleset, &attr, by_abi[abi].size, 0);
    if (fd < 0)
        return err_sys(e, -errno, "cannot make a Landlock rule set");
    for (size_t i = 0; i < s->npaths && rc == 0; i++)
        rc = allow(fd, pins[i].beneath, rights(s->paths[i].write, pins[i].folder) & attr.fs);
    if (rc == 0 && tmp >= 0)
        rc = allow(fd, tmp, rights(true, true) & attr.fs);
    if (rc == 0 && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        rc = -errno;
    (void)close(fd);
    return rc == 0 ? 0 : err_sys(e, rc, "cannot lock files with Landlock");
}
