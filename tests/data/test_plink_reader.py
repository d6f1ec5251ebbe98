"""PLINK genotypes: against bits decoded by hand and bed-reader, and the same at two hospitals."""

import numpy as np
import pytest

from swarmhub.data.frames import Request
from swarmhub.data.readers import common
from swarmhub.data.readers.plink import read_plink
from swarmhub.errors import BadInput

bed_reader = pytest.importorskip("bed_reader")
pytestmark = pytest.mark.unit

BIM = "1 rs1 0 100 A G\n1 rs2 0 200 t c\n2 rs3 0 300 A T\n"
NAN = np.nan


def write(folder, bim=BIM, calls=None, fam=None, name="h"):
    """Write calls, (samples, variants) copies of A1 with -127 for missing, by bed-reader."""
    path = folder / f"{name}.bed"
    calls = np.array([[0, 1, 2], [1, -127, 0], [2, 2, 1]] if calls is None else calls, dtype="i1")
    bed_reader.to_bed(path, calls)
    path.with_suffix(".bim").write_text(bim.replace(" ", "\t"))
    path.with_suffix(".fam").write_text(fam or people(len(calls)))
    return path


def people(count):
    return "".join(f"0 p{k} 0 0 {k % 3} {k % 2 + 1}\n" for k in range(count))


def listed(folder, text):
    path = folder / "list.txt"
    path.write_text(text)
    return Request(options={"alleles": str(path)})


def notes_of(path, request=None):
    return " ".join(read_plink(path, request or Request()).notes)


def decode(data, samples):
    """Return copies of A1, (samples, variants), from the two bits of each call."""
    table = {"00": 2.0, "01": NAN, "10": 1.0, "11": 0.0}
    stride = -(-samples // 4)
    rows = [data[k : k + stride] for k in range(3, len(data), stride)]
    bits = ["".join(f"{byte:08b}"[::-1] for byte in row) for row in rows]
    calls = [[table[b[2 * k + 1] + b[2 * k]] for k in range(samples)] for b in bits]
    return np.array(calls).T


def test_hand_packed_bits_are_dosages_of_the_named_allele(tmp_path):
    path = write(tmp_path, "1 rs1 0 100 G A\n", [[0]] * 5)
    # low bits first: two copies of G, missing, one, none; and two in the second byte
    path.write_bytes(bytes([0x6C, 0x1B, 1, 0b11_10_01_00, 0b00]))
    frame = read_plink(path, Request())
    np.testing.assert_array_equal(frame.x, [[2], [NAN], [1], [0], [2]])
    assert frame.names == ("rs1_G",)
    assert frame.x.dtype == np.float64
    assert (frame.namespace, frame.unit) == ("rsid", "dosage")


@pytest.mark.parametrize("samples", [1, 4, 7, 133])
def test_calls_are_those_of_the_bits_decoded_by_hand(tmp_path, samples, monkeypatch):
    monkeypatch.setattr("swarmhub.data.readers.plink.AT_ONCE", 3 * samples)  # several chunks
    calls = np.random.default_rng(samples).choice([0, 1, 2, -127], (samples, 10))
    path = write(tmp_path, "".join(f"1 rs{k} 0 {k} C A\n" for k in range(10)), calls)
    oracle = decode(path.read_bytes(), samples)
    np.testing.assert_array_equal(oracle, np.where(calls == -127, NAN, calls))
    np.testing.assert_array_equal(read_plink(path, Request()).x, oracle)
    other = read_plink(path, Request(allele="a2"))
    np.testing.assert_array_equal(other.x, 2 - oracle)
    assert other.names[0] == "rs0_A"


def test_hospitals_with_swapped_alleles_have_equal_columns(tmp_path):
    calls = np.array([[0, 1, 2], [1, -127, 0], [2, 2, 1]])
    swapped = np.where(calls == -127, -127, 2 - calls)
    here = read_plink(write(tmp_path, BIM, calls), Request())
    bim = "1 rs1 0 100 G A\n1 rs2 0 200 C T\n2 rs3 0 300 T A\n"
    there = read_plink(write(tmp_path, bim, swapped, name="t"), Request())
    assert here.names == there.names == ("rs1_G", "rs2_T", "rs3_T")
    np.testing.assert_array_equal(here.x, there.x)
    np.testing.assert_array_equal(here.x[:, 0], [2, 1, 0])  # A1 is A


def test_notes_say_which_allele_counts_and_what_is_ambiguous(tmp_path):
    said = notes_of(write(tmp_path))
    assert "counts the last of the two alleles in the alphabet" in said
    assert "1 variants are A/T or C/G (ambiguous)" in said
    assert "may be another one" in notes_of(tmp_path / "h.bed", Request(allele="A1"))
    digits = write(tmp_path, "1 rs1 0 1 1 2\n", [[0]])
    assert "1 variants have digits" in notes_of(digits)


def test_a_list_flips_selects_and_says_what_is_absent(tmp_path):
    path = write(tmp_path)
    frame = read_plink(path, listed(tmp_path, "id allele\nrs2 C\nrs1\tA\nrs9 G\n"))
    assert frame.names == ("rs1_A", "rs2_C")
    np.testing.assert_array_equal(frame.x, [[0, 1], [1, NAN], [2, 0]])
    assert "study's list, of which 1 variants are not counted" in " ".join(frame.notes)


@pytest.mark.parametrize("line", ["rs1 C", "rs1 A T", "rs1 T C"])
def test_alleles_that_contradict_the_list_are_refused(tmp_path, line):
    with pytest.raises(BadInput, match=r"got others for 1 variants \('rs1'\).*other strand"):
        read_plink(write(tmp_path), listed(tmp_path, f"{line}\nrs2 C\n"))


def test_a_file_with_one_allele_needs_a_list_with_both(tmp_path):
    path = write(tmp_path, "1 rs1 0 1 0 G\n1 rs2 0 2 A C\n", [[0, 1], [-127, 2]])
    assert read_plink(path, Request()).names == ("rs2_C",)
    assert "1 variants have one allele in this file" in notes_of(path)
    for line, dosage in (("rs1 G A", 2), ("rs1 A G", 0), ("rs1 G", 2)):
        frame = read_plink(path, listed(tmp_path, line))
        np.testing.assert_array_equal(frame.x, [[dosage], [NAN]])
    assert read_plink(path, listed(tmp_path, "rs1 A\nrs2 C")).names == ("rs2_C",)
    with pytest.raises(BadInput, match="other strand"):
        read_plink(path, listed(tmp_path, "rs1 A T"))


@pytest.mark.parametrize("text", ["rs1 A\nrs1 A\n", "rs1 7\n", "rs1\n", "id allele\n", ""])
def test_a_faulty_list_is_refused(tmp_path, text):
    with pytest.raises(BadInput, match=r"list\.txt"):
        read_plink(write(tmp_path), listed(tmp_path, text))


def test_variants_without_an_id_of_their_own_are_named_by_place(tmp_path):
    bim = "chr1 . 0 100 G A\n1 rs2 0 200 A C\n1 rs2 0 200 T A\n"
    frame = read_plink(write(tmp_path, bim), Request())
    assert frame.names == ("1:100:A:G_G", "1:200:A:C_C", "1:200:A:T_T")
    assert "3 variants have no id of their own" in " ".join(frame.notes)
    only = read_plink(tmp_path / "h.bed", listed(tmp_path, "1:200:A:T A\nrs2 A\n"))
    assert only.names == ("1:200:A:T_A",)
    np.testing.assert_array_equal(only.x[:, 0], [0, 2, 1])  # A is A2 in the third line


def test_a_variant_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"columns 1 and 2 are both named '1:100:A:G_G'.*--rm-dup"):
        read_plink(write(tmp_path, "1 . 0 100 A G\n1 . 0 100 G A\n", [[0, 1]]), Request())


def test_samples_sex_and_phenotype_are_words(tmp_path):
    fam = "f1 a 0 0 1 2\nf1 b 0 0 2 1\n0 c 0 0 0 -9\n"
    frame = read_plink(write(tmp_path, fam=fam), Request())
    assert frame.samples.texts() == ["a", "b", "c"]
    assert {n: w.texts() for n, w in frame.sheet.items()} == {
        "FID": ["f1", "f1", None],
        "sex": ["male", "female", None],
        "phenotype": ["2", "1", None],
    }
    assert frame.aside == {"FID", "sex", "phenotype"}


def test_samples_of_one_iid_are_named_by_family_too(tmp_path):
    fam = "f1 1 0 0 1 2\nf2 1 0 0 2 1\nf3 2 0 0 0 -9\n"
    assert read_plink(write(tmp_path, fam=fam), Request()).samples.texts() == [
        "f1_1", "f2_1", "f3_2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "words", "said"),
    [
        (["1", "2", "0"], ["1", "2", None], "-9 and 0 are missing"),
        (["0", "1", "-9"], ["0", "1", None], "1 may be a case"),
        (["0", "1.5", "-9"], ["0", "1.5", None], "-9 is missing, 0 is not)"),
        (["0", "-9", "NA"], None, ""),
    ],
)
def test_a_phenotype_of_zero_is_missing_among_codes_only(tmp_path, texts, words, said):
    fam = "".join(f"0 p{k} 0 0 0 {t}\n" for k, t in enumerate(texts))
    frame = read_plink(write(tmp_path, fam=fam), Request())
    found = frame.sheet.get("phenotype")
    assert (found and found.texts()) == words
    assert said in " ".join(frame.notes)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes([0x6C, 0x1B, 0, 0]), "got them by sample"),
        (b"chr1\t100\t200\n", "got other first bytes"),
        (b"\x6c", "got other first bytes"),
        (bytes([0x6C, 0x1B, 1, 0, 0]), "expected 6 bytes for 3 samples .* 3 variants .*, got 5"),
        (bytes([0x6C, 0x1B, 1, 0, 0, 0, 0]), "expected 6 bytes for 3 samples .*, got 7"),
        (bytes([0x6C, 0x1B, 1]), "expected 6 bytes .*, got 3"),
    ],
)
def test_a_damaged_bed_file_is_refused(tmp_path, data, why):
    path = write(tmp_path)
    path.write_bytes(data)
    with pytest.raises(BadInput, match=why):
        read_plink(path, Request())


@pytest.mark.parametrize(
    ("suffix", "text", "why"),
    [
        (".fam", None, r"no file .*h\.fam"),
        (".bim", None, r"no file .*h\.bim"),
        (".bed", None, r"no file .*h\.bed"),
        (".fam", " \n", r"h\.fam is empty"),
        (".fam", "0 p1 0 0 1\n", r"h\.fam, line 1: expected 6 cells .*, got 5"),
        (".bim", BIM + "3 rs4\n", r"h\.bim, line 4: expected 6 cells"),
        (".bim", BIM.replace("A G", "A A"), r"h\.bim, line 1: expected two alleles"),
        (".bim", BIM * 3, "expected 12 bytes for 3 samples of the .fam and 9 variants"),
    ],
)
def test_absent_and_damaged_tables_are_refused(tmp_path, suffix, text, why):
    path = write(tmp_path).with_suffix(suffix)
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match=why):
        read_plink(path.with_suffix(".bed"), Request())


def test_too_many_values_are_refused_before_the_bim_file_is_read(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setattr(common, "MAX_VALUES", 8)
    path.with_suffix(".bim").unlink()
    with pytest.raises(BadInput, match=r"more than the 8 values .*plink --extract"):
        read_plink(path, Request())


def test_a_list_makes_a_large_file_small(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setattr(common, "MAX_VALUES", 8)
    assert read_plink(path, listed(tmp_path, "rs3 A\n")).x.shape == (3, 1)


@pytest.mark.parametrize("allele", ["ref", "minor", "A3"])
def test_an_allele_that_is_not_one_of_the_file_is_refused(tmp_path, allele):
    with pytest.raises(BadInput, match=f"got '{allele}'"):
        read_plink(write(tmp_path), Request(allele=allele))
