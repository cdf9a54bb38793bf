/* cli.h - what every command of `glarus` shares: the table, options, output, exit codes.
 *
 * A command is one const entry: words ("policy check"), a summary line, the help with an example,
 * and a function.  It gets its own arguments, argv[0] being the command's words, and returns an
 * exit code (docs/conventions.md): 0 held, 1 does not verify, 2 command line or configuration, 3
 * environment, 4 pending. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <stdio.h>

#include "base/err.h"
#include "base/progress.h"

struct command {
    const char *words;
    const char *summary;
    const char *usage; /* after "usage: glarus WORDS " */
    const char *help;  /* options and an example; ends with a line feed */
    int (*run)(const struct command *c, int argc, char **argv);
};

/* One table a file; cli_commands lists them. */
extern const struct command cli_assemble[], cli_audit[], cli_client[], cli_compare[], cli_ledger[],
    cli_people[], cli_policy[], cli_receipt[], cli_relocate[], cli_repository[], cli_rules[],
    cli_site[], cli_update[], cli_verdict[], cli_assemble_attest[], cli_assemble_build[],
    cli_assemble_bundle[], cli_assemble_product[], cli_assemble_publish[], cli_assemble_rebuild[],
    cli_assemble_signed[], cli_assemble_transplant[], cli_repository_product[];

enum { EXIT_HELD = 0, EXIT_FALSE = 1, EXIT_USAGE = 2, EXIT_TROUBLE = 3, EXIT_PENDING = 4 };
/* The exit code of a failure by its errno (docs/conventions.md). */
int cli_exit(int rc);
/* "glarus WORDS: text" on standard error; returns cli_exit(e->code). */
int cli_fail(const struct command *c, const struct err *e);
/* The same for a mistake of the command line, with a hint at --help; returns 2. */
int cli_usage(const struct command *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As getopt_long; handles --help (prints and exits 0) and unknown options (exits 2) itself. */
int cli_getopt(const struct command *c, int argc, char **argv, const char *shorts,
               const struct option *longs);
void cli_help(const struct command *c);
/* Lines that somebody else wrote, for a terminal: what it would obey becomes '?' (text_plain). */
int cli_put(FILE *f, const char *lines);

#endif
