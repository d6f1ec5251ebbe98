"""The architectures that can be exported: the arrays that each has, and its score.

    logistic   bias + w.x; the linear recipe of every kind of outcome, with K of them for K >= 3
               classes
    elastic_net    the same, of few features
    fedavg     the same, by averaging
    mlp        bias + w.x + v.tanh(W'x / sqrt(p) + c); of binary outcomes only
    cox        w.x, bounded by FARTHEST on either side; of times to an event, with the curves that
               `survival` checks
    trees      the leaves of gradient-boosted trees, added up (`trees`)
    deep       dense layers with ReLU (`networks`), of every kind of outcome but times
    cnn        convolutions of an image, then dense layers (`networks`)

A margin is made as `arithmetic` says, without a BLAS library, or by comparisons and additions, so
that it has the same bits on every machine. A recipe may merge arrays that only its training needs;
they are left behind.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.design import Design
from swarmhub.errors import BadInput, plain
from swarmhub.models import networks
from swarmhub.models.arithmetic import Floats, add_up, tanh
from swarmhub.models.layers import score_dense
from swarmhub.models.survival import CURVES, check_curves
from swarmhub.models.trees import add_to_graph, add_trees, check_trees, shapes_of_trees
from swarmhub.params.buffer import is_in_range
from swarmhub.recipes.linear.training import TRAINING_ONLY
from swarmhub.recipes.registry import find_entry, find_recipe
from swarmhub.recipes.survival.likelihood import FARTHEST

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Shapes = dict[str, tuple[int, ...]]

MAX_HIDDEN = 1024
DTYPES = {"float64": "F64", "float32": "F32"}


@dataclass(frozen=True)
class Architecture:
    """A recipe's arrays and its margins: `shapes` maps arrays, numbers of features and of outputs
    to the shapes that they should have, `score` maps arrays and x (n, p) to margins (outputs, n).
    `check` raises BadInput for finite arrays of these shapes that contradict each other or the
    number of features. `name` is the statistical name, `onnx` adds the margins (rows, outputs) to a
    graph (`onnx.Graph`) whose standardised inputs have the given name, and returns theirs; None if
    it cannot be written. `of_design` returns the architecture over the features of a design, if it
    depends on which they are; raises BadInput if it cannot be over these."""

    shapes: Callable[[Arrays, int, int], Shapes]
    score: Callable[[Arrays, Floats], Floats]
    kinds: tuple[OutcomeKind, ...]
    check: Callable[[Arrays, int], None] = lambda arrays, features: None
    name: str = "model"
    onnx: Callable[[Any, Arrays, str], str] | None = None
    of_design: Callable[[Design], Architecture] | None = None


def _float64(arrays: Arrays, name: str) -> Floats:
    found: Floats = arrays[name].astype(np.float64)
    return found


def _linear(arrays: Arrays, x: Floats) -> Floats:
    weight = np.atleast_2d(_float64(arrays, "weight"))  # (outputs, p)
    return add_up(x, np.ascontiguousarray(weight.T), _float64(arrays, "bias"))


def _with_hidden(arrays: Arrays, x: Floats) -> Floats:
    score = _linear(arrays, x)  # (1, n)
    mix, bias = _float64(arrays, "mix"), _float64(arrays, "hidden.bias")
    before = add_up(x, _float64(arrays, "hidden.weight"), np.zeros(len(mix)))  # (h, n)
    scale = np.sqrt(np.float64(x.shape[1]))
    for k in range(len(mix)):
        score[0] += mix[k] * tanh(before[k] / scale + bias[k])
    return score


def _add_linear(graph: Any, arrays: Arrays, x: str) -> str:
    weight = np.atleast_2d(_float64(arrays, "weight")).T  # (p, outputs)
    margins = graph.add("MatMul", x, graph.constant(weight))
    if "bias" not in arrays:
        return str(margins)
    return str(graph.add("Add", margins, graph.constant(_float64(arrays, "bias"))))


def _add_hidden(graph: Any, arrays: Arrays, x: str) -> str:
    scaled = _float64(arrays, "hidden.weight")
    scaled /= np.sqrt(len(scaled))
    before = graph.add("MatMul", x, graph.constant(scaled))
    bias = graph.constant(_float64(arrays, "hidden.bias"))
    units = graph.add("Tanh", graph.add("Add", before, bias))
    more = graph.add("MatMul", units, graph.constant(_float64(arrays, "mix")[:, None]))
    return str(graph.add("Add", _add_linear(graph, arrays, x), more))


def _hazards(arrays: Arrays, x: Floats) -> Floats:
    weight = _float64(arrays, "weight")[:, None]
    return np.clip(add_up(x, weight, np.zeros(1)), -FARTHEST, FARTHEST)


def _size(arrays: Arrays, name: str) -> int:
    """Return the length of an array that may have any; 1 if there is none."""
    shape = arrays[name].shape if name in arrays else (1,)
    return shape[0] if shape else 0


def _shapes_of_times(arrays: Arrays, features: int, outputs: int) -> Shapes:
    sizes = dict.fromkeys(CURVES, (_size(arrays, "times"),))
    return {**sizes, "cuts": (_size(arrays, "cuts"),), "weight": (features,)}


LINEAR = Architecture(
    lambda a, p, e: {"bias": (e,), "weight": (p,) if e == 1 else (e, p)},
    _linear,
    ("binary", "classes", "continuous"),
    name="logistic regression",
    onnx=_add_linear,
)


def _of_images(design: Design) -> Architecture:
    grid = networks.need_grid(design)
    return replace(
        ARCHITECTURES["cnn"],
        shapes=lambda a, p, e: networks.shape_images(grid, a, e),
        score=functools.partial(networks.score_grid, grid),
        onnx=functools.partial(networks.add_images, grid),
    )


def _need_design(*_: Any) -> Any:
    raise BadInput("Expected the design of a model over images; export the model again.")


def _check_network(arrays: Arrays, _: int) -> None:
    networks.check_network(arrays)


NETWORKS: tuple[OutcomeKind, ...] = ("binary", "classes", "continuous")
ARCHITECTURES = {
    "logistic": LINEAR,
    "elastic_net": replace(LINEAR, kinds=("binary", "continuous"), name="elastic net"),
    "fedavg": LINEAR,
    "mlp": Architecture(
        lambda a, p, e: {
            "bias": (1,), "hidden.bias": (h := _size(a, "mix"),), "hidden.weight": (p, h),
            "mix": (h,), "weight": (p,),
        },
        _with_hidden,
        ("binary",),
        name="neural network with one hidden layer beside a linear part",
        onnx=_add_hidden,
    ),
    "cox": Architecture(
        _shapes_of_times, _hazards, ("time_to_event",), lambda arrays, _: check_curves(arrays),
        "Cox regression", _add_linear,
    ),
    "trees": Architecture(
        shapes_of_trees, add_trees, ("binary", "classes", "continuous"), check_trees,
        "gradient-boosted trees", add_to_graph,
    ),
    "deep": Architecture(
        networks.shape_deep, score_dense, NETWORKS, _check_network,
        "deep neural network of dense layers", networks.add_deep,
    ),
    "cnn": Architecture(
        _need_design, _need_design, NETWORKS, _check_network,
        "convolutional neural network", of_design=_of_images,
    ),
}  # fmt: skip


def need_architecture(recipe: str, design: Design | None = None) -> Architecture:
    """Return the architecture of this name, of this package or of another one's recipe, over the
    features of a design if it is given. Raises BadInput if there is none."""
    found = ARCHITECTURES.get(recipe)
    if found is None and find_entry(recipe) is not None:
        found = getattr(find_recipe(recipe), "ARCHITECTURE", None)
    if found is None:
        raise BadInput(
            f"Expected a model of the recipe {', '.join(ARCHITECTURES)}, got "
            f"'{plain(recipe, 40)}'; update swarmhub."
        )
    if design is not None and found.of_design is not None:
        return found.of_design(design)
    return found


def name_method(recipe: str, kind: OutcomeKind, outputs: int) -> str:
    """Return the statistical name of a recipe for an outcome with so many margins; its own name if
    no package has it here."""
    try:
        architecture = need_architecture(recipe)
    except BadInput:
        return recipe
    if architecture is LINEAR and kind == "continuous":
        return "ridge regression"
    if architecture is LINEAR and outputs > 1:
        return "softmax regression"
    return architecture.name


def check_arrays(recipe: str, design: Design, arrays: Arrays, outputs: int = 1) -> None:
    """Raise BadInput if these are not the arrays of the recipe over the features of a design and
    with so many margins, if a number is not finite, or if the arrays contradict each other."""
    architecture, features = need_architecture(recipe, design), len(design.sources)
    wanted = architecture.shapes(arrays, features, outputs)
    found = {name: array.shape for name, array in arrays.items()}
    if found != wanted or not 1 <= _size(arrays, "mix") <= MAX_HIDDEN:
        several = f" and {outputs} classes" if outputs > 1 else ""
        raise BadInput(
            f"Expected the arrays of '{recipe}' over {features} features{several} "
            f"({_say(wanted)}), got "
            f"{_say(found)}; export the model again."
        )
    for name, array in arrays.items():
        dtype = DTYPES.get(array.dtype.name)
        if dtype is None:
            raise BadInput(f"Expected '{name}' as float64 or float32, got {array.dtype.name}.")
        if not is_in_range(array, dtype):
            raise BadInput(f"The array '{name}' has values that are no finite numbers.")
    architecture.check(arrays, features)


def _say(shapes: Shapes) -> str:
    every = [f"{plain(name, 40)} {list(shape)}" for name, shape in sorted(shapes.items())]
    return ", ".join(every[:8]) or "none"


def without_training_only(arrays: Arrays) -> dict[str, Array]:
    """Return the arrays without those that only training needs."""
    return {name: array for name, array in arrays.items() if name not in TRAINING_ONLY}
