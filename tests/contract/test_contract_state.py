"""The map and its Merkle root: the root is the content's, whatever the history."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub.contract.records import MEMBER, MOTIONS, Motions
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.trie import EMPTY

paths = st.text("abc/", min_size=1, max_size=4)
values = st.binary(max_size=4)
contents = st.dictionaries(paths, values, max_size=30)
histories = st.lists(st.dictionaries(paths, st.none() | values, max_size=8), max_size=12)


def oracle(content):
    """The root by its definition, from all leaves at once."""

    def root(leaves, depth):
        if not leaves:
            return EMPTY
        if len(leaves) == 1:
            key, value = leaves[0]
            return hashlib.sha256(b"\0" + key + hashlib.sha256(value).digest()).digest()
        halves = [
            [leaf for leaf in leaves if f"{int.from_bytes(leaf[0], 'big'):0256b}"[depth] == bit]
            for bit in "01"
        ]
        return hashlib.sha256(b"\1" + b"".join(root(h, depth + 1) for h in halves)).digest()

    return root([(hashlib.sha256(p.encode()).digest(), v) for p, v in content.items()], 0)


@settings(deadline=None)
@given(contents)
def test_the_root_is_that_of_the_definition(content):
    assert State(content).app_hash == oracle(content)


@settings(deadline=None)
@given(histories)
def test_the_root_depends_on_the_content_and_not_on_its_history(history):
    state = State()
    for writes in history:
        state.commit(dict(writes))
    assert state.app_hash == State(state.values).app_hash == oracle(state.values)


@settings(deadline=None)
@given(contents, contents)
def test_deleting_what_was_added_restores_the_root(content, more):
    state = State(content)
    before = state.app_hash
    added = {p: v for p, v in more.items() if p not in content}
    state.commit(dict(added))
    assert (state.app_hash == before) == (not added)
    state.commit(dict.fromkeys(added))
    assert state.app_hash == before


@settings(deadline=None)
@given(contents, paths)
def test_deleting_what_is_not_there_changes_nothing(content, path):
    state = State({p: v for p, v in content.items() if p != path})
    before = state.app_hash
    state.commit({path: None})
    assert state.app_hash == before


@settings(deadline=None)
@given(contents, paths, values)
def test_every_byte_counts(content, path, value):
    state = State({**content, path: value})
    before = state.app_hash
    state.commit({path: value + b"."})
    assert state.app_hash != before


def test_no_content_has_the_empty_root():
    assert State().app_hash == EMPTY
    assert State({"a": b"1"}).app_hash != State({"a": b""}).app_hash


def test_a_write_shares_what_it_does_not_touch():
    state = State({f"p{i}": b"" for i in range(1000)})
    before = state.tree

    def nodes(tree):
        found, stack = set(), [tree]
        while stack:
            node = stack.pop()
            if node is not None:
                found.add(id(node))
                stack += node[1:] if len(node) == 3 else ()
        return found

    state.commit({"p500": b"new"})
    assert len(nodes(state.tree) - nodes(before)) < 40


def test_an_overlay_reads_through_and_keeps_its_writes_apart():
    state = State({"a": b"1", "b": b"2"})
    overlay = Overlay(state)
    overlay.put("a", b"3")
    overlay.put("b", None)
    above = Overlay(overlay)
    above.put("c", b"4")
    assert [above.get(p) for p in "abcd"] == [b"3", None, b"4", None]
    assert [overlay.get(p) for p in "abc"] == [b"3", None, None]
    assert [state.get(p) for p in "abc"] == [b"1", b"2", None]
    overlay.absorb(above)
    assert overlay.writes == {"a": b"3", "b": None, "c": b"4"}


def test_a_record_that_must_be_there_and_is_not_is_a_fault():
    with pytest.raises(LookupError, match="member/7"):
        MEMBER.need(State(), 7)


def test_a_record_goes_in_and_comes_out():
    overlay = Overlay(State())
    MOTIONS.put(overlay, record=Motions((1, 2)))
    assert overlay.get("motions") == b'{"open":[1,2]}'
    assert MOTIONS.get(overlay) == Motions((1, 2))
    MOTIONS.put(overlay, record=None)
    assert MOTIONS.get(overlay) is None
