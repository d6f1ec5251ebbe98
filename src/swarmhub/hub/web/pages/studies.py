"""The catalogue of studies, one study, a new one, and a report."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web
from markupsafe import Markup

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import SPEC
from swarmhub.contract.results import get_document
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.errors import BadInput
from swarmhub.evaluation.charts import Series, draw_learning
from swarmhub.hub.auth.guard import need_csrf, need_role
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw, go, say, text_of, word_of
from swarmhub.operations.acts import OfTerms, read_terms
from swarmhub.operations.looks import StudyLine, StudyPage, look_at_one, look_at_studies
from swarmhub.operations.rounds import SettledRound
from swarmhub.operations.runs import compare_runs
from swarmhub.operations.studies import look_at_study

ROUNDS_SHOWN = 30
# lines of the terms that are folded: for those who know the method
TECHNICAL = (
    "stage", "rounds", "rule", "audit", "training", "code", "model layout", "data schema", "terms",
)  # fmt: skip
MAX_TERMS = 64 << 10


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/studies", show_all)
    app.router.add_get(f"{prefix}/studies/new", show_new)
    app.router.add_post(f"{prefix}/studies/new", take_new)
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
    missed = next((r for r in reversed(page.rounds) if r.absences), None)
    motions = [m for m in seen.view.motions() if m.kind == "release" and m.study == name]
    in_words = functools.partial(text_of, request)
    metrics = {m: word_of(request, "metric", m) for m in (spec.metric.name, "loss")}
    return draw(
        request, "study.html", page=page, study=study, spec=spec,
        rounds=list(reversed(page.rounds))[:ROUNDS_SHOWN], more=len(page.rounds) - ROUNDS_SHOWN,
        curves=[Markup(c) for c in draw_curves(page, metrics, in_words)],
        missed=missed, technical=TECHNICAL, settled=sum(1 for r in page.rounds if r.settled_ms),
        motions=motions, has_report=study.current is not None and study.current.kind == TRAIN
        and spec.data is not None and BlobStore(seen.home.blobs_path).find(study.current.digest),
    )  # fmt: skip


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
    style = re.search(r"style-src ('sha256-[^']+')", text)
    allowed = style[1] if style else "'none'"
    found = web.Response(text=text, content_type="text/html")
    found.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src {allowed}; img-src data:; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
    return found


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


def _of(settled: SettledRound, member: int, metric: str) -> float | None:
    site = next((s for s in settled.sites if s.member == member), None)
    return None if site is None or site.merged is None else _scaled(site.merged.metrics, metric)


def _scaled(metrics: dict[str, int], name: str) -> float | None:
    return metrics[name] / 1e6 if name in metrics else None


async def show_new(request: web.Request) -> web.Response:
    """A new study: its terms as text."""
    need_role(request, "researcher")
    return draw(request, "new_study.html", terms="", lines=[], wrong="")


async def take_new(request: web.Request) -> web.StreamResponse:
    """Terms to be looked at, or to be proposed."""
    user = need_role(request, "researcher")
    hub, form = request.app[HUB], await request.post()
    need_csrf(request, str(form.get("csrf", "")))
    terms = str(form.get("terms", ""))[:MAX_TERMS]
    try:
        spec = read_terms(terms)
        if form.get("do") == "propose":
            await hub.node.act("study.propose", OfTerms(terms), user.name)
            say(request, "done", text_of(request, "done.proposed", study=spec.name))
            raise go(request, f"/studies/{spec.name}")
    except BadInput as error:
        return draw(request, "new_study.html", 422, terms=terms, lines=[], wrong=str(error))
    from swarmhub.operations.preview import preview_terms

    lines = preview_terms(hub.seen().view, spec)
    return draw(request, "new_study.html", terms=terms, lines=lines, wrong="")
