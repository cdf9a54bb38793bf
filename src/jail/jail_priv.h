/* jail_priv.h - the steps of jail_enter, one file each. */
#ifndef JAIL_PRIV_H
#define JAIL_PRIV_H

#include <linux/filter.h>

#include "jail/jail.h"

/* The warden of a pid namespace: not a profile anyone may ask for. */
#define JAIL_WARDEN JAIL_PROFILES

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define JAIL_SANITIZED 1
#endif
#endif
#ifndef JAIL_SANITIZED
#define JAIL_SANITIZED 0
#endif

/* profiles.c: a finished seccomp program; free(3) its filter. */
MUST_CHECK int profiles_program(struct sock_fprog *out, unsigned profile, unsigned flags,
                                struct err *e);
/* What jail_guard refuses. */
MUST_CHECK int profiles_guard(struct sock_fprog *out, struct err *e);
MUST_CHECK int profiles_install(const struct sock_fprog *program, unsigned flags);
struct jail_defaults {
    uint64_t address_space, file_size;
    unsigned files, processes;
};
const struct jail_defaults *profiles_defaults(unsigned profile);

/* space.c: namespaces and root.  A path is pinned by descriptors before the old root goes. */
struct jail_pin {
    int tree;    /* a detached clone of the mount, -1: none wanted */
    int beneath; /* O_PATH, for Landlock */
    bool folder;
};
MUST_CHECK int space_unshare(const struct jail_spec *s, struct err *e);
MUST_CHECK int space_pin(struct jail_pin *out, const struct jail_path *p, bool clone,
                         struct err *e);
void space_unpin(struct jail_pin *p);
MUST_CHECK int space_empty_root(const struct jail_spec *s, struct jail_pin *pins, struct err *e);

/* landlock.c: tmp is a descriptor of the private /tmp, or -1. */
MUST_CHECK int landlock_restrict(const struct jail_spec *s, const struct jail_pin *pins, int tmp,
                                 struct err *e);

/* jail.c: uid, gid, groups, capabilities, no_new_privs; keeps the parent-death signal. */
MUST_CHECK int jail_drop_ids(const struct jail_spec *s, struct err *e);
MUST_CHECK int jail_drop_capabilities(struct err *e);

#endif
