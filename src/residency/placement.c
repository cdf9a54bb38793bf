#include "residency/placement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLACEMENT_VERSION 1

int placement_new(struct placement **out)
{
    struct placement *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (p == NULL)
        return -ENOMEM;
    p->step = calloc(PLACEMENT_STEPS_MAX, sizeof(*p->step));
    if (p->step == NULL) {
        free(p);
        return -ENOMEM;
    }
    *out = p;
    return 0;
}

void placement_free(struct placement *p)
{
    if (p == NULL)
        return;
    free(p->step);
    free(p);
}

static bool name_fits(const char *s, size_t n, size_t most)
{
    if (n == 0 || n > most)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9')))
            return false;
    return true;
}

int placement_add_zone(struct placement *p, const char *zone)
{
    size_t n = strlen(zone);

    if (p->zones == PLACEMENT_ZONES_MAX)
        return -E2BIG;
    if (!name_fits(zone, n, 8) || placement_zone_index(p, zone) >= 0)
        return -EINVAL;
    memcpy(p->zone[p->zones++], zone, n + 1);
    return 0;
}

int placement_add_site(struct placement *p, const char *site, size_t zone)
{
    size_t n = strlen(site);

    if (p->sites == PLACEMENT_SITES_MAX)
        return -E2BIG;
    if (!name_fits(site, n, 16) || zone >= p->zones)
        return -EINVAL;
    memcpy(p->site[p->sites].name, site, n + 1);
    p->site[p->sites++].zone = (uint8_t)zone;
    return 0;
}

int placement_add_step(struct placement *p, const struct placement_step *s)
{
    const struct placement_step *last;

    if (p->steps == PLACEMENT_STEPS_MAX)
        return -E2BIG;
    if (s->zone >= p->zones || s->from < 0 || s->move_by < 0 || !name_fits(s->country, 2, 2))
        return -EINVAL;
    if (p->steps > 0) {
        int order;

        last = &p->step[p->steps - 1];
        order = memcmp(last->country, s->country, 2);
        if (order > 0 || (order == 0 && last->from >= s->from))
            return -EINVAL;
    }
    p->step[p->steps++] = *s;
    return 0;
}

static int put_name(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    int rc = buf_putc(b, (int)n);

    return rc != 0 ? rc : buf_put(b, s, n);
}

int placement_encode(const struct placement *p, struct buf *b)
{
    int rc;

    if ((rc = buf_putc(b, PLACEMENT_VERSION)) != 0 || (rc = buf_put_u64(b, p->serial)) != 0 ||
        (rc = buf_put(b, p->policy.b, 32)) != 0 ||
        (rc = buf_put_u64(b, (uint64_t)p->valid_from)) != 0 ||
        (rc = buf_putc(b, (int)p->zones)) != 0)
        return rc;
    for (size_t i = 0; i < p->zones; i++)
        if ((rc = put_name(b, p->zone[i])) != 0)
            return rc;
    if ((rc = buf_putc(b, (int)p->sites)) != 0)
        return rc;
    for (size_t i = 0; i < p->sites; i++)
        if ((rc = buf_putc(b, p->site[i].zone)) != 0 || (rc = put_name(b, p->site[i].name)) != 0)
            return rc;
    if ((rc = buf_put_u16(b, (uint16_t)p->steps)) != 0)
        return rc;
    for (size_t i = 0; i < p->steps; i++) {
        const struct placement_step *s = &p->step[i];

        if ((rc = buf_put(b, s->country, 2)) != 0 || (rc = buf_putc(b, s->zone)) != 0 ||
            (rc = buf_put_u64(b, (uint64_t)s->from)) != 0 ||
            (rc = buf_put_u64(b, (uint64_t)s->move_by)) != 0)
            return rc;
    }
    return 0;
}

static int take_name(struct cur *c, char *out, size_t cap)
{
    uint8_t n;
    int rc = cur_u8(c, &n);

    if (rc != 0)
        return rc;
    if (n >= cap)
        return -EBADMSG;
    out[n] = '\0';
    rc = cur_copy(c, out, n);
    return rc == 0 && memchr(out, '\0', n) != NULL ? -EBADMSG : rc;
}

static int take_names(struct placement *p, struct cur *c)
{
    uint8_t zones, sites, zone;
    char name[17];
    int rc = cur_u8(c, &zones);

    for (size_t i = 0; rc == 0 && i < zones; i++)
        if ((rc = take_name(c, name, 9)) == 0)
            rc = placement_add_zone(p, name);
    if (rc != 0 || (rc = cur_u8(c, &sites)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < sites; i++)
        if ((rc = cur_u8(c, &zone)) == 0 && (rc = take_name(c, name, sizeof(name))) == 0)
            rc = placement_add_site(p, name, zone);
    return rc;
}

static int take_steps(struct placement *p, struct cur *c)
{
    uint16_t steps;
    int rc = cur_u16(c, &steps);

    for (size_t i = 0; rc == 0 && i < steps; i++) {
        struct placement_step s;
        uint64_t from, by;

        if ((rc = cur_copy(c, s.country, 2)) != 0 || (rc = cur_u8(c, &s.zone)) != 0 ||
            (rc = cur_u64(c, &from)) != 0 || (rc = cur_u64(c, &by)) != 0)
            break;
        s.from = (unix_time)from;
        s.move_by = (unix_time)by;
        rc = placement_add_step(p, &s);
    }
    return rc;
}

int placement_decode(struct span s, struct placement **out)
{
    struct placement *p;
    struct cur c = cur_of(s);
    uint8_t version;
    uint64_t from;
    int rc;

    *out = NULL;
    if ((rc = placement_new(&p)) != 0)
        return rc;
    if ((rc = cur_u8(&c, &version)) == 0 && version != PLACEMENT_VERSION)
        rc = -EBADMSG;
    if (rc == 0 && (rc = cur_u64(&c, &p->serial)) == 0 &&
        (rc = cur_copy(&c, p->policy.b, 32)) == 0 && (rc = cur_u64(&c, &from)) == 0) {
        p->valid_from = (unix_time)from;
        if ((rc = take_names(p, &c)) == 0)
            rc = take_steps(p, &c);
    }
    if (rc == 0 && c.n != 0)
        rc = -EBADMSG;
    if (rc != 0) {
        placement_free(p);
        return -EBADMSG;
    }
    *out = p;
    return 0;
}

int placement_zone(const struct placement *p, const char country[2], unix_time t)
{
    int zone = -1;

    for (size_t i = 0; i < p->steps; i++)
        if (memcmp(p->step[i].country, country, 2) == 0 && p->step[i].from <= t)
            zone = p->step[i].zone;
    return zone;
}

const char *placement_site(const struct placement *p, int zone)
{
    for (size_t i = 0; i < p->sites; i++)
        if (zone >= 0 && p->site[i].zone == zone)
            return p->site[i].name;
    return NULL;
}

int placement_zone_index(const struct placement *p, const char *zone)
{
    for (size_t i = 0; i < p->zones; i++)
        if (strcmp(p->zone[i], zone) == 0)
            return (int)i;
    return -1;
}
