"""Clean data of four hospitals that do not exist: clinical numbers, a panel, an outcome in words.

Means, spreads and site effects follow open data: the panel's means (1 to 14), deviations (.4 to
1.3) and shifts between sites (about .3 deviations) are those of the Olink measurements of two
Dutch hospitals. All effects together give an AUC of about .85; no column alone reaches .75.
Everything is a function of the `Setting`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sheets import Sheet

Array = NDArray[Any]
HOSPITALS = ("aldmoor", "birkhall", "corvane", "dunmere")
PROTEINS = [
    "P05231", "P10145", "P01375", "P13500", "P80098", "P02778", "Q07325", "P09341", "P49771",
    "P78556", "P15692", "P14210", "P01579", "P05112", "P22301", "P60568", "Q14116", "P09603",
]  # fmt: skip
GENES = [
    "ENSG00000122025", "ENSG00000181163", "ENSG00000141510", "ENSG00000138413",
    "ENSG00000182054", "ENSG00000119772", "ENSG00000168769", "ENSG00000159216",
    "ENSG00000184937", "ENSG00000157404", "ENSG00000171456", "ENSG00000213281",
    "ENSG00000133703", "ENSG00000245848", "ENSG00000179348", "ENSG00000174059",
]  # fmt: skip
PANELS = {"proteins": PROTEINS, "genes": GENES}
FIRST_WORDS = ("AML", ("control",))
SECOND_WORDS = ("relapse", ("remission", "no relapse"))
SIZES = ((300, 400), (160, 240), (95, 140), (60, 85))  # patients, of the largest hospital first

# column: (decimals, share of cells that are missing)
CLINICAL = {
    "age": (0, 0.0), "weight": (1, 0.03), "height": (0, 0.04), "temperature": (1, 0.05),
    "crp": (1, 0.03), "creatinine": (2, 0.02), "glucose": (0, 0.04), "hb": (1, 0.02),
    "ldh": (0, 0.06), "spo2": (0, 0.07), "base_excess": (1, 0.12),
}  # fmt: skip
CODED = {"sex": 0.0, "smoker": 0.05, "diabetes": 0.02}
PANEL_DECIMALS, PANEL_MISSING = 3, 0.02
IDS = ("patient_id", "sample_id", "visit", "plate")


@dataclass(frozen=True)
class Setting:
    """Everything that the clean data depend on; maps go from a hospital to its own value."""

    seed: int
    panel: str = "proteins"
    positive: str = FIRST_WORDS[0]
    negative: tuple[str, ...] = FIRST_WORDS[1]
    outcome: str = "diagnosis"
    effect: float = 1.0
    sizes: dict[str, int] = field(default_factory=dict)
    prevalence: dict[str, float] = field(default_factory=dict)
    older: dict[str, float] = field(default_factory=dict)  # years
    assay: dict[str, float] = field(default_factory=dict)  # shift of the panel, in deviations


@dataclass
class Study:
    """The hospitals' tables and what the study declares about them."""

    sheets: dict[str, Sheet]
    declaration: dict[str, Any]
    panel: list[str]

    @property
    def inputs(self) -> list[str]:
        """Gives the columns that the study declares as inputs."""
        return list(self.declaration["inputs"])

    @property
    def outcome(self) -> str:
        """Gives the name of the outcome column."""
        return str(self.declaration["outcome"]["column"])


def seeded(seed: int, *words: str) -> np.random.Generator:
    """Makes a generator of its own for a seed and some words."""
    return np.random.default_rng([seed, zlib.crc32("/".join(words).encode())])


def make_study(setting: Setting) -> Study:
    """Draws the four hospitals' tables."""
    rng = seeded(setting.seed, "sizes")
    sizes = [int(rng.integers(low, high + 1)) for low, high in SIZES]
    drawn = dict(zip(rng.permutation(HOSPITALS), sizes, strict=True))
    sheets = {}
    for hospital in HOSPITALS:
        rng = seeded(setting.seed, hospital)
        share = setting.prevalence.get(hospital, rng.uniform(0.35, 0.55))
        patients = setting.sizes.get(hospital, drawn[hospital])
        sheets[hospital] = _make_sheet(hospital, patients, share, setting, rng)
    panel = list(PANELS[setting.panel])
    return Study(sheets, _declare(setting, panel), panel)


def _declare(setting: Setting, panel: list[str]) -> dict[str, Any]:
    return {
        "patient": "patient_id",
        "sample": "sample_id",
        "outcome": {
            "column": setting.outcome,
            "positive": setting.positive,
            "negative": list(setting.negative),
        },
        "exclude": ["visit", "plate"],
        "inputs": [*CODED, *CLINICAL, *panel],
    }


def _make_sheet(
    hospital: str, patients: int, share: float, setting: Setting, rng: np.random.Generator
) -> Sheet:
    """Draws one hospital's rows: a row for each visit, in the order of the laboratory."""
    case = rng.permutation(np.arange(patients) < round(share * patients))
    visits = np.where(rng.random(patients) < 0.15, rng.integers(2, 5, patients), 1)
    of = np.repeat(np.arange(patients), visits)  # the patient of each row
    visit = np.concatenate([np.arange(1, n + 1) for n in visits])
    columns = _draw_people(case, setting, setting.older.get(hospital, 0.0), rng)
    columns = {name: values[of] for name, values in columns.items()}
    columns |= _draw_labs(columns, case[of], setting.effect, rng)
    columns |= _draw_panel(of, case, columns["age"], setting, setting.assay.get(hospital, 0.0), rng)
    empty = "NA" if rng.random() < 0.25 else ""
    more = rng.uniform(0.5, 1.8)  # some hospitals have more gaps
    texts = {
        **_write_ids(hospital, of, visit, rng),
        **{k: _write(k, values, empty, more, rng) for k, values in columns.items()},
    }
    kinds = np.arange(patients) % len(setting.negative)
    words = np.where(case, setting.positive, np.array(setting.negative, object)[kinds])[of]
    texts[setting.outcome] = [str(word) for word in words]
    names = [*IDS, setting.outcome, *CODED, *CLINICAL, *PANELS[setting.panel]]
    order = rng.permutation(len(of))
    return Sheet(names, [[texts[name][k] for name in names] for k in order])


def _write_ids(
    hospital: str, of: Array, visit: Array, rng: np.random.Generator
) -> dict[str, list[str]]:
    numbers = rng.choice(np.arange(10_000, 99_999), of.max() + 1, replace=False)
    ids = [f"{hospital[:2].upper()}-{numbers[k]}" for k in of]
    plates = rng.integers(1, 2 + len(of) // 88, len(of))
    return {
        "patient_id": ids,
        "sample_id": [f"{i}-{v}" for i, v in zip(ids, visit, strict=True)],
        "visit": [str(v) for v in visit],
        "plate": [f"plate {k}" for k in plates],
    }


def _write(
    name: str, values: Array, empty: str, more: float, rng: np.random.Generator
) -> list[str]:
    """Writes a column's cells, some of them missing."""
    decimals, rate = CLINICAL.get(name, (PANEL_DECIMALS, PANEL_MISSING))
    rate = CODED.get(name, rate) * more
    gaps = rng.random(len(values)) < rate
    if values.dtype.kind == "f":
        texts = [f"{x + 0.0:.{decimals}f}" for x in np.round(values, decimals)]
    else:
        texts = [str(x) for x in values]
    return [empty if gap else text for gap, text in zip(gaps, texts, strict=True)]


def _draw_people(
    case: Array, setting: Setting, older: float, rng: np.random.Generator
) -> dict[str, Array]:
    n = len(case)
    man = rng.random(n) < 0.5
    age = np.clip(rng.normal(57 + 3 * setting.effect * case + older, 14), 18, 94).round()
    height = rng.normal(np.where(man, 178.0, 165.0), 6.8)
    index = np.exp(rng.normal(np.log(25.8), 0.16, n))
    habit = rng.choice(["never", "former", "current"], n, p=[0.5, 0.3, 0.2])
    diabetes = rng.random(n) < 0.06 + 0.003 * (age - 18)
    return {
        "sex": np.where(man, "M", "F"),
        "smoker": habit,
        "diabetes": diabetes.astype(int),
        "age": age,
        "height": height,
        "weight": index * (height / 100) ** 2,
    }


def _draw_labs(
    people: dict[str, Array], case: Array, effect: float, rng: np.random.Generator
) -> dict[str, Array]:
    """Draws the laboratory values of each visit; they have the tails that such values have."""
    n, y = len(case), effect * case
    man = people["sex"] == "M"
    kidney = np.where(rng.random(n) < 0.03, rng.uniform(1.6, 4.5, n), 1.0)
    creatinine = np.log(np.where(man, 0.97, 0.80)) + 0.003 * (people["age"] - 57)
    sugar = people["diabetes"] * rng.gamma(2, 28, n)
    burst = np.where(rng.random(n) < 0.10 * case, rng.uniform(1.5, 4, n), 1.0)
    return {
        "weight": people["weight"] * rng.normal(1, 0.012, n),
        "temperature": rng.normal(36.75 + 0.10 * y, 0.42),
        "crp": np.exp(rng.normal(1.9 + 0.40 * y, 1.0)),
        "creatinine": np.exp(rng.normal(creatinine, 0.22)) * kidney,
        "glucose": np.exp(rng.normal(np.log(98), 0.13, n)) + sugar,
        "hb": rng.normal(np.where(man, 14.3, 13.0) - 0.60 * y, 1.5),
        "ldh": np.exp(rng.normal(5.32 + 0.10 * y, 0.34)) * burst,
        "spo2": np.minimum(100.0, rng.normal(96.8, 1.5, n)),
        "base_excess": rng.normal(0.1, 2.3, n),
    }


def _draw_panel(
    of: Array, case: Array, age: Array, setting: Setting, shift: float, rng: np.random.Generator
) -> dict[str, Array]:
    """Draws log2 values: three pathways, returning patients, a shift of the site's assay."""
    names = PANELS[setting.panel]
    fixed = seeded(0, setting.panel)  # the same molecules at every seed
    means, deviations = fixed.uniform(1.2, 14, len(names)), fixed.uniform(0.4, 1.3, len(names))
    signs = np.where(fixed.random(len(names)) < 0.4, -1.0, 1.0)
    effects = np.where(np.arange(len(names)) % 3 == 0, fixed.uniform(0.36, 0.66, len(names)), 0.0)
    pathways = rng.normal(size=(3, len(case)))
    columns = {}
    for j, name in enumerate(names):
        own = 0.5 * pathways[j % 3] + np.sqrt(0.75) * rng.normal(size=len(case))
        own = own + setting.effect * effects[j] * signs[j] * case / 0.8
        seen = 0.8 * own[of] + 0.6 * rng.normal(size=len(of))
        seen = seen + 0.006 * (age - 57) + rng.normal(0, 0.3) + shift
        columns[name] = means[j] + deviations[j] * seen
    return columns
