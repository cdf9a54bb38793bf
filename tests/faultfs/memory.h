/* memory.h - allocations of the program's own code, and of SQLite, as calls of kind CALL_MEMORY.
 * Link with MEMORY_WRAPS of meson.build; libraries other than SQLite keep their own. */
#ifndef TESTS_FAULTFS_MEMORY_H
#define TESTS_FAULTFS_MEMORY_H

/* Before SQLite is used for the first time. */
void memory_of_sqlite(void);

#endif
