#include "residency/placement.h"

#include <errno.h>
#include <string.h>

#include "events/country.h"

static int add_zones(struct placement *out, const struct policy *p, struct err *e)
{
    const char *zone, *site;
    int rc;

    for (size_t z = 0; (zone = policy_zone_name(p, z)) != NULL; z++) {
        if ((rc = placement_add_zone(out, zone)) != 0)
            return err_set(e, rc, "a site takes policies of at most %d zones", PLACEMENT_ZONES_MAX);
        for (size_t i = 0; (site = policy_site_name(p, zone, i)) != NULL; i++)
            if ((rc = placement_add_site(out, site, z)) != 0)
                return err_set(e, rc, "a site takes policies of at most %d sites",
                               PLACEMENT_SITES_MAX);
    }
    return 0;
}

static int add_timeline(struct placement *out, const struct policy *p, const char *code)
{
    struct placement_step step;
    struct policy_step entry;
    int rc;

    for (size_t i = 0; policy_step(p, code, i, &entry); i++) {
        memcpy(step.country, code, 2);
        step.zone = (uint8_t)placement_zone_index(out, entry.zone);
        step.from = entry.from;
        step.move_by = entry.move_by;
        if ((rc = placement_add_step(out, &step)) != 0)
            return rc;
    }
    return 0;
}

int placement_policy(const struct policy *p, const struct digest *doc, struct placement **out,
                     struct err *e)
{
    struct placement *made;
    int rc;

    *out = NULL;
    if ((rc = placement_new(&made)) != 0)
        return err_sys(e, rc, "making the placement table");
    made->serial = policy_serial(p);
    made->policy = *doc;
    made->valid_from = policy_valid_from(p);
    rc = add_zones(made, p, e);
    /* country_table ascends, and so does each timeline */
    for (size_t c = 0; c < COUNTRY_COUNT && rc == 0; c++)
        if ((rc = add_timeline(made, p, country_table[c].code)) != 0)
            rc = err_set(e, rc, "a site takes policies of at most %d changes of place",
                         PLACEMENT_STEPS_MAX);
    if (rc != 0) {
        placement_free(made);
        return rc;
    }
    *out = made;
    return 0;
}
