"""Invariants of the ledger's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swarmhub import codec
from swarmhub.contract.records import Model
from swarmhub.contract.round.kinds import INITIAL
from swarmhub.sim.settlements import SettlementChecks
from swarmhub.types import MemberId


class EventChecks(SettlementChecks):
    """Checks of each event of a block."""

    def _hear(self, name: str, fields: dict[str, Any], height: int) -> None:
        number = int(fields.get("number", 0))
        if name == "opened":
            self._number, self._kind = number, fields["kind"]
            self._at = (fields["stage"], fields["turn"])
            self._roster, self._reckoned = set(fields["roster"]), set(self._enrolled)
            self._reports.clear()
            self._brought.clear()
        elif name == "collects_again":
            self._roster = set(fields["roster"])
            self._reckon(self._roster)
        elif name == "enrolled":
            self._enrolled.add(fields["member"])
        elif name == "withdrawn":
            self._enrolled.discard(fields["member"])
            self._reckoned.discard(fields["member"])
            self._roster.discard(fields["member"])
        elif name == "removal_moved":
            self._targets[fields["motion"]] = fields["member"]
            self._ballots[fields["motion"]] = {fields["by"]}  # the mover has voted
        elif name == "ready" and number == self._number:
            self._roster.add(fields["member"])
            self._reckon(self._roster)
        elif name == "contributed":
            self._roster.add(fields["member"])
            self._reckon(self._roster)
            self._contributed.setdefault(number, set()).add(fields["member"])
        elif name == "dispute_abandoned":
            self._caught.setdefault(number, set()).add(fields["leader"])
            if fields["leader"] in self._enrolled - set(self.world.schedule.liars):
                self._break("HONEST", f"member {fields['leader']} is said to flee")
        elif name == "merging":
            self._fixed(number, fields["members"])
            self._check_turn(number, fields["term"], fields["leader"])
        elif name == "took_over":
            self._check_turn(number, fields["term"], fields["leader"])
        elif name == "removed":
            self._removed(fields["member"], height)
        elif name == "voided":
            self._forget_offers()
            self._reports.clear()
            self._brought.pop(fields["member"], None)
            self._roster.discard(fields["member"])
            self._sets.get(number, set()).discard(fields["member"])
            self._contributed.get(number, set()).discard(fields["member"])
        elif name == "left_out":
            self._left_out(number, fields["member"])
        elif name == "unavailable":
            self._reports.setdefault(fields["member"], set()).add(fields["by"])
        elif name == "excluded" and fields["why"] == "unavailable":
            self._excluded(fields["member"])
        elif name == "excluded":
            if fields["member"] not in self.world.schedule.liars:
                self._break("HONEST", f"member {fields['member']} was excluded as invalid")
        elif name == "disputed":
            self._claimed = fields["claimed"]
        elif name == "dispute_dismissed":
            self._dismissed(number)
        elif name == "false_merge":
            self._convicted(number, fields["leader"], fields["by"])
        elif name == "study_finished":
            self.finished = True
        elif name == "settled":
            plain = {k: codec.to_json(v) for k, v in fields.items() if k != "lineage"}
            self._settled(codec.from_json(Model, plain))

    def _fixed(self, number: int, members: Sequence[MemberId]) -> None:
        """Check the set of contributions that a round merges."""
        self._forget_offers()
        self._sets[number] = set(members)
        if len(self._sets[number]) < len(members):
            self._break("WEIGHTS", f"round {number}: somebody is in the set twice")
        came = self._contributed.get(number, self._sets[number])
        if came != self._sets[number]:
            self._break("NOTHING_LOST", f"round {number} merges {members} of {came}")

    def _left_out(self, number: int, member: MemberId) -> None:
        """Check that no honest member's contribution is left out for its layout: the honest ones
        are alike, and most."""
        self._brought.pop(member, None)
        self._roster.discard(member)
        self._contributed.get(number, set()).discard(member)
        if member not in self.world.schedule.liars:
            self._break("HONEST", f"member {member} was left out for its layout")

    def _excluded(self, member: MemberId) -> None:
        """Check that enough have reported a member as unavailable."""
        others = len(self._sets[self._number]) - 1
        said = self._reports.pop(member, set())
        if len(said) < min(max(2, self._faults + 1), others):
            self._break("HONEST", f"member {member} was excluded by {said}")

    def _dismissed(self, number: int) -> None:
        """Check that no leaf had a verdict against the leader."""
        for leaf in set(self._answers.values()) - {self._claimed}:
            agreed = [m for m, said in self._answers.items() if said == leaf]
            if self._is_verdict(number, len(agreed)):
                self._break("VERDICT", f"round {number}: {agreed} were not heard")
        self._answers.clear()
        self._claimed = ""

    def _convicted(self, number: int, leader: MemberId, by: Sequence[MemberId]) -> None:
        """Check the verdict against a leader."""
        groups: dict[str, set[MemberId]] = {}
        for member, leaf in self._answers.items():
            groups.setdefault(leaf, set()).add(member)
        groups.pop(self._claimed, None)
        convicting = max(groups.values(), key=len, default=set())
        if not self._is_verdict(number, len(convicting)) or set(by) != convicting:
            self._break("VERDICT", f"round {number}: {by} have convicted")
        if leader in self._answers:
            self._break("VERDICT", f"round {number}: the accused has answered")
        self._answers.clear()
        self._claimed = ""
        self._caught.setdefault(number, set()).add(leader)
        if leader not in self.world.schedule.liars:
            self._break("HONEST", f"member {leader} was found to have lied")

    def _removed(self, victim: MemberId, height: int) -> None:
        electors = self._members - {victim}
        quorum = len(electors) - (len(electors) - 1) // 3
        ayes = [self._ballots.get(m, set()) for m, who in self._targets.items() if who == victim]
        most = max((len(a & electors) for a in ayes), default=0)
        if most < quorum:
            self._break("MEMBERS", f"member {victim} was removed by {most} of {len(electors)}")
        self._members.discard(victim)
        self._approved.discard(victim)
        self._ended[victim] = height

    def _forget_offers(self) -> None:
        """Forget offers: the set of contributions is another, and those for the old one are
        void."""
        self._claimed = ""
        self._led.clear()
        self._past_keys.clear()

    def _check_turn(self, number: int, term: int, leader: MemberId) -> None:
        """Check that a new leader is next in line."""
        self._led.add(leader)
        candidates = self._roster if self._kind == INITIAL else self._sets[number]
        line = self._line(number, candidates)
        if line[term % len(line)] != leader or leader in self._caught.get(number, set()):
            self._break("LEADER", f"member {leader} leads term {term} of {line}")
