"""Alzheimer's disease in the proteome of cerebrospinal fluid, at four hospitals."""

from __future__ import annotations

from pathlib import Path

from swarmhub.examples.example import Example, Files, Origin, RawFile, Tables
from swarmhub.examples.tables import split_table

TABLE = RawFile(
    "alzheimer_csf_proteomics/ad_csf.csv.gz",
    1_262_402,
    "934b77db88bf9771b9c4f24eee847dd68f1e406e7ffbf2cfb8aa7284a5b2d119",
)
# Tau (P10636) and the precursor of Abeta (P05067) are left out: with them the diagnosis was made.
TERMS = """
min_peers = 3
seed = 1
metric = { name = "auc", goal = "max" }

[data]
exclude = ["_*", "*P10636*", "*P05067*"]
max_missing = 0.3
test_fraction = 0.3

[data.outcome]
column = "label"
positive = "1"
negative = "0"

[[data.inputs]]
name = "proteins"
namespace = "uniprot"
unit = "intensity"
transform = "log2"
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write each hospital's samples."""
    names = ("Berlin", "Sweden", "Magdeburg", "Kiel")
    return split_table(files[TABLE.path], "site", {name: name for name in names}, folder)


EXAMPLE = Example(
    name="alzheimer",
    question="Do proteins of the cerebrospinal fluid, without tau and Abeta, tell Alzheimer's?",
    disease="Alzheimer's disease",
    hospitals="Berlin, Sweden, Magdeburg, Kiel (controls only)",
    outcome="Alzheimer's disease by tau and Abeta in the fluid (yes, no)",
    origin=Origin(
        "https://doi.org/10.15252/msb.20199356 (PRIDE PXD016278)",
        "CC BY 4.0",
        "make it of the proteome and the annotations at https://doi.org/10.15252/msb.20199356, or "
        "name its folder with --data",
    ),
    files=(TABLE,),
    terms=TERMS,
    prepare=prepare,
)
