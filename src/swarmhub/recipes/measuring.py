"""A model at one hospital's test patients: figures that it publishes under its name, and counts
that are added over hospitals."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.data.metrics import auc, log_loss
from swarmhub.evaluation.counts import make_counts, make_subgroup_counts
from swarmhub.evaluation.figures import Evaluation, evaluate_scores
from swarmhub.recipes.linear.alone import fit_alone
from swarmhub.recipes.linear.losses import sigmoid
from swarmhub.recipes.plan import EVALUATION, SCORED
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.stages import read_left_out

FEW = 20  # test patients; a hospital with fewer gives counts at the threshold only
PUBLISHED = (
    "auc", "auprc", "accuracy", "recall", "specificity", "brier", "intercept", "slope", "ece",
)  # fmt: skip


def measure_round(site: Site, probability: Floats | None) -> dict[str, float]:
    """Return {"auc", "loss", "samples"} of the merged model on this hospital's test patients; no
    AUC of fewer than FEW patients or of one class."""
    if probability is None or site.test_y is None or not len(site.test_y):
        return {}
    found = {"loss": log_loss(site.test_y, probability), "samples": float(len(site.test_y))}
    area = auc(site.test_y, probability)
    if area is not None and count_patients(site) >= FEW:
        found["auc"] = area
    return found


def count_patients(site: Site) -> int:
    """Return the number of test patients."""
    return 0 if site.test_patients is None else len(np.unique(site.test_patients))


def measure_final(site: Site, probability: Floats | None) -> tuple[dict[str, float], Arrays, Any]:
    """Return the figures that this hospital publishes, its counts, and its own record of all
    models on its test patients."""
    schema = site.prepared.schema
    counts = make_empty_counts(site)
    if probability is None or site.test_y is None or not len(site.test_y):
        return {}, counts, {}
    record: dict[str, Any] = {}
    scores = {"swarm": probability, "left-out": score(read_left_out(site), site.test_x)}
    scores["local"] = score(fit_local(site), site.test_x)
    for name, scored in scores.items():
        if scored is None:
            continue
        record[name] = evaluate_scores(site.test_y, scored, schema.threshold)
        if f"{name}/threshold" in counts:
            made = make_counts(
                site.test_y, scored, schema.threshold, site.test_patients,
                schema.declaration.min_count, FEW,
            )  # fmt: skip
            counts |= {f"{name}/{key}": array for key, array in made.items()}
    if "swarm/subgroups" in counts:
        counts["swarm/subgroups"] = count_subgroups(site, probability)
    return publish(site, probability, record), counts, record


def make_empty_counts(site: Site) -> Arrays:
    """Return the counts of a hospital without test patients: zeros."""
    stage = find_stage(site.swarm.spec, EVALUATION)
    names = {bound.array for bound in stage.bounds} if stage else set()
    none = np.zeros(0)
    made = make_counts(none, none, 0.5, None, 5, FEW)
    found = {f"{m}/{k}": a for m in SCORED for k, a in made.items() if f"{m}/{k}" in names}
    if "swarm/subgroups" in names:
        found["swarm/subgroups"] = np.zeros((len(list_subgroups(site)), 4), dtype=np.int64)
    return found


def fit_local(site: Site) -> Floats | None:
    """Return the model of this hospital alone, (p + 1,); None if it has one class only."""
    try:
        return fit_alone(site.x, site.y, site.fold)[1]
    except ValueError:
        return None


def score(point: Floats | None, x: Floats | None) -> Floats | None:
    """Return the probabilities of a linear model: (p + 1,), (n, p) -> (n,)."""
    if point is None or x is None:
        return None
    return sigmoid(x @ point[:-1] + point[-1])


def publish(site: Site, scores: Floats, record: dict[str, Evaluation]) -> dict[str, float]:
    """Return the figures that go on the ledger under this hospital's name."""
    assert site.test_y is not None
    found = {"samples": float(len(site.test_y)), "positives": float(site.test_y.sum())}
    if count_patients(site) < FEW:
        return found
    found["loss"] = log_loss(site.test_y, scores)
    for name in PUBLISHED:
        value = record["swarm"].figures[name].value
        if value is not None:
            found[name] = value
    whole = record["swarm"].figures["auc"]
    if whole.low is not None and whole.high is not None:
        found |= {"auc low": whole.low, "auc high": whole.high}
    for model, key in (("local", "local auc"), ("left-out", "left-out auc")):
        area = record[model].figures["auc"].value if model in record else None
        if area is not None:
            found[key] = area
    return found


# subgroups


def list_subgroups(site: Site) -> list[tuple[str, str]]:
    """Return the declared subgroups that the merged statistics know: (column, category)."""
    names = set(site.prepared.schema.declaration.subgroups)
    return [
        (source.column, source.category)
        for source in site.design.sources
        if source.kind == "category" and source.column.split("/")[-1] in names
    ]


def count_subgroups(site: Site, probability: Floats) -> Any:
    """Return counts at the threshold by subgroup, (S, 4), small cells withheld."""
    held, schema = site.prepared.held, site.prepared.schema
    assert held is not None
    assert site.test_y is not None
    rows = []
    for column, category in list_subgroups(site):
        words = held.obs.get(column.split("/")[-1]) or held.categories.get(column)
        texts = [] if words is None else words.texts()
        member = np.array([t == category for t in texts], dtype=bool)
        rows.append(member if len(member) else np.zeros(held.rows, dtype=bool))
    return make_subgroup_counts(
        site.test_y, probability, np.array(rows).reshape(-1, held.rows), schema.threshold,
        schema.declaration.min_count,
    )  # fmt: skip
