/* process.c - the jail of each part of glarusd.
 *
 * Started as root, a part opens what it needs and then becomes its uid of the configuration, inside
 * namespaces made with root's rights.  Started by an ordinary user it makes a user namespace of its
 * own. */
#include "site/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "base/io.h"
#include "base/log.h"
#include "jail/jail.h"

#define PATHS 8
#define FILE_SIZE (UINT64_C(1) << 50)

static const struct {
    enum jail_profile profile;
    unsigned flags;
} jails[CONFIG_PROCESSES] = {
    [CONFIG_FRONT] = {JAIL_FRONT, JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT},
    [CONFIG_KEEPER] = {JAIL_KEEPER, JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT},
    [CONFIG_SIGNER] = {JAIL_SIGNER, JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT},
    [CONFIG_COURIER] = {JAIL_COURIER, JAIL_IPC | JAIL_EMPTY_ROOT},
    [CONFIG_READER] = {JAIL_READER, JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT},
};

/* What looking up names and checking certificates reads. */
static const char *const courier_reads[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                            "/etc/ssl/certs", "/usr/share/ca-certificates"};

static void add(struct jail_spec *s, struct jail_path *paths, const char *path, bool write)
{
    struct stat st;

    if (stat(path, &st) == 0)
        paths[s->npaths++] = (struct jail_path){path, write};
}

static void paths_of(const struct config *c, enum config_process p, struct jail_spec *s,
                     struct jail_path paths[PATHS], char signer[4096])
{
    if (p == CONFIG_KEEPER) {
        add(s, paths, c->data, true);
        add(s, paths, c->epoch_keys, true);
    } else if (p == CONFIG_SIGNER) {
        (void)snprintf(signer, 4096, "%s/signer", c->data);
        add(s, paths, signer, true);
    } else if (p == CONFIG_COURIER) {
        for (size_t i = 0; i < ARRAY_LEN(courier_reads); i++)
            add(s, paths, courier_reads[i], false);
        if (c->authorities != NULL)
            add(s, paths, c->authorities, false);
    }
}

int process_jail(const struct config *c, enum config_process p, struct err *e)
{
    struct jail_path paths[PATHS];
    struct jail_spec s = {.profile = jails[p].profile, .flags = jails[p].flags, .paths = paths};
    char signer[4096], abi[16];
    int rc;

    if (geteuid() == 0 && c->uid[p] == 0)
        return err_set(
            e, -EINVAL,
            "%s: started as root, the %s needs a uid to become: add \"run_as: {%s: UID}\"", c->file,
            config_process_name(p), config_process_name(p));
    s.uid = c->uid[p];
    s.gid = c->uid[p]; /* a part's group has the number of its user */
    /* standard error may be a file, and a log may grow; no part but keeper and signer has another
     */
    s.file_size = FILE_SIZE;
    paths_of(c, p, &s, paths, signer);
    (void)snprintf(abi, sizeof(abi), "%d", jail_landlock_abi()); /* afterwards nobody may ask */
    if ((rc = jail_enter(&s, e)) != 0)
        return rc;
    log_info("jailed", "profile", jail_profile_name(s.profile), "landlock", abi);
    return 0;
}

int process_binary(const char *path, struct digest *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = fd < 0 ? -errno : 0;
    struct stat st;
    uint64_t size;

    if (rc == 0 && fstat(fd, &st) != 0)
        rc = -errno;
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = -EACCES; /* as execve has it */
    if (rc == 0)
        rc = files_stream(fd, -1, UINT64_MAX, out, &size);
    io_close(&fd);
    return rc == 0 ? 0 : err_sys(e, rc, "reading the program \"%s\"", path);
}

void process_warn_of_swap(void)
{
    char path[512], own[384] = "", most[32] = "", line[512];
    FILE *f = fopen("/proc/swaps", "re");
    int swaps = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        swaps++;
    if (f != NULL)
        (void)fclose(f);
    if (swaps < 2) /* the first line is the table's head */
        return;
    if ((f = fopen("/proc/self/cgroup", "re")) != NULL) {
        if (fscanf(f, "0::%383s", own) != 1)
            own[0] = '\0';
        (void)fclose(f);
    }
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.swap.max", own);
    if ((f = fopen(path, "re")) != NULL) {
        if (fscanf(f, "%31s", most) != 1)
            most[0] = '\0';
        (void)fclose(f);
    }
    if (strcmp(most, "0") != 0)
        log_warn("this system swaps: files in flight may be written to the swap; set "
                 "MemorySwapMax=0 for the service, encrypt the swap, or turn it off");
}
