"""The study as documents, computed from the blocks alone: JSON lines, integers only.

Metrics are in millionths, times in ms of block time. `verify` computes the documents again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract import events as e
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.contract.transactions import Amend, Contribute, Propose
from swarmhub.ledger import Committed
from swarmhub.operations.attendance import AttendanceBook, RoundHeld
from swarmhub.operations.evidence.state import get_every_member
from swarmhub.operations.rounds import RoundBook, SettledRound
from swarmhub.types import Digest, MemberId

Row = dict[str, Any]
Rows = list[Row]


def derive(state: State, blocks: Sequence[Committed], study: str) -> dict[str, list[bytes]]:
    """Return the lines of each document, by its path in the folder."""
    members = get_every_member(state)
    story = _Story(study, {m.id: m.name for m in members})
    attended, rounds = AttendanceBook(study), RoundBook(study, 0)
    for committed in blocks:
        story.see(committed)
        attended.see(committed)
        rounds.see(committed)
    found: dict[str, Rows] = {
        "study/members.jsonl": [
            {"account": m.account, "member": m.id, "name": m.name, "release_key": m.release,
             "status": m.status}
            for m in members
        ],
        "study/terms.jsonl": story.terms,
        "study/approvals.jsonl": story.approvals,
        "study/participation.jsonl": [story.say_round(r) for r in attended.rounds()],
        "study/metrics.jsonl": [story.say_settled(r) for r in rounds.rounds()],
        "study/contributions.jsonl": story.contributions,
        "study/releases.jsonl": list(story.releases.values()),
    }  # fmt: skip
    return {path: [codec.encode(row) for row in rows] for path, rows in found.items()}


def list_releases(state: State, blocks: Sequence[Committed], study: str) -> Rows:
    """Return the motions to release a model of a study, with their votes, oldest first."""
    story = _Story(study, {m.id: m.name for m in get_every_member(state)})
    for committed in blocks:
        story.see(committed)
    return list(story.releases.values())


class _Story:
    """Terms, approvals, contributions and releases, from blocks in order."""

    def __init__(self, study: str, names: dict[MemberId, str]) -> None:
        self._study = study
        self._names = names
        self._terms: Digest = ""
        self.terms: Rows = []
        self.approvals: Rows = []
        self.contributions: Rows = []
        self.releases: dict[int, Row] = {}

    def see(self, committed: Committed) -> None:
        """Add a block."""
        for tx, event in _by_transaction(committed):
            if tx is not None and e.get_study(event) == self._study:
                self._take_body(tx, event, committed)
            self._hear(event, committed, tx)

    def _take_body(self, tx: bytes, event: e.Event, committed: Committed) -> None:
        body, header = read_transaction(tx).body, committed.block.header
        if isinstance(event, e.StudyProposed | e.StudyAmended) and isinstance(
            body, Propose | Amend
        ):
            self._terms = compute_spec_digest(body.spec)
            self.terms.append({
                "act": body.KIND, "block": header.height, "spec": codec.to_json(body.spec),
                "terms": self._terms, "time_ms": header.time_ms, **self._who(event.by),
            })  # fmt: skip
        elif isinstance(event, e.Contributed) and isinstance(body, Contribute):
            self.contributions.append({
                "block": header.height, "bytes": body.nbytes, "contribution": body.digest,
                "data": body.provenance.data, "round": event.number, "samples": event.weight,
                "software": body.provenance.software, "terms": body.spec,
                "time_ms": header.time_ms, **self._who(event.member),
            })  # fmt: skip

    def _hear(self, event: e.Event, committed: Committed, tx: bytes | None) -> None:
        header = committed.block.header
        place = {"block": header.height, "time_ms": header.time_ms,
                 "transaction": read_transaction(tx).id if tx is not None else ""}  # fmt: skip
        match event:
            case e.VoteCast(motion=motion, member=member, aye=aye) if motion in self.releases:
                self.releases[motion]["votes"].append({"aye": aye, **place, **self._who(member)})
            case e.MotionClosed(motion=motion, outcome=outcome) if motion in self.releases:
                self.releases[motion]["outcome"] = outcome
                self.releases[motion]["closed_block"] = header.height
            case _ if e.get_study(event) != self._study:
                return
            case e.ReleaseMoved(model=model, motion=motion, by=by):
                self.releases[motion] = {
                    "model": model, "motion": motion, "moved_by": self._who(by), **place,
                    "outcome": "open", "released_block": 0, "votes": [],
                }  # fmt: skip
            case e.ModelReleased(model=model):
                for row in self.releases.values():
                    if row["model"] == model:
                        row["released_block"] = header.height
            case _:
                said = _say_act(event)
                if said:
                    who = self._who(getattr(event, "member", 0) or getattr(event, "by", 0))
                    self.approvals.append({**said, "terms": self._terms, **place, **who})

    def _who(self, member: MemberId | None) -> Row:
        return {"member": member or 0, "name": self._names.get(member or 0, "")}

    def say_round(self, held: RoundHeld) -> Row:
        """Return a round with those that took part, and those that did not and why."""
        return {
            "absent": [{"why": a.why, **self._who(a.member)} for a in held.absences],
            "kind": held.kind, "leader": self._who(held.leader), "opened_ms": held.opened_ms,
            "roster": list(held.roster), "round": held.number, "settled_ms": held.settled_ms,
            "stage": held.stage, "turn": held.turn,
            "takeovers": [
                {"before": self._who(t.before), "leader": self._who(t.leader), "time_ms": t.time_ms}
                for t in held.takeovers
            ],
            "took_part": [
                {"samples": c.weight, "time_ms": c.time_ms, **self._who(c.member)}
                for c in held.contributions
            ],
        }  # fmt: skip

    def say_settled(self, settled: SettledRound) -> Row:
        """Return a settled round with its model and all metrics."""
        return {
            "mean": codec.to_json(settled.mean), "model": codec.to_json(settled.model),
            "sites": [{**codec.to_json(s), **self._who(s.member)} for s in settled.sites],
            "time_ms": settled.time_ms,
        }  # fmt: skip


def _say_act(event: e.Event) -> Row:
    """Return what a hospital has said to a study; nothing for other events."""
    match event:
        case e.StudyProposed() | e.StudyAmended():
            return {"act": "proposed" if isinstance(event, e.StudyProposed) else "amended"}
        case e.StudyApproved():
            return {"act": "approved"}
        case e.StudyRefused():
            return {"act": "refused"}
        case e.Enrolled(samples=samples):
            return {"act": "enrolled", "samples": samples}
        case e.Withdrawn():
            return {"act": "withdrawn"}
        case _:
            return {}


def _by_transaction(committed: Committed) -> Iterator[tuple[bytes | None, e.Event]]:
    """Yield a block's events with the transactions that brought them about; None: a deadline."""
    begun = len(committed.events) - sum(len(r.events) for r in committed.results)
    for event in committed.events[:begun]:
        yield None, event
    for tx, result in zip(committed.block.txs, committed.results, strict=False):
        for event in result.events:
            yield tx, event
