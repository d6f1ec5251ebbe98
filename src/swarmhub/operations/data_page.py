"""The page of a data check: what was found in a hospital's files, and all that would leave it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.files import write_durably
from swarmhub.operations.data_check import DataChecked
from swarmhub.operations.pages import check_path, render_page

MAX_SHOWN = 200_000  # letters of the document on the page; --out keeps all of it
MAX_COLUMNS = 500  # in the table
TITLES = (("error", "Errors"), ("warning", "Warnings"), ("info", "Notes"))


@dataclass(frozen=True)
class Leaving:
    """A column as other hospitals would see it."""

    name: str
    kind: str
    published: int  # rows
    missing: int
    withheld: int
    content: str


def write_check(found: DataChecked, out: Path) -> None:
    """Write a check's page. Raises BadInput if the path cannot be used."""
    check_path(out, "page")
    leaving = list_leaving(found.document)
    page = render_page(
        "check.html",
        c=found,
        verdict=say_verdict(found),
        groups=[(t, k, [f for f in found.findings if f.level == k]) for k, t in TITLES],
        leaving=leaving[:MAX_COLUMNS],
        more=len(leaving) - MAX_COLUMNS,
        document=found.document[:MAX_SHOWN],
        size=len(found.document.encode()),
        is_cut=len(found.document) > MAX_SHOWN,
    )
    write_durably(out, page.encode())


def say_verdict(found: DataChecked) -> str:
    """Return whether the hospital can take part, in one sentence."""
    errors, warnings = (sum(f.level == k for f in found.findings) for k in ("error", "warning"))
    if not found.is_usable:
        return (
            f"This hospital cannot take part with these files: {errors} error"
            f"{'s have' if errors != 1 else ' has'} to be mended. Nothing has left the hospital."
        )
    said = f"{warnings} warning{'s want' if warnings != 1 else ' wants'} a person's eye"
    return f"These files can be used{f'; {said}' if warnings else ''}. Nothing has left yet."


def list_leaving(document: str) -> list[Leaving]:
    """Return the columns of a statistics document, in words."""
    if not document:
        return []
    columns = codec.decode(document.encode(), len(document.encode()), len(document))["columns"]
    return [
        Leaving(
            name, column["kind"], column["count"], column["missing"],
            column.get("withheld", 0), _say(column),
        )
        for name, column in columns.items()
    ]  # fmt: skip


def _say(column: dict[str, Json]) -> str:
    found: dict[str, Any] = dict(column)
    if not found["count"]:
        return "nothing but how many rows have a value"
    if found["kind"] == "text":
        parts = [f"{word}: {rows}" for word, rows in found["categories"].items()]
        return "rows by category: " + ", ".join(parts)
    sd = (float.fromhex(found["m2"]) / max(found["count"] - 1, 1)) ** 0.5
    text = f"mean {float.fromhex(found['mean']):.4g}, standard deviation {sd:.4g}"
    text += f", rows by size in {len(found['bins'])} bins"
    return text + (", covariance with the outcome" if found["pairs"] else "")
