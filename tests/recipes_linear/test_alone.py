import numpy as np
import pytest
from recipes_linear.cohorts import make_hospitals, oracle

from swarmhub.recipes.linear import STRENGTHS, Axes, fit_alone, fit_at


def test_one_hospital_alone_is_scikit_learn_at_the_same_penalty():
    for n, p in ((120, 6), (40, 200)):
        (hospital,) = make_hospitals(0, [n], p, [0.3])
        strength, found = fit_alone(hospital.x, hospital.y, hospital.fold)
        assert strength in STRENGTHS
        expected = oracle(hospital.x, hospital.y, strength)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_noise_gets_a_strong_penalty_and_signal_a_weak_one():
    rng = np.random.default_rng(1)
    (noise,) = make_hospitals(1, [150], 40, signal=0.0)
    x = rng.normal(size=(2000, 3))
    y = (x[:, 0] + 0.3 * rng.logistic(size=2000) > 0).astype(np.int64)
    assert fit_alone(noise.x, noise.y, noise.fold)[0] <= 0.01
    assert fit_alone(x, y, np.arange(2000) % 5)[0] >= 0.1


@pytest.mark.parametrize("label", [0, 1])
def test_a_hospital_with_one_class_has_no_model(label):
    with pytest.raises(ValueError, match="both classes"):
        fit_alone(np.ones((5, 2)), np.full(5, label), np.arange(5))


def test_labels_may_be_of_any_type_that_counts():
    (hospital,) = make_hospitals(2, [40], 3)
    found = [fit_at(Axes.of(hospital.x), hospital.y.astype(t), 0.1) for t in (bool, float, int)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
