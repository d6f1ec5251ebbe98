"""Invariants of a settled model: its contributors, its leader, its receipts, its bytes."""

from __future__ import annotations

from swarmhub.contract.records import Model
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import DESCRIBE, INITIAL, TRAIN
from swarmhub.contract.stages import find_stage
from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import (
    Limit,
    Rule,
    SumRule,
    WeightedSource,
    Zeros,
    is_coded_format,
    merge_parameters,
    merge_statistics,
    merge_sums,
)
from swarmhub.protocol import recompute
from swarmhub.protocol.shards import get_pieces_of_model
from swarmhub.sim import contents
from swarmhub.sim.contents import Blob
from swarmhub.sim.mask_checks import MaskChecks
from swarmhub.types import Digest, MemberId


class SettlementChecks(MaskChecks):
    """Checks of every settled model."""

    def _settled(self, model: Model) -> None:
        if model.number != len(self.models) + 1:
            self._break("ONE_MODEL", f"round {model.number} settled after {len(self.models)}")
        self.models.append(model)
        if self._claimed:
            self._break("VERDICT", f"round {model.number} settled while a merge was disputed")
        pieces = get_pieces_of_model(model)
        self._pieces |= {piece.digest for piece in pieces}
        parts = [piece.digest for piece in pieces] if model.change is None else []
        if not all(self._is_durable(digest) for digest in parts or [model.digest]):
            self._break("DURABLE", f"round {model.number}: a power cut may take it")
        members = {s.member for s in model.shares}
        if model.kind == INITIAL:
            self._check_enough(model, self._roster)
            self._check_leader(model, self._roster)
            self._check_receipts(model, self._roster)
            start = self.world.blobs[model.digest]
            if not contents.is_well_formed(start, self.world.forms.model):
                self._break("FORM", f"round {model.number}: nobody can start from it")
            self._right.append(start)
            return
        expected = self._sets.get(model.number, set())
        if members != expected:
            self._break("NOTHING_LOST", f"round {model.number}: {members} instead of {expected}")
        self._check_enough(model, members)
        if any(s.weight > 100 for s in model.shares):
            self._break("WEIGHTS", f"round {model.number}: somebody weighs more than declared")
        self._check_leader(model, members)
        self._check_receipts(model, members)
        try:
            right = self._true.pop(model.number, None) or self._merge(model)
        except (BadContribution, MergeError, KeyError) as error:
            self._break("TRUE_MERGE", f"round {model.number} cannot be merged ({error})")
            return
        self._right.append(right)
        self._check_test(model, right)
        if right.digest != model.digest:
            self._break("TRUE_MERGE", f"round {model.number} by member {model.leader} is false")

    def _is_durable(self, digest: Digest) -> bool:
        """Return whether an honest node has a blob synced."""
        return any(n.is_honest and n.disk.is_synced(digest) for n in self.world.nodes.values())

    def _merge(self, model: Model) -> Blob:
        """Return the merge of the stated contributions."""
        stated = [(s.member, s.weight, self.world.blobs[s.digest].data) for s in model.shares]
        if model.kind == DESCRIBE:
            documents = {member: data for member, _, data in stated}
            return Blob(STATISTICS_LAYOUT, merge_statistics(documents))
        forms, stage = self.world.forms, find_stage(self.world.spec, model.stage)
        assert stage is not None
        rule, layout = stage.rule, forms.of_stage.get(stage.name, forms.model)
        inputs = [
            WeightedSource(m, weight, recompute.MemoryReader(data)) for m, weight, data in stated
        ]
        if model.kind not in (TRAIN, INITIAL):
            limits = tuple(Limit(b.array, b.low, b.high) for b in stage.bounds)
            added = merge_sums(SumRule(stage.agreed, limits), layout, inputs)
            return Blob(layout.digest, b"".join(bytes(c) for c in added))
        before = self.world.blobs.get(model.base)
        exact = Rule(rule.name, rule.trim_permille, rule.max_share_permille)
        if forms.wire is not None and before is not None:
            return self._move(model, before, exact, inputs)
        base = None if before is None else recompute.MemoryReader(before.data)
        chunks = merge_parameters(exact, layout, inputs, base)
        return Blob(layout.digest, b"".join(bytes(c) for c in chunks))

    def _move(self, model: Model, before: Blob, rule: Rule, inputs: list[WeightedSource]) -> Blob:
        """Return the model that follows from the merge of the stated changes."""
        forms = self.world.forms
        assert forms.wire is not None
        coded = is_coded_format(forms.format)
        chunks = merge_parameters(rule, forms.wire, inputs, Zeros(), coded)
        change = Blob(forms.wire.digest, b"".join(bytes(c) for c in chunks))
        if model.change is None or model.change.digest != change.digest:
            self._break("TRUE_MERGE", f"round {model.number}: its change is false")
        return contents.move(before, change, forms)

    def _check_test(self, model: Model, right: Blob) -> None:
        """Check that a stage's test is said to hold if it holds."""
        holds = False
        if model.stage == contents.FIT:
            sums = contents.arrays_of(right, self.world.forms.of_stage[contents.FIT])
            holds = bool((abs(sums["gradient"]) <= contents.FIT_MOST).all())
        before = self.models[-2] if len(self.models) > 1 else model
        went_on = model.stage == contents.FIT and model.turn > 1
        is_over = before.met or before.turn == contents.FIT_ROUNDS
        if before.stage == contents.FIT and went_on == is_over:
            self._break("TEST", f"round {before.number}: its stage goes on, or does not")
        if model.met != holds:
            self._break("TEST", f"round {model.number}: the test holds: {holds}, not {model.met}")

    def _check_receipts(self, model: Model, members: set[MemberId]) -> None:
        for shard, found in enumerate(model.shards):
            signed, caught = self._backed.get(shard, (set(), set()))
            signers = set(found.receipts) & signed & members - {found.leader}
            self._check_signers(model, members - caught, (found.leader, signers), shard)
        if not model.shards:
            signers = set(model.receipts) & self._signed & members - {model.leader}
            trusted = members - self._caught.get(model.number, set())
            self._check_signers(model, trusted, (model.leader, signers))

    def _check_signers(
        self, model: Model, trusted: set[MemberId], settled: tuple[MemberId, set[MemberId]],
        shard: int = 0,
    ) -> None:  # fmt: skip
        """Check the receipts of what a leader has settled; the auditors are drawn of members that
        were not caught."""
        leader, others = settled
        members = {s.member for s in model.shares} or self._roster
        needed = min(max(1, min(self._faults, len(members) - 2)), len(members) - 1)
        if len(others) < needed:
            self._break("RECEIPTS", f"round {model.number} has receipts of {others}")
        able = trusted - {leader}
        purpose = (1 << 32) + model.revision + (shard << 48)
        drawn = self._sorted(model.number, able, purpose)[:needed]
        many = len(members) - 1 - max(1, self._faults)
        if model.kind != INITIAL and not set(drawn) <= others and len(others) < many:
            self._break("RECEIPTS", f"round {model.number}: {others} have signed, not {drawn}")

    def _check_enough(self, model: Model, members: set[MemberId]) -> None:
        needed = max(self.world.spec.min_peers, 2 * self._faults + 1)
        if len(members) < needed:
            self._break("ENOUGH", f"round {model.number} is made by {members}, and needs {needed}")

    def _check_leader(self, model: Model, members: set[MemberId]) -> None:
        line = self._line(model.number, members)
        if model.shards:  # each was checked as it was settled
            if len(model.shards) != len(self._backed):
                self._break("ONE_MODEL", f"round {model.number}: {len(self._backed)} shards")
        elif not line or line[model.term % len(line)] != model.leader:
            self._break("LEADER", f"member {model.leader} settled term {model.term} of {line}")
        if not model.shards and model.leader in self._caught.get(model.number, set()):
            self._break("LEADER", f"member {model.leader} settled after it was caught")
