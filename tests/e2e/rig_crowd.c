#include "rig_crowd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "rig_priv.h"

#define WORKERS_MAX 96
#define FLOOD_BYTES 65536

/* --- submissions in a row --- */

struct flood;
struct flyer {
    struct flood *f;
    struct rig_sub s;
    uint8_t bytes[FLOOD_BYTES];
    struct buf body;
    char url[128], ticket[64];
    bool busy, flying, announced;
};
struct flood {
    struct rig *r;
    size_t site, size;
    uint64_t begun, done, n;
    mono_ms last; /* when something was acknowledged */
    void (*each)(uint64_t done, void *arg);
    void *arg;
};

static void landed(struct http_result *a, void *arg)
{
    struct flyer *w = arg;
    struct flood *f = w->f;

    w->flying = false;
    if (!w->announced) {
        w->announced = a->status == 201 && rig_ticket(&w->s, buf_span(&a->body));
    } else if (a->status == 201 || a->status == 200) {
        w->busy = false;
        rig_sub_free(&w->s);
        f->done++;
        f->last = clock_mono();
        if (f->each != NULL)
            f->each(f->done, f->arg);
    } else {
        w->announced = false;
    }
    if (a->status >= 400 && a->status != 403 && a->status != 503 && a->status != 507)
        fail_msg("answered %d: %.*s", a->status, (int)a->body.len, (const char *)a->body.data);
    buf_free(&w->body);
}

static void fly(struct flyer *w)
{
    static const char *const announcing[] = {"Content-Type: application/json",
                                             "Authorization: Bearer " RIG_TOKEN, NULL};
    const char *uploading[] = {"Content-Type: application/octet-stream", w->ticket, NULL};
    struct http_call call = {.url = w->url, .total_ms = RIG_SOON, .done = landed, .arg = w};
    const char *site = w->f->r->site[w->f->site].url;
    struct err e = ERR_INIT;

    buf_init(&w->body, 4096);
    if (!w->announced) {
        rig_announcement(&w->s, &w->body);
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions", site);
        call.method = HTTP_POST;
        call.headers = announcing;
        call.body = buf_span(&w->body);
    } else {
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions/%s/content", site, w->s.hex);
        (void)snprintf(w->ticket, sizeof(w->ticket), "Ticket: %s", w->s.ticket);
        call.method = HTTP_PUT;
        call.headers = uploading;
        call.body = span_of(w->bytes, w->f->size);
    }
    w->flying = true;
    rig_ok(http_client_start(w->f->r->http, &call, &e), &e);
}

void rig_flood(struct rig *r, size_t site, uint64_t n, size_t size, size_t workers,
               void (*each)(uint64_t done, void *arg), void *arg)
{
    struct flood f = {.r = r, .site = site, .size = size, .n = n, .each = each, .arg = arg};
    struct flyer *all = calloc(workers, sizeof(*all));

    assert_true(all != NULL && workers <= WORKERS_MAX && size <= FLOOD_BYTES);
    f.last = clock_mono();
    while (f.done < n) {
        struct pollfd p = {.fd = http_client_fd(r->http), .events = POLLIN};

        for (size_t i = 0; i < workers; i++) {
            struct flyer *w = &all[i];

            if (!w->busy && f.begun < n) {
                w->f = &f;
                w->busy = true;
                w->announced = false;
                rig_sub_new(r, &w->s, "CH");
                random_bytes(w->bytes, size);
                f.begun++;
            }
            if (w->busy && !w->flying)
                fly(w);
        }
        if (clock_mono() > f.last + 2 * RIG_SOON)
            fail_msg("nothing is acknowledged any more, after %llu", (unsigned long long)f.done);
        (void)poll(&p, 1, 10);
        rig_ok(http_client_step(r->http), NULL);
    }
    free(all);
}

/* --- what it costs --- */

static uint64_t kib_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static size_t part_pids(const struct rig *r, size_t site, const char *name, pid_t out[64])
{
    pid_t all[64];
    size_t n = rig_processes(r, site, all, ARRAY_LEN(all)), k = 0;
    char is[32];

    for (size_t i = 0; i < n; i++) {
        rig_process_name(all[i], is);
        if (name == NULL || strcmp(is, name) == 0)
            out[k++] = all[i];
    }
    return k;
}

uint64_t rig_memory(const struct rig *r, size_t site, const char *name)
{
    pid_t pid[64];
    size_t n = part_pids(r, site, name, pid);
    uint64_t kib = 0;

    for (size_t i = 0; i < n; i++) {
        char path[64], text[4096];
        ssize_t got = -1;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid[i]);
        if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
            continue;
        got = read(fd, text, sizeof(text) - 1);
        io_close(&fd);
        text[got < 0 ? 0 : got] = '\0';
        kib += kib_of(text, "\nRssAnon:") + kib_of(text, "\nRssShmem:");
    }
    return kib << 10;
}

size_t rig_descriptors(const struct rig *r, size_t site, const char *name)
{
    pid_t pid[64];
    size_t n = part_pids(r, site, name, pid), count = 0;

    for (size_t i = 0; i < n; i++) {
        char path[64];
        DIR *d;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", pid[i]);
        if ((d = opendir(path)) == NULL)
            continue; /* of another user: only root may look */
        while (readdir(d) != NULL)
            count++;
        (void)closedir(d);
    }
    return count;
}

static uint64_t disk_sum;

static int add_blocks(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    disk_sum += kind == FTW_F ? (uint64_t)st->st_blocks * 512 : 0;
    return 0;
}

uint64_t rig_disk(const struct rig *r, size_t site, const char *part)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", r->site[site].data, part == NULL ? "" : part);
    disk_sum = 0;
    (void)nftw(path, add_blocks, 16, FTW_PHYS);
    return disk_sum;
}

int rig_dial(const struct rig *r, size_t site, const char *from)
{
    struct sockaddr_in me = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), flags;

    if (fd < 0)
        fail_msg("no socket: %s", strerror(errno));
    to.sin_port = htons((uint16_t)strtoul(strrchr(r->site[site].url, ':') + 1, NULL, 10));
    if (from != NULL) {
        me.sin_addr.s_addr = inet_addr(from);
        assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail_msg("not connected: %s", strerror(errno));
    flags = fcntl(fd, F_GETFL);
    assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    return fd;
}
