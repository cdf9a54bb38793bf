#include "rules/source.h"

int source_load(struct release **out, const struct source *s, char commit[GITREAD_COMMIT + 1],
                struct err *e)
{
    char unasked[GITREAD_COMMIT + 1];
    char *to = commit != NULL ? commit : unasked;
    int fd, rc;

    to[0] = '\0';
    if (s->git == NULL)
        return release_load(out, s->where, e);
    rc = gitread_pack(&fd, s->git, s->where, to, e);
    return rc != 0 ? rc : release_open(out, fd, e);
}
