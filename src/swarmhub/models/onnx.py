"""An exported model as an ONNX file, for programs that are not written in Python.

Each number, and each category of a column of words, is an input of its own under the feature's name
("age", "sex=F"): float64 (rows, 1), NaN if it is missing. The graph standardises, bounds and fills
them as `data.design` does, and finds out by itself which columns and blocks are missing. The output
`probability` is float64 (rows,). A runtime adds in its own order, so the last bits differ from
`predict`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.design import BLOCK, MAX_DEVIATIONS, MISSING, Design
from swarmhub.errors import BadInput, plain
from swarmhub.models.exported import ExportedModel
from swarmhub.models.predict import Model, need_own_place, write_beside

OPSET, IR_VERSION = 17, 8  # of 2022: runtimes of today have them
OUTPUT = "probability"
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
class _Graph:
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
    output, prefix = OUTPUT, "swarmhub:"
    while output in names:
        output += "_"
    while any(name.startswith(prefix) for name in names):
        prefix += ":"
    graph = _Graph(prefix)
    margin = _add_score(graph, exported.arrays, _add_inputs(graph, model.design, names))
    flat = graph.add("Squeeze", margin, graph.constant(np.array([1], np.int64)))
    graph.add("Sigmoid", flat, out=output)
    inputs = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["rows", 1]) for n in names]
    outputs = [helper.make_tensor_value_info(output, TensorProto.DOUBLE, ["rows"])]
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
    """Return what a runtime shows of a model's origin."""
    return {
        "study": exported.origin.study,
        "digest": exported.origin.digest,
        "architecture": exported.architecture,
        "positive": exported.positive,
        "threshold": exported.declaration.threshold,
    }


def _add_inputs(graph: _Graph, design: Design, names: list[str]) -> str:
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


def _standardise(graph: _Graph, design: Design, values: str, features: slice) -> str:
    centred = graph.add("Sub", values, graph.constant(design.mean[features]))
    return graph.add("Div", centred, graph.constant(design.sd[features]))


def _add_flags(graph: _Graph, design: Design, missing: str) -> list[str]:
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


def _add_score(graph: _Graph, arrays: Any, x: str) -> str:
    """Add the recipe's margin, (rows, 1); return its name."""

    def array(name: str) -> Any:
        return arrays[name].astype(np.float64)

    margin = graph.add("MatMul", x, graph.constant(array("weight")[:, None]))
    if "mix" in arrays:
        scaled = array("hidden.weight") / np.sqrt(len(arrays["weight"]))
        before = graph.add("MatMul", x, graph.constant(scaled))
        units = graph.add("Tanh", graph.add("Add", before, graph.constant(array("hidden.bias"))))
        more = graph.add("MatMul", units, graph.constant(array("mix")[:, None]))
        margin = graph.add("Add", margin, more)
    return graph.add("Add", margin, graph.constant(array("bias")))
