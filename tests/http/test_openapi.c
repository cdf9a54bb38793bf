/* docs/openapi.yaml is sound in itself, and knows every error the HTTP layer says.
 *   test-http-openapi docs/openapi.yaml */
#include "rig.h"

#include "base/yaml.h"

static const char *path_of_document;
static struct yaml_doc *doc;

static int load(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    if (yaml_load(&doc, path_of_document, &e) == 0)
        return 0;
    print_error("%s\n", err_text(&e));
    return -1;
}

static int unload(void **state)
{
    (void)state;
    yaml_free(doc);
    return 0;
}

/* The value of a map's key, NULL if there is none. */
static const struct yaml_node *at(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *out = NULL;

    if (map == NULL || yaml_type(map) != YAML_MAP_ || yaml_may(map, key, &out, NULL) != 0)
        return NULL;
    return out;
}

static const char *text(const struct yaml_node *n)
{
    const char *out = NULL;

    return n != NULL && yaml_text(n, &out, NULL) == 0 ? out : "";
}

/* "#/a/b": the node, or NULL */
static const struct yaml_node *resolve(const char *ref)
{
    const struct yaml_node *n = yaml_root(doc);
    char part[128];

    if (strncmp(ref, "#/", 2) != 0)
        return NULL;
    for (ref += 2; n != NULL && *ref != '\0';) {
        size_t len = strcspn(ref, "/");

        if (len >= sizeof(part))
            return NULL;
        memcpy(part, ref, len);
        part[len] = '\0';
        n = at(n, part);
        ref += len + (ref[len] == '/');
    }
    return n;
}

static const struct yaml_node *follow(const struct yaml_node *n)
{
    const struct yaml_node *ref = at(n, "$ref");

    return ref != NULL ? resolve(text(ref)) : n;
}

/* Calls see() for every $ref below n. */
static void each_ref(const struct yaml_node *n, void (*see)(const struct yaml_node *, void *),
                     void *arg)
{
    const struct yaml_node *child;
    const char *key;

    for (size_t i = 0; i < yaml_count(n); i++) {
        if (yaml_type(n) == YAML_MAP_) {
            assert_int_equal(yaml_entry(n, i, &key, &child, NULL), 0);
            if (strcmp(key, "$ref") == 0)
                see(child, arg);
        } else {
            assert_int_equal(yaml_item(n, i, &child, NULL), 0);
        }
        if (yaml_type(child) != YAML_TEXT_)
            each_ref(child, see, arg);
    }
}

static void must_resolve(const struct yaml_node *ref, void *arg)
{
    int *seen = arg;

    if (resolve(text(ref)) == NULL)
        fail_msg("line %d: \"%s\" leads nowhere", yaml_line(ref), text(ref));
    (*seen)++;
}

static void every_reference_resolves(void **state)
{
    int seen = 0;

    (void)state;
    each_ref(yaml_root(doc), must_resolve, &seen);
    assert_true(seen > 100);
}

struct wanted {
    const char *ref;
    bool found;
};

static void find_ref(const struct yaml_node *ref, void *arg)
{
    struct wanted *w = arg;

    w->found |= strcmp(text(ref), w->ref) == 0;
}

static void every_component_is_used(void **state)
{
    static const char *const kinds[] = {"parameters", "headers", "responses", "schemas"};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct yaml_node *map = at(at(yaml_root(doc), "components"), kinds[k]), *child;
        const char *key;

        assert_true(yaml_count(map) > 0);
        for (size_t i = 0; i < yaml_count(map); i++) {
            char ref[128];
            struct wanted w = {ref, false};

            assert_int_equal(yaml_entry(map, i, &key, &child, NULL), 0);
            (void)snprintf(ref, sizeof(ref), "#/components/%s/%s", kinds[k], key);
            each_ref(yaml_root(doc), find_ref, &w);
            if (!w.found)
                fail_msg("line %d: nothing refers to \"%s\"", yaml_line(child), ref);
        }
    }
}

/* --- operations
 * ------------------------------------------------------------------------------------*/

static bool is_operation(const char *key)
{
    return strcmp(key, "get") == 0 || strcmp(key, "put") == 0 || strcmp(key, "post") == 0 ||
           strcmp(key, "delete") == 0;
}

static bool has_schema(const struct yaml_node *response)
{
    const struct yaml_node *content = at(response, "content"), *type;
    const char *key;

    if (yaml_type(response) != YAML_MAP_ || content == NULL || yaml_count(content) != 1)
        return false;
    assert_int_equal(yaml_entry(content, 0, &key, &type, NULL), 0);
    return at(type, "schema") != NULL;
}

/* An error's schema is one of the three that carry a sentence. */
static bool is_error(const struct yaml_node *response)
{
    const char *ref =
        text(at(at(at(at(response, "content"), "application/json"), "schema"), "$ref"));

    return strcmp(ref, "#/components/schemas/Error") == 0 ||
           strcmp(ref, "#/components/schemas/Misdirected") == 0 ||
           strcmp(ref, "#/components/schemas/Health") == 0;
}

static void check_operation(const char *path, const char *method, const struct yaml_node *op)
{
    const struct yaml_node *responses = at(op, "responses"), *r;
    int good = 0, refused = 0;
    const char *key;

    assert_non_null(responses);
    for (size_t i = 0; i < yaml_count(responses); i++) {
        assert_int_equal(yaml_entry(responses, i, &key, &r, NULL), 0);
        r = follow(r);
        if (r == NULL || at(r, "description") == NULL)
            fail_msg("%s %s: answer %s has no description", method, path, key);
        good += key[0] == '2';
        refused += key[0] == '4';
        if (strcmp(key, "304") != 0 && !has_schema(r))
            fail_msg("%s %s: answer %s has no schema", method, path, key);
        if ((key[0] == '4' || key[0] == '5' || key[0] == 'd') && !is_error(r))
            fail_msg("%s %s: answer %s is no error of ours", method, path, key);
    }
    if (good == 0 || refused == 0 || at(responses, "default") == NULL)
        fail_msg("%s %s: %d good and %d refusing answers, or no default", method, path, good,
                 refused);
    if (at(op, "operationId") == NULL || at(op, "summary") == NULL || at(op, "tags") == NULL)
        fail_msg("%s %s: operationId, summary or tags is missing", method, path);
}

static void every_operation_says_how_it_refuses(void **state)
{
    const struct yaml_node *paths = at(yaml_root(doc), "paths"), *item, *op;
    const char *path, *key;
    int seen = 0;

    (void)state;
    for (size_t i = 0; i < yaml_count(paths); i++) {
        assert_int_equal(yaml_entry(paths, i, &path, &item, NULL), 0);
        for (size_t k = 0; k < yaml_count(item); k++) {
            assert_int_equal(yaml_entry(item, k, &key, &op, NULL), 0);
            if (!is_operation(key))
                continue;
            check_operation(path, key, op);
            seen++;
        }
    }
    assert_int_equal(seen, 20);
}

static bool declares(const struct yaml_node *item, const char *name, size_t len)
{
    const struct yaml_node *list = at(item, "parameters"), *p;

    for (size_t i = 0; list != NULL && i < yaml_count(list); i++) {
        assert_int_equal(yaml_item(list, i, &p, NULL), 0);
        p = follow(p);
        if (strlen(text(at(p, "name"))) == len && strncmp(text(at(p, "name")), name, len) == 0)
            return strcmp(text(at(p, "in")), "path") == 0 && at(p, "required") != NULL &&
                   at(p, "schema") != NULL;
    }
    return false;
}

static void every_name_in_a_path_is_declared(void **state)
{
    const struct yaml_node *paths = at(yaml_root(doc), "paths"), *item;
    const char *path;
    int seen = 0;

    (void)state;
    for (size_t i = 0; i < yaml_count(paths); i++) {
        assert_int_equal(yaml_entry(paths, i, &path, &item, NULL), 0);
        for (const char *p = path; (p = strchr(p, '{')) != NULL; p++, seen++)
            if (!declares(item, p + 1, strcspn(p + 1, "}")))
                fail_msg("%s: a name is not declared as a path parameter", path);
    }
    assert_int_equal(seen, 13);
}

/* Required members of every object schema are among its properties, and nothing else is allowed. */
static void every_object_is_closed(void **state)
{
    const struct yaml_node *schemas = at(at(yaml_root(doc), "components"), "schemas"), *s, *name;
    const char *key;
    int seen = 0;

    (void)state;
    for (size_t i = 0; i < yaml_count(schemas); i++) {
        assert_int_equal(yaml_entry(schemas, i, &key, &s, NULL), 0);
        if (strcmp(text(at(s, "type")), "object") != 0)
            continue;
        if (strcmp(text(at(s, "additionalProperties")), "false") != 0)
            fail_msg("schema %s is open", key);
        for (size_t k = 0; k < yaml_count(at(s, "required")); k++) {
            assert_int_equal(yaml_item(at(s, "required"), k, &name, NULL), 0);
            if (at(at(s, "properties"), text(name)) == NULL)
                fail_msg("schema %s requires \"%s\" and does not describe it", key, text(name));
        }
        seen++;
    }
    assert_true(seen >= 10);
}

/* --- errors
 * ----------------------------------------------------------------------------------------*/

static const struct yaml_node *codes(void)
{
    return at(resolve("#/components/schemas/ErrorCode"), "enum");
}

static bool is_code(const char *word)
{
    const struct yaml_node *n;

    for (size_t i = 0; i < yaml_count(codes()); i++) {
        assert_int_equal(yaml_item(codes(), i, &n, NULL), 0);
        if (strcmp(text(n), word) == 0)
            return true;
    }
    return false;
}

static void every_code_belongs_to_an_answer(void **state)
{
    const struct yaml_node *responses = at(at(yaml_root(doc), "components"), "responses"), *n, *r;
    const char *key;

    (void)state;
    for (size_t i = 0; i < yaml_count(codes()); i++) {
        bool found = false;

        assert_int_equal(yaml_item(codes(), i, &n, NULL), 0);
        for (size_t k = 0; k < yaml_count(responses); k++) {
            assert_int_equal(yaml_entry(responses, k, &key, &r, NULL), 0);
            found |= strstr(text(at(r, "description")), text(n)) != NULL;
        }
        if (!found)
            fail_msg("no answer's description names \"%s\"", text(n));
    }
}

static void on_get(struct http_req *r, void *arg)
{
    (void)arg;
    http_answer(r, 200, "text/plain", span_str(""));
}

static void on_park(struct http_req *r, void *arg)
{
    (void)arg;
    http_deadline(r, 1);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", HTTP_BODY_NONE, 0, on_get, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/park", HTTP_BODY_NONE, 0, on_park, NULL, NULL, NULL, NULL, NULL},
    {HTTP_POST, "/", HTTP_BODY_WHOLE, 9, on_get, NULL, NULL, NULL, NULL, NULL},
};

#define H " HTTP/1.1\r\nHost: a\r\n"
static const struct {
    const char *code, *request;
} shapes[] = {
    {"bad_head", "GET /" H "a\n"},
    {"bad_request_line", "GET  /" H "\r\n"},
    {"bad_target", "GET *" H "\r\n"},
    {"bad_path", "GET //" H "\r\n"},
    {"bad_query", "GET /?a" H "\r\n"},
    {"bad_version", "GET / HTTP/2.0\r\n\r\n"},
    {"unknown_method", "BREW /" H "\r\n"},
    {"bad_field", "GET /" H "a\r\n\r\n"},
    {"field_twice", "GET /" H "Ticket: a\r\nTicket: a\r\n\r\n"},
    {"bad_host", "GET /" H "Host: b\r\n\r\n"},
    {"bad_length", "GET /" H "Content-Length: x\r\n\r\n"},
    {"bad_transfer_encoding", "GET /" H "Transfer-Encoding: x\r\n\r\n"},
    {"bad_expectation", "GET /" H "Expect: x\r\n\r\n"},
    {"bad_chunk", "POST /" H "Transfer-Encoding: chunked\r\n\r\nx"},
    {"not_found", "GET /x" H "\r\n"},
    {"method_not_allowed", "DELETE /" H "\r\n"},
    {"too_large", "POST /" H "Content-Length: 10\r\n\r\n"},
    {"timeout", "POST /" H "Content-Length: 9\r\n\r\n"},
    {"busy", "GET /park" H "\r\n"},
};

static void the_http_layers_own_errors_are_in_the_document(void **state)
{
    struct http_limits limits = {.body_stall_ms = 5, .head_ms = 50, .linger_ms = 1};
    struct rig rig;

    (void)state;
    rig_open(&rig, routes, ARRAY_LEN(routes), &limits, NULL);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        char answer[2048], want[64];
        int fd = rig_connect(&rig);
        bool closed;

        assert_true(rig_send(&rig, fd, shapes[i].request, strlen(shapes[i].request)));
        (void)rig_read(&rig, fd, answer, sizeof(answer), 30, &closed);
        (void)snprintf(want, sizeof(want), "{\"error\":{\"code\":\"%s\"", shapes[i].code);
        if (strstr(answer, want) == NULL)
            fail_msg("wanted %s, got %s", want, answer);
        if (!is_code(shapes[i].code))
            fail_msg("ErrorCode lacks \"%s\"", shapes[i].code);
        (void)close(fd);
    }
    rig_close(&rig);
    assert_true(is_code("too_many_connections") && is_code("target_too_long") &&
                is_code("head_too_large"));
    assert_false(is_code("no_such_code"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reference_resolves),
        cmocka_unit_test(every_component_is_used),
        cmocka_unit_test(every_operation_says_how_it_refuses),
        cmocka_unit_test(every_name_in_a_path_is_declared),
        cmocka_unit_test(every_object_is_closed),
        cmocka_unit_test(every_code_belongs_to_an_answer),
        cmocka_unit_test(the_http_layers_own_errors_are_in_the_document),
    };

    if (argc != 2)
        return 2;
    path_of_document = argv[1];
    return cmocka_run_group_tests(tests, load, unload);
}
