import numpy as np
import pytest

from swarmhub.recipes.linear.anderson import REGULAR, has_grown, mix


def gram_of(residuals):
    """(m, K, d) -> (K, m, m)."""
    return np.einsum("ikd,jkd->kij", residuals, residuals)


def test_the_mixed_residual_is_the_smallest_there_is():
    residuals = np.random.default_rng(0).normal(size=(4, 3, 9))
    alpha = mix(gram_of(residuals), np.full(3, 4))
    for k in range(3):
        r = residuals[:, k]
        step, *_ = np.linalg.lstsq((r[1:] - r[0]).T, -r[0], rcond=None)
        np.testing.assert_allclose(alpha[k], np.append(1.0 - step.sum(), step), atol=1e-6)


def test_rounds_beyond_the_depth_have_no_weight():
    alpha = mix(gram_of(np.random.default_rng(1).normal(size=(5, 3, 9))), np.array([1, 3, 5]))
    np.testing.assert_allclose(alpha.sum(axis=1), 1.0)
    assert alpha[0].tolist() == [0, 0, 0, 0, 1]
    assert not alpha[1, :2].any()
    assert alpha[2].all()


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1.0, 1e200])
def test_equal_residuals_give_bounded_weights(scale):
    alpha = mix(np.full((1, 4, 4), scale), np.array([4]))
    assert np.isfinite(alpha).all()
    assert abs(alpha.sum() - 1.0) < 1e-6
    assert np.abs(alpha).max() <= 1.0 / REGULAR


def test_a_linear_iteration_is_at_rest_after_as_many_rounds():
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(5, 5)) * 0.4
    solution, c, past = rng.normal(size=5), np.zeros(5), []
    for _ in range(7):
        ahead = solution + matrix @ (c - solution)
        past = [*past, (ahead, ahead - c)][-6:]
        residuals = np.array([[g] for _, g in past])
        alpha = mix(gram_of(residuals), np.array([len(past)]))[0]
        c = sum(a * f for a, (f, _) in zip(alpha, past, strict=True))
    np.testing.assert_allclose(c, solution, atol=1e-4)


def test_only_a_mixed_round_is_blamed_for_a_growing_residual():
    gram = np.zeros((3, 2, 2))
    gram[:, 0, 0], gram[:, 1, 1] = 1.0, [100.0, 100.0, 1.0]
    assert has_grown(gram, np.array([2, 1, 2])).tolist() == [True, False, False]
