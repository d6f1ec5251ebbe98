"""Heart disease at four hospitals: the example that ships with swarmhub.

920 patients at coronary angiography in Cleveland, Budapest, Zurich/Basel and Long Beach in the
1980s; the label is 1 if a major vessel was narrowed by more than half. The hospitals differ as
hospitals do: 36% to 93% of patients are ill, and one never recorded cholesterol. Source, licence
and changes are in heart/ORIGIN.md.
"""

from __future__ import annotations

import csv
import io
from importlib import resources
from pathlib import Path

LABEL = "label"


def write_heart(folder: Path | str) -> dict[str, Path]:
    """Write each hospital's rows as a CSV of its own into the folder, as a hospital would have
    them; return the paths by hospital."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for hospital, rows in _rows().items():
        paths[hospital] = folder / f"{hospital.lower().replace(' ', '_')}.csv"
        with paths[hospital].open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return paths


def _rows() -> dict[str, list[list[str]]]:
    """Return header and rows by hospital, without the column that names the hospital."""
    file = resources.files("swarmhub.data").joinpath("heart", "heart.csv")
    header, *rows = csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline=""))
    found: dict[str, list[list[str]]] = {}
    for hospital, *cells in rows:
        found.setdefault(hospital, [header[1:]]).append(cells)
    return found
