"""What a hospital's person does, from Python: `swarmhub.Client(home)`.

    client = swarmhub.Client("~/.swarmhub")
    client.propose("study.toml")
    shown = client.study("heart")
    client.approve("heart", shown.study.spec)
    client.enrol("heart", samples=303)

Each method is one operation of the modules of this package, and returns its record. No node has to
run. Errors are those of `swarmhub.errors`, each with one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swarmhub.contract.records import Member, Spec
from swarmhub.home.home import Home
from swarmhub.home.invitations import read_token, write_token
from swarmhub.node.sent import Sent
from swarmhub.operations import documents_page as _documents
from swarmhub.operations import forgetting as _forgetting
from swarmhub.operations import join as _join
from swarmhub.operations import members as _members
from swarmhub.operations import models as _models
from swarmhub.operations import sent as _sent
from swarmhub.operations import studies as _studies
from swarmhub.operations.documents_page import StudyDocuments
from swarmhub.operations.forgetting import Forgotten
from swarmhub.operations.inbox import MotionShown
from swarmhub.operations.join import Joined
from swarmhub.operations.members import Founded, Moved, UpgradeMoved, Voted
from swarmhub.operations.models import Exported, ModelExported, Target
from swarmhub.operations.proposals import Proposal, read_proposal
from swarmhub.operations.report.write import Written, write_report
from swarmhub.operations.studies import Proposed, Released, StudyShown
from swarmhub.types import Digest, MemberId

if TYPE_CHECKING:
    from swarmhub.operations.new_study import NewStudy

DAY_MS = 86_400_000


class Client:
    """One hospital's home. Raises HomeError if there is none in the folder."""

    def __init__(self, home: Path | str) -> None:
        self.home = Home.open(Path(home).expanduser())

    # studies

    def studies(self) -> list[StudyShown]:
        """Return all studies, without their rounds."""
        return asyncio.run(_studies.list_studies(self.home))

    def study(self, name: str, last: int = 20) -> StudyShown:
        """Return a study with its newest settled rounds (`last`; 0: all that are kept here)."""
        return asyncio.run(_studies.show_study(self.home, name, last))

    def new_study(
        self, out: Path | str, files: Sequence[Path | str] = (), outcome: str = "", name: str = ""
    ) -> NewStudy:
        """Write a first draft of terms to a new file: guessed from a hospital's files (`outcome`
        names the outcome's column), or an annotated one without files."""
        from swarmhub.data.reading import Files  # NumPy
        from swarmhub.operations.new_study import new_study, write_new

        made = new_study(Files(tuple(map(Path, files))) if files else None, outcome, name)
        write_new(made, Path(out))
        return made

    def propose(self, spec: Spec | Proposal | Path | str) -> Proposed:
        """Propose a study: its terms (as a `Proposal`, with documents), or a TOML file of them."""
        made = _read(spec)
        return asyncio.run(_studies.propose(self.home, made.spec, made.attached))

    def amend(self, spec: Spec | Proposal | Path | str) -> Proposed:
        """Replace the terms of a study that is proposed or suspended, found by its name."""
        made = _read(spec)
        return asyncio.run(_studies.amend(self.home, made.spec, made.attached))

    def documents(self, name: str) -> StudyDocuments:
        """Return a study's code and ethics document as far as they are here, and what differs from
        those that were approved here before."""
        return asyncio.run(_documents.look_at_documents(self.home, name))

    def approve(
        self, name: str, terms: Digest, unseen: bool = False, accept_loss: bool = False
    ) -> None:
        """Approve the terms with this digest (`study(name).study.spec`), and no others; `unseen`
        allows that a document which they name is not here, `accept_loss` that noise spoils a model
        with more features than patients."""
        consent = _studies.Consent(unseen, accept_loss)
        asyncio.run(_studies.approve(self.home, name, terms, consent))

    def refuse(self, name: str, reason: str = "") -> None:
        """Refuse a study at this hospital. All members can read the reason."""
        asyncio.run(_studies.refuse(self.home, name, reason))

    def enrol(self, name: str, samples: int, accept_loss: bool = False) -> None:
        """Enrol in an approved study with at most so many training samples; `accept_loss` as for
        `approve`."""
        asyncio.run(_studies.enrol(self.home, name, samples, accept_loss))

    def withdraw(self, name: str) -> None:
        """Leave a study; an unsettled contribution is void."""
        asyncio.run(_studies.withdraw(self.home, name))

    def start(self, name: str) -> None:
        """Open the first round."""
        asyncio.run(_studies.start(self.home, name))

    def pause(self, name: str, reason: str = "") -> None:
        """Suspend a running study for all members, who can read the reason."""
        asyncio.run(_studies.pause(self.home, name, reason))

    def resume(self, name: str) -> None:
        """Go on with a suspended study, from the model that it had."""
        asyncio.run(_studies.resume(self.home, name))

    def finish(self, name: str) -> None:
        """End a study before its last round, for all members."""
        asyncio.run(_studies.finish(self.home, name))

    def release(self, name: str, model: str) -> Released:
        """Open a motion to release the current or best model (a digest or its beginning)."""
        return asyncio.run(_studies.release(self.home, name, model))

    def forget(self, name: str) -> Forgotten:
        """Delete models, statistics and private state of a study that is over, without asking."""
        return asyncio.run(_forgetting.forget_study(self.home, name))

    def export(self, name: str, out: Path | str, best: bool = False) -> Exported:
        """Write the newest (or best) settled model that is held here as a safetensors file."""
        return asyncio.run(_models.export(self.home, name, Path(out), best))

    def export_model(self, name: str, target: Target | Path | str) -> ModelExported:
        """Write the newest settled model of a recipe as a folder that needs no node (`target`: the
        folder, or a `Target` that says more)."""
        to = target if isinstance(target, Target) else Target(Path(target))
        return asyncio.run(_models.export_model(self.home, name, to))

    # membership

    def found(self, name: str, founders: tuple[Path, ...] = ()) -> Founded:
        """Found a consortium with this hospital and the cards in these files."""
        return _members.found(self.home, name, founders)

    def invite(self, days: int = 7) -> str:
        """Return the token of a single-use invitation; send it confidentially."""
        return write_token(asyncio.run(_members.invite(self.home, days * DAY_MS)))

    def join(self, token: str) -> Joined:
        """Apply for membership of a networked consortium with an invitation's token."""
        return asyncio.run(_join.join(self.home, read_token(token)))

    def members(self) -> list[Member]:
        """Return the active members."""
        return asyncio.run(_members.list_members(self.home))

    def inbox(self) -> list[MotionShown]:
        """Return all open motions, oldest first."""
        return asyncio.run(_members.inbox(self.home))

    def vote(self, motion: int, aye: bool) -> Voted:
        """Vote on a motion."""
        return asyncio.run(_members.vote(self.home, motion, aye))

    def remove(self, member: MemberId) -> Moved:
        """Open a motion to remove a member, with this hospital's vote for it."""
        return asyncio.run(_members.remove(self.home, member))

    def upgrade(self, version: int, after_blocks: int = 100) -> UpgradeMoved:
        """Open a motion to go on with the next contract version, with this hospital's vote for
        it."""
        return asyncio.run(_members.upgrade(self.home, version, after_blocks))

    # record

    def report(self, name: str, out: Path | str) -> Written:
        """Write a study's report to an HTML file, and its numbers as JSON beside it."""
        return asyncio.run(write_report(self.home, name, Path(out)))

    def sent(self, study: str = "", since_ms: int = 0) -> list[Sent]:
        """Return what left this hospital, oldest first."""
        return _sent.read_sent(self.home, study, since_ms)


def _read(spec: Spec | Proposal | Path | str) -> Proposal:
    if isinstance(spec, Proposal):
        return spec
    return Proposal(spec) if isinstance(spec, Spec) else read_proposal(Path(spec))
