"""Terms in words before they are proposed, and a trial of the proposal."""

from __future__ import annotations

from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.context import Context, Env
from swarmhub.contract.records import Spec, Study
from swarmhub.contract.refusals import Refusal
from swarmhub.contract.state import Overlay
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.contract.transactions import Propose
from swarmhub.contract.versions import compute_number, get_version
from swarmhub.errors import BadInput
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.looks import STATES
from swarmhub.operations.studies import StudyShown
from swarmhub.operations.terms import Line, say_terms


def preview_terms(view: LedgerView, spec: Spec) -> list[Line]:
    """Return the terms in words as members would read them. Raises BadInput, with the contract's
    sentence, if it would refuse them now."""
    me = view.me
    try_proposal(view, spec)
    study = Study(spec.name, compute_spec_digest(spec), me.id, approved=(me.id,))
    members = tuple(m.id for m in view.members())
    least = compute_min_peers(spec.min_peers, 0)
    shown = StudyShown(study, spec, None, view.names(), members, least, 0)
    return [line for line in say_terms(shown) if line[0] not in STATES]


def try_proposal(view: LedgerView, spec: Spec) -> None:
    """Run the contract's rule for a proposal on a copy of the state. Raises BadInput if it
    refuses."""
    ledger = view.ledger
    height = ledger.tip.height + 1
    env = Env(height, ledger.estimate_ms(), verify=lambda *_: True)
    rules = get_version(compute_number(ledger.state, height), height).rules
    try:
        rules[Propose](Context(Overlay(ledger.state), env, view.public), Propose(spec))
    except Refusal as refusal:
        raise BadInput(f"The contract would refuse ({refusal.code}): {refusal}") from None
