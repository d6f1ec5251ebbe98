"""The terms of a network's training: epochs of a round and weight decay."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from swarmhub.contract.records import Spec
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.errors import BadInput, plain

KINDS: tuple[OutcomeKind, ...] = ("binary", "classes", "continuous")
SCORED = ("swarm",)
MOST_EPOCHS = 100
OPTIONS: dict[str, tuple[str, ...]] = {
    "epochs": (), "weight_decay": (), "left_out": ("no",),
}  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """The local training of a round: its epochs, and the weight decay, the factor of the sum of
    squared weights in the loss."""

    epochs: int
    decay: float

    def amend(self, spec: Spec) -> Schedule:
        """Return this schedule with what the terms say instead. Raises BadInput for what cannot
        be."""
        return Schedule(
            _read_epochs(spec.options.get("epochs", str(self.epochs))),
            _read_decay(spec.options.get("weight_decay", str(self.decay))),
        )


def check(spec: Spec) -> None:
    """Raise BadInput for options whose values cannot be."""
    Schedule(1, 0.0).amend(spec)


def _read_epochs(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_EPOCHS):
        raise BadInput(
            f"Expected options.epochs to be a whole number from 1 to {MOST_EPOCHS}, got "
            f"'{plain(text, 30)}'."
        )
    return int(text)


def _read_decay(text: str) -> float:
    try:
        decay = float(text)
    except ValueError:
        decay = -1.0
    if not 0.0 <= decay <= 1.0:
        raise BadInput(
            f"Expected options.weight_decay to be a number from 0 to 1, got '{plain(text, 30)}'."
        )
    return decay


def need_torch() -> None:
    """Raise BadInput, with the command that mends it, if PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise BadInput(
            "Training a deep network needs PyTorch, which is not installed; install it with "
            "'pip install swarmhub[torch]'."
        )
