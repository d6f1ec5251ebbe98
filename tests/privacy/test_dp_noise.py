"""The noise that `bench/dp_utility.py` takes, against another implementation."""

import pytest
from dp_utility import DELTA, delta_of, find_sigma

CASES = [(1.0, 10), (5.0, 10), (5.0, 30)]


@pytest.mark.unit
def test_the_noise_of_ten_rounds_is_known():
    found = [round(find_sigma(epsilon, rounds), 2) for epsilon, rounds in CASES]
    assert found == [11.8, 2.82, 4.88]


@pytest.mark.unit
def test_no_privacy_is_no_noise():
    assert delta_of(100.0, 1.0) == pytest.approx(1.0)
    assert delta_of(0.01, 1.0) < 1e-12


@pytest.mark.torch
@pytest.mark.parametrize(("epsilon", "rounds"), CASES)
def test_another_accountant_finds_the_same_epsilon(epsilon, rounds):
    pld = pytest.importorskip("dp_accounting.pld.pld_privacy_accountant")
    events = pytest.importorskip("dp_accounting")
    accountant = pld.PLDAccountant()
    accountant.compose(events.GaussianDpEvent(find_sigma(epsilon, rounds)), rounds)
    assert accountant.get_epsilon(DELTA) == pytest.approx(epsilon, rel=2e-3)
