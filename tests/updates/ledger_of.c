#include "ledger_of.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "betray/tale.h"
#include "detect/release.h"

#define START 1767600000

static int signer(struct note_signer *s, const char *name, uint8_t type, int seed,
                  char vkey[CORE_VKEY_TEXT_MAX + 1], struct err *e)
{
    struct ed25519_key *k; /* lives as long as the program */
    uint8_t bytes[32];
    int rc;

    memset(bytes, seed, sizeof(bytes));
    if ((rc = ed25519_from_seed(&k, bytes)) != 0 ||
        (rc = note_signer_init(s, name, type, k, e)) != 0)
        return rc;
    note_vkey_format(&s->key, vkey);
    return 0;
}

static int add(struct tale *t, const char *folder, uint64_t serial, struct err *e)
{
    struct id128 change = {{(uint8_t)serial}};
    struct digest doc = {{(uint8_t)serial}}, report = {{7}}, tree;
    struct leaf_builder b;
    struct release *r = NULL;
    int rc = release_load(&r, folder, e);

    if (rc != 0)
        return rc;
    tree = release_digest(r);
    release_free(r);
    leaf_begin(&b, LK_RELEASE_PUBLISHED, START + (unix_time)serial * 3600, "zrh1");
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_SERIAL, serial);
    leaf_set_id(&b, LF_CHANGE, &change);
    leaf_set_digest(&b, LF_TREE, &tree);
    leaf_set_digest(&b, LF_REPORT, &report);
    leaf_set_word(&b, LF_MODE, serial == 3 ? LW_MODE_DETECT : LW_MODE_ENFORCE);
    leaf_set_word(&b, LF_URGENT, LW_URGENT_NO);
    leaf_set_int(&b, LF_ALLOWS, 0);
    return tale_add(t, &b, e);
}

static int trust_file(const char *dir, const char *log, const char *witness)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/trust.yaml", dir);
    if ((f = fopen(path, "w")) == NULL)
        return -errno;
    (void)fprintf(f,
                  "format: trust/v1\nexpires: 2126-11-23T00:00Z\ntolerance: 180s\npolicy: |\n"
                  "  log %s\n  witness w1 %s\n  quorum w1\nsites:\n"
                  "  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}\n"
                  "roots: {threshold: 1, keys: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]}\n"
                  "outsiders: [w1]\n",
                  log, witness);
    return fclose(f) == 0 ? 0 : -errno;
}

int ledger_of(const char *dir, const char *const *folder, int n, bool last_alone, struct err *e)
{
    char log_key[CORE_VKEY_TEXT_MAX + 1], witness_key[CORE_VKEY_TEXT_MAX + 1], path[4096];
    struct note_signer log, witness;
    struct leaf_builder b;
    struct tale t;
    int rc;

    tale_init(&t, "zrh1");
    if ((rc = signer(&log, "zrh1.example/ledger", VKEY_ED25519, 1, log_key, e)) != 0 ||
        (rc = signer(&witness, "witness.example/w1", VKEY_COSIGNATURE, 2, witness_key, e)) != 0)
        goto out;
    leaf_begin(&b, LK_SITE_OPENED, START, "zrh1");
    leaf_set_text(&b, LF_VKEY, log_key);
    leaf_set_text(&b, LF_ZONE, "CH");
    rc = tale_add(&t, &b, e);
    for (int i = 0; i < n && rc == 0; i++)
        if ((rc = add(&t, folder[i], (uint64_t)i + 1, e)) == 0)
            rc = tale_publish(&t, last_alone && i == n - 1 ? 0 : START + (i + 2) * 3600);
    (void)mkdir(dir, 0755);
    (void)snprintf(path, sizeof(path), "%s/ledger", dir);
    if (rc == 0 && (rc = tale_write(&t, path, &log, &witness, e)) == 0 &&
        (rc = trust_file(dir, log_key, witness_key)) != 0)
        (void)err_sys(e, rc, "writing \"%s/trust.yaml\"", dir);
out:
    tale_free(&t);
    return rc;
}
