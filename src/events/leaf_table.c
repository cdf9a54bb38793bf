/* The const tables behind leaf.h, all made from the three .def files. */
#include <errno.h>
#include <string.h>

#include "events/leaf_priv.h"

#define KIND(name, text, id) static const struct leaf_slot slots_##name[] = {
#define ONE(f) {LF_##f, LL_NONE, false},
#define OPT(f) {LF_##f, LL_NONE, true},
#define WORD(f, list) {LF_##f, LL_##list, false},
#define OPTWORD(f, list) {LF_##f, LL_##list, true},
#define END(name)                                                                                  \
    }                                                                                              \
    ;
#include "events/kinds.def"
#undef KIND
#undef ONE
#undef OPT
#undef WORD
#undef OPTWORD
#undef END

#define KIND(name, text, id) {text, LF_##id, slots_##name, ARRAY_LEN(slots_##name)},
#define ONE(f)
#define OPT(f)
#define WORD(f, list)
#define OPTWORD(f, list)
#define END(name)
const struct leaf_kind_info leaf_kinds[LEAF_KINDS] = {
#include "events/kinds.def"
};
#undef KIND
#undef ONE
#undef OPT
#undef WORD
#undef OPTWORD
#undef END

/* apart from the table, so that looking a name up touches one line of cache */
static const uint8_t kind_length[LEAF_KINDS] = {
#define KIND(name, text, id) sizeof(text) - 1,
#define ONE(f)
#define OPT(f)
#define WORD(f, list)
#define OPTWORD(f, list)
#define END(name)
#include "events/kinds.def"
#undef KIND
#undef ONE
#undef OPT
#undef WORD
#undef OPTWORD
#undef END
};

static const struct {
    const char *name;
    enum leaf_type type;
} fields[LEAF_FIELDS] = {
#define FIELD(name, text, type) {text, LT_##type},
#include "events/fields.def"
#undef FIELD
};

#define QUOTE_KIND "\""
#define QUOTE_INT ""
#define QUOTE_ID "\""
#define QUOTE_DIGEST "\""
#define QUOTE_COUNTRY "\""
#define QUOTE_MINUTE "\""
#define QUOTE_SITE "\""
#define QUOTE_ZONE "\""
#define QUOTE_KEY "\""
#define QUOTE_SIG "\""
#define QUOTE_VKEY "\""
#define QUOTE_WORD "\""
#define QUOTE_LABEL "\""
#define QUOTE_SEALED "\""
const struct leaf_key leaf_keys[LEAF_FIELDS] = {
#define FIELD(name, text, type)                                                                    \
    {",\"" text "\":" QUOTE_##type, sizeof(",\"" text "\":" QUOTE_##type) - 1},
#include "events/fields.def"
#undef FIELD
};

static const struct {
    enum leaf_list list;
    uint8_t n;
    const char *text;
} words[] = {
#define W(list, name, text) {LL_##list, sizeof(text) - 1, text},
#include "events/words.def"
#undef W
};

/* first[l] is the place of list l's first word */
enum {
#define W(list, name, text) PLACE_##list##_##name,
#include "events/words.def"
#undef W
    PLACE_END
};
static const uint8_t first[LEAF_LISTS] = {
    [LL_NONE] = PLACE_END,
    [LL_CLOSED] = PLACE_CLOSED_SUCCESSOR,
    [LL_ROLE] = PLACE_ROLE_REGISTRAR,
    [LL_SCOPES] = PLACE_SCOPES_F,
    [LL_SUBMISSION] = PLACE_SUBMISSION_FILE,
    [LL_BASIS] = PLACE_BASIS_DECLARED,
    [LL_ERASE] = PLACE_ERASE_WITHDRAWN,
    [LL_REMOVED] = PLACE_REMOVED_ERASED,
    [LL_ATTESTATION] = PLACE_ATTESTATION_FILE_OVERWRITTEN,
    [LL_VERDICT] = PLACE_VERDICT_MALICIOUS,
    [LL_REASON] = PLACE_REASON_NONE,
    [LL_MODE] = PLACE_MODE_DETECT,
    [LL_URGENT] = PLACE_URGENT_NO,
    [LL_SAME] = PLACE_SAME_NO,
    [LL_COMPARED] = PLACE_COMPARED_IDENTICAL,
    [LL_OVERRIDE] = PLACE_OVERRIDE_ALLOW,
    [LL_ASKER] = PLACE_ASKER_VENDOR,
};

const char *leaf_field_name(enum leaf_field f)
{
    return fields[f].name;
}

enum leaf_type leaf_field_type(enum leaf_field f)
{
    return fields[f].type;
}

const char *leaf_type_name(enum leaf_type t)
{
    static const char *const names[] = {"kind",   "int",  "id",    "digest", "country",
                                        "minute", "site", "zone",  "key",    "sig",
                                        "vkey",   "word", "label", "sealed"};

    return names[t];
}

const char *leaf_word_text(enum leaf_list l, size_t i)
{
    size_t at = first[l] + i;

    return at < ARRAY_LEN(words) && words[at].list == l ? words[at].text : NULL;
}

int leaf_word_of(enum leaf_list l, const uint8_t *p, size_t n)
{
    for (size_t at = first[l]; at < ARRAY_LEN(words) && words[at].list == l; at++)
        if (words[at].n == n && memcmp(words[at].text, p, n) == 0)
            return (int)(at - first[l]);
    return -ENOENT;
}

int leaf_kind_of(struct span name, enum leaf_kind *out)
{
    for (size_t k = 0; k < LEAF_KINDS; k++)
        if (kind_length[k] == name.n && memcmp(name.p, leaf_kinds[k].name, name.n) == 0) {
            *out = (enum leaf_kind)k;
            return 0;
        }
    return -ENOENT;
}

int leaf_field_of(struct span name, enum leaf_field *out)
{
    for (size_t f = 0; f < LEAF_FIELDS; f++)
        if (span_is(name, fields[f].name)) {
            *out = (enum leaf_field)f;
            return 0;
        }
    return -ENOENT;
}
