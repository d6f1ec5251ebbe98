"""Refusals: the contract's answers to transactions that it does not accept.

A refusal changes nothing and is recorded with its code and one sentence.

    Refusal
    ├── NotAMember          the signer is not an active member
    ├── NotAllowed          a member, but not the one that may do this
    ├── UnknownThing        names a member, motion, study, model or invitation that is not there
    ├── AlreadyDone         the act has been done
    ├── BadValue            a field has a value that can never be accepted
    ├── BudgetSpent         a member has made all noisy steps that its study allows
    ├── Expired             the transaction, invitation or study is over
    ├── Disputed            somebody doubts a merge; settle the round when that is decided
    ├── BlockQuotaExceeded  the signer's share of this block is used up
    ├── StateQuotaExceeded  a member has as much of this in the state as one member may
    └── StaleRound          the round has moved on; carries the model to go on from
"""

from __future__ import annotations


class Refusal(Exception):
    """Base of all refusals. `code` is the class name; the message is one sentence."""

    @property
    def code(self) -> str:
        return type(self).__name__


class NotAMember(Refusal):
    def __init__(self, signer: str) -> None:
        super().__init__(f"The key {signer[:16]}… belongs to no active member; apply first.")


class NotAllowed(Refusal):
    def __init__(self, who: str, what: str) -> None:
        super().__init__(f"Only {who} may {what}.")


class UnknownThing(Refusal):
    def __init__(self, kind: str, name: object) -> None:
        super().__init__(f"There is no {kind} {str(name)[:80]!r} here (any more); check the name.")


class AlreadyDone(Refusal):
    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"Already done: {what}.")


class BadValue(Refusal):
    def __init__(self, field: str, expected: str, came: object) -> None:
        self.field = field
        super().__init__(f"'{field}': expected {expected}, got {str(came)[:80]!r}.")


class BudgetSpent(Refusal):
    """A member's privacy budget in a study is used up: nothing more of its patients leaves."""

    def __init__(self, study: str, steps: int) -> None:
        super().__init__(
            f"The privacy budget of this hospital in '{study}' is spent ({steps} noisy steps); "
            "nothing more leaves it in this study."
        )


class Expired(Refusal):
    def __init__(self, what: str, expired_ms: int, now_ms: int) -> None:
        super().__init__(f"{what} expired at {expired_ms} ms; the block's time is {now_ms} ms.")


class Disputed(Refusal):
    def __init__(self, digest: str, by: int) -> None:
        super().__init__(
            f"The merge {digest[:16]}… is disputed by member {by}; "
            "the round can be settled once the others have recomputed it."
        )


class BlockQuotaExceeded(Refusal):
    """A flood. The transaction itself is not at fault: it may be sent again."""

    def __init__(self, who: str, most: int, number: int, where: str = "in a block") -> None:
        super().__init__(
            f"{who} may have {most} transactions {where}, and this is number {number}; "
            "send it again in a later block."
        )


class StateQuotaExceeded(Refusal):
    """A member has used up its part of the state."""

    def __init__(self, member: int, count: int, what: str, advice: str) -> None:
        super().__init__(f"Member {member} has {count} {what}, and may have no more; {advice}.")


class StaleRound(Refusal):
    """The round has moved on. `current` is the digest of the newest settled model."""

    def __init__(self, named: str, actual: str, current: str) -> None:
        self.current = current
        super().__init__(
            f"The transaction is for {named}, but the study is in {actual}; "
            f"go on from the settled model {current or '(none yet)'}."
        )
