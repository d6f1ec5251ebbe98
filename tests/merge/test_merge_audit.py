"""An auditor recomputes stretches: it agrees with a right merge and finds a false one."""

import random

import pytest
from merge_oracles import merged
from test_merge_parameters import mixed

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import (
    STRETCH_BYTES,
    Rule,
    WeightedSource,
    draw,
    excerpt,
    find_false_stretch,
    recompute_leaf,
)
from swarmhub.merge.audit import (
    count_stretches,
    find_false_excerpts,
    layout_of_excerpt,
)
from swarmhub.params import CHUNK_BYTES, leaf_of

LOCAL = ["weighted_mean", "coordinate_median", "trimmed_mean"]


class Bytes:
    def __init__(self, data):
        self.data = data

    def read_at(self, offset, length):
        return self.data[offset : offset + length]


def audit(rule, layout, contributions, result, starts):
    excerpts = [
        WeightedSource(c.member, c.weight, Bytes(excerpt(c.source, layout.nbytes, starts)))
        for c in contributions
    ]
    said = excerpt(Bytes(result), layout.nbytes, starts)
    return find_false_stretch(rule, layout, starts, excerpts, said)


@pytest.mark.parametrize("rule", LOCAL)
@pytest.mark.parametrize("seed", range(2))
def test_every_stretch_of_a_right_merge_is_right(rule, seed):
    layout, contributions = mixed(5, seed)
    result = merged(Rule(rule), layout, contributions)
    every = tuple(range(0, layout.nbytes, STRETCH_BYTES))
    assert audit(Rule(rule), layout, contributions, result, every) is None
    some = draw(layout.nbytes, random.Random(seed).randrange)
    assert audit(Rule(rule), layout, contributions, result, some) is None


@pytest.mark.parametrize("rule", LOCAL)
def test_a_false_byte_is_found_if_its_stretch_is_drawn_and_only_then(rule):
    layout, contributions = mixed(4, 1)
    result = bytearray(merged(Rule(rule), layout, contributions))
    every = tuple(range(0, layout.nbytes, STRETCH_BYTES))
    place = len(every) // 2
    result[every[place]] ^= 1
    assert audit(Rule(rule), layout, contributions, bytes(result), every) == every[place]
    others = every[:place] + every[place + 1 :]
    assert audit(Rule(rule), layout, contributions, bytes(result), others) is None


def test_an_excerpt_that_cannot_be_merged_names_its_owner():
    layout, contributions = mixed(3, 2)
    result = merged(Rule("weighted_mean"), layout, contributions)
    starts = tuple(range(0, layout.nbytes, STRETCH_BYTES))
    lie = WeightedSource(contributions[0].member, 1, Bytes(b"\xff" * layout.nbytes))
    with pytest.raises(BadContribution) as raised:
        audit(Rule("weighted_mean"), layout, [lie, *contributions[1:]], result, starts)
    assert raised.value.member == lie.member


def test_a_proven_chunk_shows_whose_excerpt_is_false():
    nbytes, rng = 2 * CHUNK_BYTES + 700, random.Random(3)
    buffers = {m: rng.randbytes(nbytes) for m in (1, 2, 3)}
    starts = (0, 512, CHUNK_BYTES - 256, CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 512)
    given = {m: excerpt(Bytes(data), nbytes, starts) for m, data in buffers.items()}
    for index in range(3):
        chunks = {m: data[index * CHUNK_BYTES :][:CHUNK_BYTES] for m, data in buffers.items()}
        assert find_false_excerpts(starts, nbytes, given, chunks, index) == set()
        for at in range(0, len(given[2]), 128):
            lie = bytearray(given[2])
            lie[at] ^= 1
            found = find_false_excerpts(starts, nbytes, {**given, 2: bytes(lie)}, chunks, index)
            assert found == ({2} if starts[at // 256] // CHUNK_BYTES == index else set())
        cut = {**given, 1: given[1][:-1]}
        found = find_false_excerpts(starts, nbytes, cut, chunks, index)
        assert found == ({1} if index == 2 else set())


def test_stretches_are_distinct_whole_and_within_the_buffer():
    for nbytes in (64, 300, 70_000, 25_000_000, 10**9):
        starts = draw(nbytes, random.Random(nbytes).randrange)
        assert len(set(starts)) == len(starts) == min(count_stretches(nbytes), -(-nbytes // 256))
        assert all(at % STRETCH_BYTES == 0 and 0 <= at < nbytes for at in starts)
        assert list(starts) == sorted(starts)
        assert all(at // CHUNK_BYTES == (at + STRETCH_BYTES - 1) // CHUNK_BYTES for at in starts)
    assert [count_stretches(int(mb * 1e6)) for mb in (1, 25, 250)] == [64, 381, 1024]


def test_an_excerpts_layout_has_exactly_its_bytes():
    layout, contributions = mixed(2, 3)
    starts = draw(layout.nbytes, random.Random(0).randrange)
    found = excerpt(contributions[0].source, layout.nbytes, starts)
    assert layout_of_excerpt(layout, starts).nbytes == len(found)


@pytest.mark.parametrize(("q", "s"), [(0.01, 381), (0.05, 64), (0.1, 64)])
def test_a_lie_escapes_no_more_often_than_the_guide_says(q, s):
    """1,000 lies, each in a share q of 97,657 stretches (25 MB); 4 sigma of luck are allowed."""
    slots, rng = 97_657, random.Random(7)
    false = int(q * slots)
    escapes = sum(min(rng.sample(range(slots), s)) >= false for _ in range(1000))
    chance = (1 - q) ** s
    assert escapes / 1000 <= chance + 4 * (chance * (1 - chance) / 1000) ** 0.5 + 1e-3


@pytest.mark.parametrize("rule", [*LOCAL, "geometric_median"])
def test_a_recomputed_leaf_is_that_of_the_right_merge(rule):
    layout, contributions = mixed(4, 4)
    result = merged(Rule(rule), layout, contributions)
    assert (
        recompute_leaf(Rule(rule), layout, contributions, 0) == leaf_of(result[:CHUNK_BYTES]).hex()
    )
    with pytest.raises(MergeError):
        recompute_leaf(Rule(rule), layout, contributions, 10**6)
