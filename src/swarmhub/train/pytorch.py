"""PyTorch modules (extra `[torch]`): the state dict as arrays that share the module's memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch

from swarmhub.errors import TrainerError, plain
from swarmhub.params.buffer import Array


class TorchAdapter:
    """A torch.nn.Module. Tensors on a device other than the CPU are copied there and back, as are
    those that are not contiguous."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    @property
    def bf16(self) -> Collection[str]:
        return {n for n, t in self._tensors().items() if t.dtype == torch.bfloat16}

    def arrays(self) -> Mapping[str, Array]:
        return {name: _to_array(name, tensor) for name, tensor in self._tensors().items()}

    def load(self, arrays: Mapping[str, Array]) -> None:
        state = self._tensors()
        with torch.no_grad():
            for name, array in arrays.items():
                _copy(name, array, state[name])

    def _tensors(self) -> dict[str, torch.Tensor]:
        found: dict[str, Any] = self._module.state_dict()
        for name, tensor in found.items():
            if not isinstance(tensor, torch.Tensor):
                raise TrainerError(
                    f"Expected tensors in the module's state dict, got {type(tensor).__name__} for "
                    f"{name!r}; keep it out of the state dict (get_extra_state)."
                )
        return found


def _to_array(name: str, tensor: torch.Tensor) -> Array:
    """Return the tensor's values in C order, sharing its memory if possible."""
    try:
        host = tensor.detach().cpu().contiguous()
        if host.dtype == torch.bfloat16:
            return host.view(torch.int16).numpy().view("uint16")  # type: ignore[no-any-return]
        return host.numpy()  # type: ignore[no-any-return]
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise TrainerError(
            f"The tensor {name!r} ({tensor.dtype}, {tensor.layout}, on {tensor.device}) cannot be "
            f"shared ({plain(error)}); it has to be dense, of bfloat16 or a type of NumPy's."
        ) from None


def _copy(name: str, array: Array, target: torch.Tensor) -> None:
    """Copy values into a tensor, unless they share its memory."""
    array = np.require(array, requirements=["C", "W", "A"])  # from_numpy accepts it silently
    if target.dtype == torch.bfloat16:
        source = torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    else:
        source = torch.from_numpy(array)
    if source.data_ptr() == target.data_ptr() and target.is_contiguous():
        return
    try:
        target.copy_(source)
    except RuntimeError as error:
        raise TrainerError(
            f"Merged values cannot be put into the tensor {name!r} ({plain(error)}); make it one "
            "of its own memory (clone it)."
        ) from None
