"""Connections in words, and which of them are worth a warning."""

import pytest

from swarmhub.operations.doctor import check_links
from swarmhub.operations.links import (
    compute_median,
    find_slow,
    say_link,
    say_rate,
    say_round_trip,
    warn_of,
)
from swarmhub.transport.links import Link

MB = 1_000_000


def links_of(*rates):
    return [Link(i, "direct", received_per_s=rate) for i, rate in enumerate(rates, 1)]


@pytest.mark.parametrize(
    ("rates", "median", "slow"),
    [
        ((), 0, set()),
        ((5,), 5, set()),
        ((0, 0, 40), 40, set()),
        ((4, 40, 60), 40, {1}),
        ((5, 40, 60), 40, set()),
        ((2, 20, 60, 80), 40, {1}),
        ((0, 1, 100, 100), 100, {2}),
    ],
)
def test_slow_is_ten_times_below_the_median_of_what_was_measured(rates, median, slow):
    links = links_of(*(rate * MB for rate in rates))
    assert compute_median(links) == median * MB
    assert find_slow(links) == slow


def test_what_was_sent_stands_in_if_nothing_was_received():
    links = [*links_of(50 * MB, 60 * MB), Link(3, "direct", sent_per_s=MB)]
    assert find_slow(links) == {3}


def test_a_link_is_said_with_three_digits_or_as_not_measured():
    assert (say_rate(84_123_456), say_rate(0)) == ("84.1 MB/s", "not measured yet")
    assert (say_round_trip(12_345), say_round_trip(0)) == ("12.3 ms", "not measured yet")
    assert say_link(Link(2)) == "none; not measured yet"
    assert say_link(Link(2, "relay", "C", MB, 0, 1500)) == (
        "via the relay of C; 1 MB/s from there, not measured yet to there, round trip 1.5 ms"
    )
    assert say_link(Link(2, "incoming")).startswith("dialled in")


def test_the_doctor_warns_of_a_relay_and_of_a_slow_way_and_is_well():
    links = [*links_of(MB, 50 * MB, 60 * MB), Link(4, "relay", "C", 55 * MB)]
    found = list(check_links(links, {1: "A", 2: "B", 3: "C", 4: "D"}))
    assert [f.what for f in found] == ["way to A", "way to B", "way to C", "way to D"]
    assert [f.warns for f in found] == [True, False, False, True]
    assert all(f.well for f in found)
    assert "1 MB/s against 52.5 MB/s as the median" in found[0].said
    assert "have a port opened" in found[3].said
    assert warn_of(links[1], links) == ""
