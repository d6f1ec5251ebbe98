"""Olink NPX from long to wide, with what the laboratory says of its quality."""

import gzip

import numpy as np
import openpyxl
import pandas as pd
import pytest
from data_tools import write

from swarmhub.data.findings import Findings
from swarmhub.data.frames import Request
from swarmhub.data.join import join_frames
from swarmhub.data.readers.delimited import read_delimited
from swarmhub.data.readers.npx import is_npx, looks_like, read_npx
from swarmhub.errors import BadInput

pytestmark = pytest.mark.unit

HEADER = "SampleID;OlinkID;UniProt;Assay;Panel;PlateID;QC_Warning;LOD;NPX"
SMALL = [
    "s2;OID00001;P05231;IL6;Inflammation;P1;Pass;0.5;1.25",
    "s2;OID00002;P01375;TNF;Inflammation;P1;Pass;0.5;-0.75",
    "s1;OID00002;P01375;TNF;Inflammation;P1;Pass;0.5;3",
    "s1;OID00001;P05231;IL6;Inflammation;P1;Pass;0.5;NA",
]


def table(*rows, header=HEADER):
    return "\n".join([header, *rows]) + "\n"


def read_text(folder, text, name="t.csv", **options):
    return read_npx(write(folder, text, name), Request(options=options))


def refusal(folder, text, **options):
    with pytest.raises(BadInput) as caught:
        read_text(folder, text, **options)
    return str(caught.value)


def random_table(seed, samples=12, assays=30):
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{i:02}", f"OID{j:05}", f"P{j:05}", f"G{j}", f"Panel {j % 3}", f"plate {i % 2}",
         "PASS", 0.0, round(rng.normal(), 5))
        for i in range(samples) for j in range(assays) if rng.random() < 0.9
    ]  # fmt: skip
    order = rng.permutation(len(rows))
    return pd.DataFrame([rows[k] for k in order], columns=HEADER.split(";"))


def save(frame, path):
    """Write a table by the library of its format."""
    ends = path.name.split(".", 1)[1]
    if ends == "parquet":
        frame.to_parquet(path)
    elif ends == "xlsx":
        book = openpyxl.Workbook()
        for row in [list(frame.columns), *frame.to_numpy().tolist()]:
            book.active.append(row)
        book.save(path)
    else:
        mark = {"csv": ";", "comma.csv": ",", "txt": "\t", "tsv.gz": "\t"}[ends]
        frame.to_csv(path, sep=mark, index=False)
    return path


def test_a_long_table_becomes_a_matrix_in_the_order_of_the_file(tmp_path):
    found = read_text(tmp_path, table(*SMALL))
    np.testing.assert_array_equal(found.x, [[1.25, -0.75], [np.nan, 3.0]])
    assert found.names == ("OID00001", "OID00002")
    assert found.samples.texts() == ["s2", "s1"]
    assert found.sheet["PlateID"].texts() == ["P1", "P1"]
    assert (found.unit, found.namespace) == ("NPX", "olink")


@pytest.mark.parametrize("end", ["csv", "comma.csv", "txt", "tsv.gz", "xlsx", "parquet"])
def test_every_kind_of_file_agrees_with_pandas_pivot(tmp_path, end):
    long = random_table(1)
    found = read_npx(save(long, tmp_path / f"t.{end}"), Request())
    oracle = long.pivot(index="SampleID", columns="OlinkID", values="NPX")
    oracle = oracle.loc[found.samples.texts(), list(found.names)]
    np.testing.assert_array_equal(found.x, oracle.to_numpy())
    assert found.x.shape == (12, 30)


def test_single_precision_of_parquet_is_kept_to_the_last_bit(tmp_path):
    long = random_table(2).astype({"NPX": "float32"}).astype({"Panel": "category"})
    found = read_npx(save(long, tmp_path / "t.parquet"), Request())
    row, name = found.samples.texts().index(long.SampleID[0]), long.OlinkID[0]
    assert found.x[row, found.names.index(name)] == float(long.NPX[0])


def test_names_that_panels_share_get_the_panel_appended(tmp_path):
    text = table(*SMALL, "s1;OID00003;P05231;IL6;Oncology;P1;Pass;0.5;9")
    found = read_text(tmp_path, text, names="assay")
    assert found.names == ("IL6 (Inflammation)", "TNF", "IL6 (Oncology)")
    assert found.namespace == ""
    assert "1 names belong to several assays ('IL6')" in " ".join(found.notes)
    assert read_text(tmp_path, text, names="uniprot").names[1:] == ("P01375", "P05231 (Oncology)")


def test_names_that_a_panel_has_twice_get_the_olink_id_too(tmp_path):
    text = table(*SMALL, "s1;OID00003;P05231;IL6;Inflammation;P1;Pass;0.5;9")
    found = read_text(tmp_path, text, names="assay").names
    assert found[0] == "IL6 (Inflammation) (OID00001)"
    assert found[2] == "IL6 (Inflammation) (OID00003)"


WARNED = [
    "a;OID1;P1;A;X;P1;WARN;0;1",
    "a;OID2;P2;B;Y;P1;PASS;0;2",
    "b;OID1;P1;A;X;P1;FAIL;0;3",
    "b;OID2;P2;B;Y;P1;Warning;0;4",
]


@pytest.mark.parametrize(
    ("options", "oracle", "done"),
    [
        ({}, [[np.nan, 2], [np.nan, np.nan]], "count as missing"),
        ({"qc": "keep"}, [[1, 2], [np.nan, 4]], "are kept"),
    ],
)
def test_values_with_a_warning_are_missing_or_kept(tmp_path, options, oracle, done):
    found = read_text(tmp_path, table(*WARNED), **options)
    np.testing.assert_array_equal(found.x, oracle)
    assert f"2 of 4 values, of 2 samples, have a quality warning and {done}" in " ".join(
        found.notes
    )
    assert "1 of 4 values, of 1 samples, failed the quality control" in " ".join(found.notes)


def test_warnings_of_assays_count_as_those_of_samples(tmp_path):
    header = "SampleID,OlinkID,NPX,SampleQC,AssayQC"
    text = table("a,OID1,1,PASS,WARN", "a,OID2,2,PASS,NA", "a,OID3,3,PASS,PASS", header=header)
    np.testing.assert_array_equal(read_text(tmp_path, text).x, [[np.nan, 2, 3]])


def test_values_below_the_limit_of_detection_stay_and_are_counted(tmp_path):
    rows = [f"s{k};OID1;P1;A;X;P1;Pass;{limit};{k}" for k, limit in enumerate([5, 5, 5, 0])]
    rows += [f"s{k};OID2;P2;B;X;P1;Pass;0.5;{k}" for k in range(4)]
    found = read_text(tmp_path, table(*rows))
    np.testing.assert_array_equal(found.x, [[0, 0], [1, 1], [2, 2], [3, 3]])
    said = "4 values are below the limit of detection and are kept; 1 of 2 assays are below it"
    assert said in " ".join(found.notes)


def test_controls_are_left_out_by_their_type(tmp_path):
    header = "SampleID,SampleType,OlinkID,AssayType,NPX"
    rows = ["CONTROL_SAMPLE_AS 1,SAMPLE,OID1,assay,1", "b,NEGATIVE_CONTROL,OID1,assay,2"]
    rows += ["c,PLATE_CONTROL,OID1,assay,3", "CONTROL_SAMPLE_AS 1,SAMPLE,OID9,ext_ctrl,4"]
    found = read_text(tmp_path, table(*rows, header=header))
    assert (found.samples.texts(), found.names) == (["CONTROL_SAMPLE_AS 1"], ("OID1",))
    assert found.notes[:2] == (
        "t.csv: 2 control samples of Olink are left out.",
        "t.csv: 1 control assays of Olink are left out.",
    )


@pytest.mark.parametrize("name", ["CONTROL_SAMPLE_AS 1", "Neg Ctrl", "PLATE_CTRL_2", "Control"])
def test_without_types_controls_are_known_by_olinks_names(tmp_path, name):
    rows = [f"{name};OID1;P1;A;X;P1;Pass;0;1", "control_12;OID1;P1;A;X;P1;Pass;0;2"]
    rows.append("control_12;OID2;P1;Incubation control 1;X;P1;Pass;0;2")
    found = read_text(tmp_path, table(*rows))
    assert (found.samples.texts(), found.names) == (["control_12"], ("OID1",))


def test_a_file_of_controls_alone_is_refused(tmp_path):
    assert "controls only" in refusal(tmp_path, table("IPC;OID1;P1;A;X;P1;Pass;0;1"))


def test_a_sample_with_two_values_of_an_assay_is_refused(tmp_path):
    rows = [*SMALL, "s2;OID00001;P05231;IL6;Inflammation;P2;Pass;0.5;7.125"]
    said = refusal(tmp_path, table(*rows))
    assert said.startswith("t.csv, line 6: 1 samples have more than one value of an assay")
    assert "7.125" not in said
    assert "s2" not in said


def test_a_run_that_failed_gives_way_to_its_repetition(tmp_path):
    rows = ["a;OID1;P1;A;X;P1;FAIL;0;1", "a;OID1;P1;A;X;P2;PASS;0;2"]
    found = read_text(tmp_path, table(*rows))
    assert found.x.tolist() == [[2.0]]
    assert found.sheet["PlateID"].texts() == ["P2"]


def test_plates_of_several_panels_are_joined_and_said(tmp_path):
    rows = ["a;OID1;P1;A;X;P2;Pass;0;1", "a;OID2;P2;B;Y;P1;Pass;0;2", "b;OID1;P1;A;X;P2;Pass;0;"]
    found = read_text(tmp_path, table(*rows))
    assert found.sheet["PlateID"].texts() == ["P1 + P2", None]
    assert "t.csv: 1 samples are on several plates each." in found.notes
    assert "1 of 2 samples have no value that is left" in " ".join(found.notes)


def test_several_ways_of_normalisation_are_said(tmp_path):
    header = "SampleID,OlinkID,NPX,Normalization"
    text = table("a,OID1,1,Intensity", "a,OID2,2,Plate control", header=header)
    found = read_text(tmp_path, text)
    assert "normalised in 2 ways ('Intensity', 'Plate control')" in found.notes[-1]
    assert "PlateID" not in found.sheet


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a;OID1;P1;A;X;P1;Pass;0;secret"], "line 2, column 'NPX': expected a number, got text"),
        (
            ["a;OID1;P1;A;X;P1;Pass;0;1,5"],
            "line 2, column 'NPX': expected a number, got a number w",
        ),
        (["a;OID1;P1;A;X;P1;Pass;0;inf"], "line 2, column 'NPX': expected a finite number"),
        ([";OID1;P1;A;X;P1;Pass;0;1"], "line 2, column 'SampleID': expected a name, got an empty"),
        (["a;;P1;A;X;P1;Pass;0;1"], "line 2, column 'OlinkID': expected a name, got an empty"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_with_its_place(tmp_path, rows, said):
    found = refusal(tmp_path, table(*rows))
    assert said in found
    assert "secret" not in found


@pytest.mark.parametrize("kept", [("SampleID", "OlinkID"), ("SampleID", "NPX"), ("OlinkID", "NPX")])
def test_a_table_without_a_needed_column_is_refused(tmp_path, kept):
    lacking = ({"SampleID", "OlinkID", "NPX"} - set(kept)).pop()
    said = refusal(tmp_path, table("a,b", header=",".join(kept)))
    assert f"has no column '{lacking}'; export NPX in long form" in said


def test_options_and_columns_that_are_not_there_are_refused(tmp_path):
    assert "names to be olink or assay or uniprot" in refusal(tmp_path, table(*SMALL), names="gene")
    assert "qc to be drop or keep" in refusal(tmp_path, table(*SMALL), qc="maybe")
    bare = table("a,OID1,1", header="SampleID,OlinkID,NPX")
    assert "has no column 'Assay'" in refusal(tmp_path, bare, names="assay")


def test_a_huge_matrix_is_refused_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("swarmhub.data.readers.npx.MAX_DENSE", 3)
    assert "at most 3 values, got 2 samples and 2 assays" in refusal(tmp_path, table(*SMALL))


def test_decimal_commas_are_read_if_they_are_declared(tmp_path):
    text = table("a;OID1;P1;A;X;P1;Pass;0,5;1,25")
    assert read_npx(write(tmp_path, text), Request(decimal=",")).x.tolist() == [[1.25]]


@pytest.mark.parametrize("mark", [";", ",", "\t"])
def test_the_first_line_tells_npx_from_other_tables(mark):
    assert is_npx(("\ufeff" + HEADER.replace(";", mark)).encode() + b"\r\n1;2")
    assert is_npx(mark.join(f'"{name}"' for name in HEADER.split(";")).encode())
    assert not is_npx(mark.join(["SampleID", "OID00001", "OID00002"]).encode())
    assert not is_npx(b"")
    assert looks_like(["sample_id", "OID", "npx", "more"])


def test_samples_join_the_clinical_table_by_their_names(tmp_path):
    clinic = write(tmp_path, "y,sample_id\n1,s1\n0,s2\n1,s9\n", "c.csv")
    npx = write(tmp_path, gzip.compress(table(*SMALL).encode()), "n.csv.gz")
    frames = [read_delimited(clinic, Request()), read_npx(npx, Request())]
    found = Findings()
    joined = join_frames(frames, "sample_id", "y", found)
    np.testing.assert_array_equal(joined.others[0].x, [[np.nan, 3.0], [1.25, -0.75]])
    assert joined.others[0].sheet["PlateID"].texts() == ["P1", "P1"]
