"""The forward passes of `deep` and `cnn` in PyTorch: margins out of named parameters and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional

from swarmhub.models.layers import POOL, name_convolutions, name_dense
from swarmhub.recipes.neural.pixels import Grid

Parameters = Mapping[str, torch.Tensor]


class Network(Protocol):
    """A network of which the parameters are elsewhere."""

    def margins(
        self, parameters: Parameters, x: torch.Tensor, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return the margins of rows, (n, p) -> (n, e); with dropout if there is a generator."""

    def list_decayed(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return the names of the weights that the weight decay is on."""


@dataclass(frozen=True)
class Dense:
    """Dense layers with ReLU and dropout: the first drops the share `first` of its units, the
    others `rest`. The decay is on all layers but the output, and but the first unless
    `has_first_decay`."""

    first: float
    rest: float
    has_first_decay: bool

    def margins(
        self, parameters: Parameters, x: torch.Tensor, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return the margins of rows, (n, p) -> (n, e)."""
        for place, name in enumerate(name_dense(parameters)):
            x = functional.relu(_dense(parameters, name, x))
            x = drop(x, self.rest if place else self.first, generator)
        return _dense(parameters, "output", x)

    def list_decayed(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return the names of the weights that the weight decay is on."""
        names = name_dense(parameters)
        return [f"{name}.weight" for name in names[0 if self.has_first_decay else 1 :]]


@dataclass(frozen=True, eq=False)
class Convolutions:
    """Convolutions of the image in `grid`, each with ReLU and pooling, then `dense` layers that
    take the other features, too. The decay is on all weights but the output's."""

    grid: Grid
    dense: Dense

    def margins(
        self, parameters: Parameters, x: torch.Tensor, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return the margins of rows, (n, p) -> (n, e)."""
        grid = self.grid
        flat = x.new_zeros((len(x), grid.size))
        flat[:, torch.from_numpy(grid.places)] = x[:, torch.from_numpy(grid.pixels)]
        pixels = flat.reshape(-1, *grid.shape)
        for name in name_convolutions(parameters):
            weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
            pixels = functional.conv2d(pixels, weight, bias, padding=1)
            pixels = functional.max_pool2d(functional.relu(pixels), POOL)
        others = x[:, torch.from_numpy(grid.others)]
        joined = torch.cat([pixels.flatten(start_dim=1), others], dim=1)
        return self.dense.margins(parameters, joined, generator)

    def list_decayed(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return the names of the weights that the weight decay is on."""
        convolutions = [f"{name}.weight" for name in name_convolutions(parameters)]
        return [*convolutions, *self.dense.list_decayed(parameters)]


def drop(units: torch.Tensor, share: float, generator: torch.Generator | None) -> torch.Tensor:
    """Return units of which a random share is 0, the others enlarged by as much; without a
    generator as they are. (PyTorch's own dropout takes the generator of the whole process.)"""
    if generator is None or not share:
        return units
    kept = torch.empty_like(units).bernoulli_(1.0 - share, generator=generator)
    return units * kept / (1.0 - share)


def _dense(parameters: Parameters, name: str, x: torch.Tensor) -> torch.Tensor:
    return torch.addmm(parameters[f"{name}.bias"], x, parameters[f"{name}.weight"])
