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

    if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENOTDIR) {
        keeper_refuse(k, id, PRF_BUSY, "the ledger's file cannot be opened: %s", strerror(errno));
    } else if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
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
    const struct statement_in_force *newest = NULL;

    if (which == PROTO_DOC_POLICY)
        return p == NULL ? NULL : &p->policy;
    if (which == PROTO_DOC_REGISTER)
        return k->has_register ? &k->register_doc : NULL;
    for (size_t i = 0; which == PROTO_DOC_STATEMENT && i < k->statements; i++)
        if (!k->statement[i].withdrawn && (newest == NULL || k->statement[i].leaf >= newest->leaf))
            newest = &k->statement[i];
    return newest != NULL ? &newest->doc : NULL;
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
