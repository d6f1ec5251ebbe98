"""Adapters between a framework's model and named arrays.

An adapter returns the model's arrays (sharing memory if the framework allows it) and loads merged
ones. Arrays with names that match a `keep_local` pattern never leave the hospital. Integer and
boolean buffers are sent too; a merge takes their lower median.
"""

from __future__ import annotations

import contextlib
import fnmatch
import sys
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from swarmhub.errors import Malformed, TrainerError
from swarmhub.files import held
from swarmhub.params import (
    DTYPES,
    Layout,
    describe_difference,
    read_into,
    storable,
)
from swarmhub.params.buffer import Array, layout_of
from swarmhub.train.arrays import write_arrays


class Adapter(Protocol):
    """A model as named arrays.

    It may also have `meanings`, lists of labels by name (classes, columns) that must be equal at
    every site, and `watch_training()`, a context in which a round is trained.
    """

    def arrays(self) -> Mapping[str, Array]:
        """Return the current arrays by name, sharing the model's memory or copies of it."""

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Load arrays (all or some of the names) into the model."""

    @property
    def bf16(self) -> Collection[str]:
        """Return the names of arrays that are uint16 views of bfloat16."""


def adapt(model: Any) -> Adapter:
    """Return the adapter for a model: a dict of arrays, a torch module, or a scikit-learn
    estimator. Raises TrainerError, which names an alternative, for anything that cannot take
    part."""
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
    """A dict of NumPy arrays, updated in place, with any strides and byte order."""

    bf16: Collection[str] = ()

    def __init__(self, model: MutableMapping[str, Any]) -> None:
        self._model = model
        self.arrays()

    def arrays(self) -> Mapping[str, Array]:
        for name, value in self._model.items():  # training may have replaced some
            if not isinstance(name, str) or not isinstance(value, np.ndarray):
                raise TrainerError(
                    f"Expected NumPy arrays by name, got {type(value).__name__} for {name!r}; "
                    "make it one with np.array(...)."
                )
            if not value.flags.writeable or is_overlapping(value):
                raise TrainerError(
                    f"The array {name!r} cannot be written to (it is read-only, or repeats one "
                    "memory), so merged values cannot be put into it; give a copy of it, "
                    "np.array(...)."
                )
        return dict(self._model)

    def load(self, arrays: Mapping[str, Array]) -> None:
        for name, value in arrays.items():
            if self._model[name] is not value:
                np.copyto(self._model[name], value)


def is_overlapping(array: Array) -> bool:
    """Return whether elements share memory, as those of a broadcast array do."""
    pairs = zip(array.shape, array.strides, strict=True)
    return array.size > 0 and any(n > 1 and stride == 0 for n, stride in pairs)


class Parameters:
    """The shared part of a model: what is sent to the node and comes back. Methods raise Malformed
    or TrainerError, which names the array, if one cannot be shared, or stored if it stays at
    home."""

    def __init__(self, adapter: Adapter, keep_local: Collection[str]) -> None:
        self._adapter = adapter
        self._keep_local = keep_local
        self._form: Layout | None = None  # of the study's model, once read
        self.layout()
        for name, array in self.local().items():
            try:
                storable(array)
            except Malformed as error:
                raise Malformed(f"{name!r}: {error}") from None

    def _is_local(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._keep_local)

    def shared(self) -> dict[str, Array]:
        """Return the arrays that are merged."""
        found = {n: a for n, a in self._adapter.arrays().items() if not self._is_local(n)}
        if not found:
            raise TrainerError("No array is left to share; loosen the study's keep_local patterns.")
        return found

    def local(self) -> dict[str, Array]:
        """Return the arrays that stay at home."""
        return {n: a for n, a in self._adapter.arrays().items() if self._is_local(n)}

    def layout(self, shared: Mapping[str, Array] | None = None) -> Layout:
        """Return the layout of the shared arrays as they are now."""
        arrays = self.shared() if shared is None else shared
        bf16 = [n for n in self._adapter.bf16 if n in arrays]
        meanings: Mapping[str, Sequence[object]] = getattr(self._adapter, "meanings", {})
        return layout_of(arrays, bf16, {n: [*map(str, found)] for n, found in meanings.items()})

    def write(self, path: Path) -> Layout:
        """Write the shared arrays as a canonical buffer; returns their layout. Raises TrainerError
        if it differs from that of the study's model."""
        arrays = self.shared()
        layout = self.layout(arrays)
        if self._form is not None and layout != self._form:
            raise TrainerError(
                describe_difference(layout, self._form, "the trained model", "the study's model")
            )
        write_arrays(arrays, layout, path)
        return layout

    def read(self, path: Path, layout_digest: str, layout_path: Path | None = None) -> None:
        """Load a merged buffer into the model. Raises TrainerError if its layout is not the model's
        own (it names the difference if `layout_path` is the layout's document), FileNotFoundError
        if the node has deleted the file before it was read completely."""
        arrays = self.shared()
        layout = self.layout(arrays)
        if layout.digest != layout_digest:
            raise TrainerError(_say_difference(layout, layout_path))
        into = {
            t.name: arrays[t.name]
            if is_buffer(arrays[t.name])
            else np.empty(t.shape, DTYPES[t.dtype])
            for t in layout.tensors
        }
        with held(path) as file:
            read_into(file, layout, into)
        self._adapter.load(into)
        self._form = layout

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Load shared arrays into the model."""
        self._adapter.load(arrays)

    def load_local(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Restore arrays that stayed at home; returns those that are not the model's."""
        mine = self.local()
        for name in mine.keys() & arrays.keys():
            stored, now = arrays[name], storable(mine[name])
            if (stored.shape, stored.dtype) != (now.shape, now.dtype):
                raise TrainerError(
                    f"The array {name!r} that stayed at home is {stored.dtype} of shape "
                    f"{list(stored.shape)}, the model's is {now.dtype} of shape "
                    f"{list(now.shape)}; build the model as before."
                )
        self._adapter.load({n: a for n, a in arrays.items() if n in mine})
        return {n: a for n, a in arrays.items() if n not in mine}

    def watch_training(self) -> contextlib.AbstractContextManager[None]:
        """Return the adapter's context for a round's training, if it has one."""
        watch = getattr(self._adapter, "watch_training", contextlib.nullcontext)
        return watch()


def is_buffer(array: Array) -> bool:
    """Return whether the bytes of a canonical buffer can be read into the array itself."""
    flags = array.flags
    plain = type(array) is np.ndarray and array.dtype.isnative
    return bool(plain and flags.c_contiguous and flags.writeable and flags.aligned)


def _say_difference(mine: Layout, layout_path: Path | None) -> str:
    with contextlib.suppress(OSError, Malformed):
        if layout_path is not None:
            theirs = Layout.parse(layout_path.read_bytes())
            found = describe_difference(mine, theirs, "this model", "the study's model")
            if found:
                return found
    return (
        "This model's arrays are not those of the study's model (names, types or shapes "
        "differ, or classes or columns); build the same model as the other members."
    )
