"""Patients from cells: sums as pandas makes them, or one sentence."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from swarmhub.contract.records import Declaration, Inputs, Outcome, Pseudobulk
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema, tidy_toml
from swarmhub.errors import BadInput

OLD_OPTION = "ignore:The 'future.infer_string' option"  # of pandas, which anndata 0.12 looks at
pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings(OLD_OPTION)]
CELLS, GENES = 400, 6
NAMES = [f"gene{k}" for k in range(GENES)]
OUTCOME = Outcome("ill", positive=("yes",), negative=("no",))


def make_cells(seed=0):
    """Counts (cells, genes) with an index, and obs: 12 patients, three types, one of them rare."""
    rng = np.random.default_rng(seed)
    counts = pd.DataFrame(rng.poisson(0.7, (CELLS, GENES)), columns=NAMES).astype(float)
    patient = rng.integers(0, 12, CELLS)
    obs = pd.DataFrame({
        "patient": [f"P{k}" for k in patient], "ill": np.where(patient % 2 == 0, "yes", "no"),
        "age": 40.0 + patient, "type": rng.choice(["B", "T", "rare"], CELLS, p=[0.5, 0.47, 0.03]),
        "quality": rng.normal(size=CELLS),
    })  # fmt: skip
    counts.index = obs.index = [f"c{k}" for k in range(CELLS)]
    return counts, obs


def write(folder, counts, obs, is_sparse=True, name="t.h5ad"):
    made = ad.AnnData(sp.csr_matrix(counts.to_numpy()) if is_sparse else counts.to_numpy(), obs,
                      pd.DataFrame(index=list(counts.columns)))  # fmt: skip
    with ad.settings.override(allow_write_nullable_strings=True):
        made.write_h5ad(folder / name)
    return folder / name


def declare(inputs=(), **more):
    given = {"patient": "patient", "pseudobulk": Pseudobulk(min_cells=1)} | more
    return Declaration(OUTCOME, tuple(inputs), **given)


def read(declaration, *paths):
    found = Findings()
    return read_dataset(Files(tuple(paths)), Schema.of(declaration), found), found


def table_of(dataset):
    """x by patient and feature."""
    return pd.DataFrame(dataset.x, dataset.samples.texts(), list(dataset.features))


@pytest.mark.parametrize("is_sparse", [True, False])
def test_counts_of_a_patient_are_added_up(tmp_path, is_sparse):
    counts, obs = make_cells()
    dataset, found = read(declare(), write(tmp_path, counts, obs, is_sparse))
    expected = counts.groupby(obs["patient"]).sum()
    pd.testing.assert_frame_equal(
        table_of(dataset).loc[expected.index], expected, check_names=False
    )
    ill = dict(zip(dataset.samples.texts(), dataset.y, strict=True))
    assert ill == {f"P{k}": float(k % 2 == 0) for k in range(12)}
    assert any("400 cells of 12 patients are added up." in s for s in found.sentences)
    assert any("2 columns differ between cells of a patient" in s for s in found.sentences)


def test_sums_are_scaled_to_a_total_before_the_transform(tmp_path):
    counts, obs = make_cells()
    inputs = Inputs("genes", ("gene0", "gene3"), total=1_000_000, transform="log1p")
    dataset, _ = read(declare([inputs]), write(tmp_path, counts, obs))
    sums = counts.groupby(obs["patient"]).sum()
    expected = np.log1p(sums.div(sums.sum(axis=1), axis=0) * 1e6)[["gene0", "gene3"]]
    found = table_of(dataset).loc[expected.index]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_each_type_has_columns_and_few_cells_are_missing_not_zero(tmp_path):
    counts, obs = make_cells()
    declared = Pseudobulk(by="type", types=("rare", "B"), min_cells=2)
    inputs = Inputs("genes", ("*/gene1", "B/*"), total=10_000)
    dataset, found = read(declare([inputs], pseudobulk=declared), write(tmp_path, counts, obs))
    assert set(dataset.features) == {"rare/gene1", *(f"B/{name}" for name in NAMES)}
    table = table_of(dataset)
    groups = counts.groupby([obs["type"], obs["patient"]])
    sums, size = groups.sum(), groups.size()
    scaled = sums.div(sums.sum(axis=1), axis=0) * 1e4
    for patient in table.index:
        for kind in ("rare", "B"):
            value = table.loc[patient, f"{kind}/gene1"]
            if size.get((kind, patient), 0) < 2:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(scaled.loc[(kind, patient), "gene1"], rel=1e-13)
    assert table.isna().any(axis=None)
    assert any("fewer than 2 cells and count as missing" in s for s in found.sentences)
    assert any(f"{int((obs['type'] == 'T').sum())} cells without" in s for s in found.sentences)


def test_a_table_of_patients_is_joined_by_their_names(tmp_path):
    counts, obs = make_cells()
    path = write(tmp_path, counts, obs[["patient", "type"]])
    people = obs.groupby("patient")[["ill", "age"]].first().reset_index()
    people.iloc[::-1].to_csv(tmp_path / "people.csv", index=False)
    inputs = [Inputs("clinic", ("age",)), Inputs("genes")]
    declared = declare(inputs, pseudobulk=Pseudobulk("genes", min_cells=1))
    dataset, _ = read(declared, path, tmp_path / "people.csv")
    table = table_of(dataset)
    assert (table["clinic/age"] == [40.0 + int(name[1:]) for name in table.index]).all()
    sums = counts.groupby(obs["patient"]).sum().loc[table.index]
    np.testing.assert_array_equal(table[[f"genes/{name}" for name in NAMES]], sums)


def test_a_sheet_of_cells_is_joined_by_the_names_of_cells(tmp_path):
    counts, obs = make_cells()
    path = write(tmp_path, counts, pd.DataFrame(index=obs.index))
    obs.iloc[::-1].rename_axis("cell").reset_index().to_csv(tmp_path / "cells.csv", index=False)
    dataset, _ = read(declare(sample="cell"), path, tmp_path / "cells.csv")
    table = table_of(dataset)
    sums = counts.groupby(obs["patient"]).sum().loc[table.index]
    np.testing.assert_array_equal(table[NAMES], sums)
    assert (table["age"] == [40.0 + int(name[1:]) for name in table.index]).all()
    assert "quality" not in table


def test_cells_are_scaled_to_a_total_without_being_added_up(tmp_path):
    counts, obs = make_cells()
    counts.iloc[5] = 0.0
    inputs = Inputs("genes", ("gene0", "gene1"), total=10_000, transform="log1p")
    expected = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 1e4).fillna(0.0)
    declared = Declaration(OUTCOME, (inputs,), patient="patient")
    for is_sparse in (True, False):
        dataset, _ = read(declared, write(tmp_path, counts, obs, is_sparse))
        assert dataset.is_sparse == is_sparse
        x = dataset.x.toarray() if is_sparse else dataset.x
        np.testing.assert_allclose(x, expected[["gene0", "gene1"]], rtol=1e-13)


def test_what_cannot_be_added_up_is_refused(tmp_path):
    counts, obs = make_cells()
    with pytest.raises(BadInput, match=r"expected counts, whole numbers.*--sheet"):
        read(declare(), write(tmp_path, np.log1p(counts), obs))
    obs.loc["c0", "ill"] = "no" if obs.loc["c0", "ill"] == "yes" else "yes"
    with pytest.raises(BadInput, match=r"'ill': expected one value .*1 of 12 patients"):
        read(declare(), write(tmp_path, counts, obs))
    with pytest.raises(BadInput, match="expected the column 'kind' with the type of cells"):
        read(declare(pseudobulk=Pseudobulk(by="kind")), write(tmp_path, counts, obs))


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"patient": ""}, "data.patient, whose cells"),
        ({"pseudobulk": Pseudobulk("other")}, "data.pseudobulk.block"),
        ({"pseudobulk": Pseudobulk(by="ill")}, "another column in data.pseudobulk.by"),
        ({"pseudobulk": Pseudobulk(types=("B",))}, "data.pseudobulk.by, the column"),
        ({"pseudobulk": Pseudobulk(by="type", types=("B", "B"))}, "types once"),
        ({"pseudobulk": Pseudobulk(min_cells=0)}, "min_cells of 1 or more"),
        ({"inputs": [Inputs("a", total=-1)]}, "data.inputs.total from 0"),
    ],
)
def test_a_declaration_that_cannot_be_followed_is_refused(declared, words):
    with pytest.raises(BadInput, match=words):
        Schema.of(declare(**declared))


def test_terms_may_name_one_type_as_a_word():
    assert tidy_toml({"pseudobulk": {"types": "B"}})["pseudobulk"] == {"types": ["B"]}
