"""The data of the examples, if they are there."""

from pathlib import Path

import pytest

from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema
from swarmhub.examples import find_example
from swarmhub.examples.raw import find_files, has_files

DATA = Path(__file__).parents[2] / "shared" / "data"


def need(name):
    """The checked raw files of an example; the test is skipped if one of them is not there."""
    example = find_example(name)
    if not has_files(example, DATA):
        pytest.skip(f"the raw files of '{name}' are not there: {example.origin.get}")
    return find_files(example, DATA)


def read(name, folder):
    """Each hospital's rows, read as the terms declare."""
    example = find_example(name)
    tables = example.prepare(need(name), folder)
    schema = Schema.of(example.spec.data)
    return {
        hospital: read_dataset(Files(paths), schema, Findings(strict=True))
        for hospital, paths in tables.items()
    }
