"""`GET /metrics` of a running node, read by Prometheus's own parser."""

from __future__ import annotations

import itertools
import time
import urllib.request

import psutil
import pytest
from swarm import PROGRAMS, Network, make_spec

from swarmhub.demo.processes import free_address
from swarmhub.node.metric_names import METRICS
from swarmhub.node.sent import ALL, SentBook

parser = pytest.importorskip("prometheus_client.parser")
pytestmark = pytest.mark.process

MAX_S = 0.005  # of a scrape


class Scrape:
    """The metrics of a node at one moment."""

    def __init__(self, place):
        with urllib.request.urlopen(f"http://{place}/metrics", timeout=5) as answer:
            self.text = answer.read().decode()
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        self.families = {f.name: f for f in parser.text_string_to_metric_families(self.text)}

    def value(self, name, **labels):
        """Return a sample's value."""
        found = self.families[name.removesuffix("_total")].samples
        (sample,) = [s for s in found if labels.items() <= s.labels.items() and s.name == name]
        return sample.value

    def labels(self, name, key):
        return {s.labels[key] for s in self.families[name].samples}

    def counters(self):
        return {
            (s.name, *s.labels.values()): s.value
            for f in self.families.values()
            if f.type == "counter"
            for s in f.samples
        }


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A swarm in the second round of a study, its scrapes, and a scrape after the last round."""
    with Network(tmp_path_factory.mktemp("metrics"), 2) as network:
        place = free_address()
        config = network.homes[0].root / "node.toml"
        config.write_text(config.read_text() + f'health_listen = "{place}"\n')
        for i in (1, 2):
            network.up(i)
        network.wait_until(lambda: all("is up" in network.log(i).read_text() for i in (1, 2)))
        before = Scrape(place)
        network.open_study(make_spec("hearts", title="Cardiac arrest"))
        program = [PROGRAMS / "add_measured.py", "--study", "hearts"]
        network.train(1, program)

        def is_waiting():
            return Scrape(place).value("swarmhub_trainers_attached") == 1

        network.wait_until(is_waiting)
        one = Scrape(place)
        network.train(2, [*program, "--add", 3])
        network.wait_until(lambda: network.study("hearts").is_over)

        def has_flushed():
            return Scrape(place).value("swarmhub_sent_bytes_total", kind="parameters") > 0

        network.wait_until(has_flushed)
        network.wait_until(lambda: Scrape(place).value("swarmhub_studies_running") == 0)
        yield network, place, before, one, Scrape(place)


def test_metrics_agree_with_the_ledger(watched):
    network, _, before, one, after = watched
    assert before.value("swarmhub_studies_running") == 0
    assert one.value("swarmhub_studies_running") == 1
    terms = network.study("hearts").spec[:16]
    assert one.labels("swarmhub_round_number", "study") == {terms}
    assert one.value("swarmhub_round_number") == 1
    assert one.value("swarmhub_round_kind", kind="initial") == 1
    assert one.value("swarmhub_round_phase", phase="OPEN") == 1
    assert sum(s.value for s in one.families["swarmhub_round_phase"].samples) == 1
    assert 0 <= one.value("swarmhub_round_age_seconds") < 60
    assert after.value("swarmhub_members") == after.value("swarmhub_validators") == 2
    assert after.value("swarmhub_well") == 1
    assert after.value("swarmhub_ledger_height") > one.value("swarmhub_ledger_height") > 0


def test_every_metric_of_the_reference_is_there(watched):
    _, _, _, one, _ = watched
    found = {s.name for family in one.families.values() for s in family.samples}
    assert found == set(METRICS)


def test_bytes_sent_are_those_of_the_record(watched):
    network, *_, after = watched
    book = list(SentBook(network.homes[0].sent_path).read())
    kinds = {entry.kind for entry in book if entry.to != ALL}  # commands sign transactions, too
    assert "parameters" in kinds
    for kind in kinds:
        nbytes = sum(entry.nbytes for entry in book if entry.kind == kind)
        assert after.value("swarmhub_sent_bytes_total", kind=kind) == nbytes


def test_blobs_are_those_on_disk(watched):
    network, *_, after = watched
    files = list(network.homes[0].blobs_path.glob("*.bin"))
    assert after.value("swarmhub_blobs") == len(files)
    assert after.value("swarmhub_blobs_bytes") == sum(f.stat().st_size for f in files)


def test_counters_never_fall(watched):
    _, place, before, one, after = watched
    scrapes = [before, one, after, Scrape(place)]
    for earlier, later in itertools.pairwise(scrapes):
        was = earlier.counters()
        assert was
        assert all(later.counters()[key] >= value for key, value in was.items())


def test_process_figures_are_the_systems(watched):
    network, place, *_ = watched
    (pid,) = [p for name, p in network.children.named_pids() if name == "node 1"]
    process, found = psutil.Process(pid), Scrape(place)
    used = process.cpu_times()
    assert found.value("process_cpu_seconds_total") == pytest.approx(used.user + used.system, abs=1)
    memory = found.value("process_resident_memory_bytes")
    assert memory == pytest.approx(process.memory_info().rss, rel=0.2)
    assert found.value("process_start_time_seconds") == pytest.approx(process.create_time(), abs=5)


def test_metrics_name_nobody(watched):
    network, _, before, one, after = watched
    secrets = ["hearts", "Cardiac", "Hospital", "auc", str(network.root), "127.0.0.1"]
    secrets += [home.config.address.rpartition(":")[2] for home in network.homes]
    for scrape in (before, one, after):
        lines = [x for x in scrape.text.splitlines() if not x.startswith("#")]
        lines = [x for x in lines if not x.startswith(("process_", "swarmhub_blobs_bytes"))]
        assert [s for s in secrets for line in lines if s in line] == []


def test_a_scrape_costs_less_than_five_milliseconds(watched):
    _, place, *_ = watched
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        urllib.request.urlopen(f"http://{place}/metrics", timeout=5).read()
        times.append(time.perf_counter() - begun)
    assert min(times) < MAX_S
