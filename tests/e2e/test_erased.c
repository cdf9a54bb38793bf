/* Once the epoch has turned nothing brings back what was erased: no file of the sites, the old
 * keys' places included, holds a plaintext byte, a hash, a name, the salt of an opening or the old
 * key. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "rig_client.h"
#include "rig_priv.h"

#define MOVES_IN 12 /* seconds: Canada's files are sent first of all */
#define BYTES 70000 /* more than one chunk of the vault */
#define NEEDLES 400

static struct rig *r;
static struct rig_needle needle[NEEDLES];
static size_t needles;

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 2, .moves_in = MOVES_IN, .scanning = true};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

/* --- what must be gone --- */

static void must_go(const char *what, const void *p, size_t n)
{
    struct rig_needle *x = &needle[needles++];

    assert_true(needles < NEEDLES);
    assert_true(n >= 16 && n <= sizeof(x->b));
    (void)snprintf(x->what, sizeof(x->what), "%s", what);
    memcpy(x->b, p, n);
    x->n = n;
}

/* 32 secret bytes in every spelling a file could have. */
static void secret_must_go(const char *what, const uint8_t b[32])
{
    char text[80];

    must_go(what, b, 32);
    text_hex(text, b, 32);
    must_go(what, text, 64);
    text_base64(text, b, 32);
    must_go(what, text, 43);
}

static void receipt_must_go(const char *what, struct span text)
{
    struct rig_receipt p;

    rig_receipt_open(r, &p, text);
    assert_true(p.x.openings > 0);
    for (size_t i = 0; i < p.x.openings; i++)
        secret_must_go(what, p.x.opening[i].salt);
    rig_receipt_done(&p);
}

static struct id128 ref_in(struct span text)
{
    struct rig_receipt p;
    struct id128 ref;

    rig_receipt_open(r, &p, text);
    rig_ok(text_unid(receipt_extra_find(&p.x, LF_SEALED_REF)->value, &ref), NULL);
    rig_receipt_done(&p);
    return ref;
}

struct victim {
    struct rig_sub s;
    size_t site;
    struct id128 ref, object; /* what the thief knows */
    uint8_t bytes[BYTES];
};

/* Sends the file and remembers what must not be found later. */
static void send_in(struct victim *v, const char *country, size_t site, const struct victim *same)
{
    char name[64], hex[33];
    struct id128 id = random_id();
    struct digest d;
    struct rig_state now;
    struct buf text;

    random_bytes(v->bytes, sizeof(v->bytes));
    if (same != NULL)
        memcpy(v->bytes, same->bytes, sizeof(v->bytes));
    text_id(hex, &id);
    (void)snprintf(name, sizeof(name), "private-%s.doc", hex);
    v->site = site;
    rig_sub_new(r, &v->s, country);
    rig_submit(r, site, &v->s, span_of(v->bytes, sizeof(v->bytes)), name, &text);
    must_go("the file's name", name, strlen(name));
    must_go("the file's beginning", v->bytes, 32);
    must_go("the file's middle", v->bytes + BYTES / 2, 32);
    must_go("the file's end", v->bytes + BYTES - 32, 32);
    sha256_of(v->bytes, sizeof(v->bytes), &d);
    secret_must_go("the file's hash", d.b);
    receipt_must_go("a salt of the acceptance", buf_span(&text));
    v->ref = ref_in(buf_span(&text));
    buf_free(&text);
    rig_await(r, site, &v->s, "scanned", &now);
    rig_settle(r, site);
    assert_int_equal(rig_receipt(r, site, &v->s, "scan", &text), 200);
    receipt_must_go("a salt of the scan", buf_span(&text));
    buf_free(&text);
    v->object = rig_object_of(r, site, &v->s.sub);
}

/* The key of the epoch that lasts: 32 bytes behind magic and number, docs/vault.md. */
static size_t key_must_go(size_t site)
{
    char path[160];
    struct buf b;
    size_t first = needles;

    buf_init(&b, 4096);
    (void)snprintf(path, sizeof(path), "%s/epochs/epoch-%llu.key", r->site[site].keys,
                   (unsigned long long)rig_metric(r, site, "site_epoch"));
    rig_ok(io_read_file(AT_FDCWD, path, &b), NULL);
    assert_int_equal(b.len, 88);
    secret_must_go("the old epoch's key", b.data + 24);
    buf_free(&b);
    /* the search does find it while it is there */
    assert_int_equal(rig_in_files(r->dir, &needle[first], 1, false), 1);
    return first;
}

static void nothing_is_found(void)
{
    print_message("%zu secrets are looked for\n", needles);
    assert_int_equal(rig_in_files(r->dir, needle, needles, true), 0);
}

/* Nobody gets an opening of it any more, not even its owner. */
static void no_opening_is_given(const struct victim *v)
{
    struct rig_receipt p;
    struct buf text;

    if (rig_receipt(r, v->site, &v->s, "accepted", &text) != 200)
        return;
    rig_receipt_open(r, &p, buf_span(&text));
    assert_int_equal(p.x.openings, 0);
    rig_receipt_done(&p);
    buf_free(&text);
}

/* --- the thief --- */

#define WRAP 132 /* nonce, then slot key, DEK, sha256, size; tag */

static struct {
    struct aead *key;
    uint8_t ad[7 + 16 + 16 + 8];
    size_t tried, opened;
} thief;

static int try_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    static const uint8_t zeros[WRAP];
    uint8_t out[WRAP];
    struct buf b;

    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    buf_init(&b, 256 << 20);
    if (io_read_file(AT_FDCWD, path, &b) != 0)
        b.len = 0; /* gone meanwhile */
    for (size_t i = 0; i + WRAP <= b.len; i++) {
        const uint8_t *p = b.data + i;

        if (p[0] == 0 && memcmp(p, zeros, WRAP) == 0)
            continue;
        thief.tried++;
        thief.opened += aead_open(thief.key, p, span_of(thief.ad, sizeof(thief.ad)), p + AEAD_NONCE,
                                  WRAP - AEAD_NONCE, out) == 0;
    }
    buf_free(&b);
    return 0;
}

/* With the key of epoch e of a site, over all files of that site. */
static void try_key(size_t site, const struct victim *v, uint64_t e, const uint8_t key[32])
{
    uint8_t wrap[AEAD_KEY];

    hkdf_sha256(span_of(key, 32), span_of(NULL, 0), span_str("epoch-wrap/v1"), wrap, sizeof(wrap));
    rig_ok(aead_new(&thief.key, wrap), NULL);
    memcpy(thief.ad, "wrap/v1", 7);
    memcpy(thief.ad + 7, v->ref.b, 16);
    memcpy(thief.ad + 23, v->object.b, 16);
    for (size_t i = 0; i < 8; i++)
        thief.ad[39 + i] = (uint8_t)(e >> (56 - 8 * i));
    assert_int_equal(nftw(r->site[site].data, try_file, 32, FTW_PHYS), 0);
    aead_free(thief.key);
}

/* How many wraps of the victim's slot the thief can open with what lies at its site. */
static size_t stolen(const struct victim *v)
{
    size_t keys = 0;
    char path[160];

    thief.tried = thief.opened = 0;
    for (uint64_t e = 1; e < 16; e++) {
        struct buf b;

        buf_init(&b, 4096);
        (void)snprintf(path, sizeof(path), "%s/epochs/epoch-%llu.key", r->site[v->site].keys,
                       (unsigned long long)e);
        if (io_read_file(AT_FDCWD, path, &b) == 0) {
            try_key(v->site, v, e, b.data + 24);
            keys++;
        }
        buf_free(&b);
    }
    assert_true(keys > 0 && thief.tried > BYTES);
    return thief.opened;
}

static struct victim canadian, swiss, twin[2], kept;

static void files_are_sent(void **state)
{
    size_t ours;

    send_in(&canadian, "CA", RIG_MOW, NULL);
    send_in(&swiss, "CH", RIG_ZRH, NULL);
    send_in(&twin[0], "CH", RIG_ZRH, NULL);
    send_in(&twin[1], "LI", RIG_ZRH, &twin[0]);
    ours = needles;
    send_in(&kept, "CH", RIG_ZRH, NULL);
    needles = ours;     /* that one stays */
    nothing_is_found(); /* also what is kept is kept encrypted */
}

static void withdrawn_is_erased(void **state)
{
    struct rig_state now;
    struct rig_word w;

    (void)key_must_go(RIG_ZRH);
    assert_int_equal(rig_order(r, RIG_ZRH, &swiss.s, "withdraw", NULL, NULL, &w), 202);
    assert_int_equal(rig_order(r, RIG_ZRH, &twin[0].s, "withdraw", NULL, NULL, &w), 202);
    rig_turn_epoch(r, RIG_ZRH);
    nothing_is_found();
    no_opening_is_given(&swiss);
    no_opening_is_given(&twin[0]);
    assert_int_equal(stolen(&swiss), 0);
    assert_int_equal(stolen(&twin[0]), 0);
    assert_true(stolen(&twin[1]) > 0);
    assert_int_equal(rig_trace(r, RIG_ZRH, &twin[1].s, &now), 200);
    assert_int_equal(now.size, BYTES); /* the twin lives on */

    (void)key_must_go(RIG_ZRH);
    assert_int_equal(rig_order(r, RIG_ZRH, &twin[1].s, "erase", NULL, NULL, &w), 202);
    rig_turn_epoch(r, RIG_ZRH);
    nothing_is_found();
    no_opening_is_given(&twin[1]);
    assert_int_equal(stolen(&twin[1]), 0);
}

static void moved_is_erased_where_it_was(void **state)
{
    struct rig_state now;

    while (clock_now() <= r->canada_moves)
        rig_nap(200);
    (void)key_must_go(RIG_MOW);
    rig_relocate(r, "CA", RIG_MOW, RIG_ZRH);
    rig_turn_epoch(r, RIG_MOW);
    nothing_is_found();
    no_opening_is_given(&canadian);
    assert_int_equal(stolen(&canadian), 0);
    assert_int_equal(rig_trace(r, RIG_MOW, &canadian.s, &now), 200);
    assert_true(now.moved && now.destroyed);
    assert_int_equal(rig_trace(r, RIG_ZRH, &canadian.s, &now), 200);
    assert_int_equal(now.size, BYTES);
}

/* What was not erased has come through all these turns, also through a start from the disk. */
static void the_rest_is_still_there(void **state)
{
    struct rig_receipt p;
    struct digest d;
    struct buf text;
    char hex[65];

    rig_stop(r, RIG_ZRH);
    rig_stop(r, RIG_MOW);
    nothing_is_found();
    rig_start(r, RIG_ZRH);
    assert_int_equal(rig_receipt(r, RIG_ZRH, &kept.s, "accepted", &text), 200);
    rig_receipt_open(r, &p, buf_span(&text));
    sha256_of(kept.bytes, BYTES, &d);
    text_digest(hex, &d);
    assert_non_null(receipt_extra_find(&p.x, LF_SEALED_SHA256));
    assert_true(span_is(receipt_extra_find(&p.x, LF_SEALED_SHA256)->value, hex));
    rig_receipt_done(&p);
    buf_free(&text);
    assert_true(stolen(&kept) > 0);
    assert_int_equal(rig_slots(r, RIG_ZRH), 2); /* this one and the Canadian */
    nothing_is_found();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_sent),
        cmocka_unit_test(withdrawn_is_erased),
        cmocka_unit_test(moved_is_erased_where_it_was),
        cmocka_unit_test(the_rest_is_still_there),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
