"""X25519 against the vectors of RFC 7748, sections 5.2 and 6.1."""

from __future__ import annotations

import pytest

from swarmhub import x25519
from swarmhub.errors import MaskError

BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
VECTORS = [  # private, public of the other, shared
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        BOB,
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ),
]


@pytest.mark.parametrize(("private", "public", "shared"), VECTORS)
def test_shared_secrets_are_those_of_the_rfc(private, public, shared):
    found = x25519.shared_secret(bytes.fromhex(private), bytes.fromhex(public))
    assert found.hex() == shared


def test_a_public_key_is_that_of_the_rfc():
    expected = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert x25519.public_of(bytes.fromhex(BOB)).hex() == expected


@pytest.mark.parametrize("u", [0, 1, 2**255 - 20, 2**255 - 19])
def test_a_public_key_of_small_order_is_refused(u):
    with pytest.raises(MaskError, match="small order"):
        x25519.shared_secret(bytes.fromhex(BOB), u.to_bytes(32, "little"))


def test_keys_of_another_length_are_refused():
    with pytest.raises(MaskError, match="private key of 32 bytes, got 31"):
        x25519.public_of(bytes(31))
    with pytest.raises(MaskError, match="X25519 key of 32 bytes, got 33"):
        x25519.shared_secret(bytes.fromhex(BOB), bytes(33))
