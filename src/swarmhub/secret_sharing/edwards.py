"""The group behind X25519 in Edwards form (RFC 8032, section 5.1), in Python's integers.

Points are extended coordinates (X, Y, Z, T) with x = X / Z, y = Y / Z, x y = T / Z. The formulas
for a = -1 (Hisil, Wong, Carter, Dawson 2008) are complete: no case is special. `multiply` adds in
every step, so that its operations do not depend on the scalar; Python's integers are not constant
in time all the same. A dealer calls it twice a round, on keys of that round.
"""

from __future__ import annotations

from swarmhub.errors import MaskError
from swarmhub.secret_sharing.field import ORDER

PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT = pow(2, (PRIME - 1) // 4, PRIME)  # of -1
BITS = 254  # of a scalar: even, for two bits a step
EIGHTH = pow(8, -1, ORDER)
POINT_BYTES = 32

Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def add(p: Point, q: Point) -> Point:
    """Return the sum of two points."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % PRIME
    b = (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c = 2 * p[3] * q[3] * D % PRIME
    d = 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def double(p: Point) -> Point:
    """Return twice a point."""
    a, b = p[0] * p[0] % PRIME, p[1] * p[1] % PRIME
    c, h = 2 * p[2] * p[2], a + b
    e, g = h - (p[0] + p[1]) ** 2 % PRIME, a - b
    f = c + g
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def negate(p: Point) -> Point:
    """Return the point's inverse."""
    return -p[0] % PRIME, p[1], p[2], -p[3] % PRIME


def multiply(scalar: int, p: Point) -> Point:
    """Return scalar times a point, with one addition for every bit."""
    total = IDENTITY
    for bit in range(BITS - 1, -1, -1):
        total = double(total)
        total = (total, add(total, p))[scalar >> bit & 1]
    return total


def combine(a: int, p: Point, b: int, q: Point) -> Point:
    """Return a p + b q for public scalars, two bits of each a step (Straus 1964)."""
    rows = [IDENTITY, p, double(p), add(double(p), p)]
    columns = [IDENTITY, q, double(q), add(double(q), q)]
    table = [add(row, column) for row in rows for column in columns]
    total = IDENTITY
    for shift in range(BITS - 2, -1, -2):
        total = double(double(total))
        digit = (a >> shift & 3) * 4 + (b >> shift & 3)
        if digit:
            total = add(total, table[digit])
    return total


def is_small(p: Point) -> bool:
    """Return whether 8 times a point is the identity."""
    eight = double(double(double(p)))
    return eight[0] == 0 and eight[1] == eight[2]


def encode_point(p: Point) -> bytes:
    """Return a point's 32 bytes: y, and the parity of x in the highest bit."""
    inverse = pow(p[2], -1, PRIME)
    x, y = p[0] * inverse % PRIME, p[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(POINT_BYTES, "little")


def decode_point(data: bytes, what: str) -> Point:
    """Return the point of 32 bytes. Raises MaskError, naming `what`, if there is none."""
    number = _number(data, what)
    return _lift(number & (1 << 255) - 1, number >> 255, what)


def point_of_key(public: bytes, what: str) -> Point:
    """Return the point with even x of an X25519 public key (RFC 7748, section 4.1: y = (u - 1) /
    (u + 1)). Raises MaskError, naming `what`, if the key is not canonical, not on the curve (but on
    its twist), or of small order."""
    u = _number(public, what)
    if u >= PRIME or u == PRIME - 1:
        raise MaskError(f"Expected a canonical X25519 key as {what}, got another number.")
    point = _lift((u - 1) * pow(u + 1, -1, PRIME) % PRIME, 0, what)
    if is_small(point):
        raise MaskError(f"Expected a point of large order as {what}, got one of small order.")
    return point


def scalar_of_key(private: bytes) -> tuple[int, bytes]:
    """Return (s, public key) of an X25519 private key, such that s B is the point of that key: the
    clamped scalar (RFC 7748, section 5) modulo the order, or its negative. Raises MaskError for
    another length."""
    clamped = _number(private, "a private key") & (1 << 254) - 8 | 1 << 254
    point = multiply(clamped % ORDER, BASE)
    scalar = -clamped if encode_point(point)[-1] >> 7 else clamped
    return scalar % ORDER, key_of_point(point)


def clear(p: Point) -> Point:
    """Return a point without its part of small order."""
    return multiply(EIGHTH, double(double(double(p))))


def key_of_point(p: Point) -> bytes:
    """Return the X25519 public key of a point other than the identity: u = (1 + y) / (1 - y)."""
    u = (p[2] + p[1]) * pow(p[2] - p[1], -1, PRIME) % PRIME
    return u.to_bytes(POINT_BYTES, "little")


def _number(data: bytes, what: str) -> int:
    if len(data) != POINT_BYTES:
        raise MaskError(f"Expected {POINT_BYTES} bytes as {what}, got {len(data)}.")
    return int.from_bytes(data, "little")


def _lift(y: int, parity: int, what: str) -> Point:
    """Return the point with this y, and x of this parity."""
    if y < PRIME:
        square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
        x = pow(square, (PRIME + 3) // 8, PRIME)
        if x * x % PRIME != square:
            x = x * ROOT % PRIME
        if x * x % PRIME == square and (x or not parity):
            x = x if x & 1 == parity else PRIME - x
            x %= PRIME
            return x, y, 1, x * y % PRIME
    raise MaskError(f"Expected a point of the curve as {what}, got bytes that are none.")


BASE = _lift(4 * pow(5, -1, PRIME) % PRIME, 0, "the base point")
