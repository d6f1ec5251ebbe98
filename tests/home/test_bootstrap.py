"""What a newcomer believes of the members' words about their ledger."""

import asyncio

import pytest

from swarmhub.errors import HungUp, PeerError
from swarmhub.home.bootstrap import Bootstrap, TrustedCheckpoint, choose_snapshots, read_engines


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


class Doors:
    """Members' doors, as a newcomer finds them; each answer is an error's class, or None."""

    def __init__(self, *answers):
        self.answers = answers

    async def knock(self, place):
        if self.answers[place] is not None:
            raise self.answers[place]("said")


@pytest.mark.parametrize(
    ("answers", "looks", "state"),
    [
        ((HungUp, HungUp, HungUp), 1, "waiting"),  # they may be a block behind
        ((HungUp, HungUp, HungUp), 2, "declined"),
        ((HungUp, HungUp, None), 2, "waiting"),
        ((HungUp, PeerError, PeerError), 2, "waiting"),  # it may be a liar
        ((PeerError, PeerError, PeerError), 2, "waiting"),
    ],
)
def test_more_than_the_faulty_have_to_decline(answers, looks, state):
    here = Bootstrap(None)
    for _ in range(looks):
        asyncio.run(here._look(Doors(*answers), TrustedCheckpoint((None,) * len(answers))))
    found = here.standing()
    assert (found.state, found.well) == (state, state == "waiting")
