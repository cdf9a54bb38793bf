#include "site/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"

#define DIGEST_HEX 64

/* What a backup has: exactly these two, or names of one part, without dots, behind these. */
static bool is_ours(struct span name)
{
    static const char *const whole[] = {"format", "ledger.vkey"};
    static const char *const behind[] = {"ledger/artifact/sha256/", "ledger/checkpoints/",
                                         "vault/seg-"};

    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (span_is(name, whole[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
        size_t n = strlen(behind[i]);

        if (name.n <= n || name.n > MANIFEST_NAME_MAX || memcmp(name.p, behind[i], n) != 0)
            continue;
        for (; n < name.n; n++)
            if (!((name.p[n] >= '0' && name.p[n] <= '9') || (name.p[n] >= 'a' && name.p[n] <= 'f')))
                return false;
        return true;
    }
    return false;
}

int manifest_put_head(struct buf *out, const char *site, uint64_t epoch, uint64_t leaves)
{
    return buf_printf(out, "backup/v1\nsite %s\nepoch %" PRIu64 "\nleaves %" PRIu64 "\n", site,
                      epoch, leaves);
}

int manifest_put_file(struct buf *out, const struct digest *sha256, const char *name)
{
    char hex[DIGEST_HEX + 1];

    if (!is_ours(span_str(name)))
        return -EINVAL;
    text_digest(hex, sha256);
    return buf_printf(out, "%s %s\n", hex, name);
}

static bool is_site(struct span s)
{
    if (s.n < 2 || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (i > 0 && s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return true;
}

/* "WORD VALUE" */
static int value_of(struct cur *c, const char *word, struct span *out)
{
    size_t n = strlen(word);

    if (cur_line(c, out) != 0 || out->n <= n || memcmp(out->p, word, n) != 0 || out->p[n] != ' ')
        return -EBADMSG;
    *out = span_of(out->p + n + 1, out->n - n - 1);
    return 0;
}

int manifest_read(struct manifest *m, struct span text, struct err *e)
{
    struct span line, site, epoch, leaves;
    struct cur c = cur_of(text);

    memset(m, 0, sizeof(*m));
    if (cur_line(&c, &line) != 0 || !span_is(line, "backup/v1"))
        return err_set(e, -EBADMSG, "it is no manifest of a backup this program knows");
    if (value_of(&c, "site", &site) != 0 || !is_site(site) || value_of(&c, "epoch", &epoch) != 0 ||
        text_u64(epoch, INT64_MAX, &m->epoch) != 0 || value_of(&c, "leaves", &leaves) != 0 ||
        text_u64(leaves, INT64_MAX, &m->leaves) != 0)
        return err_set(e, -EBADMSG, "the head of the manifest is damaged");
    memcpy(m->site, site.p, site.n);
    m->rest = c;
    return 0;
}

int manifest_next(struct manifest *m, struct manifest_file *out, struct err *e)
{
    struct span line, name;

    if (m->rest.n == 0)
        return 0;
    if (cur_line(&m->rest, &line) != 0 || line.n < DIGEST_HEX + 2 || line.p[DIGEST_HEX] != ' ' ||
        text_undigest(span_of(line.p, DIGEST_HEX), &out->sha256) != 0)
        return err_set(e, -EBADMSG, "the manifest has a line that is none, or its end is missing");
    name = span_of(line.p + DIGEST_HEX + 1, line.n - DIGEST_HEX - 1);
    if (!is_ours(name))
        return err_set(e, -EBADMSG, "the manifest names a file that no backup has");
    memcpy(out->name, name.p, name.n);
    out->name[name.n] = '\0';
    return 1;
}
