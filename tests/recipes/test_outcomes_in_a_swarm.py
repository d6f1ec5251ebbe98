"""Studies of every kind of outcome, by real nodes and trainers, from tables to the evaluation."""

import asyncio
import json

import numpy as np
import pytest
from swarm import Network

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.merge.documents import merge_statistics
from swarmhub.models.evaluate import evaluate_files
from swarmhub.models.predict import load_model
from swarmhub.operations.models import Target, export_model
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.gather import gather
from swarmhub.operations.report.page import render
from swarmhub.operations.studies import show_study
from swarmhub.params.buffer import arrays_from
from swarmhub.recipes.contribution import compute_shapley
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.linear.elastic import ElasticNet, iterate, weigh
from swarmhub.recipes.linear.folds import STRENGTHS
from swarmhub.recipes.linear.losses import LOGISTIC
from swarmhub.recipes.plan import complete
from swarmhub.recipes.preparing import Sources, prepare
from swarmhub.recipes.standardise import make_local_design

pytestmark = pytest.mark.process

HOSPITALS = 3
OPTIONS = {
    "continuous": {"penalty": "0.1", "contribution": "yes"},
    "classes": {"penalty": "0.1", "intercept": "own"},
    "time_to_event": {"penalty": "0.1"},
    "binary": {"model": "elastic_net", "standardise": "own"},
}
WEIGHT = np.array([1.2, -0.8, 0.5, 0.0])
OUTCOMES = {
    "continuous": Outcome("age", "continuous", unit="years"),
    "classes": Outcome("type", "classes", classes=("B", "T", "NK")),
    "time_to_event": Outcome("dead", "time_to_event", positive=("1",), time="days", unit="days"),
    "binary": Outcome("ill", positive=("1",)),
}


def write_table(path, kind, seed):
    """A hospital's table of 90 patients, four inputs of which three tell something."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(90, 4)) + 0.3 * seed
    margin, noise = x @ WEIGHT, rng.normal(size=90)
    if kind == "continuous":
        columns = {"age": 50 + 8 * margin + 3 * noise}
    elif kind == "classes":
        turned = x @ WEIGHT[::-1]
        three = np.stack([margin, turned, 0 * margin]) * 2 + rng.gumbel(size=(3, 90))
        columns = {"type": [OUTCOMES[kind].classes[k] for k in three.argmax(axis=0)]}
    elif kind == "binary":
        columns = {"ill": (margin + noise > 0).astype(int)}
    else:
        time, end = rng.exponential(np.exp(-margin)) * 300, rng.uniform(100, 900, size=90)
        columns = {"dead": (time <= end).astype(int), "days": np.ceil(np.minimum(time, end))}
    columns |= {f"marker{k}": x[:, k] for k in range(4)}  # numbers in full: no rounding
    lines = [",".join(columns)]
    lines += [",".join(str(v) for v in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")


def run_study(network, folder, kind):
    """Run a study of this kind to its end."""
    spec = Spec(name="s", min_peers=3, quorum_grace_ms=20_000, leader_timeout_ms=5_000, rounds=12,
                data=Declaration(OUTCOMES[kind]), options=OPTIONS[kind])  # fmt: skip
    for i in range(1, HOSPITALS + 1):
        write_table(folder / f"{i}.csv", kind, i)
        network.up(i)
    network.open_study(complete(spec))
    for i in range(1, HOSPITALS + 1):
        command = ["-m", "swarmhub", "train", "table", "s", "--data", str(folder / f"{i}.csv")]
        network.train(i, command)
    network.wait_until(lambda: network.study("s").status == "finished", 60)


def pool_rows(folder, kind, part="training"):
    """Training (or `held`) rows of all hospitals in the study's features, as their trainers have
    them: x, y (standardised if it is measured), time and hospital."""
    spec = complete(Spec(name="s", data=Declaration(OUTCOMES[kind])))
    sources = [Sources(Files((folder / f"{i}.csv",))) for i in range(1, HOSPITALS + 1)]
    prepared = [prepare(spec, s, Findings()) for s in sources]
    merged = merge_statistics({i: p.statistics for i, p in enumerate(prepared, 1)})
    design = make_design(merged, spec.data, Schema.of(spec.data))
    parts = [getattr(p, part) for p in prepared]
    every = Spec(name="s", options=OPTIONS[kind])
    made = [make_local_design(every, design, p.statistics) for p in prepared]
    x = np.concatenate([d.matrix(p) for d, p in zip(made, parts, strict=True)])
    y = np.concatenate([p.y for p in parts])
    mean, sd = design.outcome
    site = np.concatenate([np.full(p.rows, i) for i, p in enumerate(parts)])
    time = np.concatenate([p.y if p.time is None else p.time for p in parts])
    return x, (y - mean) / sd, time, site


def read_model(network):
    """Arrays of the last model."""
    model, store = network.study("s").current, BlobStore(network.homes[0].blobs_path)
    with store.path(model.digest).open("rb") as file:
        return arrays_from(file, store.layout(model.layout))


def slope_of_cox(weight, x, event, time):
    """Gradient of one hospital's log partial likelihood, with the ties of Efron, row by row."""
    risk, found = np.exp(x @ weight), np.zeros(len(weight))
    for t in np.unique(time[event == 1]):
        rows, tied = time >= t, (time == t) & (event == 1)
        for k in range(tied.sum()):
            share = rows * risk - k / tied.sum() * tied * risk
            found -= share @ x / share.sum()
        found += x[tied].sum(axis=0)
    return found


def fit_alone_at(x, y, strength):
    """Weights of the elastic net of all rows at this C."""
    rows = weigh(x, y, LOGISTIC, np.bincount(y.astype(int))[None], np.ones((1, len(y)), dtype=bool))
    return iterate(ElasticNet(1, x.shape[1], LOGISTIC, 0.5, (strength,)), rows, 25)["at"][0, :-1]


def check_model(kind, model, x, y, time, site):
    """Compare a model with one of all rows in one place; C is 0.1."""
    if kind == "continuous":
        linear = pytest.importorskip("sklearn.linear_model")
        other = linear.Ridge(alpha=10.0).fit(x, y)
        np.testing.assert_allclose(model["weight"], other.coef_, atol=2e-3)
    elif kind == "classes":
        linear = pytest.importorskip("sklearn.linear_model")
        other = linear.LogisticRegression(
            C=0.1, class_weight="balanced", fit_intercept=False, tol=1e-8, max_iter=5000
        ).fit(np.column_stack([x, 1e3 * np.eye(HOSPITALS)[site]]), y)
        np.testing.assert_allclose(model["weight"], other.coef_[:, :4], atol=1e-2)
    elif kind == "binary":
        fits = [fit_alone_at(x, y, strength) for strength in STRENGTHS]
        assert min(np.abs(model["weight"] - fit).max() for fit in fits) < 1e-6
    else:
        rounded = np.searchsorted(model["times"], np.minimum(time, model["times"][-1]))
        event = y * (time <= model["times"][-1])
        slope = -10.0 * model["weight"]
        for i in range(HOSPITALS):
            here = site == i
            slope += slope_of_cox(model["weight"], x[here], event[here], rounded[here])
        assert np.abs(slope).max() < 1e-4
        assert model["hazard"].shape == model["times"].shape == model["survival"].shape


def check_export(home, folder, kind, arrays):
    """Compare the exported folder's predictions with the formulas, and evaluate it on a table."""
    made = asyncio.run(export_model(home, "s", Target(folder / "model")))
    assert (made.kind, made.features) == (kind, 4)
    model, table = load_model(folder / "model"), folder / "2.csv"
    scores = model.predict(table)
    margin = model.design.matrix(model.read(table).dataset) @ arrays["weight"].T
    if kind == "continuous":
        mean, sd = model.design.outcome
        np.testing.assert_allclose(scores.values, mean + sd * (margin + arrays["bias"]))
    elif kind == "classes":
        card = (folder / "model" / "README.md").read_text()
        assert "The intercept is that of Hospital 1;" in card
        own = json.loads((home.root / "local" / "s" / "intercept.json").read_text())
        assert np.abs(own - arrays["bias"]).max() > 0.01
        share = np.exp(margin + own)
        np.testing.assert_allclose(scores.probabilities, share / share.sum(axis=1)[:, None])
    elif kind == "binary":
        np.testing.assert_allclose(scores.probability, 1 / (1 + np.exp(-margin - arrays["bias"])))
        mine = prepare(complete(Spec(name="s", data=Declaration(OUTCOMES[kind]))),
                       Sources(Files((folder / "1.csv",))), Findings()).training  # fmt: skip
        np.testing.assert_allclose(model.design.mean, mine.x.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(model.design.sd, mine.x.std(axis=0), atol=1e-12)
        assert scores.notes[0].startswith("Numbers are standardised with mean and standard dev")
    else:
        alive = np.exp(-np.exp(margin)[:, None] * arrays["hazard"])
        np.testing.assert_allclose(scores.survival(), alive, atol=1e-12)
        place = np.flatnonzero(scores.times <= scores.horizon)[-1]
        np.testing.assert_allclose(scores.risk, 1 - alive[:, place], atol=1e-12)
    found = evaluate_files(model, table)
    assert kind == "binary" or found.to_json()["rows"] == 90
    name = {"continuous": "r2", "classes": "accuracy"}.get(
        kind, "auc" if kind == "binary" else "c_index"
    )
    assert found.evaluation.figures[name].value > 0.6


def check_contributions(report, folder):
    """Compare Shapley values with those of ridge regressions over each coalition's rows."""
    linear = pytest.importorskip("sklearn.linear_model")
    x, y, _, site = pool_rows(folder, "continuous")
    held_x, held_y, *_ = pool_rows(folder, "continuous", "held")
    values = []
    for number in range(1, 2**HOSPITALS):
        here = np.isin(site, [i for i in range(HOSPITALS) if number >> i & 1])
        error = held_y - linear.Ridge(alpha=10.0).fit(x[here], y[here]).predict(held_x)
        values.append(1 - (error**2).sum() / (held_y**2).sum())
    found = [c.value for c in report.contributions]
    np.testing.assert_allclose(found, compute_shapley(np.array(values)), atol=1e-3)
    assert report.whole == pytest.approx(sum(found))


METRIC = {"continuous": "mae", "classes": "macro_f1", "time_to_event": "c_index", "binary": "auc"}
METRICS = {
    "binary": {
        "positives", "auc", "auprc", "loss", "accuracy", "recall", "specificity", "brier",
        "intercept", "slope", "ece", "auc low", "auc high", "local auc", "left-out auc",
    },
    "continuous": {"loss", "mae", "rmse", "r2", "baseline mae", "local mae", "left-out mae"},
    "classes": {"loss", "accuracy", "macro_f1", "local accuracy", "left-out accuracy"},
    "time_to_event": {
        "events", "c_index", "c_index low", "c_index high", "brier", "integrated_brier", "skill",
        "observed/expected", "local c_index", "left-out c_index",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", OUTCOMES)
def test_a_study_runs_from_tables_to_its_evaluation(tmp_path, kind):
    with Network(tmp_path, HOSPITALS) as network:
        run_study(network, tmp_path, kind)
        model = read_model(network)
    check_model(kind, model, *pool_rows(tmp_path, kind))
    shown = asyncio.run(show_study(network.homes[0], "s", 0))
    assert shown.spec.metric.name == METRIC[kind]
    last = [r for r in shown.rounds if r.model.kind == "train"][-1]
    assert len(last.sites) == HOSPITALS
    for site in last.sites:
        assert set(site.merged.metrics) == METRICS[kind]
        assert site.merged.samples in (26, 27, 28)
    check_export(network.homes[0], tmp_path, kind, model)
    if kind == "continuous":
        report = compose(asyncio.run(gather(network.homes[0], "s")))
        check_contributions(report, tmp_path)
        assert "has brought its Shapley value" in render(report)
