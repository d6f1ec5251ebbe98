"""Layers of deep networks for prediction: dense layers, convolutions, pooling, without PyTorch.

Each output is its bias, then one product after the other is added: of a dense layer in the order of
its inputs, of a convolution in the order of channels, rows and columns of the kernel. Products and
sums are NumPy operations of their own in float64, as in `arithmetic`, so that margins have the same
bits on every machine and for every row, whatever other rows there are. PyTorch, which trains in
float32 and adds in its own order, gives margins that differ in about the sixth digit.

Rows are taken in parts, since a layer's outputs may be thousands of numbers for each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.models.arithmetic import Floats

Arrays = Mapping[str, npt.NDArray[Any]]

AT_ONCE = 1 << 16  # outputs of a layer for a part of the rows: half a megabyte stays in the cache
KERNEL = 3  # pixels on a side
POOL = 2


def name_dense(arrays: Arrays) -> list[str]:
    """Return the names of the hidden dense layers, in order."""
    return _names(arrays, "dense")


def name_convolutions(arrays: Arrays) -> list[str]:
    """Return the names of the convolutions, in order."""
    return _names(arrays, "conv")


def _names(arrays: Arrays, kind: str) -> list[str]:
    found: list[str] = []
    while f"{kind}{len(found) + 1}.bias" in arrays:
        found.append(f"{kind}{len(found) + 1}")
    return found


def score_dense(arrays: Arrays, x: Floats) -> Floats:
    """Return margins of hidden dense layers with ReLU and an output layer; x (n, p) -> (e, n)."""
    layers = [_read(arrays, name) for name in (*name_dense(arrays), "output")]
    widest = max(len(bias) for _, bias in layers)
    found = np.empty((len(layers[-1][1]), len(x)))
    for rows in split_rows(len(x), widest):
        found[:, rows] = run_dense(layers, np.ascontiguousarray(x[rows].T))
    return found


def run_dense(layers: list[tuple[Floats, Floats]], units: Floats) -> Floats:
    """Return the outputs of dense layers, weights (p, k) and biases (k,), with ReLU after all but
    the last; units (p, n) -> (e, n)."""
    for place, (weight, bias) in enumerate(layers):
        total = np.repeat(bias[:, None], units.shape[1], axis=1)
        product = np.empty_like(total)
        for row, unit in zip(weight, units, strict=True):
            np.multiply(row[:, None], unit, out=product)
            total += product
        units = total if place == len(layers) - 1 else np.maximum(total, 0.0, out=total)
    return units


def convolve(pixels: Floats, weight: Floats, bias: Floats) -> Floats:
    """Return a convolution with a border of zeros; pixels (c, n, h, w), weight (d, c, 3, 3), bias
    (d,) -> (d, n, h, w)."""
    count, height, width = pixels.shape[1:]
    edge = KERNEL // 2
    padded = np.pad(pixels, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    total = np.empty((len(bias), count, height, width))
    total[:] = bias[:, None, None, None]
    product = np.empty_like(total)
    for channel in range(len(pixels)):
        for down in range(KERNEL):
            for right in range(KERNEL):
                shifted = padded[channel, :, down : down + height, right : right + width]
                np.multiply(weight[:, channel, down, right, None, None, None], shifted, out=product)
                total += product
    return total


def pool(pixels: Floats) -> Floats:
    """Return the largest of each two by two pixels, (c, n, h, w) -> (c, n, h // 2, w // 2)."""
    height, width = (size // POOL * POOL for size in pixels.shape[2:])
    inside = pixels[:, :, :height, :width]
    found: Floats = np.maximum(
        np.maximum(inside[:, :, ::2, ::2], inside[:, :, ::2, 1::2]),
        np.maximum(inside[:, :, 1::2, ::2], inside[:, :, 1::2, 1::2]),
    )
    return found


def split_rows(rows: int, outputs: int) -> Iterator[slice]:
    """Yield slices of the rows, of which a layer with so many outputs a row can be in memory."""
    step = max(1, AT_ONCE // max(1, outputs))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _read(arrays: Arrays, name: str) -> tuple[Floats, Floats]:
    """Return weight and bias of a layer, as float64."""
    weight, bias = (arrays[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
    return weight, bias


def score_images(arrays: Arrays, images: Floats, others: Floats) -> Floats:
    """Return margins of convolutions, each with ReLU and pooling, and of dense layers over their
    outputs and other features; images (n, c, h, w), others (n, q) -> (e, n)."""
    convolutions = [_read(arrays, name) for name in name_convolutions(arrays)]
    layers = [_read(arrays, name) for name in (*name_dense(arrays), "output")]
    largest = images.shape[2] * images.shape[3] * max(len(bias) for _, bias in convolutions)
    found = np.empty((len(layers[-1][1]), len(images)))
    for rows in split_rows(len(images), largest):
        pixels = images[rows].transpose(1, 0, 2, 3)
        for weight, bias in convolutions:
            pixels = pool(np.maximum(convolve(pixels, weight, bias), 0.0))
        flat = pixels.transpose(0, 2, 3, 1).reshape(-1, pixels.shape[1])  # (c h w, n)
        found[:, rows] = run_dense(layers, np.concatenate([flat, others[rows].T]))
    return found
