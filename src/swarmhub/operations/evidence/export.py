"""Writing a study's evidence to a folder, which appears as a whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarmhub import __version__, codec, keys
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import State
from swarmhub.contract.records import (
    SPEC,
    STUDY,
    Member,
    get_member_of_key,
    get_names,
)
from swarmhub.errors import BadInput, SwarmhubError, plain
from swarmhub.files import sync, write_durably
from swarmhub.home.home import Home
from swarmhub.home.membership import find_standing
from swarmhub.ledger.cometbft import fetch_headers
from swarmhub.operations.budgets import make_study_budget, write_study_budget
from swarmhub.operations.evidence.chain import BLOCKS
from swarmhub.operations.evidence.crate import (
    CRATE,
    README,
    Subject,
    write_crate,
    write_readme,
)
from swarmhub.operations.evidence.derived import derive
from swarmhub.operations.evidence.documents import make_documents
from swarmhub.operations.evidence.extract import Excerpts
from swarmhub.operations.evidence.lines import join_lines, write_line
from swarmhub.operations.evidence.manifest import (
    FORM,
    MANIFEST,
    SIGNATURE,
    Manifest,
    list_file,
    sign,
)
from swarmhub.operations.evidence.many_machines import need_proven, write_signed
from swarmhub.operations.evidence.state import STATE, prove_all
from swarmhub.operations.privacy_audit.kept import read_audit, write_audit
from swarmhub.operations.privacy_budget import count_steps
from swarmhub.operations.record import Record, find_genesis, read_record
from swarmhub.types import Digest

STEPS = (
    "checking the ledger", "making the report", "computing the documents", "writing the files",
)  # fmt: skip


@dataclass(frozen=True)
class EvidenceWritten:
    """A folder of evidence. `parts` are blocks that are there in part, `headers` those of which
    the header alone is, because they have something of other studies."""

    folder: str
    study: str
    chain: str
    genesis: Digest
    files: int
    nbytes: int
    blocks: int
    parts: int
    headers: int
    manifest: Digest


@dataclass(frozen=True)
class Wanted:
    """A study, and the folder to write. `whole`: other studies' blocks in full, too."""

    study: str
    folder: Path
    whole: bool = False


def ignore(step: str) -> None:
    """Tell nobody."""


def export_evidence(
    home: Home, wanted: Wanted, tell: Callable[[str], None] = ignore
) -> EvidenceWritten:
    """Write a study's evidence; `tell` hears each of STEPS as it begins. Raises BadInput if there
    is no such study, the folder exists, or this hospital's release key is not on the ledger."""
    place = wanted.folder.expanduser().absolute()
    _need_free(place)
    tell(STEPS[0])
    record = read_record(None, home.root, is_followed=home.is_networked)
    _need_all_blocks(record)
    _need_study(record.state, wanted.study)
    signer = find_signer(home, record.state)
    beside = _fetch_signed(home, record)
    tell(STEPS[1])
    beside |= _make_report(home, wanted.study) | _make_card(home, wanted.study)
    beside |= _take_audit(home, wanted.study) | _write_budget(record.state, wanted.study)
    beside |= make_documents(home, SPEC.need(record.state, wanted.study))
    tell(STEPS[2])
    made = make_files(record, wanted, signer, beside)
    tell(STEPS[3])
    write_files(place, made.files)
    return made.written(str(place))


@dataclass(frozen=True)
class Made:
    """The files of a folder by path, and figures of it."""

    files: dict[str, bytes]
    manifest: Manifest
    blocks: int
    parts: int
    headers: int

    def written(self, folder: str) -> EvidenceWritten:
        """Return the figures for a person."""
        of, listed = self.manifest, self.files
        return EvidenceWritten(
            folder, of.study, of.chain, of.genesis, len(listed), sum(map(len, listed.values())),
            self.blocks, self.parts, self.headers, hashlib.sha256(listed[MANIFEST]).hexdigest(),
        )  # fmt: skip


@dataclass(frozen=True)
class Signer:
    """The member that exports, and its release key."""

    member: Member
    key: keys.ReleaseKey


def make_files(record: Record, wanted: Wanted, signer: Signer, beside: dict[str, bytes]) -> Made:
    """Return all files of the folder; those `beside` do not follow from the record."""
    study, tip = wanted.study, record.tip
    excerpts = Excerpts(study, wanted.whole)
    chosen = [excerpts.take(committed) for committed in record.blocks]
    levels = [excerpt.level for excerpt in chosen]
    files = {
        **beside,
        BLOCKS: join_lines(map(write_line, chosen)),
        STATE: join_lines(prove_all(record.state, study)),
    }
    blocks = [excerpt.committed for excerpt in chosen]
    for path, lines in derive(record.state, blocks, study).items():
        files[path] = join_lines(lines)
    genesis = find_genesis(record)
    title, me = SPEC.need(record.state, study).title, signer.member
    subject = Subject(study, title, tip.chain_id, me.name, wall_clock_ms(), __version__)
    files[README] = write_readme(subject, genesis, files)
    listed = [list_file(path, data) for path, data in sorted(files.items())]
    files[CRATE] = write_crate(subject, listed)
    manifest = Manifest(
        study, tip.chain_id, genesis, tip.height, tip.head, subject.made_ms, __version__,
        (*listed, list_file(CRATE, files[CRATE])), FORM,
    )  # fmt: skip
    files[MANIFEST] = codec.pack(manifest)
    files[SIGNATURE] = sign(files[MANIFEST], me.id, me.name, signer.key)
    return Made(files, manifest, len(chosen), levels.count("part"), levels.count("header"))


def _need_all_blocks(record: Record) -> None:
    heights = [committed.height for committed in record.blocks]
    if heights != list(range(len(heights))):
        raise BadInput(
            f"This node has not all blocks up to {record.tip.height}: it began with a later state, "
            "or has forgotten old blocks ('keep_blocks'); export at a member that has them all."
        )


def _fetch_signed(home: Home, record: Record) -> dict[str, bytes]:
    """Return the files of the headers that the validators of a networked ledger have signed; none
    for another one."""
    if not home.is_networked:
        return {}
    signed = asyncio.run(fetch_headers(home.engine_path, record.tip.height + 1))
    need_proven(record, signed)
    return write_signed(signed)


def _need_study(state: State, study: str) -> None:
    if STUDY.get(state, study) is None:
        raise BadInput(
            f"There is no study {study[:60]!r} on the ledger; see 'swarmhub study list'."
        )


def find_signer(home: Home, state: State) -> Signer:
    """Return this hospital's member record, and the release key that the record has."""
    account = home.key("account").public
    me = get_member_of_key(state, account)
    if me is None:
        raise BadInput(find_standing(state, account).said)
    key = keys.ReleaseKey.load(home.key_path("release"))
    if key.public != me.release:
        raise BadInput(
            "The release key of this home is not the one that the ledger has of this hospital; "
            "register it with 'swarmhub consortium rotate-key release', then try again."
        )
    return Signer(me, key)


def _make_report(home: Home, study: str) -> dict[str, bytes]:
    """Return the report's files, or the reason why there is none."""
    from swarmhub.operations.report.write import write_report  # loads all of evaluation

    with tempfile.TemporaryDirectory(prefix="swarmhub-") as folder:
        page = Path(folder) / "report.html"
        try:
            asyncio.run(write_report(home, study, page))
        except SwarmhubError as error:
            return {"report/absent.txt": _say(error)}
        return {f"report/{p.name}": p.read_bytes() for p in (page, page.with_suffix(".json"))}


def _make_card(home: Home, study: str) -> dict[str, bytes]:
    """Return the card of the newest model, or the reason why there is none."""
    from swarmhub.operations.models import Target, export_model

    with tempfile.TemporaryDirectory(prefix="swarmhub-") as folder:
        target = Target(Path(folder) / "model")
        try:
            asyncio.run(export_model(home, study, target))
        except SwarmhubError as error:
            return {"model/absent.txt": _say(error)}
        return {"model/README.md": (target.folder / "README.md").read_bytes()}


def _take_audit(home: Home, study: str) -> dict[str, bytes]:
    """Return the last privacy audit of the study, if one was run here."""
    found = read_audit(home, study)
    return {} if found is None else {"privacy/audit.json": write_audit(found)}


def _write_budget(state: State, study: str) -> dict[str, bytes]:
    """Return the privacy budget of the study and what is spent of it, if it has one."""
    spec = SPEC.need(state, study)
    spent = count_steps(state, spec, STUDY.need(state, study))
    found = make_study_budget(spec, spent, get_names(state))
    return {} if found is None else {"privacy/budget.json": write_study_budget(found)}


def _say(error: SwarmhubError) -> bytes:
    return (plain(error, 2000) + "\n").encode(errors="replace")


def _need_free(place: Path) -> None:
    if place.exists() or place.is_symlink():
        raise BadInput(f"{place} exists, and evidence is never overwritten; choose another folder.")
    if not place.parent.is_dir():
        raise BadInput(f"There is no folder {place.parent}; make it first.")


def write_files(place: Path, files: dict[str, bytes]) -> None:
    """Write the files beside the folder's place, then rename it."""
    new = place.with_name(f".{place.name}.{secrets.token_hex(4)}.new")
    try:
        for path, data in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, data)
        _need_free(place)
        new.rename(place)
        sync(place.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
