/* formats.c - the formats that are known, the most telling first.  One file a format; this table is
 * all that knows of them. */
#include "compare/plain.h"

extern const struct look_format x509_format, pem_format;
extern const struct look_format java_format;
extern const struct look_format elf_format, json_format, pe_format;
extern const struct look_format tar_format, ar_format, deb_format, md5sums_format;
extern const struct look_format gzip_format, xz_format, bzip2_format, zstd_format, lz4_format;
extern const struct look_format lzma_format;
extern const struct look_format cpio_format, rpm_format, squashfs_format;
extern const struct look_format zip_format;
extern const struct look_format iso9660_format;
extern const struct look_format sqlite_format;
extern const struct look_format packed_format; /* two of different compressors */

/* One a line, so that two hands do not meet. */
/* clang-format off */
/* One a line, so that two hands do not meet. */
/* clang-format off */
const struct look_format *const formats_table[] = {
    &elf_format,
    &pe_format,
    &iso9660_format,
    &tar_format,
    &cpio_format,
    &deb_format,
    &ar_format,
    &rpm_format,
    &squashfs_format,
    &sqlite_format,
    &zip_format,
    &gzip_format,
    &xz_format,
    &bzip2_format,
    &zstd_format,
    &lz4_format,
    &lzma_format,
    &packed_format, /* behind those of one compressor */
    &md5sums_format,
    &java_format,
    &x509_format,
    &pem_format,
    &json_format,
    &plain_format,
    NULL};
/* clang-format on */
const struct look_format *const formats_streamed[] = {&tar_format, &cpio_format, NULL};
