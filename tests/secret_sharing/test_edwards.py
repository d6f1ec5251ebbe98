"""The curve in Python's integers against `cryptography`."""

from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.secret_sharing import ORDER
from swarmhub.secret_sharing import edwards as e

NO_POINT = (2).to_bytes(32, "little")  # y = 2 is on the twist


def clamped(data: bytes) -> int:
    return int.from_bytes(data, "little") & (1 << 254) - 8 | 1 << 254


@pytest.mark.parametrize("seed", range(8))
def test_multiples_of_the_base_are_those_of_ed25519(seed):
    secret = random.Random(seed).randbytes(32)
    scalar = clamped(hashlib.sha512(secret).digest()[:32]) % ORDER
    expected = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    point = e.multiply(scalar, e.BASE)
    assert e.encode_point(point) == expected
    assert e.encode_point(e.decode_point(expected, "a point")) == expected


@pytest.mark.parametrize("seed", range(8))
def test_keys_of_x25519_are_points(seed):
    private = random.Random(seed).randbytes(32)
    public = x25519.public_of(private)
    point = e.multiply(clamped(private) % ORDER, e.BASE)
    assert e.key_of_point(point) == public
    even = e.negate(point) if e.encode_point(point)[-1] >> 7 else point
    assert e.encode_point(e.point_of_key(public, "a key")) == e.encode_point(even)


@pytest.mark.parametrize("seed", range(8))
def test_a_combination_is_a_sum_of_multiples(seed):
    rng = random.Random(seed)
    a, b, k = (rng.randrange(ORDER) for _ in range(3))
    q = e.multiply(k, e.BASE)
    expected = e.add(e.multiply(a, e.BASE), e.multiply(b, q))
    assert e.encode_point(e.combine(a, e.BASE, b, q)) == e.encode_point(expected)
    assert e.encode_point(e.combine(0, q, 0, q)) == e.encode_point(e.IDENTITY)


def test_the_order_of_the_base_is_the_modulus():
    assert e.is_small(e.multiply(ORDER, e.BASE))
    assert not e.is_small(e.BASE)


@pytest.mark.parametrize("u", [0, 1, e.PRIME - 1, e.PRIME, e.PRIME + 9, 2, 2**256 - 1])
def test_keys_of_small_order_or_off_the_curve_are_refused(u):
    with pytest.raises(MaskError, match="as a key"):
        e.point_of_key(u.to_bytes(32, "little"), "a key")


@pytest.mark.parametrize(
    "data", [NO_POINT, bytes(31), (e.PRIME + 1).to_bytes(32, "little"),
             (1 | 1 << 255).to_bytes(32, "little")]
)  # fmt: skip
def test_bytes_that_are_no_point_are_refused(data):
    with pytest.raises(MaskError, match="as a point"):
        e.decode_point(data, "a point")
