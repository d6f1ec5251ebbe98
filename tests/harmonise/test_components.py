import numpy as np
import pytest
from harmonise.sums_driver import CONSTANT, make_sites, pooled, run
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from swarmhub.data.harmonise import ComponentsStep, read_components
from swarmhub.data.harmonise.components import AGREED, TOLERANCE
from swarmhub.data.harmonise.iterate import MAX_SENT
from swarmhub.data.harmonise.small import eigen, fold_sum, orthonormalise, solve_in_order
from swarmhub.errors import BadInput

pytestmark = pytest.mark.unit


def components_of(parts, k, scaled=False):
    sums, rounds = run([ComponentsStep(x, k, scaled) for x in parts], AGREED)
    return read_components(sums, parts[0].shape[1], k), rounds


def filled(x):
    """The pooled rows, with means for missing values."""
    return np.where(np.isnan(x), np.nanmean(x, axis=0), x)


def with_gap(seed, p, sizes, values):
    """Hospitals' rows with these standard deviations along random directions, less after them."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    left, _ = np.linalg.qr(rng.normal(size=(n, p)) - 0.0)
    left, _ = np.linalg.qr(left - left.mean(axis=0))
    right, _ = np.linalg.qr(rng.normal(size=(p, p)))
    x = (left * values) @ right.T * np.sqrt(n - 1) + 5
    return np.split(x, np.cumsum(sizes)[:-1])


def check_against_sklearn(found, x, k):
    expected = PCA(k, svd_solver="full").fit(x)
    angle = subspace_angles(found.loadings, expected.components_.T).max()
    assert angle <= 1e-6
    np.testing.assert_allclose(found.variance, expected.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(found.share, expected.explained_variance_ratio_, rtol=1e-9)


@pytest.mark.parametrize("p", [10, 80, 150])
def test_components_are_those_of_scikit_learn_at_gaps_of_5_percent(p):
    values = np.sqrt(0.95 ** np.arange(p))
    parts = with_gap(p, p, (120, 60, 1, 40), values)
    found, rounds = components_of(parts, 3)
    check_against_sklearn(found, np.concatenate(parts), 3)
    for j in range(3):
        one = PCA(3, svd_solver="full").fit(np.concatenate(parts)).components_[j]
        assert subspace_angles(found.loadings[:, [j]], one[:, None])[0] <= 1e-6
    assert found.residual <= TOLERANCE
    assert rounds < 40


def test_missing_values_and_lacked_columns_count_as_the_mean():
    sites = make_sites(1)
    x = np.delete(pooled(sites)[0], [CONSTANT, 7], axis=1)
    parts = np.split(x, np.cumsum([len(s.x) for s in sites])[:-1])
    found, _ = components_of(parts, 4)
    check_against_sklearn(found, filled(x), 4)


def test_scaled_columns_have_a_standard_deviation_of_one():
    sites = make_sites(2)
    x = pooled(sites)[0]
    found, _ = components_of([s.x for s in sites], 2, scaled=True)
    others = np.arange(30) != CONSTANT
    table = filled(x)[:, others] - np.nanmean(x[:, others], axis=0)
    check_against_sklearn(
        type(found)(**vars(found) | {"loadings": found.loadings[others]}),
        table / np.nanstd(x[:, others], axis=0, ddof=1), 2,
    )  # fmt: skip
    np.testing.assert_array_equal(found.loadings[CONSTANT], 0.0)


def test_the_largest_loading_is_positive():
    found, _ = components_of([s.x for s in make_sites(3)], 5)
    at = np.abs(found.loadings).argmax(axis=0)
    assert (found.loadings[at, np.arange(5)] > 0).all()


def test_scores_are_those_of_scikit_learn_up_to_the_sign():
    parts = with_gap(4, 40, (50, 30), np.sqrt(0.8 ** np.arange(40)))
    found, _ = components_of(parts, 2)
    expected = PCA(2, svd_solver="full").fit(np.concatenate(parts)).transform(parts[1])
    np.testing.assert_allclose(np.abs(found.project(parts[1])), np.abs(expected), atol=1e-5)


def test_equal_eigenvalues_are_found_as_one_space():
    parts = with_gap(5, 60, (80, 40), np.sqrt(np.array([4.0] * 3 + [1.0] * 57)))
    found, _ = components_of(parts, 3)
    check_against_sklearn(found, np.concatenate(parts), 3)


def test_fewer_dimensions_than_components_leave_zeros():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 12))
    found, _ = components_of([x[:12], x[12:]], 4)
    assert (found.variance[:2] > 1e-3).all()
    np.testing.assert_allclose(found.variance[2:], 0.0, atol=1e-12)
    assert found.share.sum() == pytest.approx(1.0)


def test_the_same_sums_give_the_same_bits_at_every_hospital():
    steps = [ComponentsStep(s.x, 3) for s in make_sites(7)]
    run(steps, AGREED)  # compares the agreed arrays bit by bit


def test_a_hospital_that_comes_late_goes_on_from_the_sums():
    parts = with_gap(8, 80, (60, 40), np.sqrt(0.9 ** np.arange(80)))
    steps = [ComponentsStep(x, 2) for x in parts]
    sums = None
    for _ in range(4):
        sent = [step.arrays(sums) for step in steps]
        sums = {n: a if n in AGREED else a + sent[1][n] for n, a in sent[0].items()}
    fresh = [ComponentsStep(x, 2) for x in parts]
    found = read_components(run(fresh, AGREED, sums)[0], 80, 2)
    check_against_sklearn(found, np.concatenate(parts), 2)


@pytest.mark.parametrize("k", [0, 6, 100])
def test_a_number_of_components_that_cannot_be_is_refused(k):
    with pytest.raises(BadInput, match="1 to 5 components"):
        ComponentsStep(np.ones((9, 5)), k)


def test_too_many_columns_for_the_components_are_refused_first():
    with pytest.raises(BadInput, match="for 64 components; choose fewer of either"):
        ComponentsStep(np.zeros((0, MAX_SENT // 200)), 64)


def test_as_many_components_as_rows_are_refused():
    step = ComponentsStep(np.random.default_rng(9).normal(size=(3, 5)), 3)
    with pytest.raises(BadInput, match="more than 3 rows"):
        read_components(run([step], AGREED)[0], 5, 3)


def test_columns_that_are_all_constant_have_no_share():
    found, _ = components_of([np.ones((4, 3))], 1)
    assert found.variance[0] == 0.0
    assert np.isnan(found.share[0])


def test_eigenvalues_are_those_of_lapack():
    rng = np.random.default_rng(10)
    a = rng.normal(size=(25, 25))
    a += a.T
    values, vectors = eigen(a)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(a)[::-1], atol=1e-12)
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, a, atol=1e-12)


def test_dependent_columns_become_zero():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(50, 3))
    q = orthonormalise(np.column_stack([x, x[:, 0] - x[:, 2], 1e-200 * x[:, 1], rng.random(50)]))
    np.testing.assert_allclose(q.T @ q, np.diag([1, 1, 1, 0, 0, 1]), atol=1e-14)


def test_a_folded_sum_is_exact_for_whole_numbers():
    for n in (0, 1, 2, 3, 7, 100):
        assert fold_sum(np.arange(float(n))[:, None]).tolist() == [n * (n - 1) / 2]


def test_normal_equations_are_solved_in_order_and_repeats_dropped():
    rng = np.random.default_rng(12)
    z = rng.normal(size=(30, 3))
    z = np.column_stack([z[:, :2], z[:, 0] + z[:, 1], z[:, 2]])
    y, gram = rng.normal(size=30), (z.T @ z)[None]
    found, pivots, kept, _ = solve_in_order(gram, np.diag(gram[0])[None], (z.T @ y)[None])
    expected = np.linalg.lstsq(z[:, [0, 1, 3]], y)[0]
    assert kept[0].tolist() == [True, True, False, True]
    np.testing.assert_allclose(found[0, [0, 1, 3]], expected, rtol=1e-10)
    inverse = np.linalg.inv((z.T @ z)[np.ix_([0, 1, 3], [0, 1, 3])])
    assert 1 / pivots[0, 3] == pytest.approx(inverse[2, 2])
