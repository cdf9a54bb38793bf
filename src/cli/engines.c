#include "cli/engines.h"

#include <string.h>

void engines_usual(struct trial_spec *s)
{
    memset(s, 0, sizeof(*s));
    s->programs = ENGINES_PROGRAMS;
}

int engines_add(const struct command *c, struct trial_spec *s, const char *name)
{
    if (s->n == DETECT_LINE_ENGINES)
        return cli_usage(c, "at most %d engines", DETECT_LINE_ENGINES);
    s->engines[s->n++] = name;
    return 0;
}

void engines_done(struct trial_spec *s)
{
    if (s->n > 0)
        return;
    s->engines[s->n++] = "walk";
    s->engines[s->n++] = "yara";
}
