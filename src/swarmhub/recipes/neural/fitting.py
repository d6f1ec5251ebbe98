"""Epochs of a network's training over one hospital's rows, with PyTorch.

Adam with the step and the moments' decay of Keras' defaults (0.001; 0.9, 0.999; 1e-7), of which the
paper does not speak. Its moments start anew in each round: they belong to the path that this
hospital took from another model, and a hospital that starts again, or was away, trains as it would
have. The size of a batch grows with the rows, from 8 to 128 as in the paper, so that hospitals of
different sizes take about as many steps in an epoch; a hospital that takes more of them would pull
the weighted mean towards itself beyond its weight (Wang et al., NeurIPS 2020, 33:7611).

Order of rows and dropout follow from a generator of their own. PyTorch's sums depend on the number
of threads and the processor in the last bits; on one machine a round gives the same bits again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.frames import Floats
from swarmhub.errors import TrainerError
from swarmhub.recipes.neural.networks import Network
from swarmhub.recipes.neural.options import Schedule
from swarmhub.recipes.site import Arrays

RATE, EPSILON = 1e-3, 1e-7
SMALLEST_BATCH, LARGEST_BATCH, STEPS = 8, 128, 16  # rows; steps of an epoch
MOST_THREADS = 8
ROWS_AT_ONCE = 256  # in prediction

EachLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (n, e), (n,) -> (n,)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a hospital: x (n, p), numbers of classes or standardised values y (n,), and the
    weight of each in the loss (n,)."""

    x: Floats
    y: Floats
    weight: Floats
    loss: EachLoss

    def __len__(self) -> int:
        return len(self.y)


def set_threads() -> None:
    """Let PyTorch take half of the processors that this process may use, at most 8: the node and
    the hospital's other programs run beside it. OMP_NUM_THREADS, if it is set, says otherwise."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(MOST_THREADS, max(1, len(os.sched_getaffinity(0)) // 2)))


def choose_loss(kind: OutcomeKind, outputs: int) -> EachLoss:
    """Return the loss of each row: cross-entropy, or half of the squared error."""
    if kind == "continuous":
        return lambda margins, y: 0.5 * (margins[:, 0] - y) ** 2
    if outputs == 1:
        return lambda margins, y: functional.binary_cross_entropy_with_logits(
            margins[:, 0], y, reduction="none"
        )
    return lambda margins, y: functional.cross_entropy(margins, y.long(), reduction="none")


def fit(network: Network, start: Arrays, rows: Rows, schedule: Schedule, seed: int) -> Arrays:
    """Return the parameters after a round of training from `start`. Raises TrainerError if it
    diverges."""
    parameters = {name: torch.tensor(a, requires_grad=True) for name, a in start.items()}
    decayed = set(network.list_decayed(start))
    groups = [  # a decay of 2 k in Adam's gradient is k times the sum of squares in the loss
        {
            "params": [t for n, t in parameters.items() if n in decayed],
            "weight_decay": 2 * schedule.decay,
        },
        {"params": [t for n, t in parameters.items() if n not in decayed]},
    ]
    adam = torch.optim.Adam(groups, lr=RATE, eps=EPSILON)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(schedule.epochs):
        for batch in draw_batches(len(rows), generator):
            x, y, weight = (
                torch.from_numpy(part[batch]).float() for part in (rows.x, rows.y, rows.weight)
            )
            losses = rows.loss(network.margins(parameters, x, generator), y)
            loss = (weight * losses).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    found = {name: tensor.detach().numpy() for name, tensor in parameters.items()}
    if not all(np.isfinite(array).all() for array in found.values()):
        raise TrainerError(
            "Training has diverged: a parameter is no finite number. Propose the study again with "
            "fewer epochs a round."
        )
    return found


def draw_batches(rows: int, generator: torch.Generator) -> Iterator[np.ndarray]:
    """Yield the numbers of the rows of each batch of an epoch, in a new order; batches differ by
    one row at most."""
    size = SMALLEST_BATCH
    while size < LARGEST_BATCH and 2 * size * STEPS <= rows:
        size *= 2
    order = torch.randperm(rows, generator=generator).numpy()
    yield from np.array_split(order, max(1, round(rows / size)))


def margins_of(network: Network, arrays: Arrays, x: Floats) -> Floats:
    """Return the margins of rows x (n, p), (e, n), in float32."""
    parameters = {name: torch.from_numpy(array) for name, array in arrays.items()}
    parts = []
    with torch.no_grad():
        for start in range(0, len(x), ROWS_AT_ONCE):
            part = torch.from_numpy(x[start : start + ROWS_AT_ONCE]).float()
            parts.append(network.margins(parameters, part, None).numpy())
    outputs = len(arrays["output.bias"])
    found: Floats = np.concatenate(parts or [np.zeros((0, outputs))]).T.astype(np.float64)
    return found
