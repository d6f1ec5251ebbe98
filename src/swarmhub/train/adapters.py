"""Between a framework's model and named arrays.

An adapter gives the model's arrays (sharing memory where the framework allows it) and takes
merged ones back. Arrays whose names match a `keep_local` pattern never leave the hospital.
Integer and boolean buffers travel too; a merge takes their lower median.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Collection, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from swarmhub.errors import TrainerError
from swarmhub.files import held
from swarmhub.params import Layout, read_into, write_buffer
from swarmhub.params.buffer import Array, layout_of


class Adapter(Protocol):
    """A model as named arrays."""

    def arrays(self) -> Mapping[str, Array]:
        """Current arrays by name; C-contiguous, sharing the model's memory or copies of it."""

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Put arrays (all or some of the names) into the model."""

    @property
    def bf16(self) -> Collection[str]:
        """Names whose arrays are uint16 views of bfloat16."""


def adapt(model: Any) -> Adapter:
    """The adapter for a model: a dict of arrays, a torch module, or a scikit-learn estimator."""
    if isinstance(model, MutableMapping):
        return DictAdapter(model)
    if hasattr(model, "arrays") and hasattr(model, "load"):
        return model  # type: ignore[no-any-return]
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from swarmhub.train.pytorch import TorchAdapter

        return TorchAdapter(model)
    if hasattr(model, "get_params") and hasattr(model, "fit"):
        from swarmhub.train.sklearn import SklearnAdapter

        return SklearnAdapter(model)
    raise TrainerError(
        f"Expected a dict of NumPy arrays, a torch module, a scikit-learn linear model or an "
        f"object with arrays() and load(), got {type(model).__name__}."
    )


class DictAdapter:
    """A dict of NumPy arrays, updated in place."""

    bf16: Collection[str] = ()

    def __init__(self, model: MutableMapping[str, Any]) -> None:
        for name, value in model.items():
            if not isinstance(name, str) or not isinstance(value, np.ndarray):
                raise TrainerError(f"Expected NumPy arrays by name, got {type(value).__name__}.")
            if not value.flags.c_contiguous:
                model[name] = np.ascontiguousarray(value)
        self._model = model

    def arrays(self) -> Mapping[str, Array]:
        return dict(self._model)

    def load(self, arrays: Mapping[str, Array]) -> None:
        for name, value in arrays.items():
            if self._model[name] is not value:
                np.copyto(self._model[name], value)


class Parameters:
    """The shared part of a model: what goes to the node and comes back."""

    def __init__(self, adapter: Adapter, keep_local: Collection[str]) -> None:
        self._adapter = adapter
        self._keep_local = keep_local

    def _is_local(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._keep_local)

    def shared(self) -> dict[str, Array]:
        """Arrays that are merged."""
        found = {n: a for n, a in self._adapter.arrays().items() if not self._is_local(n)}
        if not found:
            raise TrainerError("No array is left to share; loosen the study's keep_local patterns.")
        return found

    def local(self) -> dict[str, Array]:
        """Arrays that stay at home."""
        return {n: a for n, a in self._adapter.arrays().items() if self._is_local(n)}

    def write(self, path: Path) -> Layout:
        """Write the shared arrays as a canonical buffer; returns their layout."""
        arrays = self.shared()
        layout = layout_of(arrays, [n for n in self._adapter.bf16 if n in arrays])
        try:
            with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
                write_buffer(arrays, layout, file)
                file.truncate(layout.nbytes)
        except OSError as error:
            raise TrainerError(
                f"The parameters cannot be written to {path.parent} ({error.strerror}); "
                "check its disk, then start the trainer again: it goes on from here."
            ) from None
        return layout

    def read(self, path: Path, layout_digest: str) -> None:
        """Load a merged buffer into the model; it must have the model's own layout.
        FileNotFoundError if the node has let go of the file before it was read to its end."""
        arrays = self.shared()
        layout = layout_of(arrays, [n for n in self._adapter.bf16 if n in arrays])
        if layout.digest != layout_digest:
            raise TrainerError(
                "This model's arrays are not those of the study's model (names, types or shapes "
                "differ); build the same model as the other members."
            )
        with held(path) as file:
            read_into(file, layout, arrays)
        self._adapter.load(arrays)

    def load_local(self, arrays: Mapping[str, Array]) -> None:
        """Put back arrays that stayed at home."""
        names = set(self.local())
        self._adapter.load({n: a for n, a in arrays.items() if n in names})
