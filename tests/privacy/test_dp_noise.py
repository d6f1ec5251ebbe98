"""The noise of a budget, against the accountant of another library (extra `[dp]`)."""

import pytest

from swarmhub.privacy.accounting import compute_noise

DELTA = 1e-5


@pytest.mark.torch
@pytest.mark.parametrize(("epsilon", "steps"), [(1.0, 10), (5.0, 10), (5.0, 30)])
def test_another_accountant_finds_the_same_epsilon(epsilon, steps):
    pld = pytest.importorskip("dp_accounting.pld.pld_privacy_accountant")
    events = pytest.importorskip("dp_accounting")
    accountant = pld.PLDAccountant()
    accountant.compose(events.GaussianDpEvent(compute_noise(epsilon, DELTA, steps)), steps)
    assert accountant.get_epsilon(DELTA) == pytest.approx(epsilon, rel=2e-3)
