#include "crypto/sodium_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium/core.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
    if (sodium_init() >= 0)
        return;
    /* no caller can go on without signatures */
    (void)fprintf(stderr, "libsodium does not start: is there no randomness?\n");
    abort();
}

void sodium_ready(void)
{
    (void)pthread_once(&once, begin);
}
