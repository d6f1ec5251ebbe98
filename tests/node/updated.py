"""`swarmhub` as an updated hospital has it: with version 2 of the contract, which only tests have.

With "short" as its first word, on a ledger that takes snapshots and forgets blocks after few.
"""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / "contract"), str(Path(__file__).parent)]

import version2

from swarmhub.cli import main

version2.install()

if __name__ == "__main__":
    if sys.argv[1:2] == ["short"]:
        del sys.argv[1]
        import short_ledger  # noqa: F401
    main()
