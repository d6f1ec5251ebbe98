"""Figures of survival out of sums of hospitals are those of all test patients.

Numbers of other software: scikit-survival 0.28.0, once (`concordance_index_censored`,
`brier_score`), on the patients that `simulate` makes. Its Brier score weighs an event by G at the
event, this one by G just before: equal if no one is censored at the time of an event.
"""

import numpy as np
import pytest

from swarmhub.errors import BadInput
from swarmhub.evaluation.pairs import (
    choose_cuts,
    count_pairs,
    count_pairs_of_groups,
    count_risks,
)
from swarmhub.evaluation.survival import Agreed, evaluate_counts, make_counts, score_errors
from swarmhub.recipes.survival.kaplan_meier import draw_censoring, draw_curve
from swarmhub.recipes.survival.times import Observed, TimeGrid, observe, tally

pytestmark = pytest.mark.unit

GRID = TimeGrid.of([k / 2 for k in range(1, 41)])
HORIZON = 20
BETA = np.array([0.8, -0.5, 0.0, 0.3])


def simulate(seed=1, rows=300, digits=1):
    """Observed patients, scores, predicted survival (n, T) and hospitals."""
    rng = np.random.RandomState(seed)
    site = rng.randint(0, 3, rows)
    x = rng.standard_normal((rows, 4))
    hazard = np.exp(x @ BETA) * (0.08 + 0.04 * site)
    time, end = rng.exponential(1 / hazard), rng.uniform(1, 30, rows)
    score = np.round(x @ BETA, digits)
    survival = np.exp(-0.1 * np.exp(np.clip(score, -3, 3))[:, None] * GRID.ends)
    return observe(GRID, np.minimum(time, end), time <= end), score, survival, site


def agree(observed, cuts=(0.5, 0.7)):
    """What hospitals agree on, of these patients as if they were the training patients."""
    sums = tally(observed)
    events, censored = sums["events"][0], sums["censored"][0]
    curve = draw_curve(GRID, events, censored).survival
    return Agreed(GRID, HORIZON, np.array(cuts), draw_censoring(GRID, events, censored), curve)


def pooled(observed, score, survival, site):
    """The evaluation of summed counts."""
    agreed, total = agree(observed), None
    for k in np.unique(site):
        at = site == k
        found = make_counts(agreed, observed.take(at), score[at], survival[at])
        total = found if total is None else {name: total[name] + found[name] for name in found}
    return evaluate_counts(agreed, total), total


def brute_pairs(observed, score):
    """Pairs right, wrong and tied, one after the other."""
    found = [0, 0, 0]
    place, event = observed.place, observed.event
    for i in np.flatnonzero(event):
        for j in range(len(place)):
            if place[i] < place[j] or (place[i] == place[j] and not event[j]):
                found[0 if score[i] > score[j] else 1 if score[i] < score[j] else 2] += 1
    return found


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_a_loop_over_patients(seed):
    observed, score, _, _ = simulate(seed, 80)
    assert count_pairs(observed, score)[0].tolist() == brute_pairs(observed, score)


def test_pairs_of_all_patients_are_those_of_scikit_survival():
    observed, score, _, _ = simulate()
    assert count_pairs(observed, score)[0].tolist() == [26492, 8728, 936]


def test_pairs_within_hospitals_are_those_of_scikit_survival():
    found, counts = pooled(*simulate())
    known = np.array([[3401, 988, 117], [2877, 833, 101], [2522, 934, 94]]).sum(axis=0)
    assert (counts["pairs"] == known).all()
    right, _, tied = known
    value = (right + tied / 2) / known.sum()
    assert found.figures["c_index_within"].value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_of_groups_are_pairs_of_equal_scores(seed):
    observed, score, _, _ = simulate(seed, 70)
    group = np.digitize(score, [-0.4, 0.0, 0.6])
    counts = tally(observed, group, 4)
    found = count_pairs_of_groups(counts["events"], counts["censored"])
    assert found.tolist() == brute_pairs(observed, group)


@pytest.mark.parametrize("seed", range(8))
def test_c_of_all_pairs_is_near_the_exact_one(seed):
    observed, score, survival, site = simulate(seed, 400, 6)
    right, wrong, tied = count_pairs(observed, score)[0]
    found = pooled(observed, score, survival, site)[0].figures["c_index"]
    assert found.value == pytest.approx((right + tied / 2) / (right + wrong + tied), abs=0.01)
    assert found.support == right + wrong + tied


def test_the_interval_of_c_is_as_broad_as_samples_vary():
    values, widths = [], []
    for seed in range(60):
        found = pooled(*simulate(seed, 200, 6))[0].figures["c_index_within"]
        values.append(found.value)
        widths.append((found.high - found.low) / 2 / 1.959963984540054)
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.25)


def test_the_brier_score_is_that_of_scikit_survival():
    observed, _, survival, _ = simulate()
    place = np.where(observed.event, observed.place | 1, observed.place & ~1)
    apart = Observed(GRID, place, observed.event)  # nobody is censored at the time of an event
    errors = score_errors(agree(apart), apart, survival).mean(axis=0)
    known = [0.113498665201, 0.183484371535, 0.159389251838]
    assert errors[[2, 7, 20]] == pytest.approx(known, abs=1e-10)
    whole = np.trapezoid(errors[2:], GRID.ends[2:21]) / (GRID.ends[20] - GRID.ends[2])
    assert whole == pytest.approx(0.16765490728616003, abs=1e-10)


def test_brier_scores_of_sums_are_those_of_a_loop():
    observed, score, survival, site = simulate()
    agreed = agree(observed)
    total = np.zeros(HORIZON + 1)
    for place, event, alive in zip(observed.place, observed.event, survival, strict=True):
        for t in range(HORIZON + 1):
            if place > t:
                total[t] += (1 - alive[t]) ** 2 / agreed.censoring[t]
            elif event:
                total[t] += alive[t] ** 2 / (agreed.censoring[place - 1] if place else 1.0)
    errors, ends = total / 300, GRID.ends[: HORIZON + 1]
    found = pooled(observed, score, survival, site)[0].figures
    whole = np.trapezoid(errors, ends) / (ends[-1] - ends[0])
    assert found["brier"].value == pytest.approx(errors[-1], abs=1e-9)
    assert found["integrated_brier"].value == pytest.approx(whole, abs=1e-9)


def test_the_curve_of_all_patients_has_no_skill():
    observed, score, survival, site = simulate()
    null = np.broadcast_to(agree(observed).survival, survival.shape)
    assert pooled(observed, score, null, site)[0].figures["skill"].value == pytest.approx(0)
    assert pooled(observed, score, survival, site)[0].figures["skill"].value > 0.1


def test_risk_groups_have_the_curves_of_their_patients():
    observed, score, survival, site = simulate()
    found = pooled(observed, score, survival, site)[0]
    risk = 1 - survival[:, HORIZON]
    for group, at in zip(
        found.groups, (risk < 0.5, (risk >= 0.5) & (risk < 0.7), risk >= 0.7), strict=True
    ):
        counts = tally(observed.take(at))
        curve = draw_curve(GRID, counts["events"][0], counts["censored"][0])
        assert (group.curve.survival == curve.survival).all()
        assert group.predicted == pytest.approx(risk[at].mean(), abs=1e-9)
        assert group.found.value == 1 - curve.survival[HORIZON]
        assert group.found.low <= group.found.value <= group.found.high


def test_calibration_compares_with_the_curve_of_all():
    observed, score, survival, site = simulate()
    found = pooled(observed, score, survival, site)[0]
    risk, curve = 1 - survival[:, HORIZON], agree(observed).survival
    ratio = (1 - curve[HORIZON]) / risk.mean()
    assert found.figures["observed_expected"].value == pytest.approx(ratio, abs=1e-9)
    apart = [g.curve.rows * abs(g.predicted - g.found.value) for g in found.groups]
    assert found.figures["calibration_error"].value == pytest.approx(sum(apart) / 300)


def test_a_small_hospital_gives_totals_only():
    observed, score, survival, _ = simulate(rows=19)
    counts = make_counts(agree(observed), observed, score, survival)
    assert counts["totals"].tolist() == [19, observed.event.sum()]
    assert not any(array.any() for name, array in counts.items() if name != "totals")
    assert all(array.dtype == np.int64 for array in counts.values())


def test_figures_of_nobody_are_none():
    observed, score, survival, _ = simulate(rows=19)
    agreed = agree(observed)
    found = evaluate_counts(agreed, make_counts(agreed, observed, score, survival))
    assert {figure.value for figure in found.figures.values()} == {None}
    assert found.patients == 19


def test_cutpoints_part_risks_evenly_in_bins_of_five():
    _, _, survival, site = simulate(rows=600, digits=6)
    risk = 1 - survival[:, HORIZON]
    counts = [count_risks(risk[site == k]) for k in range(3)]
    assert all(c[c > 0].min() >= 5 for c in counts)
    cuts = choose_cuts(sum(counts))
    rows = np.bincount(np.searchsorted(cuts, risk, side="right"))
    assert len(rows) == 3
    assert (np.abs(rows - 200) < 50).all()


def test_cutpoints_of_nobody_are_refused():
    with pytest.raises(BadInput, match="declare the cutpoints"):
        choose_cuts(count_risks([0.1] * 4))
    assert len(choose_cuts(count_risks([0.1] * 40))) == 0


def test_a_horizon_that_nobody_reaches_is_refused():
    observed = observe(GRID, [1.0] * 9, [0] * 9)
    with pytest.raises(BadInput, match="earlier horizon"):
        agree(observed)


def test_predictions_that_do_not_fit_are_refused():
    observed, score, survival, _ = simulate()
    agreed = agree(observed)
    for bad in ((score[1:], survival), (score, survival[:, 1:]), (score, survival + 1)):
        with pytest.raises(BadInput, match="Expected"):
            make_counts(agreed, observed, *bad)
    with pytest.raises(BadInput, match="cutpoints"):
        agree(observed, (0.7, 0.5))
