"""Logs of a process: text for people, or JSON for machines, a line an event.

JSON lines have `time` (RFC 3339, UTC), `level`, `logger` and `message`, and `exc` (a traceback) if
there was an exception. The setting is `log_format` in node.toml for the node and the processes
beside it, the environment variable SWARMHUB_LOG for commands and trainers.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from swarmhub.errors import BadInput

VARIABLE = "SWARMHUB_LOG"
TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)
TEXT_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """A record as a line of JSON, in ASCII: no encoding of a terminal or a collector alters it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        traces = [self.formatException(record.exc_info)] if record.exc_info else []
        traces += [record.stack_info] if record.stack_info else []
        if traces:
            event["exc"] = "\n".join(traces)
        return json.dumps(event)


def is_json() -> bool:
    """Return whether this process logs JSON. Raises BadInput if the environment says neither."""
    chosen = os.environ.get(VARIABLE) or TEXT
    if chosen not in FORMATS:
        raise BadInput(
            f"Expected {VARIABLE} to be 'text' or 'json', got {chosen[:40]!r}; set or unset it."
        )
    return chosen == JSON


def set_up(level: int, chosen: str = "") -> None:
    """Log to stderr from `level` on, in the format `chosen` ("": that of the environment), which
    the children of this process take over."""
    if chosen:
        os.environ[VARIABLE] = chosen
    handler = logging.StreamHandler(sys.stderr)
    as_json = is_json()
    handler.setFormatter(JsonLines() if as_json else logging.Formatter(TEXT_LINE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(as_json)
    sys.excepthook = _log_uncaught if as_json else sys.__excepthook__


def say(sentence: str, logger: str = "swarmhub", level: int = logging.ERROR) -> None:
    """Print a sentence for a person to stderr; in JSON it is an event. It needs no `set_up`: a
    trainer's logs belong to its own program."""
    if os.environ.get(VARIABLE) == JSON:
        _print_event(logging.LogRecord(logger, level, "", 0, sentence, None, None))
    else:
        print(f"swarmhub: {sentence}", file=sys.stderr, flush=True)


def read_sentence(line: str) -> str:
    """Return the sentence of a line that `say` has printed."""
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return line.removeprefix("swarmhub: ")


def say_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an exception that nothing has caught, with its traceback; in JSON it is an event."""
    if os.environ.get(VARIABLE) == JSON:
        said = f"{kind.__name__}: {error}"
        record = logging.LogRecord(
            "swarmhub", logging.CRITICAL, "", 0, "%s", (said,), (kind, error, trace)
        )
        _print_event(record)
    else:
        sys.__excepthook__(kind, error, trace)


def _print_event(record: logging.LogRecord) -> None:
    print(JsonLines().format(record), file=sys.stderr, flush=True)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        say_uncaught(kind, error, trace)
