"""Columns in memory as a `Frame`: a pandas DataFrame, or a mapping of names to values.

Only columns that the model or the declaration names are looked at. Missing are None, NaN, NA, NaT,
and the study's words for "not known".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from swarmhub.data.cells import tidy
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput, plain

SOURCE = "the table"  # in sentences
NUMBERS = "fiub"  # kinds of NumPy's types


def frame_of(data: Any, kinds: Mapping[str, bool], schema: Schema) -> Frame:
    """Return the columns of a DataFrame or a mapping that are in `kinds` (name -> whether it has
    words) or have a role in the study. Raises BadInput if the data are neither, or if columns
    differ in length or share a name."""
    columns = _columns_of(data)
    numbers: dict[str, Floats] = {}
    sheet: dict[str, Words] = {}
    as_words = schema.request().as_words
    roles = schema.roles | set(schema.declaration.subgroups)
    rows = -1
    for name, values in columns.items():
        if name not in kinds and name not in roles:
            continue
        column = None if name in as_words or kinds.get(name) else _numbers(values)
        if column is None:
            sheet[name] = _words(values, schema.missing_words)
        else:
            numbers[name] = column
        length = len(values)
        if rows not in (-1, length):
            raise BadInput(f"Expected columns of one length, got {rows} and {length} values.")
        rows = length
    if rows < 0:
        names = ", ".join(f"'{plain(n, 60)}'" for n in list(kinds)[:6])
        raise BadInput(f"{SOURCE} has none of the model's columns ({names}); name them so.")
    x = np.column_stack(list(numbers.values())) if numbers else np.zeros((rows, 0))
    return Frame(SOURCE, x, tuple(numbers), sheet)


def _columns_of(data: Any) -> dict[str, Any]:
    """Return the columns by name."""
    if isinstance(data, Mapping):
        found = {str(name): values for name, values in data.items()}
        plain_values = [
            k for k, v in found.items() if isinstance(v, str) or not hasattr(v, "__len__")
        ]
        if plain_values:
            raise BadInput(
                f"Expected a list or an array for the column '{plain(plain_values[0], 60)}', got a "
                "single value; write [value]."
            )
        return found
    if not (hasattr(data, "columns") and hasattr(data, "iloc")):
        raise BadInput(
            "Expected a DataFrame, a mapping of columns, or the paths of files, got "
            f"{type(data).__name__}."
        )
    names = [str(name) for name in data.columns]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise BadInput(f"{SOURCE} has two columns '{plain(twice, 60)}'; rename or remove one.")
    return {name: data.iloc[:, k] for k, name in enumerate(names)}


def _numbers(values: Any) -> Floats | None:
    """Return a column of numbers or booleans as (n,) with NaN; None if it has anything else."""
    dtype = getattr(values, "dtype", None)
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype) and kind in NUMBERS:
        return np.asarray(values, dtype=np.float64)
    if not isinstance(dtype, np.dtype) and kind in NUMBERS and hasattr(values, "to_numpy"):
        found: Floats = values.to_numpy(dtype=np.float64, na_value=math.nan)  # Int64, boolean
        return found
    made = []
    for value in _objects(values):
        is_number = isinstance(value, int | float | np.number | np.bool_)
        if not is_number and not is_missing(value):
            return None
        made.append(float(value) if is_number else math.nan)
    return np.array(made, dtype=np.float64)


def _words(values: Any, missing: frozenset[str]) -> Words:
    """Return a column as words: whole numbers without a decimal point, other values as Python
    writes them."""

    def word(value: Any) -> str | None:
        if is_missing(value):
            return None
        is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
        text = tidy(str(int(value) if is_whole else value))
        return None if text.lower() in missing else text

    return Words.of(map(word, _objects(values)))


def _objects(values: Any) -> Iterable[Any]:
    """Return the values of a column as Python's, one by one."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)
