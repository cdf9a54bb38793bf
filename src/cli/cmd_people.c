/* cmd_people.c - keys and the register of people. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/document.h"
#include "crypto/secret.h"
#include "crypto/signkey.h"

static const struct option plain[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static void tell_key(const struct ed25519_pub *pub)
{
    char b64[TEXT_BASE64_LEN(32) + 1], keyid[65];

    text_base64(b64, pub->b, 32);
    ed25519_keyid(pub, keyid);
    (void)printf("public key %s\nkeyid %s\n", b64, keyid);
}

static int make_key(const char *path, struct err *e)
{
    struct ed25519_key *k = NULL;
    struct ed25519_pub pub;
    int rc = ed25519_generate(&k);

    if (rc != 0)
        (void)err_sys(e, rc, "making a key");
    else if ((rc = ed25519_store(k, path, e)) == 0) {
        ed25519_public(k, &pub);
        tell_key(&pub);
    }
    ed25519_free(k);
    return rc;
}

/* A token makes its own keys; here it is only asked. */
static int ask_token(const char *uri, struct err *e)
{
    struct signkey *k = NULL;
    struct ed25519_pub pub;
    int rc = signkey_open(&k, uri, e);

    if (rc == 0) {
        signkey_public(k, &pub);
        tell_key(&pub);
    }
    signkey_close(k);
    return rc;
}

static int people_key_run(const struct command *c, int argc, char **argv)
{
    struct err e = ERR_INIT;
    int rc;

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    if (optind + 1 != argc)
        return cli_usage(c, "name the file the private key goes to, or the key of a token");
    rc = signkey_is_token(argv[optind]) ? ask_token(argv[optind], &e) : make_key(argv[optind], &e);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int people_id_run(const struct command *c, int argc, char **argv)
{
    struct id128 id = random_id();
    char hex[33];

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    text_id(hex, &id);
    (void)printf("%s\n", hex);
    return EXIT_HELD;
}

static int load(const char *path, struct people **out, struct digest *d, struct err *e)
{
    struct buf text;
    struct dsse *env;
    int rc = document_read(path, DOCUMENT_REGISTER, &text, &env, d, e);

    if (rc == 0)
        rc = register_parse(out, path, buf_span(&text), e);
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int people_check_run(const struct command *c, int argc, char **argv)
{
    struct people *p = NULL;
    struct digest d;
    struct err e = ERR_INIT;
    struct buf out;
    int rc;

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    if (optind + 1 != argc)
        return cli_usage(c, "name one register");
    buf_init(&out, 16 << 20);
    if ((rc = load(argv[optind], &p, &d, &e)) == 0 &&
        (rc = register_workable(p, clock_now(), &e)) == 0 &&
        (rc = register_text(p, clock_now(), &out)) == 0)
        (void)fwrite(out.data, 1, out.len, stdout);
    register_free(p);
    buf_free(&out);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int people_diff_run(const struct command *c, int argc, char **argv)
{
    struct people *a = NULL, *b = NULL;
    struct register_diff diff = {0};
    struct digest da, db;
    struct err e = ERR_INIT;
    struct buf out;
    int rc;

    while (cli_getopt(c, argc, argv, "h", plain) != -1)
        ;
    if (optind + 2 != argc)
        return cli_usage(c, "name two registers");
    buf_init(&out, 16 << 20);
    if ((rc = load(argv[optind], &a, &da, &e)) == 0 &&
        (rc = load(argv[optind + 1], &b, &db, &e)) == 0 &&
        (rc = register_diff(a, b, &diff, &e)) == 0 && (rc = register_diff_text(&diff, &out)) == 0)
        (void)fwrite(out.data, 1, out.len, stdout);
    register_diff_done(&diff);
    register_free(a);
    register_free(b);
    buf_free(&out);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static int good_register(const char *name, struct span text, struct err *e)
{
    struct people *p = NULL;
    int rc = register_parse(&p, name, text, e);

    register_free(p);
    return rc;
}

static int people_sign_run(const struct command *c, int argc, char **argv)
{
    return document_sign(c, argc, argv, DOCUMENT_REGISTER, good_register);
}

static int people_publish_run(const struct command *c, int argc, char **argv)
{
    return document_publish(c, argc, argv, DOCUMENT_REGISTER);
}

const struct command cli_people[] = {
    {"people key", "make a key pair for a person, or show the one in a token", "FILE | URI",
     "The private key goes to FILE (mode 0600), the public one to standard output.\n"
     "With a pkcs11: URI nothing is made: the token shows the public half of the key it has.\n\n"
     "Example: glarus people key anna.pem\n",
     people_key_run},
    {"people id", "draw a random identifier for a register", "", "Example: glarus people id\n",
     people_id_run},
    {"people check", "check a register and show who may do what now", "FILE",
     "Example: glarus people check register.yaml\n", people_check_run},
    {"people diff", "what a register changes", "OLD NEW",
     "Example: glarus people diff register-1.yaml register-2.yaml\n", people_diff_run},
    {"people sign", "sign a register, or add a signature to its envelope",
     "FILE --key KEY [--out FILE]",
     "  -k, --key KEY    your private key: a PEM file, or a token's pkcs11: URI\n  -o, --out FILE  "
     " where the envelope "
     "goes\n\nExample: glarus people "
     "sign register.yaml --key root1.pem\n",
     people_sign_run},
    {"people publish", "publish a signed register in a site's ledger", "ENVELOPE [--config FILE]",
     "  -c, --config FILE   the site's configuration (default glarusd.yaml)\n\nExample: glarus "
     "people publish "
     "register.yaml.dsse --config zrh1.yaml\n",
     people_publish_run},
    {NULL, NULL, NULL, NULL, NULL}};
