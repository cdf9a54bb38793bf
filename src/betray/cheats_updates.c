/* Cheats against the clients of an update repository, played with all of its keys (shop.h); who
 * must notice is "glarus update". */
#include "betray/cheats_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "betray/shop.h"
#include "crypto/sha256.h"

/* The versions that two releases and the first publication lead to. */
#define SNAPSHOT 3
#define TIMESTAMP 3
#define METADATA "repo/metadata/"

static int meta_of(const struct shop *h, const char *name, int64_t version, struct buf *b,
                   struct tuf_write_meta *m, struct err *e)
{
    char file[96];
    int rc;

    buf_init(b, TUF_MAX_BYTES);
    (void)snprintf(file, sizeof(file), METADATA "%d.%s.json", (int)version, name);
    if ((rc = shop_read(h, file, b, e)) == 0)
        *m = (struct tuf_write_meta){name, version, buf_span(b)};
    return rc;
}

static int put_timestamp(const struct shop *h, int64_t version, unix_time expires, int64_t snapshot,
                         struct err *e)
{
    struct tuf_write_meta m;
    struct buf b;
    int rc = meta_of(h, "snapshot", snapshot, &b, &m, e);

    if (rc == 0)
        rc = shop_sign(h, METADATA "timestamp.json", tuf_write_timestamp(version, expires, &m),
                       (struct signkey *const *)&h->online, 1, e);
    buf_free(&b);
    return rc;
}

int cheats_update_rolled_back(struct shop *h, struct err *e)
{
    return shop_write(h, METADATA "timestamp.json", buf_span(&h->before), e);
}

int cheats_update_frozen(struct shop *h, struct err *e)
{
    return put_timestamp(h, TIMESTAMP + 1, clock_now() - DAY, SNAPSHOT, e);
}

/* A new snapshot in which the list of releases is the one of before. */
int cheats_update_mixed(struct shop *h, struct err *e)
{
    struct tuf_write_meta m[2];
    struct buf b[2];
    int rc;

    buf_init(&b[1], 0);
    if ((rc = meta_of(h, "targets", 1, &b[0], &m[0], e)) == 0 &&
        (rc = meta_of(h, "rules", 1, &b[1], &m[1], e)) == 0)
        rc = shop_sign(h, METADATA "4.snapshot.json",
                       tuf_write_snapshot(SNAPSHOT + 1, clock_now() + DAY, m, 2),
                       (struct signkey *const *)&h->online, 1, e);
    if (rc == 0)
        rc = put_timestamp(h, TIMESTAMP + 1, clock_now() + DAY, SNAPSHOT + 1, e);
    buf_free(&b[0]);
    buf_free(&b[1]);
    return rc;
}

/* A root that makes the forger's one key everything, signed by one of the two who must. */
int cheats_update_lone_root(struct shop *h, struct err *e)
{
    struct signkey *const keys[] = {h->root[0], h->online};
    struct tuf_write_role all[TUF_TYPES];
    struct ed25519_pub pub;

    signkey_public(h->online, &pub);
    for (int i = 0; i < TUF_TYPES; i++)
        all[i] = (struct tuf_write_role){&pub, 1, 1};
    return shop_sign(h, METADATA "2.root.json", tuf_write_root(2, clock_now() + DAY, all), keys, 2,
                     e);
}

static int third(struct shop *h, enum shop_ledger from, struct err *e)
{
    int rc = shop_add(h, 2, from, e);

    return rc == 0 ? shop_publish(h, e) : rc;
}

int cheats_update_unlogged(struct shop *h, struct err *e)
{
    return third(h, SHOP_FORGED, e);
}

int cheats_update_unseen(struct shop *h, struct err *e)
{
    return third(h, SHOP_UNSEEN, e);
}

/* --- the true proof for other files: one entry of the unsigned list is exchanged --- */

static int entry(const struct buf *proof, char out[160])
{
    struct digest d;
    char hex[65];

    sha256_of(proof->data, proof->len, &d);
    text_digest(hex, &d);
    return snprintf(out, 160, "\"hashes\":{\"sha256\":\"%s\"},\"length\":%zu", hex, proof->len);
}

static int exchange(const struct shop *h, const struct buf *lie, const struct buf *truth,
                    struct err *e)
{
    const char *file = "repo/pending/rules.json";
    char old[160], new[160], target[160], hex[65];
    struct digest d;
    struct buf in, out;
    uint8_t *at;
    int n = entry(lie, old), m = entry(truth, new), rc;

    buf_init(&in, TUF_MAX_BYTES);
    buf_init(&out, TUF_MAX_BYTES);
    if ((rc = shop_read(h, file, &in, e)) == 0) {
        if ((at = memmem(in.data, in.len, old, (size_t)n)) == NULL)
            rc = err_set(e, -EIO, "the list of releases has no such proof");
        else if ((rc = buf_put(&out, in.data, (size_t)(at - in.data))) == 0 &&
                 (rc = buf_put(&out, new, (size_t)m)) == 0 &&
                 (rc = buf_put(&out, at + n, in.len - (size_t)(at - in.data) - (size_t)n)) == 0)
            rc = shop_write(h, file, buf_span(&out), e);
    }
    sha256_of(truth->data, truth->len, &d);
    text_digest(hex, &d);
    (void)snprintf(target, sizeof(target), "repo/targets/rules/%s.%llu.proof", hex,
                   (unsigned long long)h->serial + 2);
    if (rc == 0)
        rc = shop_write(h, target, buf_span(truth), e);
    buf_free(&in);
    buf_free(&out);
    return rc;
}

/* What was approved and logged is proved; what is served is another tree. */
int cheats_update_other_files(struct shop *h, struct err *e)
{
    struct buf truth, lie;
    int rc;

    buf_init(&truth, TLOG_PROOF_MAX);
    buf_init(&lie, TLOG_PROOF_MAX);
    if ((rc = shop_ledger(h, 2, e)) == 0 && (rc = shop_add(h, 2, SHOP_OTHER, e)) == 0 &&
        (rc = shop_proof(h, 2, SHOP_TRUE, &truth, e)) == 0 &&
        (rc = shop_proof(h, 2, SHOP_OTHER, &lie, e)) == 0 &&
        (rc = exchange(h, &lie, &truth, e)) == 0 && (rc = shop_sign_rules(h, e)) == 0)
        rc = shop_publish(h, e);
    buf_free(&truth);
    buf_free(&lie);
    return rc;
}

/* --- what nobody notices --- */

/* The third release stands in the ledger and is not put into the repository. */
int cheats_update_withheld(struct shop *h, struct err *e)
{
    return shop_ledger(h, 2, e);
}
