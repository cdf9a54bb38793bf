#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

static const char *const sites[] = {"zrh1", "mow1"};

void scene_make(struct scene *s, const struct history_spec *spec)
{
    struct err e = ERR_INIT;
    char made[80];
    int rc;

    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/test-claims.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(made, sizeof(made), "%s/h", s->dir);
    rc = spec == NULL ? history_make_empty(made, &e) : history_make(made, spec, &e);
    if (rc != 0)
        fail_msg("%s", err_text(&e));
    (void)snprintf(s->path[0], sizeof(s->path[0]), "%s/zrh1", made);
    (void)snprintf(s->path[1], sizeof(s->path[1]), "%s/mow1", made);
    (void)snprintf(s->path[2], sizeof(s->path[2]), "%s/trust.yaml", made);
    (void)snprintf(s->path[3], sizeof(s->path[3]), "%s/copy", s->dir);
    (void)snprintf(s->path[4], sizeof(s->path[4]), "%s/copy2", s->dir);
    if (trust_load(&s->trust, s->path[2], &e) != 0)
        fail_msg("%s", err_text(&e));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

void scene_remove(struct scene *s)
{
    trust_free(s->trust);
    (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct audit *scene_audit(const struct scene *s, const struct audit_options *o)
{
    struct audit_source src[] = {{"zrh1", s->path[0]}, {"mow1", s->path[1]}};
    struct err e = ERR_INIT;
    struct audit *a;

    if (audit_run(&a, s->trust, src, 2, o, &e) != 0)
        fail_msg("%s", err_text(&e));
    return a;
}

static struct ed25519_key *key(const struct scene *s, const char *name)
{
    struct ed25519_key *k;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/h/keys/%s.pem", s->dir, name);
    assert_int_equal(ed25519_load(&k, path, NULL), 0);
    return k;
}

static const struct vkey *witness(const struct scene *s)
{
    return tlog_policy_witness(s->trust->policy, 0);
}

void scene_tale(const struct scene *s, int site, struct tale *t)
{
    tale_init(t, sites[site]);
    assert_int_equal(
        tale_load(t, s->path[site], trust_site(s->trust, sites[site])->log, witness(s), NULL), 0);
}

/* t as a ledger in dir, which is emptied before */
static void write_tale(const struct scene *s, int site, const struct tale *t, const char *dir)
{
    struct ed25519_key *k, *w = key(s, "witness");
    struct note_signer log, cosigner;
    struct err e = ERR_INIT;
    char name[20];

    (void)snprintf(name, sizeof(name), "log-%s", sites[site]);
    k = key(s, name);
    assert_int_equal(
        note_signer_init(&log, trust_site(s->trust, sites[site])->origin, VKEY_ED25519, k, NULL),
        0);
    assert_int_equal(note_signer_init(&cosigner, witness(s)->name, VKEY_COSIGNATURE, w, NULL), 0);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (tale_write(t, dir, &log, &cosigner, &e) != 0)
        fail_msg("%s", err_text(&e));
    ed25519_free(k);
    ed25519_free(w);
}

struct audit *scene_audit_both(const struct scene *s, const struct tale *const t[2],
                               const struct audit_options *o)
{
    struct audit_source src[] = {{sites[0], s->path[3]}, {sites[1], s->path[4]}};
    struct err e = ERR_INIT;
    struct audit *a;

    for (int i = 0; i < 2; i++)
        write_tale(s, i, t[i], src[i].dir);
    if (audit_run(&a, s->trust, src, 2, o, &e) != 0)
        fail_msg("%s", err_text(&e));
    return a;
}

struct audit *scene_audit_as(const struct scene *s, int site, const struct tale *t)
{
    struct audit_source src[] = {{sites[0], s->path[0]}, {sites[1], s->path[1]}};
    struct err e = ERR_INIT;
    struct audit *a;

    src[site].dir = s->path[3];
    write_tale(s, site, t, s->path[3]);
    if (audit_run(&a, s->trust, src, 2, NULL, &e) != 0)
        fail_msg("%s", err_text(&e));
    return a;
}

struct audit *scene_audit_with(const struct scene *s, int site, const struct tale *t)
{
    struct audit_source src[] = {{sites[1 - site], s->path[1 - site]}, {sites[site], s->path[3]}};
    struct err e = ERR_INIT;
    struct audit *a;

    if (t != NULL)
        write_tale(s, site, t, s->path[3]);
    if (audit_run(&a, s->trust, src, t != NULL ? 2 : 1, NULL, &e) != 0)
        fail_msg("%s", err_text(&e));
    return a;
}
