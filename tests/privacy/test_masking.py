"""Masks against AES-CTR in one call and sums of Python's integers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.privacy import (
    Mask,
    Unmasking,
    apply_masks,
    member_masks,
    pair_mask,
    remaining_masks,
    self_mask,
)
from swarmhub.privacy.masking import BLOCK
from swarmhub.secret_sharing import ORDER, make_seed

KEY = bytes(range(32))


def stream(key: bytes, nbytes: int) -> bytes:
    """The whole stream in one call."""
    return Cipher(AES256(key), CTR(bytes(16))).encryptor().update(bytes(nbytes))


@pytest.mark.parametrize("kind", ["<u4", "<u8"])
@pytest.mark.parametrize("offset", [0, 16, BLOCK - 16, 5 * BLOCK + 4096])
@pytest.mark.parametrize("nbytes", [8, 64, BLOCK, BLOCK + 24, 3 * BLOCK - 8])
def test_a_stretch_is_that_of_the_whole_stream(kind, offset, nbytes):
    values = np.arange(nbytes // np.dtype(kind).itemsize, dtype=kind) - 77
    expected = values + np.frombuffer(stream(KEY, offset + nbytes)[offset:], kind)
    apply_masks(values, offset, [Mask(KEY, True)])
    assert (values == expected).all()


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.booleans()), max_size=5))
def test_masks_are_added_modulo_the_ring(masks):
    values = np.array([5, 2**32 - 1, 0], np.uint32)
    expected = [int(v) for v in values]
    for key, is_added in masks:
        words = np.frombuffer(stream(key, 12), "<u4")
        expected = [(e + (int(w) if is_added else -int(w))) % 2**32
                    for e, w in zip(expected, words, strict=True)]  # fmt: skip
    apply_masks(values, 0, [Mask(*m) for m in masks])
    assert values.tolist() == expected


def test_an_inverse_takes_a_mask_away():
    values, mask = np.arange(1000, dtype=np.uint64), Mask(KEY, False)
    apply_masks(values, 32, [mask, mask.inverse()])
    assert (values == np.arange(1000)).all()


def test_keys_are_derived_as_rfc_5869_says():
    info = b"swarmhub self mask 1\0study"
    key = HKDF(hashes.SHA256(), 32, None, info).derive(KEY)
    assert self_mask(KEY, b"study") == Mask(key, True)


def test_both_of_a_pair_have_one_stream_and_two_signs():
    low, high = pair_mask(KEY, 3, 8, b"r"), pair_mask(KEY, 8, 3, b"r")
    assert (low.key, low.is_added, high.is_added) == (high.key, True, False)


def test_no_two_purposes_have_one_key():
    masks = [
        self_mask(KEY, b"r"), self_mask(KEY, b"s"), pair_mask(KEY, 1, 2, b"r"),
        pair_mask(KEY, 1, 3, b"r"), pair_mask(KEY, 1, 2, b"s"), self_mask(KEY[::-1], b"r"),
    ]  # fmt: skip
    assert len({m.key for m in masks}) == len(masks)


@pytest.mark.parametrize("offset", [-16, 4, 17])
def test_an_offset_inside_a_cipher_block_is_refused(offset):
    with pytest.raises(MaskError, match="multiple of 16"):
        apply_masks(np.zeros(4, np.uint32), offset, [])


@pytest.mark.parametrize("values", [np.zeros(4), np.zeros(8, np.uint32)[::2]])
def test_other_arrays_are_refused(values):
    with pytest.raises(MaskError, match="contiguous array"):
        apply_masks(values, 0, [])


def test_bad_secrets_and_pairs_are_refused():
    with pytest.raises(MaskError, match="32 bytes, got 31"):
        self_mask(bytes(31), b"")
    with pytest.raises(MaskError, match="member 4 twice"):
        pair_mask(KEY, 4, 4, b"")


class Swarm:
    """Members 1 to n with keys, one vector each."""

    def __init__(self, members: int, kind: str) -> None:
        rng = random.Random(members)
        self.keys = {i: rng.randbytes(32) for i in range(1, members + 1)}
        self.seeds = {i: make_seed(rng.randbytes(64)) for i in self.keys}
        self.keyed = {i: x25519.public_of(key) for i, key in self.keys.items()}
        self.values = {i: np.arange(50, dtype=kind) * i for i in self.keys}

    def masked(self, member: int) -> np.ndarray:
        masks = member_masks(b"r", member, self.seeds[member], self.keys[member], self.keyed)
        out = self.values[member].copy()
        apply_masks(out, 0, masks)
        return out

    def unmasking(self, inside: set[int]) -> Unmasking:
        scalars = {
            i: (int.from_bytes(k, "little") & (1 << 254) - 8 | 1 << 254) % ORDER
            for i, k in self.keys.items()
        }
        absent = {i: s.to_bytes(32, "little") for i, s in scalars.items() if i not in inside}
        return Unmasking({i: self.seeds[i] for i in inside}, absent)


@pytest.mark.parametrize("kind", ["<u4", "<u8"])
@pytest.mark.parametrize("absent", [set(), {1}, {7}, {2, 5}])
def test_what_remains_of_a_sum_is_taken_away(kind, absent):
    swarm = Swarm(7, kind)
    inside = set(swarm.keyed) - absent
    total = sum((swarm.masked(i) for i in inside), np.zeros(50, kind))
    apply_masks(total, 0, remaining_masks(b"r", swarm.keyed, swarm.unmasking(inside)))
    assert (total == sum(swarm.values[i] for i in inside)).all()


def test_a_sum_with_one_mask_left_looks_random():
    swarm = Swarm(4, "<u4")
    total = sum((swarm.masked(i) for i in (1, 2, 3, 4)), np.zeros(50, "<u4"))
    masks = remaining_masks(b"r", swarm.keyed, swarm.unmasking({1, 2, 3, 4}))
    for left in range(4):
        partly = total.copy()
        apply_masks(partly, 0, [m for i, m in enumerate(masks) if i != left])
        assert len(set(partly >> 28)) > 8


@pytest.mark.parametrize("change", ["both", "none", "stranger"])
def test_another_selection_of_secrets_is_refused(change):
    swarm = Swarm(4, "<u4")
    one = swarm.unmasking({1, 2, 3})
    changed = {
        "both": Unmasking({**one.self_seeds, 4: swarm.seeds[4]}, one.pair_secrets),
        "none": Unmasking(one.self_seeds, {}),
        "stranger": Unmasking({**one.self_seeds, 9: KEY}, one.pair_secrets),
    }
    with pytest.raises(MaskError, match="another selection"):
        remaining_masks(b"r", swarm.keyed, changed[change])
