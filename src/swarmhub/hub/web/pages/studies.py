"""The catalogue of studies, one study, and a report."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web
from markupsafe import Markup

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import SPEC, Model, Study
from swarmhub.contract.results import get_document
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.evaluation.charts import Series, draw_learning
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw, give_page, text_of, word_of
from swarmhub.operations.chosen_model import list_usable
from swarmhub.operations.data_files import list_files
from swarmhub.operations.documents import store_of
from swarmhub.operations.documents_page import show_documents
from swarmhub.operations.looks import Seen, StudyLine, StudyPage, look_at_one, look_at_studies
from swarmhub.operations.rounds import SettledRound
from swarmhub.operations.runs import compare_runs
from swarmhub.operations.studies import look_at_study

ROUNDS_SHOWN = 30
# lines of the terms that are folded: for those who know the method
TECHNICAL = (
    "arrays", "rounds", "rule", "audit", "training", "code", "model layout", "data schema", "terms",
)  # fmt: skip


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/studies", show_all)
    app.router.add_get(f"{prefix}/studies/{{study}}", show_one)
    app.router.add_get(f"{prefix}/studies/{{study}}/report", show_report)


async def show_all(request: web.Request) -> web.Response:
    """The catalogue: studies by words, state and outcome."""
    query = request.query
    words, state, outcome = (query.get(n, "")[:100] for n in ("q", "state", "outcome"))
    seen = request.app[HUB].seen()
    every = look_at_studies(seen)
    found = [
        s for s in every
        if all(word in _words_of(s) for word in words.lower().split())
        and (not state or s.status == state) and (not outcome or s.outcome == outcome)
    ]  # fmt: skip
    return draw(
        request, "studies.html", studies=found, questions=compare_runs(seen, every),
        total=len(every), words=words, state=state, outcome=outcome,
        states=sorted({s.status for s in every}),
        outcomes=sorted({s.outcome for s in every if s.outcome}),
    )  # fmt: skip


def _words_of(line: StudyLine) -> str:
    parts = (line.name, line.title, line.proposer, line.recipe, *line.modality, *line.enrolled)
    return " ".join(parts).lower()


async def show_one(request: web.Request) -> web.Response:
    """One study: its state, terms, rounds and models."""
    hub, name = request.app[HUB], request.match_info["study"]
    seen = hub.seen()
    page = look_at_one(seen, name)
    spec = SPEC.need(seen.view.ledger.state, name)
    study = seen.view.need_study(name)
    shown = len(page.rounds) if request.query.get("rounds") == "all" else ROUNDS_SHOWN
    missed = next((r for r in reversed(page.rounds) if r.absences), None)
    motions = [m for m in seen.view.motions() if m.kind == "release" and m.study == name]
    documents = await asyncio.to_thread(
        show_documents, store_of(hub.home), look_at_study(seen.view, name), False
    )
    in_words = functools.partial(text_of, request)
    metrics = {m: word_of(request, "metric", m) for m in (spec.metric.name, "loss")}
    return draw(
        request, "study.html", files=list_files(hub.home), page=page, study=study, spec=spec,
        held={m.digest for m in list_held(seen, study)},
        rounds=list(reversed(page.rounds))[:shown], more=len(page.rounds) - shown,
        figures=list_figures(page, spec.metric.name),
        curves=[Markup(c) for c in draw_curves(page, metrics, in_words)],
        documents=documents, missed=missed, technical=TECHNICAL,
        settled=sum(1 for r in page.rounds if r.settled_ms),
        motions=motions, has_report=study.current is not None and study.current.kind == TRAIN
        and spec.data is not None and BlobStore(seen.home.blobs_path).find(study.current.digest),
    )  # fmt: skip


def list_held(seen: Seen, study: Study) -> list[Model]:
    """Return the models that this hospital may use, with arrays that are here: those that a recipe
    has trained."""
    if seen.view.need_spec(study.name).data is None:
        return []
    store = BlobStore(seen.home.blobs_path)
    usable = list_usable(seen.view, study)
    return [m for m in usable if m.kind == TRAIN and store.find(m.digest)]


async def show_report(request: web.Request) -> web.Response:
    """The report of the newest model, the page that 'swarmhub report' writes."""
    hub, name = request.app[HUB], request.match_info["study"]
    seen = hub.seen()
    shown = look_at_study(seen.view, name)
    shown = replace(shown, rounds=tuple(seen.record.settled(name)))
    state, chain = seen.view.ledger.state, seen.view.ledger.tip.chain_id
    merged = get_document(state, name)
    digest = merged.digest if merged else ""

    def make() -> str:
        from swarmhub.operations.report.gather import gather_shown  # loads all of evaluation
        from swarmhub.operations.report.page import render

        return render(gather_shown(seen.home, shown, chain, digest))

    text = await asyncio.to_thread(make)
    return give_page(text)


def draw_curves(page: StudyPage, metrics: dict[str, str], say: Callable[..., str]) -> list[str]:
    """Return curves over the training rounds: the study's metric, and the loss if it is another
    one, of the merged model at each hospital and on average. A metric that none has is left out.
    `metrics` has their names for people, `say` returns a text by its key."""
    training = [r for r in page.settled if r.model.kind == TRAIN]
    found = []
    for name, label in metrics.items():
        series = [
            Series(page.names.get(m, str(m)), [(r.model.turn, _of(r, m, name))
                                                      for r in training])
            for m in sorted({s.member for r in training for s in r.sites})
        ]  # fmt: skip
        mean = [(r.model.turn, _scaled(r.mean.metrics if r.mean else {}, name)) for r in training]
        series = [s for s in series if any(y is not None for _, y in s.points)]
        if any(y is not None for _, y in mean):
            series.append(Series(say("curve.all"), mean, is_main=True))
        if series and len(training) > 1:
            found.append(
                draw_learning(series, label, say("curve.title", metric=label), say("curve.round"))
            )
    return found


@dataclass(frozen=True)
class Figure:
    """The study's metric of the newest model at a hospital's own test patients, with its interval
    if the hospital published one."""

    hospital: str
    value: float
    low: float | None
    high: float | None
    samples: int


def list_figures(page: StudyPage, metric: str) -> list[Figure]:
    """Return the figures of the newest training round with a merged model that was measured."""
    training = [r for r in page.settled if r.model.kind == TRAIN]
    newest = next((r for r in reversed(training) if any(s.merged for s in r.sites)), None)
    found = []
    for site in newest.sites if newest else ():
        metrics = site.merged.metrics if site.merged else {}
        value = _scaled(metrics, metric)
        if value is not None and site.merged is not None:
            low, high = _scaled(metrics, f"{metric} low"), _scaled(metrics, f"{metric} high")
            name = page.names.get(site.member, str(site.member))
            found.append(Figure(name, value, low, high, site.merged.samples))
    return found


def _of(settled: SettledRound, member: int, metric: str) -> float | None:
    site = next((s for s in settled.sites if s.member == member), None)
    return None if site is None or site.merged is None else _scaled(site.merged.metrics, metric)


def _scaled(metrics: dict[str, int], name: str) -> float | None:
    return metrics[name] / 1e6 if name in metrics else None
