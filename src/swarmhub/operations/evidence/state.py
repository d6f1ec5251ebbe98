"""Records of the state after the last block, each with its proof under that block's header.

The chain's own record is not among them: it names all studies that run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract import events as e
from swarmhub.contract.records import (
    MEMBER,
    SPEC,
    STUDY,
    Member,
    Result,
    Spec,
    Study,
    get_chain,
)
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.contract.trie import check_proof, prove
from swarmhub.errors import Malformed
from swarmhub.operations.evidence.chain import Chain
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import MAX_LINE_BYTES
from swarmhub.types import Digest, MemberId

STATE = "ledger/state.jsonl"
MAX_RECORDS = 4096
KINDS: dict[str, type[Any]] = {"member": Member, "study": Study, "spec": Spec, "result": Result}


@dataclass(frozen=True)
class Proven:
    """A record of the state: its path, its canonical text, and the hashes beside its way."""

    path: str
    value: str
    proof: tuple[Digest, ...]


def list_paths(state: State, study: str) -> list[str]:
    """Return the paths of the records that belong to a study's evidence."""
    members = [f"member/{i}" for i in range(1, get_chain(state).next_member)]
    results = sorted(p for p in state.values if p.startswith(f"result/{study}/"))
    wanted = [*members, f"study/{study}", f"spec/{study}", *results]
    return [path for path in wanted if state.get(path) is not None]


def prove_all(state: State, study: str) -> list[bytes]:
    """Return the lines of STATE."""
    return [
        codec.pack(Proven(
            path, (state.get(path) or b"").decode(),
            tuple(h.hex() for h in prove(state.tree, path)),
        ))
        for path in list_paths(state, study)
    ]  # fmt: skip


def check_state(lines: Sequence[bytes], chain: Chain, study: str) -> State:
    """Return the state of proven records. Raises Altered for the first that is not proven, or if
    the blocks tell another story of the study."""
    if len(lines) > MAX_RECORDS:
        raise Altered(STATE, 0, f"it has more than {MAX_RECORDS} records")
    state, root = State(), bytes.fromhex(chain.tip.app_hash)
    for record, line in enumerate(lines, 1):
        try:
            found = codec.unpack(Proven, line, MAX_LINE_BYTES)
            proof = [bytes.fromhex(h) for h in found.proof]
        except (Malformed, ValueError) as error:
            raise Altered(STATE, record, f"it does not decode ({error})") from None
        if not check_proof(root, found.path, found.value.encode(), proof):
            raise Altered(STATE, record, f"'{found.path}' is not proven by the last header")
        try:
            _need_readable(found)
        except Malformed as error:
            raise Altered(STATE, record, f"its value does not decode ({error})") from None
        state.values[found.path] = found.value.encode()
    _check_members(state, chain)
    _check_study(state, chain, study)
    return state


def _need_readable(found: Proven) -> None:
    """Raise Malformed unless the value is a record of the kind and the name that its path says:
    the chain may be one that somebody made for this folder."""
    kind, _, name = found.path.partition("/")
    if kind not in KINDS:
        raise Malformed(f"'{kind[:20]}' is no kind of record here")
    value = codec.unpack(KINDS[kind], found.value.encode(), MAX_LINE_BYTES)
    if kind != "result" and str(getattr(value, "id" if kind == "member" else "name")) != name:
        raise Malformed("it is of another name")


def get_every_member(state: State) -> list[Member]:
    """Return all members with a record here, those included that have left, by id."""
    paths = [path for path in state.values if path.startswith("member/")]
    found = [MEMBER.get(state, path.removeprefix("member/")) for path in paths]
    return sorted((m for m in found if m is not None), key=lambda m: m.id)


def _check_members(state: State, chain: Chain) -> None:
    members = get_every_member(state)
    if {m.id for m in members} != chain.accounts.ever():
        raise Altered(STATE, 0, "the record of a member is missing")
    active = {m.account: m.id for m in members if m.status == "active"}
    if active != chain.accounts.all():
        raise Altered(STATE, 0, "the members are not those that the blocks have admitted")


def _check_study(state: State, chain: Chain, name: str) -> None:
    """Check that no settled model, approval, enrolment or release is missing among the blocks."""
    study, spec = STUDY.get(state, name), SPEC.get(state, name)
    if study is None or spec is None or compute_spec_digest(spec) != study.spec:
        raise Altered(STATE, 0, f"the record of '{name}', or of its terms, is missing")
    told = _Told(name)
    for committed in chain.blocks:
        for event in committed.events:
            told.hear(event)
    if told.lineage != study.lineage:
        raise Altered(STATE, 0, "the settled models are not those of the blocks")
    for what, ours, theirs in (
        ("approvals", set(study.approved), told.approved),
        ("refusals", set(study.refused), told.refused),
        ("enrolments", {(x.member, x.samples) for x in study.enrolled}, told.enrolled),
        ("released models", {m.digest for m in study.released}, told.released),
    ):
        if not ours <= theirs:
            raise Altered(STATE, 0, f"the {what} are not those of the blocks")


class _Told:
    """A study as its events tell it."""

    def __init__(self, study: str) -> None:
        self._study = study
        self.lineage: Digest = ""
        self.approved: set[MemberId] = set()
        self.refused: set[MemberId] = set()
        self.enrolled: set[tuple[MemberId, int]] = set()
        self.released: set[Digest] = set()

    def hear(self, event: e.Event) -> None:
        """Add an event."""
        if e.get_study(event) != self._study:
            return
        match event:
            case e.StudyProposed(by=by):
                self.lineage, self.approved = "", {by}
            case e.StudyAmended(by=by):
                self.approved = {by}
            case e.StudyApproved(member=member):
                self.approved.add(member)
            case e.StudyRefused(member=member):
                self.refused.add(member)
            case e.Enrolled(member=member, samples=samples):
                self.enrolled.add((member, samples))
            case e.ModelReleased(model=model):
                self.released.add(model)
            case e.Settled(model=model):
                packed = codec.pack(model)
                self.lineage = codec.digest(b"swarmhub/lineage/1", self.lineage.encode(), packed)
            case _:
                pass
