"""The metrics of a running node, for `GET /metrics`.

Anybody who reaches the port can read them. So they have no value of a patient, no model, no name of
a hospital, a study or a person, no address, and no measured metric: only numbers of things, kinds
and phases. A study is labelled by the beginning of its terms' digest, which the ledger and
`swarmhub study show` have, and which says nothing to others.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import swarmhub
from swarmhub.clock import wall_clock_ms
from swarmhub.contract.records import ROUND, STUDY, Round, get_chain, get_members
from swarmhub.contract.round.kinds import KINDS, PHASES
from swarmhub.node.beside import BesideNode
from swarmhub.node.exposition import Family, Labels, write_text
from swarmhub.node.metric_names import METRICS
from swarmhub.node.sent import KINDS as KINDS_SENT
from swarmhub.node.services import Services
from swarmhub.node.status import Status
from swarmhub.node.studies import Studies

DIGITS = 16  # of a digest, as the commands show it
STATM = Path("/proc/self/statm")
STARTED_S = time.time()

Value = tuple[Any, ...]  # a name of METRICS, its value, and those of its labels


class Metrics:
    """The metrics of one node. `beside` are the processes that run beside it."""

    def __init__(
        self,
        services: Services,
        studies: Studies,
        status: Status,
        beside: Sequence[BesideNode] = (),
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._services, self._studies, self._status = services, studies, status
        self._beside, self._clock = beside, clock

    def write(self) -> str:
        """Return the present values in Prometheus's text format."""
        found: dict[str, list[tuple[Labels, float]]] = {name: [] for name in METRICS}
        for name, value, *labels in self._values():
            found[name].append((dict(zip(METRICS[name].labels, labels, strict=True)), value))
        return write_text(
            Family(name, metric.kind, metric.means, tuple(found[name]))
            for name, metric in METRICS.items()
        )

    def _values(self) -> Iterator[Value]:
        """Yield a name, a value, and the values of the name's labels, for each sample."""
        yield "swarmhub_build_info", 1, swarmhub.__version__, platform.python_version()
        yield from self._of_ledger()
        yield from self._of_studies()
        for kind in KINDS_SENT:
            yield "swarmhub_sent_bytes_total", self._services.outgoing.nbytes[kind], kind
        blobs = self._services.blobs
        yield "swarmhub_blobs", len(blobs.digests())
        yield "swarmhub_blobs_bytes", blobs.nbytes
        for process in self._beside:
            yield "swarmhub_beside_running", int(process.is_running), process.name
        yield "process_cpu_seconds_total", time.process_time()
        yield "process_resident_memory_bytes", read_resident_bytes()
        yield "process_start_time_seconds", STARTED_S

    def _of_ledger(self) -> Iterator[Value]:
        services, standing = self._services, self._status.standing()
        tip, me, members = services.ledger.tip, services.me(), get_members(services.state)
        yield "swarmhub_ledger_height", tip.height
        yield "swarmhub_ledger_block_age_seconds", max(0, self._clock() - tip.time_ms) / 1000
        yield "swarmhub_well", int(self._status.does_its_work())
        yield "swarmhub_waiting", int(standing.state == "waiting")
        yield "swarmhub_problems", len(self._status.all_problems())
        yield "swarmhub_members", len(members)
        yield "swarmhub_validators", sum(m.power > 0 for m in members)
        yield "swarmhub_is_validator", int(bool(me and me.power))

    def _of_studies(self) -> Iterator[Value]:
        state = self._services.state
        running = get_chain(state).running
        yield "swarmhub_studies_running", len(running)
        attached = sum(d.local.attached for d in self._studies.drivers.values())
        yield "swarmhub_trainers_attached", attached
        for name in running:
            r = ROUND.get(state, name)
            if r is not None:
                yield from self._of_round(STUDY.need(state, name).spec[:DIGITS], r)

    def _of_round(self, study: str, r: Round) -> Iterator[Value]:
        yield "swarmhub_round_number", r.number, study
        for kind in KINDS:
            yield "swarmhub_round_kind", int(r.kind == kind), study, kind
        for phase in PHASES:
            yield "swarmhub_round_phase", int(r.phase == phase), study, phase
        yield "swarmhub_round_roster", len(r.roster), study
        yield "swarmhub_round_contributions", len(r.contributions), study
        yield "swarmhub_round_contributions_needed", r.min_peers, study
        yield "swarmhub_round_term", r.lead.term, study
        age_s = max(0, self._clock() - r.opened_ms) / 1000
        yield "swarmhub_round_age_seconds", age_s, study


def read_resident_bytes() -> int:
    """Return the resident memory of this process; without /proc its peak."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
