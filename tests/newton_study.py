"""A study by Newton's method over sums (its trainer: `programs/newton.py`)."""

from __future__ import annotations

import importlib.util

from swarm import PROGRAMS, Network

from swarmhub.contract.records import Bound, Stage, Until

spec = importlib.util.spec_from_file_location("newton", PROGRAMS / "newton.py")
assert spec is not None
assert spec.loader is not None
newton = importlib.util.module_from_spec(spec)
spec.loader.exec_module(newton)

NEWTON = (
    Stage("size", "sum", bounds=(Bound("mean", -100, 100, 40),)),
    Stage("newton", "sum", 20, until=Until("gradient", 64), agreed=("at",),
          bounds=(Bound("gradient", -10_000, 10_000, 30),)),
    Stage("initial", "initial"),
    Stage("training", "train"),
    Stage("evaluation", "evaluate", bounds=(Bound("scores", 0, 10_000),)),
)  # fmt: skip


def said(network: Network, i: int) -> dict[str, str]:
    """What a trainer printed, by the first word of each line."""
    lines = (network.homes[i - 1].root / "logs" / "trainer.log").read_text().splitlines()
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines if " " in line}
