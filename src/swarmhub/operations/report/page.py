"""The page of a report: one HTML file that refers to nothing outside of it."""

from __future__ import annotations

from types import SimpleNamespace

from markupsafe import Markup

from swarmhub.errors import plain
from swarmhub.models.card import NOT_FOR
from swarmhub.operations.budgets import say_reached
from swarmhub.operations.pages import render_page
from swarmhub.operations.report import probast, say, tripod
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.contents import Report
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.kind import kind_of
from swarmhub.operations.report.pictures import draw_all
from swarmhub.words import say_time

COLUMNS_SHOWN = 40  # names of dropped columns for each reason; the JSON has all
CHECKLISTS = (("TRIPOD+AI", tripod.CITED, "tripod_ai"), ("PROBAST+AI", probast.CITED, "probast_ai"))


def render(found: Reported | Report) -> str:
    """Return the page. Raises BadInput for a kind of outcome that has no report."""
    report = found if isinstance(found, Report) else compose(found)
    kind = kind_of(report.outcome.kind)
    return render_page(
        kind.TEMPLATE,
        r=report,
        charts={name: Markup(svg) for name, svg in draw_all(report).items()},
        names=kind.NAMES,
        say=SimpleNamespace(**(vars(say) | vars(kind.say))),
        say_reached=say_reached,
        cut=plain,
        settled=say_time(report.conditions.settled_ms) if report.conditions.settled_ms else "",
        not_for=[line.removeprefix("- ") for line in NOT_FOR.splitlines()],
        columns_shown=COLUMNS_SHOWN,
        checklists=[(n, cited, getattr(report, key)) for n, cited, key in CHECKLISTS],
        inputs="; ".join(s for subject, s in report.terms if subject == "inputs") or "a table",
        hospitals=", ".join(f"{plain(h.name, 60)} ({h.trained})" for h in report.hospitals),
        limits=list_limits(report),
    )


def list_limits(report: Report) -> list[str]:
    """Return the limits of the model that the figures show."""
    found = [
        "Evaluated at the hospitals that trained it: at another one it may do worse.",
        *kind_of(report.outcome.kind).list_limits(report),
    ]
    if report.left_out.reason and all(h.left_out.value is None for h in report.hospitals):
        found.append(f"Not evaluated as at a hospital that took no part: {report.left_out.reason}.")
    untested = [plain(h.name, 60) for h in report.hospitals if h.swarm.reason]
    if untested:
        found.append(f"No figures of {', '.join(untested)}.")
    return found
