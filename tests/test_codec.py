"""Canonical JSON: one form of bytes for every value, and nothing else is read."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any, Literal

import pytest
from builders import spec_of
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import codec
from swarmhub.codec import (
    MAX_DEPTH,
    MAX_INT,
    decode,
    digest,
    encode,
    from_json,
    pack,
    parse,
    unpack,
)
from swarmhub.contract.records import Spec, Study
from swarmhub.errors import Malformed

plain = st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs",))
names = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs",)), max_size=8)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | texts
jsons = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)

# canonical form


@settings(deadline=None)
@given(jsons)
def test_what_is_encoded_is_decoded(value):
    assert decode(encode(value)) == value


@settings(deadline=None)
@given(jsons)
def test_a_value_has_one_form(value):
    data = encode(value)
    assert encode(json.loads(data)) == data
    assert encode(decode(data)) == data


@settings(deadline=None)
@given(st.dictionaries(names, scalars, min_size=2, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value, random):
    keys = list(value)
    random.shuffle(keys)
    assert encode({k: value[k] for k in keys}) == encode(value)


def test_keys_are_sorted_and_no_space_is_lost():
    assert encode({"b": [1, {"z": None, "a": True}], "a": "é\n"}) == (
        b'{"a":"\xc3\xa9\\n","b":[1,{"a":true,"z":null}]}'
    )


def test_keys_are_sorted_as_rfc_8785_sorts_them():
    """The example of its section 3.2.3: by UTF-16 code units, which is not by code points."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    try:
        data = encode(dict.fromkeys(names, 0))
    except Malformed:
        return  # refusing such keys is another way to have one form
    assert list(json.loads(data)) == expected


def test_strings_are_escaped_as_rfc_8785_escapes_them():
    assert encode('\u20ac$\x0f\nA\'B"\\\\"/\x7f') == (
        b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'
    )


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b" 1",
        b"1\n",
        b"-0",
        b"01",
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'"\\u0041"',
        b'"\\/"',
        b'"\\u00E9"',
        b"\xef\xbb\xbf1",
        b"[1,]",
        b"",
        b"1 2",
        b"\xff",
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b"'a'",
        b"nul",
        b"{1:2}",
    ],
)
def test_any_other_form_is_refused(data):
    with pytest.raises(Malformed):
        decode(data)


@settings(deadline=None)
@given(jsons)
def test_a_person_may_write_json_with_any_spacing(value):
    assert parse(json.dumps(value, indent=3).encode()) == value


# numbers


@pytest.mark.parametrize(
    "data", [b"1.0", b"1e3", b"-0.0", b"NaN", b"Infinity", b"-Infinity", b"[0.5]"]
)
def test_floats_are_refused(data):
    for read in (decode, parse):
        with pytest.raises(Malformed, match="integer"):
            read(data)


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), b"bytes", {1}, object(), 1j, {1: 2}, {None: 1}]
)
def test_what_json_does_not_know_is_not_encoded(value):
    with pytest.raises(Malformed):
        encode(value)
    with pytest.raises(Malformed):
        encode([{"a": value}])


@pytest.mark.parametrize("value", [MAX_INT, -MAX_INT])
def test_integers_go_as_far_as_every_reader_goes(value):
    assert decode(encode(value)) == value
    further = value + (1 if value > 0 else -1)
    with pytest.raises(Malformed):
        encode(further)
    with pytest.raises(Malformed):
        decode(str(further).encode())
    with pytest.raises(Malformed):
        from_json(Small, {"n": further})


@pytest.mark.parametrize("digits", [17, 18, 5000, 900_000])
def test_huge_integers_are_refused_at_once(digits):
    started = time.perf_counter()
    for data in (b"9" * digits, b"-" + b"9" * digits):
        with pytest.raises(Malformed):
            decode(data)
    assert time.perf_counter() - started < 2


def test_surrogates_are_no_text():
    for value in ("\ud800", ["\udfff"], {"\ud800": 1}):
        with pytest.raises(Malformed):
            encode(value)


# bounds


def nested(depth):
    value: Any = 1
    for i in range(depth):
        value = [value] if i % 2 else {"a": value}
    return value


def test_nesting_has_a_bound():
    assert decode(encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(Malformed, match="nested"):
        encode(nested(MAX_DEPTH + 1))
    with pytest.raises(Malformed):
        decode(json.dumps(nested(MAX_DEPTH + 1), separators=(",", ":")).encode())


@pytest.mark.parametrize("data", [b"[" * 500_000, b"[" * 90_000 + b"]" * 90_000, b'{"a":' * 90_000])
def test_a_bomb_of_brackets_is_refused(data):
    with pytest.raises(Malformed):
        decode(data)


def test_more_bytes_than_allowed_are_not_read():
    with pytest.raises(Malformed, match="at most 10 bytes"):
        decode(b'"123456789"', limit_bytes=10)
    assert decode(b'"12345678"', limit_bytes=10) == "12345678"


# records


@dataclasses.dataclass(frozen=True)
class Small:
    n: int
    text: str = ""
    flag: bool = False
    choice: Literal["one", "two"] = "one"
    perhaps: str | None = None
    pair: tuple[int, str] = (0, "")
    many: tuple[int, ...] = ()
    table: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Small
    rest: tuple[Small, ...] = ()
    other: Small | None = None


@dataclasses.dataclass(frozen=True)
class Odd:
    x: bytes


ints = st.integers(-MAX_INT, MAX_INT)
smalls = st.builds(
    Small,
    n=ints,
    text=texts,
    flag=st.booleans(),
    choice=st.sampled_from(["one", "two"]),
    perhaps=st.none() | texts,
    pair=st.tuples(ints, texts),
    many=st.lists(ints, max_size=3).map(tuple),
    table=st.dictionaries(names, ints, max_size=3),
)


@settings(deadline=None)
@given(st.builds(Outer, smalls, st.lists(smalls, max_size=3).map(tuple), st.none() | smalls))
def test_a_record_goes_in_and_comes_out(record):
    assert unpack(Outer, pack(record)) == record


@pytest.mark.parametrize(
    "record",
    [Small(MAX_INT + 1), Small(1.5), Small(1, "\ud800"), Small(1, table={"k": 2**60})],
    ids=str,
)
def test_what_could_not_be_read_again_is_not_packed(record):
    with pytest.raises(Malformed):
        pack(record)


def test_the_contracts_records_go_in_and_come_out():
    spec = spec_of(options={"b": "1", "a": "2"}, keep_local=("head.*",))
    assert unpack(Spec, pack(spec)) == spec
    study = Study("heart", "0" * 64, 1)
    assert unpack(Study, pack(study)) == study


@dataclasses.dataclass(frozen=True)
class Older:
    name: str
    rounds: int = 10


@dataclasses.dataclass(frozen=True)
class Newer:
    name: str
    rounds: int = 10
    audit: bool = False  # added by a later version
    stages: tuple[str, ...] = ()


def test_a_new_field_with_a_default_changes_no_bytes_of_old_records():
    assert pack(Newer("a")) == pack(Older("a")) == b'{"name":"a"}'
    assert unpack(Newer, pack(Older("a", 3))) == Newer("a", 3)
    assert pack(Newer("a", audit=True)) == b'{"audit":true,"name":"a"}'


def test_a_record_has_one_form_without_fields_at_their_default():
    assert from_json(Older, {"name": "a", "rounds": 10}) == Older("a")  # a person may write it
    with pytest.raises(Malformed, match="no field at its default"):
        unpack(Older, b'{"name":"a","rounds":10}')


def test_what_has_a_default_may_be_left_out():
    assert unpack(Small, b'{"n":5}') == Small(5)


GOOD = {"n": 1}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], "Small"),
        ({}, "'n'"),
        ({"n": "1"}, "Small.n"),
        ({"n": True}, "Small.n"),
        ({"n": None}, "Small.n"),
        ({"n": MAX_INT + 1}, "Small.n"),
        ({**GOOD, "text": 5}, "Small.text"),
        ({**GOOD, "flag": 1}, "Small.flag"),
        ({**GOOD, "choice": "three"}, "one, two"),
        ({**GOOD, "choice": []}, "Small.choice"),
        ({**GOOD, "perhaps": 1}, "Small.perhaps"),
        ({**GOOD, "pair": [1]}, "Small.pair"),
        ({**GOOD, "pair": ["a", "b"]}, r"Small.pair\[0\]"),
        ({**GOOD, "pair": {}}, "Small.pair"),
        ({**GOOD, "many": [1, "x"]}, r"Small.many\[1\]"),
        ({**GOOD, "many": 3}, "Small.many"),
        ({**GOOD, "table": []}, "Small.table"),
        ({**GOOD, "table": {"k": "v"}}, "Small.table.k"),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_named_with_its_path(value, path):
    with pytest.raises(Malformed, match=path):
        from_json(Small, value)


def test_a_path_goes_through_nested_records():
    with pytest.raises(Malformed, match=r"Outer.rest\[1\].n"):
        from_json(Outer, {"inner": GOOD, "rest": [GOOD, {"n": "x"}]})


def test_an_unknown_key_is_named_with_the_nearest_valid_one():
    with pytest.raises(Malformed, match="unknown key 'chioce'; did you mean 'choice'"):
        from_json(Small, {**GOOD, "chioce": "one"})
    with pytest.raises(Malformed, match="valid keys: n, text"):
        from_json(Small, {**GOOD, "zzzzzzzz": 1})
    with pytest.raises(Malformed, match="spec: unknown key 'min_peer'; did you mean 'min_peers'"):
        from_json(Spec, {"name": "s", "rounds": 1, "min_peer": 2}, "spec")


def test_a_hostile_value_does_not_make_a_message_long():
    for value in ({"n": "x" * 100_000}, {**GOOD, "k" * 100_000: 1}, {"n": [0] * 50_000}):
        with pytest.raises(Malformed) as caught:
            from_json(Small, value)
        assert len(str(caught.value)) < 400


def test_a_field_that_the_codec_does_not_know_is_a_fault_of_ours():
    with pytest.raises(TypeError):
        from_json(Odd, {"x": 1})


# digests


def test_a_digest_is_not_moved_by_moving_the_bounds_of_its_parts():
    assert len({digest(b"ab", b"c"), digest(b"a", b"bc"), digest(b"abc"), digest(b"abc", b"")}) == 4
    assert digest() == digest()


def test_a_digest_is_64_lower_case_hex_digits():
    assert codec.is_digest(digest(b"x"))
    for text in ("", "ab", "AB" * 32, "zz" * 32, "ab" * 33, "١" * 64):
        assert not codec.is_digest(text)


def test_a_string_without_an_end_is_looked_at_once():
    unclosed = b'"' + rb"\"" * 9
    assert codec.STRING.findall(b"[" + unclosed) == [unclosed]
    assert codec.STRING.sub(b"", rb'["a[\"{", {"b": "\\"}]') == b"[, {: }]"
