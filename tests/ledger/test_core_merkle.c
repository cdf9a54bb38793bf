#include "util.h"

#define C (&note_crypto)

static int naive_subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    uint64_t *calls = arg;

    if (calls != NULL)
        (*calls)++;
    util_mth(index << level, (index + 1) << level, out);
    return 0;
}
static const struct core_source naive = {naive_subtree, NULL};

/* PATH(m, D[lo:hi]) and SUBPROOF of RFC 6962 sections 2.1.1 and 2.1.2, as they are written */
static size_t rfc_path(uint64_t m, uint64_t lo, uint64_t hi, struct digest *out)
{
    uint64_t k = 1;
    size_t n;

    if (hi - lo == 1)
        return 0;
    while (2 * k < hi - lo)
        k *= 2;
    if (m < k) {
        n = rfc_path(m, lo, lo + k, out);
        util_mth(lo + k, hi, &out[n]);
    } else {
        n = rfc_path(m - k, lo + k, hi, out);
        util_mth(lo, lo + k, &out[n]);
    }
    return n + 1;
}

static size_t rfc_subproof(uint64_t m, uint64_t lo, uint64_t hi, bool b, struct digest *out)
{
    uint64_t k = 1;
    size_t n;

    if (m == hi - lo) {
        if (!b)
            util_mth(lo, hi, out);
        return !b;
    }
    while (2 * k < hi - lo)
        k *= 2;
    if (m <= k) {
        n = rfc_subproof(m, lo, lo + k, b, out);
        util_mth(lo + k, hi, &out[n]);
    } else {
        n = rfc_subproof(m - k, lo + k, hi, false, out);
        util_mth(lo, lo + k, &out[n]);
    }
    return n + 1;
}

static void roots_are_those_of_the_certificate_transparency_vectors(void **state)
{
    static const struct {
        const char *leaf, *root;
    } v[] = {
        {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"606162636465666768696a6b6c6d6e6f",
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    struct core_range r = {0};
    struct digest d;
    uint8_t raw[16];
    char hex[65];

    (void)state;
    core_range_root(C, &r, &d);
    text_digest(hex, &d);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t n = strlen(v[i].leaf) / 2;

        assert_int_equal(text_unhex(span_str(v[i].leaf), raw, n), 0);
        C->leaf(raw, n, &d);
        assert_int_equal(core_range_add(C, &r, &d), 0);
        core_range_root(C, &r, &d);
        text_digest(hex, &d);
        assert_string_equal(hex, v[i].root);
    }
}

static void every_size_to_1025_has_the_root_of_the_definition(void **state)
{
    struct core_range r = {0}, from;
    struct digest leaf, own, want;

    (void)state;
    for (uint64_t size = 0; size <= 1025; size++) {
        core_range_root(C, &r, &own);
        util_mth(0, size, &want);
        assert_memory_equal(own.b, want.b, 32);
        if (size % 64 < 2) {
            assert_int_equal(core_range_from(C, &naive, size, &from), 0);
            core_range_root(C, &from, &own);
            assert_memory_equal(own.b, want.b, 32);
        }
        util_leaf_hash(size, &leaf);
        assert_int_equal(core_range_add(C, &r, &leaf), 0);
    }
}

static void subtrees_join_as_their_leaves_would(void **state)
{
    struct core_range r = {0};
    struct digest h, want;

    (void)state;
    util_mth(0, 256, &h);
    assert_int_equal(core_range_add_subtree(C, &r, 8, &h), 0);
    util_mth(256, 512, &h);
    assert_int_equal(core_range_add_subtree(C, &r, 8, &h), 0);
    util_leaf_hash(512, &h);
    assert_int_equal(core_range_add(C, &r, &h), 0);
    core_range_root(C, &r, &h);
    util_mth(0, 513, &want);
    assert_memory_equal(h.b, want.b, 32);
    assert_int_equal(core_range_add_subtree(C, &r, 1, &h), CORE_EINVAL);
    assert_int_equal(core_range_add_subtree(C, &r, 63, &h), CORE_EINVAL);
    assert_int_equal(r.size, 513);
}

static void the_largest_tree_takes_no_leaf_more(void **state)
{
    struct core_range r = {.size = INT64_MAX};
    struct digest h = {{0}};

    (void)state;
    assert_int_equal(core_range_add(C, &r, &h), CORE_E2BIG);
    assert_true(r.size == INT64_MAX);
}

static void every_inclusion_proof_is_the_rfcs_and_verifies_only_for_its_leaf(void **state)
{
    struct digest path[CORE_PROOF_MAX], want[CORE_PROOF_MAX], root, leaf;
    size_t n;

    (void)state;
    for (uint64_t size = 1; size <= 70; size++) {
        util_mth(0, size, &root);
        for (uint64_t i = 0; i < size; i++) {
            util_leaf_hash(i, &leaf);
            assert_int_equal(core_prove_inclusion(C, &naive, i, size, path, &n), 0);
            assert_int_equal(n, rfc_path(i, 0, size, want));
            assert_memory_equal(path, want, n * 32);
            assert_int_equal(core_inclusion(C, i, size, &leaf, path, n, &root), 0);
            for (uint64_t other = 0; other < size + 2; other++)
                assert_int_equal(core_inclusion(C, other, size, &leaf, path, n, &root) == 0,
                                 other == i);
            for (size_t k = 0; k < n; k++) {
                path[k].b[k % 32] ^= 1;
                assert_int_equal(core_inclusion(C, i, size, &leaf, path, n, &root), CORE_EBADMSG);
                path[k].b[k % 32] ^= 1;
            }
            path[n] = root;
            assert_int_equal(core_inclusion(C, i, size, &leaf, path, n + 1, &root), CORE_EBADMSG);
            if (n > 0)
                assert_int_equal(core_inclusion(C, i, size, &leaf, path, n - 1, &root),
                                 CORE_EBADMSG);
        }
        assert_int_equal(core_prove_inclusion(C, &naive, size, size, path, &n), CORE_EINVAL);
    }
}

static void every_consistency_proof_is_the_rfcs_and_verifies_only_for_its_trees(void **state)
{
    struct digest path[CORE_PROOF_MAX], want[CORE_PROOF_MAX], a, b, wrong;
    size_t n;

    (void)state;
    for (uint64_t size = 1; size <= 70; size++) {
        util_mth(0, size, &b);
        for (uint64_t old = 1; old < size; old++) {
            util_mth(0, old, &a);
            assert_int_equal(core_prove_consistency(C, &naive, old, size, path, &n), 0);
            assert_int_equal(n, rfc_subproof(old, 0, size, true, want));
            assert_memory_equal(path, want, n * 32);
            assert_int_equal(core_consistency(C, old, size, &a, &b, path, n), 0);
            wrong = a;
            wrong.b[31] ^= 1;
            assert_int_equal(core_consistency(C, old, size, &wrong, &b, path, n), CORE_EBADMSG);
            wrong = b;
            wrong.b[0] ^= 1;
            assert_int_equal(core_consistency(C, old, size, &a, &wrong, path, n), CORE_EBADMSG);
            for (size_t k = 0; k < n; k++) {
                path[k].b[(k * 7) % 32] ^= 1;
                assert_int_equal(core_consistency(C, old, size, &a, &b, path, n), CORE_EBADMSG);
                path[k].b[(k * 7) % 32] ^= 1;
            }
            path[n] = b;
            assert_int_equal(core_consistency(C, old, size, &a, &b, path, n + 1), CORE_EBADMSG);
            assert_int_equal(core_consistency(C, old, size, &a, &b, path, n - 1), CORE_EBADMSG);
            assert_int_equal(core_consistency(C, size, old, &b, &a, path, n), CORE_EBADMSG);
            /* sizes of another height want another number of hashes */
            assert_int_equal(core_consistency(C, old, 8 * size, &a, &b, path, n), CORE_EBADMSG);
        }
    }
}

static void consistency_with_nothing_and_with_itself_has_an_empty_proof(void **state)
{
    struct digest path[CORE_PROOF_MAX], empty, a, b;
    size_t n = 9;

    (void)state;
    util_mth(0, 0, &empty);
    util_mth(0, 5, &a);
    util_mth(0, 6, &b);
    assert_int_equal(core_prove_consistency(C, &naive, 0, 5, path, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(core_prove_consistency(C, &naive, 5, 5, path, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(core_prove_consistency(C, &naive, 6, 5, path, &n), CORE_EINVAL);
    assert_int_equal(core_consistency(C, 0, 5, &empty, &a, path, 0), 0);
    assert_int_equal(core_consistency(C, 0, 5, &b, &a, path, 0), CORE_EBADMSG);
    assert_int_equal(core_consistency(C, 0, 5, &empty, &a, &a, 1), CORE_EBADMSG);
    assert_int_equal(core_consistency(C, 0, 0, &empty, &empty, path, 0), 0);
    assert_int_equal(core_consistency(C, 0, 0, &empty, &a, path, 0), CORE_EBADMSG);
    assert_int_equal(core_consistency(C, 5, 5, &a, &a, path, 0), 0);
    assert_int_equal(core_consistency(C, 5, 5, &a, &b, path, 0), CORE_EBADMSG);
    assert_int_equal(core_consistency(C, 5, 5, &a, &a, &a, 1), CORE_EBADMSG);
    assert_int_equal(core_consistency(C, 4, 5, &a, &b, path, 0), CORE_EBADMSG);
}

static int failing_subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    (void)level;
    (void)index;
    (void)out;
    return (*(int *)arg)-- == 0 ? -EIO : naive_subtree(NULL, level, index, out);
}

static void a_source_that_fails_is_heard(void **state)
{
    struct digest path[CORE_PROOF_MAX];
    struct core_range r;
    size_t n;

    (void)state;
    for (int k = 0; k < 3; k++) {
        int left = k;
        struct core_source src = {failing_subtree, &left};

        assert_int_equal(core_prove_inclusion(C, &src, 5, 13, path, &n), -EIO);
        left = k;
        assert_int_equal(core_prove_consistency(C, &src, 7, 13, path, &n), -EIO);
        left = k;
        assert_int_equal(core_range_from(C, &src, 13, &r), -EIO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_certificate_transparency_vectors),
        cmocka_unit_test(every_size_to_1025_has_the_root_of_the_definition),
        cmocka_unit_test(subtrees_join_as_their_leaves_would),
        cmocka_unit_test(the_largest_tree_takes_no_leaf_more),
        cmocka_unit_test(every_inclusion_proof_is_the_rfcs_and_verifies_only_for_its_leaf),
        cmocka_unit_test(every_consistency_proof_is_the_rfcs_and_verifies_only_for_its_trees),
        cmocka_unit_test(consistency_with_nothing_and_with_itself_has_an_empty_proof),
        cmocka_unit_test(a_source_that_fails_is_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
