"""Noise: whole numbers of the discrete Gaussian, from a stream of AES-256-CTR.

P(k) is proportional to exp(-k^2 / (2 s^2)). The sum of a whole number and such noise is a whole
number, so the last bits of floating point, which tell of the value below usual Gaussian noise
(Mironov, CCS 2012), do not exist. And whole numbers can be added under masks: the sum of n of them
differs from one of variance n s^2 by less than 10 n exp(-2 pi^2 s^2 n / (n + 1)) (Kairouz, Liu,
Steinke, "The distributed discrete Gaussian mechanism", ICML 2021), nothing for s >= LEAST_SD.

The sampler is that of Canonne, Kamath, Steinke ("The discrete Gaussian for differential privacy",
NeurIPS 2020): draws of a discrete Laplace distribution, of which a part is kept. They use exact
fractions; here a chance is compared with 128 random bits as float64, so each is right to a relative
2^-50, which changes the epsilon of a billion draws by 10^-6.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

LEAST_SD, MOST_SD = 16.0, 2.0**40
AT_ONCE = 1 << 15  # draws: their arrays stay in the CPU's cache
KEEP = 0.4  # of the draws at least, on average: .63 x .76 is kept

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]


class Noise:
    """A stream of noise of one standard deviation `sd`, LEAST_SD to MOST_SD.

    `key` (32 bytes) comes from the operating system, is used once and is kept nowhere: who has it
    can take the noise away.
    """

    def __init__(self, key: bytes, sd: float) -> None:
        if not LEAST_SD <= sd <= MOST_SD:
            raise ValueError(f"expected a standard deviation of {LEAST_SD} to {MOST_SD}, got {sd}")
        self.sd = sd
        self._stream = Cipher(AES256(key), CTR(bytes(16))).encryptor()
        self._scale = math.floor(sd) + 1  # of the Laplace distribution
        self._bits = np.uint64((1 << (self._scale - 1).bit_length()) - 1)
        self._left: Ints = np.empty(0, np.int64)

    def draw(self, count: int) -> Ints:
        """Return the next numbers, (count,)."""
        parts, have = [self._left], self._left.size
        while have < count:
            more = self._try(min(AT_ONCE, int((count - have) / KEEP) + 64))
            parts.append(more)
            have += more.size
        drawn = np.concatenate(parts)
        self._left = drawn[count:]
        first: Ints = drawn[:count]
        return first

    def _try(self, count: int) -> Ints:
        """Return what is kept of so many draws: the order of a stream does not tell which."""
        laplace = self._laplace(count)
        far = np.abs(laplace) - self.sd * self.sd / self._scale
        kept = self._uniform(laplace.size) < np.exp(-far * far / (2.0 * self.sd * self.sd))
        return laplace[kept]

    def _laplace(self, count: int) -> Ints:
        """Return draws with chances proportional to exp(-|k| / scale), at most `count`."""
        rest = (self._words(count) & self._bits).astype(np.int64)
        rest = rest[rest < self._scale]
        rest = rest[self._uniform(rest.size) < np.exp(-rest / self._scale)]
        whole = np.floor(-np.log(self._uniform(rest.size))).astype(np.int64)
        size = rest + self._scale * whole
        is_negative = (self._words(size.size) & np.uint64(1)).astype(bool)
        kept = ~(is_negative & (size == 0))  # zero once
        found: Ints = np.where(is_negative, -size, size)[kept]
        return found

    def _uniform(self, count: int) -> Floats:
        """Return numbers of (0, 1], right in their relative error."""
        high, low = self._words(count), self._words(count)
        return (high + (low + 1.0) * 2.0**-64) * 2.0**-64

    def _words(self, count: int) -> Words:
        return np.frombuffer(self._stream.update(bytes(8 * count)), "<u8")
