"""PyTorch modules (extra `[torch]`): the state dict as arrays that share the module's memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

from swarmhub.params.buffer import Array


class TorchAdapter:
    """A torch.nn.Module. Tensors on a device other than the CPU are copied there and back."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    @property
    def bf16(self) -> Collection[str]:
        return {n for n, t in self._module.state_dict().items() if t.dtype == torch.bfloat16}

    def arrays(self) -> Mapping[str, Array]:
        found = {}
        for name, tensor in self._module.state_dict().items():
            host = tensor.detach().cpu().contiguous()
            if host.dtype == torch.bfloat16:
                host = host.view(torch.int16)
                found[name] = host.numpy().view("uint16")
            else:
                found[name] = host.numpy()
        return found

    def load(self, arrays: Mapping[str, Array]) -> None:
        state = self._module.state_dict()
        with torch.no_grad():
            for name, array in arrays.items():
                target = state[name]
                if target.dtype == torch.bfloat16:
                    source = torch.from_numpy(array.view("int16")).view(torch.bfloat16)
                else:
                    source = torch.from_numpy(array)
                if source.data_ptr() != target.data_ptr():
                    target.copy_(source)
