/* java_code.c - instructions of the Java machine and their operands (JVMS chapter 6). */
#include <string.h>

#include "compare/java_priv.h"

/* Operands, for each opcode from 0 on: . none; b a byte; s two; c, C a constant (1, 2 bytes); l a
 * local variable; i iinc; j, J a jump (2, 4 bytes); t tableswitch; L lookupswitch; I
 * invokeinterface; D invokedynamic; M multianewarray; w wide. */
static const char operands[] = "................" /* 0x00 */
                               "bscCC"
                               "lllll"
                               "......"           /* 0x10 */
                               "................" /* 0x20 */
                               "......"
                               "lllll"
                               "....." /* 0x30 */
                               "................"
                               "................" /* 0x40 */
                               "................"
                               "................" /* 0x60 */
                               "....i..........."
                               ".........jjjjjjj" /* 0x80 */
                               "jjjjjjjjj"
                               "l"
                               "tL"
                               "...." /* 0xa0 */
                               ".."
                               "CCCCCCC"
                               "ID"
                               "CbC"
                               "..CC.." /* 0xb0 */
                               "wM"
                               "jj"
                               "JJ"; /* 0xc4 */
static const char *const mnemonics[] = {"nop",           "aconst_null",  "iconst_m1",
                                        "iconst_0",      "iconst_1",     "iconst_2",
                                        "iconst_3",      "iconst_4",     "iconst_5",
                                        "lconst_0",      "lconst_1",     "fconst_0",
                                        "fconst_1",      "fconst_2",     "dconst_0",
                                        "dconst_1",      "bipush",       "sipush",
                                        "ldc",           "ldc_w",        "ldc2_w",
                                        "iload",         "lload",        "fload",
                                        "dload",         "aload",        "iload_0",
                                        "iload_1",       "iload_2",      "iload_3",
                                        "lload_0",       "lload_1",      "lload_2",
                                        "lload_3",       "fload_0",      "fload_1",
                                        "fload_2",       "fload_3",      "dload_0",
                                        "dload_1",       "dload_2",      "dload_3",
                                        "aload_0",       "aload_1",      "aload_2",
                                        "aload_3",       "iaload",       "laload",
                                        "faload",        "daload",       "aaload",
                                        "baload",        "caload",       "saload",
                                        "istore",        "lstore",       "fstore",
                                        "dstore",        "astore",       "istore_0",
                                        "istore_1",      "istore_2",     "istore_3",
                                        "lstore_0",      "lstore_1",     "lstore_2",
                                        "lstore_3",      "fstore_0",     "fstore_1",
                                        "fstore_2",      "fstore_3",     "dstore_0",
                                        "dstore_1",      "dstore_2",     "dstore_3",
                                        "astore_0",      "astore_1",     "astore_2",
                                        "astore_3",      "iastore",      "lastore",
                                        "fastore",       "dastore",      "aastore",
                                        "bastore",       "castore",      "sastore",
                                        "pop",           "pop2",         "dup",
                                        "dup_x1",        "dup_x2",       "dup2",
                                        "dup2_x1",       "dup2_x2",      "swap",
                                        "iadd",          "ladd",         "fadd",
                                        "dadd",          "isub",         "lsub",
                                        "fsub",          "dsub",         "imul",
                                        "lmul",          "fmul",         "dmul",
                                        "idiv",          "ldiv",         "fdiv",
                                        "ddiv",          "irem",         "lrem",
                                        "frem",          "drem",         "ineg",
                                        "lneg",          "fneg",         "dneg",
                                        "ishl",          "lshl",         "ishr",
                                        "lshr",          "iushr",        "lushr",
                                        "iand",          "land",         "ior",
                                        "lor",           "ixor",         "lxor",
                                        "iinc",          "i2l",          "i2f",
                                        "i2d",           "l2i",          "l2f",
                                        "l2d",           "f2i",          "f2l",
                                        "f2d",           "d2i",          "d2l",
                                        "d2f",           "i2b",          "i2c",
                                        "i2s",           "lcmp",         "fcmpl",
                                        "fcmpg",         "dcmpl",        "dcmpg",
                                        "ifeq",          "ifne",         "iflt",
                                        "ifge",          "ifgt",         "ifle",
                                        "if_icmpeq",     "if_icmpne",    "if_icmplt",
                                        "if_icmpge",     "if_icmpgt",    "if_icmple",
                                        "if_acmpeq",     "if_acmpne",    "goto",
                                        "jsr",           "ret",          "tableswitch",
                                        "lookupswitch",  "ireturn",      "lreturn",
                                        "freturn",       "dreturn",      "areturn",
                                        "return",        "getstatic",    "putstatic",
                                        "getfield",      "putfield",     "invokevirtual",
                                        "invokespecial", "invokestatic", "invokeinterface",
                                        "invokedynamic", "new",          "newarray",
                                        "anewarray",     "arraylength",  "athrow",
                                        "checkcast",     "instanceof",   "monitorenter",
                                        "monitorexit",   "wide",         "multianewarray",
                                        "ifnull",        "ifnonnull",    "goto_w",
                                        "jsr_w"};

_Static_assert(sizeof(operands) - 1 == 0xca && ARRAY_LEN(mnemonics) == 0xca, "0 to jsr_w");

const char *java_mnemonic(uint8_t op)
{
    return op < ARRAY_LEN(mnemonics) ? mnemonics[op] : NULL;
}

char java_operand(uint8_t op)
{
    return op < sizeof(operands) - 1 ? operands[op] : '\0';
}

/* A switch: padding, and so many words. */
static void table(struct java_items *o, bool by_range)
{
    const uint64_t pad = 3 - (o->at - o->code) % 4, at = o->at + 1 + pad;
    uint64_t n = java_get(o->f, at + 4, 4), high = java_get(o->f, at + 8, 4);

    if (by_range) { /* from n up to high, as signed numbers */
        n ^= 0x80000000u;
        high ^= 0x80000000u;
        if (high < n) {
            o->bad = true;
            return;
        }
        n = 3 + (high - n + 1);
    } else {
        if (n > 0x7fffffffu) {
            o->bad = true;
            return;
        }
        n = 2 + 2 * n;
    }
    java_raw(o, 1 + pad + 4 * n);
}

static void with_ref(struct java_items *o, unsigned n, unsigned behind)
{
    java_raw(o, 1);
    java_ref(o, n);
    java_raw(o, behind);
}

static void one(struct java_items *o)
{
    const uint8_t op = (uint8_t)java_get(o->f, o->at, 1);

    switch (java_operand(op)) {
    case '.':
        java_raw(o, 1);
        break;
    case 'b':
    case 'l':
        java_raw(o, 2);
        break;
    case 's':
    case 'i':
    case 'j':
        java_raw(o, 3);
        break;
    case 'J':
        java_raw(o, 5);
        break;
    case 'c':
    case 'C':
        with_ref(o, java_operand(op) == 'c' ? 1 : 2, 0);
        break;
    case 'I':
    case 'D':
        with_ref(o, 2, 2);
        break;
    case 'M':
        with_ref(o, 2, 1);
        break;
    case 't':
    case 'L':
        table(o, java_operand(op) == 't');
        break;
    case 'w':
        java_raw(o, java_get(o->f, o->at + 1, 1) == 0x84 ? 6 : 4);
        break;
    default:
        o->bad = true;
    }
}

void java_code(struct java_items *o, uint64_t n)
{
    const uint64_t outer = o->end;

    o->code = o->at;
    o->end = o->at + n;
    while (!o->bad && o->at < o->end) {
        java_begin(o);
        one(o);
    }
    o->end = outer;
}
