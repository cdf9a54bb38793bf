#include "betray/betray.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "betray/cheats.h"
#include "ledger/tlog_tiles.h"

size_t betray_cheats(void)
{
    return cheats_count;
}

const struct betray_cheat *betray_cheat(size_t i)
{
    return i < cheats_count ? &cheats_table[i].cheat : NULL;
}

/* ------------------------------------------------------------------ folders */

static int make_tmp(const char *tmp, char *out, size_t n, struct err *e)
{
    const char *base = tmp != NULL ? tmp : getenv("TMPDIR");
    int len = snprintf(out, n, "%s/betray.XXXXXX", base != NULL ? base : "/tmp");

    if (len < 0 || (size_t)len >= n)
        return err_set(e, -ENAMETOOLONG, "the temporary folder's name is too long");
    return mkdtemp(out) == NULL ? err_sys(e, -errno, "making \"%s\"", out) : 0;
}

/* ------------------------------------------------------------------ one cheat */

/* Changes one byte of a leaf where it lies on disk, behind the hashes' back. */
static int patch(const struct stage *s, const char *dir, struct err *e)
{
    const struct tale *t = &s->tale[s->patch_site];
    struct tlog_tile tile = {TLOG_TILES_ENTRIES, s->patch_leaf / 256, 0};
    char name[TLOG_TILES_PATH_MAX], path[4200];
    off_t at = 0;
    uint8_t byte;
    int fd, rc;

    tile.width = tlog_tiles_width(TLOG_TILES_ENTRIES, tile.index, t->leaves);
    tlog_tiles_path(name, &tile);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    for (size_t i = tile.index * 256; i < s->patch_leaf; i++)
        at += (off_t)t->leaf[i].n + 2;
    at += 2 + (off_t)t->leaf[s->patch_leaf].n - 10; /* inside the minute */
    if (chmod(path, 0644) != 0)
        return err_sys(e, -errno, "opening \"%s\"", path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, -errno, "opening \"%s\"", path);
    if ((rc = io_pread_full(fd, &byte, 1, at)) == 0) {
        byte ^= 1;
        rc = io_pwrite_all(fd, &byte, 1, at);
    }
    io_close(&fd);
    return rc != 0 ? err_sys(e, rc, "changing \"%s\"", path) : 0;
}

struct copies {
    char dir[TRUST_SITES][4096];
    struct audit_source src[TRUST_SITES];
};

static int write_all(const struct stage *s, const char *tmp, struct copies *c, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < s->sites && rc == 0; i++) {
        (void)snprintf(c->dir[i], sizeof(c->dir[i]), "%.4000s/%s", tmp, s->tale[i].site);
        c->src[i] = (struct audit_source){s->tale[i].site, c->dir[i]};
        rc = tale_write(&s->tale[i], c->dir[i], &s->log[i], &s->witness, e);
    }
    if (rc == 0 && s->patch_site >= 0)
        rc = patch(s, c->dir[s->patch_site], e);
    return rc;
}

static const struct audit_result *first_broken(const struct audit *a)
{
    for (size_t i = 0; i < audit_results(a); i++)
        if (audit_result(a, i)->verdict == AUDIT_BROKEN)
            return audit_result(a, i);
    return NULL;
}

/* The claim that the table names, or else whichever is broken. */
static void judge(struct betray_outcome *o, const struct audit *a)
{
    const struct audit_result *r = first_broken(a), *named = NULL;

    if (o->cheat->claim != NULL)
        named = audit_find(a, o->cheat->claim);
    if (named != NULL && named->verdict == AUDIT_BROKEN)
        r = named;
    o->caught = r != NULL;
    o->leaf = AUDIT_NO_LEAF;
    if (r == NULL) {
        (void)snprintf(o->sentence, sizeof(o->sentence), "%s",
                       o->cheat->reason != NULL ? o->cheat->reason : "no claim is broken");
        return;
    }
    (void)snprintf(o->claim, sizeof(o->claim), "%s", r->claim);
    (void)snprintf(o->site, sizeof(o->site), "%s", r->site);
    (void)snprintf(o->sentence, sizeof(o->sentence), "%s", r->sentence);
    o->leaf = r->leaf;
}

static int audit_copies(const struct stage *s, const struct copies *c,
                        const struct betray_options *opt, struct betray_outcome *o, struct err *e)
{
    struct audit_options ao = {.receipts = opt->receipts,
                               .n_receipts = s->no_receipts ? 0 : opt->n_receipts,
                               .checkpoints = opt->checkpoints,
                               .n_checkpoints = opt->n_checkpoints,
                               .state = opt->state,
                               .state_key = opt->state_key};
    struct audit *a = NULL;
    int rc = audit_run(&a, s->trust, c->src, s->sites, &ao, e);

    if (rc == 0)
        judge(o, a);
    audit_free(a);
    return rc;
}

/* A client of a forged repository: it is caught if the client refuses. */
static int play_client(struct stage *s, const struct cheats_entry *c, const char *tmp,
                       struct betray_outcome *o, struct err *e)
{
    struct err said = ERR_INIT;
    struct shop h;
    int rc = shop_open(&h, s, tmp, e);

    if (rc == 0) {
        o->played = true;
        if ((rc = c->forge(&h, e)) == 0)
            rc = shop_update(&h, &o->caught, &said, e);
    }
    shop_close(&h);
    if (rc == 0 && o->caught)
        (void)snprintf(o->claim, sizeof(o->claim), "glarus update");
    (void)snprintf(o->sentence, sizeof(o->sentence), "%s",
                   o->caught                 ? err_text(&said)
                   : c->cheat.reason != NULL ? c->cheat.reason
                                             : "the client has installed it");
    if (rc > 0) { /* nothing to play it on */
        (void)snprintf(o->sentence, sizeof(o->sentence), "%s", err_text(e));
        rc = 0;
    }
    return rc;
}

static int play_audit(struct stage *s, const struct betray_options *opt, const char *tmp,
                      struct betray_outcome *o, struct err *e)
{
    struct copies *copies = calloc(1, sizeof(*copies));
    int rc;

    if (copies == NULL)
        return err_sys(e, -ENOMEM, "playing a cheat");
    o->played = true;
    if ((rc = write_all(s, tmp, copies, e)) == 0)
        rc = audit_copies(s, copies, opt, o, e);
    free(copies);
    return rc;
}

static int play(const struct stage *scene, const struct cheats_entry *c,
                const struct betray_options *opt, struct betray_outcome *o, struct err *e)
{
    struct err why = ERR_INIT;
    struct stage s;
    char tmp[4096];
    int rc;

    o->cheat = &c->cheat;
    if ((rc = stage_enter(&s, scene)) != 0)
        return err_sys(e, rc, "playing a cheat");
    rc = c->play != NULL ? c->play(&s, &why) : 0;
    if (rc > 0) {
        (void)snprintf(o->sentence, sizeof(o->sentence), "%s", err_text(&why));
        rc = 0;
        goto out;
    }
    if (rc != 0) {
        (void)err_set(e, rc, "%s: %s", c->cheat.name, err_text(&why));
        goto out;
    }
    if ((rc = make_tmp(opt->tmp, tmp, sizeof(tmp), e)) != 0)
        goto out;
    rc = c->play != NULL ? play_audit(&s, opt, tmp, o, e) : play_client(&s, c, tmp, o, e);
    (void)!io_remove_tree(tmp);
out:
    stage_leave(&s);
    return rc;
}

/* ------------------------------------------------------------------ all of them */

static int true_history(const struct trust *t, const struct audit_source *src, size_t n,
                        const struct betray_options *opt, struct err *e)
{
    struct audit_options ao = {.receipts = opt->receipts, .n_receipts = opt->n_receipts};
    struct audit *a = NULL;
    int rc = audit_run(&a, t, src, n, &ao, e);

    for (size_t i = 0; rc == 0 && i < audit_results(a); i++) {
        const struct audit_result *r = audit_result(a, i);

        if (r->verdict == AUDIT_BROKEN || r->verdict == AUDIT_UNKNOWN)
            rc = err_set(e, -EINVAL,
                         "the history is not true to begin with: %s is %s, \"%s\"; a cheat in it "
                         "would show nothing",
                         r->claim, audit_verdict_word(r->verdict), r->sentence);
    }
    audit_free(a);
    return rc;
}

int betray_run(struct betray_outcome *out, const struct trust *t, const struct audit_source *src,
               size_t n, const char *keys, const struct betray_options *o, struct err *e)
{
    static const struct betray_options none;
    const struct betray_options *opt = o == NULL ? &none : o;
    struct stage *scene = calloc(1, sizeof(*scene));
    int rc;

    if (scene == NULL)
        return err_sys(e, -ENOMEM, "betraying");
    memset(out, 0, cheats_count * sizeof(*out));
    if ((rc = true_history(t, src, n, opt, e)) != 0 ||
        (rc = stage_open(scene, t, src, n, keys, e)) != 0)
        goto out;
    scene->n_receipts = opt->n_receipts;
    for (size_t i = 0; i < cheats_count && rc == 0; i++) {
        out[i].cheat = &cheats_table[i].cheat;
        out[i].leaf = AUDIT_NO_LEAF;
        if (opt->only != NULL && strcmp(opt->only, out[i].cheat->name) != 0) {
            (void)snprintf(out[i].sentence, sizeof(out[i].sentence), "not asked for");
            continue;
        }
        rc = play(scene, &cheats_table[i], opt, &out[i], e);
        if (rc == 0 && opt->progress != NULL)
            opt->progress(opt->arg, &out[i], i + 1, cheats_count);
    }
out:
    stage_close(scene);
    free(scene);
    return rc;
}

/* ------------------------------------------------------------------ telling */

static bool as_told(const struct betray_outcome *o)
{
    if (!o->played)
        return true;
    if (o->cheat->claim == NULL)
        return !o->caught;
    return o->caught && strcmp(o->claim, o->cheat->claim) == 0;
}

int betray_exit(const struct betray_outcome *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!as_told(&o[i]))
            return 1;
    return 0;
}

static const char *status(const struct betray_outcome *o)
{
    if (!o->played)
        return "not played";
    return o->caught ? "CAUGHT" : "NOT CAUGHT";
}

static int put_line(const struct betray_outcome *o, struct buf *out)
{
    int rc = buf_printf(out, "%-21s %-10s ", o->cheat->name, status(o));

    if (rc == 0 && o->caught) {
        rc = buf_printf(out, "by %s", o->claim);
        if (rc == 0 && o->site[0] != '\0' && o->leaf != AUDIT_NO_LEAF)
            rc = buf_printf(out, " at %s leaf %llu", o->site, (unsigned long long)o->leaf);
        else if (rc == 0 && o->site[0] != '\0')
            rc = buf_printf(out, " at %s", o->site);
        if (rc == 0)
            rc = buf_puts(out, ": ");
    }
    if (rc == 0)
        rc = text_plain(out, span_str(o->sentence));
    return rc == 0 ? buf_putc(out, '\n') : rc;
}

int betray_text(const struct betray_outcome *o, size_t n, struct buf *out)
{
    size_t played = 0, caught = 0;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        played += o[i].played;
        caught += o[i].played && o[i].caught;
        rc = put_line(&o[i], out);
    }
    return rc == 0 ? buf_printf(out, "caught %zu/%zu\n", caught, played) : rc;
}

static int put_json(const struct betray_outcome *o, struct buf *out)
{
    struct buf plain;
    int rc;

    buf_init(&plain, 4096);
    rc = text_plain(&plain, span_str(o->sentence));
    if (rc == 0)
        rc = buf_printf(out, "{\"caught\":%s,\"cheat\":\"%s\",", o->caught ? "true" : "false",
                        o->cheat->name);
    if (rc == 0 && o->caught)
        rc = buf_printf(out, "\"claim\":\"%s\",", o->claim);
    if (rc == 0 && o->leaf != AUDIT_NO_LEAF)
        rc = buf_printf(out, "\"leaf\":%llu,", (unsigned long long)o->leaf);
    if (rc == 0)
        rc = buf_printf(out, "\"played\":%s,\"sentence\":", o->played ? "true" : "false");
    if (rc == 0)
        rc = text_json_string(out, buf_span(&plain));
    if (rc == 0 && o->site[0] != '\0')
        rc = buf_printf(out, ",\"site\":\"%s\"", o->site);
    buf_free(&plain);
    return rc == 0 ? buf_putc(out, '}') : rc;
}

int betray_json(const struct betray_outcome *o, size_t n, struct buf *out)
{
    int rc = buf_puts(out, "{\"cheats\":[\n");

    for (size_t i = 0; i < n && rc == 0; i++)
        if ((rc = put_json(&o[i], out)) == 0)
            rc = buf_puts(out, i + 1 < n ? ",\n" : "\n");
    return rc == 0 ? buf_puts(out, "],\"format\":\"betray/v1\"}\n") : rc;
}

static int put_who(unsigned who, struct buf *out)
{
    static const struct {
        unsigned bit;
        const char *text;
    } words[] = {
        {BETRAY_OPERATOR, "operator"}, {BETRAY_PEOPLE, "approvers"}, {BETRAY_WITNESS, "witness"}};
    const char *plus = "";
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(words) && rc == 0; i++)
        if ((who & words[i].bit) != 0) {
            rc = buf_printf(out, "%s%s", plus, words[i].text);
            plus = " + ";
        }
    return rc;
}

int betray_markdown(struct buf *out)
{
    int rc = buf_puts(out, "| cheat | who | what | when | caught by |\n|---|---|---|---|---|\n");

    for (size_t i = 0; i < cheats_count && rc == 0; i++) {
        const struct betray_cheat *c = &cheats_table[i].cheat;

        if ((rc = buf_printf(out, "| `%s` | ", c->name)) == 0 && (rc = put_who(c->who, out)) == 0)
            rc = buf_printf(out, " | %s | %s | ", c->what, c->when);
        if (rc == 0 && c->claim != NULL)
            rc = buf_printf(out, "`%s` |\n", c->claim);
        else if (rc == 0)
            rc = buf_printf(out, "**not caught**: %s |\n", c->reason);
    }
    return rc;
}
