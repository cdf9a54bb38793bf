/* scanner.h - files through one jailed engine, as fast as it goes: what the benches of scanning and
 * bench-hits share.
 *
 * detect's client reads each file into a batch's memory (64 files a batch, all one submitter's);
 * the engine forks a jailed child for each batch, two at a time. Dies when something fails. */
#ifndef BENCH_SCANNER_H
#define BENCH_SCANNER_H

#include "detect/client.h"
#include "files.h"
#include "measure.h"

#define SCANNER_CHILDREN 2
#define SCANNER_FILE_MOST (64 << 20) /* bytes of a file; larger ones are left out of a corpus */

struct scanner {
    struct release *release;
    struct detect_client *client;
    struct proc engine;
    double loading; /* seconds on the wall until it served */
};
void scanner_start(struct scanner *s, const char *engine, const char *release);
/* Ends the engine and tells what it used, loading included. */
void scanner_end(struct scanner *s, struct proc_last *why);

typedef void scanner_told(void *arg, const struct file *f, const struct finding *found);
/* All files, each told once, in no order.  The CPU is that of this process and of all that runs
 * beneath the engine. */
struct cost scanner_run(struct scanner *s, const struct files *files, scanner_told *told,
                        void *arg);

/* User and system time of a process, what runs beneath it, and what these have waited for (proc(5),
 * stat and children). */
double scanner_tree_cpu(int pid);

#endif
