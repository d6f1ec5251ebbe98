"""Prometheus's text format, read back by its own parser."""

from __future__ import annotations

import pytest

from swarmhub.node.exposition import Family, write_text

parser = pytest.importorskip("prometheus_client.parser")


def gauge(name, value):
    return Family(name, "gauge", "X.", (({}, value),))


def read(*families):
    """Return {(name of the sample, labels): value}, as Prometheus reads them."""
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in parser.text_string_to_metric_families(write_text(families))
        for s in family.samples
    }


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "a\\nb", "Hôpital {x=1}, 2", ""])
def test_a_label_is_read_back_as_it_was(text):
    family = Family("swarmhub_x", "gauge", text, (({"kind": text}, 3),))
    assert read(family) == {("swarmhub_x", (("kind", text),)): 3}
    (found,) = parser.text_string_to_metric_families(write_text([family]))
    assert found.documentation == text


@pytest.mark.parametrize("value", [0, 1, 1 << 53, 0.1, 1e300, 1e-300])
def test_a_value_is_read_back_exactly(value):
    assert read(gauge("swarmhub_x", value)) == {("swarmhub_x", ()): value}


def test_kinds_are_declared():
    text = write_text(
        [Family("swarmhub_x_total", "counter", "X.", (({}, 1),)), gauge("swarmhub_y", 2)]
    )
    kinds = {f.name: f.type for f in parser.text_string_to_metric_families(text)}
    assert kinds == {"swarmhub_x": "counter", "swarmhub_y": "gauge"}
