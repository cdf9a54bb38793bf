/* glarus_scene.h - calls of include/glarus.h in a scene: what must work, what must fail and how. */
#ifndef TESTS_CAPI_GLARUS_SCENE_H
#define TESTS_CAPI_GLARUS_SCENE_H

#include "scene.h"

#include <glarus.h>

static glarus_error last; /* of the last call */

/* A failure has its code, and a sentence. */
static inline void fails(int rc, int code)
{
    if (rc != code)
        fail_msg("%s instead of %s: %s", glarus_code_word(rc), glarus_code_word(code), last.text);
    assert_int_equal(last.code, code);
    assert_true(last.text[0] != '\0');
    memset(&last, 0, sizeof(last));
}

static inline void says(int rc, int code, const char *what)
{
    if (rc == code && strstr(last.text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", last.text, what);
    fails(rc, code);
}

static inline void works(int rc)
{
    if (rc != GLARUS_OK)
        fail_msg("%s: %s", glarus_code_word(rc), last.text);
}

static inline glarus_client *open_client(const struct scene *s)
{
    glarus_client *c = NULL;

    works(glarus_client_open(&c, s->config, &last));
    assert_non_null(c);
    return c;
}

static inline glarus_trust *open_trust(const struct scene *s)
{
    glarus_trust *t = NULL;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/trust.yaml", s->dir);
    works(glarus_trust_load(&t, path, &last));
    return t;
}

static inline char *in(const struct scene *s, const char *name, char out[256])
{
    (void)snprintf(out, 256, "%s/%s", s->dir, name);
    return out;
}

static inline glarus_submission *submit(glarus_client *c, const struct scene *s, const char *name)
{
    glarus_submission *sub = NULL;
    char path[256];

    works(glarus_submit_path(c, in(s, name, path), NULL, &sub, &last));
    assert_non_null(sub);
    return sub;
}

#endif
