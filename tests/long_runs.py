"""Cases of parametrised tests: CI runs those that tell most, SWARMHUB_LONG=1 all of them."""

import os

import pytest

long_run = pytest.mark.skipif(
    not os.environ.get("SWARMHUB_LONG"), reason="a longer run: SWARMHUB_LONG=1"
)


def choose(cases, *places):
    """Return the cases at these places; all of them in a long run."""
    every = list(cases)
    return every if os.environ.get("SWARMHUB_LONG") else [every[place] for place in places]
