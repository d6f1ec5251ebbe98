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

import swarmhub
from swarmhub.clock import wall_clock_ms
from swarmhub.contract.records import ROUND, STUDY, Round, get_chain, get_members
from swarmhub.contract.round.kinds import KINDS, PHASES
from swarmhub.node.beside import BesideNode
from swarmhub.node.exposition import Family, Labels, counter, gauge, write_text
from swarmhub.node.sent import KINDS as SENT_KINDS
from swarmhub.node.services import Services
from swarmhub.node.status import Status
from swarmhub.node.studies import Studies

DIGITS = 16  # of a digest, as the commands show it
STATM = Path("/proc/self/statm")


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
        return write_text(self._families())

    def _families(self) -> Iterator[Family]:
        yield from self._of_software()
        yield from self._of_ledger()
        yield from self._of_studies()
        yield from self._of_data()
        yield from self._of_process()

    def _of_software(self) -> Iterator[Family]:
        labels = {"version": swarmhub.__version__, "python": platform.python_version()}
        yield Family(
            "swarmhub_build_info", "gauge", "The software's version.", ((labels, 1),)
        )  # fmt: skip

    def _of_ledger(self) -> Iterator[Family]:
        services, standing = self._services, self._status.standing()
        tip, me = services.ledger.tip, services.me()
        failed = services.ledger.failure is not None or services.stopping.is_set()
        members = get_members(services.state)
        yield gauge("swarmhub_ledger_height", "Height of the newest block here.", tip.height)
        age_s = max(0, self._clock() - tip.time_ms) / 1000
        yield gauge("swarmhub_ledger_block_age_seconds", "Seconds since the newest block.", age_s)
        well = standing.state == "member" and not failed
        yield gauge("swarmhub_well", "1 while the node does a member's work.", int(well))
        waiting = int(standing.state == "waiting")
        yield gauge("swarmhub_waiting", "1 while it waits for its admission.", waiting)
        problems = len(self._status.all_problems())
        yield gauge("swarmhub_problems", "Sentences with ! in 'swarmhub status'.", problems)
        yield gauge("swarmhub_members", "Members of the consortium.", len(members))
        validators = sum(m.power > 0 for m in members)
        yield gauge("swarmhub_validators", "Members that vote on blocks.", validators)
        yield gauge("swarmhub_is_validator", "1 if this node is one.", int(bool(me and me.power)))

    def _of_studies(self) -> Iterator[Family]:
        state = self._services.state
        running = get_chain(state).running
        yield gauge("swarmhub_studies_running", "Studies that run.", len(running))
        attached = sum(d.local.attached for d in self._studies.drivers.values())
        yield gauge("swarmhub_trainers_attached", "Trainers attached here.", attached)
        rounds = [
            (STUDY.need(state, name).spec[:DIGITS], r)
            for name in running
            if (r := ROUND.get(state, name)) is not None
        ]

        def of(name: str, said: str, value: Callable[[Round], float]) -> Family:
            samples = tuple(({"study": study}, value(r)) for study, r in rounds)
            return Family(f"swarmhub_round_{name}", "gauge", said, samples)

        def one_of(
            name: str, said: str, all_: Sequence[str], now: Callable[[Round], str]
        ) -> Family:
            samples = tuple(
                ({"study": study, name: text}, int(now(r) == text))
                for study, r in rounds
                for text in all_
            )
            return Family(f"swarmhub_round_{name}", "gauge", said, samples)

        now_ms = self._clock()
        yield of("number", "Number of the open round.", lambda r: r.number)
        yield one_of("kind", "1 for the kind of the open round.", tuple(KINDS), lambda r: r.kind)
        yield one_of("phase", "1 for its phase.", tuple(PHASES), lambda r: r.phase)
        yield of("roster", "Members that it is for.", lambda r: len(r.roster))
        yield of("contributions", "Contributions that have come.", lambda r: len(r.contributions))
        yield of("contributions_needed", "Contributions without which it does not close.",
                 lambda r: r.min_peers)  # fmt: skip
        yield of("term", "Leaders that it has had, but for the present one.", lambda r: r.lead.term)
        yield of("age_seconds", "Seconds since it opened.",
                 lambda r: max(0, now_ms - r.opened_ms) / 1000)  # fmt: skip

    def _of_data(self) -> Iterator[Family]:
        blobs, nbytes = self._services.blobs, self._services.outgoing.nbytes
        samples: tuple[tuple[Labels, float], ...] = tuple(
            ({"kind": kind}, nbytes[kind]) for kind in SENT_KINDS
        )
        yield Family(
            "swarmhub_sent_bytes_total", "counter",
            "Bytes that this process has sent to other hospitals.", samples,
        )  # fmt: skip
        yield gauge("swarmhub_blobs", "Buffers of parameters on disk.", len(blobs.digests()))
        yield gauge("swarmhub_blobs_bytes", "Their bytes.", blobs.nbytes)

    def _of_process(self) -> Iterator[Family]:
        samples = tuple(({"process": b.name}, int(b.is_running)) for b in self._beside)
        yield Family(
            "swarmhub_beside_running", "gauge",
            "1 while the process beside the node runs.", samples,
        )  # fmt: skip
        yield counter("process_cpu_seconds_total", "CPU time of the node.", time.process_time())
        yield gauge("process_resident_memory_bytes", "Its memory.", read_resident_bytes())
        yield gauge("process_start_time_seconds", "Its start, since 1970.", STARTED_S)


STARTED_S = time.time()


def read_resident_bytes() -> int:
    """Return the resident memory of this process; without /proc its peak."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
