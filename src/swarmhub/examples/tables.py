"""A file for each hospital out of a table of all of them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from swarmhub.examples.example import Tables


def split_table(source: Path, column: str, hospitals: Mapping[str, str], folder: Path) -> Tables:
    """Write the rows of each hospital into a CSV of its own, cell by cell as they are, without the
    column that names it; `hospitals` has their names by that column's words. Return the files."""
    opener = gzip.open if source.suffix == ".gz" else open
    with opener(source, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index(column)
    kept = [k for k in range(len(header)) if k != place]
    return {
        name: (
            write_table(
                folder / f"{slug(name)}.csv",
                [header[k] for k in kept],
                ([row[k] for k in kept] for row in rows if row[place] == word),
            ),
        )
        for word, name in hospitals.items()
    }


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def slug(name: str) -> str:
    """Return a hospital's name as that of a file."""
    return name.lower().replace(" ", "_")
