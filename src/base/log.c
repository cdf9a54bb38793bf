/* log.c - a line is built in the frame, without allocation or locks, so that it is safe after
 * fork, and leaves in one write(2), so that lines of several threads do not mix. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define LINE_MAX_ 1024
#define TAIL 2 /* a closing quote and the line feed always fit */

static struct {
    char process[32];
    enum log_level least;
    int fd;
} sink = {"-", LOG_INFO_, STDERR_FILENO};

struct line {
    char b[LINE_MAX_];
    size_t n;
    bool full;
};

void log_open(const char *process, enum log_level least, int fd)
{
    size_t n = strnlen(process, sizeof(sink.process) - 1);

    memcpy(sink.process, process, n);
    sink.process[n] = '\0';
    sink.least = least;
    sink.fd = fd < 0 ? STDERR_FILENO : fd;
}

/* All of p or nothing of it nor of anything after it: a character is never cut in two. */
static void put(struct line *l, const void *p, size_t n)
{
    if (l->full || n > sizeof(l->b) - TAIL - l->n) {
        l->full = true;
        return;
    }
    memcpy(l->b + l->n, p, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static bool is_bare(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++)
        if (*s <= ' ' || *s >= 0x7f || *s == '"' || *s == '=' || *s == '\\')
            return false;
    return true;
}

static void put_quoted(struct line *l, const char *s)
{
    struct span rest = span_str(s);

    put(l, "\"", 1);
    if (l->full)
        return;
    while (rest.n > 0) {
        uint32_t code = 0;
        size_t len = text_utf8_next(rest, &code);

        if (code == '"' || code == '\\')
            put(l, code == '"' ? "\\\"" : "\\\\", 2);
        else if (code == '\n' && len == 1)
            put(l, "\\n", 2);
        else if (len == 0 || text_is_control(code))
            put(l, "?", 1);
        else
            put(l, rest.p, len);
        if (len == 0)
            len = 1;
        rest = span_of(rest.p + len, rest.n - len);
    }
    l->b[l->n++] = '"'; /* in the tail if need be */
}

static void put_pair(struct line *l, const char *key, const char *value)
{
    size_t before = l->n;

    put_str(l, " ");
    put_str(l, key);
    put_str(l, "=");
    if (l->full) { /* no half keys */
        l->n = before;
        return;
    }
    if (value == NULL)
        value = "";
    if (is_bare(value) && strlen(value) <= sizeof(l->b) - TAIL - l->n)
        put_str(l, value);
    else
        put_quoted(l, value);
}

void log_line(enum log_level lv, const char *msg, ...)
{
    static const char *const word[] = {"debug", "info", "warn", "error"};
    char now[CLOCK_SECOND_LEN + 1];
    struct line l;
    const char *key;
    int saved = errno;
    ssize_t w;
    va_list ap;

    if (lv < sink.least)
        return;
    l.n = 0;
    l.full = false;
    clock_second(now, clock_now());
    put_str(&l, "time=");
    put_str(&l, now);
    put_pair(&l, "level", word[lv]);
    put_pair(&l, "at", sink.process);
    put_str(&l, " msg=");
    put_quoted(&l, msg);
    va_start(ap, msg);
    while (!l.full && (key = va_arg(ap, const char *)) != NULL)
        put_pair(&l, key, va_arg(ap, const char *));
    va_end(ap);
    l.b[l.n++] = '\n';
    do
        w = write(sink.fd, l.b, l.n);
    while (w < 0 && errno == EINTR);
    errno = saved; /* a line that cannot be written is lost: there is nowhere to say so */
}
