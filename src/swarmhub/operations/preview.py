"""Terms in words before they are proposed."""

from __future__ import annotations

from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.records import Spec, Study
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.looks import STATES
from swarmhub.operations.studies import StudyShown
from swarmhub.operations.terms import Line, say_terms


def preview_terms(view: LedgerView, spec: Spec) -> list[Line]:
    """Return the terms in words as members would read them."""
    me = view.me
    study = Study(spec.name, compute_spec_digest(spec), me.id, approved=(me.id,))
    members = tuple(m.id for m in view.members())
    least = compute_min_peers(spec.min_peers, 0)
    shown = StudyShown(study, spec, None, view.names(), members, least, 0)
    return [line for line in say_terms(shown) if line[0] not in STATES]
