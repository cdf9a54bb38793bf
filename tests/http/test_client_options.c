/* Options that libcurl has no memory for: a call that would be made without its pin, its
 * authorities, its headers is not made at all. */
#include "rig.h"

#include <curl/curl.h>

#include "http/client.h"

static unsigned until; /* so many options are set, the next one is not; 0: all are */
static unsigned asked; /* of the site */

/* All its values have the size of a pointer here. */
CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list ap;
    void *value;

    va_start(ap, option);
    value = va_arg(ap, void *);
    va_end(ap);
    if (until > 0 && --until == 0)
        return CURLE_OUT_OF_MEMORY;
    return __real_curl_easy_setopt(easy, option, value);
}

static void answer(struct http_req *r, void *arg)
{
    (void)arg;
    asked++;
    http_answer(r, 200, "text/plain", span_str("here"));
}

struct end {
    int rc, status;
    unsigned n;
};

static void on_done(struct http_result *r, void *arg)
{
    struct end *x = arg;

    x->rc = r->rc;
    x->status = r->status;
    x->n++;
}

static void what_cannot_be_set_is_not_sent(void **state)
{
    static const struct http_route routes[] = {{.method = HTTP_POST,
                                                .pattern = "/x",
                                                .body_mode = HTTP_BODY_WHOLE,
                                                .max_body = 64,
                                                .begin = answer}};
    static const char *const headers[] = {"Authorization: Bearer t", NULL};
    const struct http_client_limits limits = {.authorities = "/nowhere"};
    struct http_client *c = NULL;
    struct err e = ERR_INIT;
    struct rig rig;
    char url[128];
    unsigned k;

    (void)state;
    rig_open(&rig, routes, ARRAY_LEN(routes), NULL, NULL);
    (void)snprintf(url, sizeof(url), "http://%s/x", rig.address);
    assert_int_equal(http_client_new(&c, &limits, &e), 0);
    for (k = 1;; k++) {
        struct end x = {0, 0, 0};
        const struct http_call call = {.method = HTTP_POST,
                                       .url = url,
                                       .pin =
                                           "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                       .headers = headers,
                                       .body = span_str("body"),
                                       .done = on_done,
                                       .arg = &x};
        int rc;

        until = k;
        rc = http_client_start(c, &call, &e);
        if (until > 0) { /* the k-th option is one more than there are */
            until = 0;
            assert_int_equal(rc, 0);
            while (x.n == 0) {
                assert_int_equal(http_client_step(c), 0);
                rig_spin(&rig, 5);
            }
            assert_int_equal(x.status, 200);
            break;
        }
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(x.n, 0);
        assert_int_equal(http_client_step(c), 0);
        rig_spin(&rig, 5);
        assert_int_equal(asked, 0);
    }
    assert_int_equal(asked, 1);
    assert_true(k > 20);
    http_client_free(c);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_be_set_is_not_sent)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
