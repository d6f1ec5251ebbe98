"""A model at one hospital's test patients: figures that it publishes under its name, and counts
that are added over hospitals."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.evaluation.counts import make_subgroup_counts
from swarmhub.recipes.kinds.kind import Followed, Tested, kind_of
from swarmhub.recipes.plan import EVALUATION, get_model
from swarmhub.recipes.registry import find_recipe
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.survival.times import observe


def measure_round(site: Site, predicted: Floats | None) -> dict[str, float]:
    """Return the metrics of the merged model on this hospital's test patients, and `samples`."""
    tested = make_tested(site)
    if predicted is None or not len(tested.y):
        return {}
    found = kind_of(site.kind).measure(tested, predicted)
    return found | {"samples": float(len(tested.y))}


def make_tested(site: Site) -> Tested:
    """Return this hospital's test patients, none of them if none are set aside."""
    training, held, design = site.prepared.training, site.prepared.held, site.design
    assert training.y is not None
    y = np.zeros(0) if held is None or held.y is None else held.y
    patients = np.zeros(0, dtype=np.int64) if held is None else held.patient_codes()
    followed = None
    if site.agreed is not None:
        time = np.zeros(0) if held is None else held.time
        assert time is not None
        observed = observe(site.agreed.grid, time, y)
        followed = Followed(site.agreed, observed, site.hazard)
    return Tested(
        site.prepared.schema, y, patients, design.outcome, float(training.y.mean()),
        len(design.class_rows), followed,
    )  # fmt: skip


def measure_final(
    site: Site, predictions: dict[str, Floats]
) -> tuple[dict[str, float], Arrays, dict[str, Any]]:
    """Return the figures that this hospital publishes, its counts, and its own record of all
    models on its test patients: `predictions` of 'swarm', 'local' and 'left-out', none if it has
    no test patients."""
    kind, tested = kind_of(site.kind), make_tested(site)
    counts = make_empty_counts(site)
    if "swarm" not in predictions or not len(tested.y):
        return {}, counts, {}
    record: dict[str, Any] = {}
    for name, scored in predictions.items():
        record[name] = kind.evaluate(tested, scored)
        if any(array.startswith(f"{name}/") for array in counts):
            made = kind.count(tested, scored)
            counts |= {f"{name}/{k}": v for k, v in made.items() if f"{name}/{k}" in counts}
    if "swarm/subgroups" in counts:
        counts["swarm/subgroups"] = count_subgroups(site, predictions["swarm"])
    return kind.publish(tested, record), counts, record


def make_empty_counts(site: Site) -> Arrays:
    """Return the counts of a hospital without test patients: zeros."""
    stage = find_stage(site.swarm.spec, EVALUATION)
    names = {bound.array for bound in stage.bounds} if stage else set()
    made = kind_of(site.kind).count(make_tested(site).take_none(), np.zeros(0))
    scored = find_recipe(get_model(site.swarm.spec)).SCORED
    found = {f"{m}/{k}": a for m in scored for k, a in made.items() if f"{m}/{k}" in names}
    if "swarm/subgroups" in names:
        found["swarm/subgroups"] = np.zeros((len(list_subgroups(site)), 4), dtype=np.int64)
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
    assert held.y is not None
    rows = []
    for column, category in list_subgroups(site):
        words = held.obs.get(column.split("/")[-1]) or held.categories.get(column)
        texts = [] if words is None else words.texts()
        member = np.array([t == category for t in texts], dtype=bool)
        rows.append(member if len(member) else np.zeros(held.rows, dtype=bool))
    return make_subgroup_counts(
        held.y, probability, np.array(rows).reshape(-1, held.rows), schema.threshold,
        schema.declaration.min_count,
    )  # fmt: skip
