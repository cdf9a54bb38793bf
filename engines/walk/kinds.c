#include "kinds.h"

#include <errno.h>
#include <magic.h>
#include <string.h>

/* How libmagic's descriptions begin.  others: ClamAV opens these. */
static const struct kind {
    const char *begins;
    bool others;
} kinds[] = {
    {"ACE archive", false},
    {"ALZ archive", true},
    {"Android sparse image", false},
    {"Apple HFS", true},
    {"Apple Partition data", true},
    {"ARC archive", false},
    {"ARJ archive", true},
    {"AFX compressed", false},
    {"BlakHole", false},
    {"BTRFS Filesystem", false},
    {"Compressed ROMFS", false},
    {"DMS archive", false},
    {"EGG archive", true},
    {"F2FS filesystem", false},
    {"Freeze archive", false},
    {"HPACK archive", false},
    {"InnoSetup", false},
    {"InstallShield CAB", true},
    {"JAR compressed with pack200", false},
    {"JFS2 filesystem", false},
    {"Linux Compressed ROM File System", false},
    {"Linux jffs2", false},
    {"Linux rev", false}, /* ext2, ext3, ext4 */
    {"LRZIP compressed", false},
    {"lzop compressed", false},
    {"lzfse", false},
    {"Microsoft Disk Image", false},
    {"Microsoft Reserved", false},
    {"MS Compress archive", true},
    {"MS Windows HtmlHelp", true},
    {"NuFile archive", false},
    {"PAR archive", false},
    {"PPMD archive", false},
    {"QEMU QCOW", false},
    {"ReiserFS", false},
    {"romfs filesystem", false},
    {"SGI XFS", false},
    {"Squashfs filesystem", false},
    {"StuffIt Archive", false},
    {"Transport Neutral Encapsulation", true},
    {"UBI image", false},
    {"UBIfs", false},
    {"UHarc archive", false},
    {"UltraCompressor", false},
    {"UFS", false},
    {"VirtualBox Disk Image", false},
    {"VMware", false},
    {"Windows imaging", false},
    {"XPACK", false},
    {"YAFFS filesystem", false},
    {"zlib compressed data", false},
    {"Zoo archive", false},
    {"ZPAQ", false},
};

#define COMPRESSED "compress'd data" /* libarchive's too, if it is sound */
#define SECTOR 2048u
#define VOLUMES 16u     /* sectors before the volume recognition sequence */
#define VOLUMES_MAX 64u /* of it */

static magic_t magic;

int kinds_load(struct err *e)
{
    /* the data's own patterns only: neither text, nor inside, nor by file system */
    magic = magic_open(MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_APPTYPE |
                       MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_TEXT | MAGIC_NO_CHECK_CDF |
                       MAGIC_NO_CHECK_CSV | MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_ENCODING |
                       MAGIC_NO_CHECK_JSON);
    if (magic == NULL)
        return err_set(e, -ENOMEM, "out of memory for libmagic");
    if (magic_load(magic, NULL) != 0)
        return err_set(e, -EIO, "libmagic cannot load its database: %s", magic_error(magic));
    /* patterns with names load nothing more, but say so now rather than in the jail */
    (void)magic_buffer(magic, "hsqs", 4);
    return 0;
}

/* Plain programs are most of what is scanned, and never one of these. */
static bool plainly_another(struct span s)
{
    return s.n < 16 || memcmp(s.p, "\177ELF", 4) == 0 || memcmp(s.p, "MZ", 2) == 0 ||
           memcmp(s.p, "#!", 2) == 0 || memcmp(s.p, "\211PNG", 4) == 0;
}

/* UDF (ECMA-167, 2/9): a descriptor "NSR02" or "NSR03" in a row of them that begins at the sector
 * where ISO 9660's does, too.  An image that is both shows Windows the UDF tree, libarchive and
 * ClamAV the other. */
static bool has_udf(struct span s, bool *alone)
{
    bool iso = false;

    for (size_t i = VOLUMES; i < VOLUMES + VOLUMES_MAX && s.n >= (i + 1) * SECTOR; i++) {
        const uint8_t *id = s.p + i * SECTOR + 1;

        if (memcmp(id, "NSR02", 5) == 0 || memcmp(id, "NSR03", 5) == 0) {
            *alone = !iso;
            return true;
        }
        iso |= memcmp(id, "CD001", 5) == 0;
        if (memcmp(id, "CD001", 5) != 0 && memcmp(id, "BEA01", 5) != 0 &&
            memcmp(id, "BOOT2", 5) != 0 && memcmp(id, "TEA01", 5) != 0)
            return false;
    }
    return false;
}

bool kinds_unopened(struct span content, bool others, bool opened)
{
    bool alone = false;
    const char *text;

    /* an Apple disk image has its mark at its end */
    if (content.n >= 512 && memcmp(content.p + content.n - 512, "koly", 4) == 0)
        return !others;
    if (has_udf(content, &alone))
        return !(alone && others);
    if (plainly_another(content) ||
        (text = magic_buffer(magic, content.p, content.n < 1u << 20 ? content.n : 1u << 20)) ==
            NULL)
        return false;
    if (!opened && strncmp(text, COMPRESSED, strlen(COMPRESSED)) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(text, kinds[i].begins, strlen(kinds[i].begins)) == 0)
            return !(kinds[i].others && others);
    return false;
}
