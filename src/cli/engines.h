/* engines.h - which engines a command starts to try rules or to make a verdict again. */
#ifndef CLI_ENGINES_H
#define CLI_ENGINES_H

#include "cli/cli.h"
#include "rules/trial.h"

#define ENGINES_PROGRAMS "/usr/libexec/glarus"

void engines_usual(struct trial_spec *s);
/* 0, or the exit code of a mistake that was told */
int engines_add(const struct command *c, struct trial_spec *s, const char *name);
/* Where none was named: walk and yara. */
void engines_done(struct trial_spec *s);

#endif
