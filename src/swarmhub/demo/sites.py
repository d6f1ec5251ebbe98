"""The hospitals of a demo: their files, read as the study declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmhub.contract.consortium.thresholds import compute_quorum
from swarmhub.contract.records import Declaration, MergeRule, Metric, Outcome, Privacy, Spec
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.contract.round.masks import compute_least_set
from swarmhub.contract.stages import NO_CAP, count_training_rounds
from swarmhub.data.findings import Findings
from swarmhub.data.heart import describe, write_heart
from swarmhub.data.reading import Files, propose_decimal
from swarmhub.data.schema import NEGATIVE, POSITIVE
from swarmhub.demo.options import Options
from swarmhub.errors import BadInput, plain
from swarmhub.merge import NAMES, TRIMMED, WEIGHTED
from swarmhub.operations.privacy_budget import fill_budget
from swarmhub.operations.privacy_numbers import EPSILON, read_quantity
from swarmhub.operations.privacy_terms import read_mode
from swarmhub.operations.studies import read_spec
from swarmhub.recipes.plan import complete
from swarmhub.recipes.preparing import Prepared, Sources, prepare

STUDY_NAME = "demo"
MAX_SITES = 24
SHARED_GRACE_MS, SHARED_LEADER_MS = 60_000, 10_000  # all nodes share one machine's cores
TRIM_PERMILLE = 250  # one of the demo's four hospitals
MOST_NOTES = 8  # on one topic at a hospital
SEED = 2  # of ten splits the one with AUCs (alone, pooled) nearest to their means


@dataclass(frozen=True)
class Site:
    """One hospital: its future home, its files, and what they hold."""

    name: str
    folder: Path
    sources: Sources
    prepared: Prepared
    notes: tuple[str, ...] = ()  # on its data, for people

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return self.prepared.training.rows


def heart_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the four hospitals' heart-disease tables that ship with the package."""
    return {name: (path,) for name, path in write_heart(folder).items()}


def parse_sites(given: list[str]) -> dict[str, tuple[Path, ...]]:
    """Parse NAME=FILE options; a name that comes again adds a file to its hospital. Raises BadInput
    for another form, too few or too many hospitals."""
    found: dict[str, tuple[Path, ...]] = {}
    for text in given:
        name, sign, file = text.partition("=")
        if not sign or not name.strip() or not file:
            raise BadInput(f"Expected --site NAME=FILE, got {text!r}.")
        found[name] = (*found.get(name, ()), Path(file))
    if not 2 <= len(found) <= MAX_SITES:
        raise BadInput(f"Expected 2 to {MAX_SITES} sites, got {len(found)}; add --site options.")
    return found


def parse_rule(name: str, max_share: int) -> MergeRule:
    """Return the rule of --merge and --max-share; the trimmed means drop one of four at each end.
    Raises BadInput if there is no such rule, or if it ignores weights and has a cap."""
    if name not in NAMES:
        raise BadInput(f"Expected --merge {', '.join(NAMES)}, got {plain(name, 40)!r}.")
    if max_share != NO_CAP and name not in WEIGHTED:
        raise BadInput(
            f"Expected --max-share with --merge {', '.join(sorted(WEIGHTED))}: {name} ignores "
            "weights; leave it out."
        )
    trim = TRIM_PERMILLE if name in TRIMMED else MergeRule().trim_permille
    known: Any = name
    return MergeRule(known, trim, max_share)


def check_rule(options: Options, spec: Spec) -> None:
    """Raise BadInput if the recipe has a rule of its own, and another one was asked for."""
    rules = {stage.rule for stage in spec.stages if stage.kind == TRAIN}
    if options.merge != MergeRule() and rules != {options.merge}:
        raise BadInput(
            f"Expected no --merge and no --max-share with --model {options.model}, whose parts are "
            "merged by sums; leave them out."
        )


def read_privacy(options: Options) -> Privacy:
    """Return the privacy of --privacy and --epsilon. Raises BadInput for one that cannot be."""
    privacy = read_mode(options.privacy)
    if privacy.dp is None:
        if options.epsilon:
            raise BadInput("Expected --epsilon with --privacy dp or masked,dp; leave it out.")
        return privacy
    if not options.epsilon:
        return privacy
    epsilon = read_quantity(EPSILON, options.epsilon)
    return replace(privacy, dp=replace(privacy.dp, epsilon_millionths=epsilon))


def make_spec(options: Options, hospitals: int) -> Spec:
    """Return the terms of the demo's study for so many hospitals. Raises BadInput if they are too
    few for its privacy, or it excludes the rule."""
    privacy = read_privacy(options)
    least = compute_least_set(privacy.colluders)
    if privacy.masked and hospitals < least:
        raise BadInput(
            f"Expected {least} sites or more with --privacy {options.privacy}, got {hospitals}."
        )
    if privacy.masked and options.merge != MergeRule():
        raise BadInput(
            "Expected no --merge and no --max-share with masks (--privacy): other rules compare "
            "hospitals, and a masked one says nothing; leave one of the two out."
        )
    positive = (options.positive,) if options.positive else POSITIVE
    outcome = Outcome(
        options.label, positive=positive, negative=() if options.positive else NEGATIVE
    )
    declared = Declaration(
        outcome, patient=options.patient, sample=options.sample, exclude=options.exclude,
        test_fraction="0" if options.test else "0.3",
    )  # fmt: skip
    if privacy.dp is not None:
        declared = describe(declared)  # no statistics are merged: the terms say what is known
    spec = complete(
        fill_budget(
            Spec(
                name=STUDY_NAME,
                title="The demo's study",
                rounds=options.rounds,
                min_peers=max(2, compute_quorum(hospitals)),
                quorum_grace_ms=15_000,
                leader_timeout_ms=5_000,
                merge=options.merge,
                metric=Metric("auc", "max"),
                seed=SEED,
                options={"model": options.model},
                privacy=privacy,
                data=declared,
            )
        )
    )
    check_rule(options, spec)
    if not options.kill_leader:
        return spec
    # all rounds are run: the killed node is to be seen back
    stages = (replace(s, until=None) if s.kind == TRAIN else s for s in spec.stages)
    return replace(spec, stages=tuple(stages))


def read_terms(path: Path, hospitals: int) -> Spec:
    """Return the terms of a study over tables out of its file, for so many nodes that share one
    machine. Raises BadInput if they declare no data."""
    spec = read_spec(path)
    if spec.data is None:
        raise BadInput(f"Expected [data] with the outcome in {path}; see the guide on outcomes.")
    return replace(
        spec, min_peers=spec.min_peers or max(2, compute_quorum(hospitals)),
        quorum_grace_ms=SHARED_GRACE_MS, leader_timeout_ms=SHARED_LEADER_MS,
    )  # fmt: skip


def count_rounds(spec: Spec) -> int:
    """Return the training rounds at most."""
    return count_training_rounds(spec)


def prepare_sites(
    files: Mapping[str, tuple[Path, ...]], spec: Spec, options: Options
) -> list[Site]:
    """Read and check each hospital's files. Raises BadInput for what cannot take part."""
    test = None
    if options.test is not None:
        test, _ = propose_decimal(Files((options.test.absolute(),)))
    sites = []
    for number, (name, paths) in enumerate(files.items(), 1):
        folder = options.root / "sites" / f"{number:02d}-{_slug(name)}"
        folder.mkdir(parents=True)
        data, commas = propose_decimal(Files(tuple(path.absolute() for path in paths)))
        sources = Sources(data, test)
        found = Findings(strict=True)
        if commas:
            found.warn("decimal", commas)
        prepared = prepare(spec, sources, found)
        if not prepared.training.rows:
            raise BadInput(f"Expected at least 2 rows for {name!r} in {sources.data.names}.")
        notes = list_notes(found)
        sites.append(Site(name, folder, sources, prepared, notes))
    return sites


def list_notes(found: Findings) -> tuple[str, ...]:
    """Return the sentences of all warnings; of many on one topic the first, and their number."""
    by_topic: dict[str, list[str]] = {}
    for finding in found.found:
        if finding.level == "warning":
            by_topic.setdefault(finding.topic, []).append(finding.sentence)
    notes = []
    for topic, sentences in by_topic.items():
        notes += sentences if len(sentences) <= MOST_NOTES else sentences[:1]
        if len(sentences) > MOST_NOTES:
            notes.append(f"There are {len(sentences) - 1} more warnings of '{topic}'.")
    return tuple(notes)


def _slug(name: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return kept[:40]
