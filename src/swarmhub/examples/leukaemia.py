"""Survival with acute myeloid leukaemia in 24 districts of north-west England."""

from __future__ import annotations

from pathlib import Path

from swarmhub.examples.example import Example, Files, Tables
from swarmhub.examples.survset import load, origin, raw_file
from swarmhub.examples.tables import slug, write_table

DISTRICTS = 24
TABLE = raw_file(
    "LeukSurv", 70_643, "4b275ea2dee9c1132200df900fd3a73dd3ebd2419587efe14280b029192a69e8"
)
COLUMNS = {
    "time": "time",
    "event": "event",
    "fac_sex": "sex",
    "num_age": "age",
    "num_tpi": "deprivation",
    "num_wbc": "wbc",
}
TERMS = """
min_peers = 17
seed = 1
metric = { name = "c_index", goal = "max" }

[data]
test_fraction = 0.3

[data.outcome]
column = "event"
kind = "time_to_event"
positive = "1"
negative = "0"
time = "time"
unit = "days"
horizon = 365

[[data.inputs]]
name = "clinic"
columns = ["age", "sex", "deprivation"]

[[data.inputs]]
name = "blood"
columns = ["wbc"]
unit = "10^9/l, at most 500"
transform = "log1p"
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write each district's patients, without the place of their homes."""
    frame = load(files[TABLE.path])
    found: Tables = {}
    for district in range(1, DISTRICTS + 1):
        name = f"District {district}"
        rows = frame.loc[frame["fac_district"] == district, list(COLUMNS)]
        cells = rows.astype(object).values.tolist()
        found[name] = (write_table(folder / f"{slug(name)}.csv", list(COLUMNS.values()), cells),)
    return found


EXAMPLE = Example(
    name="leukaemia",
    question="How long do patients with acute myeloid leukaemia live, by four facts at diagnosis?",
    disease="acute myeloid leukaemia",
    hospitals="24 districts of north-west England",
    outcome="days from diagnosis to death",
    origin=origin("https://pypi.org/project/survset (LeukSurv; doi 10.1198/016214502388618753)"),
    files=(TABLE,),
    terms=TERMS,
    prepare=prepare,
)
