/* traces.h - looks for a secret in everything a process can write to. */
#ifndef TESTS_CRYPTO_TRACES_H
#define TESTS_CRYPTO_TRACES_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often the n bytes, given with every bit flipped so as not to find the question, stand in the
 * heap and in anonymous memory (stacks are the compiler's and left out).  Sanitizers keep freed
 * memory and mappings of terabytes: -1 there. */
static inline int traces_of(const uint8_t *flipped, size_t n)
{
    int found = 0;
    char line[512];
    FILE *maps;

#if defined(__SANITIZE_ADDRESS__)
    return -1;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return -1;
#endif
#endif
    maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        char perms[5], name[256] = "";

        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &from, &to, perms, name) < 3)
            continue;
        if (strncmp(perms, "rw", 2) != 0 || name[0] == '/' ||
            (name[0] == '[' && strcmp(name, "[heap]") != 0))
            continue;
        for (const uint8_t *p = (const uint8_t *)from; p + n <= (const uint8_t *)to; p++) {
            size_t i = 0;

            while (i < n && (p[i] ^ flipped[i]) == 0xff)
                i++;
            found += i == n;
        }
    }
    (void)fclose(maps);
    return found;
}

#endif
