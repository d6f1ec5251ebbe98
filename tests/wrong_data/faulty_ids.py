"""Faults of identifiers: ids that change when they are read, and ids, dates or words as inputs."""

from __future__ import annotations

import datetime

from .draft import Draft, any_of, number, register, word
from .pairs import split_by_patient, split_others, write_matrix, write_split
from .sheets import Sheet, line_of

EPOCH = datetime.date(1899, 12, 30)  # day 0 of a spreadsheet
FAMILY = (
    "Novak Meyer Rossi Jansen Dubois Kowalski Silva Larsen Byrne Weiss Moreau Bakker Horvat Costa "
    "Lindqvist Petrov Ionescu Virtanen Keller Marin Dvorak Olsen Farrell Conti Peeters Schulz"
)
GIVEN = "Anna Jan Maria Peter Lucia Tomas Eva Karl Sofia Emil Clara Ivo Nina Paul Greta Leo"
REMARKS = (
    "seen by Dr Meyer, no complaints", "fever since two days", "patient declined biopsy",
    "haemolytic sample; repeat", "transfer from Corvane", "see letter of 12 March", "allergic to",
    "lives alone, daughter called", "second opinion asked", "stable", "no change", "oral ulcers",
)  # fmt: skip


def renumber(draft: Draft, ids: dict[str, str]) -> None:
    """Gives the faulty hospital's patients and samples other ids."""
    sheet = draft.sheet
    old = sheet.cells("patient_id")
    sheet.fill("patient_id", [ids[i] for i in old])
    visits = sheet.cells("visit")
    sheet.fill("sample_id", [f"{ids[i]}0{v}" for i, v in zip(old, visits, strict=True)])


@register("leading-zeros", "ids have leading zeros that a spreadsheet takes away")
def leading_zeros(draft: Draft) -> None:
    patients = sorted(set(draft.sheet.cells("patient_id")))
    numbers = draft.rng.choice(range(101, 9000), len(patients), replace=False)
    renumber(draft, {p: f"{n:06d}" for p, n in zip(patients, numbers, strict=True)})
    draft.at("patient_id")
    draft.clues = set()
    if draft.variant == 0:  # two patients, from two registers: 004711 and 4711
        ids = draft.sheet.cells("patient_id")
        row = draft.choose(k for k in range(4, len(ids)) if ids.count(ids[k]) == 1)
        first = draft.choose(k for k in range(row) if ids.count(ids[k]) == 1)
        text = ids[first].lstrip("0")
        draft.sheet.put(row, "patient_id", text)
        draft.line, draft.cell = line_of(row), text
        draft.clues.add(any_of(number(line_of(row)), number(line_of(first)), word("patient_id")))
    elif draft.variant == 1:
        samples = draft.sheet.cells("sample_id")
        write_matrix(draft, draft.hospital, [s.lstrip("0") for s in samples])
        draft.column, draft.file = "sample_id", f"{draft.hospital}-matrix.csv"
        draft.say("sample")
    else:
        _lose_zeros_of_the_test(draft)
    draft.say("zero", "match", "not found", "no row", "differ", "alike", "both", "test")


def _lose_zeros_of_the_test(draft: Draft) -> None:
    """Splits by row, and lets a spreadsheet save the test file: a patient is on both sides."""
    split_others(draft)
    ids = draft.sheet.cells("patient_id")
    test = set(split_by_patient(draft, draft.hospital))
    again = [k for k in range(len(ids)) if ids[k] in ids[:k] and ids.index(ids[k]) not in test]
    test |= {int(k) for k in draft.rng.choice(again, min(3, len(again)), replace=False)}
    for row in test:
        draft.sheet.put(row, "patient_id", ids[row].lstrip("0"))
    write_split(draft, draft.hospital, test)
    draft.file = f"{draft.hospital}-test.csv"
    draft.say("patient")


@register("ids-above-2-53", "ids are whole numbers above 2^53: neighbours are one as a float",
          "info", mendable=True)  # fmt: skip
def ids_above_2_53(draft: Draft) -> None:
    _number_patients(draft)
    draft.at("patient_id")
    draft.say(
        "large", "2\\^53", "2\\*\\*53", "9,?007", "digit", "exact", "text", "precis", "identif"
    )


def _number_patients(draft: Draft) -> None:
    patients = sorted(set(draft.sheet.cells("patient_id")))
    start = 2**53 + draft.by_variant(1, 10**15, 10**16) + int(draft.rng.integers(1000))
    renumber(draft, {p: str(start + k) for k, p in enumerate(patients)})


@register("rounded-ids", "a spreadsheet has rounded ids: patients of one id have nothing in common")
def rounded_ids(draft: Draft) -> None:
    _number_patients(draft)
    ids = [int(i) for i in draft.sheet.cells("patient_id")]
    if draft.variant == 0:
        draft.sheet.fill("patient_id", [f"{i:.5E}" for i in ids])
    elif draft.variant == 1:  # fifteen digits are kept
        draft.sheet.fill("patient_id", [f"{i // 10 * 10}" for i in ids])
    else:
        samples = [int(i) for i in draft.sheet.cells("sample_id")]
        write_matrix(draft, draft.hospital, [f"{s // 1000 * 1000}" for s in samples])
        draft.file = f"{draft.hospital}-matrix.csv"
    draft.column = draft.by_variant("patient_id", "patient_id", "sample_id")
    draft.say("patient", "sample")
    draft.say("digit", "round", "scientific", "same", "differ", "contradict", "outcome", "match",
              "zero", "duplicat", "twice", "conflict", "unlike", "more than one")  # fmt: skip


def say_identifier(draft: Draft, column: str) -> None:
    """Says that an input tells patients apart."""
    draft.everywhere()
    draft.at(column)
    draft.say("identif", "personal", "date", "birth", "distinct", "unique", "record", "each row",
              "free text", "per patient", "serial")  # fmt: skip


@register("record-number", "an input is the number of the patient's record")
def record_number(draft: Draft) -> None:
    name = draft.by_variant("record_no", "mrn", "fallnr")

    def make(sheet: Sheet, hospital: str) -> list[str]:
        ids = sheet.cells("patient_id")
        low = int(draft.rng.integers(10_000, 700_000))
        step = draft.by_variant(1, 3, 17)  # of a patient, or of a stay
        if draft.variant == 2:
            return [str(low + step * k + int(draft.rng.integers(9))) for k in range(len(ids))]
        return [str(low + step * ids.index(i)) for i in ids]

    draft.add_input(name, make)
    say_identifier(draft, name)


@register("birth-date", "an input is the date of birth")
def birth_date(draft: Draft) -> None:
    name, form = draft.by_variant(("birth_date", "%Y-%m-%d"), ("geb", "%d.%m.%Y"), ("dob", ""))

    def make(sheet: Sheet, hospital: str) -> list[str]:
        born: dict[str, str] = {}
        for patient, age in zip(sheet.cells("patient_id"), sheet.cells("age"), strict=True):
            day = datetime.date(2024 - int(age), 1, 1)
            day += datetime.timedelta(int(draft.rng.integers(365)))
            text = day.strftime(form) if form else str((day - EPOCH).days)
            born.setdefault(patient, text)
        draft.secrets |= set(born.values()) if form else set()
        return [born[patient] for patient in sheet.cells("patient_id")]

    draft.add_input(name, make)
    say_identifier(draft, name)


@register("patient-name", "an input is the patient's name")
def patient_name(draft: Draft) -> None:
    name = draft.by_variant("full_name", "contact", "pat")
    family, given = FAMILY.split(), GIVEN.split()

    def make(sheet: Sheet, hospital: str) -> list[str]:
        named: dict[str, str] = {}
        for patient in sheet.cells("patient_id"):
            last, first = draft.choose(family), draft.choose(given)
            named.setdefault(patient, draft.by_variant(f"{last}, {first}", f"{first} {last}", last))
        draft.secrets |= set(family)
        return [named[patient] for patient in sheet.cells("patient_id")]

    draft.add_input(name, make)
    say_identifier(draft, name)


@register("free-text", "an input is free text")
def free_text(draft: Draft) -> None:
    name = draft.by_variant("remarks", "comment", "nurse_note")
    parts, gaps = draft.by_variant((3, 0.2), (2, 0.5), (1, 0.85))

    def make(sheet: Sheet, hospital: str) -> list[str]:
        texts = []
        for _ in sheet.rows:
            said = "; ".join(draft.choose(REMARKS) for _ in range(parts))
            day = f" ({int(draft.rng.integers(1, 29))}/{int(draft.rng.integers(1, 13))})"
            texts.append("" if draft.rng.random() < gaps else said + day)
        return texts

    draft.add_input(name, make)
    draft.secrets |= {"Dr Meyer", "12 March", "daughter called"}
    draft.everywhere()
    draft.at(name)
    draft.say("text", "distinct", "words", "categor", "unique", "identif", "differ")


@register("mixed-dates", "dates are written in two ways: 03/02/2024 beside 2024-02-03")
def mixed_dates(draft: Draft) -> None:
    first = datetime.date(2024, 1, 2)

    def make(sheet: Sheet, hospital: str) -> list[str]:
        days = draft.rng.integers(0, 300, len(sheet.rows))
        return [(first + datetime.timedelta(int(d))).isoformat() for d in days]

    draft.add_input("sampled_on", make)
    rows = draft.rows_with("sampled_on", draft.share(0.4, 0.05, 0.01))
    for row in rows:
        year, month, day = draft.sheet.get(row, "sampled_on").split("-")
        draft.sheet.put(row, "sampled_on", f"{day}/{month}/{year}")
    draft.at("sampled_on", rows[0])
    draft.say("date", "day", "month", "two ways", "format")
