"""Drawing pages: templates, the texts of a language, and what all pages show."""

from __future__ import annotations

import functools
import re
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from swarmhub import __version__
from swarmhub.errors import plain
from swarmhub.hub.auth.guard import SESSION, USER, path_of
from swarmhub.hub.auth.users import User
from swarmhub.hub.context import HUB
from swarmhub.hub.web.texts import LANGUAGE, choose_language, languages, texts_of
from swarmhub.operations.links import say_rate, say_round_trip
from swarmhub.words import say_bytes, say_metric, say_time

NAVIGATION = ("today", "studies", "members", "ledger", "node")
NOBODY = User("")


@functools.cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("swarmhub.hub.web"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters |= {
        "plain": plain, "time": say_time, "size": say_bytes, "metric": say_metric,
        "rate": say_rate, "trip": say_round_trip,
    }  # fmt: skip
    return found


def draw(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """Return a page out of `templates/`."""
    hub = request.app[HUB]
    prefix, session = hub.place.prefix, request.get(SESSION)
    language = language_of(request)
    texts = texts_of(language)

    def t(key: str, **parts: Any) -> str:
        return texts[key].format(**parts) if parts else texts[key]

    def word(group: str, name: str) -> str:
        return texts.get(f"{group}.{name}", name)

    def url(path: str) -> str:
        return f"{prefix}{path}"

    said = []
    if session is not None and "X-Refresh" not in request.headers:
        said, session.said = session.said, []
    page = _environment().get_template(template)
    text = page.render(
        t=t, word=word, url=url, language=language, languages=languages(),
        user=request.get(USER, NOBODY), csrf=session.csrf if session else "",
        hospital=hub.home.config.name, said=said, navigation=NAVIGATION,
        here=path_of(request, hub), version=__version__, **values,
    )  # fmt: skip
    return web.Response(status=status, text=text, content_type="text/html")


def give_page(text: str) -> web.Response:
    """Return a page that is one file with a style of its own (`operations.pages`)."""
    style = re.search(r"style-src '(sha256-[A-Za-z0-9+/=]+)'", text)
    allowed = f"'{style[1]}'" if style else "'none'"
    found = web.Response(text=text, content_type="text/html")
    found.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src {allowed}; img-src data:; frame-ancestors 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
    return found


def language_of(request: web.Request) -> str:
    """Return the language of a request."""
    wanted = request.cookies.get(LANGUAGE, "")
    return choose_language(wanted, request.headers.get("Accept-Language", ""))


def text_of(request: web.Request, key: str, **parts: object) -> str:
    """Return a text in the language of a request."""
    text = texts_of(language_of(request))[key]
    return text.format(**parts) if parts else text


def word_of(request: web.Request, group: str, name: str) -> str:
    """Return a name of a group in the language of a request; itself if it has no text."""
    return texts_of(language_of(request)).get(f"{group}.{name}", name)


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form; files are left out. Refuses what is no form."""
    try:
        found = await request.post()
    except (ValueError, LookupError):  # no boundary, another charset, bytes that are no text
        raise web.HTTPBadRequest(text="Expected a form of a page of this hub.") from None
    return {name: value for name, value in found.items() if isinstance(value, str)}


def say(request: web.Request, level: str, sentence: str) -> None:
    """Show a sentence on the next page of this session: `done` or `refused`."""
    session = request.get(SESSION)
    if session is not None:
        session.said.append((level, plain(sentence, 2000)))


def go(request: web.Request, path: str) -> web.HTTPSeeOther:
    """Return the way to another page of the hub."""
    return web.HTTPSeeOther(f"{request.app[HUB].place.prefix}{path}")
