"""Whether a model's inputs, its order of patients or its calibration have moved since its study.

Later patients are compared with earlier ones, which the model was not trained on either: patients
of the same hospital at the time of the study, or, if there are none, the figures of all hospitals'
test patients that came with the model (then inputs are not tested: hospitals differ).

    inputs        means of each feature, as the model sees it (standardised; shares of categories
                  and of missing values), by Welch's z; those that Holm's method (Scand J Statist
                  1979;6:65) keeps at 0.05
    order         AUC has fallen: z of the difference on the logit scale, one-sided, p < 0.05
    calibration   intercept or slope differs: z of each difference, two-sided, p < 0.025 each

Each of the three has false alarms of 5%. A fall of .1 in AUC is found in 200 later patients with a
power of .9 to .98 from an AUC of .85 on, if it was known from 600 or more; of .8 to .9 from .75 on
(bench/drift.py). It says nothing of a spread that has changed, or of the
cause. Outcomes of two classes; for others inputs alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from swarmhub.data.dataset import Dataset
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, plain
from swarmhub.evaluation.figures import Figure, Z, evaluate_scores
from swarmhub.models.predict import Model

Patients = Mapping[str, Figure]  # figures of patients
LEAST = 20  # rows on each side
ALARM = 0.05  # share of false alarms of each of the three
NAMED = 5  # features in a sentence


@dataclass(frozen=True)
class Drift:
    """One finding: `part` is inputs, order or calibration; `p` the smallest, corrected for the
    number of tests; None if it could not be tested, and the sentence says why."""

    part: str
    has_moved: bool
    p: float | None
    sentence: str


def find_drift(model: Model, later: Dataset, earlier: Dataset | None = None) -> tuple[Drift, ...]:
    """Compare later patients with earlier ones of the same hospital, or with the study's figures.
    Raises BadInput for fewer than LEAST rows."""
    need_rows(later, "later")
    if earlier is not None:
        need_rows(earlier, "earlier")
    is_two = model.exported.response.kind == "binary"
    found = [_compare_inputs(model, later, earlier)] if earlier is not None or is_two else []
    if is_two:
        now = _measure(model, later)
        before = _published(model) if earlier is None else _measure(model, earlier)
        found += compare_figures(before, now)
    return tuple(found)


def compare_figures(before: Patients, now: Patients) -> tuple[Drift, Drift]:
    """Return whether order and calibration have moved; figures by name, with intervals."""
    return _compare_order(before, now), _compare_calibration(before, now)


def need_rows(dataset: Dataset, when: str) -> None:
    """Raise BadInput if there are too few rows for a comparison."""
    if dataset.rows < LEAST:
        raise BadInput(
            f"Expected at least {LEAST} {when} rows to look for drift, got {dataset.rows}; wait "
            "for more patients."
        )


def _measure(model: Model, dataset: Dataset) -> Patients:
    assert dataset.y is not None
    y, threshold = dataset.y.astype(np.int64), model.exported.response.threshold
    return evaluate_scores(y, model.score(dataset), threshold).figures


def _published(model: Model) -> Patients:
    """Return the figures that came with the model, if they have intervals."""
    found = {}
    for measure in model.exported.measures:
        try:
            value, low, high = (float(v) for v in (measure.value, measure.low, measure.high))
        except ValueError:
            continue
        found[measure.name] = Figure(value, low, high, measure.samples)
    return found


def _compare_inputs(model: Model, later: Dataset, earlier: Dataset | None) -> Drift:
    if earlier is None:
        return Drift(
            "inputs", False, None, "Inputs are not tested: give earlier patients of this hospital, "
            "since hospitals differ from the study's mean.",
        )  # fmt: skip
    tests = _test_means(_list_features(model), _features(model, earlier), _features(model, later))
    moved = []
    for k, test in enumerate(tests):
        if test[0] * (len(tests) - k) >= ALARM:
            break
        moved.append(test)
    p = min(1.0, tests[0][0] * len(tests))
    if not moved:
        return Drift("inputs", False, p, f"No input is shown to have moved, of {len(tests)}.")
    listed = ", ".join(f"{plain(n, 60)} ({d:+.2f} SD)" for _, n, d in moved[:NAMED])
    more = f" and {len(moved) - NAMED} more" if len(moved) > NAMED else ""
    sentence = f"{len(moved)} of {len(tests)} inputs have moved: {listed}{more}."
    return Drift("inputs", True, p, sentence)


def _test_means(names: list[str], before: Floats, now: Floats) -> list[tuple[float, str, float]]:
    """Return p, name, and difference in standard deviations of each column that varies or has
    changed, the smallest p first; (n, p), (m, p)."""
    spread = before.var(axis=0, ddof=1) / len(before) + now.var(axis=0, ddof=1) / len(now)
    apart = now.mean(axis=0) - before.mean(axis=0)
    varies = spread > 0
    error = np.sqrt(np.where(varies, spread, 1.0))
    z = np.where(varies, apart / error, np.where(apart == 0, 0.0, np.inf))
    first, second = before.std(axis=0), now.std(axis=0)
    scale = np.where(first > 0, first, np.where(second > 0, second, 1.0))
    used = varies | (apart != 0)
    found = [(_two_sided(float(z[k])), names[k], float(apart[k] / scale[k]))
             for k in np.flatnonzero(used)]  # fmt: skip
    return sorted(found, key=lambda test: test[0]) or [(1.0, names[0], 0.0)]


def _list_features(model: Model) -> list[str]:
    sources = model.design.sources
    columns = sorted({s.column for s in sources})
    return [s.name for s in sources] + [f"{column} is missing" for column in columns]


def _features(model: Model, dataset: Dataset) -> Floats:
    """Return what the model sees (n, p), and which columns are missing, (n, p + columns)."""
    design = model.design
    place = {name: k for k, name in enumerate(dataset.features)}
    missing = []
    for column in sorted({s.column for s in design.sources}):
        if column in dataset.categories:
            codes = np.asarray(dataset.categories[column].codes)
            missing.append(codes < 0)
        elif column in place:
            values = dataset.x[:, [place[column]]]
            dense = values if isinstance(values, np.ndarray) else values.toarray()
            missing.append(np.isnan(dense[:, 0]))
        else:
            missing.append(np.ones(dataset.rows, dtype=bool))
    return np.column_stack([design.matrix(dataset), np.array(missing, dtype=np.float64).T])


def _compare_order(before: Patients, now: Patients) -> Drift:
    pair = _find_pair("auc", before, now)
    if pair is None:
        why = "The order is not tested: no AUC with an interval is known of both times."
        return Drift("order", False, None, why)
    old, new = pair
    error = math.hypot(_error(old, on_logits=True), _error(new, on_logits=True))
    p = 0.5 * math.erfc((_logit(old.value) - _logit(new.value)) / error / math.sqrt(2))
    says = "is worse" if p < ALARM else "is not shown to be worse"
    sentence = f"The order {says}: AUC was {old.value:.3f} and is {new.value:.3f} (p = {p:.2g})."
    return Drift("order", p < ALARM, p, sentence)


def _compare_calibration(before: Patients, now: Patients) -> Drift:
    tests = []
    for name in ("intercept", "slope"):
        pair = _find_pair(name, before, now)
        if pair is not None:
            old, new = (float(figure.value or 0.0) for figure in pair)
            z = (new - old) / math.hypot(*(_error(figure) for figure in pair))
            tests.append((_two_sided(z), f"{name} was {old:.2f} and is {new:.2f}"))
    if not tests:
        why = "Calibration is not tested: no intercept and slope are known of both times."
        return Drift("calibration", False, None, why)
    moved = [said for p, said in tests if p < ALARM / 2]
    says = "has moved" if moved else "is not shown to have moved"
    listed = ", ".join(moved or [said for _, said in tests])
    p = min(1.0, 2 * min(p for p, _ in tests))
    return Drift("calibration", bool(moved), p, f"Calibration {says}: {listed}.")


def _find_pair(name: str, before: Patients, now: Patients) -> tuple[Figure, Figure] | None:
    pair = before.get(name), now.get(name)
    if pair[0] is None or pair[1] is None:
        return None
    is_whole = all(None not in (f.value, f.low, f.high) for f in (pair[0], pair[1]))
    return (pair[0], pair[1]) if is_whole else None


def _error(figure: Figure, on_logits: bool = False) -> float:
    """Return the standard error out of the interval of 95%."""
    low, high = float(figure.low or 0.0), float(figure.high or 0.0)
    if on_logits:
        low, high = _logit(low), _logit(high)
    return max((high - low) / (2 * Z), 1e-12)


def _logit(share: float | None) -> float:
    p = min(max(share or 0.0, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))
