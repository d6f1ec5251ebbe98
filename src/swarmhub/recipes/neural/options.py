"""What a study's terms say of a network: epochs of a round and weight decay, each with a default."""

from __future__ import annotations

import importlib.util

from swarmhub.contract.records import Spec
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.errors import BadInput, plain

KINDS: tuple[OutcomeKind, ...] = ("binary", "classes", "continuous")
SCORED = ("swarm",)
EPOCHS, MOST_EPOCHS = 5, 100  # 5 in each of 20 rounds: the 100 epochs of the paper
DECAY = 0.005  # L2 factor of the paper
OPTIONS: dict[str, tuple[str, ...]] = {
    "epochs": (), "weight_decay": (), "left_out": ("no",),
}  # fmt: skip


def check(spec: Spec) -> None:
    """Raise BadInput for options whose values cannot be."""
    read_epochs(spec)
    read_decay(spec)


def read_epochs(spec: Spec) -> int:
    """Return the epochs of a round."""
    text = spec.options.get("epochs", str(EPOCHS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_EPOCHS):
        raise BadInput(
            f"Expected options.epochs to be a whole number from 1 to {MOST_EPOCHS}, got "
            f"'{plain(text, 30)}'."
        )
    return int(text)


def read_decay(spec: Spec) -> float:
    """Return the factor of the sum of squared weights in the loss."""
    text = spec.options.get("weight_decay", str(DECAY))
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
