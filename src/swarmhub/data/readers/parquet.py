"""Parquet files, read by pyarrow (extra [omics]).

Columns of numbers are numbers; text, dictionaries, logical values and dates are words. Whole
numbers that a double does not hold exactly are words: they are record numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.cells import MAX_NAME, tidy
from swarmhub.data.frames import Floats, Frame, Request, Words, explain_unreadable
from swarmhub.data.identifiers import why_named
from swarmhub.data.readers.delimited import EXACT, check_header
from swarmhub.errors import BadInput, plain


def read_parquet(path: Path, request: Request) -> Frame:
    """Return the table in a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        path.open("rb").close()
        table = pq.read_table(path)
    except OSError as error:
        raise explain_unreadable(path, error) from None
    except pa.ArrowException as error:
        raise BadInput(
            f"{path.name}: expected a Parquet file, got one that does not open as one "
            f"({plain(error, 80)}); write it again."
        ) from None
    names = check_header([tidy(str(n)) for n in table.column_names], path.name)
    numbers: dict[str, Floats] = {}
    sheet: dict[str, Words] = {}
    for name, column in zip(names, table.columns, strict=True):
        is_words = name in request.as_words or bool(why_named(name))
        values = None if is_words else _to_numbers(column)
        if values is None:
            sheet[name] = _to_words(path.name, name, column, request)
        else:
            numbers[name] = values
    x = np.column_stack(list(numbers.values())) if numbers else np.zeros((table.num_rows, 0))
    samples = sheet.pop("", None)
    return Frame(path.name, x, tuple(numbers), sheet, samples)


def _to_numbers(column: Any) -> Floats | None:
    """Return a column of numbers, (n,) with NaN for missing; None if it is none."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = column.combine_chunks()
        found: Floats = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
        is_long = pa.types.is_integer(kind) and bool(np.any(np.abs(found) > EXACT))
        return None if is_long else found
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    return None


def _to_words(source: str, name: str, column: Any, request: Request) -> Words:
    import pyarrow as pa

    if pa.types.is_nested(column.type) and not pa.types.is_dictionary(column.type):
        raise BadInput(
            f"{source}, column '{plain(name, 60)}': expected numbers or text, got {column.type}; "
            "write one value a cell, or leave the column out."
        )

    def text(value: Any) -> str | None:
        said = None if value is None else tidy(_say(value))[:MAX_NAME]
        return None if said is None or said.lower() in request.missing else said

    return Words.of(text(value) for value in column.to_pylist())


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
