/* Recipes and locks: what is accepted stays in its place; a lock is written as something that reads
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "assembler/lock.h"
#include "assembler/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool held)
{
    if (!held)
        abort();
}

static void one_recipe(struct span text)
{
    struct err e = ERR_INIT;
    struct recipe *r = NULL;

    if (recipe_parse(&r, "r", text, &e) != 0) {
        expect(r == NULL && e.code != 0);
        return;
    }
    expect(r->nsources > 0 && r->nsteps > 0 && r->noutputs > 0 && r->npackages > 0);
    expect(strncmp(r->path, "/build", 6) == 0 && strstr(r->path, "..") == NULL);
    expect(strchr(r->folder, '/') == NULL && strchr(r->folder, '\'') == NULL);
    for (size_t i = 0; i < r->noutputs; i++)
        expect(r->outputs[i][0] != '/' && strncmp(r->outputs[i], "../", 3) != 0);
    recipe_free(r);
}

static void one_lock(struct span text)
{
    struct lock l, again;
    struct buf b;

    if (lock_parse(&l, "l", text, NULL) == 0) {
        buf_init(&b, (size_t)16 << 20);
        expect(lock_write(&l, &b) == 0);
        expect(lock_parse(&again, "l", buf_span(&b), NULL) == 0);
        expect(again.n == l.n &&
               memcmp(again.packages, l.packages, l.n * sizeof(*l.packages)) == 0);
        lock_done(&again);
        buf_free(&b);
    }
    lock_done(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one_recipe(span_of(data, size));
    one_lock(span_of(data, size));
    return 0;
}
