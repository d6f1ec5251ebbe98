"""Steps are written once, at whatever moment the tracker's process ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from swarmhub.home.tracking import parse_track
from swarmhub.track.process import Tracker
from swarmhub.track.progress import Progress
from swarmhub.track.values import Step, marker_of
from swarmhub.track.writer import RunTags, TrackError

TARGET = parse_track("tensorboard:/runs")
STEPS = [Step("s", part, n, 0, "t", {marker_of(part): n}) for n in (2, 3, 4) for part in
         ("own", "merged")]  # fmt: skip


class Crash(BaseException):
    """The end of the process."""


class Paper:
    """A tracker in memory; the call number `stops_at` fails, before or after it has acted."""

    def __init__(self):
        self.written, self.runs, self.closed = [], [], []
        self.calls, self.stops_at, self.acts_first = 0, -1, False
        self.error: type[BaseException] = Crash

    def _call(self, act):
        self.calls += 1
        stops = self.calls == self.stops_at
        if stops and not self.acts_first:
            raise self.error("stop")
        found = act()
        if stops:
            raise self.error("stop")
        return found

    def open_run(self, tags: RunTags):
        def act():
            if tags not in self.runs:
                self.runs.append(tags)
            return str(self.runs.index(tags))

        return self._call(act)

    def find_last(self, run, name):
        def act():
            return max((s.number for s in self.written if name in s.values), default=-1)

        return self._call(act)

    def write(self, run, step):
        self._call(lambda: self.written.append(step))

    def close_run(self, run):
        self._call(lambda: self.closed.append(run))


class AllRounds:
    """A study of three rounds that is over."""

    def find_due(self, ledger, progress):
        return [s for s in STEPS if s.number > progress.of("s").last(s.part)]

    def find_over(self, ledger, progress):
        return [] if progress.of("s").closed else ["s"]


def start(root, paper):
    """Return a tracker as after a start of its process."""
    home = SimpleNamespace(root=root, config=SimpleNamespace(name="A"))
    ledger = SimpleNamespace(tip=SimpleNamespace(chain_id="c"))
    return Tracker(home, TARGET, paper, AllRounds(), ledger)


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path


CALLS = 1 + 2 + len(STEPS) + 1  # open the run, ask for both parts, write, close


@pytest.mark.parametrize("acts_first", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stops_at", range(1, CALLS + 1))
def test_a_crash_at_any_call_repeats_no_step(root, stops_at, acts_first):
    paper = Paper()
    paper.stops_at, paper.acts_first = stops_at, acts_first
    tracker = start(root, paper)
    with pytest.raises(Crash):
        tracker.write(*tracker.find_due())
    tracker = start(root, paper)
    tracker.write(*tracker.find_due())
    assert paper.written == STEPS
    assert len(paper.runs) == 1
    assert set(paper.closed) == {"0"}


def test_a_tracker_that_answers_again_gets_the_rest(root):
    paper = Paper()
    paper.stops_at, paper.error = 6, TrackError
    tracker = start(root, paper)
    with pytest.raises(TrackError):
        tracker.write(*tracker.find_due())
    tracker.write(*tracker.find_due())
    assert paper.written == STEPS


def test_after_the_last_step_a_start_asks_nothing(root):
    paper = Paper()
    tracker = start(root, paper)
    tracker.write(*tracker.find_due())
    assert paper.calls == CALLS
    tracker = start(root, paper)
    tracker.write(*tracker.find_due())
    assert paper.calls == CALLS


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"tensorboard:/runs": {"s": {"x": 1}}}', "[" * 9999]
)
def test_a_damaged_file_costs_questions_only(root, content):
    paper = Paper()
    tracker = start(root, paper)
    tracker.write(*tracker.find_due())
    (root / "state" / "track.json").write_text(content)
    tracker = start(root, paper)
    tracker.write(*tracker.find_due())
    assert paper.written == STEPS


def test_progress_of_another_target_is_kept(root):
    path = root / "track.json"
    first, second = Progress(path, "mlflow:/a"), Progress(path, "mlflow:/a")
    first.of("s").note("own", 3)
    first.save()
    other = Progress(path, "mlflow:/b")
    assert other.of("s").own == -1
    other.save()
    second = Progress(path, "mlflow:/a")
    assert second.of("s").own == 3
