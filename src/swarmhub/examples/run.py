"""Running an example: its raw files, a swarm of processes, a report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmhub.contract.records import Spec
from swarmhub.contract.stages import count_training_rounds
from swarmhub.demo.options import Options
from swarmhub.demo.outcome import Outcome, Screen
from swarmhub.demo.run import run_demo
from swarmhub.demo.sites import Site, prepare_sites
from swarmhub.demo.yardstick import yardstick_of
from swarmhub.examples.example import Example, Files

GRACE_MS, LEADER_MS = 120_000, 20_000  # many nodes may share one machine's cores


@dataclass(frozen=True)
class Ran:
    """An example that has been run, and sentences on the model beyond its hospitals."""

    example: Example
    outcome: Outcome
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found = self.outcome.to_json()
        scores = found.pop("auc")
        return {
            "example": self.example.name,
            "measure": self.outcome.measure,
            "patients": self.outcome.patients,
            "scores": scores,
            "notes": list(self.notes),
            **{key: found[key] for key in ("nodes", "rounds", "total_s", "model", "report")},
        }


def run_example(example: Example, files: Files, root: Path, screen: Screen, started: float) -> Ran:
    """Run an example in the directory `root`, out of its checked files; no process survives it.
    `started` is a time of the monotonic clock. Raises BadInput for data that cannot take part."""
    spec = make_patient(example.spec)
    rounds, model = count_training_rounds(spec), spec.options.get("model", "")
    options = Options(root, "", rounds, model, kill_leader=False, test=None)

    def sites() -> tuple[Spec, list[Site]]:
        return spec, prepare_sites(example.prepare(files, root / "tables"), spec, options)

    outcome = run_demo(options, sites, screen, started)
    notes = example.after(files, outcome.model_folder) if example.after else []
    return Ran(example, outcome, tuple(notes))


def make_patient(spec: Spec) -> Spec:
    """Return the terms with times for a machine that all nodes share."""
    return replace(spec, quorum_grace_ms=GRACE_MS, leader_timeout_ms=LEADER_MS)


def describe(example: Example) -> tuple[int, str]:
    """Return the number of training rounds at most, and the main figure for people."""
    spec = example.spec
    return count_training_rounds(spec), yardstick_of(spec).title
