"""The hash tree: a chunk's proof leads to the root, and nothing else does."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from swarmhub.merkle import climb, path_of, root_of


def leaves_of(n):
    return [hashlib.sha256(str(i).encode()).digest() for i in range(n)]


def oracle(leaves):
    """The tree of RFC 6962, section 2.1, by its recursion."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + oracle(leaves[:k]) + oracle(leaves[k:])).digest()


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_proven_by_its_path_and_no_other_is(n, data):
    leaves = leaves_of(n)
    index = data.draw(st.integers(0, n - 1))
    root, path = root_of(leaves), path_of(leaves, index)
    assert root == oracle(leaves)
    assert climb(leaves[index], index, n, path) == root
    assert climb(hashlib.sha256(b"another").digest(), index, n, path) != root
    elsewhere = data.draw(st.integers(0, n - 1))
    assert elsewhere == index or climb(leaves[index], elsewhere, n, path) != root
    assert climb(leaves[index], index, n, (*path, root)) is None
    assert not path or climb(leaves[index], index, n, path[:-1]) is None
