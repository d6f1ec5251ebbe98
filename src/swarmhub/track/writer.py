"""The interface of a tracker, and the choice of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from swarmhub.errors import BadInput
from swarmhub.home.tracking import MLFLOW, TrackTarget
from swarmhub.track.values import Step


class TrackError(Exception):
    """The tracker cannot be written to now; a sentence's reason."""


@dataclass(frozen=True)
class RunTags:
    """What a run says of itself. `hospital` is the node that writes it."""

    study: str
    chain: str
    hospital: str
    terms: str

    def is_same_run(self, other: RunTags) -> bool:
        """Return whether the other is of the same run: terms may have been amended since."""
        return (self.study, self.chain, self.hospital) == (
            other.study, other.chain, other.hospital,
        )  # fmt: skip


class Writer(Protocol):
    """A tracker. Every method raises TrackError if the tracker cannot be reached or written."""

    def open_run(self, tags: RunTags) -> str:
        """Return the id of the run with these tags; it is created if there is none."""

    def find_last(self, run: str, name: str) -> int:
        """Return the newest step that has a value of this name; -1 if none has."""

    def write(self, run: str, step: Step) -> None:
        """Write the values of a step; the marker is the last of them."""

    def close_run(self, run: str) -> None:
        """Mark a run as finished."""


def open_writer(target: TrackTarget) -> Writer:
    """Return the writer of a target. Raises BadInput if its package is not installed."""
    try:
        if target.kind == MLFLOW:
            from swarmhub.track.mlflow_writer import MlflowWriter

            return MlflowWriter(target)
        from swarmhub.track.tensorboard_writer import TensorboardWriter

        return TensorboardWriter(target)
    except ImportError as error:
        raise BadInput(
            f'track = "{target}" in node.toml needs a package that is not here ({error}); run '
            f"pip install 'swarmhub[{target.kind}]', then start the node again."
        ) from None
