"""Events: one class each, stored as name and fields, and said in one place."""

import dataclasses
import typing

import pytest
from builders import Consortium, key

from swarmhub import codec
from swarmhub.contract import events
from swarmhub.contract.events import EVENTS, Admitted, Event, read_event, with_name
from swarmhub.contract.records import Model, Score
from swarmhub.contract.transactions import Leave
from swarmhub.errors import Malformed
from swarmhub.ledger.sentences import SENTENCES, WORDS, say_event

BASES = {Event, events.StudyEvent, events.RoundEvent}


def example(kind):
    """A value of a type, or a record with a value for each field."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{f.name: example(hints[f.name]) for f in dataclasses.fields(kind)})
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return (example(args[0]), example(args[0]))
    if origin is dict:
        return {"auc": 1}
    if args:
        return args[-1] if origin is typing.Literal else example(args[0])
    return {int: 1, str: "a", bool: True}[kind]


def test_the_table_has_every_class_of_event():
    classes = {c for c in vars(events).values() if isinstance(c, type) and issubclass(c, Event)}
    assert set(EVENTS.values()) == classes - BASES
    assert len(EVENTS) > 35


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_an_event_comes_back_from_what_is_stored_of_it(kind):
    event = example(kind)
    name, fields = codec.decode(codec.encode(with_name(event)))
    assert read_event(name, fields) == event


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_every_event_has_a_sentence(kind):
    said = say_event(example(kind), {1: "North"})
    assert len(said) > 8
    assert "{" not in said
    assert "member 1" not in said  # it has a name


def test_sentences_and_their_words_are_of_events_and_their_fields():
    assert set(SENTENCES) == set(EVENTS.values())
    for kind, words in WORDS.items():
        hints = typing.get_type_hints(kind)
        for field, said in words.items():
            assert set(said) == set(typing.get_args(hints[field]) or (True, False))


def test_an_event_of_a_later_version_is_refused_by_name():
    with pytest.raises(Malformed, match="'paused', which this version does not know; install"):
        read_event("paused", {})


def test_an_event_with_a_wrong_field_is_refused_with_its_path():
    with pytest.raises(Malformed, match="Admitted: unknown key 'names'; did you mean 'name'"):
        read_event("admitted", {"member": 1, "names": "x"})


def test_the_hash_of_a_block_covers_its_events():
    c = Consortium(3)
    newcomer = c.admit("newcomer")
    assert Admitted(newcomer, "newcomer") in c.events
    before = c.ledger.blocks[-1].header.results
    c.ok(key("newcomer"), Leave())
    assert c.ledger.blocks[-1].header.results != before


def test_records_in_events_are_those_of_the_contract():
    hints = {kind: typing.get_type_hints(kind) for kind in EVENTS.values()}
    assert hints[events.Settled]["model"] is Model
    assert hints[events.Evaluated]["score"] is Score
