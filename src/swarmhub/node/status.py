"""The status of a running node: for its operator, for trainers that wait, for monitoring."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from swarmhub import codec
from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.records import ROUND, STUDY, get_chain, get_members
from swarmhub.contract.round.kinds import is_led
from swarmhub.contract.round.shards import get_leaders
from swarmhub.contract.versions import find_gap
from swarmhub.home.bootstrap import Bootstrap
from swarmhub.home.expiry import find_expiry
from swarmhub.home.membership import RENEWS, Membership, Standing
from swarmhub.home.rotation import is_renewing
from swarmhub.ledger.cometbft import CometLedger
from swarmhub.node.double_signing import find_double_signs
from swarmhub.node.services import Services
from swarmhub.node.studies import Studies
from swarmhub.node.waits import find_absent, find_wait
from swarmhub.protocol.collect import get_needed
from swarmhub.transport.links import Link

log = logging.getLogger("swarmhub.node")


class Status:
    """What a node says of itself."""

    def __init__(
        self, services: Services, studies: Studies, membership: Membership, bootstrap: Bootstrap
    ) -> None:
        self._services, self._studies, self._membership = services, studies, membership
        self._bootstrap = bootstrap
        self._told = ""  # the last standing logged
        self.links: Callable[[], Sequence[Link]] = tuple  # set once the ports are made

    def standing(self) -> Standing:
        """Return whether this hospital is a member, and what to do if it is not."""
        if self._bootstrap.waiting:
            return self._bootstrap.standing()
        services = self._services
        if services.me() is None and is_renewing(services.home, services.state):
            return Standing("waiting", True, RENEWS)
        return self._membership.standing(
            services.state, services.account.public, services.home.config.name
        )

    def is_well(self) -> bool:
        """Return whether there is nothing that a person here has to repair."""
        return self.standing().well and not self.all_problems()

    def does_its_work(self) -> bool:
        """Return whether the node does a member's work, as health checks ask."""
        services = self._services
        failed = services.ledger.failure is not None or services.stopping.is_set()
        return self.standing().state == "member" and not failed

    def log_standing(self) -> None:
        """Log the standing if it has changed."""
        found = self.standing()
        if found.said != self._told:
            self._told = found.said
            is_member = found.state == "member"  # alone: it is transient
            level = logging.WARNING if is_member else logging.ERROR
            log.log(logging.INFO if found.well else level, "%s", found.said)

    def all_problems(self) -> list[str]:
        """Return sentences for the operator: on this node, and on members as the ledger has
        them."""
        ledger, me = self._services.ledger, self._services.me()
        unsigned = ledger.signing.why_not if isinstance(ledger, CometLedger) else ""
        gap = find_gap(ledger.state)  # this node will stop there
        mismatches = self._services.client.sessions.mismatches
        expiry = ""
        with contextlib.suppress(OSError, ValueError):  # damaged: it is said elsewhere
            expiry = find_expiry(self._services.home)
        said = [s for s in (unsigned, str(gap or ""), expiry, *mismatches.values()) if s]
        own = [*self._services.problems.sentences, *said]
        return [*own, *find_double_signs(ledger.state, me.id if me else None)]

    def describe(self) -> dict[str, Any]:
        """Return the status of this node and its studies, as JSON."""
        state, tip, home = self._services.state, self._services.ledger.tip, self._services.home
        me = self._services.me()
        standing = self.standing()
        validators = sum(m.power > 0 for m in get_members(state))
        return {
            "name": home.config.name,
            "member": me.id if me else None,
            "chain": tip.chain_id,
            "height": tip.height,
            "address": home.config.address,
            "members": [{"id": m.id, "name": m.name} for m in get_members(state)],
            "links": [codec.to_json(link) for link in self.links()],
            "studies": [self._describe_study(name) for name in get_chain(state).running],
            "suspended": {name: self.say_wait(name) for name in self._find_suspended()},
            "validator": bool(me and me.power),
            "validators": validators,
            "faults": compute_faults(validators),
            "networked": home.is_networked,
            "waiting": standing.state == "waiting",
            "state": standing.state,
            "said": standing.said,
            "well": self.is_well(),
            "problems": self.all_problems(),
        }

    def _find_suspended(self) -> list[str]:
        """Return the names of the suspended studies in which this node takes part."""
        found = {name: STUDY.get(self._services.state, name) for name in self._studies.drivers}
        return sorted(name for name, s in found.items() if s and s.status == "suspended")

    def _describe_study(self, name: str) -> dict[str, Any]:
        services, state = self._services, self._services.state
        r = ROUND.need(state, name)
        driver = self._studies.drivers.get(name)
        leaders = get_leaders(services.state, r) if is_led(r) else ()
        return {
            "study": name,
            "round": r.number,
            "kind": r.kind,
            "phase": r.phase,
            "term": r.lead.term,
            "leader": leaders[0] if leaders else None,
            "leaders": list(leaders),
            "roster": list(r.roster),
            "contributed": list(r.contributors),
            "min_peers": r.min_peers,
            "trainer": bool(driver and driver.local.attached),
            "waits": self.say_wait(name),
            "absent": [codec.to_json(m) for m in find_absent(state, name, services.now_ms())],
        }

    def say_wait(self, name: str) -> str:
        """Return a sentence on the members that a study waits for, and since when; "" if it is
        over. It adds if this node itself lacks a model or a trainer."""
        state, driver = self._services.state, self._studies.drivers.get(name)
        wait = find_wait(state, name, self._services.now_ms())
        if wait is None:
            return ""
        if driver is None or driver.local.me not in {m.member for m in wait.members}:
            return wait.sentence
        study, blobs = STUDY.need(state, name), self._services.blobs
        if any(m.digest not in blobs for m in get_needed(state, study)):
            return f"{wait.sentence} (this node is fetching the settled model from the others)"
        if driver.local.answer_refused:
            return f"{wait.sentence} (the answer of the trainer here was refused)"
        if driver.local.prepared is not None:
            return f"{wait.sentence} (the answer from here is on its way to the ledger)"
        if not driver.local.attached:
            return f"{wait.sentence} (no trainer runs here; start it)"
        return f"{wait.sentence} ({driver.pace.say(asyncio.get_running_loop().time())})"
