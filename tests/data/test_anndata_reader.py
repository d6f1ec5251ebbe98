"""AnnData files: what anndata has written is read alike, or refused by one sentence."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.data.assemble import assemble
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Request
from swarmhub.data.readers.anndata import read_anndata
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput
from swarmhub.merge import merge_statistics

OLD_OPTION = "ignore:The 'future.infer_string' option"  # of pandas, which anndata 0.12 looks at
pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings(OLD_OPTION)]
CELLS, GENES = 60, 5
STRINGS = h5py.string_dtype()


def matrix(seed=0, share=0.4):
    return sp.random(CELLS, GENES, share, format="csr", dtype=np.float32,
                     random_state=np.random.default_rng(seed))  # fmt: skip


def cells(x, obs=None, **more):
    rows, genes = (
        [f"{letter}{k}" for k in range(n)] for letter, n in zip("cg", x.shape, strict=True)
    )
    return ad.AnnData(x, pd.DataFrame(obs or {}, rows), pd.DataFrame(index=genes), **more)


def save(folder, made, name="t.h5ad"):
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")  # of anndata, on names and types to come
        made.write_h5ad(folder / name)
    return folder / name


def read(path, sheet="", **options):
    return read_anndata(path, Request(sheet=sheet, options=options))


@pytest.mark.parametrize("kind", ["csr", "csc", "dense", "gaps", "whole", "logical"])
def test_a_matrix_has_the_values_that_anndata_reads(tmp_path, kind):
    x = matrix()
    gaps = np.where(x.toarray() > 0.5, np.nan, x.toarray())
    given = {"csr": x, "csc": x.tocsc(), "dense": x.toarray(), "gaps": gaps,
             "whole": (x.toarray() * 9).astype(np.int32), "logical": x.toarray() > 0}  # fmt: skip
    path = save(tmp_path, cells(given[kind]))
    frame = read(path)
    assert (frame.x.dtype, sp.issparse(frame.x)) == (np.float64, kind in ("csr", "csc"))
    found, expected = (x if isinstance(x, np.ndarray) else x.toarray()
                       for x in (frame.x, ad.read_h5ad(path).X))  # fmt: skip
    np.testing.assert_array_equal(found, expected)
    assert frame.names == ("g0", "g1", "g2", "g3", "g4")
    assert frame.samples.texts()[:2] == ["c0", "c1"]


def test_a_sparse_matrix_is_read_as_rows_with_sorted_places(tmp_path):
    x = sp.csr_matrix(([1.0, 2.0, 4.0, 8.0], [3, 0, 3, 1], [0, 3, 4]), shape=(2, GENES))
    found = read(save(tmp_path, cells(x))).x
    assert (found.format, found.data.tolist()) == ("csr", [2, 5, 8])
    assert found.indices.tolist() == [0, 3, 1]


def test_columns_of_obs_are_words_whatever_their_encoding(tmp_path):
    obs = {
        "word": ["b", "a"] * 2, "kind": pd.Categorical(["u", None, "v", "u"], ["v", "w", "u"]),
        "code": pd.Categorical([2.5, 3, 3, 2.5]), "age": [50.5, np.nan, 7, 1e-5],
        "count": np.arange(4), "flag": [True, False] * 2,
        "maybe": pd.array([True, None, False, True], dtype="boolean"),
        "visits": pd.array([1, None, 3, 4], dtype="Int64"),
    }  # fmt: skip
    sheet = read(save(tmp_path, cells(np.ones((4, 2)), obs))).sheet
    assert {name: words.texts() for name, words in sheet.items()} == {
        "word": ["b", "a"] * 2, "kind": ["u", None, "v", "u"], "code": ["2.5", "3", "3", "2.5"],
        "age": ["50.5", None, "7", "1e-05"], "count": ["0", "1", "2", "3"],
        "flag": ["TRUE", "FALSE"] * 2, "maybe": ["TRUE", None, "FALSE", "TRUE"],
        "visits": ["1", None, "3", "4"],
    }  # fmt: skip
    assert sorted(sheet["kind"].words) == ["u", "v"]  # no row has w
    assert len(sheet["visits"].words) == 3  # not the number under the mask


def test_a_column_of_text_with_a_mask_is_read(tmp_path):
    path = save(tmp_path, cells(np.ones((3, 2)), {"note": ["a", "b", "c"]}))
    with h5py.File(path, "a") as file:
        del file["obs/note"]
        note = file.create_group("obs/note")
        note.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0"})
        note.create_dataset("values", data=["x", "hidden", "z"], dtype=STRINGS)
        note["mask"] = np.array([False, True, False])
    frame = read(path)
    assert frame.sheet["note"].texts() == ["x", None, "z"]
    assert "hidden" not in frame.sheet["note"].words
    assert frame.aside == {"note"}


def test_numbers_of_obs_keep_all_their_digits(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(size=CELLS) * 10.0 ** rng.integers(-30, 30, CELLS)
    long = 2**62 + np.arange(CELLS)
    sheet = read(save(tmp_path, cells(matrix(), {"a": values, "long": long}))).sheet
    assert [float(text) for text in sheet["a"].texts()] == values.tolist()
    assert [int(text) for text in sheet["long"].texts()] == long.tolist()


def test_the_matrix_asked_for_is_read_and_others_are_said(tmp_path):
    made = cells(matrix(), layers={"counts": matrix(1)})
    made.raw = cells(np.arange(CELLS * 7.0).reshape(CELLS, 7))
    path = save(tmp_path, made)
    np.testing.assert_array_equal(read(path, "counts").x.toarray(), matrix(1).toarray())
    raw = read(path, "raw")
    assert raw.names[-1] == "g6"
    assert raw.x[1, 6] == 13
    assert read(path).notes[0] == (
        "t.h5ad: X is read; --sheet names another matrix ('counts', 'raw')."
    )
    with pytest.raises(BadInput, match="no matrix 'scaled', but 'X', 'counts', 'raw'; name one"):
        read(path, "scaled")


def test_parts_that_are_not_asked_for_are_not_looked_at(tmp_path):
    path = save(tmp_path, cells(matrix(), layers={"counts": matrix(1)}))
    with h5py.File(path, "a") as file:
        file["layers/counts"].attrs["encoding-type"] = "awkward-array"
        file["obsp/graph"] = h5py.ExternalLink("absent.h5", "x")
        file["uns/odd"] = h5py.Empty("f")
    assert read(path).x.nnz == matrix().nnz
    with pytest.raises(BadInput, match="encoding 'awkward-array'"):
        read(path, "counts")


def test_a_column_of_var_may_name_the_genes(tmp_path):
    made = cells(matrix())
    made.var["gene_ids"] = [f"ENSG0000000000{k}" for k in range(GENES)]
    made.var_names = ["TBCE", "A", "TBCE", "B", "C"]
    path = save(tmp_path, made)
    frame = read(path, names="gene_ids")
    assert (frame.names[1], frame.labels[1], frame.namespace) == ("ENSG00000000001", "A", "ensembl")
    with pytest.raises(BadInput, match=r"columns 1 and 3 are both named 'TBCE'; take the names "):
        read(path)
    with pytest.raises(BadInput, match=r"expected a column 'ids' of var .* got 'gene_ids'"):
        read(path, names="ids")
    made.var = made.var.drop(columns="gene_ids")
    with pytest.raises(BadInput, match="var_names_make_unique"):
        read(save(tmp_path, made))


def test_categories_of_version_0_7_are_found(tmp_path):
    path = save(tmp_path, cells(np.ones((3, 2)), {"kind": ["a", "b", "c"], "n": [7, 8, 9]}))
    with h5py.File(path, "a") as file:
        obs = file["obs"]
        obs.attrs["encoding-version"] = "0.1.0"
        del obs["kind"], obs["_index"]
        obs.create_dataset("_index", data=["c0", "c1", "c2"], dtype=STRINGS)
        obs.create_dataset("__categories/kind", data=["u", "v"], dtype=STRINGS)
        obs["kind"] = np.array([1, -1, 0], dtype=np.int8)
        obs["kind"].attrs["categories"] = obs["__categories/kind"].ref
    assert read(path).sheet["kind"].texts() == ["v", None, "u"]
    with pytest.warns(ad.OldFormatWarning):
        assert ad.read_h5ad(path).obs["kind"].tolist()[::2] == ["v", "u"]
    assert read(path).sheet["n"].texts() == ["7", "8", "9"]


def put(file, place, value):
    del file[place]
    file[place] = value


def to_another_file(file):
    with h5py.File(f"{file.filename}.other", "w") as other:
        other["data"] = file["X/data"][...]
    put(file, "X/data", h5py.ExternalLink(f"{file.filename}.other", "data"))


def to_empty_space(file):
    for name, kind in (("data", "f4"), ("indices", "i4")):
        del file[f"X/{name}"]
        file["X"].create_dataset(name, (10**12,), kind, chunks=(10**6,))


RECORDS = np.array([(b"c1", 1)], dtype=[("index", "S2"), ("n", "i4")])  # as before version 0.7
FAULTS = {
    "has no matrix 'X', but none at all": lambda f: f.pop("X"),
    r"expected 60 x 5 values in '/X', .* got 60 x 6; write it again":
        lambda f: f["X"].attrs.update(shape=[CELLS, GENES + 1]),
    "'/X' has the encoding 'coo_matrix' 0.1.0, which is not known here":
        lambda f: f["X"].attrs.update({"encoding-type": "coo_matrix"}),
    "'/X' has the encoding 'csr_matrix' 9.0.0":
        lambda f: f["X"].attrs.update({"encoding-version": "9.0.0"}),
    r"has missing values \(NaN\)": lambda f: f["X/data"].write_direct(np.full(120, np.nan, "f4")),
    "do not fit together": lambda f: f["X/indices"].write_direct(np.full(120, GENES, "i4")),
    "lie in another file": to_another_file,
    "'/X/data' claims more data than the file has": to_empty_space,
    "cannot be read as AnnData": lambda f: (f.pop("X/data"), f.create_group("X/data")),
    "'/obs' is no table as anndata 0.7 and later write it": lambda f: put(f, "obs", RECORDS),
    "has codes of none of them": lambda f: put(f, "obs/kind/codes", np.full(CELLS, 2)),
    "column 'age': expected 60 rows as the index has, got 3":
        lambda f: put(f, "obs/age", np.ones(3)),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_faulty_file_is_refused_by_a_sentence(tmp_path, sentence):
    obs = {"kind": ["a", "b"] * (CELLS // 2), "age": np.arange(CELLS)}
    path = save(tmp_path, cells(matrix(), obs))
    with h5py.File(path, "a") as file:
        FAULTS[sentence](file)
    with pytest.raises(BadInput, match=sentence) as error:
        read(path)
    assert str(error.value).startswith("t.h5ad")


def test_another_file_is_no_anndata(tmp_path):
    path = tmp_path / "t.h5ad"
    path.write_bytes(b"PK\3\4 a workbook")
    with pytest.raises(BadInput, match="cannot be read as AnnData"):
        read(path)
    with h5py.File(path, "w") as file:
        file["matrix"] = [1]
    with pytest.raises(BadInput, match="got HDF5 without obs or var"):
        read(path)
    path.write_bytes(save(tmp_path, cells(matrix()), "whole.h5ad").read_bytes()[:4000])
    with pytest.raises(BadInput, match="damaged, cut short"):
        read(path)


def test_a_gene_may_not_be_named_as_a_column_of_obs(tmp_path):
    with pytest.raises(BadInput, match="are both named 'g1'; rename one"):
        read(save(tmp_path, cells(matrix(), {"g1": np.ones(CELLS)})))


def test_a_column_of_another_kind_is_left_out_or_refused(tmp_path):
    path = save(tmp_path, cells(matrix(), {"odd": np.ones(CELLS)}))
    with h5py.File(path, "a") as file:
        del file["obs/odd"]
        file["obs/odd"] = np.ones((CELLS, 2))
    assert any("1 columns of obs are left out" in note for note in read(path).notes)
    with pytest.raises(BadInput, match="column 'odd' of obs: expected numbers, text"):
        read_anndata(path, Request(as_words=frozenset(["odd"])))


OUTCOME = Outcome("y", positive=("yes",), negative=("no",))
INPUTS = (Inputs("table", ("g*", "age", "sex")),)
SCHEMA = Schema.of(Declaration(OUTCOME, INPUTS, patient="donor", min_count=1))


def hospital(seed=0, share=0.4):
    rng = np.random.default_rng(seed)
    obs = {"y": rng.choice(["yes", "no"], CELLS), "age": rng.normal(60, 9, CELLS).round(1),
           "sex": pd.Categorical(rng.choice(["f", "m"], CELLS)),
           "donor": [f"d{k // 2}" for k in range(CELLS)]}  # fmt: skip
    obs["age"][3] = np.nan
    return cells(matrix(seed, share), obs)


def test_a_sparse_file_has_the_statistics_of_its_dense_table(tmp_path):
    made = hospital()
    values = pd.DataFrame(made.X.toarray().astype(float), made.obs_names, made.var_names)
    pd.concat([made.obs, values], axis=1).to_csv(tmp_path / "t.csv", index=False)
    paths = tmp_path / "t.csv", save(tmp_path, made)
    found = [read_dataset(Files((path,)), SCHEMA) for path in paths]
    texts = [merge_statistics({1: statistics_of(dataset, 1)}) for dataset in found]
    designs = [Design.from_statistics(text) for text in texts]
    assert designs[0].names == ("age", "g0", "g1", "g2", "g3", "g4", "sex=f", "sex=m")
    np.testing.assert_allclose(designs[1].mean, designs[0].mean, rtol=1e-14)
    np.testing.assert_allclose(designs[1].sd, designs[0].sd, rtol=1e-14)
    np.testing.assert_array_equal(*(designs[0].matrix(dataset) for dataset in found))
    assert found[1].count_patients() == CELLS // 2


def test_an_age_in_obs_can_be_the_outcome_of_a_sparse_file(tmp_path):
    made = hospital()
    outcome = Outcome("age", kind="continuous")
    schema = Schema.of(Declaration(outcome, (Inputs("rna", ("g*",)),)))
    dataset = assemble([read(save(tmp_path, made))], schema, Findings())
    np.testing.assert_array_equal(dataset.y, made.obs["age"].dropna())
    assert dataset.x.shape == (CELLS - 1, GENES)


@pytest.mark.parametrize("is_sparse", [True, False])
def test_an_infinite_number_is_an_error_with_its_place(tmp_path, is_sparse):
    made = hospital(share=1.0)
    made.X[4, 2] = np.inf
    made.X = made.X if is_sparse else made.X.toarray()
    found = Findings(strict=False)
    assemble([read(save(tmp_path, made))], SCHEMA, found)
    (error,) = [f for f in found.found if f.level == "error"]
    assert error.sentence.startswith("t.h5ad, row 5, column 'g2': expected a finite number")
