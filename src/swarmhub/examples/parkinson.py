"""Parkinson's disease in the voice: four published studies of sustained vowels."""

from __future__ import annotations

from pathlib import Path

from swarmhub.examples.example import Example, Files, Origin, RawFile, Tables
from swarmhub.examples.tables import split_table

TABLE = RawFile(
    "parkinson_voice/pd_voice4.csv",
    121_437,
    "1af4fc8e41d2bc4ea0f66790048d9483058849a124bcf3c470f49830ff6a0576",
)
STUDIES = {
    "Oxford_NCVS": "Oxford",
    "Caceres": "Caceres",
    "Istanbul2013": "Istanbul 2013",
    "Istanbul2018": "Istanbul 2018",
}
TERMS = """
min_peers = 3
seed = 1
metric = { name = "auc", goal = "max" }

[data]
patient = "subj"
test_fraction = 0.3

[data.outcome]
column = "y"
positive = "1"
negative = "0"

[[data.inputs]]
name = "voice"
columns = ["jit", "rap", "ppq", "shim", "shimdb", "apq3", "apq5", "apq11", "hnr"]
transform = "log"
floor = 0.001
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write each study's recordings."""
    return split_table(files[TABLE.path], "site", STUDIES, folder)


EXAMPLE = Example(
    name="parkinson",
    question="Does the sound of a sustained vowel tell patients with Parkinson's disease apart?",
    disease="Parkinson's disease",
    hospitals="Oxford, Caceres, Istanbul 2013, Istanbul 2018",
    outcome="Parkinson's disease (yes, no)",
    origin=Origin(
        "https://archive.ics.uci.edu (data sets 174, 301, 470 and 489)",
        "CC BY 4.0",
        "join the data sets 174, 301, 470 and 489 of https://archive.ics.uci.edu into it, or name "
        "its folder with --data",
    ),
    files=(TABLE,),
    terms=TERMS,
    prepare=prepare,
)
