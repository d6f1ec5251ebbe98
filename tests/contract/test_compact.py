"""The compact form of transactions: one for each text, bounded, and of any bytes a text again."""

import base64
import contextlib
import json

import pytest
from builders import HEART
from hypothesis import given
from hypothesis import strategies as st
from masked import MaskedConsortium

from swarmhub import codec
from swarmhub.contract.compact import expand, shrink
from swarmhub.contract.envelope import MAX_TX_BYTES, read_text, read_transaction, write_text
from swarmhub.contract.transactions import Ready
from swarmhub.errors import Malformed

LIMIT = 1 << 20
STRINGS = st.one_of(
    st.text(max_size=30),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.binary(min_size=64, max_size=64).map(bytes.hex),
    st.binary(min_size=40, max_size=99).map(lambda b: base64.b64encode(b).decode()),
    st.sampled_from(['"' + "ab" * 32, "ab" * 32 + '"', "A" * 65, "A" * 63 + "B", "A" * 62 + "=="]),
)
VALUES = st.recursive(
    STRINGS | st.integers(-9, 9), lambda inner: st.dictionaries(STRINGS, inner, max_size=4)
)


@given(value=VALUES)
def test_the_text_of_a_compact_form_is_the_one_it_is_of(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    small = shrink(text)
    assert len(small) <= len(text)
    assert read_text(text.decode()) == small
    assert expand(small, LIMIT) == text
    assert len(text) <= 2 * len(small)


@given(data=st.binary(max_size=200) | STRINGS.map(str.encode))
def test_any_bytes_are_had_again_from_their_text(data):
    assert read_text(write_text(data)) == data


@given(data=st.binary(max_size=200))
def test_bytes_are_the_compact_form_of_one_text_or_malformed(data):
    with contextlib.suppress(Malformed):
        assert shrink(expand(data, LIMIT)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\x00", b"\x1f", b"\x01" + bytes(31), b"\x02" + bytes(63), b"\x03", b"\x03\x00\x40" + b"a",
        b"\x03\x00\x01a",  # short: as letters
        b'{"a":"' + b"0" * 64 + b'"}',  # long: as bytes
        b"\x04",
    ],
)  # fmt: skip
def test_another_spelling_is_malformed(data):
    with pytest.raises(Malformed):
        expand(data, LIMIT)


def test_a_text_has_bounds_before_it_is_made():
    with pytest.raises(Malformed, match="at most 9 bytes"):
        expand(b"{" * 10, 9)


def test_a_signed_transaction_is_read_from_either_form():
    c = MaskedConsortium(4)
    data = c.write(1, Ready(HEART))
    text = write_text(data)
    assert codec.encode(json.loads(text)) == text.encode()
    assert read_transaction(read_text(text)) == read_transaction(data)
    with pytest.raises(Malformed):
        read_transaction(text.encode())
    assert len(text) <= MAX_TX_BYTES


@pytest.mark.parametrize("text", ["hex:xyz", "hex:0", "\ud800"])
def test_a_text_of_no_bytes_is_malformed(text):
    with pytest.raises(Malformed):
        read_text(text)
