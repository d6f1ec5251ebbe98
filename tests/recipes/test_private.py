"""`fedavg` with differential privacy: the clipped step, what a patient changes, and its terms."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from data_tools import dataset, write
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub.contract.records import Declaration, Outcome, Privacy, Spec
from swarmhub.contract.records.declaration import Levels, Scale
from swarmhub.contract.records.privacy import DifferentialPrivacy
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.data.split import hold_out_each
from swarmhub.errors import BadInput
from swarmhub.merge.vectors import Buffer
from swarmhub.params import buffer_of
from swarmhub.privacy import NoiseTerms
from swarmhub.privacy.noising import measure_slack
from swarmhub.recipes import fedavg, plan
from swarmhub.recipes.designing import make_declared_design
from swarmhub.recipes.linear import clipped
from swarmhub.recipes.linear.clipped import Rows, Step, sum_clipped, take_step
from swarmhub.recipes.linear.losses import loss_of
from swarmhub.recipes.preparing import Prepared, Sources, prepare
from swarmhub.recipes.private import PrivateTraining, refuse_wide
from swarmhub.recipes.site import Site
from swarmhub.recipes.trainer import make_private_site
from swarmhub.recipes.words import find_words
from swarmhub.train.bounded import Bound
from swarmhub.train.training import SwarmRound

pytestmark = pytest.mark.unit

LOSSES = {"binary": loss_of("binary"), "classes": loss_of("classes", 3),
          "continuous": loss_of("continuous")}  # fmt: skip
DP = DifferentialPrivacy(5_000_000, 10_000_000, 4_000_000, 2_820_000, 10)
OUTCOMES = {
    "binary": Outcome("y", positive=("1",), negative=("0",)),
    "classes": Outcome("y", "classes", classes=("0", "1", "2")),
    "continuous": Outcome("y", "continuous"),
    "time_to_event": Outcome("y", "time_to_event", positive=("1",), time="t"),
}
SCALES = (Scale(("a", "b"), "1", "2"),)


def terms(kind="binary", dp=DP, **options):
    scales = (*SCALES, Scale(("y",), "0", "1")) if kind == "continuous" else SCALES
    data = Declaration(OUTCOMES[kind], scales=scales, levels=(Levels("w", ("u", "v")),))
    return Spec("x", title="X", data=data, options=options, privacy=Privacy(dp=dp))


def draw(kind, rng, n=40, p=3, patients=15):
    e = LOSSES[kind].outputs
    y = rng.normal(size=n) if kind == "continuous" else rng.integers(0, max(2, e), n).astype(float)
    point = rng.normal(size=(e, p + 1))
    return rng.normal(size=(n, p)), y, rng.integers(0, patients, n), point


def add_one_by_one(x, y, codes, kind, point, bound):
    """The sum of clipped gradients by central differences of each patient's loss."""
    total, h = np.zeros_like(point), 1e-6
    for patient in np.unique(codes):
        mine, gradient = codes == patient, np.zeros_like(point)

        def loss_at(w, mine=mine):
            wide = np.column_stack([x[mine], np.ones(mine.sum())])
            return LOSSES[kind].each(y[mine], (w @ wide.T)[None]).sum()

        for at in np.ndindex(point.shape):
            step = np.zeros_like(point)
            step[at] = h
            gradient[at] = (loss_at(point + step) - loss_at(point - step)) / (2 * h)
        total += gradient * min(1.0, bound / np.linalg.norm(gradient))
    return total


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("at_once", [1, 40, 1 << 22])
def test_the_clipped_sum_is_that_of_single_patients(kind, at_once, monkeypatch):
    monkeypatch.setattr(clipped, "AT_ONCE", at_once)
    x, y, codes, point = draw(kind, np.random.default_rng(1))
    found = sum_clipped(Rows.of(x, y, codes), LOSSES[kind], point, 1.3)
    expected = add_one_by_one(x, y, codes, kind, point, 1.3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(
    seed=st.integers(0, 2**32), kind=st.sampled_from(sorted(LOSSES)),
    size=st.sampled_from([0.01, 1.0, 100.0]), rate=st.sampled_from([0.1, 2.0]),
    samples=st.sampled_from([40, 5_000]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_patient_changes_the_step_by_the_clip_at_most(seed, kind, size, rate, samples):
    """As the node sees it: float32 contributions, less the merged model, times the weight; with
    the slack for rounding that the node reckons with."""
    x, y, codes, point = draw(kind, np.random.default_rng(seed))
    point, kept = (size * point).astype(np.float32).astype(float), codes != codes[0]
    step = Step(rate, 0.01, Bound(1.5, samples))
    sent = [
        take_step(Rows.of(10 * x[k], y[k], codes[k]), LOSSES[kind], point, step).astype(np.float32)
        for k in (np.ones(len(y), bool), kept)
    ]
    layout, base = buffer_of({"w": point.astype(np.float32)})
    slack = measure_slack(layout, Buffer(base), NoiseTerms(1_500_000, 1), samples, 0.0)
    assert samples * np.linalg.norm(sent[0].astype(float) - sent[1]) <= 1.5 + slack


def test_one_far_patient_changes_the_step_by_nearly_the_clip():
    x, y, codes, point = draw("binary", np.random.default_rng(2))
    step = Step(2.0, 0.01, Bound(1.5, 40))
    here = Rows.of(np.vstack([x, [[900, 0, 0]]]), np.append(y, 1.0), np.append(codes, 99))
    point[:] = [[-1, 0, 0, 0]]
    sent = [take_step(rows, LOSSES["binary"], point, step) for rows in (here, Rows.of(x, y, codes))]
    assert 40 * np.linalg.norm(sent[0] - sent[1]) == pytest.approx(1.5, rel=1e-4)


def test_who_is_set_aside_depends_on_nobody_else():
    rng = np.random.default_rng(3)
    every = dataset(rng.integers(0, 2, 400), x=rng.normal(size=400), w=list("ab" * 200))
    held = hold_out_each(every, 1, 0.3)
    at = rng.permutation(400)[:250]
    np.testing.assert_array_equal(hold_out_each(every.take(at), 1, 0.3), held[at])
    assert 0.2 < held.mean() < 0.4
    assert (hold_out_each(every, 2, 0.3) != held).any()


# a hospital


def site_of(spec, rows, patients=None, samples=100):
    rng = np.random.default_rng(4)
    given = dataset(
        rng.integers(0, 2, rows), patients, a=rng.normal(1, 2, rows), b=rng.normal(1, 2, rows),
        w=list(rng.choice(["u", "v"], rows)),
    )  # fmt: skip
    schema = Schema.of(spec.data)
    swarm = SimpleNamespace(spec=spec, samples=samples)
    prepared = Prepared(schema, given, None, b"")
    design = make_declared_design(schema)
    return Site(swarm, prepared, design, lambda sentence: None, Findings())


def test_the_step_has_no_class_weights_and_no_number_of_rows():
    site = site_of(plan.complete(terms()), 30)
    training = PrivateTraining(site, 2.0, 0.1)
    turn = SwarmRound(1, 10, "")
    training.fit(turn)
    wide = np.column_stack([site.x, np.ones(30)])
    gradients = (0.5 - site.y)[:, None] * wide
    norms = np.linalg.norm(gradients, axis=1)
    total = (gradients * np.minimum(1, 2.0 / norms)[:, None]).sum(axis=0)
    found = [*training.parameters["weight"], *training.parameters["bias"]]
    np.testing.assert_allclose(found, -2.0 * total / 100, rtol=1e-3, atol=1e-5)
    assert turn._samples == 100
    assert turn._own == turn.metrics == {}


@pytest.mark.parametrize(("unit", "patients"), [("patient", 10), ("record", 30)])
def test_rows_of_a_patient_are_added_before_the_clip(unit, patients):
    spec = plan.complete(terms(dp=replace(DP, unit=unit)))
    site = site_of(spec, 30, patients=[k % 10 for k in range(30)])
    assert len(PrivateTraining(site, 2.0, 0.1).rows.starts) == patients


def test_more_features_than_patients_need_the_hospital_s_word():
    site = site_of(plan.complete(terms()), 3)
    given = site.swarm.spec, site.design, site.prepared
    with pytest.raises(BadInput, match=r"4 features, and this hospital 3 patients.*\.83 in place"):
        refuse_wide(*given, accepts_loss=False)
    refuse_wide(*given, accepts_loss=True)
    enough = site_of(site.swarm.spec, 4)
    refuse_wide(enough.swarm.spec, enough.design, enough.prepared, accepts_loss=False)


class AloneSwarm:
    """A session of one hospital: its contributions are the merged model, and nothing is asked of it
    but training rounds (no statistics, sums or metrics)."""

    def __init__(self, spec, home, samples=400):
        self.spec, self.home, self.samples, self.study = spec, home, samples, spec.name
        self.final, self.stage, self.turns = "", "", []

    def rounds(self, parameters):
        for number in range(1, self.spec.stages[-1].max_rounds + 1):
            self.turns.append(SwarmRound(number, 10, ""))
            yield self.turns[-1]
        self.final = "f" * 64


def write_patients(tmp_path, *more):
    """A file of 400 patients, with further columns of one value each."""
    rng = np.random.default_rng(5)
    rows = [",".join(["y", "a", "b", "w", *more])]
    for _ in range(400):
        a, b = rng.normal(1, 2, 2)
        y = int(a + rng.normal() > 1)
        rows.append(
            ",".join([f"{y},{a:.3f},{b:.3f},{rng.choice(['u', 'v'])}", *["5.5"] * len(more)])
        )
    return Sources(Files((write(tmp_path, "\n".join(rows)),)))


def test_a_hospital_trains_and_measures_at_home(tmp_path):
    spec, said = plan.complete(terms()), []
    swarm = AloneSwarm(spec, tmp_path)
    sources = write_patients(tmp_path)
    prepared = prepare(spec, sources, Findings())
    site = make_private_site(swarm, prepared, sources, Findings(), said.append)
    fedavg.run(site)
    assert [t._samples for t in swarm.turns] == [400] * 10
    assert all(t._own == t.metrics == t.local == {} for t in swarm.turns)
    kept = json.loads((tmp_path / "local" / "x" / "record.json").read_bytes())
    assert kept["evaluation"]["swarm"]["figures"]["auc"]["value"] > 0.85
    assert kept["evaluation"].keys() == {"swarm", "local"}
    assert "for its own report" in said[-1]


def test_a_column_beside_the_declared_ones_is_refused(tmp_path):
    spec = plan.complete(terms())
    sources = write_patients(tmp_path, "bmi")
    prepared = prepare(spec, sources, Findings())
    swarm = AloneSwarm(spec, tmp_path)
    with pytest.raises(BadInput, match="take the columns 'bmi', but say neither scale nor levels"):
        make_private_site(swarm, prepared, sources, Findings(), print)


# terms


@pytest.mark.parametrize("kind", LOSSES)
def test_nothing_but_the_start_and_training_is_a_stage(kind):
    made = plan.complete(terms(kind))
    assert [(s.name, s.max_rounds) for s in made.stages] == [("initial", 1), ("training", 10)]
    assert made.stages[1].until is None
    assert plan.get_model(made) == "fedavg"
    assert plan.complete(replace(terms(kind), rounds=7)).stages[1].max_rounds == 7
    assert "noise" in find_words(made)["training"].does


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": "logistic"}, "the model fedavg in a study with privacy.dp, got 'logistic'"),
        ({"model": "deep"}, "the model fedavg in a study with privacy.dp, got 'deep'"),
        ({"steps": "1"}, "Expected no options.steps in a study with privacy.dp"),
        ({"standardise": "own"}, 'options.standardise to be "pooled"'),
        ({"penalty": "0.0001"}, "a smaller options.rate than 2, or a larger options.penalty"),
    ],
)
def test_an_option_that_privacy_excludes_is_refused(options, expected):
    with pytest.raises(BadInput, match=expected):
        plan.complete(terms(**options))


def test_times_to_an_event_have_no_private_model_yet():
    with pytest.raises(BadInput, match=r"Expected no privacy.dp for the outcome 'time_to_event'"):
        plan.complete(terms("time_to_event"))


def test_scales_without_privacy_are_refused():
    with pytest.raises(BadInput, match=r"data.scales and data.levels in a study with privacy.dp"):
        plan.complete(terms(dp=None))
