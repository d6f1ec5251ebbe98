"""Each hospital's file has the rows that pandas, NumPy or anndata find in the raw files."""

import gzip
import warnings

import numpy as np
import pandas as pd
import pytest
from open_data import DATA, need, read

from swarmhub.examples import breast, find_example
from swarmhub.examples.rehearsal import Split
from swarmhub.examples.tables import split_table

pytestmark = pytest.mark.unit

TAU, PRECURSOR = "P10636", "P05067"


def read_exactly(path, **more):
    """Read a table as pandas does, with the nearest number; from 3.1 on that is the default."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The 'float_precision'")
        return pd.read_csv(path, float_precision="round_trip", **more)


def features(name, parts):
    """The columns that the study uses."""
    split = Split.of(find_example(name).spec, list(parts.values()), 0, 0.3)
    return [source.column for source in split.design.sources]


def test_a_table_is_split_cell_by_cell(tmp_path):
    path = tmp_path / "raw.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        file.write('x,site,"a ""b"", c"\n1.50,S,\n,T,"two\nlines"\n 2 ,S,é\n')
    found = split_table(path, "site", {"T": "Town", "S": "South Side"}, tmp_path / "out")
    assert list(found) == ["Town", "South Side"]
    assert found["Town"][0].read_text() == 'x,"a ""b"", c"\n,"two\nlines"\n'
    assert found["South Side"][0].name == "south_side.csv"
    assert found["South Side"][0].read_text() == 'x,"a ""b"", c"\n1.50,\n 2 ,é\n'


def test_heart_has_920_patients_at_four_hospitals(tmp_path):
    parts = read("heart", tmp_path)
    assert {name: part.rows for name, part in parts.items()} == {
        "Cleveland": 303, "Hungary": 294, "Switzerland": 123, "VA Long Beach": 200,
    }  # fmt: skip


@pytest.mark.shared
def test_parkinson_takes_logs_with_a_floor_and_keeps_subjects(tmp_path):
    parts = read("parkinson", tmp_path)
    raw = read_exactly(DATA / "parkinson_voice" / "pd_voice4.csv").set_index("site")
    for name, site in (("Oxford", "Oxford_NCVS"), ("Istanbul 2018", "Istanbul2018")):
        part, rows = parts[name], raw.loc[site]
        expected = np.log(np.maximum(rows[list(part.features)].to_numpy(), 1e-3))
        np.testing.assert_array_almost_equal_nulp(part.x, expected, 2)
        assert part.count_patients() == rows["subj"].nunique()
        assert part.y.sum() == rows["y"].sum()
    assert len(parts["Oxford"].features) == 9


@pytest.mark.shared
def test_alzheimer_has_neither_tau_nor_abeta_nor_metadata(tmp_path):
    parts = read("alzheimer", tmp_path)
    used = features("alzheimer", parts)
    assert not [c for c in used if TAU in c or PRECURSOR in c or c.startswith("_")]
    assert 1000 < len(used) < 1200
    raw = read_exactly(DATA / "alzheimer_csf_proteomics" / "ad_csf.csv.gz")
    own = raw[raw["site"] == "Magdeburg"]
    part = parts["Magdeburg"]
    expected = np.log2(own[list(part.features)].to_numpy(dtype=np.float64))
    np.testing.assert_allclose(part.x, expected, rtol=1e-15, equal_nan=True)
    assert set(parts["Kiel"].y) == {0.0}


@pytest.mark.shared
def test_covid_joins_by_sample_and_keeps_patients_apart(tmp_path):
    parts = read("covid", tmp_path)
    for name, column, patients in (("Breda", "patient_nr", 209), ("Radboud", "pat_id", 143)):
        folder = DATA / "covid_olink"
        values = read_exactly(folder / f"{name.lower()}.csv.gz", index_col=0)
        notes = read_exactly(folder / f"annot.{name.lower()}.csv.gz", index_col=0)
        notes = notes[notes["condition"].isin(["ICU", "non-ICU"])]
        expected = values.loc[notes.index, list(parts[name].features)]
        np.testing.assert_array_equal(parts[name].x, expected.to_numpy())
        assert parts[name].count_patients() == notes[column].nunique() == patients
        assert parts[name].y.sum() == (notes["condition"] == "ICU").sum()
    assert len(features("covid", parts)) == 62


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_leukaemia_has_24_districts(tmp_path):
    raw = pd.read_pickle(need("leukaemia")["resources/pickles/LeukSurv.pickle"])
    parts = read("leukaemia", tmp_path)
    sizes = raw["fac_district"].astype(int).value_counts()
    assert {n: p.rows for n, p in parts.items()} == {
        f"District {k}": sizes[k] for k in range(1, 25)
    }
    own = raw[raw["fac_district"].astype(int) == 7]
    part = parts["District 7"]
    np.testing.assert_array_equal(part.time, own["time"])
    np.testing.assert_array_equal(part.y, own["event"])
    blood = part.x[:, part.features.index("blood/wbc")]
    np.testing.assert_allclose(blood, np.log1p(own["num_wbc"]), rtol=1e-15)


def test_breast_words_of_three_studies_mean_the_same(tmp_path, monkeypatch):
    files, load = need("breast"), breast.load
    kept = {"num_HS_A4GNT", "num_HS_ESR1", "num_HS_HLA-A", "num_HS_HLA_A"}

    def narrow(path):
        frame = load(path)
        return frame[[c for c in frame if not c.startswith("num_HS_") or c in kept]]

    monkeypatch.setattr(breast, "load", narrow)
    parts = read("breast", tmp_path)
    assert {n: (p.rows, int(p.y.sum())) for n, p in parts.items()} == {
        "GSE1992": (122, 72), "GSE3143": (158, 110), "GSE4335": (113, 82),
    }  # fmt: skip
    assert all({"HS_ESR1", "HS_HLA_A"} <= {*part.features} for part in parts.values())
    assert len(files) == 3


@pytest.mark.filterwarnings("ignore")  # of the old form of the file
def test_pbmc_is_what_anndata_reads(tmp_path):
    (path,) = need("pbmc").values()
    cells = pytest.importorskip("anndata").read_h5ad(path)
    raw, parts = cells.raw.to_adata(), read("pbmc", tmp_path)
    assert sum(part.rows for part in parts.values()) == 700
    words = find_example("pbmc").spec.data.outcome.classes
    for part in parts.values():
        names = part.samples.texts()
        expected = raw[names, list(part.features)].X.toarray().astype(np.float64)
        np.testing.assert_allclose(part.x, expected, rtol=1e-7)
        assert [words[int(k)] for k in part.y] == list(raw[names].obs["bulk_labels"])
    sizes = [part.rows for part in parts.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert any(len(np.unique(part.y)) < len(words) for part in parts.values())
