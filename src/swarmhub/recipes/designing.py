"""The features of a study: from its merged statistics, or from its terms alone."""

from __future__ import annotations

from swarmhub.contract.records import Declaration
from swarmhub.data.design import Design, Options
from swarmhub.data.known import make_statistics
from swarmhub.data.schema import Schema


def make_design(merged: bytes, declaration: Declaration, schema: Schema) -> Design:
    """Return the design of a study from its merged statistics."""
    names = tuple(i.name for i in declaration.inputs) if len(declaration.inputs) > 1 else ()
    classes = len(declaration.outcome.classes) or 2
    has_indicators = declaration.missing == "mean + indicator"
    kind = declaration.outcome.kind
    options = Options(schema.max_missing, has_indicators, names, kind, classes)
    return Design.from_statistics(merged, options)


def make_declared_design(schema: Schema) -> Design:
    """Return the design of a study that merges no statistics. Raises BadInput, with the column, if
    the terms say too little of it."""
    return make_design(make_statistics(schema), schema.declaration, schema)
