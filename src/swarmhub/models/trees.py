"""Trees of an exported model: arrays of our own, and margins with the same bits on every machine.

    feature    (T, e, 2^D - 1)  the number of the feature at each node, a whole number
    threshold  (T, e, 2^D - 1)  rows go left if the feature is at most this
    leaf       (T, e, 2^D)      what each leaf adds to the margin, from left to right

T trees for each of e outputs, complete, of depth D. Below node k are 2 k + 1 and 2 k + 2. A margin
is 0 plus the leaves of the trees in their order, added one by one; nothing else is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

MAX_TREES = 500
MAX_DEPTH = 6


def shapes_of_trees(arrays: Arrays, features: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that arrays of trees should have: as many trees and as deep as their
    leaves, within MAX_TREES and MAX_DEPTH."""
    found = np.shape(arrays["leaf"]) if "leaf" in arrays else ()
    trees, leaves = (found[0], found[-1]) if len(found) == 3 else (1, 2)
    trees = min(max(trees, 1), MAX_TREES)
    depth = min(max(leaves.bit_length() - 1, 1), MAX_DEPTH)
    nodes = (trees, outputs, (1 << depth) - 1)
    return {"feature": nodes, "leaf": (trees, outputs, 1 << depth), "threshold": nodes}


def check_trees(arrays: Arrays, features: int) -> None:
    """Raise BadInput if a node's feature is none of so many."""
    feature = arrays["feature"]
    bad = ~((feature >= 0) & (feature < features) & (feature == np.floor(feature)))
    if bad.any():
        raise BadInput(
            f"Expected whole numbers of features from 0 to {features - 1} in 'feature', got "
            f"{float(feature[bad][0]):g}; export the model again."
        )


def add_trees(arrays: Arrays, x: Floats) -> Floats:
    """Return the margins of rows, x (n, p) -> (e, n)."""
    feature = np.asarray(arrays["feature"]).astype(np.int64)
    threshold, leaf = (np.asarray(arrays[n]).astype(np.float64) for n in ("threshold", "leaf"))
    trees, outputs, leaves = leaf.shape
    margins, every = np.zeros((outputs, len(x))), np.arange(len(x))
    for tree in range(trees):
        for output in range(outputs):
            node = np.zeros(len(x), dtype=np.int64)
            own, limit = feature[tree, output], threshold[tree, output]
            for _ in range(leaves.bit_length() - 1):
                node += node + 1 + (x[every, own[node]] > limit[node])
            margins[output] += leaf[tree, output, node - (leaves - 1)]
    return margins


def add_to_graph(graph: Any, arrays: Arrays, x: str) -> str:
    """Add the margins (rows, e) to an ONNX graph (`onnx.Graph`), in float64; x (rows, p)."""
    trees, outputs, leaves = arrays["leaf"].shape
    count, nodes = trees * outputs, leaves - 1

    def whole(values: Any) -> str:
        return str(graph.constant(np.asarray(values, dtype=np.int64)))

    feature = whole(np.asarray(arrays["feature"]).reshape(-1))
    threshold = graph.constant(np.asarray(arrays["threshold"]).astype(np.float64).reshape(-1))
    leaf = graph.constant(np.asarray(arrays["leaf"]).astype(np.float64).reshape(-1))
    # the node of each row in each tree, (rows, T e): roots at first
    rows = graph.add("Concat", graph.add("Shape", x, start=0, end=1), whole([count]), axis=0)
    node = graph.add("Expand", whole([[0]]), rows)
    start = whole(np.arange(count)[None] * nodes)
    for _ in range(leaves.bit_length() - 1):
        place = graph.add("Add", node, start)
        values = graph.add("GatherElements", x, graph.add("Gather", feature, place), axis=1)
        is_right = graph.add("Greater", values, graph.add("Gather", threshold, place))
        below = graph.add("Add", graph.add("Mul", node, whole([[2]])), whole([[1]]))
        node = graph.add("Add", below, graph.add("Cast", is_right, to=7))  # to int64
    place = graph.add("Add", node, whole(np.arange(count)[None] * leaves - nodes))
    every = graph.add("Gather", leaf, place)  # (rows, T e)
    by_tree = graph.add("Reshape", every, whole([-1, trees, outputs]))
    return str(graph.add("ReduceSum", by_tree, whole([1]), keepdims=0))
