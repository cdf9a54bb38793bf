#include "cli/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/admin.h"
#include "crypto/signkey.h"

static bool is_envelope(struct span s)
{
    return s.n > 0 && s.p[0] == '{';
}

int document_read(const char *path, enum document kind, struct buf *text, struct dsse **env,
                  struct digest *digest, struct err *e)
{
    struct span payload;
    int rc;

    *env = NULL;
    buf_init(text, DSSE_MAX_BYTES);
    if ((rc = io_read_file(AT_FDCWD, path, text)) != 0)
        return err_sys(e, rc, "reading \"%s\"", path);
    dsse_digest(buf_span(text), digest);
    if (!is_envelope(buf_span(text)))
        return 0;
    if ((rc = dsse_parse(env, buf_span(text), e)) != 0) {
        (void)err_prefix(e, "%s", path);
        return rc;
    }
    if (strcmp(dsse_type(*env), document_type(kind)) != 0)
        return err_set(e, -EINVAL, "\"%s\" is an envelope of type %s, not %s", path,
                       dsse_type(*env), document_type(kind));
    payload = dsse_payload(*env);
    buf_reset(text);
    return buf_put(text, payload.p, payload.n);
}

static const struct option sign_options[] = {{"key", required_argument, NULL, 'k'},
                                             {"out", required_argument, NULL, 'o'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

int document_add_signature(struct dsse *env, const char *spec, const char *path, struct err *e)
{
    struct signkey *key = NULL;
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    struct buf pae;
    int rc;

    if ((rc = signkey_open(&key, spec, e)) != 0)
        return rc;
    signkey_public(key, &pub);
    buf_init(&pae, DSSE_MAX_BYTES);
    if ((rc = dsse_pae(&pae, dsse_type(env), dsse_payload(env))) == 0)
        rc = signkey_sign(key, pae.data, pae.len, &sig);
    if (rc == 0 && (rc = dsse_attach(env, &pub, &sig)) == -EEXIST)
        rc = err_set(e, rc, "this key has signed \"%s\" already", path);
    signkey_close(key);
    buf_free(&pae);
    return rc;
}

static int sign_with(const char *path, const char *key_spec, const char *out, enum document kind,
                     document_check *check, struct err *e)
{
    struct dsse *env = NULL;
    struct digest digest;
    struct buf text, bytes;
    char made[4096], hex[65];
    int rc;

    buf_init(&bytes, DSSE_MAX_BYTES);
    rc = document_read(path, kind, &text, &env, &digest, e);
    if (rc == 0 && (rc = check(path, buf_span(&text), e)) == 0 && env == NULL)
        rc = dsse_new(&env, document_type(kind), buf_span(&text));
    if (rc == 0)
        rc = document_add_signature(env, key_spec, path, e);
    if (out == NULL &&
        snprintf(made, sizeof(made), is_envelope(buf_span(&text)) ? "%s" : "%s.dsse", path) > 0)
        out = strstr(path, ".dsse") != NULL ? path : made;
    if (rc == 0 && (rc = dsse_write(env, &bytes)) == 0 &&
        (rc = io_replace_file(AT_FDCWD, out, bytes.data, bytes.len, 0644)) == 0) {
        dsse_digest(buf_span(&bytes), &digest);
        text_digest(hex, &digest);
        (void)printf("%s: %zu signature%s, digest %s\n", out, dsse_count(env),
                     dsse_count(env) == 1 ? "" : "s", hex);
    } else if (rc != 0 && e->code == 0) {
        (void)err_sys(e, rc, "signing \"%s\"", path);
    }
    dsse_free(env);
    buf_free(&text);
    buf_free(&bytes);
    return rc;
}

int document_sign(const struct command *c, int argc, char **argv, enum document kind,
                  document_check *check)
{
    const char *key = NULL, *out = NULL;
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "k:o:h", sign_options)) != -1) {
        if (o == 'k')
            key = optarg;
        else if (o == 'o')
            out = optarg;
    }
    if (optind + 1 != argc || key == NULL)
        return cli_usage(c, "name one document and --key");
    return sign_with(argv[optind], key, out, kind, check, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

static const struct option publish_options[] = {
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

int document_publish(const struct command *c, int argc, char **argv, enum document kind)
{
    static const enum proto_read what[DOCUMENTS] = {
        [DOCUMENT_REGISTER] = READ_REGISTER,   [DOCUMENT_POLICY] = READ_POLICY,
        [DOCUMENT_STATEMENT] = READ_STATEMENT, [DOCUMENT_MOVE] = READ_MOVE,
        [DOCUMENT_CHANGE] = READ_CHANGE,       [DOCUMENT_RELEASE] = READ_RELEASE,
        [DOCUMENT_OVERRIDE] = READ_OVERRIDE,   [DOCUMENT_PRODUCT] = READ_PRODUCT};
    struct admin_ask ask = {.what = kind == DOCUMENT_MOVE ? ADMIN_RELOCATE : ADMIN_PUBLISH,
                            .document = what[kind]};
    const char *path = "glarusd.yaml";
    struct config *config = NULL;
    struct err e = ERR_INIT;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "c:h", publish_options)) != -1)
        if (o == 'c')
            path = optarg;
    if (optind + 1 != argc)
        return cli_usage(c, "name one envelope");
    ask.file = argv[optind];
    if ((rc = config_load(&config, path, &e)) == 0)
        rc = admin_do(config, &ask, c->words, &e);
    config_free(config);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}
