"""An exported model as an ONNX file, for programs that are not written in Python.

Each number, and each category of a column of words, is an input of its own under the feature's name
("age", "sex=F"): float64 (rows, 1), NaN if it is missing. The graph standardises, bounds and fills
them as `data.design` does, and finds out by itself which columns and blocks are missing. A runtime
adds in its own order, so the last bits differ from `predict`. The outputs, by the kind of the
outcome:

    binary       `probability`, float64 (rows,)
    classes      `probabilities`, float64 (rows, K); `class`, int64 (rows,), the place of the most
                 probable one (the first of equals) among the words in the metadata `classes`
    continuous   `value`, float64 (rows,), in the metadata `unit`
    time_to_event
                 `risk`, float64 (rows,), of the event up to the metadata `horizon`, in `unit`;
                 `log_hazard`, float64 (rows,), over that of a patient with the mean of every input

An output gets "_" behind its name if a feature has that name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.design import BLOCK, MAX_DEVIATIONS, MISSING, Design
from swarmhub.errors import BadInput, plain
from swarmhub.models.architecture import need_architecture
from swarmhub.models.exported import ExportedModel
from swarmhub.models.folder import need_own_place, write_beside
from swarmhub.models.predict import Model
from swarmhub.models.response import Response
from swarmhub.models.survival import Baseline
from swarmhub.recipes.survival.likelihood import FARTHEST

OPSET, IR_VERSION = 17, 8  # of 2022: runtimes of today have them
OUTPUTS = {"binary": ("probability",), "classes": ("probabilities", "class"),
           "continuous": ("value",), "time_to_event": ("risk", "log_hazard")}  # fmt: skip
LEFT_OUT = (
    "The ONNX file takes numbers as the study's declaration leaves them: it carries no transforms, "
    "no units and no words, so log-transform what the study transforms, and give each category as "
    "0 or 1."
)


def export_onnx(model: Model, path: Path) -> str:
    """Write a model as an ONNX file; return a sentence on what it does not carry. Raises BadInput
    if the package onnx is not installed, or if the file cannot be placed there."""
    need_onnx()
    import onnx

    need_own_place(path, ())
    made = make_graph(model)
    onnx.checker.check_model(made)
    write_beside(path, made.SerializeToString())
    return LEFT_OUT


def need_onnx() -> None:
    """Raise BadInput, with the command that mends it, if the package onnx is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise BadInput(
            "Writing ONNX needs the package onnx; install it with 'pip install swarmhub[onnx]'."
        ) from None


@dataclass
class Graph:
    """A graph as it grows: nodes, and constants by name."""

    prefix: str  # of names that no feature has
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        name = out or f"{self.prefix}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant array; return its name."""
        from onnx import numpy_helper

        name = f"{self.prefix}constant {len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def make_graph(model: Model) -> Any:
    """Return the ONNX model."""
    from onnx import TensorProto, helper

    exported = model.exported
    names = [s.name for s in model.design.sources if s.kind not in (MISSING, BLOCK)]
    prefix = "swarmhub:"
    while any(name.startswith(prefix) for name in names):
        prefix += ":"
    graph = Graph(prefix)
    matrix = _add_inputs(graph, model.design, names)
    add = need_architecture(exported.recipe, model.design).onnx
    if add is None:
        raise BadInput(
            f"Models of the recipe '{plain(exported.recipe, 40)}' cannot be written as ONNX; use "
            "the exported folder."
        )
    margins = add(graph, exported.arrays, matrix)
    outputs = _add_response(graph, exported.response, margins, names)
    inputs = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["rows", 1]) for n in names]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "swarmhub", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="swarmhub",
        doc_string=f"For research only, not for the care of patients. {LEFT_OUT}",
    )
    helper.set_model_props(made, _facts(exported))
    return made


def _facts(exported: ExportedModel) -> dict[str, str]:
    """Return what a runtime shows of a model's origin and outcome."""
    response = exported.response
    facts = {
        "study": exported.origin.study,
        "digest": exported.origin.digest,
        "architecture": exported.architecture,
        "outcome": response.kind,
    }
    if response.kind == "binary":
        return facts | {"positive": exported.positive, "threshold": exported.declaration.threshold}
    if response.kind == "classes":
        return facts | {"classes": json.dumps(response.classes, ensure_ascii=False)}
    if response.baseline is not None:
        facts |= {"horizon": f"{response.baseline.horizon:g}", "event": exported.positive}
    return facts | {"unit": response.unit}


def _add_inputs(graph: Graph, design: Design, names: list[str]) -> str:
    """Add the way from raw inputs to the design's matrix (rows, p); return its name."""
    raw = graph.add("Concat", *names, axis=1)
    missing = graph.add("IsNaN", raw)
    own, count = slice(0, len(names)), len(names)
    filled = graph.add("Where", missing, graph.constant(0.0), _standardise(graph, design, raw, own))
    parts = [filled]
    flags = _add_flags(graph, design, graph.add("Cast", missing, to=11))  # to float64
    if flags:
        joined = graph.add("Concat", *flags, axis=1)
        parts.append(_standardise(graph, design, joined, slice(count, None)))
    every = graph.add("Concat", *parts, axis=1)
    low, high = graph.constant(-MAX_DEVIATIONS), graph.constant(MAX_DEVIATIONS)
    return graph.add("Clip", every, low, high)


def _standardise(graph: Graph, design: Design, values: str, features: slice) -> str:
    centred = graph.add("Sub", values, graph.constant(design.mean[features]))
    return graph.add("Div", centred, graph.constant(design.sd[features]))


def _add_flags(graph: Graph, design: Design, missing: str) -> list[str]:
    """Add the features that say what is missing, each (rows, 1) out of `missing` (rows, inputs)."""
    inputs = [s for s in design.sources if s.kind not in (MISSING, BLOCK)]
    found = []
    for source in design.sources[len(inputs) :]:
        start = f"{source.column}/" if source.kind == BLOCK else ""
        at = [k for k, s in enumerate(inputs)
              if (s.column.startswith(start) if start else s.column == source.column)]  # fmt: skip
        if not at:
            raise BadInput(
                f"The model has no input of which '{plain(source.name, 80)}' could be found out; "
                "it cannot be written as ONNX."
            )
        chosen = graph.add("Gather", missing, graph.constant(np.array(at, np.int64)), axis=1)
        found.append(graph.add("ReduceMin", chosen, axes=[1], keepdims=1))
    return found


def _add_response(
    graph: Graph, response: Response, margins: str, taken: Sequence[str]
) -> list[Any]:
    """Add the outputs out of margins (rows, outputs); return their descriptions. `taken` are names
    that they must not have."""
    from onnx import TensorProto, helper

    names = [_free(name, taken) for name in OUTPUTS[response.kind]]
    if response.kind == "classes":
        if response.outputs == 1:
            both = np.array([[0.0, 1.0]])  # (rows, 1) -> (rows, 2): 0 and m
            margins = graph.add("MatMul", margins, graph.constant(both))
        graph.add("Softmax", margins, out=names[0], axis=1)
        graph.add("ArgMax", names[0], out=names[1], axis=1, keepdims=0)
        wide: list[str | int | None] = ["rows", len(response.classes)]
        return [
            helper.make_tensor_value_info(names[0], TensorProto.DOUBLE, wide),
            helper.make_tensor_value_info(names[1], TensorProto.INT64, ["rows"]),
        ]
    flat = graph.add("Squeeze", margins, graph.constant(np.array([1], np.int64)))
    if response.baseline is not None:
        _add_risk(graph, response.baseline, flat, names)
    elif response.kind == "binary":
        graph.add("Sigmoid", flat, out=names[0])
    else:
        scaled = graph.add("Mul", flat, graph.constant(np.float64(response.sd)))
        graph.add("Add", scaled, graph.constant(np.float64(response.mean)), out=names[0])
    return [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows"]) for name in names]


def _add_risk(graph: Graph, baseline: Baseline, margins: str, names: Sequence[str]) -> None:
    """Add the risk and the log hazard, under these names, out of margins (rows,)."""
    low, high = graph.constant(-FARTHEST), graph.constant(FARTHEST)
    ratio = graph.add("Exp", graph.add("Clip", margins, low, high, out=names[1]))
    hazard = np.float64(baseline.hazard[baseline.place])
    alive = graph.add("Exp", graph.add("Mul", ratio, graph.constant(-hazard)))
    graph.add("Sub", graph.constant(1.0), alive, out=names[0])


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
