/* log.h - logfmt lines on standard error: time=… level=… at=… msg="…" key=value.
 * Never log file names of users, addresses, content hashes or keys; ids of submissions neither.
 * Values are escaped here.  Safe from several threads and after fork: one write(2) a line, at most
 * 1,024 bytes. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/defs.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

void log_open(const char *process, enum log_level least, int fd); /* fd -1: standard error */
/* kv: alternating key, value strings, ended by NULL: log_line(LOG_INFO_, "group committed",
 * "leaves", "4", NULL) */
void log_line(enum log_level lv, const char *msg, ...) __attribute__((sentinel));
#define log_info(...) log_line(LOG_INFO_, __VA_ARGS__, (char *)NULL)
#define log_warn(...) log_line(LOG_WARN_, __VA_ARGS__, (char *)NULL)
#define log_error(...) log_line(LOG_ERROR_, __VA_ARGS__, (char *)NULL)
#define log_debug(...) log_line(LOG_DEBUG_, __VA_ARGS__, (char *)NULL)

#endif
