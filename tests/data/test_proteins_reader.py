"""Protein groups of MaxQuant and DIA-NN: samples in rows, log2, without contaminants."""

import numpy as np
import pandas as pd
import pytest
from data_tools import write

from swarmhub.data.frames import Request
from swarmhub.data.logarithms import log2
from swarmhub.data.readers import proteins
from swarmhub.data.readers.proteins import (
    header_of,
    looks_like,
    read_diann_matrix,
    read_diann_report,
    read_maxquant,
)
from swarmhub.errors import BadInput

pytestmark = pytest.mark.unit

NAN = np.nan
MAXQUANT = (
    "Protein IDs\tMajority protein IDs\tIntensity\tIntensity ID 7\tIntensity B\t"
    "LFQ intensity ID 7\tLFQ intensity B\tOnly identified by site\tReverse\tPotential contaminant"
)
GROUPS = [
    "P1;P2\tP1;P2\t3\t16\t32\t1024\t0\t\t\t",
    "P3\tP3\t3\t64\t0\t4096\t2.5E+03\t\t\t",
    "REV__P4\tREV__P4\t3\t2\t2\t128\t128\t\t+\t",
    "P5\tP5\t3\t2\t2\t128\t128\t\t\t+",
    "P6\tP6\t3\t2\t2\t128\t128\t+\t\t",
    "CON__P7;P8\tCON__P7;P8\t3\t2\t2\t128\t128\t\t\t",
]
MATRIX = "Protein.Group\tProtein.Ids\tProtein.Names\tGenes\tFirst.Protein.Description"
RUNS = r"D:\raw\s1.raw" + "\t/data/x.y/s2.mzML"
REPORT = "Run\tProtein.Group\tPrecursor.Id\tQ.Value\tPG.Q.Value\tLib.PG.Q.Value\tPG.MaxLFQ"
ROWS = [
    "s1\tP1\tAAK2\t0.001\t0.002\t0.003\t1024",
    "s1\tP1\tCCK2\t0.01\t0.01\t0.01\t1024",
    "s2\tP1\tAAK2\t0.02\t0.002\t0.003\t64",
    "s2\tP2\tDDK2\t0.001\t0.002\t0.003\t32",
    "s1\tP2\tDDK2\t0.001\t0.002\t0.02\t32",
    "s3\tP2\tDDK2\t0.001\t0.02\t0.003\t32",
]


def text_of(header, rows):
    return "\n".join([header, *rows]) + "\n"


def maxquant(folder, rows=GROUPS, header=MAXQUANT, sheet=""):
    path = write(folder, text_of(header, rows), "proteinGroups.txt")
    return read_maxquant(path, Request(sheet=sheet))


def matrix(folder, rows, runs=RUNS):
    path = write(folder, text_of(f"{MATRIX}\t{runs}", rows), "report.pg_matrix.tsv")
    return read_diann_matrix(path, Request())


def report(folder, rows=ROWS, header=REPORT):
    return read_diann_report(write(folder, text_of(header, rows), "report.tsv"), Request())


def refusal(call, *args, **more):
    with pytest.raises(BadInput) as caught:
        call(*args, **more)
    return str(caught.value)


def test_lfq_intensities_become_log2_of_samples_by_groups(tmp_path):
    found = maxquant(tmp_path)
    np.testing.assert_array_equal(found.x, [[NAN, log2(np.array(2500.0))], [10.0, 12.0]])
    assert found.names == ("P1", "P3")
    assert found.samples.texts() == ["B", "ID 7"]
    assert (found.namespace, found.unit) == ("uniprot", "log2 intensity")


def test_groups_that_are_left_out_are_counted(tmp_path):
    said = " ".join(maxquant(tmp_path).notes)
    assert (
        "4 of 6 protein groups are left out (1 decoys, 2 contaminants, 1 identified by site" in said
    )
    assert "1 of 2 protein groups have several proteins; the first names them." in said
    assert "1 of 4 intensities are missing, of which 1 are 0." in said


def test_the_older_name_of_the_contaminants_column_counts(tmp_path):
    header = MAXQUANT.replace("Potential contaminant", "Contaminant")
    assert maxquant(tmp_path, header=header).names == ("P1", "P3")


def test_raw_intensities_are_read_if_asked_for_or_alone(tmp_path):
    oracle = [[5.0, NAN], [4.0, 6.0]]
    asked = maxquant(tmp_path, sheet="Intensity")
    alone = maxquant(tmp_path, header=MAXQUANT.replace("LFQ intensity", "Peptides"))
    for found in (asked, alone):
        np.testing.assert_array_equal(found.x, oracle)
        assert found.samples.texts() == ["B", "ID 7"]
        assert "raw intensities compare only once normalised" in found.notes[0]


def test_groups_that_share_a_first_protein_are_named_as_a_whole(tmp_path):
    rows = [r.replace("P3\tP3", "P1;P3\tP1;P3") for r in GROUPS]
    found = maxquant(tmp_path, rows)
    assert found.names == ("P1;P2", "P1;P3")
    assert "1 proteins start more than one group" in " ".join(found.notes)


def test_a_group_that_is_there_twice_is_refused(tmp_path):
    said = refusal(maxquant, tmp_path, [*GROUPS, GROUPS[0]])
    assert "1 protein groups are there twice" in said


def test_identifiers_in_the_form_of_fasta_headers_are_shortened(tmp_path):
    rows = ["x\tsp|P1|A_HUMAN;tr|Q1|B_HUMAN\t3\t2\t2\t2\t2\t\t\t",
            "x\tcontam_sp|P9|T_PIG\t3\t2\t2\t2\t2\t\t\t"]  # fmt: skip
    assert maxquant(tmp_path, rows).names == ("P1",)


@pytest.mark.parametrize("more", ["Reporter intensity 1", "Ratio H/L"])
def test_labelled_experiments_are_refused(tmp_path, more):
    rows = [row + "\t1" for row in GROUPS]
    said = refusal(maxquant, tmp_path, rows, f"{MAXQUANT}\t{more}")
    assert "labelled experiment" in said


def test_a_table_without_intensities_or_groups_is_refused(tmp_path):
    bare = MAXQUANT.replace("ntensity ", "ntensities_")
    assert "has no columns 'LFQ intensity ...'" in refusal(maxquant, tmp_path, header=bare)
    said = refusal(maxquant, tmp_path, header=MAXQUANT.replace("Majority", "Main"))
    assert "has no column 'Majority protein IDs'" in said
    assert "contaminants and decoys only" in refusal(maxquant, tmp_path, GROUPS[2:])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("-3", "line 2, column 'LFQ intensity B': expected an intensity of 0 or more"),
        ("inf", "line 2, column 'LFQ intensity B': expected a finite number"),
        ("secret", "line 2, column 'LFQ intensity B': expected a number as in 1 of 2 rows"),
    ],
)
def test_a_cell_that_is_no_intensity_is_refused_with_its_place(tmp_path, cell, said):
    found = refusal(maxquant, tmp_path, [GROUPS[0].replace("1024\t0", f"1024\t{cell}"), GROUPS[1]])
    assert said in found
    assert "secret" not in found


def test_intensities_that_look_like_logarithms_are_said(tmp_path):
    found = maxquant(tmp_path, ["P1\tP1\t3\t2\t2\t27.5\t30\t\t\t"])
    assert "are they logarithms?" in found.notes[-1]


def test_a_matrix_of_diann_is_read_with_the_names_of_its_runs(tmp_path):
    rows = ["P1;P2\tP1;P2\tA;B\tG;H\td\t8\t", "P3\tP3\tC\tI\t\t0\t16"]
    found = matrix(tmp_path, rows)
    np.testing.assert_array_equal(found.x, [[3.0, NAN], [NAN, 4.0]])
    assert found.names == ("P1", "P3")
    assert found.samples.texts() == ["s1", "s2"]
    assert "2 of 4 intensities are missing, of which 1 are 0." in found.notes[3]


@pytest.mark.parametrize("prefix", ["Cont_", "CON__", "cRAP-", "contam_", "sp|Cont_", "REV__"])
def test_prefixes_tell_contaminants_and_decoys(tmp_path, prefix):
    rows = [f"{prefix}P1\tx\tA\tG\td\t8\t8", "P3\tP3\tC\tI\t\t4\t16", "\t\t\t\t\t1\t1"]
    found = matrix(tmp_path, rows)
    assert found.names == ("P3",)
    assert "2 of 3 protein groups are left out" in found.notes[0]


def test_a_matrix_without_marked_contaminants_says_so(tmp_path):
    said = matrix(tmp_path, ["P3\tP3\tC\tI\t\t4\t16"]).notes
    assert any("no protein is marked as a contaminant" in note for note in said)


@pytest.mark.parametrize(
    ("run", "name"),
    [(r"C:\a\b\x1.raw", "x1"), ("/a/b/x2.d", "x2"), ("x3.raw.dia", "x3"), ("/a/x4.d/", "x4"),
     (r"Z:/a\x5.mzML", "x5"), ("x.6", "x.6"), ("p/x7.mzML.gz", "x7")],
)  # fmt: skip
def test_a_run_is_named_without_folder_and_extension(tmp_path, run, name):
    found = matrix(tmp_path, ["P3\tP3\tC\tI\t\t4"], runs=run)
    assert found.samples.texts() == [name]


def test_runs_that_become_one_are_refused(tmp_path):
    said = refusal(matrix, tmp_path, ["P3\tP3\tC\tI\t\t4\t16"], "/a/s1.raw\t/b/s1.raw")
    assert "1 runs have another one's name" in said


def test_other_matrices_of_diann_are_refused(tmp_path):
    rows = ["P3\tP3\tC\tI\t\tAAK\t16"]
    assert "is of peptides" in refusal(matrix, tmp_path, rows, "Stripped.Sequence\ts1.raw")
    path = write(tmp_path, text_of(MATRIX, ["P3\tP3\tC\tI\t"]), "m.tsv")
    assert "has no column of a run" in refusal(read_diann_matrix, path, Request())
    path = write(tmp_path, "Genes\ts1.raw\nI\t3\n", "report.gg_matrix.tsv")
    assert "has no column 'Protein.Group'" in refusal(read_diann_matrix, path, Request())


def test_a_report_counts_rows_within_the_filters_only(tmp_path):
    found = report(tmp_path)
    np.testing.assert_array_equal(found.x, [[10.0, NAN], [NAN, 5.0], [NAN, NAN]])
    assert found.names == ("P1", "P2")
    assert found.samples.texts() == ["s1", "s2", "s3"]
    assert "3 of 6 rows are left out" in found.notes[0]
    assert "Q.Value, PG.Q.Value, Lib.PG.Q.Value is above 0.01" in found.notes[0]


def test_without_match_between_runs_the_global_filters_count(tmp_path):
    header = REPORT + "\tGlobal.PG.Q.Value"
    rows = ["s1\tP1\tAAK2\t0\t0\t0\t1024\t0.001", "s1\tP2\tAAK2\t0\t0\t0\t1024\t0.5"]
    found = report(tmp_path, rows, header)
    assert found.names == ("P1",)
    assert "Global.PG.Q.Value" in found.notes[0]


def test_two_quantities_of_a_run_and_group_are_refused(tmp_path):
    said = refusal(report, tmp_path, [*ROWS, "s1\tP1\tEEK2\t0\t0\t0\t1025"])
    assert "report.tsv, line 2, column 'PG.MaxLFQ': expected one quantity for each run" in said
    assert "got several for 1 of them" in said


def test_a_report_that_lacks_what_it_needs_is_refused(tmp_path):
    header = REPORT.replace("PG.MaxLFQ", "PG.Quantity")
    assert "has no column 'PG.MaxLFQ'" in refusal(report, tmp_path, header=header)
    assert "has no row with" in refusal(report, tmp_path, ["s1\tP1\tA\t0.5\t0\t0\t1"])
    assert "line 2, column 'Run': expected a run" in refusal(
        report, tmp_path, ["\tP1\tA\t0\t0\t0\t1"]
    )


def random_report(seed, runs=6, groups=40):
    rng = np.random.default_rng(seed)
    quantity = rng.lognormal(10, 2, (runs, groups)).round(2)
    rows = [
        (f"r{i}", f"P{j};Q{j}", "PEP", *rng.uniform(0, 0.02, 3).round(4), quantity[i, j], 0)
        for i in range(runs) for j in range(groups) for _ in range(rng.integers(1, 4))
    ]  # fmt: skip
    order = rng.permutation(len(rows))
    return pd.DataFrame([rows[k] for k in order], columns=[*REPORT.split("\t"), "Decoy"])


@pytest.mark.parametrize("end", ["tsv", "parquet", "tsv.gz"])
def test_a_report_agrees_with_pandas_pivot(tmp_path, end):
    long = random_report(3)
    path = tmp_path / f"report.{end}"
    if end == "parquet":
        long = long.astype({"Run": "category", "PG.MaxLFQ": "float32"})
        long.to_parquet(path)
    else:
        long.to_csv(path, sep="\t", index=False)
    found = read_diann_report(path, Request())
    kept = long[(long[["Q.Value", "PG.Q.Value", "Lib.PG.Q.Value"]] <= 0.01).all(axis=1)]
    oracle = kept.pivot_table(
        index="Run", columns="Protein.Group", values="PG.MaxLFQ", aggfunc="max", observed=True
    ).astype(np.float64)
    oracle = oracle.reindex(index=found.samples.texts(), columns=[
        f"{name};Q{name[1:]}" for name in found.names
    ])  # fmt: skip
    np.testing.assert_array_equal(found.x, log2(oracle.to_numpy()))
    assert found.x.shape[0] == 6


def test_a_wide_random_table_of_maxquant_agrees_with_pandas(tmp_path):
    rng = np.random.default_rng(4)
    values = rng.lognormal(18, 3, (50, 20)).round(2) * (rng.random((50, 20)) < 0.7)
    frame = pd.DataFrame(values, columns=[f"LFQ intensity s{k}" for k in range(20)])
    frame.insert(0, "Majority protein IDs", [f"P{k}" for k in range(50)])
    frame["Reverse"] = ["+" if k % 7 == 0 else "" for k in range(50)]
    frame.to_csv(tmp_path / "p.txt", sep="\t", index=False)
    found = read_maxquant(tmp_path / "p.txt", Request())
    kept = frame[frame.Reverse == ""].filter(like="LFQ").to_numpy().T
    np.testing.assert_array_equal(found.x, log2(np.where(kept > 0, kept, NAN)))


def test_a_damaged_parquet_file_is_refused_in_a_sentence(tmp_path):
    path = write(tmp_path, b"PAR1 no more", "report.parquet")
    assert "expected a Parquet file" in refusal(read_diann_report, path, Request())
    absent = refusal(read_diann_report, tmp_path / "absent.parquet", Request())
    assert absent.startswith("There is no file")


def test_huge_reports_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(proteins, "MAX_DENSE", 3)
    assert "at most 3 values, got 3 runs and 2 protein groups" in refusal(report, tmp_path)
    monkeypatch.setattr(proteins, "MAX_REPORT", 10)
    assert "give it in Parquet" in refusal(report, tmp_path)


@pytest.mark.parametrize(
    ("header", "name"),
    [(MAXQUANT, "maxquant"), (f"{MATRIX}\t{RUNS}", "diann-matrix"), (REPORT, "diann-report"),
     (f"{MATRIX}\tPrecursor.Id\ts1.raw", ""), ("Genes\ts1.raw", ""), ("a\tb", "")],
)  # fmt: skip
def test_the_first_line_tells_the_format(header, name):
    assert looks_like(header_of(f"\ufeff{header}\r\nmore".encode())) == name
