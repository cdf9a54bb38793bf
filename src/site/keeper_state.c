/* keeper_state.c - what a site says of itself: checks for /healthz and "glarus site status",
 * OpenMetrics for /metrics.  Nothing here holds a name, an address, a hash or an identifier. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "site/keeper_lines.h"
#include "site/keeper_priv.h"

#define PUBLISH_LATE_MS 60000
#define MIB (UINT64_C(1) << 20)

/* --- the disk --- */

uint64_t keeper_disk_free(const struct keeper *k)
{
    struct statvfs s;

    if (fstatvfs(k->ledger_fd, &s) != 0)
        return UINT64_MAX; /* the writes themselves will tell */
    return (uint64_t)s.f_bavail * s.f_frsize;
}

bool keeper_disk_low(const struct keeper *k)
{
    return keeper_disk_free(k) < k->c->reserve;
}

/* How long the oldest leaf that no published checkpoint covers has waited, ms. */
static mono_ms publish_wait(const struct keeper *k)
{
    return k->waits_since == 0 ? 0 : clock_mono() - k->waits_since;
}

/* --- checks --- */

static void said(struct keeper_check *c, enum keeper_check_state state, const char *cure,
                 const char *fmt, ...) PRINTF_LIKE(4, 5);
static void said(struct keeper_check *c, enum keeper_check_state state, const char *cure,
                 const char *fmt, ...)
{
    va_list ap;

    c->state = state;
    c->cure = cure;
    va_start(ap, fmt);
    (void)vsnprintf(c->text, sizeof(c->text), fmt, ap);
    va_end(ap);
}

static void check_keeper(const struct keeper *k, struct keeper_check *c)
{
    if (k->stopped == -ENOSPC)
        said(c, CHECK_FAILING, "free space; the site goes on by itself",
             "the writer has stopped, the disk was full: %.120s", k->stopped_why);
    else if (k->stopped == -EPERM)
        said(c, CHECK_FAILING, "docs/operations.md, Restoring: never start it as it is",
             "nothing is signed: %.200s", k->stopped_why);
    else if (k->stopped != 0)
        said(c, CHECK_FAILING,
             "read the log; docs/operations.md, Failures; then start the site again",
             "the writer has stopped: %.160s", k->stopped_why);
    else if (k->draining)
        said(c, CHECK_FAILING, "wait, or start it again", "the site is going down");
}

static void check_disk(const struct keeper *k, struct keeper_check *c)
{
    uint64_t free_bytes = keeper_disk_free(k);

    if (free_bytes < k->c->reserve)
        said(c, CHECK_FAILING, "free space or add a disk; withdrawals and erasures are still taken",
             "%llu MiB are free, less than the reserve of %llu MiB: uploads are answered 507",
             (unsigned long long)(free_bytes / MIB), (unsigned long long)(k->c->reserve / MIB));
}

static void check_clock(const struct keeper *k, struct keeper_check *c)
{
    if (k->clock.off)
        said(c, CHECK_FAILING,
             "set the clock right (chronyc, timedatectl); if it is right, \"glarus site "
             "confirm-clock\"",
             "the clock is %lld seconds off by %s: nothing is dated until it is right",
             (long long)k->clock.seconds,
             k->clock.confirmed && k->clock.has_witnesses ? "the witnesses' and its own reckoning"
                                                          : "its own reckoning");
    else if (!keeper_clock_good(k))
        said(c, CHECK_FAILING, "wait a few seconds", "the witnesses are being asked for the time");
    else if (!k->clock.confirmed)
        said(c, CHECK_DEGRADED, "reach the witnesses, or \"glarus site confirm-clock\"",
             "no witness has confirmed the clock since the start: no retention ends");
}

static void check_documents(const struct keeper *k, struct keeper_check *c)
{
    bool statement = false;

    for (size_t i = 0; i < k->statements; i++)
        statement = statement || !k->statement[i].withdrawn;
    if (!k->has_register)
        said(c, CHECK_DEGRADED, "glarus people publish", "no register is in force");
    else if (keeper_policy(k, clock_now()) == NULL)
        said(c, CHECK_DEGRADED, "glarus policy publish, or wait for its valid_from",
             "no residency policy is in force: submissions are answered 503");
    else if (!statement)
        said(c, CHECK_DEGRADED, "glarus statement publish",
             "no consent statement is in force: submissions are refused");
}

static void check_witnesses(const struct keeper *k, struct keeper_check *c)
{
    uint64_t behind = ledger_size(k->ledger) - ledger_published(k->ledger);

    if (publish_wait(k) > PUBLISH_LATE_MS)
        said(c, CHECK_DEGRADED, "reach the witnesses of \"quorum\"; nothing is lost meanwhile",
             "no checkpoint has reached its quorum for a minute; %llu leaves, and their receipts, "
             "wait",
             (unsigned long long)behind);
}

static void check_engine(const struct keeper *k, struct keeper_check *c)
{
    const char *why;

    if (keeper_lines_down(k, &why))
        said(c, CHECK_DEGRADED, "read the engine's last words in the log; files wait to be scanned",
             "no verdicts, an engine does not serve: %.160s", why);
    else if (k->lines != NULL && k->lines->rescan.known && k->lines->rescan.open &&
             k->lines->rescan.stopped)
        said(c, CHECK_DEGRADED,
             "release other rules, or set these going again (docs/rules.md, The breaker)",
             "the breaker stopped the new rules: of %llu files %llu that were clean became "
             "malicious; "
             "their findings block nothing",
             (unsigned long long)k->lines->rescan.window,
             (unsigned long long)k->lines->rescan.turned);
}

/* Files that are here, scanned again by the rules that serve. */
static const struct rescan *round_of(const struct keeper *k)
{
    static const struct rescan none;

    return k->lines != NULL && k->lines->rescan.known && k->lines->rescan.open ? &k->lines->rescan
                                                                               : &none;
}

void keeper_checks(const struct keeper *k, struct keeper_check out[KEEPER_CHECKS])
{
    static const struct {
        const char *name;
        void (*look)(const struct keeper *k, struct keeper_check *c);
    } all[KEEPER_CHECKS] = {
        {"keeper", check_keeper},       {"disk", check_disk},           {"clock", check_clock},
        {"documents", check_documents}, {"witnesses", check_witnesses}, {"engine", check_engine},
    };

    for (size_t i = 0; i < KEEPER_CHECKS; i++) {
        out[i] = (struct keeper_check){.name = all[i].name, .state = CHECK_OK, .cure = ""};
        all[i].look(k, &out[i]);
    }
}

enum keeper_check_state keeper_checks_worst(const struct keeper_check c[KEEPER_CHECKS])
{
    enum keeper_check_state worst = CHECK_OK;

    for (size_t i = 0; i < KEEPER_CHECKS; i++)
        worst = c[i].state > worst ? c[i].state : worst;
    return worst;
}

/* --- OpenMetrics --- */

/* counter names get "_total", as OpenMetrics wants */
static int metric(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
    return buf_printf(b, "# TYPE site_%s %s\n# HELP site_%s %s\nsite_%s%s %llu\n", name, type, name,
                      help, name, strcmp(type, "counter") == 0 ? "_total" : "",
                      (unsigned long long)v);
}

static uint64_t scans_waiting(const struct keeper *k)
{
    uint64_t n;

    return catalog_scan_pending(k->catalog, &n) == 0 ? n : 0;
}

static int metrics(struct keeper *k, struct buf *b)
{
    const uint64_t size = ledger_size(k->ledger), published = ledger_published(k->ledger);
    const char *why;
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"submissions", "counter", "Submissions accepted", k->n.accepted},
        {"submission_bytes", "counter", "Bytes of accepted submissions", k->n.bytes},
        {"repeats", "counter", "Submissions sent again", k->n.repeats},
        {"refusals", "counter", "Requests refused", k->n.refused},
        {"groups", "counter", "Journal groups committed, one sync each", k->n.groups},
        {"leaves", "counter", "Leaves appended to the ledger", k->n.leaves},
        {"scans", "counter", "Files scanned", k->n.scanned},
        {"scans_malicious", "counter", "Files found malicious", k->n.malicious},
        {"scans_incomplete", "counter", "Files an engine gave up on", k->n.incomplete},
        {"lookups", "counter", "Hashes looked up", k->n.lookups},
        {"scans_spared", "counter", "Verdicts taken from another submission of the same bytes",
         k->n.scans_spared},
        {"rescans", "counter", "Files scanned again by newer rules", k->n.rescanned},
        {"rescans_changed", "counter", "Verdicts that newer rules changed", k->n.renewed},
        {"rescan_open", "gauge", "1 while files are scanned again", round_of(k)->open},
        {"rescan_files", "gauge", "Files scanned again in this round", round_of(k)->files},
        {"rescan_expected", "gauge", "Files with a verdict when it began", round_of(k)->total},
        {"breaker_tripped", "gauge", "1 when the breaker stopped the rules that serve",
         round_of(k)->stopped},
        {"scans_members", "counter", "Members of containers scanned", k->n.members},
        {"erasures", "counter", "Submissions erased", k->n.erased},
        {"reclaimed_bytes", "counter", "Bytes of dead objects given back to the file system",
         k->n.reclaimed},
        {"checkpoints", "counter", "Checkpoints published with their quorum", k->n.published},
        {"ledger_size", "gauge", "Leaves in the ledger", size},
        {"ledger_published", "gauge", "Leaves covered by the newest published checkpoint",
         published},
        {"publish_wait_seconds", "gauge", "How long the oldest leaf has waited for its checkpoint",
         (uint64_t)publish_wait(k) / 1000},
        {"epoch", "gauge", "Current epoch", vault_epoch(k->vault)},
        {"epoch_oldest", "gauge", "Oldest epoch whose key is not destroyed",
         vault_epoch_oldest(k->vault)},
        {"uploads", "gauge", "Uploads under way", k->n_uploads},
        {"tickets", "gauge", "Submissions announced and not yet uploaded", keeper_ticket_count(k)},
        {"scan_queue", "gauge", "Files waiting to be scanned", scans_waiting(k)},
        {"engine_up", "gauge", "1 when an engine serves, or none is configured",
         !keeper_lines_down(k, &why)},
        {"writer_stopped", "gauge", "1 when the writer has stopped after an error of the disk",
         k->stopped != 0},
        {"disk_free_bytes", "gauge", "Free bytes of the data folder's file system",
         keeper_disk_free(k)},
        {"disk_reserve_bytes", "gauge", "Free bytes below which uploads are answered 507",
         k->c->reserve},
        {"clock_off_seconds", "gauge",
         "Seconds the clock is from where it should be, 0 if under 60",
         (uint64_t)(k->clock.seconds < 0 ? -k->clock.seconds : k->clock.seconds)},
        {"clock_confirmed", "gauge", "1 when the witnesses or an administrator confirmed the clock",
         k->clock.confirmed},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric(b, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
    return rc != 0 ? rc : buf_puts(b, "# EOF\n");
}

void keeper_state_ask(struct keeper *k, uint64_t id)
{
    struct keeper_check check[KEEPER_CHECKS];
    struct pm_state_is m;
    struct buf b;
    int rc = 0;

    keeper_checks(k, check);
    m.state = (uint32_t)keeper_checks_worst(check);
    m.checks = KEEPER_CHECKS;
    buf_init(&b, PROTO_TAIL_MAX);
    for (size_t i = 0; i < KEEPER_CHECKS && rc == 0; i++)
        rc = buf_printf(&b, "%s\t%s\t%s\t%s\n", check[i].name,
                        check[i].state == CHECK_OK ? "ok" : "no", check[i].text, check[i].cure);
    if (rc == 0)
        rc = metrics(k, &b);
    if (rc != 0)
        log_warn("metrics do not fit into an answer");
    keeper_answer(k, FK_STATE_IS, id, &m, sizeof(m), buf_span(&b), NULL);
    buf_free(&b);
}

/* --- one screen for an operator --- */

static const char *const verdicts[] = {
    [CHECK_OK] = "all is well",
    [CHECK_DEGRADED] = "it works, but something needs you",
    [CHECK_FAILING] = "it takes NO submissions",
};

#define SCREEN 92 /* columns */

/* Words onto lines that begin with `margin` blanks. */
static void fold(struct buf *b, const char *text, size_t margin)
{
    size_t column = margin;
    int rc = 0;

    while (*text != '\0' && rc == 0) {
        size_t n = strcspn(text, " ");

        if (column > margin && column + 1 + n > SCREEN) {
            rc = buf_printf(b, "\n%*s", (int)margin, "");
            column = margin;
        } else if (column > margin) {
            rc = buf_putc(b, ' ');
            column++;
        }
        if (rc == 0)
            rc = buf_put(b, text, n);
        column += n;
        text += n + (text[n] == ' ');
    }
    if (rc != 0)
        log_warn("a state does not fit on the screen");
}

static void tell_check(struct keeper *k, uint64_t admin, const struct keeper_check *c)
{
    struct buf b;

    buf_init(&b, 4096);
    if (buf_printf(&b, "  %s %s", c->state == CHECK_FAILING ? "FAILS " : "WRONG ", c->name) == 0 &&
        buf_puts(&b, "\n         ") == 0)
        fold(&b, c->text, 9);
    if (buf_puts(&b, "\n      -> ") == 0)
        fold(&b, c->cure, 9);
    keeper_admin_say(k, admin, false, 0, 0, 0, "%s", buf_str(&b));
    buf_free(&b);
}

void keeper_state_tell(struct keeper *k, uint64_t admin)
{
    struct keeper_check check[KEEPER_CHECKS];

    keeper_checks(k, check);
    for (size_t i = 0; i < KEEPER_CHECKS; i++)
        if (check[i].state == CHECK_OK)
            keeper_admin_say(k, admin, false, 0, 0, 0, "  ok     %s", check[i].name);
        else
            tell_check(k, admin, &check[i]);
    keeper_admin_say(
        k, admin, true, k->stopped, 0, 0,
        "site %s, zone %s: %s%s%s\n"
        "ledger %llu leaves, %llu published\n"
        "epoch %llu, oldest with a key %llu\n"
        "register serial %llu, policies %zu, statements %zu\n"
        "uploads %zu, announced %zu, scans waiting %llu, at the engine %zu\n"
        "scanned again by the newest rules %llu of %llu%s; %llu verdicts changed since the start\n"
        "accepted %llu, refused %llu, erased %llu since the start\n"
        "disk %llu MiB free, reserve %llu MiB",
        k->c->site, k->c->zone, verdicts[keeper_checks_worst(check)], k->stopped != 0 ? ": " : "",
        k->stopped_why, (unsigned long long)ledger_size(k->ledger),
        (unsigned long long)ledger_published(k->ledger), (unsigned long long)vault_epoch(k->vault),
        (unsigned long long)vault_epoch_oldest(k->vault), (unsigned long long)k->register_serial,
        k->policies, k->statements, k->n_uploads, keeper_ticket_count(k),
        (unsigned long long)scans_waiting(k), keeper_scan_out(k),
        (unsigned long long)round_of(k)->files, (unsigned long long)round_of(k)->total,
        round_of(k)->stopped ? ", stopped"
        : round_of(k)->open  ? ""
                             : ", none is under way",
        (unsigned long long)k->n.renewed, (unsigned long long)k->n.accepted,
        (unsigned long long)k->n.refused, (unsigned long long)k->n.erased,
        (unsigned long long)(keeper_disk_free(k) / MIB), (unsigned long long)(k->c->reserve / MIB));
}
