"""The architectures `deep` and `cnn`: shapes, checks and ONNX graphs of their arrays.

    deep   dense1 .. denseN, output                  p -> widths -> e
    cnn    conv1 .. convN, dense1 .., output         image -> ReLU and pooling after each; the dense
                                                     layers join the other features to the image

Weights of dense layers are (inputs, outputs), of convolutions (outputs, inputs, 3, 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.data.design import Design
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, plain
from swarmhub.models.layers import (
    KERNEL,
    Arrays,
    name_convolutions,
    name_dense,
    score_images,
)
from swarmhub.recipes.neural.pixels import Grid

Shapes = dict[str, tuple[int, ...]]

MOST_LAYERS, MOST_CONVOLUTIONS = 16, 6
MOST_UNITS = 4096
LARGEST = 1e6  # of a weight: margins stay finite through all layers


def check_network(arrays: Arrays) -> None:
    """Raise BadInput for a network that is too deep or too wide, or whose training has diverged."""
    dense, convolutions = name_dense(arrays), name_convolutions(arrays)
    units = [arrays[f"{name}.bias"].size for name in (*dense, *convolutions)]
    is_sound = len(dense) <= MOST_LAYERS and len(convolutions) <= MOST_CONVOLUTIONS
    if not is_sound or not all(1 <= count <= MOST_UNITS for count in units):
        raise BadInput(
            f"Expected at most {MOST_LAYERS} layers of 1 to {MOST_UNITS} units, got "
            f"{len(units)} of up to {max(units, default=0)}; export the model again."
        )
    for name, array in arrays.items():
        if np.abs(array).max() > LARGEST:
            raise BadInput(
                f"Expected weights of at most {LARGEST:g} in '{plain(name, 40)}', got larger ones: "
                "training has diverged; train again with fewer epochs a round."
            )


def shape_deep(arrays: Arrays, features: int, outputs: int) -> Shapes:
    """Return the shapes of hidden dense layers, as wide as their biases, and of the output."""
    found: Shapes = {}
    inputs = features
    for name in name_dense(arrays) or ["dense1"]:
        units = _count(arrays, name)
        found |= {f"{name}.bias": (units,), f"{name}.weight": (inputs, units)}
        inputs = units
    return found | {"output.bias": (outputs,), "output.weight": (inputs, outputs)}


def shape_images(grid: Grid, arrays: Arrays, outputs: int) -> Shapes:
    """Return the shapes of convolutions, and of dense layers over an image of this grid."""
    found: Shapes = {}
    names = name_convolutions(arrays)[:MOST_CONVOLUTIONS] or ["conv1"]
    inputs = grid.channels
    for name in names:
        units = _count(arrays, name)
        found |= {f"{name}.bias": (units,), f"{name}.weight": (units, inputs, KERNEL, KERNEL)}
        inputs = units
    if not grid.count_flat(len(names), 1):
        raise BadInput(
            f"An image of {grid.height} x {grid.width} pixels cannot be pooled so often."
        )
    flat = grid.count_flat(len(names), inputs) + len(grid.others)
    return found | shape_deep(arrays, flat, outputs)


def _count(arrays: Arrays, name: str) -> int:
    bias = arrays.get(f"{name}.bias")
    return bias.shape[0] if bias is not None and bias.ndim == 1 else 1


def score_grid(grid: Grid, arrays: Arrays, x: Floats) -> Floats:
    """Return margins of rows with an image, x (n, p) -> (e, n)."""
    return score_images(arrays, *grid.lay_out(x))


def need_grid(design: Design) -> Grid:
    """Return the grid of a design. Raises BadInput if it has no image."""
    return Grid.of(design.sources)


# ONNX


def add_deep(graph: Any, arrays: Arrays, x: str) -> str:
    """Add dense layers with ReLU, in float64; return the name of the margins."""
    for name in name_dense(arrays):
        x = graph.add("Relu", _add_dense(graph, arrays, name, x))
    return _add_dense(graph, arrays, "output", x)


def _add_dense(graph: Any, arrays: Arrays, name: str, x: str) -> str:
    weight, bias = (
        graph.constant(arrays[f"{name}.{part}"].astype(np.float64)) for part in ("weight", "bias")
    )
    return str(graph.add("Add", graph.add("MatMul", x, weight), bias))


def add_images(grid: Grid, graph: Any, arrays: Arrays, x: str) -> str:
    """Add an image's layers and the dense layers; return the name of the margins. Convolutions are
    in float32: runtimes have no others."""
    zero = graph.add("Mul", graph.add("Gather", x, _indices(graph, [0]), axis=1),
                     graph.constant(0.0))  # fmt: skip
    padded = graph.add("Concat", zero, x, axis=1)
    order = np.zeros(grid.size, dtype=np.int64)  # 0: a pixel that never varies
    order[grid.places] = grid.pixels + 1
    flat = graph.add("Gather", padded, _indices(graph, order), axis=1)
    pixels = graph.add("Reshape", flat, _indices(graph, [-1, *grid.shape]))
    pixels = graph.add("Cast", pixels, to=1)  # to float32
    for name in name_convolutions(arrays):
        weight, bias = (
            graph.constant(arrays[f"{name}.{part}"].astype(np.float32))
            for part in ("weight", "bias")
        )
        made = graph.add("Conv", pixels, weight, bias, pads=[1, 1, 1, 1])
        pixels = graph.add("MaxPool", graph.add("Relu", made), kernel_shape=[2, 2], strides=[2, 2])
    joined = graph.add("Cast", graph.add("Flatten", pixels), to=11)  # to float64
    if len(grid.others):
        others = graph.add("Gather", x, _indices(graph, grid.others), axis=1)
        joined = graph.add("Concat", joined, others, axis=1)
    return add_deep(graph, arrays, joined)


def _indices(graph: Any, values: Any) -> str:
    return str(graph.constant(np.asarray(values, dtype=np.int64)))
