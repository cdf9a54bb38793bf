/* clock.c - the calendar is computed here and not by gmtime_r or timegm, because those open the
 * time zone files at first use, which a jailed process must not. */
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define DAY 86400
#define LAST_MOMENT 253402300799 /* 9999-12-31T23:59:59Z */

struct civil {
    int year, month, day, hour, minute, second;
};

static uint64_t read_ns(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);

    assert(rc == 0); /* these clocks exist on every Linux */
    (void)rc;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

unix_time clock_now(void)
{
    return (unix_time)(read_ns(CLOCK_REALTIME) / 1000000000u);
}

mono_ms clock_mono(void)
{
    return (mono_ms)(read_ns(CLOCK_MONOTONIC) / 1000000u);
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static bool leap(int y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* Days of year y that lie before the first of month m (1 to 13). */
static int days_before_month(int y, int m)
{
    static const int sum[14] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

    return sum[m] + (m > 2 && leap(y) ? 1 : 0);
}

static int64_t leap_years_until(int64_t y)
{
    return y / 4 - y / 100 + y / 400;
}

/* Days from 1970-01-01 to the first day of year y. */
static int64_t days_before_year(int y)
{
    return 365 * ((int64_t)y - 1970) + leap_years_until(y - 1) - leap_years_until(1969);
}

static struct civil civil_of(unix_time t)
{
    struct civil c;
    int64_t day, rest;

    if (t < 0)
        t = 0;
    if (t > LAST_MOMENT)
        t = LAST_MOMENT;
    day = t / DAY;
    rest = t % DAY;
    c.year = 1970 + (int)(day / 366); /* never too late, at most a few years early */
    while (days_before_year(c.year + 1) <= day)
        c.year++;
    day -= days_before_year(c.year);
    c.month = 1;
    while (days_before_month(c.year, c.month + 1) <= day)
        c.month++;
    c.day = (int)day - days_before_month(c.year, c.month) + 1;
    c.hour = (int)(rest / 3600);
    c.minute = (int)(rest / 60 % 60);
    c.second = (int)(rest % 60);
    return c;
}

static void put_digits(char *out, int v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        out[i] = (char)('0' + v % 10);
}

/* Both forms begin alike; fills 16 characters: "2026-11-23T20:51". */
static void put_minute(char *out, const struct civil *c)
{
    memcpy(out, "0000-00-00T00:00", 16);
    put_digits(out, c->year, 4);
    put_digits(out + 5, c->month, 2);
    put_digits(out + 8, c->day, 2);
    put_digits(out + 11, c->hour, 2);
    put_digits(out + 14, c->minute, 2);
}

void clock_minute(char out[CLOCK_MINUTE_LEN + 1], unix_time t)
{
    struct civil c = civil_of(t);

    put_minute(out, &c);
    memcpy(out + 16, "Z", 2);
}

void clock_second(char out[CLOCK_SECOND_LEN + 1], unix_time t)
{
    struct civil c = civil_of(t);

    put_minute(out, &c);
    memcpy(out + 16, ":00Z", 5);
    put_digits(out + 17, c.second, 2);
}

/* Matches s with a picture in which '0' stands for any digit. */
static bool looks_like(struct span s, const char *picture)
{
    if (s.n != strlen(picture))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool digit = s.p[i] >= '0' && s.p[i] <= '9';

        if (picture[i] == '0' ? !digit : s.p[i] != (uint8_t)picture[i])
            return false;
    }
    return true;
}

static int digits(const uint8_t *p, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++)
        v = v * 10 + (p[i] - '0');
    return v;
}

static int moment(const struct civil *c, unix_time *out)
{
    int64_t day;

    if (c->year < 1970 || c->month < 1 || c->month > 12 || c->day < 1)
        return -EBADMSG;
    if (c->day > days_before_month(c->year, c->month + 1) - days_before_month(c->year, c->month))
        return -EBADMSG;
    if (c->hour > 23 || c->minute > 59 || c->second > 59)
        return -EBADMSG;
    day = days_before_year(c->year) + days_before_month(c->year, c->month) + c->day - 1;
    *out = day * DAY + c->hour * 3600 + c->minute * 60 + c->second;
    return 0;
}

static struct civil fields(struct span s)
{
    struct civil c = {
        .year = digits(s.p, 4),
        .month = digits(s.p + 5, 2),
        .day = digits(s.p + 8, 2),
        .hour = digits(s.p + 11, 2),
        .minute = digits(s.p + 14, 2),
        .second = s.n == CLOCK_SECOND_LEN ? digits(s.p + 17, 2) : 0,
    };

    return c;
}

int clock_unminute(struct span s, unix_time *out)
{
    struct civil c;

    if (!looks_like(s, "0000-00-00T00:00Z"))
        return -EBADMSG;
    c = fields(s);
    return moment(&c, out);
}

int clock_unsecond(struct span s, unix_time *out)
{
    struct civil c;

    if (!looks_like(s, "0000-00-00T00:00:00Z"))
        return clock_unminute(s, out);
    c = fields(s);
    return moment(&c, out);
}
