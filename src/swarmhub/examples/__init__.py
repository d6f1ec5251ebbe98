"""Studies over open data, from the files that their authors publish to a report: one command each.

No data are here: each example names its files, their digests and their source (`example`), the one
thing that is done to them before the data layer reads them (a file for each hospital), and the
terms of its study. Everything else is declared in these terms.
"""

from __future__ import annotations

import importlib

from swarmhub.errors import BadInput, plain
from swarmhub.examples.example import Example

NAMES = ("heart", "alzheimer", "covid", "parkinson", "leukaemia", "breast", "pbmc")


def find_example(name: str) -> Example:
    """Return an example by its name. Raises BadInput if there is none."""
    if name not in NAMES:
        raise BadInput(f"Expected an example out of {', '.join(NAMES)}, got '{plain(name, 40)}'.")
    found: Example = importlib.import_module(f"swarmhub.examples.{name}").EXAMPLE
    return found
