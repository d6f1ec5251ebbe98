"""Cell types of blood by gene expression, at four made-up sites of unequal size and composition.

All cells are of one donor, so the figures say how the swarm treats classes that are rare or absent
at a site, and nothing of patients.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.examples.example import Example, Files, Origin, RawFile, Tables
from swarmhub.examples.tables import slug, write_table

TABLE = RawFile(
    "datasets/10x_pbmc68k_reduced.h5ad",
    1_772_368,
    "e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f",
    "scanpy",
)
SITES = {"Site A": 0.4, "Site B": 0.3, "Site C": 0.2, "Site D": 0.1}  # expected share of the cells
EVENNESS = 3.0  # of a cell type's shares over the sites; they are SITES' own if it is infinite
SEED = 5
TERMS = """
min_peers = 3
seed = 1
metric = { name = "macro_f1", goal = "max" }

[data]
test_fraction = 0.3

[data.outcome]
column = "bulk_labels"
kind = "classes"
classes = [
    "CD14+ Monocyte", "CD19+ B", "CD34+", "CD4+/CD25 T Reg", "CD4+/CD45RA+/CD25- Naive T",
    "CD4+/CD45RO+ Memory", "CD56+ NK", "CD8+ Cytotoxic T", "CD8+/CD45RA+ Naive Cytotoxic",
    "Dendritic",
]

[[data.inputs]]
name = "genes"
unit = "log1p of normalised counts"
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write each site's cells: their type, and the expression before the authors scaled it over all
    cells."""
    names, labels, genes, x = read_cells(files[TABLE.path])
    place = draw_sites(labels)
    found: Tables = {}
    for k, site in enumerate(SITES):
        rows = (
            [names[i], labels[i], *("0" if v == 0 else str(v) for v in x[i])]
            for i in np.flatnonzero(place == k)
        )
        path = folder / f"{slug(site)}.csv"
        found[site] = (write_table(path, ["", "bulk_labels", *genes], rows),)
    return found


def draw_sites(labels: list[str]) -> npt.NDArray[np.int64]:
    """Return the site of each cell, (n,): each type's shares are drawn by Dirichlet's
    distribution."""
    random = np.random.RandomState(SEED)  # a stream that no version of NumPy changes
    types, codes = np.unique(labels, return_inverse=True)
    place = np.zeros(len(labels), dtype=np.int64)
    for code in range(len(types)):
        cells = random.permutation(np.flatnonzero(codes == code))
        share = random.dirichlet(EVENNESS * np.array([*SITES.values()]))
        ends = np.round(np.cumsum(share)[:-1] * len(cells)).astype(np.int64)
        for k, part in enumerate(np.split(cells, ends)):
            place[part] = k
    return place


def read_cells(path: Path) -> tuple[list[str], list[str], list[str], Any]:
    """Return names (n), types (n), genes (p) and expression (n, p) float32 of the file, which is in
    a form of AnnData from before version 0.7. Raises BadInput if h5py is not installed."""
    try:
        h5py = importlib.import_module("h5py")
    except ImportError:
        raise BadInput("Expected h5py to read AnnData; run: pip install h5py.") from None
    with h5py.File(path) as file:
        obs, raw = file["obs"][:], file["raw.X"]
        words = [word.decode() for word in file["uns/bulk_labels_categories"][:]]
        genes = [name.decode() for name in file["raw.var"]["index"]]
        ends, at, values = raw["indptr"][:], raw["indices"][:], raw["data"][:]
    x = np.zeros((len(obs), len(genes)), dtype=np.float32)
    x[np.repeat(np.arange(len(obs)), np.diff(ends)), at] = values
    names = [name.decode() for name in obs["index"]]
    return names, [words[code] for code in obs["bulk_labels"]], genes, x


EXAMPLE = Example(
    name="pbmc",
    question="Does gene expression tell the type of a blood cell?",
    disease="none (one healthy donor)",
    hospitals="four made-up sites of unequal size and composition",
    outcome="one of ten types of cell",
    origin=Origin(
        "https://pypi.org/project/scanpy (pbmc68k_reduced; doi 10.1038/ncomms14049)",
        "BSD-3-Clause (the package)",
        "run: pip install --no-deps scanpy==1.11.5, and pip install h5py",
    ),
    files=(TABLE,),
    terms=TERMS,
    prepare=prepare,
)
