"""The seam between a report and the kind of its outcome."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from swarmhub.errors import BadInput, plain
from swarmhub.operations.report.answers import Known
from swarmhub.operations.report.contents import Report
from swarmhub.operations.report.gather import Reported


class Kind(Protocol):
    """What a report says of an outcome. `say` has its sentences for the template: `NAMES`,
    `MIDDLE`, `FEATURES` and functions of the report."""

    TEMPLATE: str
    NAMES: tuple[str, ...]  # figures of a table of a model
    BY_CLASS: str  # " of each class" if test patients are set aside so
    HAS_THRESHOLD: bool
    say: Any

    def compose(self, found: Reported, common: Mapping[str, Any]) -> Report:
        """Return the report; `common` are the fields that all kinds have alike."""

    def draw(self, report: Any) -> dict[str, str]:
        """Return the charts of this kind by name, as SVG; "" for one that has nothing to show."""

    def say_rows(self, found: Reported) -> tuple[str, str]:
        """Return the numbers of training and of test patients in words; "" if none were tested."""

    def answer_tripod(self, found: Reported) -> dict[str, Known]:
        """Return the answers to items of TRIPOD+AI that depend on the outcome."""

    def answer_probast(self, found: Reported) -> dict[str, Known]:
        """Return the facts for PROBAST+AI that depend on the outcome."""

    def list_limits(self, report: Any) -> list[str]:
        """Return the limits of the model that the outcome brings."""


ROOM = "swarmhub.operations.report.kinds"
MODULES = {
    "binary": "binary",
    "classes": "classes",
    "continuous": "numbers",
    "time_to_event": "times",
}


def kind_of(kind: str) -> Kind:
    """Return what a report says of an outcome of this kind. Raises BadInput for one that has no
    report."""
    if kind not in MODULES:
        raise BadInput(
            f"Expected an outcome out of {', '.join(MODULES)}, got '{plain(kind, 40)}'; this "
            "version of swarmhub writes no report on it."
        )
    found: Any = importlib.import_module(f"{ROOM}.{MODULES[kind]}")
    of_kind: Kind = found
    return of_kind
