"""The oestrogen receptor in three published transcriptomes of breast cancer."""

from __future__ import annotations

from pathlib import Path

from swarmhub.examples.example import Example, Files, Tables
from swarmhub.examples.survset import load, origin, raw_file

STUDIES = {"gse1992": "fac_er_positive", "gse3143": "fac_erlev", "gse4335": "fac_er_status"}
RAW = (
    raw_file(
        "gse1992", 15_650_836, "86601d8810ca2738c0d460f7ee371815ba3d7354c8264abfbb6a5153133ff1da"
    ),
    raw_file(
        "gse3143", 11_083_386, "85e0292fde1063a8a26f60b7519889b7384d298256116759f84f8d8b6a39a483"
    ),
    raw_file(
        "gse4335", 11_974_966, "4a29a1b0cd04b8c08c9f50b27d0e1fab94db0756d85d31e38e7ca5c08c6c6371"
    ),
)
# One study gives the receptor's level from 0 to 3. Each lacks genes that the others have.
TERMS = """
min_peers = 3
rounds = 60                     # three platforms: 20 are too few for some splits
seed = 1
metric = { name = "auc", goal = "max" }

[data]
max_missing = 0.2
missing_words = ["missing"]
test_fraction = 0.3

[data.outcome]
column = "er"
positive = ["1", "2", "3"]
negative = "0"

[[data.inputs]]
name = "genes"
columns = ["HS_*"]
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write each study's receptor and genes, with one spelling of names such as HLA_A."""
    found: Tables = {}
    for raw in RAW:
        name = files[raw.path].stem
        frame = load(files[raw.path])
        genes = [column for column in frame.columns if column.startswith("num_HS_")]
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = ["er", *(gene.removeprefix("num_").replace("-", "_") for gene in genes)]
        frame[[STUDIES[name], *genes]].to_csv(path, index=False, header=header)
        found[name.upper()] = (path,)
    return found


EXAMPLE = Example(
    name="breast",
    question="Does gene expression tell whether a breast cancer has the oestrogen receptor?",
    disease="breast cancer",
    hospitals="GSE1992, GSE3143, GSE4335",
    outcome="oestrogen receptor (present, absent)",
    origin=origin("https://pypi.org/project/survset (GEO: GSE1992, GSE3143, GSE4335)"),
    files=RAW,
    terms=TERMS,
    prepare=prepare,
)
