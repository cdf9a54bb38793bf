/* sodium_priv.h - libsodium chooses its code for this processor before anything else is asked of
 * it. Any thread; costs nothing after the first call. */
#ifndef CRYPTO_SODIUM_PRIV_H
#define CRYPTO_SODIUM_PRIV_H

void sodium_ready(void);

#endif
