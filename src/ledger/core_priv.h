/* core_priv.h - the three functions of libc that compilers call by themselves anyway; declared here
 * because WebAssembly has no <string.h>. */
#ifndef LEDGER_CORE_PRIV_H
#define LEDGER_CORE_PRIV_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
