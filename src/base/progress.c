#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"

#define SILENT_MS 1000 /* shorter work shows nothing */
#define PERIOD_MS 100
#define ERASE "\r\033[K"

void progress_begin(struct progress *p, const char *what, const char *unit, uint64_t total)
{
    *p = (struct progress){
        .what = what, .unit = unit, .total = total, .began = clock_mono(), .drawn = -1};
    p->on = isatty(STDERR_FILENO) == 1;
}

static void draw(struct progress *p, mono_ms now)
{
    uint64_t rate = p->done * 1000 / (uint64_t)(now - p->began);
    char line[128];
    int n;

    if (p->total > 0) {
        unsigned percent =
            (unsigned)((double)(p->done < p->total ? p->done : p->total) * 100 / (double)p->total);

        n = snprintf(line, sizeof(line), ERASE "%.20s  %llu of %llu %.12s  %u%%  %llu/s", p->what,
                     (unsigned long long)p->done, (unsigned long long)p->total, p->unit, percent,
                     (unsigned long long)rate);
    } else {
        n = snprintf(line, sizeof(line), ERASE "%.20s  %llu %.12s  %llu/s", p->what,
                     (unsigned long long)p->done, p->unit, (unsigned long long)rate);
    }
    if (n >= (int)sizeof(line))
        n = (int)sizeof(line) - 1;
    if (n > 0 && io_write_all(STDERR_FILENO, line, (size_t)n) != 0)
        p->on = false;
    p->drawn = now;
}

/* It is time to draw. */
static bool due(const struct progress *p, mono_ms now)
{
    return now - p->began >= SILENT_MS && (p->drawn < 0 || now - p->drawn >= PERIOD_MS);
}

void progress_step(struct progress *p, uint64_t done)
{
    mono_ms now;

    p->done = done;
    if (p->on && due(p, now = clock_mono()))
        draw(p, now);
}

static size_t columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80;
}

void progress_tell(struct progress *p, uint64_t done, const char *said)
{
    char line[512] = ERASE;
    size_t room = columns() - 1, n = strlen(ERASE);
    mono_ms now;
    bool cut;

    p->done = done;
    if (!p->on || !due(p, now = clock_mono()))
        return;
    if (room > sizeof(line) - n - 1)
        room = sizeof(line) - n - 1;
    cut = snprintf(line + n, room + 1, "%.20s  %lld s, %llu %.12s  %s", p->what,
                   (long long)((now - p->began) / 1000), (unsigned long long)done, p->unit,
                   said) > (int)room;
    n = strlen(line);
    /* not half a letter at the end */
    while (cut && ((unsigned char)line[n - 1] & 0xc0) == 0x80)
        n--;
    if (cut && ((unsigned char)line[n - 1] & 0xc0) == 0xc0)
        n--;
    if (io_write_all(STDERR_FILENO, line, n) != 0)
        p->on = false;
    p->drawn = now;
}

void progress_end(struct progress *p)
{
    if (p->on && p->drawn >= 0)
        p->on = io_write_all(STDERR_FILENO, ERASE, strlen(ERASE)) == 0;
    p->on = false;
}
