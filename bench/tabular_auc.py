"""What a swarm gains over sites alone, and how near it comes to pooled training, on open data.

    python bench/tabular_auc.py --data FOLDER [--splits 10] [--rounds 10] [--only heart ...]

An offline simulation of a study over tables: each site's statistics are merged, every site builds
the same design, trains its recipe, and the contributions are averaged by training rows. Each split
holds out 30% within each site and class (whole subjects where they have several rows); all models
are scored on the held-out rows of all sites together.

    local   mean over sites of the recipe run on that site alone (sites with one class have none)
    swarm   the recipe over all sites
    pooled  the same recipe, as many rounds, one site holding all rows

Data sets that FOLDER does not have are skipped; `heart` ships with swarmhub; `ovarian` needs
`pip install survset==0.2.11`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from swarmhub.data import Design, Table, auc, load_heart, split_holdout, statistics_of
from swarmhub.errors import BadInput
from swarmhub.merge import merge_statistics
from swarmhub.recipes import KINDS, make_model
from swarmhub.recipes.tabular import Kind

Sites = dict[str, tuple[Table, list[str]]]  # site -> rows and the subject of each


def read(path: Path) -> list[dict[str, str]]:
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(x: np.ndarray, names: list[str], y: np.ndarray) -> Table:
    return Table({n: x[:, k] for k, n in enumerate(names)}, y.astype(np.int64), len(y))


def numbers(rows: list[dict[str, str]], names: list[str]) -> np.ndarray:
    cells = [[row[n] if row[n] not in ("", "NA") else "nan" for n in names] for row in rows]
    return np.array(cells, dtype=np.float64)


def by_site(x: np.ndarray, names: list[str], y: np.ndarray, site: list, subject: list) -> Sites:
    found: Sites = {}
    for name in sorted(set(site)):
        at = np.array([s == name for s in site])
        chosen = [str(s) for s, here in zip(subject, at, strict=True) if here]
        found[name] = (table(x[at], names, y[at]), chosen)
    return found


def heart(_: Path) -> Sites:
    return {k: (t, [str(i) for i in range(t.rows)]) for k, t in load_heart().items()}


def alzheimer(data: Path) -> Sites:
    """Log2 intensities of the proteins with fewer than 30% missing."""
    rows = read(data / "alzheimer_csf_proteomics" / "ad_csf.csv.gz")
    names = [n for n in rows[0] if not n.startswith("_") and n not in ("site", "label")]
    x = np.log2(numbers(rows, names))
    kept = np.isnan(x).mean(axis=0) < 0.3
    names = [n for n, keep in zip(names, kept, strict=True) if keep]
    y = np.array([int(float(r["label"])) for r in rows])
    return by_site(x[:, kept], names, y, [r["site"] for r in rows], list(range(len(rows))))


def covid(data: Path) -> Sites:
    """ICU against non-ICU, the proteins that both hospitals measured; several samples a patient."""
    folder = data / "covid_olink"
    tables = {s: read(folder / f"{s}.csv.gz") for s in ("breda", "radboud")}
    names = [n for n in tables["breda"][0] if n and n in tables["radboud"][0]]
    found = {}
    for site, patient in (("breda", "patient_nr"), ("radboud", "pat_id")):
        notes = {r[""]: r for r in read(folder / f"annot.{site}.csv.gz")}
        rows = [r for r in tables[site] if notes[r[""]]["condition"] in ("ICU", "non-ICU")]
        y = np.array([notes[r[""]]["condition"] == "ICU" for r in rows])
        subjects = [notes[r[""]][patient] for r in rows]
        found[site] = (table(numbers(rows, names), names, y), subjects)
    return found


def parkinson(data: Path) -> Sites:
    """Logs of the nine acoustic features that all sites have; several recordings a subject."""
    rows = read(data / "parkinson_voice" / "pd_voice4.csv")
    names = ["jit", "rap", "ppq", "shim", "shimdb", "apq3", "apq5", "apq11", "hnr"]
    x = np.log(np.maximum(numbers(rows, names), 1e-3))
    y = np.array([int(float(r["y"])) for r in rows])
    return by_site(x, names, y, [r["site"] for r in rows], [r["subj"] for r in rows])


def ovarian(_: Path) -> Sites:
    """Death within two years; patients lost before that are left out."""
    try:
        from SurvSet.data import SurvLoader
    except ImportError:
        raise FileNotFoundError("survset is not installed") from None
    frame = SurvLoader().load_dataset("dataOvarian1")["df"]
    frame = frame[~((frame.event == 0) & (frame.time < 730))]
    names = [n for n in frame if n.startswith("num_")]
    x, y = frame[names].to_numpy(float), (frame.time < 730).to_numpy()
    return by_site(x, names, y, [str(g) for g in frame.fac_group], list(range(len(frame))))


SETS: dict[str, Callable[[Path], Sites]] = {
    "heart": heart,
    "alzheimer": alzheimer,
    "covid": covid,
    "parkinson": parkinson,
    "ovarian": ovarian,
}


def split(rows: Table, subjects: list[str], seed: int) -> tuple[Table, Table]:
    names = sorted(set(subjects))
    place = {name: k for k, name in enumerate(names)}
    of_row = np.array([place[s] for s in subjects])
    label = np.zeros(len(names), dtype=np.int64)
    assert rows.label is not None
    np.maximum.at(label, of_row, rows.label)
    training, held = split_holdout(len(names), label, seed)
    return rows.take(np.isin(of_row, training)), rows.take(np.isin(of_row, held))


def run(kind: Kind, tables: list[Table], rounds: int, seed: int) -> Callable[[Table], np.ndarray]:
    """A study over these sites; the answer predicts."""
    design = Design.from_statistics(
        merge_statistics({i: statistics_of(t) for i, t in enumerate(tables)})
    )
    model = make_model(kind, design, seed)
    inputs = [design.matrix(t) for t in tables]
    share = np.array([t.rows for t in tables]) / sum(t.rows for t in tables)
    merged = model.initial()
    state: list[dict[str, np.ndarray]] = [{} for _ in tables]
    for _ in range(rounds):
        sent = []
        for i, rows in enumerate(tables):
            assert rows.label is not None
            contribution, state[i] = model.fit(merged, inputs[i], rows.label, state[i])
            sent.append(contribution)
        merged = {k: sum(w * c[k] for w, c in zip(share, sent, strict=True)) for k in merged}
    return lambda rows: model.predict(merged, design.matrix(rows))


def compare(kind: str, sites: Sites, rounds: int, seed: int) -> tuple[float, float, float]:
    """(local, swarm, pooled) AUC of one split."""
    halves = [split(*rows, seed) for rows in sites.values()]
    training, held = [a for a, _ in halves], [b for _, b in halves]

    def score(tables: list[Table]) -> float:
        predict = run(cast(Kind, kind), tables, rounds, seed)
        labels = np.concatenate([t.label for t in held])
        found = auc(labels, np.concatenate([predict(t) for t in held]))
        assert found is not None
        return found

    alone = []
    for rows in training:
        try:
            alone.append(score([rows]))
        except BadInput:
            continue  # one class, or nothing to learn from: this site has no model of its own
    columns = {n: np.concatenate([t.columns[n] for t in training]) for n in training[0].columns}
    labels = np.concatenate([t.label for t in training])
    return float(np.mean(alone)), score(training), score([Table(columns, labels, len(labels))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the open data sets")
    parser.add_argument("--splits", type=int, default=10, help="seeds 0 to SPLITS - 1")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=list(SETS))
    chosen = parser.parse_args()
    print("| data | sites | recipe | local | swarm | pooled | largest gap | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name in chosen.only:
        try:
            sites = SETS[name](chosen.data)
        except FileNotFoundError as missing:
            print(f"{name} skipped: {missing}")
            continue
        for kind in KINDS:
            start = time.perf_counter()
            all_splits = [compare(kind, sites, chosen.rounds, s) for s in range(chosen.splits)]
            local, swarm, pooled = np.mean(all_splits, axis=0)
            gap = max(abs(s - p) for _, s, p in all_splits)
            took = time.perf_counter() - start
            print(
                f"| {name} | {len(sites)} | {kind} | {local:.3f} | {swarm:.3f} | {pooled:.3f} "
                f"| {gap:.3f} | {took:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
