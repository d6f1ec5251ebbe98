"""Faults of hospitals' tables, made from a seed: `fault(name, seed)`.

The themes are in files of their own (`faulty_cells.py`, ...). `FAULTS` has the names of all faults,
`CONTROLS` those of data without one. Use `SEEDS`; other seeds work as well.
"""

from __future__ import annotations

from . import (
    controls,
    faulty_cells,
    faulty_columns,
    faulty_files,
    faulty_ids,
    faulty_labels,
    faulty_rows,
    faulty_units,
)
from .clean import Study
from .draft import MAKERS, Fault, finish, start

SEEDS = (0, 1, 2)
THEMES = (
    faulty_cells, faulty_files, faulty_columns, faulty_units, faulty_labels, faulty_rows,
    faulty_ids,
)  # fmt: skip
FAULTS = tuple(name for name, maker in MAKERS.items() if maker.make.__module__ != controls.__name__)
CONTROLS = tuple(name for name in MAKERS if name not in FAULTS)


def fault(name: str, seed: int) -> Fault:
    """Makes the files of a fault, or of a control."""
    draft = start(name, seed)
    MAKERS[name].make(draft)
    return finish(name, draft)


def clean_twin(name: str, seed: int) -> Study:
    """Makes the clean data that this fault was put into."""
    return start(name, seed).study
