"""Numbers standardised with a hospital's own mean and standard deviation."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from data_tools import dataset, merged

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.schema import Schema
from swarmhub.data.split import split_patients
from swarmhub.data.summaries import statistics_of
from swarmhub.demo.compare import HeldOut
from swarmhub.demo.sites import Site as DemoSite
from swarmhub.errors import BadInput
from swarmhub.examples.rehearsal import Split, train_swarm
from swarmhub.recipes import plan
from swarmhub.recipes.preparing import Prepared, Sources
from swarmhub.recipes.site import Site
from swarmhub.recipes.standardise import (
    FILE,
    find_kept_design,
    keep_scales,
    make_local_design,
    scales_of,
    with_scales,
)
from swarmhub.recipes.trainer import make_site

SCHEMA = Schema.of(Declaration(Outcome("y", positive=("1",))))
OWN, POOLED = ({"standardise": word} for word in ("own", "pooled"))


def terms(**options):
    return Spec("s", data=SCHEMA.declaration, options=options)


def patients(seed, rows=60, shift=0.0, ones=0.5, **more):
    """A hospital's rows: crp with gaps, weight, words, and columns of `more`."""
    rng = np.random.default_rng(seed)
    y = (np.arange(rows) < ones * rows).astype(int)
    crp = rng.normal(size=rows) + y + shift
    columns = {"crp": np.where(rng.random(rows) < 0.1, np.nan, crp),
               "weight": rng.normal(70, 12, rows),
               "sex": [("F", "M")[k % 2] for k in range(rows)]}  # fmt: skip
    return dataset(y, **(columns | more))


def design_of(*parts):
    return Design.from_statistics(merged(*parts))


def test_the_numbers_of_a_hospital_have_mean_0_and_deviation_1_there():
    here, there = patients(1, shift=3.0), patients(2)
    design = design_of(here, there)
    x = make_local_design(terms(**OWN), design, statistics_of(here)).matrix(here)
    for k, name in enumerate(("crp", "weight")):
        assert design.sources[k].column == name
        raw = here.x[:, here.features.index(name)]
        wanted = np.nan_to_num((raw - np.nanmean(raw)) / np.nanstd(raw))
        np.testing.assert_allclose(x[:, k], wanted, atol=1e-12)
    np.testing.assert_array_equal(x[:, 2:], design.matrix(here)[:, 2:])  # categories


def test_pooled_is_the_default_and_changes_nothing():
    here, there = patients(1, shift=3.0), patients(2)
    design = design_of(here, there)
    for options in ({}, POOLED):
        assert make_local_design(terms(**options), design, statistics_of(here)) is design


@pytest.mark.parametrize(
    "column",
    [
        np.where(np.arange(60) < 4, np.arange(60.0), np.nan),  # values of four patients
        np.full(60, 7.0),
        np.where(np.arange(60) < 3, 1.0, 0.0),  # a code of three patients is withheld
        np.full(60, np.nan),
    ],
)
def test_a_column_that_says_too_little_here_keeps_the_mean_of_all(column):
    rng = np.random.default_rng(0)
    others = [patients(k, lab=rng.normal(size=60)) for k in (2, 3)]
    here = patients(1, lab=column)
    design = design_of(here, *others)
    scales = scales_of(design, statistics_of(here))
    assert sorted(scales) == ["crp", "weight"]
    local = make_local_design(terms(**OWN), design, statistics_of(here))
    k = design.names.index("lab")
    assert (local.mean[k], local.sd[k]) == (design.mean[k], design.sd[k])


def swarm_of(folder, spec):
    return SimpleNamespace(spec=spec, home=folder, study=spec.name)


def site_of(folder, options, here, *others):
    """A hospital's part in a study, its trainer's sentences, and the training rows."""
    spec = terms(**options)
    training, held = split_patients(here, spec.seed, 0.3)
    prepared = Prepared(SCHEMA, training, held, statistics_of(training))
    said = []
    document = merged(training, *others)
    site = make_site(swarm_of(folder, spec), prepared, document, Findings(), said.append)
    return site, said


def test_a_site_has_own_rows_for_training_and_testing_and_a_shared_design(tmp_path):
    here, there = patients(1, 90, shift=3.0), patients(2)
    site, _ = site_of(tmp_path, OWN, here, there)
    assert isinstance(site, Site)
    raw = site.prepared.training.x[:, 0]
    mean, sd = np.nanmean(raw), np.nanstd(raw)
    np.testing.assert_allclose(np.nanmean(site.dense_x[:, 0]), 0, atol=1e-12)
    tested = np.nan_to_num((site.prepared.held.x[:, 0] - mean) / sd)
    np.testing.assert_allclose(site.dense_test_x[:, 0], tested, atol=1e-12)
    assert site.design.owner == ""
    assert abs(site.design.mean[0] - mean) > 0.5
    pooled, _ = site_of(tmp_path / "pooled", POOLED, here, there)
    np.testing.assert_array_equal(pooled.x, site.design.matrix(site.prepared.training))
    assert not (tmp_path / "pooled" / "local" / "s" / FILE).exists()


def test_what_a_site_keeps_makes_the_same_design_again(tmp_path):
    site, _ = site_of(tmp_path, OWN, patients(1, 90, shift=3.0), patients(2))
    folder = tmp_path / "local" / "s"
    found = find_kept_design(terms(**OWN), site.design, folder, "Ulm")
    assert found.owner == "Ulm"
    np.testing.assert_array_equal(found.matrix(site.prepared.held), site.test_x)
    assert find_kept_design(terms(), site.design, folder, "Ulm") is None
    assert find_kept_design(terms(**OWN), site.design, tmp_path, "Ulm") is None


@pytest.mark.parametrize(
    "torn",
    ["", "[1]", '{"crp": 1}', '{"crp": [1, 0]}', '{"crp": [NaN, 1]}', '{"other": [1, 1]}',
     '{"crp": ["1", "x"]}', '{"sex": [0.5, 0.5]}'],
)  # fmt: skip
def test_scales_that_are_none_are_refused_with_the_file(tmp_path, torn):
    design = design_of(patients(1), patients(2))
    (tmp_path / FILE).write_text(torn)
    with pytest.raises(BadInput, match=r"standardise\.json; remove the file"):
        find_kept_design(terms(**OWN), design, tmp_path, "Ulm")


def test_scales_are_kept_to_the_bit(tmp_path):
    design = design_of(patients(1), patients(2))
    scales = {"crp": (0.1 + 0.2, 1 / 3)}
    keep_scales(tmp_path / "new", scales)
    assert json.loads((tmp_path / "new" / FILE).read_text()) == {"crp": [0.1 + 0.2, 1 / 3]}
    found = find_kept_design(terms(**OWN), design, tmp_path / "new", "Ulm")
    assert (found.mean[0], found.sd[0]) == scales["crp"]
    assert found.mean[1] == design.mean[1]


def test_far_values_are_said_of_the_own_mean(tmp_path):
    here, there = patients(1, 300), patients(2)
    place = np.flatnonzero(np.isin(here.x[:, 1], split_patients(here, 0, 0.3)[0].x[:, 1]))[0]
    here.x[place, 1] = 9000.0  # of a training row
    _, said = site_of(tmp_path, OWN, here, there)
    assert any("deviations from the mean of this hospital" in sentence for sentence in said)


@pytest.mark.parametrize("model", ["logistic", "elastic_net", "mlp"])
def test_the_linear_recipes_take_the_option(model):
    assert plan.complete(terms(model=model, **OWN)).stages
    with pytest.raises(BadInput, match=r"options\.standardise to be pooled or own, got 'each'"):
        plan.complete(terms(model=model, standardise="each"))


# the demo and the studies on open data measure the model as the hospitals do


def shifted(options):
    """Two hospitals whose instrument differs by more than the outcome, in a rehearsal."""
    spec = plan.complete(terms(**options))
    parts = [patients(k, 120, shift=shift) for k, shift in ((1, 0.0), (2, 40.0))]
    return Split.of(spec, parts, 0, 0.3)


def test_own_standardising_undoes_a_shift_between_instruments():
    own, pooled = (split.score(train_swarm(split)) for split in map(shifted, (OWN, POOLED)))
    assert own > pooled + 0.2


def test_the_demo_scores_patients_with_the_mean_of_their_hospital(tmp_path):
    split = shifted(OWN)
    documents = [statistics_of(part) for part in split.training]
    sites = [
        DemoSite(name, tmp_path, Sources(None), Prepared(SCHEMA, training, held, document))
        for name, training, held, document in zip(
            "AB", split.training, split.held, documents, strict=True
        )
    ]
    measured = HeldOut(sites, split.spec)
    measured.use(merged(*split.training))
    weight = np.eye(len(split.design.sources))[0]
    found = measured.measure({"weight": weight, "bias": np.zeros(1)})
    wanted = split.score(lambda rows: split.matrix(rows)[:, 0])
    assert found["auc"] == pytest.approx(wanted)
    assert replace(split.design, owner="x").mean_of == "the mean of x"
    assert with_scales(split.design, {}, "").mean_of == "the study's mean"


def test_a_cox_model_takes_the_option():
    outcome = Outcome("y", "time_to_event", positive=("1",), time="days")
    spec = Spec("s", data=Declaration(outcome), options=OWN)
    assert plan.complete(spec).stages == plan.complete(replace(spec, options={})).stages
