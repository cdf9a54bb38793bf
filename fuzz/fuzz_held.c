/* What a file held: a record that is read to its end is bounded and consistent. */
#include <assert.h>
#include <string.h>

#include "detect/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tree_member m;
    struct tree t;
    uint32_t n = 0;
    int rc;

    if (tree_read(&t, span_of(data, size)) != 0)
        return 0;
    while ((rc = tree_next(&t, &m)) == 1) {
        assert(m.parent < m.number && m.number <= t.members);
        assert(m.name.n <= TREE_NAME_MAX && m.names.n <= TREE_HITS_MAX);
        assert(m.name.p + m.name.n <= data + size && m.names.p + m.names.n <= data + size);
        n++;
    }
    assert(rc == 0 || rc == -74);
    assert(rc != 0 || n <= t.members);
    return 0;
}
