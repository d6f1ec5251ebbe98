"""What a newcomer believes of the members' words about their ledger."""

import pytest

from swarmhub.node.entrance import choose_snapshots, read_engines


def saying(*hashes):
    return {"snapshots": [{"height": 1, "hash": h} for h in hashes]}


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ([saying("a", "b")], ["a", "b"]),
        ([saying("a"), saying("b"), saying("a")], ["a", "b"]),
        ([saying("a"), saying("x"), saying("a"), saying("a")], ["a"]),
        ([saying("x", "x"), saying("a"), saying("a"), saying()], ["a"]),
        ([{}, {"snapshots": 7}, {"snapshots": [7, {}]}, saying("a")], []),
    ],
)
def test_a_snapshot_is_believed_where_more_than_the_faulty_announce_it(told, believed):
    assert choose_snapshots(told) == believed


def test_engines_are_bounded_texts():
    assert read_engines({"engines": [7, "x" * 999]}) == ["7", "x" * 400]
    assert read_engines({"engines": 7}) == []
