"""Writing a report: one HTML file, and the same numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.errors import BadInput
from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.operations.pages import check_path
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.contents import Report
from swarmhub.operations.report.gather import Reported, gather
from swarmhub.operations.report.page import render

STEPS = ("reading the ledger", "computing the figures", "drawing the page", "writing the files")
FORMS = "swarmhub/report/"  # of this and of earlier versions
ESCAPED = "backslashreplace"  # half a surrogate pair in a stranger's text, as JSON writes it
MAX_BYTES = 1 << 28  # of a JSON file that is looked at before it is replaced


@dataclass(frozen=True)
class Written:
    """The files of a report."""

    study: str
    page: str
    data: str


def ignore(step: str) -> None:
    """Tell nobody."""


async def write_report(
    home: Home, study: str, out: Path, tell: Callable[[str], None] = ignore
) -> Written:
    """Write a study's report to an HTML file, and its numbers as JSON beside it, each as a whole or
    not at all; `tell` hears each of STEPS as it begins. Raises BadInput if the study has no model
    yet, or the paths cannot be used."""
    data = out.with_suffix(".json")
    check_path(out, "report")
    _need_replaceable(data)
    tell(STEPS[0])
    found = await gather(home, study)
    tell(STEPS[1])
    report = compose(found)
    tell(STEPS[2])
    page = render(report)
    tell(STEPS[3])
    write_durably(
        data, json.dumps(to_json(report), indent=1, ensure_ascii=False).encode(errors=ESCAPED)
    )
    write_durably(out, page.encode(errors="replace"))
    return Written(study, str(out), str(data))


def to_json(found: Reported | Report) -> Json:
    """Return a report as JSON: every number of the page with its conditions."""
    return codec.to_json(found if isinstance(found, Report) else compose(found))


def _need_replaceable(data: Path) -> None:
    """Raise BadInput if another file than a report's is at the place of the JSON."""
    if not data.exists():
        return
    try:
        with data.open("rb") as file:
            tree = json.loads(file.read(MAX_BYTES))
    except (ValueError, OSError):
        tree = None
    if not isinstance(tree, dict) or not str(tree.get("form")).startswith(FORMS):
        raise BadInput(
            f"{data}, at which the report's numbers would be written, is no report; "
            "name another file with --out, or move that one away."
        )
