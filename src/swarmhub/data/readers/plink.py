"""PLINK 1 genotypes: .bed, .bim and .fam files of one name, read by bed-reader (extra [genetics]).

The .bed file (www.cog-genomics.org/plink/1.9/formats#bed) has two bits for each variant and sample,
which count the allele that the .bim file lists first (A1): usually the rarer one of this hospital,
so A1 of one hospital is A2 of another. Hence the counted allele goes by its letters, and a column
is named by it ("rs123_G", as plink --recode A names it): hospitals that count different alleles
have different columns, never swapped ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.frames import Floats, Request, Words, explain_unreadable
from swarmhub.data.readers import common
from swarmhub.data.readers.common import Described
from swarmhub.errors import BadInput, plain

MAGIC = b"\x6c\x1b"
LAST = "LAST"
BY_VARIANT, BY_SAMPLE = b"\1", b"\0"  # the third byte
HEADER = 3  # bytes
MISSING_CALL = -127  # of bed-reader, as int8
AT_ONCE = 1 << 22  # calls of a chunk
MAX_LINE = 1 << 20  # bytes
COLUMNS, LISTED = (6,), (2, 3)  # numbers of cells: .fam and .bim files; a study's list
HEADINGS = ("allele", "counted", "a1", "effect_allele")  # second cell of a list's header
UNKNOWN = "0"  # the other allele, if all samples have the same one
PAIRS = frozenset(["AT", "TA", "CG", "GC"])  # the same on both strands
SEX = {"1": "male", "2": "female"}
CODES = frozenset(["0", "1", "2"])  # of a phenotype of cases and controls
RENAMED = "have no id of their own and are named by place and alleles"
AMBIGUOUS = "share a listed id and are left out: list them by place and alleles"
ONE_ALLELE = "have one allele in this file, the counted one is not known: they are left out"
PALINDROMIC = "are A/T or C/G (ambiguous): use one strand at all hospitals, or leave them out"
NUMBERED = "have digits for alleles: these must mean the same at all hospitals"
ADVICE = "select variants first (plink --extract), or give the study's list (option alleles)"
TWICE = "keep one of them (plink --rm-dup)"


@dataclass(frozen=True, slots=True)
class Variant:
    """A line of the .bim file, alleles in capitals. `place` counts lines from 0."""

    place: int
    chromosome: str
    id: str
    position: str
    a1: str
    a2: str

    @property
    def locus(self) -> str:
        """The name of a variant without an id of its own: the same for both orders of alleles."""
        alleles = ":".join(sorted((self.a1, self.a2)))
        return f"{self.chromosome.removeprefix('chr')}:{self.position}:{alleles}"


@dataclass(frozen=True)
class Counting:
    """Which allele counts: "A1", "A2" or the last in the alphabet; or, by the variant's name, the
    first of the two that are `listed` (the second is "" if the list does not have it)."""

    way: str
    listed: Mapping[str, tuple[str, str]]

    def may_mean(self, variant: Variant) -> bool:
        """Return whether a variant may be counted."""
        return not self.listed or variant.id in self.listed or variant.locus in self.listed

    def counts_a2(self, variant: Variant, name: str) -> bool | None:
        """Return whether A2 is the counted allele of a variant, None if the file does not tell.
        Raises KeyError if the list contradicts the file."""
        pair = variant.a1, variant.a2
        is_whole = UNKNOWN not in pair
        if not self.listed:
            allele = {"A1": pair[0], "A2": pair[1]}.get(self.way, max(pair))
            return allele == pair[1] if is_whole else None
        counted, other = self.listed[name]
        if counted in pair and (other in ("", *pair) or not is_whole):
            return counted == pair[1]
        if other in pair and not is_whole:
            return pair[1] == UNKNOWN
        if not (is_whole or other) or set(pair) == {UNKNOWN}:
            return None
        raise KeyError(name)


def read_plink(path: Path, request: Request) -> Described:
    """Return dosages (samples, variants): 0, 1 or 2 copies of the counted allele, NaN for missing.

    The counted allele is the last of the two in the alphabet; with `request.allele` "A1" or "A2"
    that of the .bim file; with `request.options["alleles"]` that of the study's list, a text file
    with a variant's name, the allele and, if it is known, the other allele on each line, and only
    listed variants are read. Raises BadInput if a file is absent or damaged, if the three do not
    belong together, if the list does not fit, or for more than `common.MAX_VALUES` values.
    """
    counting = _find_counting(request)
    size = _find_size(path)
    samples = [cells for _, cells in _read_lines(path.with_suffix(".fam"), COLUMNS)]
    stride = -(-len(samples) // 4)  # bytes a variant
    room = (size - HEADER) // stride
    if not counting.listed:
        common.need_room(len(samples), room, path.name, ADVICE)
    total, variants = _read_variants(path, counting, room)
    if size != HEADER + total * stride:
        raise BadInput(
            f"{path.name}: expected {HEADER + total * stride} bytes for {len(samples)} samples of "
            f"the .fam and {total} variants of the .bim file, got {size}; the three files do not "
            "belong together, or one was cut short: copy them again."
        )
    notes: list[str] = []
    kept, names, a2 = _name_variants(variants, counting, path.with_suffix(".bim").name, notes)
    common.need_room(len(samples), len(kept), path.name, ADVICE)
    x = _read_calls(path, (len(samples), total), [v.place for v in kept], a2)
    people, sheet = _read_people(samples, path.with_suffix(".fam").name, request, notes)
    common.check_sheet(names, sheet, path.name)
    return Described(
        path.name, x, names, sheet, people, namespace="rsid", unit="dosage",
        notes=tuple(notes), aside=frozenset(sheet),
        labels=tuple(f"{v.chromosome}:{v.position} {v.a1}/{v.a2}" for v in kept),
    )  # fmt: skip


def _find_counting(request: Request) -> Counting:
    allele, file = request.allele.upper(), request.options.get("alleles", "")
    if allele not in ("", "A1", "A2") or (allele and file):
        raise BadInput(
            "Expected the counted allele to be A1, A2, nothing (the alphabet's last) or "
            f"that of a list (option alleles), got '{plain(request.allele, 30)}'"
            f"{' and a list' if file else ''}; choose what is the same at all hospitals."
        )
    return Counting(allele or LAST, _read_list(Path(file)) if file else {})


def _read_list(path: Path) -> dict[str, tuple[str, str]]:
    """Return the counted and the other allele of each listed variant."""
    found: dict[str, tuple[str, str]] = {}
    for line, (name, *cells) in _read_lines(path, LISTED):
        if line == 1 and cells[0].lower() in HEADINGS:
            continue
        allele, other = (*(cell.upper() for cell in cells), "")[:2]
        if name in found or not allele.isalpha() or not (other or "A").isalpha():
            got = "a variant that is listed above" if name in found else "no letters of an allele"
            raise BadInput(f"{path.name}, line {line}: got {got}; correct the study's list.")
        found[name] = allele, other
    if not found:
        raise BadInput(f"{path.name} lists no variant; expected a name and an allele on each line.")
    return found


def _name_variants(
    variants: Sequence[Variant], counting: Counting, source: str, notes: list[str]
) -> tuple[list[Variant], tuple[str, ...], Any]:
    """Return the counted variants, their columns' names, and (n,) whether the allele is A2."""
    often = Counter(v.id for v in variants)
    kept, names, seconds, wrong = [], [], [], []
    left = Counter[str]()
    for v in variants:
        name = v.id if v.id != "." and often[v.id] == 1 else v.locus
        left[RENAMED] += name != v.id
        if counting.listed and name not in counting.listed:
            left[AMBIGUOUS] += 1
            continue
        try:
            second = counting.counts_a2(v, name)
        except KeyError:
            wrong.append(name)
            continue
        left[ONE_ALLELE] += second is None
        if second is not None:
            kept.append(v)
            names.append(f"{name}_{counting.listed.get(name, (v.a1, v.a2)[second:])[0]}")
            seconds.append(second)
    if wrong:
        raise BadInput(
            f"{source}: expected the alleles of the study's list, got others for {len(wrong)} "
            f"variants ({common.say_names(wrong)}), as on the other strand or of another build of "
            "the genome; align the files first (plink --flip), or correct the list."
        )
    if not kept:
        raise BadInput(f"{source} has no variant that can be counted; look at ids and alleles.")
    left[PALINDROMIC] = sum(v.a1 + v.a2 in PAIRS for v in kept)
    left[NUMBERED] = sum(1 for v in kept if v.a1.isdigit())
    notes.append(_say_way(counting, len(kept), source))
    notes += [f"{source}: {n} variants {said}." for said, n in left.items() if n]
    return kept, common.check_names(names, source, TWICE), np.array(seconds, dtype=bool)


def _say_way(counting: Counting, count: int, source: str) -> str:
    way = f"allele {counting.way} of the .bim file, which may be another one at other hospitals"
    if counting.listed:
        absent = len(counting.listed) - count
        way = f"the allele of the study's list, of which {absent} variants are not counted here"
    elif counting.way == LAST:
        way = "the last of the two alleles in the alphabet"
    return f"{source}: each column counts {way}; its name ends with the allele."


def _read_lines(path: Path, columns: tuple[int, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank."""
    filled = 0
    try:
        with path.open("rb") as file:
            for line, text in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
                cells = text.split()
                if cells and (len(cells) not in columns or len(text) == MAX_LINE):
                    raise BadInput(
                        f"{path.name}, line {line}: expected {columns[-1]} cells between blanks, "
                        f"got {len(cells)}; write the file again."
                    )
                if cells:
                    filled += 1
                    yield line, [cell.decode("utf-8", "backslashreplace") for cell in cells]
    except OSError as error:
        raise explain_unreadable(path, error) from None
    if not filled:
        raise BadInput(f"{path.name} is empty; expected a line for each sample or variant.")


def _find_size(path: Path) -> int:
    """Return the size of the .bed file in bytes. Raises BadInput for another kind of file."""
    try:
        with path.open("rb") as file:
            start = file.read(HEADER)
            size = file.seek(0, 2)
    except OSError as error:
        raise explain_unreadable(path, error) from None
    if start != MAGIC + BY_VARIANT:
        got = "them by sample" if start == MAGIC + BY_SAMPLE else "other first bytes"
        raise BadInput(
            f"{path.name}: expected PLINK 1 genotypes by variant, got {got}; write them with plink "
            "--make-bed."
        )
    return size


def _read_variants(path: Path, counting: Counting, room: int) -> tuple[int, list[Variant]]:
    """Return the number of variants, and those that may be counted, at most `room`."""
    source = path.with_suffix(".bim")
    total, kept = 0, list[Variant]()
    for line, (chromosome, name, _, position, *alleles) in _read_lines(source, COLUMNS):
        a1, a2 = (allele.upper() for allele in alleles)
        if a1 == a2 != UNKNOWN:
            raise BadInput(f"{source.name}, line {line}: expected two alleles, got one twice.")
        variant = Variant(total, chromosome, name, position, a1, a2)
        total += 1
        if len(kept) < room and counting.may_mean(variant):
            kept.append(variant)
    return total, kept


def _read_calls(path: Path, shape: tuple[int, int], places: Sequence[int], a2: Any) -> Floats:
    """Return copies of A1 or A2, (samples, places), of a file of shape (samples, variants)."""
    from bed_reader import open_bed  # type: ignore[import-untyped,unused-ignore]

    x = np.empty((shape[0], len(places)))
    step = max(1, AT_ONCE // shape[0])
    try:
        bed: Any = open_bed(path, *shape, count_A1=True)
        for first in range(0, len(places), step):
            part = slice(first, first + step)
            calls = bed.read((None, np.array(places[part])), dtype="int8", order="C")
            dosages = np.where(a2[part], 2.0 - calls, calls)
            x[:, part] = np.where(calls == MISSING_CALL, np.nan, dosages)
    except (OSError, ValueError, IndexError):
        raise common.damaged(path, "PLINK 1 genotypes") from None
    return x


def _read_people(
    samples: Sequence[Sequence[str]], source: str, request: Request, notes: list[str]
) -> tuple[Words, dict[str, Words]]:
    """Return the samples' names, and FID, sex and phenotype, each if a sample has it. A
    phenotype of 0 is missing if there are codes only, unless they are 0 and 1 (1 may be a case)."""
    names = [iid for _, iid, *_ in samples]
    if len(set(names)) < len(names):
        names = [f"{fid}_{iid}" for fid, iid, *_ in samples]
    texts = [row[5] for row in samples]
    found = set(map(str.lower, texts)) - request.missing - {"-9"}
    is_coded = found <= CODES
    is_zero_missing = is_coded and found != {"0", "1"}
    missing = {*request.missing, "-9", *(["0"] if is_zero_missing else [])}
    if set(map(str.lower, texts)) - missing:
        said = "-9 and 0 are missing, 1 is a control and 2 a case for PLINK"
        if not is_zero_missing:
            said = "-9 is missing, 0 is not" + (": 1 may be a case here" if is_coded else "")
        notes.append(f"{source}: the phenotype is kept as it is written ({said}).")
    sheet = {
        "FID": Words.of(None if fid in ("0", iid) else fid for fid, iid, *_ in samples),
        "sex": Words.of(SEX.get(row[4]) for row in samples),
        "phenotype": Words.of(None if text.lower() in missing else text for text in texts),
    }
    return Words.of(names), {name: w for name, w in sheet.items() if w.known.any()}
