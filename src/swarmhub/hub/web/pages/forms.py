"""Forms: each asks for an act, which the node carries out; the next page says how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from aiohttp import web

from swarmhub.errors import BadInput, HomeError, SwarmhubError, plain
from swarmhub.hub.auth.guard import need_csrf, need_role
from swarmhub.hub.context import HUB
from swarmhub.hub.downloads import give_download
from swarmhub.hub.web.pages.login import _inside
from swarmhub.hub.web.site import draw, go, language_of, read_form, say
from swarmhub.hub.web.texts import texts_of
from swarmhub.operations.acts import ACTS


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_post(f"{prefix}/do/{{act}}", do)


async def do(request: web.Request) -> web.StreamResponse:
    """Carry out an act, and show the page that the form names."""
    act = ACTS.get(request.match_info["act"])
    if act is None:
        raise web.HTTPNotFound
    form = await read_form(request)
    need_csrf(request, str(form.get("csrf", "")))
    user = need_role(request, act.role)
    back = _inside(str(form.get("next", "/")))
    try:
        given = read_arguments(act.takes, {k: str(v) for k, v in form.items()})
        found: Any = await request.app[HUB].act(act.name, given, user.name)
    except (BadInput, HomeError) as error:
        say(request, "refused", str(error))
        raise go(request, back) from None
    if isinstance(found, dict) and found:
        answer = await _show(request, found)
        if answer is not None:
            return answer
    texts = texts_of(language_of(request))
    say(request, "done", texts.get(f"done.{act.name}", texts["done.other"]))
    raise go(request, back)


async def _show(request: web.Request, found: dict[str, Any]) -> web.StreamResponse | None:
    """Return the page, or the file, of a result that a person has to see; None of any other."""
    if "token" in found:
        return draw(request, "invitation.html", token=found["token"])
    if "findings" in found:
        return draw(request, "examined.html", findings=found["findings"])
    if "attacks" in found:
        return draw(request, "audited.html", v=found)
    if "figures" in found:
        return draw(request, "validated.html", v=found)
    if "download" in found:
        return await give_download(request, found["download"]["name"])
    return None


def read_arguments(takes: type[Any], form: Mapping[str, str]) -> Any:
    """Return the arguments of an act out of a form's texts. Raises BadInput."""
    kinds, found = get_type_hints(takes), dict[str, Any]()
    for field in fields(takes):
        text, kind = form.get(field.name, ""), kinds[field.name]
        if kind is bool:
            found[field.name] = text == "yes"
        elif kind is int:
            if not (text.isascii() and text.isdigit() and len(text) < 16):
                raise BadInput(
                    f"Expected a whole number for '{field.name}', got '{plain(text, 40)}'."
                )
            found[field.name] = int(text)
        elif kind is str:
            found[field.name] = text
        else:
            found[field.name] = tuple(text.split())
    return takes(**found)


def explain(error: SwarmhubError) -> tuple[int, str]:
    """Return the status and the sentence of a page that cannot be shown."""
    if isinstance(error, HomeError):
        return 503, str(error)
    return (404 if str(error).startswith("There is no ") else 400), str(error)
