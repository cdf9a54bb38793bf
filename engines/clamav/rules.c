/* rules.c - ClamAV's library behind the engines' common header.
 *
 * What the library says is judged narrowly, because it answers "clean" to much that it did not look
 * at: MALICIOUS only by a name that stands in the release's databases; a limit, an encrypted
 * member, any message of warning level or of a level that this program does not know, and every
 * return code but two are INCOMPLETE.  Its cache of clean files is off, so is bytecode, so are
 * signed containers (.cvd): a release is plain text.
 *
 * Loading: the library reads databases from files only.  They are written into a folder in memory
 * that stands nowhere in the tree and ends with its descriptor. */
#include "rules.h"

#include <clamav.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "names.h"
#include "sample.h"

#define CANARY_BYTES 16
#define CANARY "Canary.Engine"
#define MIB (UINT64_C(1) << 20)
#ifndef SCRATCH_BYTES /* tests fill a smaller one */
#define SCRATCH_BYTES (256 * MIB)
#endif

const struct rules_traits rules_traits = {
    .label = "clamav", .scratch_bytes = SCRATCH_BYTES, .scratch_inodes = 65536, .samples = 3};

struct rules {
    struct cl_engine *clam;
    struct names names;
    uint32_t n;   /* of the release, as the library counts */
    uint8_t *hit; /* by rank, while scanning */
    char canary[2 * CANARY_BYTES + 1];
    struct buf zip, other; /* samples: with the canary inside, with something else */
};

/* What one scan told on its way; the library's callbacks find it here. */
static struct telling {
    struct rules *r;
    struct rules_hits *hits;
    enum verdict_reason reason; /* the first in the order of docs/events.md */
    bool trouble;               /* a message of warning level */
    char said[512];             /* the last such message, while loading */
} now;

static void worse(enum verdict_reason why)
{
    if (now.reason == REASON_NONE || why < now.reason)
        now.reason = why;
}

/* --- callbacks --- */

static void on_message(enum cl_msg level, const char *full, const char *text, void *context)
{
    (void)full;
    (void)context;
    if (level == CL_MSG_INFO_VERBOSE)
        return;
    now.trouble = true;
    /* the first says what, those behind it only that it was so */
    if (now.said[0] == '\0')
        (void)snprintf(now.said, sizeof(now.said), "%s", text);
}

/* Names of the library's own. */
static const struct {
    const char *begins;
    enum verdict_reason why;
} heuristics[] = {
    {"Heuristics.Encrypted.", REASON_ENCRYPTED},
    {"Heuristics.Limits.Exceeded.MaxRecursion", REASON_RECURSION},
    {"Heuristics.Limits.Exceeded.MaxFiles", REASON_FILES},
    {"Heuristics.Limits.Exceeded.MaxScanTime", REASON_TIME},
    {"Heuristics.Limits.Exceeded", REASON_SIZE},
    {"Heuristics.Broken.", REASON_DAMAGED},
    {"", REASON_ENGINE}, /* found by code, not by the release: nobody could check it */
};

static void on_name(const char *name)
{
    long rank = names_rank(&now.r->names, name);

    if (strcmp(name, CANARY ".UNOFFICIAL") == 0) {
        now.hits->canary = true;
    } else if (rank >= 0) {
        if (!now.r->hit[rank])
            now.hits->n++;
        now.r->hit[rank] = 1;
    } else {
        for (size_t i = 0; i < ARRAY_LEN(heuristics); i++)
            if (strncmp(name, heuristics[i].begins, strlen(heuristics[i].begins)) == 0) {
                worse(heuristics[i].why);
                return;
            }
    }
}

static void on_virus(int fd, const char *name, void *context)
{
    (void)fd;
    (void)context;
    if (now.r != NULL)
        on_name(name != NULL ? name : "");
}

/* --- loading --- */

static int write_database(int folder, const char *name, struct span text, struct err *e)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 ? -errno : io_write_all(fd, text.p, text.n);

    io_close(&fd);
    return rc == 0 ? 0 : err_sys(e, rc, "cannot write a database to load it");
}

/* "Problem parsing database at line 3" */
static unsigned line_told(void)
{
    const char *at = strstr(now.said, " line ");

    return at == NULL ? 0 : (unsigned)strtoul(at + 6, NULL, 10);
}

static int load_one(struct rules *r, int folder, const char *name, struct span text, struct err *e)
{
    const char *ending = strrchr(name, '.');
    char file[24], path[64];
    unsigned line;
    int rc;

    (void)snprintf(file, sizeof(file), "db%s", ending); /* the ending says what it is */
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", folder, file);
    if ((rc = write_database(folder, file, text, e)) != 0)
        return rc;
    now.trouble = false;
    now.said[0] = '\0';
    rc = cl_load(path, r->clam, &r->n, CL_DB_PUA);
    (void)unlinkat(folder, file, 0);
    if (rc == CL_SUCCESS && !now.trouble)
        return 0;
    line = line_told();
    now.said[strcspn(now.said, "\n")] = '\0';
    return err_set(e, -EBADMSG, "%s:%u: %s", name, line > 0 ? line : 1,
                   now.said[0] != '\0' ? now.said : cl_strerror((cl_error_t)rc));
}

static int load_all(struct rules *r, struct span bundle, int folder, struct err *e)
{
    struct cur c = cur_of(bundle);
    struct protocol_file f;
    char canary[160], hex[4 * CANARY_BYTES + 1];
    int rc;

    while ((rc = protocol_bundle_next(&c, &f)) == 1) {
        if (!names_is_database(f.name) || f.content.n == 0)
            continue;
        if ((rc = names_add(&r->names, f.name, f.content, e)) != 0 ||
            (rc = load_one(r, folder, f.name, f.content, e)) != 0)
            return rc;
    }
    if (rc != 0)
        return err_set(e, rc, "the rules' bundle is malformed");
    names_sort(&r->names);
    text_hex(hex, (const uint8_t *)r->canary, 2 * CANARY_BYTES);
    (void)snprintf(canary, sizeof(canary), CANARY ":0:*:%s\n", hex);
    if ((rc = load_one(r, folder, "canary.ndb", span_str(canary), e)) != 0)
        return rc;
    r->n--;
    return 0;
}

static int load(struct rules *r, struct span bundle, int folder, struct err *e)
{
    int rc = load_all(r, bundle, folder, e);

    if (rc == 0 && cl_engine_compile(r->clam) != CL_SUCCESS)
        rc = err_set(e, -EBADMSG, "ClamAV cannot compile the databases: %s", now.said);
    return rc;
}

static int set_up(struct rules *r, const struct detect_rules *m)
{
    const struct {
        enum cl_engine_field field;
        uint64_t value;
    } limits[] = {
        {CL_ENGINE_MAX_SCANSIZE, m->member_bytes},
        {CL_ENGINE_MAX_FILESIZE, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_MAX_RECURSION, m->depth + 1},
        {CL_ENGINE_MAX_FILES, m->members},
        {CL_ENGINE_MAX_SCANTIME, 0}, /* the server's clock kills */
        /* beyond these it looks less closely, and says nothing of it: they are no limits here */
        {CL_ENGINE_MAX_EMBEDDEDPE, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_MAX_HTMLNORMALIZE, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_MAX_HTMLNOTAGS, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_MAX_SCRIPTNORMALIZE, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_MAX_ZIPTYPERCG, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_PCRE_MAX_FILESIZE, DETECT_FILE_BYTES - 1},
        {CL_ENGINE_MAX_PARTITIONS, m->members},
        {CL_ENGINE_DISABLE_CACHE, 1},
        {CL_ENGINE_DISABLE_PE_CERTS, 1}, /* a signature makes nothing trusted here */
        {CL_ENGINE_KEEPTMP, 0},
    };

    r->clam = cl_engine_new();
    if (r->clam == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (cl_engine_set_num(r->clam, limits[i].field, (long long)limits[i].value) != CL_SUCCESS)
            return -EINVAL;
    cl_engine_set_clcb_virus_found(r->clam, on_virus);
    return 0;
}

static int make_samples(struct rules *r)
{
    static const char other[] = "neither the canary nor anything that a release would name";
    uint8_t random[CANARY_BYTES];
    int rc;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -errno;
    text_hex(r->canary, random, sizeof(random));
    buf_init(&r->zip, 8192);
    buf_init(&r->other, 8192);
    rc = sample_zip(&r->zip, "canary", span_str(r->canary));
    return rc != 0 ? rc : sample_zip(&r->other, "other", span_str(other));
}

/* Runs every path that loads something lazily; our own program is an ELF file. */
static void warm(struct rules *r, int folder)
{
    char path[32];
    struct rules_where where = {.scratch = path};
    struct rules_hits hits = {.max = 0};
    static const char html[] = "<html><body><a href=\"http://x/\">\xc3\xa4</a></body></html>";
    static const char mail[] = "From: a@b\nSubject: =?utf-8?B?w6Q=?=\nMIME-Version: 1.0\n"
                               "Content-Type: text/html; charset=utf-16\n\n<html>x</html>\n";
    struct buf self;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", folder);
    buf_init(&self, 64u << 20);
    if (rules_child(r, &where) == 0) {
        if (io_read_file(AT_FDCWD, "/proc/self/exe", &self) == 0)
            (void)!rules_scan(r, 0, buf_span(&self), &hits);
        (void)!rules_scan(r, 0, buf_span(&r->zip), &hits);
        (void)!rules_scan(r, 0, span_str(html), &hits);
        (void)!rules_scan(r, 0, span_str(mail), &hits);
    }
    buf_free(&self);
}

int rules_compile(struct rules **out, struct span bundle, const struct detect_rules *m, int folder,
                  struct err *e)
{
    struct rules *r = calloc(1, sizeof(*r));
    int rc = -ENOMEM;

    cl_set_clcb_msg(on_message);
    if (r == NULL || cl_init(CL_INIT_DEFAULT) != CL_SUCCESS)
        goto out;
    if ((rc = set_up(r, m)) != 0 || (rc = make_samples(r)) != 0) {
        rc = err_sys(e, rc, "cannot set ClamAV up");
        goto out;
    }
    if ((rc = load(r, bundle, folder, e)) != 0)
        goto out;
    rc = -ENOMEM;
    if ((r->hit = calloc(r->names.n + 1, 1)) == NULL)
        goto out;
    warm(r, folder);
    *out = r;
    r = NULL;
    rc = 0;
out:
    rules_free(r);
    if (rc == -ENOMEM)
        (void)err_set(e, rc, "out of memory for the rules");
    return rc;
}

void rules_free(struct rules *r)
{
    if (r == NULL)
        return;
    if (r->clam != NULL)
        (void)cl_engine_free(r->clam);
    names_free(&r->names);
    free(r->hit);
    buf_free(&r->zip);
    buf_free(&r->other);
    free(r);
}

/* --- scanning --- */

int rules_child(struct rules *r, struct rules_where *w)
{
    return cl_engine_set_str(r->clam, CL_ENGINE_TMPDIR, w->scratch) == CL_SUCCESS ? 0 : -EINVAL;
}

/* What a return code says beside the names. */
static void judge(cl_error_t rc)
{
    switch (rc) {
    case CL_CLEAN:
        break;
    case CL_VIRUS: /* without a name it is a limit */
        if (now.hits->n == 0 && !now.hits->canary)
            worse(REASON_SIZE);
        break;
    case CL_ETIMEOUT:
        worse(REASON_TIME);
        break;
    case CL_EMAXREC:
        worse(REASON_RECURSION);
        break;
    case CL_EMAXFILES:
        worse(REASON_FILES);
        break;
    case CL_EMAXSIZE:
    case CL_EMEM:
        worse(REASON_SIZE);
        break;
    case CL_EFORMAT:
    case CL_EPARSE:
    case CL_EUNPACK:
        worse(REASON_DAMAGED);
        break;
    default:
        worse(REASON_ENGINE);
        break;
    }
}

static void collect(struct rules *r, struct rules_hits *hits)
{
    uint32_t left = hits->n;

    for (uint32_t k = 0; k < r->names.n && left > 0; k++) {
        if (!r->hit[k])
            continue;
        r->hit[k] = 0;
        left--;
        if (hits->kept < hits->max)
            hits->rank[hits->kept++] = k;
    }
}

enum verdict_reason rules_scan(struct rules *r, uint32_t index, struct span file,
                               struct rules_hits *hits)
{
    struct cl_scan_options how = {
        .general =
            CL_SCAN_GENERAL_ALLMATCHES | CL_SCAN_GENERAL_HEURISTICS | CL_SCAN_GENERAL_UNPRIVILEGED,
        .parse = ~0u,
        .heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
                     CL_SCAN_HEURISTIC_ENCRYPTED_DOC,
    };
    const char *name = NULL;
    unsigned long scanned = 0;
    cl_fmap_t *map;

    (void)index;
    hits->n = hits->kept = 0;
    hits->canary = false;
    memset(&now, 0, sizeof(now));
    now.r = r;
    now.hits = hits;
    if (file.n == 0)
        return REASON_NONE;
    map = cl_fmap_open_memory(file.p, file.n);
    if (map == NULL)
        return REASON_SIZE;
    judge(cl_scanmap_callback(map, NULL, &name, &scanned, r->clam, &how, NULL));
    cl_fmap_close(map);
    if (now.trouble)
        worse(REASON_ENGINE);
    now.r = NULL;
    collect(r, hits);
    return now.reason;
}

/* --- what the common parts ask --- */

/* The canary as it is, packed, and something else packed. */
struct span rules_sample(const struct rules *r, size_t i, bool *canary)
{
    *canary = i < 2;
    return i == 0 ? span_str(r->canary) : buf_span(i == 1 ? &r->zip : &r->other);
}

uint32_t rules_count(const struct rules *r)
{
    return r->n;
}

uint32_t rules_ranks(const struct rules *r)
{
    return (uint32_t)r->names.n;
}

const char *rules_name(const struct rules *r, uint32_t rank)
{
    return r->names.v[rank];
}

const char *rules_version(void)
{
    return cl_retver();
}

uint64_t rules_arena_size(const struct rules *r)
{
    (void)r;
    return 0;
}

bool rules_arena_room(const struct rules *r, const struct rules_where *w)
{
    (void)r;
    (void)w;
    return true;
}
