"""A fault is really in the file, at the stated place, and nowhere else."""

import csv
import gzip
import io
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .clean import HOSPITALS, PANELS, Setting, make_study
from .draft import MAKERS
from .faults import CONTROLS, FAULTS, SEEDS, fault
from .reading import auc, made, read, text_of, twin_of

everyone = pytest.mark.parametrize("name", [*FAULTS, *CONTROLS])
each = pytest.mark.parametrize("name", FAULTS)
pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(
        not os.environ.get("SWARMHUB_LONG"), reason="tests of test data: SWARMHUB_LONG=1"
    ),
]
seeds = pytest.mark.parametrize("seed", SEEDS)
CODES = {"M": 1.0, "F": 0.0, "never": 0.0, "former": 1.0, "current": 2.0}


def features(study):
    x, y, patients = [], [], []
    for sheet in study.sheets.values():
        rows = sheet.pick(study.inputs).rows
        x += [[CODES[c] if c in CODES else float(c or "nan") if c != "NA" else np.nan for c in row]
              for row in rows]  # fmt: skip
        y += [c == study.declaration["outcome"]["positive"] for c in sheet.cells(study.outcome)]
        patients += sheet.cells("patient_id")
    values = np.array(x)
    gaps = np.where(np.isnan(values), np.nanmean(values, 0), values)
    return gaps, np.array(y), np.array(patients)


@pytest.mark.parametrize("panel", PANELS)
@seeds
def test_clean_data_predict_as_real_data_do(seed, panel):
    x, y, patients = features(make_study(Setting(seed, panel)))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    split = GroupKFold(5)
    score = cross_val_predict(model, x, y, groups=patients, cv=split, method="predict_proba")
    assert 0.80 < roc_auc_score(y, score[:, 1]) < 0.90
    assert max(auc(y, column) for column in x.T) < 0.75


@seeds
def test_clean_data_have_visits_gaps_and_unequal_sizes(seed):
    sheets = make_study(Setting(seed)).sheets.values()
    patients = [len(set(sheet.cells("patient_id"))) for sheet in sheets]
    assert 60 <= min(patients) < max(patients) / 3
    assert max(patients) <= 400
    assert all(len(sheet.rows) > n for sheet, n in zip(sheets, patients, strict=True))
    assert all(
        "" in sheet.cells("ldh") + sheet.cells("spo2") or "NA" in sheet.cells("spo2")
        for sheet in sheets
    )
    assert all(len(set(sheet.cells("sample_id"))) == len(sheet.rows) for sheet in sheets)


@everyone
@seeds
def test_a_seed_gives_the_same_bytes(name, seed):
    found = made(name, seed)
    assert found == fault(name, seed)
    assert set(found.files) == set(HOSPITALS)
    assert found.files != fault(name, seed + 3).files


@each
@seeds
def test_a_fault_changes_the_faulty_hospital(name, seed):
    found, twin = made(name, seed), twin_of(name, seed)
    wrong = [found.hospital] if found.hospital else HOSPITALS
    if name != "site-confounded":
        for hospital in wrong:
            clean = twin.sheets[hospital].text().encode()
            assert found.files[hospital] != {f"{hospital}.csv": clean}


SPREAD = {"latin-1", "near-name-unicode", "near-name-space", "row-counter", "mixed-dates"}


@each
@seeds
def test_a_fault_leaves_the_other_hospitals_alone(name, seed):
    found, twin = made(name, seed), twin_of(name, seed)
    if found.hospital and name not in SPREAD and "train" not in found.roles.values():
        for hospital in set(HOSPITALS) - {found.hospital}:
            clean = twin.sheets[hospital].text().encode()
            assert found.files[hospital] == {f"{hospital}.csv": clean}


@each
@seeds
def test_the_cell_is_at_the_stated_line(name, seed):
    found = made(name, seed)
    if found.cell:
        lines = text_of(found).split("\n")
        header, row = csv.reader([lines[0], lines[found.line - 1]])
        assert row[header.index(found.column)] == found.cell


@each
@seeds
def test_clues_are_lower_case_and_fulfilled_by_no_empty_word(name, seed):
    found = made(name, seed)
    assert found.clues
    assert all(re.compile(clue) for clue in found.clues | found.also)
    assert not any(re.search(clue, "") for clue in found.clues)
    assert not found.is_found_in(["Line 99999: nothing in particular."])


@each
@seeds
def test_no_clue_is_a_secret(name, seed):
    found = made(name, seed)
    assert not [s for s in found.secrets for clue in found.clues if s.lower() in clue]


@each
def test_seeds_vary_the_fault(name):
    found = [made(name, seed) for seed in SEEDS]
    assert len({(f.hospital, f.column, f.line, str(f.files)) for f in found}) == 3


@pytest.mark.parametrize("name", CONTROLS)
@seeds
def test_a_control_states_no_fault(name, seed):
    found = made(name, seed)
    assert (found.hospital, found.least, found.line, found.clues) == ("", "", 0, frozenset())


def test_the_list_has_a_line_for_each_fault():
    listed = (Path(__file__).parent / "README.md").read_text()
    assert [name for name in FAULTS if f"\n| {name} |" not in listed] == []
    assert [name for name in CONTROLS if not re.search(rf"[ \n]{name}\b", listed)] == []
    merged = set(re.findall(r"\n\| ([\w-]+) \| M\.", listed))
    assert merged == {name for name in FAULTS if MAKERS[name].merged}


def test_files_are_written_as_they_are(tmp_path):
    found = made("both-sides", 0)
    paths = found.write(tmp_path)
    assert {p.name: p.read_bytes() for p in paths["corvane"]} == found.files["corvane"]


@seeds
def test_controls_in_odd_dress_have_the_clean_cells(seed):
    for name in ("crlf", "leading-bom", "quoted", "no-last-line-end", "packed"):
        found, twin = made(name, seed), twin_of(name, seed)
        for hospital, files in found.files.items():
            (content,) = files.values()
            raw = gzip.decompress(content) if name == "packed" else content
            text = raw.decode("utf-8-sig").replace("\t", ",")
            rows = list(csv.reader(io.StringIO(text, newline="")))
            assert rows == [twin.sheets[hospital].names, *twin.sheets[hospital].rows]


@seeds
def test_names_that_do_not_meet_are_alike(seed):
    for name in ("near-name-unicode", "near-name-space"):
        found = made(name, seed)
        names = read(found).names
        assert found.column not in names
        folded = [unicodedata.normalize("NFKC", n).strip(" \u200b") for n in names]
        assert found.column in folded
