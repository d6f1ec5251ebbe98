"""Bytes of a masked round's transactions, by the contract alone.

    python bench/masked_ledger.py [--members 4 7 16]

A round in which all take part and whose keys came with the round before, on a chain in memory: the
signed transactions are those of a real round, without the provenance of contributions (what
software made them, about 150 bytes each). Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from masked import MaskedConsortium  # noqa: E402


class CountedConsortium(MaskedConsortium):
    """A masked study whose transactions are counted, in bytes by kind."""

    written: Counter[str]

    def write(self, who: Any, body: Any, **changes: Any) -> bytes:
        """Write a transaction, and count it."""
        data = super().write(who, body, **changes)
        self.__dict__.setdefault("written", Counter())[body.KIND] += len(data)
        return data


def measure(members: int) -> dict[str, int]:
    """Return the bytes of one round, by kind of transaction."""
    c = CountedConsortium(members)
    everyone = tuple(range(1, members + 1))
    c.begin(rounds=4)
    settle(c, everyone)  # the first masked round asks for keys
    c.written.clear()
    settle(c, everyone)
    return {**c.written, "total": c.written.total()}


def settle(c: CountedConsortium, everyone: tuple[int, ...]) -> None:
    """Walk through a round in which all send keys for the next one."""
    number = c.round().number
    c.reach("UNMASKING", *everyone)
    for member in everyone:
        c.ok(member, c.key(member, number=number + 1))
    c.reach("CONFIRMING", *everyone)
    c.settle()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="+", default=[4, 7, 16])
    print(json.dumps({str(n): measure(n) for n in parser.parse_args().members}))


if __name__ == "__main__":
    main()
