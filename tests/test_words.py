"""Times, durations, sizes and metrics as people say and type them."""

import pytest

from swarmhub.errors import BadInput
from swarmhub.words import read_since, say_bytes, say_duration, say_metric, say_time

NOW_MS = 1_772_373_909_000  # 2026-03-01 14:05:09 UTC


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 ms"), (999, "999 ms"), (30_000, "30 s"), (61_500, "1 min 1 s"), (3_600_000, "1 h"),
        (7_500_000, "2 h 5 min"), (86_400_000, "1 d"), (86_460_000, "1 d"),
        (180_000_000, "2 d 2 h"),
    ],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(ms, words):
    assert say_duration(ms) == words


def test_a_moment_is_said_in_utc():
    assert say_time(NOW_MS) == "2026-03-01 14:05:09 UTC"
    assert say_time(1 << 60).startswith("9999-12-31")


@pytest.mark.parametrize(
    ("count", "words"),
    [(192, "192 bytes"), (1000, "1 kB"), (999_999, "1 MB"), (25_400_000, "25.4 MB"),
     (4_000_000_000, "4 GB"), (1 << 60, "1152921.5 TB")],
)  # fmt: skip
def test_a_size_has_one_unit(count, words):
    assert say_bytes(count) == words


def test_a_metric_is_said_in_its_unit():
    assert [say_metric(m) for m in (871_234, 1_000_000, -5, 0)] == [
        "0.8712", "1.0000", "-0.0000", "0.0000",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "ago_ms"),
    [("2h", 7_200_000), ("7d", 604_800_000), ("30min", 1_800_000), ("45 s", 45_000),
     ("2026-03-01", 50_709_000), ("2026-03-01T14:05", 9_000),
     ("2026-03-01 14:05:09 UTC", 0), ("2026-03-01T15:05:09+01:00", 0)],
)  # fmt: skip
def test_a_moment_is_typed_as_a_duration_or_a_date(text, ago_ms):
    assert read_since(text, NOW_MS) == NOW_MS - ago_ms


@pytest.mark.parametrize("text", ["", "yesterday", "2 weeks", "-3h", "1e3h", "2026-13-01", "٣h"])
def test_what_is_no_moment_is_one_sentence(text):
    with pytest.raises(BadInput, match="Expected a duration such as"):
        read_since(text, NOW_MS)
