"""A study's terms in words, for approval by people."""

from __future__ import annotations

from collections.abc import Iterable

from swarmhub.contract.records import Model, Score, Spec, StartModel
from swarmhub.contract.round.kinds import KINDS, TRAIN
from swarmhub.contract.stages import count_training_rounds, get_stage
from swarmhub.operations import stage_terms
from swarmhub.operations.data_terms import say_data
from swarmhub.operations.privacy_words import say_privacy, say_spent
from swarmhub.operations.studies import StudyShown
from swarmhub.operations.wire_words import say_shards, say_wire
from swarmhub.types import MemberId
from swarmhub.words import say_bytes, say_duration, say_metric, say_time

Line = tuple[str, str]  # subject, sentence

AUDITS = {
    "drawn": "drawn members recompute secretly chosen pieces of each merge",
    "full": "drawn members recompute each merge as a whole",
}
OPTIMIZERS = {
    "keep": "the local optimiser goes on after a merge",
    "reset": "the local optimiser begins anew after each merge",
}


def say_terms(shown: StudyShown) -> list[Line]:
    """Return the terms to approve, one line a subject, then the members that approved or
    enrolled."""
    spec, study = shown.spec, shown.study
    return [
        ("status", say_status(shown)),
        *([("now", shown.waits)] if shown.waits else []),
        ("question", spec.title or "not stated"),
        ("proposed by", shown.name(study.proposer)),
        *say_data(spec.data, spec.privacy.dp is not None),
        *(("stage", line) for line in stage_terms.say_stages(spec, shown.name)),
        ("rounds", say_rounds(spec)),
        ("contributions", say_contributions(shown)),
        *([] if spec.stages else [("rule", stage_terms.say_rule(spec.merge))]),
        ("audit", AUDITS[spec.audit]),
        ("best model", say_best_rule(spec)),
        *([("starts from", say_start(spec.start_from))] if spec.start_from else []),
        ("training", say_training(spec)),
        *say_wire(spec, study.current),
        *say_shards(spec, study),
        *say_privacy(spec.privacy, len(study.enrolled) or len(shown.members)),
        *say_spent(spec.privacy, list_spent(shown)),
        *(("leaves the hospital", line) for line in say_leaving(shown)),
        ("stays", say_staying(spec)),
        ("code", _document(spec.code, "not fixed: each hospital runs the trainer that it chooses")),
        ("model layout", _document(spec.layout, "fixed by the first leader's model")),
        ("ethics", _document(spec.ethics, "no document is named")),
        ("data schema", spec.data_schema or "not stated"),
        ("ends", say_end(spec)),
        ("approvals", say_approvals(spec)),
        ("approved by", say_approved(shown)),
        ("refused by", say_refused(shown)),
        ("not answered", _names(shown, _silent(shown))),
        ("enrolled", say_enrolled(shown)),
        *(("arrays", line) for line in stage_terms.say_arrays(spec)),
        ("terms", f"{study.spec} (digest of exactly what is approved)"),
    ]


def say_status(shown: StudyShown) -> str:
    """Return the state of the study and of its open round."""
    r, study = shown.round, shown.study
    if r is None:
        said = {"proposed": "proposed, not started"}.get(study.status, study.status)
        return "paused" if study.paused else said
    stage = get_stage(shown.spec, r)
    what = f"'{stage.name}'"
    if stage.max_rounds > 1 or stage.kind == TRAIN:
        what = f"round {r.turn} of {stage.max_rounds} of {what}"
    said = f"running: {what}, {r.phase.lower()}, {len(r.contributions)} of {len(r.roster)} in"
    leader = shown.leader
    return f"{said}, led by {shown.name(leader)}" if leader is not None else said


def say_best_rule(spec: Spec) -> str:
    """Return how the best model is found."""
    said = (
        f"the {_extreme(spec)} mean '{spec.metric.name}' over one set of sites: of the models that "
        "all enrolled sites have measured that measure any"
    )
    privacy = spec.privacy
    if privacy.dp is not None:
        return "the newest one: no hospital's metrics leave it"
    return f"{said}; masked rounds measure none" if privacy.masked else said


def say_rounds(spec: Spec) -> str:
    """Return the number of rounds, and the deadlines."""
    first = "one that merges statistics, then " if spec.statistics else ""
    training = count_training_rounds(spec)
    most = "up to " if spec.stages else ""
    return (
        f"{first}{most}{training} of training with a merge every {spec.sync_every}; a round waits "
        f"{say_duration(spec.quorum_grace_ms)} for the rest once enough have contributed, longer "
        "for a hospital whose last round took longer, and a "
        f"leader has {say_duration(spec.leader_timeout_ms)} and the time to move the models at "
        f"{say_bytes(spec.transfer_bytes_per_s)} a second"
    )


def say_contributions(shown: StudyShown) -> str:
    """Return the effective minimum of a round, and the faults that it tolerates."""
    least, enrolled = shown.min_peers, len(shown.study.enrolled)
    said = f"at least {least} in each round (min_peers = {shown.spec.min_peers})"
    if shown.spec.required:
        said += f", never without {', '.join(map(shown.name, shown.spec.required))}"
    if not enrolled:
        return f"{said}; nobody is enrolled yet"
    if enrolled < least:
        return f"{said}; {enrolled} enrolled, so {least - enrolled} more must enrol"
    away = max(0, enrolled - least)
    lie = "none may lie" if not shown.faults else f"{shown.faults} may lie"
    wait = "none may be away" if not away else f"{away} may be away"
    return f"{said}; with {enrolled} enrolled {lie}, and {wait} without the round waiting"


def say_training(spec: Spec) -> str:
    """Return the settings of the trainers."""
    options = ", ".join(f"{k} = {v}" for k, v in sorted(spec.options.items()))
    return "; ".join(
        [*([options] if options else []), OPTIMIZERS[spec.optimizer], f"seed {spec.seed}"]
    )


def say_start(start: StartModel) -> str:
    """Return the model with which training begins."""
    return f"the model of '{start.study}' that its members have released, {start.model}"


def say_leaving(shown: StudyShown) -> list[str]:
    """Return what each hospital sends to others, one sentence a kind."""
    spec, current = shown.spec, shown.study.current
    size = f"{say_bytes(current.nbytes)}" if current else f"at most {say_bytes(spec.max_bytes)}"
    on_ledger = (
        "each round, on the ledger for every member of the consortium: the number of samples "
        "trained on, and metrics with the number of samples that they were measured on"
    )
    if spec.privacy.dp is not None:
        on_ledger = (
            "on the ledger for every member of the consortium: the number of samples declared at "
            "enrolment, as the weight of each contribution, and no metrics"
        )
        if spec.privacy.masked:
            on_ledger += "; keys and encrypted shares of the masks, which tell nothing of patients"
    elif spec.privacy.masked:
        on_ledger += (
            "; no metrics, but keys and encrypted shares of the masks, which tell nothing of "
            "patients"
        )
    return [*stage_terms.say_leaving(spec, size, current), on_ledger]


def say_staying(spec: Spec) -> str:
    """Return what does not leave the hospital."""
    kept = ", ".join(f"'{pattern}'" for pattern in spec.keep_local)
    return "raw data" + (f"; arrays of the model named {kept}" if kept else "")


def say_end(spec: Spec) -> str:
    """Return when the study ends."""
    if not spec.expires_ms:
        return "after the last round"
    return f"after the last round, at {say_time(spec.expires_ms)} at the latest"


def say_approvals(spec: Spec) -> str:
    """Return how long an approval holds."""
    if not spec.approvals_expire_ms:
        return "hold until the study is over, or they are taken back ('study refuse')"
    return (
        f"each holds for {say_duration(spec.approvals_expire_ms)}; a hospital that does not "
        "approve again by then takes part no longer"
    )


def say_approved(shown: StudyShown) -> str:
    """Return the members that have approved, and until when if approvals lapse."""
    spec, study = shown.spec, shown.study
    until = {
        member: f" (until {say_time(given_ms + spec.approvals_expire_ms)})"
        for member, given_ms in zip(study.approved, study.approved_ms, strict=False)
    }
    return ", ".join(shown.name(m) + until.get(m, "") for m in study.approved) or "nobody"


def say_enrolled(shown: StudyShown) -> str:
    """Return the enrolled members, with samples."""
    enrolled = shown.study.enrolled
    if not enrolled:
        return "nobody"
    return ", ".join(f"{shown.name(e.member)} ({e.samples} samples)" for e in enrolled)


def list_spent(shown: StudyShown) -> list[tuple[str, int]]:
    """Return the noisy steps of each enrolled member, and of those that have left."""
    return sorted((shown.name(member), steps) for member, steps in shown.spent.items())


def say_refused(shown: StudyShown) -> str:
    """Return the members that refuse the study, each with its reason if it has stated one."""
    names = [
        f"{shown.name(m)} ({shown.reasons[m]})" if m in shown.reasons else shown.name(m)
        for m in shown.study.refused
    ]
    return ", ".join(names) or "nobody"


def say_results(shown: StudyShown) -> list[Line]:
    """Return the newest, the best and the released models; nothing before the first."""
    study = shown.study
    found: list[Line] = []
    if study.current:
        found.append(("newest model", say_model(shown, study.current)))
    if study.best and study.best_score:
        score = f"{say_model(shown, study.best)}; {say_score(study.best_score)}"
        found.append(("best model so far", f"{score}, {say_scorers(shown)}"))
    for name, result in shown.results.items():
        turn = f"round {result.turn}, " if result.turn > 1 else ""
        ended = ", its test holds" if result.met else ""
        found.append((f"result of '{name}'", f"{turn}{result.digest}{ended}"))
    found += [("released", say_model(shown, model)) for model in study.released]
    return found


def say_model(shown: StudyShown, model: Model) -> str:
    """Return a settled model by its round and digest."""
    label = stage_terms.say_round_label(shown.spec, model)
    when = f"after round {label}" if model.kind == TRAIN else "before training"
    return f"{when}, {say_bytes(model.nbytes)}, {model.digest}"


def say_score(score: Score) -> str:
    """Return mean metrics, and the number of samples."""
    return f"{say_metrics(score.metrics)} on {score.samples} samples"


def say_scorers(shown: StudyShown) -> str:
    """Return the members with scores that chose the best model, and that they are not all if no
    model has been measured by all yet."""
    study = shown.study
    by = study.best_score.members if study.best_score else ()
    said = f"the mean over {_names(shown, by)}"
    if by == study.scorers:
        return said
    return f"{said}; no model has been measured by all of {_names(shown, study.scorers)} yet"


def say_metrics(metrics: dict[str, int]) -> str:
    """Return metrics in their units, by name."""
    return ", ".join(f"{name} {say_metric(value)}" for name, value in sorted(metrics.items()))


ROUND_COLUMNS = ["round", "site", "trained on", "after training here", "merged model"]


def say_history(shown: StudyShown) -> list[list[str]]:
    """Return one row for each site of each settled round that made a model, and one for their
    mean."""
    rows = []
    for settled in shown.rounds:
        model = settled.model
        if not KINDS[model.kind].makes_model:
            continue
        label = stage_terms.say_round_label(shown.spec, model)
        for site in settled.sites:
            own, merged = site.own, site.merged
            rows.append([
                label, shown.name(site.member), "" if site.weight is None else str(site.weight),
                say_metrics(own.metrics) if own else "",
                f"{say_metrics(merged.metrics)} ({merged.samples} samples)" if merged else "",
            ])  # fmt: skip
        if settled.mean:
            mean, weight = settled.mean, sum(s.weight for s in model.shares)
            said = f"{say_metrics(mean.metrics)} ({mean.samples} samples)"
            rows.append([label, "all", str(weight or ""), "", said])
    return rows


def _names(shown: StudyShown, members: Iterable[MemberId]) -> str:
    return ", ".join(shown.name(m) for m in members) or "nobody"


def _silent(shown: StudyShown) -> list[MemberId]:
    answered = {*shown.study.approved, *shown.study.refused}
    return [m for m in shown.members if m not in answered]


def _document(digest: str, without: str) -> str:
    return f"the one with sha256 {digest}" if digest else without


def _extreme(spec: Spec) -> str:
    return "highest" if spec.metric.goal == "max" else "lowest"
