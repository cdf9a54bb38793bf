/* rpm_tags.c - what a difference in each tag would be.  A tag that is not here is unexplained. */
#include "compare/rpm_priv.h"

#define UNEXPLAINED COMPARE_UNEXPLAINED

static const struct known {
    uint32_t tag;
    struct rpm_kind kind;
} in_main[] = {
    {RPM_REGION, {"region", UNEXPLAINED, rpm_is_region, COMPARE_DERIVED, NULL}},
    {RPM_NAME, {"name", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1001, {"version", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1002, {"release", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {RPM_BUILDTIME, {"time of the build", COMPARE_METADATA, NULL, COMPARE_METADATA, NULL}},
    {RPM_BUILDHOST, {"host of the build", COMPARE_METADATA, NULL, COMPARE_METADATA, NULL}},
    {RPM_SIZE, {"size of all files", UNEXPLAINED, rpm_is_sum_of_sizes, COMPARE_DERIVED, NULL}},
    {1023, {"script before installing", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1024, {"script behind installing", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1025, {"script before removing", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1026, {"script behind removing", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {RPM_FILESIZES,
     {"size of a file", UNEXPLAINED, rpm_is_file_size, COMPARE_DERIVED, rpm_differs_file}},
    {RPM_FILEMODES, {"mode of a file", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1033, {"device of a file", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {RPM_FILEMTIMES, {"mtime of a file", COMPARE_METADATA, NULL, COMPARE_METADATA, NULL}},
    {RPM_FILEDIGESTS,
     {"digest of a file", UNEXPLAINED, rpm_is_file_digest, COMPARE_DERIVED, rpm_differs_file}},
    {1036, {"link of a file", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1037, {"flags of a file", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {RPM_FILEUSERS, {"owner of a file", UNEXPLAINED, rpm_is_mere_owner, COMPARE_METADATA, NULL}},
    {RPM_FILEGROUPS, {"group of a file", UNEXPLAINED, rpm_is_mere_owner, COMPARE_METADATA, NULL}},
    {1044, {"source package", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1047, {"provided names", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1049, {"required names", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {1064, {"version of rpm", UNEXPLAINED, NULL, UNEXPLAINED, NULL}},
    {RPM_COOKIE,
     {"cookie (host and time of the build)", COMPARE_METADATA, NULL, COMPARE_METADATA, NULL}},
    {RPM_PAYLOADFLAGS,
     {"level of compression", UNEXPLAINED, rpm_is_level, COMPARE_SAME_CONTENT, NULL}},
    {RPM_PAYLOADDIGEST,
     {"digest of the payload", UNEXPLAINED, rpm_is_payload_digest, COMPARE_DERIVED,
      rpm_differs_payload}},
    {RPM_PAYLOADDIGESTALT,
     {"digest of what the payload expands to", UNEXPLAINED, rpm_is_plain_digest, COMPARE_DERIVED,
      rpm_differs_plain}},
};

static const struct known in_sig[] = {
    {RPM_REGION_SIG, {"region", UNEXPLAINED, rpm_is_region, COMPARE_DERIVED, NULL}},
    {RPM_SIG_DSA, {"signature (DSA)", UNEXPLAINED, rpm_is_signature, COMPARE_SIGNATURE, NULL}},
    {RPM_SIG_RSA, {"signature (RSA)", UNEXPLAINED, rpm_is_signature, COMPARE_SIGNATURE, NULL}},
    {RPM_SIG_SHA1,
     {"SHA-1 of the header", UNEXPLAINED, rpm_is_sha1, COMPARE_DERIVED, rpm_differs_header}},
    {RPM_SIG_SHA256,
     {"SHA-256 of the header", UNEXPLAINED, rpm_is_sha256, COMPARE_DERIVED, rpm_differs_header}},
    {RPM_SIG_OPENPGP,
     {"signature (OpenPGP)", UNEXPLAINED, rpm_is_armored, COMPARE_SIGNATURE, NULL}},
    {RPM_SIG_SIZE, {"size of header and payload", UNEXPLAINED, rpm_is_size, COMPARE_DERIVED, NULL}},
    {RPM_SIG_PGP, {"signature (PGP)", UNEXPLAINED, rpm_is_signature, COMPARE_SIGNATURE, NULL}},
    {RPM_SIG_MD5,
     {"MD5 of header and payload", UNEXPLAINED, rpm_is_md5, COMPARE_DERIVED, rpm_differs_signed}},
    {RPM_SIG_GPG, {"signature (GPG)", UNEXPLAINED, rpm_is_signature, COMPARE_SIGNATURE, NULL}},
    {RPM_SIG_PAYLOADSIZE,
     {"size of what the payload expands to", UNEXPLAINED, rpm_is_plain_size, COMPARE_DERIVED,
      NULL}},
    {RPM_SIG_RESERVED, {"reserved space", UNEXPLAINED, rpm_is_zero, COMPARE_SAME_CONTENT, NULL}},
};

struct rpm_kind rpm_kind_of(bool sig, uint32_t tag)
{
    const struct known *k = sig ? in_sig : in_main;
    size_t n = sig ? ARRAY_LEN(in_sig) : ARRAY_LEN(in_main);

    for (size_t i = 0; i < n; i++)
        if (k[i].tag == tag)
            return k[i].kind;
    return (struct rpm_kind){NULL, UNEXPLAINED, NULL, UNEXPLAINED, NULL};
}
