"""One harness under atheris, which is guided by coverage. Run by `python -m fuzz` as a process of
its own, because libFuzzer ends the process.

    python -m fuzz.guided NAME FOLDERS... -max_total_time=60
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["swarmhub"]):
    from fuzz.harnesses import HARNESSES


def main(arguments: list[str]) -> None:
    """Never returns."""
    atheris.Setup([sys.argv[0], *arguments[1:]], HARNESSES[arguments[0]])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
