/* keeper_files.c - the ledger's files for the front, which has no file system; documents in force;
 * state. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "site/keeper_lines.h"
#include "site/keeper_priv.h"

/* Exactly the names that docs/formats.md lists; nothing else of the folder can be asked for. */
static bool served(const char *path, bool *immutable)
{
    struct tlog_tile tile;
    struct span s = span_str(path);
    struct digest d;
    uint64_t size;

    *immutable = true;
    if (strcmp(path, "checkpoint") == 0) {
        *immutable = false;
        return true;
    }
    if (strncmp(path, "checkpoints/", 12) == 0)
        return text_u64(span_str(path + 12), INT64_MAX, &size) == 0;
    if (strncmp(path, "artifact/sha256/", 16) == 0)
        return text_undigest(span_str(path + 16), &d) == 0;
    return tlog_tiles_unpath(&tile, s) == 0;
}

static void send_file(struct keeper *k, uint64_t id, const char *path, struct pm_file_is *m)
{
    struct stat st;
    int fd = openat(k->ledger_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        keeper_refuse(k, id, PRF_UNKNOWN, "the ledger has no such file");
    } else {
        m->size = (uint64_t)st.st_size;
        keeper_answer(k, FK_FILE_IS, id, m, sizeof(*m), span_of(NULL, 0), &fd);
    }
    io_close(&fd);
}

void keeper_files_ask(struct keeper *k, uint64_t id, const struct pm_file *ask)
{
    struct pm_file_is m;
    bool immutable;

    memset(&m, 0, sizeof(m));
    if (memchr(ask->path, '\0', sizeof(ask->path)) == NULL || !served(ask->path, &immutable)) {
        keeper_refuse(k, id, PRF_UNKNOWN, "a ledger has no file of this name");
        return;
    }
    m.immutable = immutable;
    send_file(k, id, ask->path, &m);
}

static const struct digest *document(const struct keeper *k, uint32_t which)
{
    const struct placement *p = keeper_policy(k, clock_now());

    if (which == PROTO_DOC_POLICY)
        return p == NULL ? NULL : &p->policy;
    if (which == PROTO_DOC_REGISTER)
        return k->has_register ? &k->register_doc : NULL;
    for (size_t i = k->statements; which == PROTO_DOC_STATEMENT && i > 0; i--)
        if (!k->statement[i - 1].withdrawn)
            return &k->statement[i - 1].doc;
    return NULL;
}

void keeper_files_doc(struct keeper *k, uint64_t id, const struct pm_doc *ask)
{
    const struct digest *doc = document(k, ask->which);
    struct pm_file_is m;
    char path[96], hex[65];

    memset(&m, 0, sizeof(m));
    if (doc == NULL) {
        keeper_refuse(k, id, ask->which == PROTO_DOC_POLICY ? PRF_POLICY : PRF_UNKNOWN,
                      "no such document is in force at this site");
        return;
    }
    text_digest(hex, doc);
    (void)snprintf(path, sizeof(path), "artifact/sha256/%s", hex);
    m.digest = *doc;
    send_file(k, id, path, &m);
}

/* --- OpenMetrics --- */

static int metric(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
    return buf_printf(b, "# TYPE site_%s %s\n# HELP site_%s %s\nsite_%s%s %llu\n", name, type, name,
                      help, name, strcmp(type, "counter") == 0 ? "_total" : "",
                      (unsigned long long)v);
}

static int metrics(struct keeper *k, struct buf *b)
{
    uint64_t queue = 0;
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
        {"scans_spared", "counter", "Verdicts taken from another submission of the same bytes",
         k->n.scans_spared},
        {"scans_members", "counter", "Members of containers scanned", k->n.members},
        {"erasures", "counter", "Submissions erased on order", k->n.erased},
        {"checkpoints", "counter", "Checkpoints published with their quorum", k->n.published},
        {"ledger_size", "gauge", "Leaves in the ledger", ledger_size(k->ledger)},
        {"ledger_published", "gauge", "Leaves covered by the newest published checkpoint",
         ledger_published(k->ledger)},
        {"epoch", "gauge", "Current epoch", vault_epoch(k->vault)},
        {"epoch_oldest", "gauge", "Oldest epoch whose key is not destroyed",
         vault_epoch_oldest(k->vault)},
        {"uploads", "gauge", "Uploads under way", k->n_uploads},
        {"scan_queue", "gauge", "Files waiting to be scanned", queue},
        {"writer_stopped", "gauge", "1 when the writer has stopped after an error of the disk",
         k->stopped != 0},
    };
    int rc = 0;

    if (catalog_scan_pending(k->catalog, &queue) != 0)
        queue = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric(b, rows[i].name, rows[i].type, rows[i].help,
                    strcmp(rows[i].name, "scan_queue") == 0 ? queue : rows[i].value);
    return rc != 0 ? rc : buf_puts(b, "# EOF\n");
}

void keeper_files_state(struct keeper *k, uint64_t id)
{
    struct pm_state_is m = {1, 0};
    const char *why;
    struct buf b;
    int rc = 0;

    buf_init(&b, PROTO_TAIL_MAX);
    if (k->stopped != 0)
        rc = buf_printf(&b, "the writer has stopped: %s", k->stopped_why);
    else if (keeper_lines_down(k, &why))
        rc = buf_printf(&b, "no verdicts: an engine does not serve: %s", why);
    else if (ledger_size(k->ledger) > ledger_published(k->ledger) &&
             clock_mono() > k->round_due + 60000)
        rc = buf_puts(&b, "no checkpoint has reached its quorum for a minute");
    m.ok = b.len == 0;
    if (rc == 0 && (rc = buf_putc(&b, '\n')) == 0)
        rc = metrics(k, &b);
    if (rc != 0)
        log_warn("metrics do not fit into an answer");
    keeper_answer(k, FK_STATE_IS, id, &m, sizeof(m), buf_span(&b), NULL);
    buf_free(&b);
}
