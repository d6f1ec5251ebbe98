"""What learning the penalty inside the swarm brings, and how near it comes to pooled training.

    python bench/penalty.py --data FOLDER [--splits 10] [--rounds 20] [--only heart ...]

Each data set is taken as it is and with the training labels of its middle-sized site inverted (the
smaller one of two). A split holds out 30% of the patients of each class within each site; all
models are scored on the held-out patients of all sites, with their true labels.

    pooled   the recipe with all rows in one place, C chosen by cross-validation
    swarm    grid, choice and training over the sites
    before   C = 0.1, ten rounds of plain consensus ADMM with a fixed coupling
    local    mean over the sites of the recipe at one site (none at a site with one class)
    0.1, cv  scikit-learn with all rows in one place: C = 0.1, and C by cross-validation
    gap      the merged loss with its penalty, relative to the pooled optimum at the same C
    moved    the largest difference of swarm and pooled AUC in any split

Missing values take the mean of the training rows, features are standardised by it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from swarmhub.data.metrics import auc
from swarmhub.recipes.linear import FOLDS, STRENGTHS, Axes, Models, Stack, fit_alone, fit_at
from swarmhub.recipes.linear.offline import Hospital, Rehearsal, class_rows, rehearse

VOICE = ["jit", "rap", "ppq", "shim", "shimdb", "apq3", "apq5", "apq11", "hnr"]
NOT_FEATURES = {"site", "label", "num", "ca", "thal", "slope"}


@dataclass(frozen=True, eq=False)
class Site:
    """Rows of a site: x (n, p) with NaN for missing, y (n,), the patient of each row (n,)."""

    x: np.ndarray
    y: np.ndarray
    patient: np.ndarray

    def take(self, at: np.ndarray) -> Site:
        return Site(self.x[at], self.y[at], self.patient[at])


def read(path: Path) -> list[dict[str, str]]:
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]], names: list[str]) -> np.ndarray:
    cells = [[row[n] if row[n] not in ("", "NA") else "nan" for n in names] for row in rows]
    return np.array(cells, dtype=np.float64)


def by_site(x: np.ndarray, y: np.ndarray, site: list[str], patient: list[str]) -> list[Site]:
    _, codes = np.unique(patient, return_inverse=True)
    whole = Site(x, y.astype(np.int64), codes)
    return [whole.take(np.array([s == name for s in site])) for name in sorted(set(site))]


def heart(data: Path) -> list[Site]:
    rows = read(data / "heart_four_hospitals" / "heart4.csv")
    names = [n for n in rows[0] if n not in NOT_FEATURES]
    y = np.array([float(r["label"]) for r in rows])
    return by_site(
        numbers(rows, names), y, [r["site"] for r in rows], list(map(str, range(len(y))))
    )


def alzheimer(data: Path) -> list[Site]:
    rows = read(data / "alzheimer_csf_proteomics" / "ad_csf.csv.gz")
    names = [n for n in rows[0] if not n.startswith("_") and n not in NOT_FEATURES]
    x = np.log2(numbers(rows, names))
    y = np.array([float(r["label"]) for r in rows])
    kept = np.isnan(x).mean(axis=0) < 0.3
    return by_site(x[:, kept], y, [r["site"] for r in rows], list(map(str, range(len(y)))))


def covid(data: Path) -> list[Site]:
    folder = data / "covid_olink"
    tables = {s: read(folder / f"{s}.csv.gz") for s in ("breda", "radboud")}
    names = [n for n in tables["breda"][0] if n and n in tables["radboud"][0]]
    found = []
    for site, patient in (("breda", "patient_nr"), ("radboud", "pat_id")):
        notes = {r[""]: r for r in read(folder / f"annot.{site}.csv.gz")}
        rows = [r for r in tables[site] if notes[r[""]]["condition"] in ("ICU", "non-ICU")]
        y = np.array([notes[r[""]]["condition"] == "ICU" for r in rows])
        people = [notes[r[""]][patient] for r in rows]
        found += by_site(numbers(rows, names), y, [site] * len(rows), people)
    return found


def parkinson(data: Path) -> list[Site]:
    rows = read(data / "parkinson_voice" / "pd_voice4.csv")
    x = np.log(np.maximum(numbers(rows, VOICE), 1e-3))
    y = np.array([float(r["y"]) for r in rows])
    return by_site(x, y, [r["site"] for r in rows], [r["subj"] for r in rows])


SETS: dict[str, Callable[[Path], list[Site]]] = {
    "heart": heart,
    "parkinson": parkinson,
    "covid": covid,
    "alzheimer": alzheimer,
}


def spread(site: Site, parts: int, rng: np.random.Generator) -> np.ndarray:
    """The part of each row (n,), 0 to parts - 1: patients are spread evenly, class by class."""
    people, of_row = np.unique(site.patient, return_inverse=True)
    ill = np.zeros(len(people), dtype=np.int64)
    np.maximum.at(ill, of_row, site.y)
    part, first = np.zeros(len(people), dtype=np.int64), int(rng.integers(parts))
    for value in (0, 1):
        of_class = rng.permutation(np.flatnonzero(ill == value))
        part[of_class] = (first + np.arange(len(of_class))) % parts
        first += len(of_class)
    return part[of_row]


@dataclass(frozen=True, eq=False)
class Split:
    """Standardised training rows of each hospital, and the held-out rows of all."""

    hospitals: list[Hospital]
    x: np.ndarray
    y: np.ndarray

    def auc(self, point: np.ndarray) -> float:
        found = auc(self.y, self.x @ point[:-1] + point[-1])
        assert found is not None
        return found


def split(sites: list[Site], seed: int, inverts: bool) -> Split:
    rng = np.random.default_rng(seed)
    held = [spread(site, 10, rng) < 3 for site in sites]
    training = [site.take(~at) for site, at in zip(sites, held, strict=True)]
    test = [site.take(at) for site, at in zip(sites, held, strict=True)]
    everything = np.concatenate([site.x for site in training])
    mean, sd = np.nanmean(everything, axis=0), np.nanstd(everything, axis=0)
    sd[sd == 0.0] = 1.0
    order = np.argsort([len(site.y) for site in training])
    wrong = order[(len(order) - 1) // 2] if inverts else -1

    def scale(x: np.ndarray) -> np.ndarray:
        return np.clip(np.nan_to_num((x - mean) / sd), -10.0, 10.0)

    hospitals = [
        Hospital(scale(s.x), 1 - s.y if i == wrong else s.y, spread(s, FOLDS, rng))
        for i, s in enumerate(training)
    ]
    return Split(
        hospitals,
        scale(np.concatenate([s.x for s in test])),
        np.concatenate([s.y for s in test]),
    )


def pool(hospitals: list[Hospital]) -> Hospital:
    parts = [(h.x, h.y, h.fold) for h in hospitals]
    return Hospital(*(np.concatenate(a) for a in zip(*parts, strict=True)))


def train_before(hospitals: list[Hospital], strength: float = 0.1, rounds: int = 10) -> np.ndarray:
    """Plain consensus ADMM with a fixed coupling, as it was: w + u is merged, and the intercept is
    bound as strongly as the features (the scale of its column undoes Stack.metric)."""
    models, features = Models.of([strength], class_rows(hospitals)), hospitals[0].x.shape[1]
    scale = np.sqrt(Stack.of(models, Axes.of(hospitals[0].x), hospitals[0].y).metric[-1])
    stacks = [Stack.of(models, Axes.of(h.x, np.full((len(h.y), 1), scale)), h.y) for h in hospitals]
    coupling = np.array([0.1 * np.sqrt(max(1.0, features / 100.0))])
    rows = sum(s.rows[0] for s in stacks)
    z = np.zeros((1, features + 1))
    multipliers = [z for _ in stacks]
    for _ in range(rounds):
        sent = [s.proximal(coupling, z - u) + u for s, u in zip(stacks, multipliers, strict=True)]
        z = sum(s.rows[0] / rows * c for s, c in zip(stacks, sent, strict=True))
        multipliers = [c - z for c in sent]
    return np.append(z[0, :-1], scale * z[0, -1])


def loss_gap(whole: Hospital, point: np.ndarray, strength: float) -> float:
    """The loss with its penalty at a point, relative to the optimum, less 1."""
    axes = Axes.of(whole.x)
    stack = Stack.of(Models.of([strength], class_rows([whole])), axes, whole.y)

    def objective(v: np.ndarray) -> float:
        return stack.losses(v[None])[0] + 0.5 * stack.models.penalty[0] * (v[:-1] ** 2).sum()

    return objective(point) / objective(fit_at(axes, whole.y, strength)) - 1.0


def central(whole: Hospital) -> list[np.ndarray]:
    """Scikit-learn with all rows in one place: C = 0.1, and C by cross-validated log loss."""
    losses = []
    for strength in STRENGTHS:
        scores = np.zeros(len(whole.y))
        for fold in range(FOLDS):
            held = whole.fold == fold
            point = fit_sklearn(whole.x[~held], whole.y[~held], strength)
            scores[held] = whole.x[held] @ point[:-1] + point[-1]
        losses.append(np.logaddexp(0.0, (1 - 2 * whole.y) * scores).mean())
    chosen = STRENGTHS[int(np.argmin(losses))]
    return [fit_sklearn(whole.x, whole.y, strength) for strength in (0.1, chosen)]


def fit_sklearn(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000).fit(x, y)
    return np.append(model.coef_[0], model.intercept_)


def compare(sites: list[Site], seed: int, inverts: bool, how: Rehearsal) -> dict[str, float]:
    """The figures of one split."""
    data = split(sites, seed, inverts)
    whole = pool(data.hospitals)
    alone = [h for h in data.hospitals if 0 < h.y.sum() < len(h.y)]
    start = time.process_time()
    swarm = rehearse(data.hospitals, how)
    seconds = time.process_time() - start
    merged = np.append(swarm.parameters["weight"], swarm.parameters["bias"])
    before = train_before(data.hospitals)
    strength, pooled = fit_alone(whole.x, whole.y, whole.fold)
    fixed, chosen = central(whole)
    return {
        "pooled": data.auc(pooled),
        "swarm": data.auc(merged),
        "before": data.auc(before),
        "local": float(np.mean([data.auc(fit_alone(h.x, h.y, h.fold)[1]) for h in alone])),
        "fixed": data.auc(fixed),
        "cv": data.auc(chosen),
        "gap": loss_gap(whole, merged, swarm.start.strength),
        "gap_before": loss_gap(whole, before, 0.1),
        "same": float(strength == swarm.start.strength),
        "strength": float(np.log10(swarm.start.strength)),
        "grid_rounds": swarm.grid_rounds,
        "rounds": swarm.rounds,
        "seconds": seconds / (swarm.grid_rounds + swarm.rounds) / len(data.hospitals),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the open data sets")
    parser.add_argument("--splits", type=int, default=10, help="seeds 0 to SPLITS - 1")
    parser.add_argument("--rounds", type=int, default=20, help="of training, at most")
    parser.add_argument("--grid-rounds", type=int, default=8, help="of the grid, at most")
    parser.add_argument("--still", type=int, default=1000, help="millionths that end training")
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=list(SETS))
    chosen = parser.parse_args()
    how = Rehearsal(grid_rounds=chosen.grid_rounds, rounds=chosen.rounds, still=chosen.still)
    print("| data | pooled | swarm | moved | before | local | 0.1 | cv | gap | gap before "
          "| C | as pooled | rounds | ms per round |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in chosen.only:
        sites = SETS[name](chosen.data)
        for inverts in (False, True):
            found = [compare(sites, seed, inverts, how) for seed in range(chosen.splits)]
            mean = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
            moved = max(abs(f["swarm"] - f["pooled"]) for f in found)
            print(
                f"| {name}{', inverted' if inverts else ''} | {mean['pooled']:.3f} "
                f"| {mean['swarm']:.3f} | {moved:.3f} | {mean['before']:.3f} | {mean['local']:.3f} "
                f"| {mean['fixed']:.3f} | {mean['cv']:.3f} | {mean['gap']:.4%} "
                f"| {mean['gap_before']:.1%} | {10 ** mean['strength']:.3f} | {mean['same']:.0%} "
                f"| {mean['grid_rounds']:.1f} + {mean['rounds']:.1f} "
                f"| {1000 * mean['seconds']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
