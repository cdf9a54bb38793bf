/* iso9660_priv.h - images of ISO 9660 (ECMA-119) with Rock Ridge (SUSP 1.12, RRIP 1.12), Joliet and
 * El Torito.  iso9660_read.c walks one side, iso9660_susp.c reads what a record holds of Rock
 * Ridge, iso9660_fields.c compares two records, iso9660_rock.c their Rock Ridge, iso9660_volume.c
 * descriptors and path tables, iso9660_boot.c the boot catalog; iso9660.c is the format. */
#ifndef COMPARE_ISO9660_PRIV_H
#define COMPARE_ISO9660_PRIV_H

#include "compare/look.h"

#define ISO_SECTOR 2048u
#define ISO_SYSTEM (16 * ISO_SECTOR) /* what belongs to whoever boots from it */
#define ISO_VOLUMES 32u
#define ISO_TREES 4u
#define ISO_DEPTH 64u
#define ISO_ROOT 34u      /* bytes of the record of a root in its descriptor */
#define ISO_FIELDS 256u   /* of one record, with what continues it */
#define ISO_CONTINUED 16u /* areas that continue one record */

enum iso_kind { ISO_FILE, ISO_DIR, ISO_MOVED, ISO_SELF, ISO_PARENT };

enum iso_leads { /* where "." and ".." lead, and what was moved */
                 ISO_ELSEWHERE,
                 ISO_RIGHT,
                 ISO_ITSELF /* ".." to the folder it lies in, as one maker writes all of Joliet */
};

struct iso_record {
    struct look_range at, name, use; /* all of it; its identifier; what is behind that */
    struct look_range data;          /* the content, with the first record of a file */
    char *path;                      /* from the root; by Rock Ridge where that names it */
    enum iso_kind kind;
    uint32_t extent, size;
    uint32_t home, home_n, above; /* the folder it lies in, and the one above that */
    enum iso_leads leads;
};

struct iso_dir { /* as the path tables should have it */
    uint32_t extent, size, above;
    struct look_range name;
};

struct iso_tree {
    uint64_t volume; /* place of its descriptor */
    bool joliet, rock;
    uint8_t skip; /* bytes before the fields of Rock Ridge */
    struct iso_record *v;
    size_t n, room;
    struct iso_dir *dir; /* by extent, once read */
    size_t dirs, dirs_room;
    struct look_range table[4]; /* L, another L, M, another M */
    bool tables_right;
};

struct iso_ranges {
    struct look_range *v;
    size_t n, room;
};

struct iso_side {
    struct look *l;
    struct span s;
    uint64_t volume[ISO_VOLUMES];
    size_t volumes;
    struct iso_tree tree[ISO_TREES];
    size_t trees;
    uint64_t end; /* of the volume */
    struct look_range catalog;
    uint64_t charged, listed, continued;
    struct iso_ranges known; /* all that has a meaning: what is between is padding, or nobody's */
};

struct iso_led { /* two files that are compared with one another */
    struct look_range a, b;
    size_t ia, ib;
};

struct iso {
    struct look *l;
    struct iso_side d[2];
    struct iso_led *led; /* by place, once the first tree is compared */
    size_t leds;
    uint64_t spent;
    size_t places, own; /* differences that are told once for all */
};

struct iso_fields {
    struct look_range v[ISO_FIELDS];
    size_t n;
    struct look_range rest[ISO_CONTINUED + 1]; /* behind the fields of each area */
    size_t rests;
};

/* --- iso9660_read.c --- */
uint16_t iso9660_u16(const uint8_t *p);
uint32_t iso9660_u32(const uint8_t *p);
/* A number that is written twice; false: the two are not one. */
bool iso9660_both16(const uint8_t *p, uint32_t *v);
bool iso9660_both32(const uint8_t *p, uint32_t *v);
bool iso9660_inside(const struct iso_side *d, struct look_range r);
/* 0, -ENOMEM, or -E2BIG: more than may be held. */
MUST_CHECK int iso9660_range(struct iso_side *d, struct iso_ranges *to, struct look_range r);
MUST_CHECK int iso9660_know(struct iso_side *d, struct look_range r);
/* 0, -ENOMEM, or -EBADMSG with *why. */
MUST_CHECK int iso9660_read(struct iso_side *d, const char **why);
void iso9660_free(struct iso_side *d);
const struct iso_dir *iso9660_find_dir(const struct iso_tree *t, uint32_t extent);

/* --- iso9660_susp.c --- */
struct iso_rock { /* what Rock Ridge says of a record */
    char name[1024];
    size_t name_n;
    bool named, moved;      /* moved: it is reached from elsewhere (RE) */
    uint32_t child, parent; /* CL, PL; 0: none */
};
/* All fields of a record; NULL, or why not. */
const char *iso9660_fields(const struct iso_side *d, struct look_range use, struct iso_fields *out);
bool iso9660_field_is(const struct iso_side *d, struct look_range f, const char *mark);
const char *iso9660_rock(const struct iso_side *d, const struct iso_fields *f,
                         struct iso_rock *out);
/* Joliet's letters as UTF-8; false: it does not fit. */
bool iso9660_joliet(struct span name, char *out, size_t room);

/* --- iso9660_fields.c, iso9660_rock.c --- */
/* Claims a pair; what is quiet and mild is told for all of them at the end. */
MUST_CHECK int iso9660_say(struct iso *x, bool quiet, struct look_range a, struct look_range b,
                           enum compare_class class, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* The same of a field that each record has: "the WHAT of "PATH": VALUES". */
MUST_CHECK int iso9660_field(struct iso *x, bool quiet, struct look_range a, struct look_range b,
                             enum compare_class class, const char *what, const char *path,
                             const char *values);
/* What has no fields; bytes at both ends that are equal are left out of the difference. */
MUST_CHECK int iso9660_raw(struct iso *x, struct look_range a, struct look_range b,
                           const char *what);
struct look_range iso9660_sub(struct look_range r, uint64_t at, uint64_t n);
const uint8_t *iso9660_at(const struct iso *x, int side, struct look_range r);
bool iso9660_zero(const struct iso *x, int side, struct look_range r);
MUST_CHECK int iso9660_record_compare(struct iso *x, size_t tree, const struct iso_record *a,
                                      const struct iso_record *b);
MUST_CHECK int iso9660_rock_compare(struct iso *x, bool quiet, const struct iso_record *a,
                                    const struct iso_record *b);

/* --- iso9660_volume.c --- */
/* Whether the path tables say what the folders say. */
MUST_CHECK int iso9660_tables_check(struct iso_side *d, struct iso_tree *t);
MUST_CHECK int iso9660_volumes_compare(struct iso *x);

/* --- iso9660_boot.c --- */
void iso9660_catalog_find(struct iso_side *d, uint64_t volume);
MUST_CHECK int iso9660_boot_compare(struct iso *x);
/* Whether files that begin at these places were compared with one another. */
bool iso9660_led(const struct iso *x, uint64_t a, uint64_t b);

#endif
