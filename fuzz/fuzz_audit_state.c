/* The state an audit resumes from (docs/formats.md, "Audit state").  The first byte says what the
 * rest is: 0 the whole note, as a stranger would write it; 1 a text that the auditor's key signs;
 * 2 the lines of the ledgers, behind the head that fits this program.  What is taken, written
 * again, is the same text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX (1u << 20)
#define LEDGERS 2

static struct ed25519_key *key;
static struct trust trust;

static void hold(bool good)
{
    if (!good)
        __builtin_trap();
}

static void begin(void)
{
    static const uint8_t seed[32] = "the auditor's, of this target...";
    static const char *const names[LEDGERS] = {"zrh1", "mow1"};

    if (key != NULL)
        return;
    hold(ed25519_from_seed(&key, seed) == 0);
    memset(trust.digest.b, 7, sizeof(trust.digest.b));
    trust.sites = LEDGERS;
    for (size_t i = 0; i < LEDGERS; i++)
        memcpy(trust.site[i].site, names[i], strlen(names[i]) + 1);
}

static void sign(struct buf *out, struct span text)
{
    struct note_signer s;

    /* a text that no note can hold is not signed, and what is empty is refused */
    if (note_signer_init(&s, "auditor", VKEY_ED25519, key, NULL) != 0 ||
        note_sign(out, text, &s, NULL) != 0)
        buf_reset(out);
}

/* The state of an audit of no ledger: the lines before the ledgers', signed. */
static void put_head(struct buf *out)
{
    struct audit none = {.trust = &trust};
    struct core_note note;
    struct buf all;

    buf_init(&all, TEXT_MAX);
    hold(audit_state(&none, key, &all, NULL) == 0);
    hold(core_note_split(buf_span(&all), &note) == 0);
    hold(buf_put(out, note.text.p, note.text.n) == 0);
    buf_free(&all);
}

static void taken(struct audit *a, const struct buf *note, bool ours)
{
    struct core_note was, is;
    struct buf again;

    buf_init(&again, TEXT_MAX);
    for (size_t i = 0; i < LEDGERS; i++) {
        struct site *s = &a->site[i];

        hold(s->stop.n == 1 && s->stop.v[0].known && s->stop.v[0].size == s->known.size);
        s->size = s->known.size;
        s->root = s->known.root;
        s->sound = true;
    }
    hold(audit_state(a, key, &again, NULL) == 0);
    hold(core_note_split(buf_span(note), &was) == 0 && core_note_split(buf_span(&again), &is) == 0);
    hold(was.text.n == is.text.n && memcmp(was.text.p, is.text.p, is.text.n) == 0);
    hold(!ours || (note->len == again.len && memcmp(note->data, again.data, again.len) == 0));
    buf_free(&again);
}

static void try(const struct buf *note, bool ours)
{
    struct site site[LEDGERS];
    struct audit_options o = {.state = buf_span(note)};
    struct audit a = {.trust = &trust, .options = &o, .site = site, .sites = LEDGERS};
    struct err e = ERR_INIT;
    int rc;

    memset(site, 0, sizeof(site));
    for (size_t i = 0; i < LEDGERS; i++)
        site[i].trust = &trust.site[i];
    ed25519_public(key, &o.state_key);
    if (note->len == 0)
        return;
    rc = claims_state_take(&a, &e);
    if (rc == 0)
        taken(&a, note, ours);
    else
        hold((rc == -EINVAL || rc == -EBADMSG || rc == -E2BIG) && e.text[0] != '\0');
    for (size_t i = 0; i < LEDGERS; i++)
        free(site[i].stop.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text, note;

    if (size == 0)
        return 0;
    begin();
    buf_init(&text, TEXT_MAX);
    buf_init(&note, TEXT_MAX);
    if (data[0] % 3 == 2)
        put_head(&text);
    if (size > 1)
        (void)!buf_put(data[0] % 3 == 0 ? &note : &text, data + 1, size - 1);
    if (data[0] % 3 != 0)
        sign(&note, buf_span(&text));
    try(&note, data[0] % 3 != 0);
    buf_free(&text);
    buf_free(&note);
    return 0;
}
