"""What a first update of consensus ADMM gives away of the inputs behind it."""

import numpy as np
import pytest
from overfitted import rows

from swarmhub.leakage.attribution import attribute, measure_gains
from swarmhub.leakage.inversion import contrast, invert
from swarmhub.leakage.scores import correlate
from swarmhub.operations.privacy_audit.updates import read_gradient
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.consensus import Settled, advance
from swarmhub.recipes.linear.coupling import start_of
from swarmhub.recipes.linear.losses import LOGISTIC, Softmax, Squared
from swarmhub.recipes.linear.stack import Models, Stack


def stack_of(x, y, strength=0.1, loss=LOGISTIC, class_rows=(200, 150)):
    return Stack.of(Models.of([strength], class_rows, loss), Axes.of(x), y)


def test_the_gradient_is_read_exactly():
    x, y = rows(1, p=20)
    stack = stack_of(x, y)
    start = Settled.start(np.zeros(stack.shape), start_of(stack.models.penalty))
    sent, _ = advance(stack, start, {})
    expected = stack.gradient(sent.point) - stack.ridge(sent.point)
    assert read_gradient(stack) == pytest.approx(expected, abs=1e-7)


def test_an_update_of_one_row_is_that_row():
    x, y = rows(2, n=1, p=30)
    found = invert(read_gradient(stack_of(x, y)))
    assert found[0] == pytest.approx(x[0], abs=1e-5)


def test_an_update_of_one_class_is_nearly_its_mean():
    x, y = rows(3, n=40, p=30)
    x = x + 1.5 * np.random.default_rng(1).normal(size=30)
    found = invert(read_gradient(stack_of(x, np.zeros_like(y))))
    assert correlate(found[0], x.mean(axis=0)).low > 0.9


def test_an_update_shows_the_difference_of_the_classes():
    x, y = rows(4, p=200, signal=1.0)
    gradient = read_gradient(stack_of(x, y, 1e-3))
    found = correlate(-gradient[:, :-1], contrast(x, y, 1, True))
    assert found.low > 0.9


def test_a_balanced_zero_model_has_no_mean():
    assert invert(np.array([[1.0, -2.0, 1e-12]])) is None


def test_contrasts_are_those_of_each_class():
    x, y = np.random.default_rng(1).normal(size=(30, 4)), np.arange(30) % 3
    found = contrast(x, y, Softmax(3).outputs, True)
    expected = [x[y == c].mean(axis=0) - x[y != c].mean(axis=0) for c in range(3)]
    assert found == pytest.approx(np.array(expected))
    measured = contrast(x, x[:, 1], Squared().outputs, False)
    assert measured == pytest.approx((x[:, 1] @ x / 30)[None])
    assert contrast(x, np.ones(30), 1, True).shape == (0, 4)


def test_a_record_is_its_hospitals_whose_absence_costs_most():
    gains = measure_gains([[1.0, 0.2], [0.4, 0.9]], [0.3, 0.3])
    assert gains == pytest.approx(np.array([[0.7, -0.1], [0.1, 0.6]]))
    assert attribute(gains).tolist() == [0, 1]
