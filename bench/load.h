/* load.h - a load generator for POST /add: many connections in one thread, each with one request on
 * its way, none closed before the end. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>

#define LOAD_CONNECTIONS 512

/* Posts `count` different bodies of `size` bytes to http://ADDRESS/add ("127.0.0.1:PORT"), which
 * may begin to listen within ten seconds.  Dies unless each is answered 200. */
void load_run(const char *address, size_t count, size_t size);

#endif
