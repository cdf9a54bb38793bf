#include "jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/jail_priv.h"

#define PATHS_MAX 64

const char *jail_profile_name(enum jail_profile p)
{
    static const char *const names[] = {
        [JAIL_READER] = "reader",
        [JAIL_ENGINE_SERVER] = "engine-server",
        [JAIL_ENGINE_CHILD] = "engine-child",
        [JAIL_SCRATCH_SERVER] = "scratch-server",
        [JAIL_SCRATCH_CHILD] = "scratch-child",
        [JAIL_FRONT] = "front",
        [JAIL_KEEPER] = "keeper",
        [JAIL_SIGNER] = "signer",
        [JAIL_EXPANDER] = "expander",
        [JAIL_FILES_READER] = "files-reader",
        [JAIL_COURIER] = "courier",
    };

    return p < JAIL_PROFILES ? names[p] : "warden";
}

bool jail_is_sanitized(void)
{
    return JAIL_SANITIZED;
}

static int check(const struct jail_spec *s, struct err *e)
{
    struct stat st;

    if ((unsigned)s->profile >= JAIL_PROFILES)
        return err_set(e, -EINVAL, "there is no jail profile %u", (unsigned)s->profile);
    if (s->npaths > PATHS_MAX)
        return err_set(e, -EINVAL, "a jail has at most %d paths", PATHS_MAX);
    if (geteuid() == 0 && (s->uid == 0 || s->gid == 0))
        return err_set(e, -EINVAL,
                       "a jail started as root needs an ordinary uid and gid to become");
    if (s->tmp_bytes != 0 && (s->flags & JAIL_EMPTY_ROOT) == 0)
        return err_set(e, -EINVAL, "a private /tmp needs an empty root");
    if (s->tmp_parts > JAIL_TMP_PARTS_MAX)
        return err_set(e, -EINVAL, "a private /tmp has at most %d parts", JAIL_TMP_PARTS_MAX);
    /* "." and ".." and one entry a thread */
    if ((s->flags & JAIL_KEEP_THREADS) == 0 && !JAIL_SANITIZED &&
        stat("/proc/self/task", &st) == 0 && st.st_nlink != 3)
        return err_set(e, -EINVAL, "a process with several threads cannot be jailed");
    return 0;
}

/* --- identity --- */

int jail_drop_ids(const struct jail_spec *s, struct err *e)
{
    int death = 0;

    if (geteuid() != 0)
        return 0;
    (void)prctl(PR_GET_PDEATHSIG, &death);
    if (setgroups(0, NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 ||
        setresuid(s->uid, s->uid, s->uid) != 0)
        return err_sys(e, -errno, "cannot become uid %u, gid %u", s->uid, s->gid);
    /* the kernel clears it when the uid changes */
    if (prctl(PR_SET_PDEATHSIG, death) != 0)
        return err_sys(e, -errno, "cannot keep the parent-death signal");
    return 0;
}

static void empty_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap); /* fails without the right: then it does not matter */
}

int jail_drop_capabilities(struct err *e)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2];

    memset(none, 0, sizeof(none));
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &head, none) != 0)
        return err_sys(e, -errno, "cannot give up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, -errno, "cannot set no_new_privs");
    return 0;
}

/* --- limits --- */

static int limit(int what, uint64_t value)
{
    struct rlimit now, r = {value, value};

    /* a hard limit below ours is fine, and cannot be raised */
    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return -errno;
    if (now.rlim_max < value)
        r.rlim_cur = r.rlim_max = now.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &r) == 0 ? 0 : -errno;
}

static int set_limits(const struct jail_spec *s, const struct jail_defaults *d)
{
    int rc;

    if ((rc = limit(RLIMIT_CORE, 0)) != 0 ||
        (rc = limit(RLIMIT_FSIZE, s->file_size != 0 ? s->file_size : d->file_size)) != 0 ||
        (rc = limit(RLIMIT_NOFILE, s->files != 0 ? s->files : d->files)) != 0 ||
        (rc = limit(RLIMIT_NPROC, s->processes != 0 ? s->processes : d->processes)) != 0)
        return rc;
    if (!JAIL_SANITIZED &&
        (rc = limit(RLIMIT_AS, s->address_space != 0 ? s->address_space : d->address_space)) != 0)
        return rc;
    if (s->cpu_seconds != 0)
        rc = limit(RLIMIT_CPU, s->cpu_seconds);
    return rc;
}

/* --- the pid namespace and its warden --- */

static __attribute__((noreturn)) void end_as(int status)
{
    if (WIFSIGNALED(status)) {
        (void)signal(WTERMSIG(status), SIG_DFL);
        (void)raise(WTERMSIG(status));
        _exit(128 + WTERMSIG(status)); /* a signal one cannot die of */
    }
    _exit(WEXITSTATUS(status));
}

/* Waits outside for the namespace's first process, with no other right. */
static __attribute__((noreturn)) void warden(const struct jail_spec *s, pid_t inside)
{
    struct sock_fprog program = {0, NULL};
    int status = 0;

    empty_bounding_set();
    if (jail_close_from(0, NULL, 0) != 0 || jail_drop_ids(s, NULL) != 0 ||
        jail_drop_capabilities(NULL) != 0 ||
        profiles_program(&program, JAIL_WARDEN, 0, NULL) != 0 ||
        profiles_install(&program, 0) != 0) {
        (void)kill(inside, SIGKILL);
        _exit(3);
    }
    while (waitpid(inside, &status, 0) < 0 && errno == EINTR)
        ;
    end_as(status);
}

static int enter_pid_namespace(const struct jail_spec *s, struct err *e)
{
    pid_t pid = fork();

    if (pid < 0)
        return err_sys(e, -errno, "cannot fork into the pid namespace");
    if (pid > 0)
        warden(s, pid);
    /* the namespace ends with the warden, whoever ends that */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return err_sys(e, -errno, "cannot set the parent-death signal");
    return 0;
}

/* --- all of it --- */

static int lock(const struct jail_spec *s, const struct jail_pin *pins, struct err *e)
{
    struct sock_fprog program = {0, NULL};
    int tmp = -1, rc;

    if (s->tmp_bytes != 0 && (tmp = open("/tmp", O_PATH | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "cannot open the jail's /tmp");
    rc = jail_drop_capabilities(e);
    if (rc == 0)
        rc = landlock_restrict(s, pins, tmp, e);
    if (tmp >= 0)
        (void)close(tmp);
    if (rc != 0)
        return rc;
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        return err_sys(e, -errno, "cannot forbid dumps");
    if ((rc = profiles_program(&program, s->profile, s->flags, e)) != 0)
        return rc;
    /* last, because the steps before need what it forbids */
    if ((rc = set_limits(s, profiles_defaults(s->profile))) != 0)
        rc = err_sys(e, rc, "cannot set the jail's limits");
    else if ((rc = profiles_install(&program, s->flags)) != 0)
        rc = err_sys(e, rc, "cannot load the seccomp filter \"%s\"", jail_profile_name(s->profile));
    free(program.filter);
    return rc;
}

int jail_enter(const struct jail_spec *s, struct err *e)
{
    struct jail_pin pins[PATHS_MAX];
    bool empty = (s->flags & JAIL_EMPTY_ROOT) != 0;
    size_t n = 0;
    int rc;

    if ((rc = check(s, e)) != 0)
        return rc;
    if ((rc = space_unshare(s, e)) != 0)
        return rc;
    if ((s->flags & JAIL_PID) != 0 && (rc = enter_pid_namespace(s, e)) != 0)
        return rc;
    for (; n < s->npaths; n++)
        if ((rc = space_pin(&pins[n], &s->paths[n], empty, e)) != 0) {
            space_unpin(&pins[n]);
            goto out;
        }
    if (empty && (rc = space_empty_root(s, pins, e)) != 0)
        goto out;
    empty_bounding_set();
    if ((rc = jail_drop_ids(s, e)) != 0)
        goto out;
    rc = lock(s, pins, e);
out:
    while (n > 0)
        space_unpin(&pins[--n]);
    return rc;
}

int jail_guard(struct err *e)
{
    struct sock_fprog program = {0, NULL};
    int rc;

    if ((rc = limit(RLIMIT_CORE, 0)) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, rc != 0 ? rc : -errno, "cannot forbid dumps and new privileges");
    if ((rc = profiles_guard(&program, e)) != 0)
        return rc;
    if ((rc = profiles_install(&program, 0)) != 0)
        rc = err_sys(e, rc, "cannot load the seccomp filter of the supervisor");
    free(program.filter);
    return rc;
}

/* --- the second jail of a child --- */

struct jail_door {
    struct jail_spec spec;
    struct sock_fprog program;
};

int jail_door_new(struct jail_door **out, const struct jail_spec *s, struct err *e)
{
    struct jail_door *d;
    int rc;

    if ((unsigned)s->profile >= JAIL_PROFILES || s->npaths != 0 || s->tmp_bytes != 0)
        return err_set(e, -EINVAL, "a child's jail has a profile and limits, nothing else");
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    d->spec = *s;
    rc = profiles_program(&d->program, s->profile, s->flags, e);
    if (rc != 0) {
        free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void jail_door_free(struct jail_door *d)
{
    if (d == NULL)
        return;
    free(d->program.filter);
    free(d);
}

int jail_close_in(const struct jail_door *d)
{
    int rc = set_limits(&d->spec, profiles_defaults(d->spec.profile));

    return rc != 0 ? rc : profiles_install(&d->program, d->spec.flags);
}

int jail_close_in_beneath(const struct jail_door *d, int folder)
{
    struct jail_spec beneath = {.profile = d->spec.profile};
    int rc = landlock_restrict(&beneath, NULL, folder, NULL);

    return rc != 0 ? rc : jail_close_in(d);
}

int jail_close_from(int from, const int *keep, size_t n)
{
    unsigned at = (unsigned)from;

    for (size_t i = 0; i < n; i++) {
        unsigned k = (unsigned)keep[i];

        if (k < at)
            continue;
        if (k > at && close_range(at, k - 1, 0) != 0)
            return -errno;
        at = k + 1;
    }
    return close_range(at, UINT_MAX, 0) == 0 ? 0 : -errno;
}
