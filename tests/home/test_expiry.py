"""A certificate whose time is over, or soon will be."""

import pytest

from swarmhub import clock, keys
from swarmhub.home.expiry import NOTICE_DAYS, find_expiry
from swarmhub.home.home import Home
from swarmhub.operations.doctor import _certificate


@pytest.mark.parametrize(
    ("days", "said", "well"),
    [
        (-1, "has expired", False),
        (0, "expires in 0 days", True),
        (NOTICE_DAYS - 1, "expires in 29 days", True),
        (NOTICE_DAYS, "", True),
    ],
)
def test_the_end_of_a_certificate_is_said_with_what_to_do(tmp_path, monkeypatch, days, said, well):
    home = Home.create(tmp_path / "h", "H", "127.0.0.1:7400")
    monkeypatch.setattr(keys, "days_left", lambda pem: days)
    sentence = find_expiry(home)
    assert said in sentence
    assert ("rotate-key tls" in sentence) == bool(said)
    found = _certificate(home)
    assert (found.well, found.warns) == (well, well and bool(said))


def test_a_clock_that_is_set_wrong_is_wrong_everywhere(monkeypatch):
    right = clock.wall_clock_ms()
    monkeypatch.setenv(clock.CLOCK_VARIABLE, "300000")
    assert clock.wall_clock_ms() - right >= 300_000
    assert clock.make_steady_clock()() - right >= 300_000
