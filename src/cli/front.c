/* front.c - glarus: compares two files or trees itself; for any other command it becomes
 * glarus-commands, which has all of them.  Most of the time of a short comparison is the start of
 * the program, and most of that is loading libraries; a comparison needs few of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define COMMANDS "glarus-commands"

/* Beside us, as built; where it is installed, as seen from us; where it is installed. */
static void become_commands(char **argv)
{
    char own[4096], path[sizeof(own) + sizeof(GLARUS_COMMANDS_FROM_BIN) + 32];
    ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
    char *slash;

    own[n < 0 ? 0 : n] = '\0';
    if ((slash = strrchr(own, '/')) != NULL) {
        *slash = '\0';
        (void)snprintf(path, sizeof(path), "%s/" COMMANDS, own);
        (void)execv(path, argv);
        (void)snprintf(path, sizeof(path), "%s/" GLARUS_COMMANDS_FROM_BIN "/" COMMANDS, own);
        (void)execv(path, argv);
    }
    (void)execv(GLARUS_COMMANDS "/" COMMANDS, argv);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], cli_compare[0].words) == 0)
        return cli_compare[0].run(&cli_compare[0], argc - 1, argv + 1);
    become_commands(argv);
    (void)fprintf(stderr,
                  "glarus: starting \"" GLARUS_COMMANDS "/" COMMANDS
                  "\": %s; it is installed with glarus, or stands beside it\n",
                  strerror(errno));
    return EXIT_TROUBLE;
}
