#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

#define WRAP(type, name, params, args, failure)                                                    \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        if (calls_one(CALL_MEMORY)) {                                                              \
            errno = ENOMEM;                                                                        \
            return failure;                                                                        \
        }                                                                                          \
        return __real_##name args;                                                                 \
    }
WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL)
WRAP(char *, strdup, (const char *s), (s), NULL)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), NULL)

/* asprintf, and as fortified headers call it */
int __wrap_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int __attribute__((format(printf, 2, 0))) print(char **out, const char *fmt, va_list ap)
{
    if (calls_one(CALL_MEMORY)) {
        *out = NULL;
        errno = ENOMEM;
        return -1;
    }
    return vasprintf(out, fmt, ap);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = print(out, fmt, ap);
    va_end(ap);
    return n;
}

int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
{
    va_list ap;
    int n;

    (void)flag;
    va_start(ap, fmt);
    n = print(out, fmt, ap);
    va_end(ap);
    return n;
}

/* --- SQLite --- */

static sqlite3_mem_methods own;

static void *sqlite_malloc(int n)
{
    return calls_one(CALL_MEMORY) ? NULL : own.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return calls_one(CALL_MEMORY) ? NULL : own.xRealloc(p, n);
}

void memory_of_sqlite(void)
{
    sqlite3_mem_methods with;

    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) != SQLITE_OK)
        abort();
    with = own;
    with.xMalloc = sqlite_malloc;
    with.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &with) != SQLITE_OK)
        abort();
}
