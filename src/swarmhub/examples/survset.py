"""Data sets of the Python package SurvSet, which has them as pickled tables."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

from swarmhub.errors import BadInput
from swarmhub.examples.example import Origin, RawFile

VERSION = "0.2.11"
LICENCE = "GPL-3.0 (the package)"


def raw_file(name: str, size: int, sha256: str) -> RawFile:
    """Return the file of a data set in the package."""
    return RawFile(f"resources/pickles/{name}.pickle", size, sha256, "SurvSet")


def origin(url: str) -> Origin:
    """Return the origin of a data set in the package."""
    return Origin(url, LICENCE, f"run: pip install --no-deps survset=={VERSION}")


def load(path: Path) -> Any:
    """Return a data set as a DataFrame. The package unpickles its own file, so the digest of the
    file has to be checked before. Raises BadInput if the package or its pandas cannot read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pickled by NumPy 1
            loader = importlib.import_module("SurvSet.data").SurvLoader()
            return loader.load_dataset(path.stem)["df"]
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise BadInput(
            f"Expected {path.name} to be readable by the package SurvSet, got "
            f"{type(error).__name__}; install survset {VERSION} and pandas 2.2 or later."
        ) from None
