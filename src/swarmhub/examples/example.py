"""The form of an example: its question, the origin of its data, and the terms of its study."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from swarmhub import codec
from swarmhub.contract.records import Spec
from swarmhub.data.schema import tidy_toml
from swarmhub.recipes.plan import complete

Files = Mapping[str, Path]  # of a data set, by RawFile.path
Tables = dict[str, tuple[Path, ...]]  # of each hospital
Prepare = Callable[[Files, Path], Tables]
After = Callable[[Files, Path], list[str]]


@dataclass(frozen=True)
class RawFile:
    """A file of a data set: `path` below the folder of data, or in an installed `package`, with its
    size in bytes and its sha256."""

    path: str
    size: int
    sha256: str
    package: str = ""


@dataclass(frozen=True)
class Origin:
    """The origin of an example's data: an address, a licence, and how to get the files in one
    clause ("run: pip install ...")."""

    url: str
    licence: str
    get: str


@dataclass(frozen=True)
class Example:
    """A study over open data.

    `question` is one sentence for a clinician. `prepare` writes what has to be written into a
    folder and returns each hospital's files; `terms` are the study's, as TOML. `after` returns
    sentences on the exported model, for data that are no hospital's of the swarm.
    """

    name: str
    question: str
    disease: str
    hospitals: str
    outcome: str
    origin: Origin
    files: tuple[RawFile, ...]
    terms: str
    prepare: Prepare
    after: After | None = None

    @property
    def spec(self) -> Spec:
        """The terms as a record, with the stages of their recipe written out."""
        tree = tomllib.loads(self.terms)
        tree |= {"name": self.name, "title": self.question, "data": tidy_toml(tree["data"])}
        return complete(codec.from_json(Spec, tree))
