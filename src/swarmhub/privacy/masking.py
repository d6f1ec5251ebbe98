"""Masks: streams of AES-256-CTR that are added to a vector in a ring of 2^32 or 2^64.

Member i adds the stream of its own seed, and for every other member j with a key the stream of the
secret that the two share: plus if i < j, minus if i > j, so that these cancel in the sum (Bonawitz
et al. 2017). A stream's key is HKDF-SHA256 (RFC 5869) of the secret with a context that names
study, round and vector; no two streams have one key, so every stream counts from 0.

Any stretch of a stream can be had alone, at multiples of 16 bytes. The cipher runs over a constant
block of zeros into a buffer that stays in the CPU's cache, which is then added to the vector: much
faster than one call over the whole vector.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from swarmhub.errors import MaskError

KEY_BYTES = 32
CIPHER_BLOCK = 16  # bytes
BLOCK = 128 << 10  # bytes of a stream at a time: fits the second-level cache (measured)
ZEROS = bytes(BLOCK)

Ring = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Mask:
    """A stream's key (32 bytes), and whether the stream is added or subtracted."""

    key: bytes
    is_added: bool

    def inverse(self) -> Mask:
        """Return the mask that takes this one away."""
        return Mask(self.key, not self.is_added)


def self_mask(seed: bytes, context: bytes) -> Mask:
    """Return the mask of a member's own seed; it is always added."""
    return Mask(_derive(seed, b"swarmhub self mask 1", context), True)


def pair_mask(secret: bytes, own: int, other: int, context: bytes) -> Mask:
    """Return the mask that member `own` applies for `other`, from the secret that they share (of
    `x25519.shared_secret`). Raises MaskError if they are the same member."""
    if own == other:
        raise MaskError(f"Expected two members of a pair, got member {own} twice.")
    low, high = sorted((own, other))
    both = low.to_bytes(8, "big") + high.to_bytes(8, "big")
    return Mask(_derive(secret, b"swarmhub pair mask 1", both + context), own < other)


def _derive(secret: bytes, purpose: bytes, context: bytes) -> bytes:
    if len(secret) != KEY_BYTES:
        raise MaskError(f"Expected a secret of {KEY_BYTES} bytes, got {len(secret)}.")
    info = purpose + b"\0" + context
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=info).derive(secret)


def apply_masks(values: Ring, offset: int, masks: Iterable[Mask]) -> None:
    """Add the masks' stretches to the ring's elements (P,), in place.

    `offset` is the place of the first element in the vector, in bytes. Raises MaskError if it is
    not a multiple of 16, or the array is not contiguous and of uint32 or uint64.
    """
    if offset < 0 or offset % CIPHER_BLOCK:
        raise MaskError(f"Expected an offset at a multiple of {CIPHER_BLOCK} bytes, got {offset}.")
    if values.dtype not in (np.uint32, np.uint64) or not values.flags.c_contiguous:
        raise MaskError("Expected a contiguous array of uint32 or uint64 to mask.")
    counter = (offset // CIPHER_BLOCK).to_bytes(CIPHER_BLOCK, "big")
    streams = [
        (Cipher(AES256(m.key), CTR(counter)).encryptor(), np.add if m.is_added else np.subtract)
        for m in masks
    ]
    count, buffer = BLOCK // values.itemsize, bytearray(BLOCK)
    stretch = np.frombuffer(buffer, values.dtype.newbyteorder("<"))
    for at in range(0, values.size, count):  # all masks of a block while the cache has it
        block = values[at : at + count]
        for stream, combine in streams:
            stream.update_into(memoryview(ZEROS)[: block.nbytes], buffer)
            combine(block, stretch[: block.size], out=block)
