"""Datasets for tests: out of text as a file has it, or out of arrays."""

import numpy as np

from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Words
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema, declare_label
from swarmhub.data.summaries import statistics_of
from swarmhub.merge import merge_statistics


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path, label="y", patient="", **more):
    """The dataset of a file with a 0/1 label, and what was found."""
    found = Findings()
    schema = Schema.of(declare_label(label or "-", patient))
    return read_dataset(Files((path,), **more), schema, found, bool(label)), found


def column(dataset, name):
    """A column of numbers, or the words of one of categories."""
    if name in dataset.categories:
        return dataset.categories[name].texts()
    return dataset.x[:, dataset.features.index(name)]


def dataset(y=None, patients=None, **columns):
    """Numbers are arrays, categories lists of words."""
    numbers = {k: v for k, v in columns.items() if isinstance(v, np.ndarray)}
    words = {k: Words.of(v) for k, v in columns.items() if k not in numbers}
    rows = len(next(iter(columns.values())))
    x = np.column_stack(list(numbers.values())).astype(float) if numbers else np.zeros((rows, 0))
    return Dataset(
        x, tuple(numbers), categories=words,
        y=None if y is None else np.asarray(y, dtype=float),
        patient=None if patients is None else Words.of(map(str, patients)),
    )  # fmt: skip


def merged(*datasets):
    return merge_statistics({i: statistics_of(d) for i, d in enumerate(datasets, start=1)})


def design_of(*datasets):
    return Design.from_statistics(merged(*datasets))
