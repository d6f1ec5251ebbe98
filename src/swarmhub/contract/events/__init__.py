"""Events: what transactions and deadlines have brought about, one record for each kind.

The ledger stores and hashes an event as its name and its fields in canonical JSON; its name is that
of the class in snake case. `read_event` returns the record. A field that a later version adds has a
default, which is not hashed.
"""

from __future__ import annotations

import re

from swarmhub import codec
from swarmhub.contract.events.base import (
    Event,
    RoundEvent,
    StudyEvent,
)
from swarmhub.contract.events.consortium import (
    AdmissionMoved,
    Admitted,
    Announced,
    BecameValidator,
    Departed,
    DoubleSigned,
    Inherited,
    Invited,
    MotionClosed,
    MotionWaits,
    PowerChanged,
    RemovalMoved,
    Revoked,
    Rotated,
    Upgraded,
    UpgradeMoved,
    UpgradeScheduled,
    VoteCast,
)
from swarmhub.contract.events.round import (
    BecameReady,
    CollectsAgain,
    ConfirmStarted,
    Contributed,
    DisputeAbandoned,
    DisputeDismissed,
    DisputeOpened,
    Evaluated,
    Excluded,
    FalseDealing,
    FalseMerge,
    KeysAskedAgain,
    KeysSent,
    LeftOut,
    MergeStarted,
    Reinstated,
    Reported,
    RoundOpened,
    Settled,
    ShardSettled,
    SharesDealt,
    SharesShown,
    SumSettled,
    Suspected,
    TookOver,
    Voided,
)
from swarmhub.contract.events.study import (
    ApprovalLapsed,
    Enrolled,
    ModelReleased,
    ProposalLapsed,
    ReleaseMissed,
    ReleaseMoved,
    StudyAmended,
    StudyApproved,
    StudyEnded,
    StudyPaused,
    StudyProposed,
    StudyRefused,
    StudyStarted,
    StudyStartsFrom,
    StudySuspended,
    Withdrawn,
)
from swarmhub.errors import Malformed

__all__ = [
    "EVENTS",
    "AdmissionMoved",
    "Admitted",
    "Announced",
    "ApprovalLapsed",
    "BecameReady",
    "BecameValidator",
    "CollectsAgain",
    "ConfirmStarted",
    "Contributed",
    "Departed",
    "DisputeAbandoned",
    "DisputeDismissed",
    "DisputeOpened",
    "DoubleSigned",
    "Enrolled",
    "Evaluated",
    "Event",
    "Excluded",
    "FalseDealing",
    "FalseMerge",
    "Inherited",
    "Invited",
    "KeysAskedAgain",
    "KeysSent",
    "LeftOut",
    "MergeStarted",
    "ModelReleased",
    "MotionClosed",
    "MotionWaits",
    "PowerChanged",
    "ProposalLapsed",
    "Reinstated",
    "ReleaseMissed",
    "ReleaseMoved",
    "RemovalMoved",
    "Reported",
    "Revoked",
    "Rotated",
    "RoundEvent",
    "RoundOpened",
    "Settled",
    "ShardSettled",
    "SharesDealt",
    "SharesShown",
    "StudyAmended",
    "StudyApproved",
    "StudyEnded",
    "StudyEvent",
    "StudyPaused",
    "StudyProposed",
    "StudyRefused",
    "StudyStarted",
    "StudyStartsFrom",
    "StudySuspended",
    "SumSettled",
    "Suspected",
    "TookOver",
    "UpgradeMoved",
    "UpgradeScheduled",
    "Upgraded",
    "Voided",
    "VoteCast",
    "Withdrawn",
    "get_event_name",
    "get_study",
    "read_event",
    "with_name",
]


def get_event_name(kind: type[Event]) -> str:
    """Return the name by which the ledger stores events of a class."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


EVENTS: dict[str, type[Event]] = {
    get_event_name(kind): kind
    for kind in (
        Inherited, Invited, AdmissionMoved, Admitted, RemovalMoved, Departed, Rotated, Revoked,
        BecameValidator, PowerChanged, DoubleSigned, VoteCast, MotionWaits, MotionClosed,
        Announced, UpgradeMoved, UpgradeScheduled, Upgraded,
        StudyProposed, StudyApproved, ApprovalLapsed, StudyRefused, Enrolled, Withdrawn,
        StudyStarted, StudyStartsFrom, StudyAmended, StudySuspended, StudyPaused, StudyEnded,
        ProposalLapsed, ReleaseMoved, ModelReleased, ReleaseMissed,
        RoundOpened, BecameReady, Contributed, Reported, LeftOut, Excluded, Voided, Reinstated,
        CollectsAgain, MergeStarted, Suspected, TookOver, DisputeOpened, DisputeDismissed,
        DisputeAbandoned, FalseMerge, KeysSent, SharesDealt, FalseDealing,
        KeysAskedAgain, ShardSettled, SumSettled, SharesShown, ConfirmStarted, Evaluated, Settled,
    )
}  # fmt: skip


def get_study(event: Event) -> str:
    """Return the name of the study that an event is about; "" if it is about none."""
    if isinstance(event, StudyEvent | Settled):
        return event.study
    return ""


def with_name(event: Event) -> tuple[str, Event]:
    """Return what the ledger stores of an event, as a value for the codec: its name and fields."""
    return get_event_name(type(event)), event


def read_event(name: str, fields: codec.Json) -> Event:
    """Return an event from its name and fields. Raises Malformed if this version has no event of
    this name, or it has other fields."""
    kind = EVENTS.get(name)
    if kind is None:
        raise Malformed(
            f"The ledger has an event {name[:60]!r}, which this version does not know; install the "
            "version that the other members have."
        )
    return codec.from_json(kind, fields)
