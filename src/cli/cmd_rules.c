/* cmd_rules.c - rules tried out on this machine.  What is signed of them: cmd_rules_documents.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/cmd_rules_priv.h"
#include "cli/engines.h"
#include "crypto/sha256.h"
#include "rules/corpus.h"
#include "rules/cost.h"
#include "rules/dispute.h"
#include "rules/source.h"

#define SLOWER 150 /* % of the base's time */

/* --- check --- */

static const struct option check_options[] = {{"git", required_argument, NULL, 'g'},
                                              {"engine", required_argument, NULL, 'E'},
                                              {"programs", required_argument, NULL, 'P'},
                                              {"help", no_argument, NULL, 'h'},
                                              {NULL, 0, NULL, 0}};

static int rules_check_run(const struct command *c, int argc, char **argv)
{
    char hex[65], commit[GITREAD_COMMIT + 1];
    struct source from = {NULL, NULL};
    struct release *r = NULL;
    struct trial *t = NULL;
    struct trial_spec x;
    struct digest tree;
    struct err e = ERR_INIT;
    mono_ms began = clock_mono();
    uint64_t allows = 0;
    int o, rc;

    engines_usual(&x);
    while ((o = cli_getopt(c, argc, argv, "g:E:P:h", check_options)) != -1) {
        if (o == 'g')
            from.git = optarg;
        else if (o == 'P')
            x.programs = optarg;
        else if ((rc = engines_add(c, &x, optarg)) != 0)
            return rc;
    }
    if (optind + 1 != argc)
        return cli_usage(c, "name one folder of rules, or one revision and --git");
    engines_done(&x);
    from.where = argv[optind];
    if ((rc = source_load(&r, &from, commit, &e)) == 0 && (rc = trial_open(&t, r, &x, &e)) == 0)
        rc = trial_allows(t, &allows, &e);
    if (rc == 0) {
        tree = trial_tree(t);
        text_digest(hex, &tree);
        (void)printf(
            "%s: %u rules compile (%s), %llu entries of allow lists, in %lld ms\ntree %s\n",
            argv[optind], trial_rules(t), trial_engines(t), (unsigned long long)allows,
            (long long)(clock_mono() - began), hex);
        if (commit[0] != '\0')
            (void)printf("commit %s\n", commit);
    }
    trial_close(t);
    release_free(r);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* --- test --- */

static const struct option test_options[] = {
    {"hit", required_argument, NULL, 'H'},      {"clean", required_argument, NULL, 'C'},
    {"disputes", required_argument, NULL, 'D'}, {"base", required_argument, NULL, 'b'},
    {"slower", required_argument, NULL, 's'},   {"report", required_argument, NULL, 'r'},
    {"git", required_argument, NULL, 'g'},      {"cost", required_argument, NULL, 'n'},
    {"engine", required_argument, NULL, 'E'},   {"programs", required_argument, NULL, 'P'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};

struct testing {
    struct corpus corpus;
    struct trial_spec engines;
    struct source rules, base;
    const char *report;
    uint64_t slower, cost; /* cost: of so many rules; 0: is not measured */
    struct dispute_counts disputes;
    bool disputed; /* a folder of them was named */
};

/* A line a file; the names of the rules that hit it stand behind it. */
static void wrong(void *arg, const struct exam_file *f, const struct finding *found)
{
    struct span names = buf_span(&found->names);
    struct buf line;
    int rc;

    (void)arg;
    buf_init(&line, 1 << 20);
    if (f->disputed)
        rc = buf_printf(&line, "%s: hit, and that is disputed:", f->path);
    else if (!f->must)
        rc = buf_printf(&line, "%s: hit, and must not be:", f->path);
    else if (found->hits == 0)
        rc = buf_printf(&line, "%s: not hit, and must be", f->path);
    else
        rc = buf_printf(&line, "%s: not hit by %s, but by:", f->path, f->rule);
    for (struct cur c = cur_of(names); rc == 0 && c.n > 0;) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end != NULL ? (size_t)(end - c.p) : c.n;

        if ((rc = buf_putc(&line, ' ')) == 0)
            rc = buf_put(&line, c.p, n);
        n += end != NULL;
        c.p += n;
        c.n -= n;
    }
    if (rc == 0 && buf_putc(&line, '\n') == 0)
        (void)cli_put(stdout, buf_str(&line));
    buf_free(&line);
}

static void tell(const struct rules_report *r, unsigned slower)
{
    char why[200], hex[65];
    double seconds = (double)r->ms / 1000;

    text_digest(hex, &r->tree);
    (void)printf("%llu rules (%s) on %llu files, %llu bytes, in %.1f s: %.0f ms a GB, %.2f ms a "
                 "file\n",
                 (unsigned long long)r->rules, r->engines, (unsigned long long)(r->hit + r->clean),
                 (unsigned long long)r->bytes, seconds,
                 r->bytes == 0 ? 0 : (double)r->ms * 1e9 / (double)r->bytes,
                 (double)r->ms / (double)(r->hit + r->clean));
    (void)printf(
        "must be hit: %llu, missed %llu; must not be hit: %llu, hit %llu, given up on %llu\n",
        (unsigned long long)r->hit, (unsigned long long)r->missed, (unsigned long long)r->clean,
        (unsigned long long)r->false_hits, (unsigned long long)r->unscanned);
    if (!r->first)
        (void)printf("the base takes %.1f s: %.2f times\n", (double)r->base_ms / 1000,
                     (double)r->ms / (double)r->base_ms);
    (void)printf("tree %s\n", hex);
    if (report_passes(r, slower, why, sizeof(why)))
        (void)printf("passed\n");
    else
        (void)printf("NOT passed: %s\n", why);
}

static int write_report(const char *path, const struct rules_report *r, struct err *e)
{
    struct buf b;
    struct digest d;
    char hex[65];
    int rc;

    buf_init(&b, 1 << 16);
    if ((rc = report_write(r, &b)) == 0)
        rc = io_replace_file(AT_FDCWD, path, b.data, b.len, 0644);
    if (rc == 0) {
        sha256_of(b.data, b.len, &d);
        text_digest(hex, &d);
        (void)printf("%s: report %s\n", path, hex);
    }
    buf_free(&b);
    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", path);
}

static void tell_disputes(const struct dispute_counts *n)
{
    char due[CLOCK_MINUTE_LEN + 1];

    (void)printf("disputes: %zu open, %zu must not be hit, %zu must be", n->open, n->clean,
                 n->malicious);
    clock_minute(due, n->next);
    (void)printf(n->next != 0 ? "; the next is due %s\n" : "\n", due);
}

/* --- what rules cost --- */

struct costing {
    uint64_t bytes;
    size_t files;
};

static void tell_cost(void *arg, const struct cost_rule *r)
{
    const struct costing *w = arg;

    (void)printf("%10.0f ms a GB %9.3f ms a file  %.*s  %s:%u\n",
                 w->bytes == 0 ? 0 : r->cpu_ms * 1e9 / (double)w->bytes,
                 r->cpu_ms / (double)w->files, (int)r->name.n, (const char *)r->name.p, r->file,
                 r->line);
    (void)fflush(stdout);
}

/* bytes: of the files, as the test counted them. */
static int tell_costs(struct testing *w, const struct release *rules, uint64_t bytes, struct err *e)
{
    struct costing told = {bytes, w->corpus.n};
    struct progress p;
    struct cost x = {.rules = rules,
                     .engines = &w->engines,
                     .n = w->corpus.n,
                     .want = (size_t)w->cost,
                     .found = tell_cost,
                     .arg = &told,
                     .progress = &p};
    const char **path = calloc(w->corpus.n, sizeof(*path));
    struct cost_result r;
    int rc;

    if (path == NULL)
        return err_sys(e, -ENOMEM, "measuring the rules");
    for (size_t i = 0; i < w->corpus.n; i++)
        path[i] = w->corpus.file[i].path;
    x.path = path;
    (void)printf("the slowest YARA rules, each alone with what it refers to, CPU time above a scan "
                 "without it:\n");
    progress_begin(&p, "measuring the rules", "scans", 0);
    rc = cost_run(&x, &r, e);
    progress_end(&p);
    free(path);
    if (rc != 0)
        return rc;
    (void)printf(
        "%zu of %zu rules told; a scan without any takes %.0f ms a GB, less than %.0f ms a "
        "GB cannot be told here\n(%u scans of all files %u times over)\n",
        r.told, r.rules, bytes == 0 ? 0 : r.base_ms * 1e9 / (double)bytes,
        bytes == 0 ? 0 : r.least_ms * 1e9 / (double)bytes, r.trials, r.times);
    if (r.stopped)
        (void)printf("stopped: the rules cost too much alike on these files to find the slowest\n");
    return 0;
}

static int test(const struct command *c, struct testing *w)
{
    struct release *rules = NULL, *base = NULL;
    struct exam x = {.engines = &w->engines,
                     .file = w->corpus.file,
                     .n = w->corpus.n,
                     .slower = (unsigned)w->slower,
                     .wrong = wrong};
    struct rules_report r;
    struct err e = ERR_INIT;
    int rc = source_load(&rules, &w->rules, NULL, &e);

    if (rc == 0 && w->base.where != NULL && (rc = source_load(&base, &w->base, NULL, &e)) != 0)
        (void)err_prefix(&e, "the base, \"%s\"", w->base.where);
    x.rules = rules;
    x.base = base;
    if (rc == 0 && (rc = exam_run(&x, &r, &e)) == 0) {
        tell(&r, x.slower);
        if (w->disputed)
            tell_disputes(&w->disputes);
        if (w->report != NULL)
            rc = write_report(w->report, &r, &e);
        if (rc == 0 && w->cost > 0)
            rc = tell_costs(w, rules, r.bytes, &e);
    }
    release_free(rules);
    release_free(base);
    if (rc != 0)
        return cli_fail(c, &e);
    return r.passed ? EXIT_HELD : EXIT_FALSE;
}

static int rules_test_run(const struct command *c, int argc, char **argv)
{
    struct testing w = {.slower = SLOWER};
    struct err e = ERR_INIT;
    int o, rc = 0;

    engines_usual(&w.engines);
    while (rc == 0 &&
           (o = cli_getopt(c, argc, argv, "H:C:D:b:s:r:g:n:E:P:h", test_options)) != -1) {
        if (o == 'H' || o == 'C') {
            if ((rc = corpus_add(&w.corpus, optarg, o == 'H', &e)) != 0)
                rc = cli_fail(c, &e);
        } else if (o == 'D') {
            w.disputed = true;
            if ((rc = dispute_add(&w.corpus, optarg, clock_now(), &w.disputes, &e)) != 0)
                rc = cli_fail(c, &e);
        } else if (o == 'b') {
            w.base.where = optarg;
        } else if (o == 'g') {
            w.rules.git = w.base.git = optarg;
        } else if (o == 'r') {
            w.report = optarg;
        } else if (o == 'n') {
            if (text_u64(span_str(optarg), COST_MAX, &w.cost) != 0 || w.cost == 0)
                rc = cli_usage(c, "--cost is a number of rules from 1 to %d", COST_MAX);
        } else if (o == 'P') {
            w.engines.programs = optarg;
        } else if (o == 'E') {
            rc = engines_add(c, &w.engines, optarg);
        } else if (text_u64(span_str(optarg), 1000, &w.slower) != 0 || w.slower < 100) {
            rc = cli_usage(c, "--slower is a percentage from 100 to 1000");
        }
    }
    if (rc == 0 && (optind + 1 != argc || w.corpus.n == 0))
        rc = cli_usage(
            c, "name one folder of rules (or a revision and --git), and files with --hit and "
               "--clean");
    if (rc == 0) {
        engines_done(&w.engines);
        w.rules.where = argv[optind];
        rc = test(c, &w);
    }
    corpus_free(&w.corpus);
    return rc;
}

const struct command cli_rules[] = {
    {"rules check", "say whether a folder of rules compiles, and its digest",
     "FOLDER | REVISION[:FOLDER] --git REPOSITORY [--engine NAME]... [--programs FOLDER]",
     "  -g, --git REPOSITORY    the rules are those of a commit of this git repository, and "
     "nothing is\n"
     "                          checked out: \"main\", \"v7~2\", or \"main:rules\" for a folder of "
     "it\n"
     "  -E, --engine NAME       walk, yara or clamav, each once (default walk and yara)\n"
     "  -P, --programs FOLDER   where the engines are (default " ENGINES_PROGRAMS ")\n\n"
     "Errors name file and line.  Exit 0: they compile; 1: they do not.  As a hook of git, in\n"
     ".git/hooks/pre-commit: exec glarus rules check rules\n\n"
     "Example: glarus rules check rules/demo && glarus rules check main:rules --git .\n",
     rules_check_run},
    {"rules test", "test a folder of rules on files that must be hit, and on files that must not",
     "FOLDER --hit FOLDER --clean FOLDER [--base FOLDER] [--slower PERCENT] [--report FILE]",
     "  -H, --hit FOLDER        files that must be hit; those in a folder of it by the rule of "
     "that\n"
     "                          folder's name (may be repeated)\n"
     "  -C, --clean FOLDER      files that must not be hit (may be repeated)\n"
     "  -D, --disputes FOLDER   of \"rules dispute\": tests that must not be hit from their "
     "deadline on\n"
     "  -b, --base FOLDER       the rules before, to compare the time\n"
     "  -g, --git REPOSITORY    FOLDER and that of --base are revisions of it, as of \"rules "
     "check\"\n"
     "  -s, --slower PERCENT    of the base's time that is allowed (default 150)\n"
     "  -r, --report FILE       where the report goes: counts only, no names\n"
     "  -n, --cost N            also tell the N slowest YARA rules, each measured alone\n"
     "  -E, --engine NAME       as of \"rules check\"\n"
     "  -P, --programs FOLDER   likewise\n\n"
     "Files that are not as they must be are listed.  Exit 0: passed; 1: not.\n\n"
     "Example: glarus rules test rules --hit corpus/bad --clean /usr/bin --report report.yaml\n",
     rules_test_run},
    {"rules diff", "say which rules are new, gone or changed, and which entries of allow lists",
     "A B [--json] [--git REPOSITORY]",
     "  -g, --git REPOSITORY   A and B are revisions of it, as of \"rules check\"\n"
     "  -j, --json             one JSON object (docs/formats.md)\n\n"
     "A YARA rule is the same whatever its layout and comments; signatures and hash set entries "
     "of\n"
     "one name are compared together.  Exit 0: the same tree; 1: another; 2: trouble.\n\n"
     "Example: glarus rules diff release-7 rules; glarus rules diff v7:rules main:rules --git .\n",
     cmd_rules_diff},
    {"rules explain", "tell the story of a rule: who, why, approvals, tests, releases, verdicts",
     "NAME --rules FOLDER... [--ledger FOLDER] [--trust FILE] [--receipt FILE]...",
     "  -r, --rules FOLDER     rules that have it, in the order of their releases (may be "
     "repeated)\n"
     "  -g, --git REPOSITORY   these are revisions of it, as of \"rules check\"\n"
     "  -l, --ledger FOLDER    a site's ledger\n"
     "  -t, --trust FILE       the trust file: whether the ledger is the site's\n"
     "  -R, --receipt FILE     of a scan: whether its verdict names the rule (may be repeated)\n\n"
     "The ledger names trees by their digests: a release is told about as far as its rules are\n"
     "given.  Whether all that was done was allowed says \"glarus audit\".  Exit 0: told; 1: the\n"
     "ledger or a receipt does not verify; 2: nothing given has the rule.\n\n"
     "Example: glarus rules explain Win_Loader_X --rules release-7 --rules release-8 \\\n"
     "    --ledger zrh1 --trust trust.yaml\n",
     cmd_rules_explain},
    {"rules dispute", "keep a file that somebody says is hit wrongly, with a deadline",
     "FILE --asker WORD --why TEXT [--days N] --to FOLDER | DISPUTE --settle WORD [--why TEXT]",
     "  -k, --asker WORD    vendor, owner, partner, researcher, government or court\n"
     "  -w, --why TEXT      in one line\n"
     "  -n, --days N        until it must be settled (default 7)\n"
     "  -t, --to FOLDER     where FILE goes, as SHA256.file, beside SHA256.yaml, the dispute\n"
     "  -s, --settle WORD   clean: it must not be hit; malicious: the rule is right, it must be\n\n"
     "Until the deadline \"rules test --disputes FOLDER\" tells whether the file is hit.  From "
     "then on\n"
     "it must not be, unless it was settled as malicious: who does nothing loses.\n\n"
     "Example: glarus rules dispute setup.exe --asker owner --why 'our installer' --to disputes\n",
     cmd_rules_dispute},
    {"rules propose", "write the proposal of a change, to be signed by its author",
     "FOLDER --author ID [--base FOLDER] [--why TEXT] [--git REPOSITORY] --out FILE",
     "  -a, --author ID          your id in the register\n"
     "  -b, --base FOLDER        the rules of the newest release (none: there is no release yet)\n"
     "  -w, --why TEXT           why, in one line\n"
     "  -t, --ticket WORD        where more is said: an issue's number or address\n"
     "  -g, --git REPOSITORY     FOLDER and that of --base are revisions of it, as of \"rules "
     "check\";\n"
     "                           the proposal names the commit\n"
     "  -o, --out FILE           the proposal\n\n"
     "Why, ticket and commit stand in the ledger then, for everybody to read.\n\n"
     "Example: glarus rules propose rules --author 01234567… --base release-7 \\\n"
     "    --why 'finds the loader of x' --out change.yaml\n",
     cmd_rules_propose},
    {"rules release", "write what approvers sign: this tree, with this report, as the next release",
     "--change ENVELOPE --report FILE [--previous ENVELOPE] --out FILE [--detect] [--urgent]",
     "  -c, --change ENVELOPE     the proposal, signed by its author\n"
     "  -r, --report FILE         of the tests of that tree, passed\n"
     "  -p, --previous ENVELOPE   the newest release (none: this is the first)\n"
     "  -d, --detect              findings are reported and nothing is blocked\n"
     "  -u, --urgent              say that there was a hurry; as many must sign\n"
     "  -o, --out FILE            the release\n\n"
     "Example: glarus rules release --change change.yaml.dsse --report report.yaml --out r1.yaml\n",
     cmd_rules_release},
    {"rules override", "write a decision against the rules, to be signed",
     "--ground WORD --asker WORD --author ID --subject DIGEST [--count N] --why TEXT --out FILE",
     "  -g, --ground WORD      allow (entries of an allow list), withdraw (a release or rule) or\n"
     "                         verdict (one that is changed by hand)\n"
     "  -k, --asker WORD       vendor, owner, partner, researcher, government or court\n"
     "  -a, --author ID        your id in the register\n"
     "  -s, --subject DIGEST   of the lines allowed, the tree or rule withdrawn, or the file\n"
     "  -n, --count N          how many entries, rules or files (default 1)\n"
     "  -w, --why TEXT         what an auditor will read\n"
     "  -o, --out FILE         the decision\n\n"
     "Example: glarus rules override --ground withdraw --asker owner --author 01234567… \\\n"
     "    --subject 89abcdef… --why 'hits every installer of x' --out back.yaml\n",
     cmd_rules_override},
    {"rules sign", "sign a proposal, a release or an override", "FILE --key KEY [--out FILE]",
     "  -k, --key KEY    your private key: a PEM file, or a token's pkcs11: URI\n  -o, --out FILE  "
     " where the envelope goes\n\n"
     "Example: glarus rules sign r1.yaml --key anna.pem && glarus rules sign r1.yaml.dsse --key "
     "beat.pem\n",
     cmd_rules_sign},
    {"rules publish", "publish a change, a report, a release, an override, or what is served",
     "FILE [--config FILE]",
     "  -c, --config FILE   the site's configuration (default glarusd.yaml)\n\n"
     "In this order: the change, signed by its author; the report of its tests; the release, "
     "signed\n"
     "by its approvers.  What does not fit what the ledger says already is refused.  From the "
     "first\n"
     "release on the site loads nothing else.  What the update repository serves, its file "
     "log/N.repository,\n"
     "comes after the release that it lists.\n\n"
     "Example: glarus rules publish r1.yaml.dsse --config zrh1.yaml\n",
     cmd_rules_publish},
    {NULL, NULL, NULL, NULL, NULL}};
