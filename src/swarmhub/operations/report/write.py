"""Writing a report: one HTML file, and the same as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.operations.pages import check_path
from swarmhub.operations.report.answers import answer_probast, answer_tripod
from swarmhub.operations.report.gather import Reported, gather
from swarmhub.operations.report.page import evaluate_model, list_rows, render


@dataclass(frozen=True)
class Written:
    """The files of a report."""

    study: str
    page: str
    data: str


async def write_report(home: Home, study: str, out: Path) -> Written:
    """Write a study's report to an HTML file, and as JSON beside it. Raises BadInput if the study
    has no model yet, or the path cannot be used."""
    check_path(out, "report")
    found = await gather(home, study)
    write_durably(out, render(found).encode())
    data = out.with_suffix(".json")
    write_durably(data, json.dumps(to_json(found), indent=1, ensure_ascii=False).encode())
    return Written(study, str(out), str(data))


def to_json(found: Reported) -> dict[str, Any]:
    """Return a report as JSON: every number with its conditions."""
    tree = dataclasses.asdict(found)
    tree["pooled"] = {
        model: [dataclasses.asdict(row) for row in list_rows(evaluate_model(found, model))]
        for model in ("swarm", "left-out")
    }
    tree["tripod_ai"] = [dataclasses.asdict(a) for a in answer_tripod(found)]
    tree["probast_ai"] = [dataclasses.asdict(a) for a in answer_probast(found)]
    return tree
