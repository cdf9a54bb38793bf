/* java_show.c - constants, entries of tables and instructions, as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare/java_priv.h"
#include "compare/plain.h"

static const char *utf8(char out[JAVA_TEXT], const struct java *f, uint64_t index, bool quotes)
{
    char text[PLAIN_SHOWN];

    plain_show(text, java_utf8(f, (unsigned)index), 0, quotes);
    (void)snprintf(out, JAVA_TEXT, "%.100s", text);
    return out;
}

static uint64_t part(const struct java *f, uint64_t index, unsigned at)
{
    return index < f->constants ? java_get(f, f->constant[index].at.at + at, 2) : 0;
}

/* Class.name:descriptor */
static void member(char out[JAVA_TEXT], const struct java *f, uint64_t in, uint64_t name_and_type)
{
    char text[3][JAVA_TEXT];

    (void)snprintf(out, JAVA_TEXT, "%.40s%s%.40s:%.36s",
                   in == 0 ? "" : utf8(text[0], f, part(f, in, 1), false), in == 0 ? "" : ".",
                   utf8(text[1], f, part(f, name_and_type, 1), false),
                   utf8(text[2], f, part(f, name_and_type, 3), false));
}

const char *java_show_constant(char out[JAVA_TEXT], const struct java *f, unsigned index)
{
    const struct java_constant *c = &f->constant[index < f->constants ? index : 0];
    const uint64_t at = c->at.at;

    switch ((enum java_tag)c->tag) {
    case JAVA_UTF8:
        return utf8(out, f, index, true);
    case JAVA_STRING:
        return utf8(out, f, part(f, index, 1), true);
    case JAVA_CLASS:
    case JAVA_METHOD_TYPE:
    case JAVA_MODULE:
    case JAVA_PACKAGE:
        return utf8(out, f, part(f, index, 1), false);
    case JAVA_INTEGER:
        (void)snprintf(out, JAVA_TEXT, "%" PRId32, (int32_t)java_get(f, at + 1, 4));
        break;
    case JAVA_LONG:
        (void)snprintf(out, JAVA_TEXT, "%" PRId64, (int64_t)java_get(f, at + 1, 8));
        break;
    case JAVA_FLOAT:
    case JAVA_DOUBLE:
        (void)snprintf(out, JAVA_TEXT, "real number 0x%" PRIx64,
                       java_get(f, at + 1, (unsigned)c->at.n - 1));
        break;
    case JAVA_FIELD:
    case JAVA_METHOD:
    case JAVA_INTERFACE_METHOD:
        member(out, f, part(f, index, 1), part(f, index, 3));
        break;
    case JAVA_NAME_AND_TYPE:
        member(out, f, 0, index);
        break;
    case JAVA_DYNAMIC:
    case JAVA_INVOKE_DYNAMIC:
        member(out, f, 0, part(f, index, 3));
        break;
    case JAVA_METHOD_HANDLE:
        (void)snprintf(out, JAVA_TEXT, "handle of constant %" PRIu64, java_get(f, at + 2, 2));
        break;
    default:
        (void)snprintf(out, JAVA_TEXT, "nothing");
    }
    return out;
}

static size_t add(char out[JAVA_TEXT], size_t at, const char *text)
{
    int n = snprintf(out + at, JAVA_TEXT - at, "%s%s", at > 0 ? " " : "", text);

    return n < 0 || (size_t)n >= JAVA_TEXT - at ? JAVA_TEXT - 1 : at + (size_t)n;
}

static size_t add_token(char out[JAVA_TEXT], size_t at, const struct java_items *o,
                        const struct java_token *t)
{
    char text[JAVA_TEXT];

    if (t->ref)
        return add(out, at, t->index == 0 ? "0" : java_show_constant(text, o->f, t->index));
    if (t->n > 4)
        (void)snprintf(text, sizeof(text), "%" PRIu32 " bytes", t->n);
    else
        (void)snprintf(text, sizeof(text), "%" PRIu64, java_get(o->f, t->at, t->n));
    return add(out, at, text);
}

static int64_t number(const struct java *f, uint64_t at, unsigned n)
{
    const uint64_t sign = UINT64_C(1) << (8 * n - 1);

    return (int64_t)((java_get(f, at, n) ^ sign) - sign);
}

/* What stands behind the opcode at at, if it is no constant. */
static void operand(char text[JAVA_TEXT], const struct java_items *o, uint64_t at)
{
    const struct java *f = o->f;
    const char how = java_operand((uint8_t)java_get(f, at, 1));
    const int64_t pc = (int64_t)(at - o->code);

    text[0] = '\0';
    if (how == 'b')
        (void)snprintf(text, JAVA_TEXT, "%" PRId64, number(f, at + 1, 1));
    else if (how == 's')
        (void)snprintf(text, JAVA_TEXT, "%" PRId64, number(f, at + 1, 2));
    else if (how == 'l')
        (void)snprintf(text, JAVA_TEXT, "%" PRIu64, java_get(f, at + 1, 1));
    else if (how == 'i')
        (void)snprintf(text, JAVA_TEXT, "%" PRIu64 " %" PRId64, java_get(f, at + 1, 1),
                       number(f, at + 2, 1));
    else if (how == 'j' || how == 'J')
        (void)snprintf(text, JAVA_TEXT, "%" PRId64, pc + number(f, at + 1, how == 'j' ? 2 : 4));
}

static const char *instruction(char out[JAVA_TEXT], const struct java_items *o, size_t i)
{
    const size_t from = o->start[i], to = i + 1 < o->items ? o->start[i + 1] : o->n;
    const char *name = java_mnemonic((uint8_t)java_get(o->f, o->v[from].at, 1));
    char text[JAVA_TEXT];
    size_t at = add(out, 0, name == NULL ? "?" : name);

    operand(text, o, o->v[from].at);
    if (text[0] != '\0')
        at = add(out, at, text);
    for (size_t k = from + 1; k < to; k++)
        if (o->v[k].ref)
            at = add_token(out, at, o, &o->v[k]);
    return out;
}

const char *java_show_item(char out[JAVA_TEXT], const struct java_items *o, size_t i, bool is_code)
{
    size_t at = 0;

    out[0] = '\0';
    if (i >= o->items || java_item(o, i).n == 0)
        return memcpy(out, "nothing", sizeof("nothing"));
    if (is_code)
        return instruction(out, o, i);
    for (size_t k = o->start[i]; k < (i + 1 < o->items ? o->start[i + 1] : o->n); k++)
        at = add_token(out, at, o, &o->v[k]);
    return out;
}
