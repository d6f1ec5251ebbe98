"""Studies: propose, approve, refuse, enrol, start, pause, finish, release, and look at them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarmhub import codec
from swarmhub.contract.consortium.thresholds import compute_faults, compute_min_peers
from swarmhub.contract.events import ModelReleased
from swarmhub.contract.names import STUDY_NAME, is_study_name
from swarmhub.contract.records import ROUND, Result, Round, Spec, Stage, Study
from swarmhub.contract.results import get_results
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import is_led
from swarmhub.contract.stages import get_stage
from swarmhub.contract.transactions import (
    Amend,
    Approve,
    Body,
    Finish,
    Pause,
    Propose,
    Start,
    Withdraw,
)
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home
from swarmhub.ledger import Committed
from swarmhub.ledger.cometbft import CometReadClient
from swarmhub.node.waits import find_wait
from swarmhub.operations import documents
from swarmhub.operations.documents import NOTHING, Attached
from swarmhub.operations.kept_rounds import count_arrays, read_kept
from swarmhub.operations.ledger_client import LedgerClient, open_client
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.privacy_budget import count_steps, fill_budget
from swarmhub.operations.privacy_consent import need_consent, need_few_features
from swarmhub.operations.privacy_terms import tidy_privacy
from swarmhub.operations.reasons import ReasonBook
from swarmhub.operations.rounds import RoundBook, SettledRound
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Proposed:
    """A study that is on the ledger now; members approve exactly the terms of this digest."""

    study: str
    spec: Digest


@dataclass(frozen=True)
class Released:
    """A motion to release a model; `released` if this hospital's vote was enough."""

    study: str
    released: bool


@dataclass(frozen=True)
class StudyShown:
    """A study as of the newest block. `min_peers` is what a round needs with the present enrolment,
    of which `faults` may be Byzantine."""

    study: Study
    spec: Spec
    round: Round | None
    names: dict[MemberId, str]
    members: tuple[MemberId, ...]  # active ones
    min_peers: int
    faults: int
    waits: str = ""  # the members it waits for, and since when
    results: dict[str, Result] = field(default_factory=dict)  # of stages, by name
    rounds: tuple[SettledRound, ...] = ()
    reasons: dict[MemberId, str] = field(default_factory=dict)  # of those that refuse and say why
    arrays: dict[Digest, int] = field(default_factory=dict)  # of results, by layouts held here
    spent: dict[MemberId, int] = field(default_factory=dict)  # noisy steps, in a study with dp

    def name(self, member: MemberId) -> str:
        """Return a member's name; its number if the ledger has none."""
        return self.names.get(member, f"member {member}")

    @property
    def stage(self) -> Stage | None:
        """The stage of the open round."""
        return get_stage(self.spec, self.round) if self.round else None

    @property
    def leader(self) -> MemberId | None:
        """The leader of the open round, if it is merging."""
        merging = self.round is not None and is_led(self.round)
        return get_leader(self.round) if merging and self.round else None


def look_at_study(client: LedgerView, name: str) -> StudyShown:
    """Return a study's terms and state. Raises BadInput if there is none of this name."""
    study, spec = client.need_study(name), client.need_spec(name)
    enrolled = len(study.enrolled)
    wait = find_wait(client.ledger.state, name, client.ledger.estimate_ms())
    return StudyShown(
        study=study,
        spec=spec,
        round=ROUND.get(client.ledger.state, name),
        names=client.names(),
        members=tuple(m.id for m in client.members()),
        min_peers=compute_min_peers(spec.min_peers, enrolled),
        faults=compute_faults(enrolled),
        waits=wait.sentence if wait else "",
        results=get_results(client.ledger.state, name),
        spent=count_steps(client.ledger.state, spec, study),
    )


async def show_study(home: Home, name: str, last: int = 20) -> StudyShown:
    """Return the same with its newest settled rounds (`last`; 0: all that are kept here)."""
    book, reasons = RoundBook(name, last), ReasonBook(name)

    def see(committed: Committed) -> None:
        book.see(committed)
        reasons.see(committed)

    async with open_client(home, see) as client:
        shown = look_at_study(client, name)
        if isinstance(client.ledger, CometReadClient):
            read_kept(client.ledger, see, shown.study, last)
        rounds = book.rounds()
        arrays = count_arrays(home, rounds)
        return replace(shown, rounds=rounds, reasons=reasons.reasons, arrays=arrays)


def read_spec(path: Path) -> Spec:
    """Read a study's terms from a TOML file. Raises BadInput, for a misspelt key with the nearest
    valid one."""
    try:
        return parse_spec(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise BadInput(f"Cannot read the spec {path} ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"Expected TOML in {path}: {error}.") from None


def parse_spec(text: str, place: str) -> Spec:
    """Read a study's terms from TOML; `place` names it in a sentence. Raises as `read_spec`."""
    from swarmhub.data.schema import tidy_toml  # they import NumPy
    from swarmhub.recipes.plan import complete

    try:
        tree = tomllib.loads(text)
        if "privacy" in tree:
            tree["privacy"] = tidy_privacy(tree["privacy"], text)
        if "data" in tree:
            tree["data"] = tidy_toml(tree["data"])
        return complete(fill_budget(codec.from_json(Spec, tree)))
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:  # not TOML, or a huge integer
        raise BadInput(f"Expected TOML in {place}: {error}.") from None


async def propose(home: Home, spec: Spec, attached: Attached = NOTHING) -> Proposed:
    """Propose a study to the members, which fetch its documents from this node."""
    async with open_client(home) as client:
        return await _put_forward(home, client, Propose(spec), attached)


async def amend(home: Home, spec: Spec, attached: Attached = NOTHING) -> Proposed:
    """Replace the terms of a study that is proposed or suspended; its members approve them anew."""
    async with open_client(home) as client:
        client.need_study(spec.name)
        return await _put_forward(home, client, Amend(spec), attached)


async def _put_forward(
    home: Home, client: LedgerClient, body: Propose | Amend, attached: Attached
) -> Proposed:
    """Submit terms once their documents are on disk: members ask for them at once."""
    store, name = documents.store_of(home), body.spec.name
    if not is_study_name(name):
        raise BadInput(f"Expected a study's name ({STUDY_NAME}), got {plain(name, 60)!r}.")
    for data in attached.all():
        store.put(name, data)
    try:
        await client.submit(body)
    except BadInput:
        documents.tidy(store, client.ledger.state, name)
        raise
    spec = client.need_study(name).spec
    documents.note_approved(store, body.spec, spec)
    return Proposed(name, spec)


async def look(home: Home, name: str) -> StudyShown:
    """Return a study's terms and state, without its rounds. Raises BadInput if there is none."""
    async with open_client(home) as client:
        return look_at_study(client, name)


async def list_studies(home: Home) -> list[StudyShown]:
    """Return all studies, sorted by name, without their rounds."""
    async with open_client(home) as client:
        return [look_at_study(client, study.name) for study in client.studies()]


@dataclass(frozen=True)
class Consent:
    """What a hospital allows beside the terms: `unseen`, that a document which they name is not
    here; `loss`, that noise spoils a model with more features than patients."""

    unseen: bool = False
    loss: bool = False


async def approve(home: Home, name: str, terms: Digest, consent: Consent = Consent()) -> None:
    """Approve the terms with this digest, and no others, for this hospital. Raises BadInput for
    what is not allowed, and if the study's privacy budget is beyond the limit of this hospital."""
    async with open_client(home) as client:
        client.need_study(name)
        spec, store = client.need_spec(name), documents.store_of(home)
        if not consent.unseen:
            documents.need_seen(store, spec)
        need_consent(home, client, name, consent.loss)
        await client.submit(Approve(name, terms))
        documents.note_approved(store, spec, terms)


async def refuse(home: Home, name: str, reason: str = "") -> None:
    """Refuse a study at this hospital. All members can read the reason."""
    async with open_client(home) as client:
        await client.refuse(name, reason)


async def enrol(home: Home, name: str, samples: int, accepts_loss: bool = False) -> None:
    """Enrol in an approved study with at most so many training samples. Raises BadInput if a
    privacy budget and more features than these spoil the model, and the loss is not accepted."""
    async with open_client(home) as client:
        if not accepts_loss:
            need_few_features(client.need_spec(name), samples)
        await client.enrol(name, samples)


async def withdraw(home: Home, name: str) -> None:
    """Leave a study; an unsettled contribution is void."""
    await _submit(home, name, Withdraw(name))


async def start(home: Home, name: str) -> None:
    """Open the first round; of a suspended study, the one that it resumes with."""
    await _submit(home, name, Start(name))


async def pause(home: Home, name: str, reason: str = "") -> None:
    """Suspend a running study for all members, who can read the reason; its open round is void."""
    await _submit(home, name, Pause(name, reason))


async def resume(home: Home, name: str) -> None:
    """Go on with a suspended study, from the model that it had."""
    async with open_client(home) as client:
        status = client.need_study(name).status
        if status != "suspended":
            raise BadInput(f"Expected a suspended study, got '{name}', which is {status}.")
        await client.submit(Start(name))


async def finish(home: Home, name: str) -> None:
    """End a study before its last round, for all members."""
    await _submit(home, name, Finish(name))


async def release(home: Home, name: str, model: str) -> Released:
    """Open a motion to release the current or best model (a digest or its beginning), with this
    hospital's vote."""
    async with open_client(home) as client:
        result = await client.release(name, model)
        return Released(name, any(isinstance(event, ModelReleased) for event in result.events))


async def _submit(home: Home, name: str, body: Body) -> None:
    async with open_client(home) as client:
        client.need_study(name)
        await client.submit(body)
