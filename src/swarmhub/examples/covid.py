"""Severe COVID-19 in plasma proteins at two hospitals, and the cohort of a third that has
recovered."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

from swarmhub.examples.example import Example, Files, Origin, RawFile, Tables
from swarmhub.examples.tables import write_table

FOLDER = "covid_olink"
RAW = (
    RawFile(
        f"{FOLDER}/breda.csv.gz",
        127_928,
        "e4a98e407a88a747db9ecf35c6a8261b4287d3116b2907a2d4eb823a65333d27",
    ),
    RawFile(
        f"{FOLDER}/annot.breda.csv.gz",
        7_679,
        "252ec34c2ec02e4fa3ecf18993959ea889f583d79d082bb131585a81f56eed40",
    ),
    RawFile(
        f"{FOLDER}/radboud.csv.gz",
        438_792,
        "57612d7a80f81548c028a0ae873bc5c63aba55f70dad384d9e780121a8212928",
    ),
    RawFile(
        f"{FOLDER}/annot.radboud.csv.gz",
        6_607,
        "c75bcf60b3edde8ef8bc170d3003f34e1b45a587989cac9a6e24f2d4e48ec275",
    ),
    RawFile(
        f"{FOLDER}/mhh.csv.gz",
        260_399,
        "2de6fb188889b29db1f3dd1dc4e60028fbf07e91497b8196fc64b7c41d4523df",
    ),
    RawFile(
        f"{FOLDER}/annot.mhh.csv.gz",
        13_102,
        "97a4c9bcbe34de4d11cfcd0119992284d25aa11f20ea74b0f7cf3ff7ed42f85e",
    ),
)
PATIENT = {"breda": "patient_nr", "radboud": "pat_id"}  # columns of the annotations
TERMS = """
min_peers = 2
seed = 1
metric = { name = "auc", goal = "max" }

[data]
patient = "patient"
max_missing = 0.3               # proteins that one hospital did not measure are left out
test_fraction = 0.3

[data.outcome]
column = "condition"
positive = "ICU"
negative = "non-ICU"

[[data.inputs]]
name = "proteins"
columns = ["OID*"]
namespace = "olink"
unit = "NPX"
"""


def prepare(files: Files, folder: Path) -> Tables:
    """Write a sheet of samples beside each hospital's proteins: patient and condition."""
    found: Tables = {}
    for name, column in PATIENT.items():
        notes = read_rows(files[f"{FOLDER}/annot.{name}.csv.gz"])
        rows = ([row[""], row[column], row["condition"]] for row in notes)
        sheet = write_table(folder / f"{name}.csv", ["", "patient", "condition"], rows)
        found[name.capitalize()] = (files[f"{FOLDER}/{name}.csv.gz"], sheet)
    return found


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a compressed CSV."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def score_hannover(files: Files, model: Path) -> list[str]:
    """Score the samples of Hannover, none of which was trained on or comes from intensive care."""
    from swarmhub.models.predict import load_model

    scores = load_model(model).predict(files[f"{FOLDER}/mhh.csv.gz"])
    notes = {row[""]: row["condition"] for row in read_rows(files[f"{FOLDER}/annot.mhh.csv.gz"])}
    found = []
    for condition, words in (("healthy", "healthy persons"), ("postcovid", "after COVID-19")):
        at = np.array([notes[name] == condition for name in scores.names])
        median = float(np.median(scores.probability[at]))
        found.append(
            f"Hannover, {words}: {int(scores.is_positive[at].sum())} of {int(at.sum())} samples "
            f"are scored as intensive care, median probability {median:.3f}."
        )
    return found


EXAMPLE = Example(
    name="covid",
    question="Do plasma proteins tell which patients with COVID-19 are in intensive care?",
    disease="COVID-19",
    hospitals="Breda, Radboud; Hannover (recovered, healthy) is scored by the model alone",
    outcome="intensive care (yes, no)",
    origin=Origin(
        "https://github.com/CiiM-Bioinformatics-group/Postcovid-targeted-proteomics",
        "MIT",
        "write it out of data/data.RData of https://github.com/CiiM-Bioinformatics-group/"
        "Postcovid-targeted-proteomics, or name its folder with --data",
    ),
    files=RAW,
    terms=TERMS,
    prepare=prepare,
    after=score_hannover,
)
