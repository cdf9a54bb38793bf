/* cmd_rules_priv.h - the commands of cmd_rules_*.c, for the table in cmd_rules.c. */
#ifndef CLI_CMD_RULES_PRIV_H
#define CLI_CMD_RULES_PRIV_H

#include "cli/cli.h"

int cmd_rules_propose(const struct command *c, int argc, char **argv);
int cmd_rules_release(const struct command *c, int argc, char **argv);
int cmd_rules_override(const struct command *c, int argc, char **argv);
int cmd_rules_sign(const struct command *c, int argc, char **argv);
int cmd_rules_diff(const struct command *c, int argc, char **argv);
int cmd_rules_dispute(const struct command *c, int argc, char **argv);
int cmd_rules_explain(const struct command *c, int argc, char **argv);
int cmd_rules_publish(const struct command *c, int argc, char **argv);

#endif
