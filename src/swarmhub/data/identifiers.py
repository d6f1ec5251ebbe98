"""Columns that identify a patient, or have dates of birth or of visits.

They teach a model nothing about the next patient, and a value that returns at every visit is
frequent enough to look like a category. So they are found by name and by content before anything
is counted, left out of the features, and named to the person at the keyboard. A column that is
left out wrongly comes back under another name or another coding.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from swarmhub.data.cells import Cells

MOSTLY = 0.8  # of a column's values: then the column is of that kind
MIN_CODES = 10  # distinct values, from which on numbers in them look like record numbers
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
    r"(^|_)(dob|birth_?da(te|y)|date_of_\w+|geburtsdatum|date|datum|timestamp)(_|$)|_?datetime$"
)
_NAME_OF_PATIENT = re.compile(rf"(^|_)({_WHO}|pid|mrn)(_?({_NUMBERED}))?$|^id$")
_MONTH = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*"
_DATE = re.compile(
    rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T ].*)?|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
    rf"(?:[T ].*)?|\d{{1,2}}[-. /]{{0,2}}{_MONTH}[-. /]{{0,2}}\d{{2,4}}|"
    rf"{_MONTH}[. ]{{0,2}}\d{{1,2}},? +\d{{4}}|(?:19|20)\d\d[01]\d[0-3]\d",
    re.IGNORECASE,
)
_CODE = re.compile(r"\d{3}|@|[0-9a-f]{8}-[0-9a-f]{4}", re.IGNORECASE)

DATES = "it has dates; use an age or a time span instead"
OWN = "rename or recode it if it is a measurement"


def why_identifier(cells: Cells) -> str:
    """Return why a column looks like an identifier or a date, "" if it does not."""
    key = _key(cells.name)
    if _NAME_OF_ID.search(key) or _NAME_OF_PERSON.search(key):
        return f"its name is that of an identifier; {OWN}"
    if cells.is_numeric:
        return _why_number(key, np.array(cells.numbers, dtype=np.float64))
    known = cells.known
    if _are_dates(known):
        return DATES
    return "" if cells.is_spoilt else why_text(known)  # numbers with a slip are refused later


def _why_number(key: str, values: npt.NDArray[np.float64]) -> str:
    values = values[~np.isnan(values)]
    if not len(values) or not _NAME_OF_DATE.search(key) or np.any(np.abs(values) > 1e9):
        return ""
    return DATES if _are_dates([f"{v:.0f}" for v in values]) else ""


def is_counter(values: npt.NDArray[np.float64]) -> bool:
    """Return whether the values of a numeric column count the rows: a useless feature, or, if the
    rows are sorted, one that gives the label away."""
    starts = len(values) >= MIN_RUN and values[1] == values[0] + 1
    return starts and bool(np.all(np.diff(values) == 1))


def _are_dates(values: Sequence[str]) -> bool:
    counts = Counter(values)
    dates = sum(n for value, n in counts.items() if _DATE.fullmatch(value))
    return dates > 0 and dates >= MOSTLY * len(values)


def why_text(values: Sequence[str]) -> str:
    """Return why a column with these texts looks like an identifier or a date, "" if it does
    not."""
    if _are_dates(values):
        return DATES
    counts = Counter(values)
    if len(counts) < MIN_CODES:
        return ""
    if sum(1 for value in counts if _CODE.search(value)) >= MOSTLY * len(counts):
        return f"its values look like record numbers; {OWN}"
    if len(counts) > MOSTLY * len(values):
        return f"its texts are nearly all different; {OWN}"
    if _come_in_blocks(values, len(counts)):
        return (
            "the rows of each of its values follow each other, as a patient's visits do; if it has "
            "categories, sort the table in another way"
        )
    return ""


def _come_in_blocks(values: Sequence[str], distinct: int) -> bool:
    blocks = 1 + sum(1 for a, b in itertools.pairwise(values) if a != b)
    return blocks == distinct and len(values) >= 2 * distinct


def find_patient(identifiers: Iterable[Cells]) -> Cells | None:
    """Return the one column among the identifiers that names patients and has some of them more
    than once; None if there is none or more than one."""
    found = []
    for cells in identifiers:
        known = cells.known
        if _NAME_OF_PATIENT.search(_key(cells.name)) and len(set(known)) < len(known):
            found.append(cells)
    return found[0] if len(found) == 1 else None


def _key(name: str) -> str:
    """Return a normalised name: patientId, Patient-ID and "patient id" are patient_id."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[\W_]+", "_", words).strip("_").lower()
