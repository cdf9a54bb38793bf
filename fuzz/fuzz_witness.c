/* Requests to a witness.  Nobody's signature verifies under its log's key, so the answer is never
 * 200, the state never appears, and every status is one of the page's.  The client's reading of
 * answers takes the same bytes. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/tlog_witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_sign(void *arg, const void *p, size_t n, uint8_t sig[64])
{
    (void)arg;
    (void)p;
    (void)n;
    memset(sig, 0, 64);
    return 0;
}

static void try_client(struct span body, const struct vkey *key)
{
    static const int statuses[] = {200, 400, 403, 404, 409, 422, 500};
    uint64_t old;
    struct buf note;

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        buf_init(&note, CORE_NOTE_MAX);
        assert(buf_puts(&note, "o\n0\nAAAA\n\n\xe2\x80\x94 n AAAAAAA=\n") == 0);
        assert(tlog_witness_answer(&note, statuses[i], body, key, 1, &old, NULL) != 0);
        buf_free(&note);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/tmp/fuzz-witness-XXXXXX", lock[sizeof(dir) + 8];
    struct note_signer self = {.sign = no_sign};
    struct ed25519_pub pub = {{9}};
    struct core_add_checkpoint add;
    struct tlog_witness *w;
    struct tlog_answer a;
    struct vkey log;
    struct span body = {data, size};

    assert(note_vkey_make(&self.key, "w.example", VKEY_COSIGNATURE, &pub, NULL) == 0);
    pub.b[0] = 8;
    assert(note_vkey_make(&log, "log.example/l", VKEY_ED25519, &pub, NULL) == 0);
    try_client(body, &self.key);
    /* a folder costs more than a parse: only for what gets past the first door */
    if (core_add_checkpoint_parse(body, &add) != 0)
        return 0;
    assert(add.n <= 63 && add.checkpoint.p + add.checkpoint.n == data + size);
    assert(mkdtemp(dir) != NULL);
    assert(tlog_witness_open(&w, dir, &self, NULL) == 0);
    assert(tlog_witness_trust(w, &log, NULL) == 0);
    tlog_answer_init(&a);
    tlog_witness_add(w, body, 1, &a);
    assert(a.status == 400 || a.status == 403 || a.status == 404);
    tlog_answer_free(&a);
    tlog_witness_close(w);
    (void)snprintf(lock, sizeof(lock), "%s/.lock", dir);
    assert(unlink(lock) == 0 && rmdir(dir) == 0);
    return 0;
}
