/* An engine whose jails do not close: what the watch must see. */
#include "jail/jail.h"

int __wrap_jail_enter(const struct jail_spec *spec, struct err *e);
int __wrap_jail_close_in(const struct jail_door *d);

int __wrap_jail_enter(const struct jail_spec *spec, struct err *e)
{
    (void)spec;
    (void)e;
    return 0;
}

int __wrap_jail_close_in(const struct jail_door *d)
{
    (void)d;
    return 0;
}
