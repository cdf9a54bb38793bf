/* java_items.c - attributes as they are made (JVMS 4.7): each is described by a layout, a text:
 *
 *   1 2 4   a number of so many bytes        c   the number of a constant, or 0
 *   n[...]  a table, its length 2 bytes      b[...]  its length 1 byte
 *   *       what is left                     I   code, its length 4 bytes
 *   f       a frame of StackMapTable         e   the value of an element of an annotation
 *   @       an annotation                    t   one of a type
 *   A       attributes of a component of a record
 *
 * A part that is not read to its end by its layout is none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/java_priv.h"

#define DEPTH 32u

static const struct {
    const char *name;
    unsigned where;
    const char *layout;
} known[] = {
    {"AnnotationDefault", JAVA_OF_METHOD, "e"},
    {"BootstrapMethods", JAVA_OF_CLASS, "n[cn[c]]"},
    {"Code", JAVA_OF_METHOD, "22In[222c]"},
    {"ConstantValue", JAVA_OF_FIELD, "c"},
    {"Deprecated", JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD, ""},
    {"EnclosingMethod", JAVA_OF_CLASS, "cc"},
    {"Exceptions", JAVA_OF_METHOD, "n[c]"},
    {"InnerClasses", JAVA_OF_CLASS, "n[ccc2]"},
    {"LineNumberTable", JAVA_OF_CODE, "n[22]"},
    {"LocalVariableTable", JAVA_OF_CODE, "n[22cc2]"},
    {"LocalVariableTypeTable", JAVA_OF_CODE, "n[22cc2]"},
    {"MethodParameters", JAVA_OF_METHOD, "b[c2]"},
    {"Module", JAVA_OF_CLASS, "c2cn[c2c]n[c2n[c]]n[c2n[c]]n[c]n[cn[c]]"},
    {"ModuleMainClass", JAVA_OF_CLASS, "c"},
    {"ModulePackages", JAVA_OF_CLASS, "n[c]"},
    {"NestHost", JAVA_OF_CLASS, "c"},
    {"NestMembers", JAVA_OF_CLASS, "n[c]"},
    {"PermittedSubclasses", JAVA_OF_CLASS, "n[c]"},
    {"Record", JAVA_OF_CLASS, "n[ccA]"},
    {"RuntimeInvisibleAnnotations",
     JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD | JAVA_OF_COMPONENT, "n[@]"},
    {"RuntimeInvisibleParameterAnnotations", JAVA_OF_METHOD, "b[n[@]]"},
    {"RuntimeInvisibleTypeAnnotations",
     JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD | JAVA_OF_CODE | JAVA_OF_COMPONENT, "n[t]"},
    {"RuntimeVisibleAnnotations",
     JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD | JAVA_OF_COMPONENT, "n[@]"},
    {"RuntimeVisibleParameterAnnotations", JAVA_OF_METHOD, "b[n[@]]"},
    {"RuntimeVisibleTypeAnnotations",
     JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD | JAVA_OF_CODE | JAVA_OF_COMPONENT, "n[t]"},
    {"Signature", JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD | JAVA_OF_COMPONENT, "c"},
    {"SourceDebugExtension", JAVA_OF_CLASS, "*"},
    {"SourceFile", JAVA_OF_CLASS, "c"},
    {"StackMapTable", JAVA_OF_CODE, "n[f]"},
    {"Synthetic", JAVA_OF_CLASS | JAVA_OF_FIELD | JAVA_OF_METHOD, ""},
};

const char *java_layout(struct span name, enum java_where where)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if ((known[i].where & where) != 0 && span_is(name, known[i].name))
            return known[i].layout;
    return NULL;
}

/* --- tokens --- */

static bool room(struct java_items *o)
{
    const size_t more = o->room == 0 ? 64 : 2 * o->room;
    struct java_token *v;

    if (o->n < o->room)
        return true;
    if (!look_charge(o->l, (more - o->room) * sizeof(*v))) {
        o->bad = true;
        return false;
    }
    if ((v = reallocarray(o->v, more, sizeof(*v))) == NULL) {
        look_discharge(o->l, (more - o->room) * sizeof(*v));
        o->rc = -ENOMEM;
        o->bad = true;
        return false;
    }
    o->v = v;
    o->room = more;
    return true;
}

static void token(struct java_items *o, uint64_t n, bool ref)
{
    uint32_t index = ref ? (uint32_t)java_get(o->f, o->at, (unsigned)n) : 0;

    if (o->bad || n > o->end - o->at || n > UINT32_MAX) {
        o->bad = true;
        return;
    }
    if (ref && index != 0 && (index >= o->f->constants || o->f->constant[index].tag == 0)) {
        o->bad = true;
        return;
    }
    if (!room(o))
        return;
    o->v[o->n++] = (struct java_token){o->at, (uint32_t)n, index, ref, false};
    o->at += n;
}

void java_raw(struct java_items *o, uint64_t n)
{
    if (n > 0)
        token(o, n, false);
}

void java_ref(struct java_items *o, unsigned n)
{
    token(o, n, true);
}

void java_count(struct java_items *o, unsigned n)
{
    token(o, n, false);
    if (!o->bad)
        o->v[o->n - 1].count = true;
}

void java_begin(struct java_items *o)
{
    const size_t more = o->start_room == 0 ? 32 : 2 * o->start_room;
    size_t *v;

    if (o->bad || (o->items > 0 && o->start[o->items - 1] == o->n))
        return;
    if (o->items == o->start_room) {
        if (!look_charge(o->l, (more - o->start_room) * sizeof(*v))) {
            o->bad = true;
            return;
        }
        if ((v = reallocarray(o->start, more, sizeof(*v))) == NULL) {
            look_discharge(o->l, (more - o->start_room) * sizeof(*v));
            o->rc = -ENOMEM;
            o->bad = true;
            return;
        }
        o->start = v;
        o->start_room = more;
    }
    o->start[o->items++] = o->n;
}

/* The next number, without taking it. */
static uint64_t peek(struct java_items *o, unsigned n)
{
    if (o->bad || n > o->end - o->at) {
        o->bad = true;
        return 0;
    }
    return java_get(o->f, o->at, n);
}

/* --- what needs more than a layout --- */

static void run(struct java_items *o, const char *layout, const char *end, unsigned nested);

static void layout(struct java_items *o, const char *text)
{
    if (++o->depth > DEPTH)
        o->bad = true;
    else
        run(o, text, text + strlen(text), 2);
    o->depth--;
}

static void verification(struct java_items *o, uint64_t n)
{
    for (; n > 0 && !o->bad; n--) {
        const uint64_t tag = peek(o, 1);

        java_raw(o, 1);
        if (tag == 7)
            java_ref(o, 2);
        else if (tag == 8)
            java_raw(o, 2);
        else if (tag > 8)
            o->bad = true;
    }
}

/* JVMS 4.7.4 */
static void frame(struct java_items *o)
{
    const uint64_t type = peek(o, 1);

    java_raw(o, 1);
    if (type < 64)
        return;
    if (type < 128) {
        verification(o, 1);
    } else if (type < 247) {
        o->bad = true;
    } else if (type == 247) {
        java_raw(o, 2);
        verification(o, 1);
    } else if (type < 252) {
        java_raw(o, 2);
    } else if (type < 255) {
        java_raw(o, 2);
        verification(o, type - 251);
    } else {
        java_raw(o, 2);
        for (int i = 0; i < 2 && !o->bad; i++) {
            const uint64_t n = peek(o, 2);

            java_raw(o, 2);
            verification(o, n);
        }
    }
}

/* JVMS 4.7.16.1 */
static void element(struct java_items *o)
{
    const uint64_t tag = peek(o, 1);

    java_raw(o, 1);
    switch (tag) {
    case 'e':
        layout(o, "cc");
        break;
    case '@':
        layout(o, "@");
        break;
    case '[':
        layout(o, "n[e]");
        break;
    default:
        if (tag == 0 || strchr("BCDFIJSZsc", (int)tag) == NULL)
            o->bad = true;
        java_ref(o, 2);
    }
}

/* JVMS 4.7.20 */
static void of_type(struct java_items *o)
{
    const uint64_t target = peek(o, 1);

    java_raw(o, 1);
    if (target <= 0x01 || target == 0x16)
        java_raw(o, 1);
    else if ((target >= 0x10 && target <= 0x12) || target == 0x17 ||
             (target >= 0x42 && target <= 0x46))
        java_raw(o, 2);
    else if (target >= 0x13 && target <= 0x15)
        java_raw(o, 0);
    else if (target == 0x40 || target == 0x41)
        layout(o, "n[222]");
    else if (target >= 0x47 && target <= 0x4b)
        java_raw(o, 3);
    else
        o->bad = true;
    layout(o, "b[11]@");
}

static void attributes(struct java_items *o)
{
    uint64_t n = peek(o, 2);

    java_raw(o, 2);
    for (; n > 0 && !o->bad; n--) {
        const uint64_t name = peek(o, 2), size = (java_ref(o, 2), peek(o, 4));
        const char *how =
            o->bad ? NULL : java_layout(java_utf8(o->f, (unsigned)name), JAVA_OF_COMPONENT);
        const uint64_t outer = o->end;

        java_raw(o, 4);
        if (how == NULL || size > o->end - o->at) {
            o->bad = true;
            return;
        }
        o->end = o->at + size;
        layout(o, how);
        o->bad = o->bad || o->at != o->end;
        o->end = outer;
    }
}

static void code(struct java_items *o)
{
    const uint64_t n = peek(o, 4);

    java_count(o, 4);
    if (n > o->end - o->at)
        o->bad = true;
    else
        java_code(o, n);
}

/* --- layouts --- */

/* Behind the bracket that ends what begins at p. */
static const char *behind(const char *p)
{
    unsigned open = 1;

    for (; open > 0; p++)
        open += *p == '[' ? 1u : *p == ']' ? -1u : 0;
    return p;
}

static void single(struct java_items *o, char what)
{
    switch (what) {
    case 'c':
        java_ref(o, 2);
        break;
    case '*':
        java_raw(o, o->end - o->at);
        break;
    case 'I':
        code(o);
        break;
    case 'f':
        frame(o);
        break;
    case 'e':
        element(o);
        break;
    case '@':
        layout(o, "cn[ce]");
        break;
    case 't':
        of_type(o);
        break;
    case 'A':
        attributes(o);
        break;
    default:
        java_raw(o, (uint64_t)(what - '0'));
    }
}

/* nested: 0 outside of tables, 1 in one: there items begin. */
static void run(struct java_items *o, const char *p, const char *end, unsigned nested)
{
    while (p < end && !o->bad) {
        if (nested == 0)
            java_begin(o);
        if (*p == 'n' || *p == 'b') {
            const char *from = p + 2, *to = behind(from);
            const unsigned width = *p == 'n' ? 2 : 1;
            uint64_t n = peek(o, width);

            if (nested == 0)
                java_count(o, width);
            else
                java_raw(o, width);
            for (; n > 0 && !o->bad; n--) {
                if (nested == 0)
                    java_begin(o);
                run(o, from, to - 1, nested + 1);
            }
            p = to;
        } else {
            single(o, *p++);
        }
    }
}

bool java_items_read(struct java_items *o, const struct java *f, struct look *l,
                     struct look_range at, const char *how)
{
    *o = (struct java_items){.f = f, .l = l, .at = at.at, .end = at.at + at.n};
    run(o, how, how + strlen(how), 0);
    return !o->bad;
}

void java_items_done(struct java_items *o)
{
    look_discharge(o->l, o->room * sizeof(*o->v) + o->start_room * sizeof(*o->start));
    free(o->v);
    free(o->start);
    *o = (struct java_items){.l = o->l};
}

struct look_range java_item(const struct java_items *o, size_t i)
{
    const size_t from = o->start[i], to = i + 1 < o->items ? o->start[i + 1] : o->n;
    const uint64_t end = to < o->n ? o->v[to].at : o->at;
    const uint64_t begin = from < o->n ? o->v[from].at : o->at;

    return (struct look_range){begin, end - begin};
}
