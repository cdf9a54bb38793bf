/* A site's data on a faulty disk (tests/faultfs): the power fails under load and while a country
 * moves, syncs fail, bits flip.  What was acknowledged stays, damage is found and named, and a site
 * whose disk has failed once works again after a restart.  $SOAK_ROUNDS rounds, or a few.
 *
 * A cut takes what the disk of one site had not synced: nothing, or some of it, torn and reordered.
 * The keys and the witness are on other disks. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "faultfs/mount.h"
#include "rig_load.h"
#include "rig_priv.h"

#define ROUNDS 5
#define FILES 30
#define BEFORE 14  /* seconds until the policy lets Canada move */
#define PATIENCE 6 /* RIG_SOONs that a move may take once the power stays on */

static const char *faultfs, *glarus;
static struct rig *r;
static struct load l;
static struct faultfs disk[RIG_SITES];
static char backing[RIG_SITES][200];
static unsigned cuts;

static size_t site_of(const struct rig_site *s)
{
    return strcmp(s->name, "zrh1") == 0 ? RIG_ZRH : RIG_MOW;
}

static void next_backing(size_t site, const char *data)
{
    (void)snprintf(backing[site], sizeof(backing[site]), "%s.disk-%u", data, ++cuts);
    assert_int_equal(mkdir(backing[site], 0755), 0);
}

static void mount_data(const struct rig_site *s)
{
    size_t site = site_of(s);

    assert_int_equal(mkdir(s->data, 0755), 0);
    next_backing(site, s->data);
    assert_true(faultfs_mount(&disk[site], faultfs, backing[site], s->data));
}

static void open_sites(size_t sites, int moves_in)
{
    static const struct load_target target[] = {{RIG_ZRH, "CH"}, {RIG_MOW, "DE"}};
    const struct rig_plan plan = {
        .sites = sites, .segment = 1 << 20, .moves_in = moves_in, .prepare = mount_data};

    r = rig_open(&plan);
    load_open(&l, r, target, sites);
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; r != NULL && i < r->sites; i++)
        if (r->site[i].pid != 0)
            rig_kill_all(r, i);
    for (size_t i = 0; i < RIG_SITES; i++)
        faultfs_unmount(&disk[i]);
    rig_close(r);
    load_close(&l);
    r = NULL;
    memset(&l, 0, sizeof(l));
    return 0;
}

/* Nothing runs there any more: what was said until now is said, and nothing else will be. */
static void freeze(size_t site)
{
    pid_t pid[64];
    size_t n = rig_processes(r, site, pid, ARRAY_LEN(pid));

    for (size_t i = 0; i < n; i++)
        (void)kill(pid[i], SIGSTOP);
}

/* The machine is off at once; what its disk holds is what it starts with. */
static void cut_power(size_t site)
{
    static const char *const ways[] = {"none", "some", "some", "ordered", "names"};
    const char *way = ways[random_below(ARRAY_LEN(ways))];
    const struct rig_site *s = &r->site[site];
    uint64_t seed = random_below(1U << 30);

    freeze(site);
    next_backing(site, s->data);
    faultfs_order(&disk[site], NULL, 0, "cut %s %llu %s", way, (unsigned long long)seed,
                  backing[site]);
    print_message("%s %s %llu  ", s->name, way, (unsigned long long)seed);
    rig_kill_all(r, site);
    faultfs_unmount(&disk[site]);
    assert_true(faultfs_mount(&disk[site], faultfs, backing[site], s->data));
    rig_start(r, site);
}

static void restart(size_t site)
{
    rig_kill_all(r, site);
    rig_start(r, site);
}

/* --- one site ------------------------------------------------------------------------------- */

static void the_power_fails_under_load(void **state)
{
    (void)state;
    open_sites(1, 0);
    for (unsigned i = 0; i < rig_rounds(ROUNDS); i++) {
        load_for(&l, 50, 900);
        cut_power(RIG_ZRH);
        load_reckon(&l, 20);
    }
    print_message("\n%zu acknowledged\n", l.acknowledged);
    assert_true(l.acknowledged > ROUNDS);
    load_reckon(&l, 0);
    rig_stop(r, RIG_ZRH);
}

/* A sync fails: that what it was to keep lies in memory only.  The site says so or goes on; after a
 * restart and a power cut everything acknowledged is there. */
static void a_sync_fails_under_load(void **state)
{
    (void)state;
    open_sites(1, 0);
    for (unsigned i = 0; i < rig_rounds(ROUNDS); i++) {
        load_for(&l, 50, 300);
        faultfs_order(&disk[RIG_ZRH], NULL, 0, "fail sync %llu %d 1",
                      (unsigned long long)(1 + random_below(12)), EIO);
        load_for(&l, 500, 800);
        restart(RIG_ZRH);
        load_for(&l, 50, 300);
        cut_power(RIG_ZRH);
        load_reckon(&l, 20);
    }
    print_message("\n%zu acknowledged\n", l.acknowledged);
    load_reckon(&l, 0);
    rig_stop(r, RIG_ZRH);
}

/* --- bits ----------------------------------------------------------------------------------- */

static int scrub(void)
{
    char *const argv[] = {(char *)(uintptr_t)glarus,
                          (char *)(uintptr_t) "site",
                          (char *)(uintptr_t) "scrub",
                          (char *)(uintptr_t) "--config",
                          r->site[0].file,
                          NULL};
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        (void)execv(glarus, argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Where a record of the journal begins; from is a multiple of 4096. */
static off_t record_after(int fd, off_t from)
{
    uint8_t b[8];

    for (off_t at = from; pread(fd, b, sizeof(b), at) == sizeof(b); at += 4096)
        if (memcmp(b, "\x89vaultrc", 8) == 0)
            return at;
    fail_msg("no record of the journal");
    return 0;
}

static void flipped_bits_are_found(void **state)
{
    char path[240];
    off_t first, second;
    int fd;

    (void)state;
    open_sites(1, 0);
    for (unsigned i = 0; i < 20; i++)
        (void)load_submit(&l, RIG_ZRH, "CH");
    rig_settle(r, RIG_ZRH);
    assert_int_equal(scrub(), 0);
    (void)snprintf(path, sizeof(path), "%s/vault/seg-00000001", backing[RIG_ZRH]);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    first = record_after(fd, 4096);
    second = record_after(fd, first + 4096);
    io_close(&fd);
    faultfs_order(&disk[RIG_ZRH], NULL, 0, "flip vault/seg-00000001 %lld",
                  (long long)second + 200); /* of the journal */
    assert_int_equal(scrub(), 1);
    faultfs_order(&disk[RIG_ZRH], NULL, 0, "flip vault/seg-00000001 %lld", (long long)second + 200);
    assert_int_equal(scrub(), 0);
    faultfs_order(&disk[RIG_ZRH], NULL, 0, "flipread 3"); /* on the way, once */
    (void)scrub();
    assert_int_equal(scrub(), 0);
    load_reckon(&l, 0);
    rig_stop(r, RIG_ZRH);
}

/* --- a move --------------------------------------------------------------------------------- */

static void bring_to_its_end(const struct buf *approval)
{
    const struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};
    mono_ms until = clock_mono() + PATIENCE * RIG_SOON;
    char text[1024] = "";
    int rc = -EPIPE;

    while (rc != 0 && rc != -EEXIST) {
        if (clock_mono() > until)
            fail_msg("Canada does not come over: %d %s", rc, text);
        rc = rig_admin_try(r, RIG_MOW, &ask, approval, text);
        if (rc != 0 && rc != -EEXIST)
            load_for(&l, 200, 200);
    }
    for (size_t i = 0; i < l.n; i++)
        if (memcmp(l.one[i].country, "CA", 2) == 0)
            l.one[i].place = RIG_ZRH;
}

static void the_power_fails_while_a_country_moves(void **state)
{
    const struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};
    struct buf approval;
    struct audit *a;

    (void)state;
    open_sites(2, BEFORE);
    for (unsigned i = 0; i < FILES; i++)
        (void)load_submit(&l, RIG_MOW, "CA");
    while (clock_now() <= r->canada_moves)
        rig_nap(200);
    rig_approve_move(r, "CA", RIG_MOW, RIG_ZRH, &approval);
    rig_admin_leave(r, RIG_MOW, &ask, &approval);
    for (unsigned i = 0; i < rig_rounds(ROUNDS); i++) {
        load_for(&l, 0, 250);
        cut_power(random_below(2));
    }
    print_message("\n");
    bring_to_its_end(&approval);
    buf_free(&approval);
    load_reckon(&l, 0);
    rig_turn_epoch(r, RIG_MOW);
    rig_settle(r, RIG_MOW);
    a = rig_audit(r);
    rig_proved(a, "residency.relocation", 1, 0);
    audit_free(a);
    rig_stop(r, RIG_ZRH);
    rig_stop(r, RIG_MOW);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_power_fails_under_load),
        T(a_sync_fails_under_load),
        T(flipped_bits_are_found),
        T(the_power_fails_while_a_country_moves),
    };

    if (argc != 6) {
        (void)fprintf(stderr, "usage: %s GLARUSD ENGINE RULES FAULTFS GLARUS\n", argv[0]);
        return 2;
    }
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0) {
        (void)fprintf(stderr, "skipped: FUSE needs root and /dev/fuse here\n");
        return 77;
    }
    faultfs = realpath(argv[4], NULL);
    glarus = realpath(argv[5], NULL);
    rig_args(4, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
