"""Invariants of the ledger's events."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.contract import events as e
from swarmhub.contract.round.kinds import INITIAL
from swarmhub.sim.settlements import SettlementChecks
from swarmhub.types import MemberId


class EventChecks(SettlementChecks):
    """Checks of each event of a block."""

    def _hear(self, event: e.Event, height: int) -> None:
        match event:
            case e.Enrolled(member=member):
                self._enrolled.add(member)
            case e.Withdrawn(member=member):
                self._enrolled.discard(member)
                self._reckoned.discard(member)
                self._roster.discard(member)
            case e.RemovalMoved():
                self._targets[event.motion] = event.member
                self._ballots[event.motion] = {event.by}  # the mover has voted
            case e.Departed(status="removed"):
                self._removed(event.member, height)
            case e.StudyEnded(status="finished"):
                self.finished = True
            case e.StudyPaused():
                self._paused()
            case e.Settled():
                self._settled(event.model)
            case e.Excluded():
                self._excluded(event.member, event.why)
            case e.MergeStarted() | e.ConfirmStarted() | e.TookOver():
                self._led_by(event)
            case e.DisputeOpened() | e.DisputeDismissed() | e.DisputeAbandoned() | e.FalseMerge():
                self._disputed(event)
            case e.ShardSettled():
                self._shard_settled(event)
            case e.RoundEvent():
                self._collected(event)
                self._heard_of_masks(event)

    def _paused(self) -> None:
        """Forget the open round: it is void, and opens again without contributions."""
        self._forget_offers()
        self._answers.clear()
        self._roster.clear()
        self._brought.clear()
        self._parts.clear()
        for found in (self._sets, self._contributed, self._caught):
            found.pop(self._number, None)

    def _collected(self, event: e.RoundEvent) -> None:
        """Follow the roster of the open round, and what it has."""
        number = event.number
        match event:
            case e.RoundOpened():
                self._number, self._kind = number, event.kind
                self._at = (event.stage, event.turn)
                self._roster, self._reckoned = set(event.roster), set(self._enrolled)
                self._reports.clear()
                self._brought.clear()
                self._parts.clear()
                self._forget_shards()
                self._left.clear()
            case e.CollectsAgain():
                self._roster = set(event.roster)
                self._reckon(self._roster)
            case e.KeysAskedAgain():
                self._paused()
                self._roster, self._reckoned = set(event.roster), set(self._enrolled)
                self._reports.clear()
            case e.SumSettled():
                self._forget_offers()
                self._total = event.digest
                self._forget_shards()
            case e.BecameReady() if number == self._number:
                self._roster.add(event.member)
                self._reckon(self._roster)
            case e.Contributed():
                self._roster.add(event.member)
                self._reckon(self._roster)
                self._contributed.setdefault(number, set()).add(event.member)
            case e.Voided():
                self._forget_offers()
                self._reports.clear()
                self._brought.pop(event.member, None)
                self._parts.pop(event.member, None)
                self._forget_shards()
                self._roster.discard(event.member)
                self._sets.get(number, set()).discard(event.member)
                self._contributed.get(number, set()).discard(event.member)
            case e.LeftOut():
                self._left_out(number, event.member)
            case e.Reported(kind="unavailable"):
                self._reports.setdefault(event.member, set()).add(event.by)

    def _led_by(self, event: e.MergeStarted | e.ConfirmStarted | e.TookOver) -> None:
        """Check a leader's turn."""
        shard = 0 if isinstance(event, e.ConfirmStarted) else event.shard
        if isinstance(event, e.MergeStarted | e.ConfirmStarted) and shard == 0:
            self._fixed(event.number, event.members)
        if event.leader is None:
            self._break("LEADER", f"round {event.number} merges without a leader")
        else:
            self._check_turn(event.number, event.term, event.leader, shard)

    def _disputed(
        self, event: e.DisputeOpened | e.DisputeDismissed | e.DisputeAbandoned | e.FalseMerge
    ) -> None:
        """Check the course of a dispute."""
        match event:
            case e.DisputeOpened():
                self._claimed[event.shard] = event.claimed
            case e.DisputeDismissed():
                self._dismissed(event.number, event.shard)
            case e.DisputeAbandoned(leader=leader):
                self._caught.setdefault(event.number, set()).add(leader)
                if leader in self._enrolled - set(self.world.schedule.liars):
                    self._break("HONEST", f"member {leader} is said to flee")
            case e.FalseMerge():
                self._convicted(event)

    def _fixed(self, number: int, members: Sequence[MemberId]) -> None:
        """Check the set of contributions that a round merges."""
        self._forget_offers()
        self._roster -= self._left - set(members)
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
        self._parts.pop(member, None)
        self._left.add(member)
        self._contributed.get(number, set()).discard(member)
        if member not in self.world.schedule.liars:
            self._break("HONEST", f"member {member} was left out for its layout")

    def _excluded(self, member: MemberId, why: str) -> None:
        """Check that enough have reported a member as unavailable, or that it is a liar."""
        if why != "unavailable":
            if member not in self.world.schedule.liars:
                self._break("HONEST", f"member {member} was excluded as invalid")
            return
        others = len(self._sets[self._number]) - 1
        said = self._reports.pop(member, set())
        if len(said) < min(max(2, self._faults + 1), others):
            self._break("HONEST", f"member {member} was excluded by {said}")

    def _dismissed(self, number: int, shard: int) -> None:
        """Check that no leaf had a verdict against the leader."""
        answers, claimed = self._end_dispute(shard)
        for leaf in set(answers.values()) - {claimed}:
            agreed = [m for m, said in answers.items() if said == leaf]
            if self._is_verdict(number, len(agreed)):
                self._break("VERDICT", f"round {number}: {agreed} were not heard")

    def _convicted(self, event: e.FalseMerge) -> None:
        """Check the verdict against a leader."""
        number, leader, by = event.number, event.leader, event.by
        answers, claimed = self._end_dispute(event.shard)
        groups: dict[str, set[MemberId]] = {}
        for member, leaf in answers.items():
            groups.setdefault(leaf, set()).add(member)
        groups.pop(claimed, None)
        convicting = max(groups.values(), key=len, default=set())
        if not self._is_verdict(number, len(convicting)) or set(by) != convicting:
            self._break("VERDICT", f"round {number}: {by} have convicted")
        if leader in answers:
            self._break("VERDICT", f"round {number}: the accused has answered")
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
        self._claimed.clear()
        self._led.clear()
        self._past_keys.clear()

    def _end_dispute(self, shard: int) -> tuple[dict[MemberId, str], str]:
        """Return the answers of a dispute that has ended, and the accused leader's leaf."""
        return self._answers.pop(shard, {}), self._claimed.pop(shard, "")

    def _shard_settled(self, event: e.ShardSettled) -> None:
        """Check that a shard is settled once, of the set of all, by its leader, and by no merge
        that is disputed."""
        number, shard = event.number, event.shard
        if shard in self._backed:
            self._break("ONE_MODEL", f"round {number}: shard {shard} settled twice")
        if self._claimed.get(shard):
            self._break("VERDICT", f"round {number}: shard {shard} settled while disputed")
        line = self._line(number, self._sets[number], shard)
        if line[event.term % len(line)] != event.leader:
            self._break("LEADER", f"member {event.leader} settled shard {shard} of {line}")
        self._backed[shard] = (set(self._signed), set(self._caught.get(number, ())))
        self._shards.append(event.digest)

    def _forget_shards(self) -> None:
        """Forget settled shards: they are of another set, or of a round that is over."""
        self._backed.clear()
        self._shards.clear()

    def _check_turn(self, number: int, term: int, leader: MemberId, shard: int) -> None:
        """Check that a new leader is next in line."""
        self._led.add(leader)
        candidates = self._roster if self._kind == INITIAL else self._sets[number]
        line = self._line(number, candidates, shard)
        if line[term % len(line)] != leader or leader in self._caught.get(number, set()):
            self._break("LEADER", f"member {leader} leads term {term} of {line}")
