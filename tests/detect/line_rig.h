/* line_rig.h - the real engines in their jails, put together to a line, and one file through it. */
#ifndef TESTS_DETECT_LINE_RIG_H
#define TESTS_DETECT_LINE_RIG_H

#include <sys/random.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "detect/line.h"
#include "detect/tree.h"
#include "rig.h"

#define LINE_UID 64123

struct line_rig {
    char folder[64];
    char marker[33]; /* new in every run */
    struct release *release;
    struct detect_line *line;
    const char *names[4], *paths[4];
    size_t n;
    struct proc proc[4];
};

static void line_rig_marker(struct line_rig *r)
{
    uint8_t random[16];
    char text[256], hex[65];

    assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
    text_hex(r->marker, random, sizeof(random));
    (void)snprintf(r->folder, sizeof(r->folder), "/tmp/line-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    (void)snprintf(text, sizeof(text),
                   "rule Random_Marker { strings: $a = \"%s\" condition: $a }\n", r->marker);
    rig_rule(r->folder, "marker.yar", text);
    text_hex(hex, (const uint8_t *)r->marker, 32);
    (void)snprintf(text, sizeof(text), "Marker.ClamAV:0:*:%s\n", hex);
    rig_rule(r->folder, "marker.ndb", text);
    rig_rule(r->folder, "p.pwdb", "one;Engine:81-255;0;infected\ntwo;Engine:81-255;1;61627261\n");
}

static void line_rig_turn(struct line_rig *r)
{
    struct pollfd p[4];
    mono_ms now = clock_mono(), due = detect_line_due(r->line);

    for (size_t i = 0; i < r->n; i++)
        p[i] = (struct pollfd){.fd = detect_line_fd(r->line, i), .events = POLLIN};
    (void)poll(p, (nfds_t)r->n, due <= now ? 0 : 20);
    detect_line_step(r->line, clock_mono());
    for (size_t i = 0; i < r->n; i++)
        if (detect_line_wants_engine(r->line, i, clock_mono())) {
            struct detect_engine_spec s = {
                .path = r->paths[i], .uid = LINE_UID, .gid = LINE_UID, .children = 2};
            struct err e = ERR_INIT;
            int sock;

            proc_end_now(&r->proc[i]);
            if (detect_engine_start(&r->proc[i], &sock, &s, &e) != 0 ||
                detect_line_attach(r->line, i, sock, &e) != 0)
                fail_msg("%s: %s", r->names[i], err_text(&e));
        }
}

static void line_rig_start(struct line_rig *r, const struct detect_limits *limits)
{
    struct err e = ERR_INIT;

    if (release_load(&r->release, r->folder, &e) != 0 ||
        detect_line_new(&r->line, r->release, limits, r->names, r->n, &e) != 0)
        fail_msg("%s", err_text(&e));
    for (size_t i = 0; i < r->n; i++)
        r->proc[i] = (struct proc)PROC_NONE;
    while (detect_line_state(r->line) != DETECT_READY) {
        line_rig_turn(r);
        if (detect_line_trouble(r->line)[0] != '\0')
            fail_msg("%s", detect_line_trouble(r->line));
    }
}

static void line_rig_stop(struct line_rig *r)
{
    detect_line_free(r->line);
    for (size_t i = 0; i < r->n; i++)
        proc_end_now(&r->proc[i]);
    release_free(r->release);
    r->line = NULL;
    r->release = NULL;
}

/* Waits for the next result. */
static inline void line_rig_next(struct line_rig *r, struct detect_line_result *out)
{
    mono_ms until = clock_mono() + 120000;

    while (detect_line_next(r->line, out) == 0) {
        line_rig_turn(r);
        if (clock_mono() > until)
            fail_msg("no result: %s", detect_line_trouble(r->line));
    }
}

/* One file through the line, as soon as it serves. */
static inline void line_rig_scan(struct line_rig *r, struct span file,
                                 struct detect_line_result *out)
{
    struct detect_batch *b = NULL;
    void *where;

    assert_int_equal(detect_batch_new(&b), 0);
    assert_int_equal(detect_batch_add(b, file.n, &where, 7), 0);
    if (file.n > 0)
        memcpy(where, file.p, file.n);
    while (detect_line_submit(r->line, b) == -EAGAIN)
        line_rig_turn(r);
    line_rig_next(r, out);
    assert_int_equal(out->cookie, 7);
}

#endif
