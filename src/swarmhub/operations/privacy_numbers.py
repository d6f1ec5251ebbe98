"""The numbers of a study's privacy: decimals for people, whole numbers on the ledger, exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from swarmhub.contract.study.privacy import MAX_CLIP, MOST_OF_BUDGET
from swarmhub.errors import BadInput, plain

NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,60})?([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True)
class Quantity:
    """A key of the terms with a decimal, and the record's field that has it as a whole number of
    10^-`places`, at most `most`."""

    key: str
    field: str
    places: int
    most: int
    example: str
    means: str

    @property
    def unit(self) -> int:
        """The whole number of 1."""
        return int(10**self.places)

    def number(self, whole: int) -> float:
        """Return the number that a whole number stands for."""
        return whole / self.unit


def _of_budget(key: str, places: int, example: str, means: str) -> Quantity:
    field = f"{key}_{'trillionths' if places == 12 else 'millionths'}"
    return Quantity(f"privacy.dp.{key}", field, places, MOST_OF_BUDGET[field], example, means)


CLIP = Quantity("privacy.clip", "clip_millionths", 6, MAX_CLIP, "10.0",
                "no parameter moves further in a round")  # fmt: skip
EPSILON = _of_budget("epsilon", 6, "3.0", "the most that a member's steps give away together")
DELTA = _of_budget("delta", 12, "1e-5", "the probability with which epsilon may not hold")
PATIENT_CLIP = _of_budget("clip", 6, "4.0", "the most that one patient moves weight x change")
NOISE = _of_budget("noise", 6, "6.1", "the standard deviation of the noise, in clips")
OF_BUDGET = (EPSILON, DELTA, PATIENT_CLIP, NOISE)


def read_quantity(of: Quantity, text: str) -> int:
    """Return a decimal as its whole number, exactly. Raises BadInput for what cannot be one."""
    largest = write_whole(of.most, of.places).removesuffix(".0")
    wanted = f"Expected {of.key} as a number above 0 and up to {largest}"
    if not NUMBER.fullmatch(text):
        raise BadInput(f"{wanted}, such as {of.example}; got '{plain(text, 30)}'.")
    value = Decimal(text)
    if not 0 < value <= Decimal(of.most) / of.unit:
        raise BadInput(f"{wanted}: {of.means}; got {plain(text, 30)}.")
    numerator, denominator = value.as_integer_ratio()
    if numerator * of.unit % denominator:
        step = f"{Decimal(1) / of.unit:f}"
        raise BadInput(
            f"{wanted} in steps of {step}, got {plain(text, 30)}; leave out the digits after the "
            f"{'sixth' if of.places == 6 else 'twelfth'}."
        )
    return numerator * of.unit // denominator


def write_whole(whole: int, places: int) -> str:
    """Return a whole number of 10^-`places` as a decimal with a point, exactly."""
    above, rest = divmod(whole, 10**places)
    return f"{above}.{f'{rest:0{places}}'.rstrip('0') or '0'}"


def write_quantity(of: Quantity, whole: int) -> str:
    """Return a number of the terms as a decimal with a point, exactly."""
    return write_whole(whole, of.places)


def tidy_quantity(of: Quantity, tree: dict[str, Any], exact: dict[str, Any]) -> dict[str, Any]:
    """Return a table of TOML with the record's field in the place of a decimal, if it has one.
    `exact` is the same table with its numbers as texts, all digits kept. Raises BadInput for a
    number that cannot be, and for both forms of it."""
    key = of.key.rpartition(".")[2]
    if key not in tree:
        return tree
    table = of.key.rpartition(".")[0]
    if of.field in tree:
        raise BadInput(f"Expected {of.key} or {table}.{of.field}, got both; leave one out.")
    given = exact[key]
    known = isinstance(given, int | str) and not isinstance(given, bool)
    whole = read_quantity(of, str(given) if known else repr(given))
    return {**{k: v for k, v in tree.items() if k != key}, of.field: whole}
