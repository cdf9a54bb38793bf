/* main.c - glarus: finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* One a line, so that two hands do not meet. */
static const struct command *const tables[] = {
    cli_site,
    cli_client,
    cli_receipt,
    cli_policy,
    cli_people,
    cli_rules,
    cli_repository,
    cli_repository_product,
    cli_update,
    cli_verdict,
    cli_relocate,
    cli_audit,
    cli_ledger,
    cli_compare,
    cli_assemble,
    cli_assemble_build,
    cli_assemble_product,
    cli_assemble_publish,
    cli_assemble_bundle,
    cli_assemble_rebuild,
    cli_assemble_attest,
    cli_assemble_transplant,
    cli_assemble_signed,
};

static void overview(FILE *f)
{
    (void)fprintf(f, "glarus - proves where files are kept, and who changed what\n\n"
                     "usage: glarus COMMAND [OPTION]... [ARGUMENT]...\n\n");
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct command *c = tables[t]; c->words != NULL; c++)
            (void)fprintf(f, "  %-22s %s\n", c->words, c->summary);
    (void)fprintf(
        f, "\n\"glarus COMMAND --help\" tells more, with an example.\n"
           "Exit codes: 0 held, 1 does not verify, 2 command line or configuration, 3 environment, "
           "4 pending.\n");
}

/* How many of argv's words are the command's; 0: it is another command. */
static int matches(const struct command *c, int argc, char **argv)
{
    const char *w = c->words;
    int n = 0;

    while (*w != '\0') {
        size_t len = strcspn(w, " ");

        if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], w, len) != 0)
            return 0;
        n++;
        w += len;
        w += *w == ' ';
    }
    return n;
}

int main(int argc, char **argv)
{
    int n;

    if (argc < 2) {
        overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        overview(stdout);
        return EXIT_HELD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("glarus %s\n", GLARUS_VERSION);
        return EXIT_HELD;
    }
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct command *c = tables[t]; c->words != NULL; c++)
            if ((n = matches(c, argc - 1, argv + 1)) > 0)
                return c->run(c, argc - n, argv + n);
    (void)fprintf(stderr, "glarus: there is no command \"%s%s%s\"; \"glarus help\" lists them\n",
                  argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
    return EXIT_USAGE;
}
