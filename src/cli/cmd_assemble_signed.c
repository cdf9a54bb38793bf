/* `glarus assemble signed`: what was built has been signed since, by a key that the build has not;
 * its provenance, about the signed files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "assembler/provenance.h"
#include "assembler/signed.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "people/dsse.h"

struct asked {
    const char *built, *key, *out;
};

/* One signed file: it is what the provenance has been about, and a signature. */
static int add(struct signed_statement *s, const struct asked *a, const char *file, struct err *e)
{
    const char *slash = strrchr(file, '/'), *name;
    char built[4096], with[4096];
    struct digest was, is;
    bool identical;
    uint64_t size;
    int rc;

    if ((rc = signed_subject(s, slash != NULL ? slash + 1 : file, &name, e)) != 0)
        return rc;
    if (snprintf(built, sizeof(built), "%s/%s", a->built, name) >= (int)sizeof(built) ||
        snprintf(with, sizeof(with), "%s.with-signature", a->out) >= (int)sizeof(with))
        return err_set(e, -EINVAL, "a folder's name is too long");
    if ((rc = cmd_assemble_hash(built, &was, &size, e)) != 0 ||
        (rc = cmd_assemble_hash(file, &is, &size, e)) != 0 ||
        (rc = cmd_assemble_transplanted(file, built, with, &identical, e)) != 0)
        return rc;
    if (!identical)
        return err_set(e, -EBADMSG,
                       "\"%s\" is not \"%s\" and a signature; \"glarus assemble transplant\" says "
                       "what differs",
                       file, built);
    if ((rc = signed_replace(s, name, &was, &is, e)) == 0)
        (void)printf("%s: what was built, signed\n", file);
    return rc;
}

static int put(const struct signed_statement *s, const struct asked *a, struct err *e)
{
    struct dsse *env = NULL;
    struct buf text, bytes;
    int rc;

    buf_init(&text, DSSE_MAX_PAYLOAD);
    buf_init(&bytes, DSSE_MAX_BYTES);
    if ((rc = signed_write(s, &text)) != 0 ||
        (rc = dsse_new(&env, PROVENANCE_TYPE, buf_span(&text))) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", a->out);
    else if ((rc = document_add_signature(env, a->key, a->out, e)) == 0 &&
             (rc = dsse_write(env, &bytes)) == 0)
        rc = cmd_assemble_store(a->out, &bytes, e);
    dsse_free(env);
    buf_free(&text);
    buf_free(&bytes);
    return rc;
}

static const struct option signed_options[] = {{"built", required_argument, NULL, 'b'},
                                               {"key", required_argument, NULL, 'k'},
                                               {"out", required_argument, NULL, 'o'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int assemble_signed(const struct command *c, int argc, char **argv)
{
    struct asked a = {.built = NULL};
    struct signed_statement *s = NULL;
    struct err e = ERR_INIT;
    struct buf text;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "b:k:o:h", signed_options)) != -1)
        *(o == 'b' ? &a.built : o == 'k' ? &a.key : &a.out) = optarg;
    if (argc - optind < 2 || a.built == NULL || a.key == NULL || a.out == NULL)
        return cli_usage(c, "name the build's provenance, the signed files, --built, --key and "
                            "--out");
    if ((rc = cmd_assemble_read(argv[optind], &text, &e)) == 0 &&
        (rc = signed_open(&s, buf_span(&text), &e)) != 0)
        (void)err_prefix(&e, "\"%s\"", argv[optind]);
    for (int i = optind + 1; rc == 0 && i < argc; i++)
        rc = add(s, &a, argv[i], &e);
    if (rc == 0)
        rc = put(s, &a, &e);
    signed_free(s);
    buf_free(&text);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_assemble_signed[] = {
    {"assemble signed", "the provenance of what was signed after it was built",
     "PROVENANCE SIGNED... --built FOLDER --key KEY --out ENVELOPE",
     "  -b, --built FOLDER   what was built: the build's outputs/\n"
     "  -k, --key KEY        signs the provenance (a file, or a token's pkcs11: URI)\n"
     "  -o, --out ENVELOPE   the provenance, about the signed files\n\n"
     "PROVENANCE is the build's provenance.json.  Each signed file must be what was built, to the\n"
     "byte, and a signature, as \"assemble transplant\" knows them; files that are not named stay "
     "as\n"
     "they were.  What was built becomes a byproduct.\n\n"
     "Example: glarus assemble signed made/provenance.json app.exe --built made/outputs \\\n"
     "    --key builder.pem --out provenance.dsse\n",
     assemble_signed},
    {NULL, NULL, NULL, NULL, NULL}};
