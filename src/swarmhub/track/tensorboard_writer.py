"""Event files for TensorBoard: a folder for each run, one more file after each start.

Records are framed as TFRecord: length (8 bytes), its checksum (4), the event, its checksum (4).
A run's folder has its tags in `swarmhub.json`.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from swarmhub.errors import plain
from swarmhub.files import sync, write_durably
from swarmhub.home.tracking import TrackTarget
from swarmhub.track.values import Step, marker_of
from swarmhub.track.writer import RunTags, TrackError

FILE_VERSION = "brain.Event:2"
TAGS = "swarmhub.json"
HEAD, FOOT = struct.Struct("<QI"), 4  # of a record, bytes
MAX_EVENT_BYTES = 1 << 24


class TensorboardWriter:
    """Writes event files below a folder."""

    def __init__(self, target: TrackTarget) -> None:
        self._root = Path(target.place)
        self._open: dict[str, tuple[Path, RecordWriter]] = {}

    def open_run(self, tags: RunTags) -> str:
        """Return the name of the run's folder: the study's, with a number if another consortium or
        hospital has a run of this name."""
        try:
            for turn in itertools.count(1):
                name = tags.study if turn == 1 else f"{tags.study}-run{turn}"
                path = self._root / name / TAGS
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists():
                    write_durably(path, json.dumps(dataclasses.asdict(tags)).encode())
                if RunTags(**json.loads(path.read_bytes())).is_same_run(tags):
                    return name
        except (OSError, ValueError, TypeError) as error:
            raise TrackError(plain(error)) from None
        raise AssertionError

    def find_last(self, run: str, name: str) -> int:
        """Return the newest step that has a value of this name; -1 if none has."""
        last = -1
        try:
            for path in (self._root / run).glob("*tfevents*"):
                for event in read_events(path):
                    if any(value.tag == name for value in event.summary.value):
                        last = max(last, int(event.step))
        except OSError as error:
            raise TrackError(plain(error)) from None
        return last

    def write(self, run: str, step: Step) -> None:
        """Write the values of a step as one event, so all of them or none."""
        values = [Summary.Value(tag=n, simple_value=v) for n, v in sorted(step.values.items())]
        assert marker_of(step.part) in step.values
        event = Event(
            wall_time=step.time_ms / 1000, step=step.number, summary=Summary(value=values)
        )
        try:
            path, writer = self._open_file(run)
            writer.write(event.SerializeToString())
            writer.flush()
            sync(path)
        except OSError as error:
            self._open.pop(run, None)  # what may be torn is the end of its file
            raise TrackError(plain(error)) from None

    def _open_file(self, run: str) -> tuple[Path, RecordWriter]:
        if run not in self._open:
            name = (
                f"events.out.tfevents.{int(time.time())}.{os.getpid()}.{len(self._open)}.swarmhub"
            )
            path = self._root / run / name
            writer = RecordWriter(str(path))
            first = Event(wall_time=time.time(), file_version=FILE_VERSION)
            writer.write(first.SerializeToString())
            self._open[run] = path, writer
        return self._open[run]

    def close_run(self, run: str) -> None:
        """Close the run's file."""
        if run in self._open:
            self._open.pop(run)[1].close()


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a file, up to a torn one."""
    with path.open("rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            length, _ = HEAD.unpack(head)
            if length > MAX_EVENT_BYTES or len(body := file.read(length + FOOT)) < length + FOOT:
                return
            try:
                yield Event.FromString(body[:length])
            except ValueError:  # DecodeError
                return
