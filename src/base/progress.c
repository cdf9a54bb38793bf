#include "base/progress.h"

#include <stdio.h>
#include <string.h>
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

void progress_step(struct progress *p, uint64_t done)
{
    mono_ms now;

    p->done = done;
    if (!p->on)
        return;
    now = clock_mono();
    if (now - p->began < SILENT_MS || (p->drawn >= 0 && now - p->drawn < PERIOD_MS))
        return;
    draw(p, now);
}

void progress_end(struct progress *p)
{
    if (p->on && p->drawn >= 0)
        p->on = io_write_all(STDERR_FILENO, ERASE, strlen(ERASE)) == 0;
    p->on = false;
}
