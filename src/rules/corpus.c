#include "rules/corpus.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct walk {
    struct corpus *c;
    bool must;
    char *rule; /* of the topmost folder, owned by the file that has it last; NULL: none */
    struct err *e;
};

static int add_file(struct walk *w, const char *path)
{
    struct corpus *c = w->c;
    struct exam_file f = {.must = w->must};

    if (c->n == c->cap) {
        size_t cap = c->cap == 0 ? 1024 : c->cap * 2;
        struct exam_file *more = reallocarray(c->file, cap, sizeof(*more));

        if (more == NULL)
            return err_sys(w->e, -ENOMEM, "listing the files");
        c->file = more;
        c->cap = cap;
    }
    if (c->n >= CORPUS_FILES_MAX)
        return err_set(w->e, -E2BIG, "more than %d files", CORPUS_FILES_MAX);
    f.path = strdup(path);
    if (w->rule != NULL)
        f.rule = strdup(w->rule);
    if (f.path == NULL || (w->rule != NULL && f.rule == NULL)) {
        free((char *)f.path);
        return err_sys(w->e, -ENOMEM, "listing the files");
    }
    c->file[c->n++] = f;
    return 0;
}

int corpus_file(struct corpus *c, const char *path, enum corpus_test t, struct err *e)
{
    struct walk w = {.c = c, .must = t == CORPUS_MUST, .e = e};
    int rc = add_file(&w, path);

    if (rc == 0)
        c->file[c->n - 1].disputed = t == CORPUS_DISPUTED;
    return rc;
}

static int add_folder(struct walk *w, const char *path, unsigned depth);

static int add_entry(struct walk *w, const char *folder, const char *name, unsigned depth)
{
    bool names = w->must && depth == 0;
    char path[4096];
    struct stat st;
    int rc;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return err_set(w->e, -ENAMETOOLONG, "the path \"%s/%.64s\" is too long", folder, name);
    if (lstat(path, &st) != 0)
        return err_sys(w->e, -errno, "looking at \"%s\"", path);
    if (S_ISREG(st.st_mode))
        return add_file(w, path);
    if (!S_ISDIR(st.st_mode))
        return 0;
    if (names && (w->rule = strdup(name)) == NULL)
        return err_sys(w->e, -ENOMEM, "listing the files");
    rc = add_folder(w, path, depth + 1);
    if (names) {
        free(w->rule);
        w->rule = NULL;
    }
    return rc;
}

static int add_folder(struct walk *w, const char *path, unsigned depth)
{
    struct dirent **name = NULL;
    int n, rc = 0;

    if (depth > CORPUS_DEPTH_MAX)
        return err_set(w->e, -E2BIG, "\"%s\" is more than %d folders deep", path, CORPUS_DEPTH_MAX);
    if ((n = scandir(path, &name, NULL, alphasort)) < 0)
        return err_sys(w->e, -errno, "looking into \"%s\"", path);
    for (int i = 0; i < n; i++) {
        if (rc == 0 && strcmp(name[i]->d_name, ".") != 0 && strcmp(name[i]->d_name, "..") != 0)
            rc = add_entry(w, path, name[i]->d_name, depth);
        free(name[i]);
    }
    free(name);
    return rc;
}

int corpus_add(struct corpus *c, const char *folder, bool must, struct err *e)
{
    struct walk w = {.c = c, .must = must, .e = e};
    size_t before = c->n;
    int rc = add_folder(&w, folder, 0);

    if (rc == 0 && c->n == before)
        return err_set(e, -EINVAL, "\"%s\" holds no file to test the rules on", folder);
    return rc;
}

void corpus_free(struct corpus *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free((char *)c->file[i].path);
        free((char *)c->file[i].rule);
    }
    free(c->file);
    memset(c, 0, sizeof(*c));
}
