"""Counts of Cell Ranger: cells x genes as they were counted, or one sentence."""

import gzip

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.io import mmwrite

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.data.design import Design
from swarmhub.data.frames import Request
from swarmhub.data.readers.tenx import read_tenx, read_tenx_h5
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput
from swarmhub.merge import merge_statistics

pytestmark = pytest.mark.unit
CELLS, GENES, TAGS = 40, 6, 2
IDS = [f"ENSG{k:011d}" for k in range(GENES)] + ["CD3", "CD19"]
SYMBOLS = ["A", "B", "C", "D", "E", "F", "CD3_tag", "CD19_tag"]
TYPES = ["Gene Expression"] * GENES + ["Antibody Capture"] * TAGS
BARCODES = [f"ACGT{k:04d}-1" for k in range(CELLS)]
HEADER = "%%MatrixMarket matrix coordinate integer general\n"


def counts(seed=0):
    """Cells x features."""
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.poisson(1.0, (CELLS, GENES + TAGS)))


def folder(path, x=None, matrix=None, is_packed=False, prefix="", old=False):
    """A folder as Cell Ranger writes it; `matrix` is the text of another matrix.mtx."""
    path.mkdir(exist_ok=True)
    mmwrite(path / "made.mtx", (counts() if x is None else x).T.tocoo().astype(np.int64))
    text = (path / "made.mtx").read_text() if matrix is None else matrix
    (path / "made.mtx").unlink()
    rows = zip(IDS, SYMBOLS, TYPES, strict=True)
    files = {
        "matrix.mtx": text, "barcodes.tsv": "\n".join(BARCODES) + "\n",
        ("genes.tsv" if old else "features.tsv"): "".join(
            "\t".join(row[:2] if old else row) + "\n" for row in rows
        ),
    }  # fmt: skip
    for name, content in files.items():
        data = content.encode()
        data, name = (gzip.compress(data), name + ".gz") if is_packed else (data, name)
        (path / (prefix + name)).write_bytes(data)
    return path


def hdf(path, x=None, old=False):
    """A file as Cell Ranger writes it: numbers as int32, text of one length."""
    x = counts() if x is None else x
    names = np.array(IDS, "S"), np.array(SYMBOLS, "S"), np.array(TYPES, "S")
    with h5py.File(path, "w") as file:
        group = file.create_group("GRCh38" if old else "matrix")
        places = ("genes", "gene_names") if old else (
            "features/id", "features/name", "features/feature_type")  # fmt: skip
        for place, texts in zip(places, names, strict=False):
            group[place] = texts
        group["data"], group["indptr"] = x.data.astype("i4"), x.indptr.astype("i8")
        group["indices"] = x.indices.astype("i8")
        group["shape"] = np.array(x.shape[::-1], "i4")
        group["barcodes"] = np.array(BARCODES, "S")
    return path


def read(path, **options):
    reader = read_tenx if path.is_dir() else read_tenx_h5
    return reader(path, Request(options=options))


def check_genes(frame):
    assert frame.x.format == "csr"
    np.testing.assert_array_equal(frame.x.toarray(), counts().toarray()[:, :GENES])
    assert frame.names == tuple(IDS[:GENES])
    assert frame.labels == tuple(SYMBOLS[:GENES])
    assert frame.samples.texts() == BARCODES
    assert (frame.namespace, frame.unit) == ("ensembl", "count")


@pytest.mark.parametrize(("is_packed", "prefix"), [(False, ""), (True, ""), (True, "GSM1_")])
def test_a_folder_is_read_as_cells_by_genes(tmp_path, is_packed, prefix):
    frame = read(folder(tmp_path / "run", is_packed=is_packed, prefix=prefix))
    check_genes(frame)
    said = "run: 2 features of other types are left out (2 of 'Antibody Capture'); the option "
    assert frame.notes == (f"{prefix}{said}features names another type, or all.",)


def test_an_hdf5_file_is_read_as_the_folder_is(tmp_path):
    check_genes(read(hdf(tmp_path / "run.h5")))


def test_files_before_version_3_have_genes_only(tmp_path):
    for path in (folder(tmp_path / "run", old=True), hdf(tmp_path / "run.h5", old=True)):
        frame = read(path)
        np.testing.assert_array_equal(frame.x.toarray(), counts().toarray())
        assert (frame.names, frame.notes) == (tuple(IDS), ())


def test_other_types_and_symbols_are_read_if_asked_for(tmp_path):
    path = folder(tmp_path / "run")
    tags = read(path, features="Antibody Capture", names="symbol")
    np.testing.assert_array_equal(tags.x.toarray(), counts().toarray()[:, GENES:])
    assert (tags.names, tags.labels) == (("CD3_tag", "CD19_tag"), ("CD3", "CD19"))
    assert read(path, features="all").x.shape == (CELLS, GENES + TAGS)
    with pytest.raises(BadInput, match="of the type 'CRISPR', got 'Antibody Capture', 'Gene Exp"):
        read(path, features="CRISPR")
    with pytest.raises(BadInput, match="Expected the option names to be id or symbol"):
        read(path, names="alias")


def test_a_symbol_of_two_genes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SYMBOLS", ["A", "B", "A", *SYMBOLS[3:]])
    path = folder(tmp_path / "run")
    assert read(path).names == tuple(IDS[:GENES])
    with pytest.raises(
        BadInput, match="columns 1 and 3 are both named 'A'; name the columns by id"
    ):
        read(path, names="symbol")


def test_barcodes_without_counts_are_said(tmp_path):
    x = counts().tolil()
    x[3:7] = 0
    frame = read(folder(tmp_path / "run", x.tocsr()))
    assert "4 of 40 barcodes have no count" in frame.notes[-1]


ONE = f"{HEADER}8 40 2\n1 1 5\n"
MATRICES = {
    HEADER.replace("integer", "pattern") + "8 40 1\n1 1\n": r"got '%%MatrixMarket matrix coord",
    "%%MatrixMarket matrix array integer general\n8 40\n1\n": "expected a sparse matrix of numbers",
    HEADER.replace("general", "symmetric") + "8 8 1\n1 1 5\n": "expected a sparse matrix of number",
    "1 2 3\n": "expected a sparse matrix of numbers",
    f"{HEADER}9 40 1\n1 1 5\n": "expected 8 features and 40 barcodes .* do not belong together",
    f"{HEADER}8 40 320\n1 1 5\n": "damaged",
    f"{HEADER}8 40 99999999999\n1 1 5\n": "damaged",
    f"{HEADER}8 40 -1\n1 1 5\n": "damaged",
    f"{HEADER}8 x 1\n1 1 5\n": "damaged",
    ONE: "damaged",
    f"{ONE}9 1 5\n": "damaged",
    f"{ONE}2 1 5.5\n": "whole numbers of 0 or more, got another number in entry 2",
    f"{ONE}2 1 -5\n": "in entry 2",
    f"{ONE}2 1 nan\n": "in entry 2",
    f"{ONE}2 1 word\n": "damaged",
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_faulty_matrix_is_refused_by_a_sentence(tmp_path, matrix):
    with pytest.raises(BadInput, match=MATRICES[matrix]) as error:
        read(folder(tmp_path / "run", matrix=matrix))
    assert str(error.value).startswith("matrix.mtx")


def test_comments_blanks_and_real_whole_numbers_are_understood(tmp_path):
    text = "%%MatrixMarket  matrix coordinate real general \n%a\n%b\n8 40 2\n1 1 5\n2 1 7.0\n"
    frame = read(folder(tmp_path / "run", matrix=text))
    assert frame.x.sum() == 12


def test_a_folder_without_a_part_is_refused(tmp_path):
    path = folder(tmp_path / "run")
    (path / "barcodes.tsv").rename(path / "cells.tsv")
    with pytest.raises(BadInput, match=r"has no barcodes.tsv or barcodes.tsv.gz"):
        read(path)
    (path / "matrix.mtx").rename(path / "matrix.txt")
    with pytest.raises(BadInput, match=r"has 0 files that end in matrix.mtx"):
        read(path)
    with pytest.raises(BadInput, match="There is no file"):
        read_tenx(tmp_path / "absent", Request())
    with pytest.raises(BadInput, match="expected the folder of a matrix, got a file"):
        read_tenx(path / "cells.tsv", Request())


def test_packed_files_that_are_cut_are_refused(tmp_path):
    path = folder(tmp_path / "run", is_packed=True)
    for name in ("features.tsv.gz", "matrix.mtx.gz"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BadInput, match=f"{name} cannot be read"):
            read(path)
        (path / name).write_bytes(whole)


def test_features_without_symbols_are_refused_with_the_line(tmp_path):
    path = folder(tmp_path / "run")
    (path / "features.tsv").write_text("ENSG1\tA\tGene Expression\nENSG2\n")
    with pytest.raises(BadInput, match=r"features.tsv, line 2: expected an id and a symbol"):
        read(path)


def test_a_faulty_hdf5_file_is_refused(tmp_path):
    path = hdf(tmp_path / "t.h5")
    with h5py.File(path, "a") as file:
        file["matrix/data"][4] = -1
    with pytest.raises(BadInput, match=r"t.h5: expected counts, .* in entry 5"):
        read(path)
    with h5py.File(path, "a") as file:
        del file["matrix/data"], file["matrix/indices"]
        for name in ("data", "indices"):
            file["matrix"].create_dataset(name, (10**12,), "i4", chunks=(10**6,))
    with pytest.raises(BadInput, match=r"t.h5 cannot be read as a matrix of Cell Ranger"):
        read(path)
    with h5py.File(path, "a") as file:
        file["other"] = file.pop("matrix")
    with pytest.raises(BadInput, match="an AnnData file has to end in"):
        read(path)


def test_counts_joined_with_a_sheet_equal_the_dense_table(tmp_path):
    """The sheet has the outcome; the other file is the same table as text."""
    y = np.random.default_rng(1).choice(["yes", "no"], CELLS)
    (tmp_path / "sheet.csv").write_text(
        "sample,y\n" + "".join(f"{b},{w}\n" for b, w in zip(BARCODES[::-1], y, strict=True))
    )
    rows = zip(BARCODES, counts().toarray()[:, :GENES].tolist(), strict=True)
    (tmp_path / "dense.csv").write_text(
        ",".join(["sample", *IDS[:GENES]]) + "\n"
        + "".join(",".join([b, *map(str, r)]) + "\n" for b, r in rows)
    )  # fmt: skip
    outcome = Outcome("y", positive=("yes",), negative=("no",))
    inputs = (Inputs("rna", ("ENSG*",), transform="log1p"),)
    schema = Schema.of(Declaration(outcome, inputs, sample="sample", min_count=1))
    paths = (folder(tmp_path / "run"), tmp_path / "dense.csv")
    found = [read_dataset(Files((tmp_path / "sheet.csv", path)), schema) for path in paths]
    designs = [
        Design.from_statistics(merge_statistics({1: statistics_of(dataset, 1)}))
        for dataset in found
    ]
    design = designs[0]
    assert designs[1].names == design.names == tuple(IDS[:GENES])
    np.testing.assert_allclose(designs[1].mean, design.mean, rtol=1e-14)
    np.testing.assert_allclose(designs[1].sd, design.sd, rtol=1e-14)
    np.testing.assert_array_equal(design.matrix(found[0]), design.matrix(found[1]))
