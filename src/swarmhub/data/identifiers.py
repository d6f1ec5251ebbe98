"""Columns that identify a patient, or have dates of birth or of visits.

They teach a model nothing about the next patient, and a value that returns at every visit is
frequent enough to look like a category. So they are found by name and by content before anything
is counted, left out of the features, and named to the person at the keyboard. A column that is
left out wrongly comes back under another name or another coding.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import numpy as np

from swarmhub.data.cells import DATE, Cells
from swarmhub.data.frames import Floats, Words

MOSTLY = 0.8  # of a column's values: then the column is of that kind
MIN_CODES = 10  # distinct values, from which on numbers in them look like record numbers
DIGITS = 15  # that a number in memory keeps
SERIALS = (5_000, 60_000)  # days since 1900, as spreadsheets count dates: 1913 to 2064
MIN_RUN = 20  # rows; a shorter run of whole numbers may be chance

_WHO = "patient|pat|subject|person|proband|participant"
_NUMBERED = "id|ids|nr|no|num|number|nummer|code|key|hash"
_NAME_OF_ID = re.compile(
    rf"(^|_)(id|ids|pid|mrn|uid|uuid|guid|ssn|nhs_number|identifier|e_?mail|phone|telephone|"
    rf"address|street|zip|zip_?code|post_?code|iban)(_|$)|(^|_)({_WHO}|case|record|sample)_?({_NUMBERED})(_|$)|"
    rf"(^|_)fall_?(id|nr|nummer)$|^({_WHO})$|^index$|^unnamed(_\d+)?$"
)
_NAME_OF_PERSON = re.compile(
    rf"^name$|^((patient|pat|subject)_?)?(sur|last|first|given|family|full|maiden)_?names?$|"
    rf"^({_WHO})_?name$|^(nach|vor)name$"
)
_NAME_OF_DATE = re.compile(
    r"(^|_)(dob|birth_?da(te|y)|date_of_\w+|geb|geb_?datum|geburtsdatum|date|datum|timestamp)(_|$)|_?datetime$"
)
_NAME_OF_PATIENT = re.compile(rf"(^|_)({_WHO}|pid|mrn)(_?({_NUMBERED}))?$|^id$")
_CODE = re.compile(r"\d{3}|@|[0-9a-f]{8}-[0-9a-f]{4}", re.IGNORECASE)

DATES = "it has dates; use an age or a time span instead"
OWN = "rename or recode it if it is a measurement"


def why_identifier(cells: Cells) -> str:
    """Return why a column of words looks like an identifier or a date, "" if it does not."""
    why = why_named(cells.name)
    if why:
        return why
    if cells.is_numeric:
        if any(len(word.strip("+-")) > DIGITS and word.strip("+-").isdigit() for word in
               cells.words.words):  # fmt: skip
            return f"its whole numbers have more than {DIGITS} digits, as record numbers; {OWN}"
        return why_number(cells.name, cells.measurements())
    words = cells.words
    if _are_dates(words):
        return DATES
    return "" if cells.is_spoilt else why_text(words)  # numbers with a slip are refused later


def why_named(name: str) -> str:
    """Return why a column's name is that of an identifier, "" if it is not."""
    key = normalise_name(name)
    if _NAME_OF_ID.search(key) or _NAME_OF_PERSON.search(key):
        return f"its name is that of an identifier; {OWN}"
    return ""


def why_column(name: str, values: Floats) -> str:
    """Return why a column of numbers looks like an identifier or dates, "" if it does not."""
    return why_named(name) or why_number(name, values)


def why_number(name: str, values: Floats) -> str:
    """Return why a column of numbers looks like dates, "" if it does not."""
    key = normalise_name(name)
    if not _NAME_OF_DATE.search(key):
        return ""
    known = values[~np.isnan(values)]
    if not len(known) or np.any(np.abs(known) > 1e9):
        return ""
    if np.all((known >= SERIALS[0]) & (known <= SERIALS[1]) & (known == np.floor(known))):
        return DATES
    return DATES if _are_dates(Words.of([f"{v:.0f}" for v in known])) else ""


def is_counter(values: Floats) -> bool:
    """Return whether the values of a numeric column count the rows: a useless feature, or, if the
    rows are sorted, one that gives the label away."""
    starts = len(values) >= MIN_RUN and values[1] == values[0] + 1
    return starts and bool(np.all(np.diff(values) == 1))


def _are_dates(words: Words) -> bool:
    counts = words.counts()
    dates = sum(n for word, n in counts.items() if DATE.fullmatch(word))
    return dates > 0 and dates >= MOSTLY * sum(counts.values())


def why_text(words: Words) -> str:
    """Return why a column with these words looks like an identifier or a date, "" if it does
    not."""
    if _are_dates(words):
        return DATES
    counts = words.counts()
    if len(counts) < MIN_CODES:
        return ""
    if sum(1 for word in counts if _CODE.search(word)) >= MOSTLY * len(counts):
        return f"its values look like record numbers; {OWN}"
    if len(counts) > MOSTLY * sum(counts.values()):
        return f"its texts are nearly all different; {OWN}"
    if _come_in_blocks(words, len(counts)):
        return (
            "the rows of each of its values follow each other, as a patient's visits do; if it has "
            "categories, sort the table in another way"
        )
    return ""


def _come_in_blocks(words: Words, distinct: int) -> bool:
    codes = words.codes[words.known]
    blocks = 1 + int(np.count_nonzero(codes[1:] != codes[:-1]))
    return blocks == distinct and len(codes) >= 2 * distinct


def find_patient(identifiers: Iterable[Cells]) -> Cells | None:
    """Return the one column among the identifiers that names patients and has some of them more
    than once; None if there is none or more than one."""
    found = []
    for cells in identifiers:
        counts = cells.words.counts()
        is_repeated = any(n > 1 for n in counts.values())
        if is_patient_name(cells.name) and is_repeated:
            found.append(cells)
    return found[0] if len(found) == 1 else None


def is_patient_name(name: str) -> bool:
    """Return whether a column's name is that of the patients."""
    return bool(_NAME_OF_PATIENT.search(normalise_name(name)))


@functools.lru_cache(maxsize=4096)
def normalise_name(name: str) -> str:
    """Return a normalised name: patientId, Patient-ID and "patient id" are patient_id."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[\W_]+", "_", words).strip("_").lower()
