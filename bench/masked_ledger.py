"""Bytes of a masked round's transactions, by the contract alone.

    python bench/masked_ledger.py [--members 4 7 16]

A round in which all take part and whose keys came with the round before, on a chain in memory: the
signed transactions are those of a real round in their compact form, without the provenance of
contributions (the software that made them, about 150 bytes each). Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from masked import measure_round  # noqa: E402


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="+", default=[4, 7, 16])
    print(json.dumps({str(n): measure_round(n) for n in parser.parse_args().members}))


if __name__ == "__main__":
    main()
