"""One bounded step of a PyTorch module, for own trainers of studies with differential privacy:

    for turn in swarm.rounds(model):
        private_step(turn, model, loss, batches, patients, rate=0.5)

The gradient of each row comes from Opacus (extra `[dp]`). The rows of a patient are added, over
batches, clipped so that the patient changes the step by at most the clip of the terms, and summed
(Abadi et al., "Deep learning with differential privacy", CCS 2016). The hospital's node adds the
noise, once, when the contribution leaves; a round is one step over all patients.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from swarmhub.errors import BadInput, TrainerError, plain
from swarmhub.train.bounded import Bound
from swarmhub.train.training import SwarmRound

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
Gradients = list[torch.Tensor]

CLOSE = 1e-3  # of sums of gradients in float32, and of a row's output alone and in its batch
NOT_FINITE = "The loss of a row is not finite, or its gradient; check inputs, model and loss."
ROUNDING = 1.0 + 1e-5  # of norms in float32


def private_step(
    turn: SwarmRound,
    model: torch.nn.Module,
    loss: Loss,
    batches: Batches,
    patients: Sequence[Any] | None = None,
    rate: float = 0.5,
) -> None:
    """Take the one step of a round from the merged parameters, in place, and report it.

    `loss(outputs, targets)` returns the loss of each row, (n,): reduction="none". `batches` yield
    (inputs, targets) of all training rows; `patients` names the patient of each row, in this
    order. None: of each row by itself, in a study whose unit is the record. Raises TrainerError or
    BadInput, and changes nothing, if the step would not be bounded.
    """
    bound = need_bound(turn)
    names = _Names(patients, bound)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters or not 0 < rate < math.inf:
        raise TrainerError("Expected parameters that can be trained, and a rate above 0.")
    zeros = [torch.zeros_like(p, dtype=torch.float64) for p in parameters]
    total = _Sum(zeros, bound.clip / (rate * ROUNDING))
    with _per_row(model) as wrapped:
        for inputs, targets in batches:
            each = _differentiate(wrapped, parameters, loss, (inputs, targets))
            total.add(each, names.take(len(inputs)))
    names.finish()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, total.summed, strict=True):
            parameter.copy_(parameter.double() - rate * gradient / bound.samples)
    turn.report(samples=bound.samples)


def need_bound(turn: SwarmRound) -> Bound:
    """Return the bound of the terms. Raises TrainerError if the study has no differential
    privacy."""
    if turn.bound is None:
        raise TrainerError(
            "Expected a study with [privacy.dp] in its terms for private_step; train as usual and "
            "call round.report() in this one."
        )
    return turn.bound


class _Names:
    """The patients of rows, in the order of the batches; `left` are the rows of each to come."""

    def __init__(self, patients: Sequence[Any] | None, bound: Bound) -> None:
        if patients is None and bound.unit == "patient":
            raise TrainerError(
                "Expected patients=..., the patient of each row, in a study whose privacy is of "
                "patients; range(rows) if each row is of another one."
            )
        by_row = bound.unit == "record" or patients is None
        self._given = None if by_row else [_name(p) for p in patients or ()]
        self._bound, self._at, self._seen = bound, 0, set[Any]()
        self.left: dict[Any, int] = {}
        for name in self._given or ():
            self.left[name] = self.left.get(name, 0) + 1

    def take(self, rows: int) -> list[tuple[Any, bool]]:
        """Return the patient of each of the next rows, and whether it is their last row. Raises
        TrainerError if there are more rows than names, or more patients than samples."""
        at, self._at = self._at, self._at + rows
        if self._given is None:
            found = [(k, True) for k in range(at, self._at)]
        else:
            found = []
            for name in self._given[at : self._at]:
                self.left[name] -= 1
                found.append((name, self.left[name] == 0))
        if len(found) != rows:
            raise TrainerError(
                f"Expected the patient of each row, got {len(self._given or ())} names for "
                f"{self._at} rows or more; give patients=... in the order of the batches."
            )
        self._seen.update(name for name, _ in found)
        if len(self._seen) > self._bound.samples:
            raise TrainerError(
                f"Expected at most {self._bound.samples} {self._bound.unit}s, the samples of the "
                "enrolment, got more; withdraw, and enrol with as many."
            )
        return found

    def finish(self) -> None:
        """Raise TrainerError if there were fewer rows than names."""
        if self._given is not None and self._at < len(self._given):
            raise TrainerError(
                f"Expected the patient of each row, got {len(self._given)} names for {self._at} "
                "rows; give patients=... in the order of the batches."
            )


def _name(patient: Any) -> Any:
    """Return a patient's name as a plain value: tensors of one number are not equal by value."""
    return patient.item() if hasattr(patient, "item") else patient


class _Sum:
    """The sum of the patients' gradients, each clipped once all rows of the patient are there."""

    def __init__(self, zeros: Gradients, clip: float) -> None:
        self.summed, self._clip = zeros, clip
        self._open: dict[Any, Gradients] = {}

    def add(self, each: Gradients, names: Sequence[tuple[Any, bool]]) -> None:
        """Add the gradients of rows, one (n, ...) for each parameter."""
        for k, (name, is_last) in enumerate(names):
            row = [gradient[k] for gradient in each]
            before = self._open.pop(name, None)
            if before is not None:
                row = [a + b for a, b in zip(before, row, strict=True)]
            if is_last:
                self._close(row)
            else:
                self._open[name] = [part.clone() for part in row]

    def _close(self, row: Gradients) -> None:
        norm = math.sqrt(sum(float(part.double().square().sum()) for part in row))
        if not math.isfinite(norm):
            raise TrainerError(NOT_FINITE)
        share = min(1.0, self._clip / norm) if norm else 1.0
        for total, part in zip(self.summed, row, strict=True):
            total.add_(part.double(), alpha=share)


@contextmanager
def _per_row(model: torch.nn.Module) -> Iterator[Any]:
    """Give the module with gradients of each row, and leave it as it was. Raises BadInput without
    Opacus, TrainerError for a module in which rows depend on each other."""
    try:
        from opacus.grad_sample import GradSampleModule
    except ImportError:
        raise BadInput(
            "Gradients of single patients need Opacus, which is not installed; install it with "
            "'pip install swarmhub[dp]'."
        ) from None
    before, is_training = _read_buffers(model), model.training
    model.train()
    try:
        wrapped = GradSampleModule(model, loss_reduction="sum")
    except (NotImplementedError, ValueError) as error:
        model.train(is_training)
        raise TrainerError(
            f"The module cannot be trained privately: {plain(error, 300)}; layers that mix the "
            "rows of a batch (BatchNorm) give way to GroupNorm or LayerNorm."
        ) from None
    try:
        yield wrapped
        if any(not torch.equal(a, b) for a, b in zip(before, _read_buffers(model), strict=True)):
            raise TrainerError(
                "A buffer of the module changes with the rows, and would leave without a bound; "
                "keep statistics of rows out of the module."
            )
    finally:
        wrapped.to_standard_module()
        model.zero_grad(set_to_none=True)
        model.train(is_training)


def _read_buffers(model: torch.nn.Module) -> list[torch.Tensor]:
    return [buffer.detach().clone() for buffer in model.buffers()]


def _differentiate(
    wrapped: Any, parameters: Gradients, loss: Loss, batch: tuple[torch.Tensor, torch.Tensor]
) -> Gradients:
    """Return the gradient of each row's loss, (n, ...) for each parameter. Raises TrainerError if
    they cannot be told apart by row."""
    inputs, targets = batch
    wrapped.zero_grad(set_to_none=True)
    _refuse_mixing(wrapped, inputs)
    with warnings.catch_warnings():  # the first layer's inputs need no gradients
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        warnings.filterwarnings("ignore", message="Using a non-full backward hook")
        losses = loss(wrapped(inputs), targets)
        if losses.shape != (len(inputs),):
            raise TrainerError(
                f"Expected a loss of each row, ({len(inputs)},), got {tuple(losses.shape)}; use "
                'reduction="none", and add what belongs to one row.'
            )
        if not torch.isfinite(losses).all():
            raise TrainerError(NOT_FINITE)
        losses.sum().backward()
    found = []
    for parameter in parameters:
        each: Any = getattr(parameter, "grad_sample", None)
        whole = parameter.grad
        if whole is None and each is None:
            found.append(torch.zeros((len(inputs), *parameter.shape), dtype=parameter.dtype))
            continue
        known = isinstance(each, torch.Tensor) and each.shape == (len(inputs), *parameter.shape)
        if whole is None or not known or not _agree(each.sum(dim=0), whole):
            raise TrainerError(
                "The gradients of single rows do not add up to that of the batch; a layer uses a "
                "parameter in a way that Opacus does not know (shared, or outside of its module)."
            )
        found.append(each.detach())
    return found


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    scale = float(other.abs().max()) + 1e-6
    return bool((one - other).abs().max() <= CLOSE * scale)


def _refuse_mixing(wrapped: Any, inputs: torch.Tensor) -> None:
    """Raise TrainerError if a row's output depends on the other rows of its batch: such a patient
    changes more than their own gradient."""
    if len(inputs) < 2:
        return
    wrapped.eval()  # no dropout
    with torch.no_grad():
        alone, beside = wrapped(inputs[:1]), wrapped(inputs)[:1]
    wrapped.train()
    if alone.shape != beside.shape or not _agree(alone, beside):
        raise TrainerError(
            "A row's output depends on the other rows of its batch; in a study with privacy.dp "
            "each row is computed by itself."
        )
