"""Arithmetic of the shares: integers modulo the order of X25519's group, and polynomials.

The modulus L = 2^252 + 27742317777372353535851937790883648493 is the prime order of the base point
of Curve25519 (RFC 8032, section 5.1). It is not an arbitrary prime: a private key of X25519 counts
modulo L, so a linear relation between shared secrets holds between public keys, too, and a dealer
can prove that it has shared the key that it has published (see `swarmhub.secret_sharing`). Its 252
bits exceed the 128 bits of security of the curve.

Elements are encoded in 32 bytes, little-endian, below L; other spellings are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarmhub.errors import MaskError

ORDER = 2**252 + 27742317777372353535851937790883648493
ELEMENT_BYTES = 32
WIDE_BYTES = 64  # uniform bytes that are reduced to one element: bias below 2^-259


def encode_element(value: int) -> bytes:
    """Return an element's 32 bytes."""
    return value.to_bytes(ELEMENT_BYTES, "little")


def decode_element(data: bytes, what: str) -> int:
    """Return the element of 32 bytes. Raises MaskError, naming `what`, for another length or a
    value that is not below the order."""
    if len(data) != ELEMENT_BYTES:
        raise MaskError(f"Expected {ELEMENT_BYTES} bytes as {what}, got {len(data)}.")
    value = int.from_bytes(data, "little")
    if value >= ORDER:
        raise MaskError(f"Expected a number below the group's order as {what}, got a larger one.")
    return value


def reduce_wide(data: bytes) -> int:
    """Return the element to which 64 uniform bytes reduce. Raises MaskError for another length."""
    if len(data) != WIDE_BYTES:
        raise MaskError(f"Expected {WIDE_BYTES} random bytes, got {len(data)}.")
    return int.from_bytes(data, "little") % ORDER


def evaluate(coefficients: Sequence[int], point: int) -> int:
    """Return the polynomial's value at a point; the constant term comes first."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % ORDER
    return value


def share_secrets(
    secrets: Sequence[int], threshold: int, points: Sequence[int], coefficients: Sequence[int]
) -> list[dict[int, int]]:
    """Return the shares of each secret by point (Shamir 1979): values of a polynomial of degree
    below `threshold` with the secret at 0.

    `coefficients` are uniform elements, threshold - 1 for each secret. Raises MaskError for points
    that are not distinct and from 1 to L - 1, a threshold outside 1 to the number of points, or
    another number of coefficients.
    """
    check_points(points, threshold)
    each = threshold - 1
    if len(coefficients) != each * len(secrets):
        raise MaskError(
            f"Expected {each} coefficients for each of {len(secrets)} secrets, got "
            f"{len(coefficients)} in all."
        )
    polynomials = [
        (secret, *coefficients[i * each : (i + 1) * each]) for i, secret in enumerate(secrets)
    ]
    return [{point: evaluate(polynomial, point) for point in points} for polynomial in polynomials]


def check_points(points: Sequence[int], threshold: int) -> None:
    """Raise MaskError unless the points are distinct, from 1 to L - 1, and at least `threshold`."""
    if len(set(points)) != len(points) or not all(0 < point < ORDER for point in points):
        raise MaskError("Expected distinct points from 1 to the group's order.")
    if not 1 <= threshold <= len(points):
        raise MaskError(f"Expected a threshold from 1 to {len(points)}, got {threshold}.")


def recover(shares: Mapping[int, int], threshold: int) -> int:
    """Return the polynomial's value at 0 from the `threshold` shares with the smallest points, by
    Lagrange's interpolation. Raises MaskError for fewer shares."""
    if len(shares) < threshold:
        raise MaskError(f"Expected at least {threshold} shares, got {len(shares)}.")
    points = sorted(shares)[:threshold]
    check_points(points, threshold)
    total = 0
    for point in points:
        numerator, denominator = 1, 1
        for other in points:
            if other != point:
                numerator = numerator * other % ORDER
                denominator = denominator * (other - point) % ORDER
        total += shares[point] * numerator * pow(denominator, -1, ORDER)
    return total % ORDER
