#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include <yara.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "detect/protocol.h"

/* All sources share one namespace, so an identifier is unique in a release and a verdict's name
 * says which rule it was.  Includes are refused.  The external variables that public rule sets
 * expect (filename, filepath, extension, filetype, owner) exist and are empty: an engine knows no
 * names. */
const struct rules_traits rules_traits = {.label = "yara", .samples = 2};

#define CANARY_BYTES 16
#define CANARY_NAMESPACE "canary"

struct rules {
    YR_COMPILER *compiler; /* only while compiling */
    YR_RULES *yara;
    YR_SCANNER *scanner; /* made once: children inherit it warm */
    uint32_t n;          /* of the release: without the canary */
    uint32_t canary;     /* its index */
    uint32_t *rank;      /* of the rule with this index */
    const char **name;   /* of this rank, lent by YARA */
    uint8_t *hit;        /* by rank, while scanning */
    char text[2 * CANARY_BYTES + 1];
    struct rules_hits *hits; /* of the scan that runs */
    bool trouble;
};

static const char *const externals[] = {"filename", "filepath", "extension", "filetype", "owner"};

/* Loads what modules load at their first use (magic's database, OpenSSL's tables) before the jail
 * closes.  A module that this YARA lacks is left out. */
static const char *const warm_up[] = {
    "import \"hash\" rule w { condition: hash.md5(0, filesize) == \"\" }",
    "import \"hash\" rule w { condition: hash.sha1(0, filesize) == \"\" }",
    "import \"hash\" rule w { condition: hash.sha256(0, filesize) == \"\" }",
    "import \"magic\" rule w { condition: magic.type() contains \"x\" }",
    "import \"magic\" rule w { condition: magic.mime_type() contains \"x\" }",
    "import \"math\" rule w { condition: math.entropy(0, filesize) > 9 }",
    "import \"elf\" rule w { condition: elf.type == elf.ET_CORE }",
    "import \"pe\" rule w { condition: pe.is_pe or pe.imphash() == \"\" }",
    "import \"time\" rule w { condition: time.now() == 0 }",
};

/* --- compiling --- */

struct complaint {
    const char *file;
    int lines; /* of the file */
    struct err *e;
    bool said;
};

static void complain(int level, const char *file, int line, const YR_RULE *rule,
                     const char *message, void *arg)
{
    struct complaint *c = arg;

    (void)file;
    (void)rule;
    if (level != YARA_ERROR_LEVEL_ERROR || c->said)
        return;
    c->said = true;
    /* YARA says line 0 when the text ends too early */
    (void)err_set(c->e, -EBADMSG, "%s:%d: %s", c->file, line > 0 ? line : c->lines, message);
}

static int new_compiler(YR_COMPILER **out, struct complaint *c)
{
    if (yr_compiler_create(out) != ERROR_SUCCESS)
        return -ENOMEM;
    yr_compiler_set_callback(*out, complain, c);
    /* a release is the files it lists, nothing they might name */
    yr_compiler_set_include_callback(*out, NULL, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(externals); i++)
        if (yr_compiler_define_string_variable(*out, externals[i], "") != ERROR_SUCCESS)
            return -ENOMEM;
    return 0;
}

static int count_lines(struct span text)
{
    int n = 1;

    for (size_t i = 0; i + 1 < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

/* The release's other sources are other engines'. */
static bool is_ours(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && (strcmp(dot, ".yar") == 0 || strcmp(dot, ".yara") == 0);
}

static int add_source(struct rules *r, const struct protocol_file *f, struct complaint *c)
{
    FILE *stream;
    int errors;

    if (!is_ours(f->name) || f->content.n == 0)
        return 0;
    stream = fmemopen((void *)(uintptr_t)f->content.p, f->content.n, "r");
    if (stream == NULL)
        return err_sys(c->e, -errno, "%s", f->name);
    c->file = f->name;
    c->lines = count_lines(f->content);
    errors = yr_compiler_add_file(r->compiler, stream, NULL, f->name);
    (void)fclose(stream);
    if (errors == 0)
        return 0;
    return c->said ? -EBADMSG : err_set(c->e, -EBADMSG, "%s: YARA refuses it", f->name);
}

static int add_canary(struct rules *r, struct complaint *c)
{
    uint8_t random[CANARY_BYTES];
    char source[160];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return err_sys(c->e, -errno, "no randomness");
    text_hex(r->text, random, sizeof(random));
    (void)snprintf(source, sizeof(source), "rule canary { strings: $a = \"%s\" condition: $a }",
                   r->text);
    c->file = CANARY_NAMESPACE;
    return yr_compiler_add_string(r->compiler, source, CANARY_NAMESPACE) == 0 ? 0 : -EBADMSG;
}

static int add_all(struct rules *r, struct span bundle, struct complaint *c)
{
    struct protocol_file f;
    struct cur cursor = cur_of(bundle);
    int rc;

    while ((rc = protocol_bundle_next(&cursor, &f)) == 1)
        if ((rc = add_source(r, &f, c)) != 0)
            return rc;
    if (rc != 0)
        return err_set(c->e, rc, "the rules' bundle is malformed");
    if ((rc = add_canary(r, c)) != 0)
        return rc;
    return yr_compiler_get_rules(r->compiler, &r->yara) == ERROR_SUCCESS
               ? 0
               : err_set(c->e, -ENOMEM, "out of memory for the rules");
}

/* --- settling ---
 *
 * Compiling leaves a heap of holes: the compiled rules lie scattered among what the compiler gave
 * back.  A child's malloc writes into these holes as it looks for room, and each page it writes is
 * copied: with 10,000 public rules a batch copied most of the heap, which cost as much CPU as the
 * scanning.  So the rules go out into a file in memory, everything is freed, and they come back as
 * one piece, as a program would find them that loads compiled rules. */

static size_t stream_read(void *to, size_t size, size_t n, void *stream)
{
    return fread(to, size, n, stream);
}

static size_t stream_write(const void *from, size_t size, size_t n, void *stream)
{
    return fwrite(from, size, n, stream);
}

/* Through `file`, which is empty. */
static bool out_and_in(YR_RULES **yara, FILE *file)
{
    YR_STREAM s = {.user_data = file, .read = stream_read, .write = stream_write};

    if (yr_rules_save_stream(*yara, &s) != ERROR_SUCCESS || fflush(file) != 0 || ferror(file))
        return false;
    (void)yr_rules_destroy(*yara);
    *yara = NULL;
    (void)malloc_trim(0);
    rewind(file);
    /* YARA takes a stream that breaks off among the pointers for one that ends */
    return yr_rules_load_stream(&s, yara) == ERROR_SUCCESS && !ferror(file);
}

/* Once the compiler is gone. */
static int settle(struct rules *r)
{
    int fd = memfd_create("compiled", MFD_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    bool good = file != NULL && out_and_in(&r->yara, file);

    if (file == NULL)
        io_close(&fd);
    else
        (void)fclose(file);
    return good ? 0 : -ENOMEM;
}

/* --- canonical order --- */

static const YR_RULES *sorting; /* qsort has no argument; one thread */

static int by_name(const void *a, const void *b)
{
    const YR_RULE *x = &sorting->rules_table[*(const uint32_t *)a];
    const YR_RULE *y = &sorting->rules_table[*(const uint32_t *)b];

    return strcmp(x->identifier, y->identifier);
}

static int order(struct rules *r)
{
    uint32_t all = r->yara->num_rules, *index = calloc(all, sizeof(*index));

    r->rank = calloc(all, sizeof(*r->rank));
    r->name = calloc(all, sizeof(*r->name));
    r->hit = calloc(all, 1);
    if (index == NULL || r->rank == NULL || r->name == NULL || r->hit == NULL) {
        free(index);
        return -ENOMEM;
    }
    r->n = 0;
    for (uint32_t i = 0; i < all; i++)
        if (strcmp(r->yara->rules_table[i].ns->name, CANARY_NAMESPACE) == 0)
            r->canary = i;
        else
            index[r->n++] = i;
    sorting = r->yara;
    qsort(index, r->n, sizeof(*index), by_name);
    for (uint32_t k = 0; k < r->n; k++) {
        r->rank[index[k]] = k;
        r->name[k] = r->yara->rules_table[index[k]].identifier;
    }
    free(index);
    return 0;
}

/* --- scanning --- */

static int on_event(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
    struct rules *r = arg;
    uint32_t index;

    (void)context;
    switch (message) {
    case CALLBACK_MSG_RULE_MATCHING:
        index = (uint32_t)((const YR_RULE *)data - r->yara->rules_table);
        if (index == r->canary)
            r->hits->canary = true;
        else if (!r->hit[r->rank[index]]) {
            r->hit[r->rank[index]] = 1;
            r->hits->n++;
        }
        break;
    case CALLBACK_MSG_RULE_NOT_MATCHING:
    case CALLBACK_MSG_SCAN_FINISHED:
    case CALLBACK_MSG_IMPORT_MODULE:
    case CALLBACK_MSG_MODULE_IMPORTED:
    case CALLBACK_MSG_CONSOLE_LOG:
        break;
    default: /* too many matches, too slow, and whatever a later YARA invents */
        r->trouble = true;
        break;
    }
    return CALLBACK_CONTINUE;
}

static void collect(struct rules *r, struct rules_hits *hits)
{
    uint32_t left = hits->n;

    for (uint32_t k = 0; k < r->n && left > 0; k++) {
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
    static const uint8_t nothing[1];
    int rc;

    (void)index;
    hits->n = hits->kept = 0;
    hits->canary = false;
    r->hits = hits;
    r->trouble = false;
    rc = yr_scanner_scan_mem(r->scanner, file.n > 0 ? file.p : nothing, file.n);
    collect(r, hits);
    switch (rc) {
    case ERROR_SUCCESS:
        return r->trouble ? REASON_ENGINE : REASON_NONE;
    case ERROR_SCAN_TIMEOUT:
        return REASON_TIME;
    case ERROR_INSUFFICIENT_MEMORY:
        return REASON_SIZE;
    default:
        return REASON_ENGINE;
    }
}

/* --- warming up --- */

static int ignore(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
    (void)context;
    (void)message;
    (void)data;
    (void)arg;
    return CALLBACK_CONTINUE;
}

static void warm_modules(struct span sample)
{
    struct complaint silent = {"warm-up", 0, NULL, false};

    for (size_t i = 0; i < ARRAY_LEN(warm_up); i++) {
        YR_COMPILER *c = NULL;
        YR_RULES *y = NULL;

        if (new_compiler(&c, &silent) == 0 && yr_compiler_add_string(c, warm_up[i], NULL) == 0 &&
            yr_compiler_get_rules(c, &y) == ERROR_SUCCESS)
            (void)yr_rules_scan_mem(y, sample.p, sample.n, 0, ignore, NULL, 0);
        if (y != NULL)
            (void)yr_rules_destroy(y);
        if (c != NULL)
            yr_compiler_destroy(c);
    }
}

/* Runs every path that loads something lazily: our own program is an ELF file, the canary a text.
 */
static int warm(struct rules *r, struct err *e)
{
    struct rules_hits hits = {.max = 0};
    struct buf self;
    int rc;

    buf_init(&self, 64u << 20);
    rc = io_read_file(AT_FDCWD, "/proc/self/exe", &self);
    if (rc != 0)
        (void)err_sys(e, rc, "cannot read a sample to warm up with");
    else {
        warm_modules(buf_span(&self));
        (void)!rules_scan(r, 0, buf_span(&self), &hits);
        if (rules_scan(r, 0, span_str(r->text), &hits) != REASON_NONE || !hits.canary)
            rc = err_set(e, -EIO, "the scanner does not find a known sample");
    }
    buf_free(&self);
    return rc;
}

int rules_compile(struct rules **out, struct span bundle, const struct detect_rules *m, int folder,
                  struct err *e)
{
    struct rules *r = calloc(1, sizeof(*r));
    struct complaint c = {"", 0, e, false};
    int rc = -ENOMEM;

    (void)m;
    (void)folder;
    if (r == NULL || yr_initialize() != ERROR_SUCCESS)
        goto out;
    if ((rc = new_compiler(&r->compiler, &c)) != 0 || (rc = add_all(r, bundle, &c)) != 0)
        goto out;
    yr_compiler_destroy(r->compiler);
    r->compiler = NULL;
    if ((rc = settle(r)) != 0 || (rc = order(r)) != 0)
        goto out;
    rc = -ENOMEM;
    if (yr_scanner_create(r->yara, &r->scanner) != ERROR_SUCCESS)
        goto out;
    yr_scanner_set_callback(r->scanner, on_event, r);
    /* a crash shall be one: YARA would catch the signal and go on in what is left */
    yr_scanner_set_flags(r->scanner, SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
    if ((rc = warm(r, e)) != 0)
        goto out;
    *out = r;
    r = NULL;
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
    if (r->scanner != NULL)
        yr_scanner_destroy(r->scanner);
    if (r->yara != NULL)
        (void)yr_rules_destroy(r->yara);
    if (r->compiler != NULL)
        yr_compiler_destroy(r->compiler);
    free(r->rank);
    free(r->name);
    free(r->hit);
    free(r);
}

uint32_t rules_count(const struct rules *r)
{
    return r->n;
}

uint32_t rules_ranks(const struct rules *r)
{
    return r->n;
}

/* The whole canary, and all of it but its first byte. */
struct span rules_sample(const struct rules *r, size_t i, bool *canary)
{
    *canary = i == 0;
    return span_str(r->text + i);
}

int rules_child(struct rules *r, struct rules_where *w)
{
    (void)r;
    (void)w;
    return 0;
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

const char *rules_version(void)
{
    return YR_VERSION;
}

const char *rules_name(const struct rules *r, uint32_t rank)
{
    return r->name[rank];
}
