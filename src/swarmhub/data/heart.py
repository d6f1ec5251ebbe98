"""Heart disease at four hospitals: the example that ships with swarmhub.

920 patients at coronary angiography in Cleveland, Budapest, Zurich/Basel and Long Beach in the
1980s; the label is 1 if a major vessel was narrowed by more than half. The hospitals differ as
hospitals do: 36% to 93% of patients are ill, and one never recorded cholesterol. Source, licence
and changes are in heart/ORIGIN.md.
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from importlib import resources
from pathlib import Path

from swarmhub.contract.records import Declaration
from swarmhub.contract.records.declaration import Levels, Scale

LABEL = "label"

# what is known of the columns without looking at these patients, in round figures: usual values of
# adults of 40 to 70 years examined for heart disease. Cholesterol: means of 211 (men) and
# 215 mg/dl (women) in the United States, 1976 to 1980 (JAMA 1987;257:937). Maximum heart rate: 220
# less the age is the rule, and patients reach less of it. 0 and 1 have sqrt(p (1 - p)).
SCALES = (
    Scale(("age",), "55", "10"),
    Scale(("sex",), "0.7", "0.46"),
    Scale(("trestbps",), "130", "20"),
    Scale(("chol",), "215", "45"),
    Scale(("fbs",), "0.15", "0.36"),
    Scale(("thalach",), "140", "25"),
    Scale(("exang",), "0.4", "0.49"),
    Scale(("oldpeak",), "1", "1"),
)
# the values that the documentation of the data set lists (ORIGIN.md)
LEVELS = (
    Levels("cp", ("typical angina", "atypical angina", "non-anginal", "asymptomatic")),
    Levels("restecg", ("normal", "st-t abnormality", "lv hypertrophy")),
)


def describe(declaration: Declaration) -> Declaration:
    """Return the declaration of a study over these tables with scales and levels of all columns:
    one that merges no statistics."""
    return replace(declaration, scales=SCALES, levels=LEVELS)


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
