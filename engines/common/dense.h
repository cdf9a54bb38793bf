/* dense.h - the memory that all children of an engine read, in large pages.
 *
 * Matching jumps about in tables of some tens of megabytes.  A child begins with an empty cache of
 * addresses and page tables nobody has walked, so that with small pages its first touch of each is
 * dear, and it lives for one batch only: for ClamAV with 10,000 signatures this was a tenth of the
 * CPU.  A large page that a child writes to is split by the kernel, and 4 KiB are copied as ever.
 *
 * To be called once the rules are loaded and before the jail closes.  What the kernel cannot or
 * will not do is left as it was: only the speed depends on it. */
#ifndef ENGINE_DENSE_H
#define ENGINE_DENSE_H

void dense_memory(void);

#endif
