"""A new study: terms drafted from a data file or an example, checked, read back, proposed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from swarmhub.contract.records import Privacy
from swarmhub.errors import BadInput
from swarmhub.hub import data_folder
from swarmhub.hub.auth.guard import need_csrf, need_role
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw, give_page, go, read_form, say, text_of
from swarmhub.operations.acts import MAX_TERMS_BYTES, OfTerms, read_terms
from swarmhub.operations.data_files import list_files
from swarmhub.operations.preview import preview_terms
from swarmhub.operations.privacy_budget import USUAL
from swarmhub.operations.privacy_numbers import (
    CLIP,
    DELTA,
    EPSILON,
    PATIENT_CLIP,
    write_quantity,
)
from swarmhub.operations.privacy_terms import MODES, Numbers, choose_privacy

USUAL_NUMBERS = {  # field of the form -> what it is if nothing is typed
    "clip": write_quantity(CLIP, Privacy().clip_millionths),
    "epsilon": write_quantity(EPSILON, USUAL.epsilon_millionths),
    "delta": write_quantity(DELTA, USUAL.delta_trillionths),
    "patient_clip": write_quantity(PATIENT_CLIP, USUAL.clip_millionths),
}
EXAMPLES = ("heart", "alzheimer", "covid", "parkinson", "leukaemia", "breast", "pbmc")


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/studies/new", show)
    app.router.add_post(f"{prefix}/studies/new", take)
    app.router.add_post(f"{prefix}/studies/{{study}}/check", check_data)


async def show(request: web.Request) -> web.Response:
    """The page, empty."""
    need_role(request, "researcher")
    return _draw(request)


def _draw(request: web.Request, status: int = 200, **values: Any) -> web.Response:
    found: dict[str, Any] = {
        "terms": "", "lines": [], "guesses": [], "wrong": "", "chosen": "", "noted": "",
        "files": list_files(request.app[HUB].home), "examples": EXAMPLES,
        "modes": tuple(MODES), "numbers": USUAL_NUMBERS,
    }  # fmt: skip
    return draw(request, "new_study.html", status, **{**found, **values})


async def take(request: web.Request) -> web.StreamResponse:
    """A draft to be made, or terms to be looked at, checked with data, or proposed."""
    user = need_role(request, "researcher")
    hub, form = request.app[HUB], await read_form(request)
    need_csrf(request, str(form.get("csrf", "")))
    given, do = str(form.get("terms", ""))[:MAX_TERMS_BYTES], str(form.get("do", ""))
    file, example = (str(form.get(name, "")) for name in ("file", "example"))
    terms = given
    try:
        if do in ("draft", "example"):
            made = await data_folder.draft(
                hub.home, file if do == "draft" else "", example if do == "example" else ""
            )
            terms = made["text"]
            return _draw(
                request, terms=_choose(form, terms), guesses=made["guesses"], chosen=file,
                wrong=" ".join(made["problems"]),
            )  # fmt: skip
        terms = _choose(form, given)
        if do == "data":
            return give_page(await data_folder.check(hub.home, terms + "\n", file))
        spec = read_terms(terms)
        if do == "propose" and terms == given:  # else a person reads them first
            await hub.act("study.propose", OfTerms(terms), user.name)
            say(request, "done", text_of(request, "done.proposed", study=spec.name))
            raise go(request, f"/studies/{spec.name}")
        lines = preview_terms(hub.seen().view, spec)
    except BadInput as error:
        return _draw(request, 422, terms=terms, wrong=str(error), chosen=file)
    noted = "" if terms == given else text_of(request, "new.privacy_written")
    return _draw(request, terms=terms, lines=lines, chosen=file, noted=noted)


def _choose(form: Mapping[str, Any], terms: str) -> str:
    """Return the terms with the privacy that the form chooses, as they are if it chooses none."""
    mode = str(form.get("privacy", ""))
    given = {name: str(form.get(name, ""))[:80] for name in USUAL_NUMBERS}
    return choose_privacy(terms, mode, Numbers(**given)) if mode else terms


async def check_data(request: web.Request) -> web.StreamResponse:
    """A data file of this hospital against the terms of a study that is proposed."""
    user, hub = need_role(request, "viewer"), request.app[HUB]
    if not (user.may("owner") or user.may("researcher")):
        need_role(request, "owner")
    form, name = await read_form(request), request.match_info["study"]
    need_csrf(request, str(form.get("csrf", "")))
    hub.seen().view.need_study(name)
    return give_page(await data_folder.check(hub.home, name, str(form.get("file", ""))))
