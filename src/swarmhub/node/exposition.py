"""The text format of Prometheus, version 0.0.4.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Kind = Literal["counter", "gauge"]


@dataclass(frozen=True)
class Family:
    """A metric and its samples. The name of a counter ends with `_total`."""

    name: str
    kind: Kind
    help: str
    samples: tuple[tuple[Labels, float], ...]

    def lines(self) -> Iterable[str]:
        """Yield the lines of the metric."""
        said = self.help.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {self.name} {said}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            named = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            yield f"{self.name}{{{named}}} {value!r}" if named else f"{self.name} {value!r}"


def write_text(families: Iterable[Family]) -> str:
    """Return the metrics as text."""
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
