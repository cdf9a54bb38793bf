/* route.c - fitting a decoded path into the table of patterns.  A few dozen routes: a walk is
 * enough. */
#include "http/server_priv.h"

#include <errno.h>
#include <string.h>

static bool is_rest(const char *open, size_t len) /* "{name...}" */
{
    return len > 5 && memcmp(open + len - 4, "...}", 4) == 0;
}

int route_check(const struct http_route *r, struct err *e)
{
    const char *p = r->pattern;
    size_t params = 0;

    if (p == NULL || p[0] != '/' || r->begin == NULL)
        return err_set(e, -EINVAL, "route \"%s\" has no path or no begin()", p != NULL ? p : "");
    if (r->body_mode == HTTP_BODY_STREAM && (r->body == NULL || r->end == NULL))
        return err_set(e, -EINVAL, "route \"%s\" streams without body() and end()", p);
    while ((p = strchr(p, '{')) != NULL) {
        const char *close = strchr(p, '}');

        if (close == NULL || close == p + 1 || p[-1] != '/' ||
            (close[1] != '/' && close[1] != '\0'))
            return err_set(e, -EINVAL, "route \"%s\" has a malformed {name}", r->pattern);
        if (is_rest(p, (size_t)(close - p) + 1) && close[1] != '\0')
            return err_set(e, -EINVAL, "route \"%s\" goes on after {name...}", r->pattern);
        if (++params > HTTP_PARAMS_MAX)
            return err_set(e, -EINVAL, "route \"%s\" has more than %d names", r->pattern,
                           HTTP_PARAMS_MAX);
        p = close;
    }
    return 0;
}

static bool fits(const char *pattern, const char *path, struct span *params)
{
    size_t n = 0;

    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t name = strcspn(pattern, "}") + 1;
            size_t len = is_rest(pattern, name) ? strlen(path) : strcspn(path, "/");

            if (len == 0)
                return false;
            params[n].p = (const uint8_t *)path;
            params[n++].n = len;
            pattern += name;
            path += len;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

const struct http_route *route_find(const struct http_server *s, enum http_method m,
                                    const char *path, struct span *params, unsigned *allow)
{
    enum http_method want = m == HTTP_HEAD ? HTTP_GET : m;

    *allow = 0;
    for (size_t i = 0; i < s->n_routes; i++) {
        const struct http_route *r = &s->routes[i];

        if (!fits(r->pattern, path, params))
            continue;
        if (r->method == want)
            return r;
        *allow |= 1u << r->method;
        if (r->method == HTTP_GET)
            *allow |= 1u << HTTP_HEAD;
    }
    return NULL;
}
