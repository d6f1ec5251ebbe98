"""The features of a model, by the size of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.data.design import NUMBER, Design, Source
from swarmhub.data.schema import Schema

TOP = 20  # features shown


@dataclass(frozen=True)
class Feature:
    """A feature of the model; `weight` is per standard deviation, `mean` and `spread` are in
    `unit`. `kind` is that of its source: number, category, missing, block. A model of classes has
    `weights`, one for each of them, and `weight` is the largest; the weight of a measured outcome
    is in its unit."""

    name: str
    weight: float
    mean: float
    spread: float
    kind: str = "number"
    unit: str = ""
    weights: tuple[float, ...] = ()


def list_features(
    arrays: Mapping[str, npt.NDArray[Any]], design: Design, schema: Schema
) -> tuple[Feature, ...]:
    """Return the features with the largest weights out of a model's arrays; none if they do not
    stand for single features."""
    found = arrays.get("weight")
    if found is None or not found.size or np.shape(found)[-1] != len(design.sources):
        return ()
    by_class = weigh_classes(found, schema)  # (e, p)
    weights = np.take_along_axis(by_class, np.abs(by_class).argmax(axis=0)[None], axis=0)[0]
    weights = weights * design.outcome[1]
    order = np.argsort(-np.abs(weights), kind="stable")[:TOP]
    return tuple(
        Feature(
            design.names[k], float(weights[k]), float(design.mean[k]), float(design.sd[k]),
            design.sources[k].kind, say_unit(design.sources[k], schema),
            tuple(by_class[:, k].tolist()) if schema.outcome.kind == "classes" else (),
        )
        for k in order
    )  # fmt: skip


def weigh_classes(weight: npt.NDArray[Any], schema: Schema) -> npt.NDArray[np.float64]:
    """Return weights (p,) or (e, p) as (e, p): those of classes say how the logarithm of a class's
    probability moves against the mean of all."""
    found = np.asarray(weight, dtype=np.float64).reshape(-1, np.shape(weight)[-1])
    if schema.outcome.kind != "classes":
        return found
    every = np.concatenate([-found / 2, found / 2]) if len(found) == 1 else found
    centred: npt.NDArray[np.float64] = every - every.mean(axis=0)
    return centred


def say_unit(source: Source, schema: Schema) -> str:
    """Return the unit of a number as the model takes it; "" if none is declared."""
    if source.kind != NUMBER:
        return ""
    blocks = {f"{i.name}/": i for i in schema.inputs} if len(schema.inputs) > 1 else {}
    block = next((i for k, i in blocks.items() if source.column.startswith(k)), schema.inputs[0])
    if block.transform == "none":
        return block.unit
    return f"{block.transform} of {block.unit}" if block.unit else block.transform
