"""The audit of a study's privacy at one hospital: its attacks, kept in this home only.

local/STUDY/privacy.json    the last audit; a report made here has it, and evidence as well
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarmhub import __version__
from swarmhub.clock import wall_clock_ms
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.operations.acting import note_taken
from swarmhub.operations.data_files import need_file
from swarmhub.operations.privacy_audit.contents import Attack, Audit
from swarmhub.operations.privacy_audit.held import Held, gather
from swarmhub.operations.privacy_audit.kept import keep_audit
from swarmhub.operations.privacy_audit.known import attack_loss, attack_shadows, attack_trajectory
from swarmhub.operations.privacy_audit.sites import attack_site
from swarmhub.operations.privacy_audit.updates import attack_contribution, attack_update
from swarmhub.operations.privacy_terms import name_mode
from swarmhub.operations.results import Auditing
from swarmhub.recipes.preparing import Sources

SEED = 1


def ignore(step: str) -> None:
    """Tell nobody."""


def audit_privacy(
    home: Home, study: str, sources: Sources, chosen: str = "",
    tell: Callable[[str], None] = ignore, seed: int = SEED,
) -> Audit:  # fmt: skip
    """Attack a study's model with this hospital's own patients, and keep the result in this home;
    `chosen` is the beginning of a model's digest, "" for the newest, `tell` hears each attack as it
    begins. Nothing is sent. Raises BadInput if there is no such model, or if the files are not
    those that this hospital trained on."""
    held = asyncio.run(gather(home, study, sources, chosen))
    found = describe_audit(held, run_attacks(held, seed, tell), seed)
    keep_audit(home, found)
    return found


def audit_files(home: Home, given: Auditing) -> Audit:
    """Carry out the same with files of this hospital's data folder, for a page. Raises BadInput as
    well if there are no such files."""
    paths = tuple(need_file(home, name) for name in (given.file, given.joined) if name)
    test = Files((need_file(home, given.test),)) if given.test else None
    if not paths:
        raise BadInput("Expected the file that this hospital trained on, got none.")
    found = audit_privacy(home, given.study, Sources(Files(paths), test), given.model)
    note_taken(home, "privacy.audit", given.study, found.model)
    return found


def run_attacks(held: Held, seed: int, tell: Callable[[str], None] = ignore) -> tuple[Attack, ...]:
    """Return all attacks, in order."""
    steps: tuple[tuple[str, Callable[[], Attack]], ...] = (
        ("losses", lambda: attack_loss(held)),
        ("trajectories", lambda: attack_trajectory(held)),
        ("shadow models", lambda: attack_shadows(held, seed)),
        ("an update", lambda: attack_update(held)),
        ("a contribution", lambda: attack_contribution(held)),
        ("the site", lambda: attack_site(held)),
    )
    found = []
    for name, run in steps:
        tell(name)
        found.append(run())
    return tuple(found)


def describe_audit(held: Held, attacks: tuple[Attack, ...], seed: int) -> Audit:
    """Return the attacks with their conditions."""
    members, others = held.count()
    record = held.record
    return Audit(
        study=record.spec.name,
        chain=record.chain,
        hospital=held.home.config.name,
        model=record.model.digest,
        terms=record.model.spec,
        round=record.round,
        recipe=held.recipe,
        privacy=name_mode(record.spec.privacy),
        members=members,
        others=others,
        rows=sum(part.rows for part in held.parts if part is not None),
        is_same_data=held.is_same_data,
        seed=seed,
        made_ms=wall_clock_ms(),
        software=__version__,
        attacks=attacks,
    )
