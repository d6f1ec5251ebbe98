import numpy as np
import pandas as pd
import pytest
from harmonise.sums_driver import CONSTANT, LOCAL, make_sites, pooled, run

from swarmhub.data.dataset import Dataset
from swarmhub.data.frames import Words
from swarmhub.data.harmonise import adjust, adjust_dataset, combat_step, read_combat
from swarmhub.data.harmonise.combat import AGREED
from swarmhub.errors import BadInput

pytestmark = pytest.mark.unit


def settle(sites, q=2):
    sums, rounds = run([combat_step(s.x, s.z[:, :q]) for s in sites], AGREED)
    assert rounds == 2
    return read_combat(sums, sites[0].x.shape[1], q)


def harmonise(sites, q=2, **how):
    combat = settle(sites, q)
    return np.concatenate([adjust(combat, s.x, s.z[:, :q], **how) for s in sites])


def published(x, z, batch):
    """Complete rows as neuroCombat adjusts them."""
    neuro = pytest.importorskip("neuroCombat")
    covars = pd.DataFrame(z, columns=["age", "sex"][: z.shape[1]]).assign(batch=batch)
    continuous = [c for c in covars if c != "batch"]
    return neuro.neuroCombat(x.T, covars, "batch", continuous_cols=continuous)["data"].T


def plain_combat(x, z, place):
    """ComBat column by column and row by row, missing values left out; constant columns stay."""
    n, p = x.shape
    s, sd, expected, done = (np.full((n, p), np.nan) for _ in range(4))
    for j in range(p):
        at = ~np.isnan(x[:, j])
        sites = (place[at][:, None] == np.unique(place[at])).astype(float)
        middle = z[at].mean(axis=0)
        beta = np.linalg.lstsq(np.column_stack([z[at] - middle, sites]), x[at, j])[0][: z.shape[1]]
        level = x[at, j] - z[at] @ beta
        within = [np.mean(level[place[at] == k]) for k in place[at]]
        sd[:, j] = np.std(level - within)
        expected[at, j] = level.mean() + z[at] @ beta
        s[at, j] = (x[at, j] - expected[at, j]) / sd[0, j]
    for k in np.unique(place):
        rows = place == k
        done[rows] = plain_shrink(s[rows]) * sd[rows] + expected[rows]
    return done


def plain_shrink(s):
    """A batch's standardised residuals without its shift and spread; 1e-4 as published."""
    n = (~np.isnan(s)).sum(axis=0)
    g_hat = np.nanmean(s, axis=0)
    d_hat = np.nanvar(s, axis=0, ddof=1)
    gbar, t2, m, v = g_hat.mean(), g_hat.var(ddof=1), d_hat.mean(), d_hat.var(ddof=1)
    a, b = 2 + m**2 / v, m + m**3 / v
    g, d, change = g_hat, d_hat, 1.0
    while change > 1e-4:
        g_new = (t2 * n * g_hat + d * gbar) / (t2 * n + d)
        d_new = (np.nansum((s - g_new) ** 2, axis=0) / 2 + b) / (n / 2 + a - 1)
        change = max(np.max(np.abs(g_new - g) / g), np.max(np.abs(d_new - d) / d))
        g, d = g_new, d_new
    return (s - g) / np.sqrt(d)


COMPLETE = {"sizes": (40, 25, 60, 12), "missing": 0.0, "special": False}


@pytest.mark.parametrize("q", [0, 1, 2])
def test_complete_rows_become_those_of_neurocombat(q):
    sites = make_sites(1, **COMPLETE)
    x, _, z, place = pooled(sites)
    expected = published(x, z[:, :q], place)
    np.testing.assert_allclose(harmonise(sites, q), expected, rtol=0, atol=1e-8)


def test_missing_values_are_left_out_and_stay():
    sites = make_sites(2, **COMPLETE | {"missing": 0.05})
    x, _, z, place = pooled(sites)
    found = harmonise(sites)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    np.testing.assert_allclose(found, plain_combat(x, z, place), rtol=0, atol=1e-8)


def test_the_plain_oracle_is_neurocombat_on_complete_rows():
    x, _, z, place = pooled(make_sites(3, **COMPLETE))
    np.testing.assert_allclose(plain_combat(x, z, place), published(x, z, place), atol=1e-8)


def test_a_column_constant_everywhere_stays_and_changes_no_other():
    sites = make_sites(4, **COMPLETE)
    expected = harmonise(sites)
    wider = [type(s)(np.insert(s.x, 3, 0.1, axis=1), s.group, s.z) for s in sites]
    found = harmonise(wider)
    np.testing.assert_array_equal(found[:, 3], 0.1)
    np.testing.assert_array_equal(np.delete(found, 3, axis=1), expected)


def test_a_column_constant_at_one_hospital_changes_no_other():
    sites = make_sites(5, **COMPLETE)
    without = harmonise(sites, 0)
    column = [np.full((len(s.x), 1), 3.0) + (k != 1) * s.x[:, :1] for k, s in enumerate(sites)]
    wider = [type(s)(np.hstack([s.x, c]), s.group, s.z) for s, c in zip(sites, column, strict=True)]
    found = harmonise(wider, 0)
    place = pooled(sites)[3]
    assert np.isfinite(found).all()
    assert np.ptp(found[place == 1, -1]) == pytest.approx(0.0, abs=1e-12)
    # the column's own shift is one more of the normal prior, and nothing else is
    np.testing.assert_allclose(found[:, :-1], without, atol=0.5)


def test_special_columns_and_a_hospital_of_one_row_stay_finite():
    sites = make_sites(6)
    x, _, _, place = pooled(sites)
    found = harmonise(sites)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    np.testing.assert_array_equal(found[:, CONSTANT], x[:, CONSTANT])
    assert np.nanstd(found[place == 1, LOCAL]) < 1.0


def test_one_row_is_shifted_but_not_scaled():
    sites = make_sites(7, **COMPLETE | {"sizes": (30, 20, 1)})
    combat = settle(sites, 0)
    s = (sites[2].x[0] - combat.grand) / np.sqrt(combat.variance)
    t2 = s.var(ddof=1)
    shift = (t2 * s + s.mean()) / (t2 + 1)
    expected = (s - shift) * np.sqrt(combat.variance) + combat.grand
    np.testing.assert_allclose(adjust(combat, sites[2].x)[0], expected, rtol=1e-12)


def test_one_column_alone_loses_all_shift_and_spread():
    sites = make_sites(8, **COMPLETE | {"genes": 1})
    found, place = harmonise(sites, 0)[:, 0], pooled(sites)[3]
    combat = settle(sites, 0)
    for k in range(4):
        assert found[place == k].mean() == pytest.approx(combat.grand[0])
        assert found[place == k].var(ddof=1) == pytest.approx(combat.variance[0])


def test_a_hospital_that_comes_later_changes_nothing_for_the_others():
    sites = make_sites(9, **COMPLETE)
    combat = settle(sites[:3])
    before = [adjust(combat, s.x, s.z) for s in sites[:3]]
    late = adjust(combat, sites[3].x, sites[3].z)
    expected = combat.grand + sites[3].z @ combat.coefficients.T
    s = (sites[3].x - expected) / np.sqrt(combat.variance)
    by_hand = plain_shrink(s) * np.sqrt(combat.variance) + expected
    np.testing.assert_allclose(late, by_hand, atol=1e-8)
    for site, rows in zip(sites, before, strict=False):
        np.testing.assert_array_equal(adjust(combat, site.x, site.z), rows)


def test_batches_go_by_name_and_not_by_place():
    sites = make_sites(10, **COMPLETE)
    x, _, z, place = pooled(sites)
    order = np.random.default_rng(0).permutation(len(x))
    names = [f"plate {'dbca'[k]}" for k in place[order]]
    sums, _ = run([combat_step(x[order], z[order], names)], AGREED)
    found = adjust(read_combat(sums, 30, 2), x[order], z[order], names)
    np.testing.assert_allclose(found, harmonise(sites)[order], rtol=0, atol=1e-10)


def test_a_smaller_stop_is_the_fixed_point():
    sites = make_sites(11, **COMPLETE)
    at = [harmonise(sites, stop=10.0**-k) for k in (4, 12, 14)]
    assert np.abs(at[1] - at[2]).max() < 1e-10
    assert 0 < np.abs(at[0] - at[1]).max() < 1e-2


def test_a_covariate_that_is_the_hospital_is_refused():
    sites = make_sites(12, **COMPLETE)
    same = [type(s)(s.x, s.group, np.full((len(s.x), 1), float(k))) for k, s in enumerate(sites)]
    with pytest.raises(BadInput, match="covariate 1 cannot be told from the batches"):
        settle(same, 1)


def test_a_column_of_which_a_covariate_cannot_be_told_stays():
    sites = make_sites(13, **COMPLETE)
    for s in sites:
        s.x[s.z[:, 1] == 1, 5] = np.nan
    assert settle(sites).adjustable.nonzero()[0].tolist() == [j for j in range(30) if j != 5]
    np.testing.assert_array_equal(harmonise(sites)[:, 5], pooled(sites)[0][:, 5])


def test_a_missing_covariate_is_refused_with_its_row():
    with pytest.raises(BadInput, match="row 2, covariate 1"):
        combat_step(np.ones((2, 2)), np.array([[1.0], [np.nan]]))


def test_other_columns_and_batches_than_rows_are_refused():
    sites = make_sites(14, **COMPLETE)
    combat = settle(sites)
    with pytest.raises(BadInput, match="30 columns and 2 covariates"):
        adjust(combat, sites[0].x[:, :4], sites[0].z)
    with pytest.raises(BadInput, match="batches of 40 rows"):
        adjust(combat, sites[0].x, sites[0].z, ["a"])


def test_a_dataset_is_adjusted_in_the_studys_columns_only():
    sites = make_sites(15, **COMPLETE)
    combat = settle(sites, 0)
    features = tuple(f"g{k}" for k in range(30))
    own = (*reversed(features[1:]), "age")
    x = np.column_stack([sites[0].x[:, :0:-1], sites[0].z[:, 0]])
    found = adjust_dataset(combat, Dataset(x, own), features)
    lacking = sites[0].x.copy()
    lacking[:, 0] = np.nan
    expected = adjust(combat, lacking)
    np.testing.assert_array_equal(found.x[:, :29], expected[:, :0:-1])
    np.testing.assert_array_equal(found.x[:, 29], x[:, 29])


def test_a_row_without_a_batch_is_refused():
    combat = settle(make_sites(16, **COMPLETE), 0)
    features = tuple(f"g{k}" for k in range(30))
    dataset = Dataset(np.ones((2, 30)), features, batch=Words.of(["a", None]))
    with pytest.raises(BadInput, match="none for 1 of 2"):
        adjust_dataset(combat, dataset, features)
