"""Coronary disease at four hospitals of the 1980s: the data that ship with swarmhub."""

from __future__ import annotations

from pathlib import Path

from swarmhub.data.heart import write_heart
from swarmhub.examples.example import Example, Files, Origin, RawFile, Tables

TABLE = RawFile(
    "data/heart/heart.csv",
    54_172,
    "cd1baa856eace820d34647e610bbb018d217c8a9342a381b56eb7aa22cc7354e",
    "swarmhub",
)
TERMS = """
min_peers = 3
seed = 2
metric = { name = "auc", goal = "max" }

[data]
test_fraction = 0.3

[data.outcome]
column = "label"
positive = "1"
negative = "0"

[[data.inputs]]
name = "clinic"
columns = [
    "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak",
]
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write each hospital's rows."""
    return {name: (path,) for name, path in write_heart(folder).items()}


EXAMPLE = Example(
    name="heart",
    question="Do ten routine measurements tell which patients have a narrowed coronary artery?",
    disease="coronary artery disease",
    hospitals="Cleveland, Hungary, Switzerland, VA Long Beach",
    outcome="a major vessel narrowed by more than half (yes, no)",
    origin=Origin(
        "https://doi.org/10.24432/C52P4X", "CC BY 4.0", "install swarmhub again: it ships with it"
    ),
    files=(TABLE,),
    terms=TERMS,
    prepare=prepare,
)
