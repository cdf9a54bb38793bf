/* The client workflow against a repository that keeps to the rules, and one that does not: a table
 * of everything that must be refused, with what must be trusted afterwards. */
#include "repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct repo r;

static int open_repo(void **state)
{
    (void)state;
    repo_open(&r);
    return 0;
}

static int close_repo(void **state)
{
    (void)state;
    repo_close(&r);
    return 0;
}

/* "2 3 3 1": the stored versions of root, timestamp, snapshot, targets; 0: none. */
static const char *stored(void)
{
    static char text[64];

    (void)snprintf(text, sizeof(text), "%d %d %d %d", (int)repo_stored(&r, "root.json"),
                   (int)repo_stored(&r, "timestamp.json"), (int)repo_stored(&r, "snapshot.json"),
                   (int)repo_stored(&r, "targets.json"));
    return text;
}

/* The stored file is the repository's, byte for byte. */
static bool keeps(const char *name, const char *theirs)
{
    struct tuf_store s = repo_store(&r);
    struct buf got;
    bool same;

    buf_init(&got, 1 << 20);
    same = s.load(s.ctx, name, &got, NULL) == 0 &&
           span_eq(buf_span(&got), buf_span(repo_find(&r, theirs)));
    buf_free(&got);
    return same;
}

static void must_refresh(void)
{
    struct err e = ERR_INIT;

    if (repo_refresh(&r, &e) != 0)
        fail_msg("%s", err_text(&e));
}

static void a_first_update_asks_for_each_file_once(void **state)
{
    (void)state;
    must_refresh();
    assert_string_equal(r.log, "2.root timestamp 1.snapshot 1.targets");
    assert_string_equal(stored(), "1 1 1 1");
}

static void nothing_new_costs_two_requests(void **state)
{
    (void)state;
    must_refresh();
    must_refresh();
    assert_string_equal(r.log, "2.root timestamp");
}

static void without_consistent_snapshots_names_have_no_version(void **state)
{
    (void)state;
    r.plain = true;
    repo_root(&r);
    repo_publish(&r);
    must_refresh();
    assert_string_equal(r.log, "2.root 3.root timestamp snapshot targets");
}

static void what_is_stored_is_what_was_received(void **state)
{
    (void)state;
    assert_int_equal(buf_puts(repo_find(&r, "timestamp.json"), " \n"), 0);
    must_refresh();
    assert_true(keeps("timestamp.json", "timestamp.json"));
}

static void a_chain_of_roots_is_followed_link_by_link(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        r.roles[TUF_ROOT] = ROLE(2, 4 + i, 5 + i, 6 + i);
        repo_root(&r);
    }
    must_refresh();
    assert_string_equal(r.log, "2.root 3.root 4.root 5.root 6.root 7.root timestamp 1.snapshot "
                               "1.targets");
    assert_string_equal(stored(), "6 1 1 1");
}

static void so_many_roots_in_one_update_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < TUF_MAX_ROOTS + 5; i++)
        repo_root(&r);
    assert_int_equal(repo_refresh(&r, NULL), 0);
    assert_int_equal(repo_stored(&r, "root.json"), 1 + TUF_MAX_ROOTS);
    must_refresh();
    assert_int_equal(repo_stored(&r, "root.json"), 1 + TUF_MAX_ROOTS + 5);
}

static void an_expired_root_between_others_is_no_failure(void **state)
{
    (void)state;
    r.expires[TUF_ROOT] = REPO_PAST;
    repo_root(&r);
    r.expires[TUF_ROOT] = REPO_SAFE;
    repo_root(&r);
    must_refresh();
    assert_string_equal(stored(), "3 1 1 1");
}

static void fields_of_tomorrow_are_signed_and_read_over(void **state)
{
    (void)state;
    r.extra = "\"a\":[1,-2,true,false,null,{\"b\":\"\\\\\\\"/\xc3\xa9\"}],";
    repo_root(&r);
    repo_bump(&r);
    must_refresh();
    assert_string_equal(stored(), "2 2 2 2");
}

static void hashes_and_lengths_that_are_right_are_accepted(void **state)
{
    (void)state;
    r.hashes = true;
    repo_bump(&r);
    must_refresh();
    assert_string_equal(stored(), "1 2 2 2");
}

/* 5.4.3.1 */
static void another_timestamp_of_the_same_version_is_dropped(void **state)
{
    (void)state;
    must_refresh();
    r.version[TUF_SNAPSHOT] = 100;
    repo_timestamp(&r);
    must_refresh();
    assert_string_equal(r.log, "2.root timestamp");
    assert_string_equal(stored(), "1 1 1 1");
    r.version[TUF_SNAPSHOT] = 1; /* what was kept is the first one */
    repo_timestamp(&r);
    assert_true(keeps("timestamp.json", "timestamp.json"));
}

/* 5.3.11: the repository was taken over, and wound its versions far forward. */
static void fast_forward_is_undone_by_taking_the_key_away(void **state)
{
    static const enum tuf_type taken[] = {TUF_TIMESTAMP, TUF_SNAPSHOT};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        repo_close(&r);
        repo_open(&r);
        r.roles[taken[i]] = ROLE(1, (int)taken[i], 9); /* a key more: nothing is forgotten */
        repo_root(&r);
        for (int t = TUF_TIMESTAMP; t <= TUF_TARGETS; t++)
            r.version[t] = 1000000;
        repo_publish(&r);
        must_refresh();
        assert_string_equal(stored(), "2 1000000 1000000 1000000");
        /* the other key is still good, and so the old files would still verify */
        r.roles[taken[i]] = ROLE(1, 9);
        repo_root(&r);
        for (int t = TUF_TIMESTAMP; t <= TUF_TARGETS; t++)
            r.version[t] = 2;
        repo_publish(&r);
        must_refresh();
        assert_string_equal(stored(), "3 2 2 2");
    }
}

/* Dying at any write of a rotation does not bring the old versions back. */
static void a_rotation_that_was_interrupted_is_finished(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        repo_close(&r);
        repo_open(&r);
        r.roles[TUF_SNAPSHOT] = ROLE(1, 2, 9);
        repo_root(&r);
        r.version[TUF_TIMESTAMP] = r.version[TUF_SNAPSHOT] = 1000;
        repo_publish(&r);
        must_refresh();
        r.roles[TUF_SNAPSHOT] = ROLE(1, 9);
        repo_root(&r);
        r.version[TUF_TIMESTAMP] = r.version[TUF_SNAPSHOT] = 2;
        repo_publish(&r);
        r.saves_left = k;
        (void)repo_refresh(&r, NULL);
        r.saves_left = -1;
        must_refresh();
        assert_string_equal(stored(), "3 2 2 1");
    }
}

static void a_key_that_is_only_added_forgets_nothing(void **state)
{
    (void)state;
    r.version[TUF_TIMESTAMP] = 10;
    repo_publish(&r);
    must_refresh();
    r.roles[TUF_TIMESTAMP] = ROLE(1, 1, 9);
    repo_root(&r);
    r.version[TUF_TIMESTAMP] = 9;
    repo_publish(&r);
    assert_int_equal(repo_refresh(&r, NULL), -EBADMSG);
    assert_string_equal(stored(), "2 10 1 1");
}

static void an_update_that_broke_is_continued(void **state)
{
    (void)state;
    repo_bump(&r);
    for (int k = 0; k < 3; k++) { /* nothing, then one file more each time */
        r.saves_left = k > 0;
        assert_int_equal(repo_refresh(&r, NULL), -ENOSPC);
    }
    r.saves_left = -1;
    must_refresh();
    assert_string_equal(stored(), "1 2 2 2");
}

static void broken_files_of_ours_are_fetched_anew(void **state)
{
    static const char *const names[] = {"timestamp.json", "snapshot.json", "targets.json"};
    struct tuf_store s = repo_store(&r);

    (void)state;
    must_refresh();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(s.save(s.ctx, names[i], span_str("{"), NULL), 0);
        must_refresh();
        assert_string_equal(stored(), "1 1 1 1");
    }
}

/* Versions that nobody signed do not count, not even in our own folder. */
static void files_of_ours_that_are_not_signed_do_not_count(void **state)
{
    static const enum tuf_type types[] = {TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS};
    static const char *const theirs[] = {"timestamp.json", "100.snapshot.json", "100.targets.json"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct tuf_store s = repo_store(&r);
        struct repo_role good = r.roles[types[i]];
        char name[32];

        (void)close_repo(NULL);
        repo_open(&r);
        r.roles[types[i]] = ROLE(1, 9);
        r.version[types[i]] = 100;
        repo_publish(&r);
        (void)snprintf(name, sizeof(name), "%s.json", tuf_type_name(types[i]));
        assert_int_equal(s.save(s.ctx, name, buf_span(repo_find(&r, theirs[i])), NULL), 0);
        r.roles[types[i]] = good;
        r.version[types[i]] = 1;
        repo_publish(&r);
        must_refresh();
        assert_string_equal(stored(), "1 1 1 1");
    }
}

static void without_a_root_nothing_is_asked_for(void **state)
{
    struct tuf_store s = repo_store(&r);
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(s.forget(s.ctx, "root.json", NULL), 0);
    assert_int_equal(repo_refresh(&r, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "init"));
    assert_int_equal(s.save(s.ctx, "root.json", span_str("{}"), NULL), 0);
    assert_int_equal(repo_refresh(&r, NULL), -EBADMSG);
    assert_string_equal(r.log, "");
}

static void init_takes_one_root_that_signs_itself(void **state)
{
    struct tuf_store s = repo_store(&r);
    struct span one = buf_span(repo_find(&r, "1.root.json"));
    struct buf other;

    (void)state;
    assert_int_equal(tuf_updater_init(&s, one, NULL), 0); /* again: the same */
    repo_root(&r);
    assert_int_equal(tuf_updater_init(&s, buf_span(repo_find(&r, "2.root.json")), NULL), -EEXIST);
    assert_int_equal(s.forget(s.ctx, "root.json", NULL), 0);
    assert_int_equal(tuf_updater_init(&s, span_str("{}"), NULL), -EBADMSG);
    buf_init(&other, 100000);
    assert_int_equal(buf_put(&other, one.p, one.n), 0);
    other.data[one.n - 3]++; /* version 2, signed as 1 */
    assert_int_equal(tuf_updater_init(&s, buf_span(&other), NULL), -EBADMSG);
    buf_free(&other);
    assert_string_equal(stored(), "0 0 0 0");
}

static void a_failure_of_the_net_is_not_a_missing_file(void **state)
{
    (void)state;
    r.fail = -ETIMEDOUT;
    assert_int_equal(repo_refresh(&r, NULL), -ETIMEDOUT);
    assert_string_equal(r.log, "2.root");
    assert_string_equal(stored(), "1 0 0 0");
}

/* --- what must be refused --------------------------------------------------------------------- */

static void edit(const char *name, const char *from, const char *to)
{
    struct buf *b = repo_find(&r, name);
    char *text = strdup(buf_str(b)), *at = strstr(text, from);
    struct buf out;

    assert_non_null(at);
    buf_init(&out, 1 << 20);
    assert_int_equal(buf_printf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)),
                     0);
    repo_put(&r, name, buf_span(&out));
    buf_free(&out);
    free(text);
}

static void root_without_the_old_keys(void)
{
    r.roles[TUF_ROOT] = ROLE(1, 8);
    r.version[TUF_ROOT]++;
    repo_root_by(&r, (int[]){8}, 1);
}

static void root_without_its_own_keys(void)
{
    r.roles[TUF_ROOT] = ROLE(1, 8);
    r.version[TUF_ROOT]++;
    repo_root_by(&r, (int[]){0}, 1);
}

static void root_of_another_version(void)
{
    struct buf b;

    repo_root(&r);
    repo_root(&r);
    buf_init(&b, 100000);
    assert_int_equal(
        buf_put(&b, repo_find(&r, "3.root.json")->data, repo_find(&r, "3.root.json")->len), 0);
    repo_put(&r, "2.root.json", buf_span(&b));
    buf_free(&b);
}

static void root_of_the_same_version(void)
{
    struct buf b;

    buf_init(&b, 100000);
    assert_int_equal(
        buf_put(&b, repo_find(&r, "1.root.json")->data, repo_find(&r, "1.root.json")->len), 0);
    repo_put(&r, "2.root.json", buf_span(&b));
    buf_free(&b);
}

static void root_too_large(void)
{
    char *fill = malloc(TUF_MAX_ROOT);

    repo_root(&r);
    memset(fill, ' ', TUF_MAX_ROOT - 1);
    fill[TUF_MAX_ROOT - 1] = '\0';
    assert_int_equal(buf_puts(repo_find(&r, "2.root.json"), fill), 0);
    free(fill);
}

static void root_expired(void)
{
    r.expires[TUF_ROOT] = REPO_PAST;
    repo_root(&r);
    repo_bump(&r);
}

static void root_edited(void)
{
    repo_root(&r);
    edit("2.root.json", "\"threshold\":1", "\"threshold\":2");
}

static void timestamp_by_the_wrong_key(void)
{
    r.roles[TUF_TIMESTAMP] = ROLE(1, 9);
    repo_bump(&r);
}

static void timestamp_below_its_threshold(void)
{
    r.roles[TUF_TIMESTAMP] = ROLE(3, 1, 8, 9);
    repo_root(&r);
    r.roles[TUF_TIMESTAMP] = ROLE(3, 1, 8);
    repo_bump(&r);
}

static void timestamp_signed_twice_by_one(void)
{
    const char *text;
    char *sig, *end;

    repo_bump(&r);
    text = buf_str(repo_find(&r, "timestamp.json"));
    sig = strdup(strchr(text, '[') + 1);
    end = strchr(sig, ']');
    *end = '\0';
    *(end - 1) = '\0';
    {
        char both[1000];

        (void)snprintf(both, sizeof(both), "%s},%s}", sig, sig);
        (void)strncat(sig, "}", 2);
        edit("timestamp.json", sig, both);
    }
    free(sig);
}

static void timestamp_edited(void)
{
    repo_bump(&r);
    edit("timestamp.json", "2999", "2998");
}

static void timestamp_rolled_back(void)
{
    r.version[TUF_TIMESTAMP] = 5;
    repo_publish(&r);
    must_refresh();
    r.version[TUF_TIMESTAMP] = 4;
    repo_publish(&r);
}

static void timestamp_rolls_snapshot_back(void)
{
    r.version[TUF_SNAPSHOT] = 5;
    repo_bump(&r);
    must_refresh();
    r.version[TUF_SNAPSHOT] = 4;
    r.version[TUF_TIMESTAMP]++;
    repo_publish(&r);
}

static void timestamp_expired(void)
{
    r.expires[TUF_TIMESTAMP] = REPO_PAST;
    repo_bump(&r);
}

/* What we have has expired since, and nothing newer is shown to us. */
static void timestamp_frozen(void)
{
    struct tuf_store s = repo_store(&r);

    timestamp_expired();
    assert_int_equal(
        s.save(s.ctx, "timestamp.json", buf_span(repo_find(&r, "timestamp.json")), NULL), 0);
}

static void timestamp_missing(void)
{
    repo_remove(&r, "timestamp.json");
}

static void timestamp_is_a_snapshot(void)
{
    const struct buf *b;

    r.roles[TUF_SNAPSHOT] = ROLE(1, 2, 1);
    repo_bump(&r);
    b = repo_find(&r, "2.snapshot.json");
    repo_put(&r, "timestamp.json", buf_span(b));
}

static void timestamp_announces_too_much(void)
{
    repo_bump(&r);
    edit("timestamp.json", "\"snapshot.json\":{", "\"snapshot.json\":{\"length\":99999999999,");
    { /* signed so */
        char *text = strdup(strstr(buf_str(repo_find(&r, "timestamp.json")), "\"signed\":") + 9);
        struct buf b;

        text[strlen(text) - 1] = '\0';
        buf_init(&b, 100000);
        repo_sign(&b, text, (int[]){1}, 1);
        repo_put(&r, "timestamp.json", buf_span(&b));
        buf_free(&b);
        free(text);
    }
}

static void snapshot_by_the_wrong_key(void)
{
    r.roles[TUF_SNAPSHOT] = ROLE(1, 9);
    repo_bump(&r);
}

static void snapshot_missing(void)
{
    repo_bump(&r);
    repo_remove(&r, "2.snapshot.json");
}

static void snapshot_of_another_version(void)
{
    const struct buf *b;

    repo_bump(&r);
    b = repo_find(&r, "1.snapshot.json");
    repo_put(&r, "2.snapshot.json", buf_span(b));
}

static void snapshot_of_another_hash(void)
{
    r.hashes = true;
    repo_bump(&r);
    r.expires[TUF_SNAPSHOT] = "2998-01-01T00:00:00Z"; /* signed, of the same length */
    repo_snapshot(&r);
}

static void snapshot_longer_than_announced(void)
{
    r.hashes = true;
    repo_bump(&r);
    assert_int_equal(buf_putc(repo_find(&r, "2.snapshot.json"), ' '), 0);
}

static void snapshot_shorter_than_announced(void)
{
    r.hashes = true;
    repo_bump(&r);
    repo_find(&r, "2.snapshot.json")->len--;
}

static void snapshot_rolls_targets_back(void)
{
    r.version[TUF_TARGETS] = 5;
    repo_bump(&r);
    must_refresh();
    r.version[TUF_TARGETS] = 1;
    r.version[TUF_SNAPSHOT]++;
    r.version[TUF_TIMESTAMP]++;
    repo_publish(&r);
}

static void snapshot_drops_a_role(void)
{
    repo_set_meta(&r, "extra.json", 1);
    repo_bump(&r);
    must_refresh();
    r.n_meta = 0;
    repo_bump(&r);
}

static void snapshot_expired(void)
{
    r.expires[TUF_SNAPSHOT] = REPO_PAST;
    repo_bump(&r);
}

/* The local timestamp is gone, and the repository goes back behind the snapshot we have. */
static void snapshot_behind_the_one_we_have(void)
{
    struct tuf_store s = repo_store(&r);

    r.version[TUF_SNAPSHOT] = 5;
    repo_bump(&r);
    must_refresh();
    assert_int_equal(s.forget(s.ctx, "timestamp.json", NULL), 0);
    r.version[TUF_SNAPSHOT] = 4;
    repo_publish(&r);
}

static void targets_by_the_wrong_key(void)
{
    r.roles[TUF_TARGETS] = ROLE(1, 9);
    repo_bump(&r);
}

static void targets_missing(void)
{
    repo_bump(&r);
    repo_remove(&r, "2.targets.json");
}

/* mix and match: targets of one snapshot beside another */
static void targets_of_another_version(void)
{
    const struct buf *b;

    repo_bump(&r);
    b = repo_find(&r, "1.targets.json");
    repo_put(&r, "2.targets.json", buf_span(b));
}

static void targets_of_another_hash(void)
{
    r.hashes = true;
    repo_bump(&r);
    r.expires[TUF_TARGETS] = "2998-01-01T00:00:00Z";
    repo_targets(&r);
}

static void targets_expired(void)
{
    r.expires[TUF_TARGETS] = REPO_PAST;
    repo_bump(&r);
}

static void spec_version_of_tomorrow(void)
{
    r.spec = "2.0.0";
    repo_root(&r);
}

static const struct {
    void (*break_it)(void);
    int rc;
    const char *trusted; /* afterwards */
    const char *says;
} refused[] = {
    {root_without_the_old_keys, -EBADMSG, "1 0 0 0", "root: 0 of 1 signatures"},
    {root_without_its_own_keys, -EBADMSG, "1 0 0 0", "by its own keys"},
    {root_of_another_version, -EBADMSG, "1 0 0 0", "version 3 where 2"},
    {root_of_the_same_version, -EBADMSG, "1 0 0 0", "version 1 where 2"},
    {root_too_large, -E2BIG, "1 0 0 0", "longer"},
    {root_expired, -EBADMSG, "2 0 0 0", "root 2 expired"},
    {root_edited, -EBADMSG, "1 0 0 0", "0 of 1 signatures"},
    {timestamp_by_the_wrong_key, -EBADMSG, "1 0 0 0", "timestamp: 0 of 1"},
    {timestamp_below_its_threshold, -EBADMSG, "2 0 0 0", "timestamp: 2 of 3"},
    {timestamp_signed_twice_by_one, -EBADMSG, "1 0 0 0", "two signatures"},
    {timestamp_edited, -EBADMSG, "1 0 0 0", "timestamp: 0 of 1"},
    {timestamp_rolled_back, -EBADMSG, "1 5 1 1", "from version 5 to 4"},
    {timestamp_rolls_snapshot_back, -EBADMSG, "1 2 6 2", "from version 6 to 4"},
    {timestamp_expired, -EBADMSG, "1 0 0 0", "timestamp 2 expired"},
    {timestamp_frozen, -EBADMSG, "1 2 0 0", "timestamp 2 expired"},
    {timestamp_missing, -ENOENT, "1 0 0 0", "timestamp: no such file"},
    {timestamp_is_a_snapshot, -EBADMSG, "1 0 0 0", "\"_type\""},
    {timestamp_announces_too_much, -E2BIG, "1 2 0 0", "99999999999 bytes are announced"},
    {snapshot_by_the_wrong_key, -EBADMSG, "1 2 0 0", "snapshot: 0 of 1"},
    {snapshot_missing, -ENOENT, "1 2 0 0", "snapshot 2: no such file"},
    {snapshot_of_another_version, -EBADMSG, "1 2 0 0", "version 1 where timestamp announces 2"},
    {snapshot_of_another_hash, -EBADMSG, "1 2 0 0", "not the hash"},
    {snapshot_longer_than_announced, -E2BIG, "1 2 0 0", "snapshot 2: longer"},
    {snapshot_shorter_than_announced, -EBADMSG, "1 2 0 0", "are announced"},
    {snapshot_rolls_targets_back, -EBADMSG, "1 3 2 6", "back from version 6 to 1"},
    {snapshot_drops_a_role, -EBADMSG, "1 3 2 2", "no longer lists \"extra.json\""},
    {snapshot_expired, -EBADMSG, "1 2 0 0", "snapshot 2 expired"},
    {snapshot_behind_the_one_we_have, -EBADMSG, "1 2 6 2", "rolled back from version 6 to 4"},
    {targets_by_the_wrong_key, -EBADMSG, "1 2 2 0", "targets: 0 of 1"},
    {targets_missing, -ENOENT, "1 2 2 0", "targets 2: no such file"},
    {targets_of_another_version, -EBADMSG, "1 2 2 0", "version 1 where snapshot announces 2"},
    {targets_of_another_hash, -EBADMSG, "1 2 2 0", "not the hash"},
    {targets_expired, -EBADMSG, "1 2 2 0", "targets 2 expired"},
    {spec_version_of_tomorrow, -EBADMSG, "1 0 0 0", "spec_version"},
};

static void whatever_breaks_a_rule_is_refused_and_not_kept(void **state)
{
    size_t bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct err e = ERR_INIT;
        int rc;

        repo_close(&r);
        repo_open(&r);
        refused[i].break_it();
        rc = repo_refresh(&r, &e);
        if (rc != refused[i].rc || strcmp(stored(), refused[i].trusted) != 0 ||
            strstr(err_text(&e), refused[i].says) == NULL) {
            print_error("row %zu: %d \"%s\", trusted %s, expected %d \"%s\", %s\n", i, rc,
                        err_text(&e), stored(), refused[i].rc, refused[i].says, refused[i].trusted);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* Each refusal again, and what was there before is still used when the repository is well again. */
static void after_any_refusal_a_good_repository_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct repo_role good[TUF_TYPES];

        repo_close(&r);
        repo_open(&r);
        memcpy(good, r.roles, sizeof(good));
        refused[i].break_it();
        (void)repo_refresh(&r, NULL);
        memcpy(r.roles, good, sizeof(good));
        r.spec = "1.0.0";
        r.hashes = false;
        for (int t = 0; t < TUF_TYPES; t++) {
            r.expires[t] = REPO_SAFE;
            r.version[t] += t == TUF_ROOT ? 0 : 20;
        }
        r.n_meta = 0;
        repo_set_meta(&r, "extra.json", 9);
        for (int v = 2; v <= 4; v++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "%d.root.json", v);
            repo_remove(&r, name);
        }
        if (repo_stored(&r, "root.json") > 1) { /* a root that was trusted: go on from there */
            r.version[TUF_ROOT] = repo_stored(&r, "root.json");
            repo_root(&r);
        }
        repo_publish(&r);
        must_refresh();
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_repo, close_repo)
    const struct CMUnitTest tests[] = {
        TEST(a_first_update_asks_for_each_file_once),
        TEST(nothing_new_costs_two_requests),
        TEST(without_consistent_snapshots_names_have_no_version),
        TEST(what_is_stored_is_what_was_received),
        TEST(a_chain_of_roots_is_followed_link_by_link),
        TEST(so_many_roots_in_one_update_and_no_more),
        TEST(an_expired_root_between_others_is_no_failure),
        TEST(fields_of_tomorrow_are_signed_and_read_over),
        TEST(hashes_and_lengths_that_are_right_are_accepted),
        TEST(another_timestamp_of_the_same_version_is_dropped),
        TEST(fast_forward_is_undone_by_taking_the_key_away),
        TEST(a_rotation_that_was_interrupted_is_finished),
        TEST(a_key_that_is_only_added_forgets_nothing),
        TEST(an_update_that_broke_is_continued),
        TEST(broken_files_of_ours_are_fetched_anew),
        TEST(files_of_ours_that_are_not_signed_do_not_count),
        TEST(without_a_root_nothing_is_asked_for),
        TEST(init_takes_one_root_that_signs_itself),
        TEST(a_failure_of_the_net_is_not_a_missing_file),
        TEST(whatever_breaks_a_rule_is_refused_and_not_kept),
        TEST(after_any_refusal_a_good_repository_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
