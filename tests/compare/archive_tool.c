#include "archive_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

static char dir[64];

int archive_setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/compare-XXXXXX");
    return mkdtemp(dir) == NULL;
}

int archive_teardown(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

const char *archive_dir(void)
{
    return dir;
}

size_t archive_load(const char *name, uint8_t *p, size_t least, size_t room)
{
    char path[128];
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", archive_dir(), name);
    assert_non_null(f = fopen(path, "rb"));
    n = fread(p, 1, room, f);
    (void)fclose(f);
    assert_in_range(n, least, room - 1);
    return n;
}

void archive_sh(const char *fmt, ...)
{
    char command[4096];
    va_list ap;
    pid_t pid;
    int status = -1;

    va_start(ap, fmt);
    assert_in_range(vsnprintf(command, sizeof(command), fmt, ap), 0, sizeof(command) - 1);
    va_end(ap);
    if ((pid = fork()) == 0) {
        if (chdir(dir) == 0)
            (void)execl("/bin/sh", "sh", "-euc", command, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status != 0)
        fail_msg("%s", command);
}

/* What stands below one that was counted only is not there; the class is the worst below. */
static void adds_up(const struct compare_node *n)
{
    enum compare_class worst = COMPARE_IDENTICAL;

    for (int side = 0; side < 2 && strcmp(n->format, "folder") != 0; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        if (sum != n->size[side])
            fail_msg("%s (%s): %llu bytes accounted for of %llu", n->name[side], n->format,
                     (unsigned long long)sum, (unsigned long long)n->size[side]);
    }
    for (size_t i = 0; i < n->findings; i++)
        worst = n->finding[i].class > worst ? n->finding[i].class : worst;
    for (size_t i = 0; i < n->children; i++) {
        adds_up(n->child[i]);
        worst = n->child[i]->class > worst ? n->child[i]->class : worst;
    }
    assert_true(n->findings_more > 0 || worst == n->class);
}

struct compare_report *archive_compare(const char *a, const char *b,
                                       const struct compare_options *o)
{
    char path[2][256];
    struct compare_report *r = NULL;
    struct err e = ERR_INIT;

    (void)snprintf(path[0], sizeof(path[0]), "%s/%s", dir, a);
    (void)snprintf(path[1], sizeof(path[1]), "%s/%s", dir, b);
    if (compare_run(&r, path[0], path[1], o, &e) != 0)
        fail_msg("%s", err_text(&e));
    adds_up(r->root);
    return r;
}

static void expect(const struct compare_options *o, const char *a, const char *b,
                   enum compare_class class, va_list texts)
{
    struct compare_report *r = archive_compare(a, b, o);
    const char *text;
    struct buf out;

    buf_init(&out, 64 << 20);
    assert_int_equal(compare_text(r, false, &out), 0);
    if (r->root->class != class)
        fail_msg("%s %s: %s instead of %s:\n%s", a, b, compare_class_word(r->root->class),
                 compare_class_word(class), buf_str(&out));
    while ((text = va_arg(texts, const char *)) != NULL)
        if (strstr(buf_str(&out), text) == NULL)
            fail_msg("%s %s: no \"%s\" in:\n%s", a, b, text, buf_str(&out));
    buf_reset(&out);
    assert_int_equal(compare_json(r, &out), 0);
    buf_free(&out);
    compare_report_free(r);
}

void archive_expect(const char *a, const char *b, enum compare_class class, ...)
{
    va_list ap;

    va_start(ap, class);
    expect(NULL, a, b, class, ap);
    va_end(ap);
}

void archive_expect_with(const struct compare_options *o, const char *a, const char *b,
                         enum compare_class class, ...)
{
    va_list ap;

    va_start(ap, class);
    expect(o, a, b, class, ap);
    va_end(ap);
}
