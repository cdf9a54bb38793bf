/* Cheats about builds: what a product was built from, where, who signed that, who is said to have
 * built it again, and what a site runs.  Each makes the product that would follow, honest but for
 * one thing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/product.h"
#include "assembler/rebuilt.h"
#include "base/text.h"
#include "betray/builds.h"
#include "betray/cheats_priv.h"
#include "crypto/sha256.h"
#include "people/dsse.h"

/* What is wrong with the product that follows. */
struct plan {
    enum stage_who who; /* signs, beside `good` honest ones */
    size_t want, good;
    bool other_source, other_toolchain, elsewhere, gap, reused;
};

struct next {
    int site;
    unix_time t;
    struct ed25519_key *by[4];
    size_t n;
    struct product p;
    struct product_artifact file;
    struct digest doc, output;
};

static struct digest drawn(void)
{
    struct digest d;

    random_bytes(d.b, sizeof(d.b));
    return d;
}

static void name_of(char *out, size_t size, struct span text)
{
    memcpy(out, text.p, text.n < size ? text.n : size - 1);
}

/* A file that the product names, beside the ledger. */
static int put_file(struct stage *s, int site, struct digest *out)
{
    char text[65];

    cheats_random_hex(text, 32);
    return tale_document(&s->tale[site], span_str(text), out);
}

static int begin(struct stage *s, const struct plan *p, struct next *x, struct err *e)
{
    struct leaf l;
    size_t i;
    int rc;

    memset(x, 0, sizeof(*x));
    if ((rc = stage_find(s, LK_PRODUCT_PUBLISHED, &x->site, &i, e)) != 0)
        return rc;
    l = tale_leaf(&s->tale[x->site], i);
    x->t = stage_time(s, x->site);
    if (p->want > 0)
        x->n = stage_signers(s, ROLE_SUPERVISOR, p->who, x->t, x->by, p->want);
    if (x->n < p->want)
        return stage_nothing(e, "no such supervisor's key is at hand");
    if (p->good > 0)
        x->n += stage_signers(s, ROLE_SUPERVISOR, WHO_GOOD, x->t, x->by + x->n, p->good);
    if (x->n < p->want + p->good)
        return stage_nothing(e, "the keys of two supervisors are not at hand");
    x->p.chain.serial = leaf_int(&l, LF_SERIAL) + (p->gap ? 2 : 1);
    x->p.chain.previous = leaf_digest(&l, LF_DOC);
    name_of(x->p.name, sizeof(x->p.name), leaf_text(&l, LF_NAME));
    name_of(x->p.site, sizeof(x->p.site), leaf_text(&l, LF_WORKER_SITE));
    name_of(x->p.zone, sizeof(x->p.zone), leaf_text(&l, LF_ZONE));
    memcpy(x->p.version, "9", 2);
    memcpy(x->file.name, "a", 2);
    x->file.sha256 = drawn();
    x->p.artifact = &x->file;
    x->p.artifacts = 1;
    x->p.source = drawn();
    return 0;
}

/* A site of another zone; the sites of the trust file are all there are. */
static int move_away(const struct stage *s, struct next *x, struct err *e)
{
    for (size_t i = 0; i < s->sites; i++) {
        const char *name = stage_site_name(s, (int)i);
        const char *zone = policy_zone_of_site(s->policy, name);

        if (zone != NULL && strcmp(zone, x->p.zone) != 0) {
            memcpy(x->p.site, name, strlen(name) + 1);
            memcpy(x->p.zone, zone, strlen(zone) + 1);
            return 0;
        }
    }
    return stage_nothing(e, "there is one zone only");
}

/* The files that it names; the provenance tells the truth, the product need not. */
static int prove(struct stage *s, const struct plan *p, struct next *x)
{
    struct buf env;
    int rc;

    buf_init(&env, DSSE_MAX_BYTES);
    if ((rc = put_file(s, x->site, &x->p.recipe)) == 0 &&
        (rc = put_file(s, x->site, &x->p.toolchain)) == 0 &&
        (rc = put_file(s, x->site, &x->p.sbom)) == 0 &&
        (rc = builds_provenance(&x->p, x->by[0], &env)) == 0)
        rc = tale_document(&s->tale[x->site], buf_span(&env), &x->p.provenance);
    buf_free(&env);
    if (rc == 0 && p->other_source)
        x->p.source = drawn();
    if (rc == 0 && p->other_toolchain)
        rc = put_file(s, x->site, &x->p.toolchain);
    return rc;
}

/* The envelope of another document, with its signatures, around this one. */
static int reuse(struct stage *s, const struct next *x, const struct buf *yaml, struct digest *doc)
{
    struct dsse *d = NULL;
    struct product other = x->p;
    struct buf first, env;
    char *at, *old = NULL, *new = NULL;
    int rc;

    buf_init(&first, DSSE_MAX_PAYLOAD);
    buf_init(&env, DSSE_MAX_BYTES);
    other.source = drawn(); /* what the supervisors were shown, and signed */
    if ((rc = product_write(&other, &first)) != 0 ||
        (rc = dsse_new(&d, document_type(DOCUMENT_PRODUCT), buf_span(&first))) != 0)
        goto out;
    for (size_t i = 0; i < x->n && rc == 0; i++)
        rc = dsse_sign(d, x->by[i]);
    if (rc != 0 || (rc = dsse_write(d, &env)) != 0)
        goto out;
    /* both payloads are of one length, so the envelopes differ in the payload's base64 alone */
    old = malloc(TEXT_BASE64_LEN(first.len) + 1);
    new = malloc(TEXT_BASE64_LEN(yaml->len) + 1);
    rc = old == NULL || new == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        text_base64(old, first.data, first.len);
        text_base64(new, yaml->data, yaml->len);
        at = memmem(env.data, env.len, old, strlen(old));
        rc = at == NULL || strlen(old) != strlen(new) ? -EBADMSG : 0;
        if (rc == 0)
            memcpy(at, new, strlen(new));
    }
    if (rc == 0)
        rc = tale_document(&s->tale[x->site], buf_span(&env), doc);
out:
    free(old);
    free(new);
    dsse_free(d);
    buf_free(&first);
    buf_free(&env);
    return rc;
}

static int publish(struct stage *s, const struct plan *p, struct next *x, struct err *e)
{
    struct leaf_builder b;
    struct buf yaml;
    int rc;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = product_write(&x->p, &yaml)) == 0 && (rc = product_output(&x->p, &x->output)) == 0)
        rc = p->reused ? reuse(s, x, &yaml, &x->doc)
                       : stage_document(s, x->site, DOCUMENT_PRODUCT, &yaml, x->by, x->n, &x->doc);
    buf_free(&yaml);
    if (rc != 0)
        return err_sys(e, rc, "writing a product");
    stage_begin(s, x->site, &b, LK_PRODUCT_PUBLISHED, x->t);
    builds_leaf(&b, &x->p, &x->doc, &x->output);
    if ((rc = stage_add(s, x->site, &b, e)) != 0)
        return rc;
    return stage_publish(s, x->site, x->t);
}

static int play(struct stage *s, const struct plan *p, struct err *e)
{
    struct next x;
    int rc;

    if ((rc = begin(s, p, &x, e)) == 0 && (!p->elsewhere || (rc = move_away(s, &x, e)) == 0)) {
        if ((rc = prove(s, p, &x)) != 0)
            (void)err_sys(e, rc, "writing a provenance");
        else
            rc = publish(s, p, &x, e);
    }
    cheats_free_keys(x.by, x.n);
    return rc;
}

#define PLAY(name, ...)                                                                            \
    int cheats_##name(struct stage *s, struct err *e)                                              \
    {                                                                                              \
        static const struct plan p = {__VA_ARGS__};                                                \
                                                                                                   \
        return play(s, &p, e);                                                                     \
    }

PLAY(build_other_source, .good = 2, .other_source = true)
PLAY(build_other_toolchain, .good = 2, .other_toolchain = true)
PLAY(build_elsewhere, .good = 2, .elsewhere = true)
PLAY(build_reused, .good = 2, .reused = true)
PLAY(build_one_supervisor, .good = 1)
PLAY(build_two_keys, .who = WHO_TWO_KEYS, .want = 2)
PLAY(build_retired, .who = WHO_RETIRED, .want = 1, .good = 1)
PLAY(build_gap, .good = 2, .gap = true)

/* --- rebuilds --- */

static int log_rebuilt(struct stage *s, int site, const struct rebuilt *said, const struct buf *env,
                       struct err *e)
{
    unix_time t = stage_time(s, site);
    struct leaf_builder b;
    struct digest doc;
    int rc = tale_document(&s->tale[site], buf_span(env), &doc);

    if (rc != 0)
        return err_sys(e, rc, "writing a rebuild");
    stage_begin(s, site, &b, LK_REBUILD_ATTESTED, t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_key(&b, LF_KEY, said->key.b);
    leaf_set_digest(&b, LF_PRODUCT, &said->product);
    leaf_set_word(&b, LF_VERDICT, (unsigned)said->verdict);
    leaf_set_digest(&b, LF_OUTPUT, &said->output);
    rc = stage_add(s, site, &b, e);
    return rc != 0 ? rc : stage_publish(s, site, t);
}

/* The document names the builder, and the operator signs it. */
static int forge(const struct rebuilt *r, const struct ed25519_key *own, struct buf *env)
{
    struct dsse *d = NULL;
    struct buf yaml;
    int rc;

    buf_init(&yaml, 4096);
    if ((rc = rebuilt_write(r, &yaml)) == 0 &&
        (rc = dsse_new(&d, REBUILT_TYPE, buf_span(&yaml))) == 0 && (rc = dsse_sign(d, own)) == 0)
        rc = dsse_write(d, env);
    dsse_free(d);
    buf_free(&yaml);
    return rc;
}

enum rebuild_lie { LIE_FORGED, LIE_ROUNDED_UP, LIE_NOT_EQUAL };

/* forged: nobody signed it.  Rounded up: the builder signed "derived-only", the leaf says
 * identical.  Not equal: the builder, who is in it, signs identical of other bytes. */
static int play_rebuild(struct stage *s, enum rebuild_lie lie, struct err *e)
{
    struct ed25519_key *builder = NULL, *own = NULL;
    struct rebuilt r, said;
    struct leaf l;
    struct buf env;
    size_t i;
    int site, rc = stage_find(s, LK_PRODUCT_PUBLISHED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    said = (struct rebuilt){.product = leaf_digest(&l, LF_DOC),
                            .output = leaf_digest(&l, LF_OUTPUT),
                            .verdict = COMPARE_IDENTICAL};
    buf_init(&env, DSSE_MAX_BYTES);
    if ((rc = ed25519_generate(&builder)) == 0 && (rc = ed25519_generate(&own)) == 0) {
        ed25519_public(builder, &said.key);
        if (lie == LIE_NOT_EQUAL)
            said.output = drawn();
        r = said;
        if (lie == LIE_ROUNDED_UP) {
            r.verdict = COMPARE_DERIVED;
            r.output = drawn();
        }
        rc = lie == LIE_FORGED ? forge(&r, own, &env) : rebuilt_sign(&r, builder, &env, e);
    }
    if (rc == 0)
        rc = log_rebuilt(s, site, &said, &env, e);
    ed25519_free(builder);
    ed25519_free(own);
    buf_free(&env);
    return rc;
}

int cheats_rebuild_forged(struct stage *s, struct err *e)
{
    return play_rebuild(s, LIE_FORGED, e);
}

int cheats_rebuild_rounded_up(struct stage *s, struct err *e)
{
    return play_rebuild(s, LIE_ROUNDED_UP, e);
}

int cheats_rebuild_not_equal(struct stage *s, struct err *e)
{
    return play_rebuild(s, LIE_NOT_EQUAL, e);
}

int cheats_rebuild_colluding(struct stage *s, struct err *e)
{
    struct ed25519_key *builder = NULL;
    struct rebuilt r;
    struct leaf l;
    struct buf env;
    size_t i;
    int site, rc = stage_find(s, LK_PRODUCT_PUBLISHED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    memset(&r, 0, sizeof(r));
    r.product = leaf_digest(&l, LF_DOC);
    r.output = leaf_digest(&l, LF_OUTPUT);
    buf_init(&env, DSSE_MAX_BYTES);
    if ((rc = ed25519_generate(&builder)) == 0 && (rc = rebuilt_sign(&r, builder, &env, e)) == 0)
        rc = log_rebuilt(s, site, &r, &env, e);
    ed25519_free(builder);
    buf_free(&env);
    return rc;
}

/* --- what runs --- */

/* The site that told last what it runs says it once more. */
static int started(struct stage *s, int site, size_t last, const struct digest *binary,
                   struct err *e)
{
    struct leaf l = tale_leaf(&s->tale[site], last);
    unix_time t = stage_time(s, site);
    struct leaf_builder b;
    char part[33] = "";
    int rc;

    name_of(part, sizeof(part), leaf_text(&l, LF_PART));
    stage_begin(s, site, &b, LK_PROCESS_STARTED, t);
    leaf_set_digest(&b, LF_BINARY, binary);
    leaf_set_text(&b, LF_PART, part);
    rc = stage_add(s, site, &b, e);
    return rc != 0 ? rc : stage_publish(s, site, t);
}

int cheats_software_unreleased(struct stage *s, struct err *e)
{
    struct digest binary = drawn();
    size_t last;
    int site, rc;

    if (s->trust->software[0] == '\0')
        return stage_nothing(e, "the trust file does not name the product that sites run");
    rc = stage_find(s, LK_PROCESS_STARTED, &site, &last, e);
    return rc != 0 ? rc : started(s, site, last, &binary, e);
}

/* The leaf is as it would be if the released program ran. */
int cheats_software_pretended(struct stage *s, struct err *e)
{
    struct digest binary;
    struct leaf l;
    size_t last;
    int site, rc = stage_find(s, LK_PROCESS_STARTED, &site, &last, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], last);
    binary = leaf_digest(&l, LF_BINARY);
    return started(s, site, last, &binary, e);
}
