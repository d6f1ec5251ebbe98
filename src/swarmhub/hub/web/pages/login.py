"""Login: a link that works once, or a name with its passphrase."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from swarmhub.errors import BadInput
from swarmhub.hub.auth.guard import SESSION, USER, Fault, cookie_of, need_csrf
from swarmhub.hub.auth.users import HERE
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw, go, read_form, say, text_of
from swarmhub.hub.web.texts import LANGUAGE, languages

YEAR_S = 365 * 86_400


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/login", show)
    app.router.add_post(f"{prefix}/login", log_in)
    app.router.add_get(f"{prefix}/link/{{secret}}", use_link)
    app.router.add_post(f"{prefix}/logout", log_out)
    app.router.add_get(f"{prefix}/me", show_me)
    app.router.add_post(f"{prefix}/me", set_passphrase)
    app.router.add_get(f"{prefix}/language/{{name}}", set_language)


async def show(request: web.Request) -> web.Response:
    """The login."""
    return draw(request, "login.html", name="", wrong="", next=_inside(request.query.get("next")))


async def log_in(request: web.Request) -> web.StreamResponse:
    """A name with its passphrase."""
    hub, form = request.app[HUB], await read_form(request)
    name, passphrase = str(form.get("name", ""))[:64], str(form.get("passphrase", ""))
    back = _inside(str(form.get("next", "")))
    keys = (f"name {name}", f"address {request.remote}")
    if hub.attempts.are_too_many(*keys):
        return draw(request, "login.html", 429, name=name, wrong="login.too_many", next=back)
    user = hub.users.check(name, passphrase)
    if user is None:
        hub.attempts.note(*keys)
        return draw(request, "login.html", 403, name=name, wrong="login.wrong", next=back)
    return _begin(request, user.name, back)


async def use_link(request: web.Request) -> web.StreamResponse:
    """A link that works once."""
    hub = request.app[HUB]
    name = hub.links.use(request.match_info["secret"])
    is_known = name == HERE or hub.users.find(name) is not None
    if not name and SESSION in request:
        raise go(request, "/")
    if not name or not is_known:
        return draw(request, "login.html", 403, name="", wrong="login.used", next="/")
    user = hub.users.find(name)
    has_passphrase = name == HERE or (user is not None and bool(user.passphrase))
    return _begin(request, name, "/" if has_passphrase else "/me")


def _begin(request: web.Request, name: str, path: str) -> web.StreamResponse:
    hub = request.app[HUB]
    answer = go(request, path)
    is_secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    answer.set_cookie(
        cookie_of(hub), hub.sessions.begin(name), path=f"{hub.place.prefix}/", httponly=True,
        samesite="Strict", secure=is_secure,
    )  # fmt: skip
    raise answer


async def log_out(request: web.Request) -> web.StreamResponse:
    """End of a session."""
    hub, form = request.app[HUB], await read_form(request)
    need_csrf(request, str(form.get("csrf", "")))
    hub.sessions.end(request.cookies.get(cookie_of(hub), ""))
    answer = go(request, "/login")
    answer.del_cookie(cookie_of(hub), path=f"{hub.place.prefix}/")
    raise answer


async def show_me(request: web.Request) -> web.Response:
    """The person's own page."""
    return draw(request, "me.html", is_operator=request[USER].name == HERE)


async def set_passphrase(request: web.Request) -> web.StreamResponse:
    """A new passphrase; the person's other sessions end."""
    hub, form, name = request.app[HUB], await read_form(request), request[USER].name
    need_csrf(request, str(form.get("csrf", "")))
    if name == HERE:
        raise Fault("fault.operator")
    first, again = str(form.get("passphrase", "")), str(form.get("again", ""))
    try:
        if first != again:
            raise BadInput(text_of(request, "fault.twice"))
        hub.users.set_passphrase(name, first)
    except BadInput as error:
        say(request, "refused", str(error))
        raise go(request, "/me") from None
    hub.sessions.end_all(name)
    return _begin(request, name, "/")


async def set_language(request: web.Request) -> web.StreamResponse:
    """The language of the pages in this browser."""
    name = request.match_info["name"]
    if name not in languages():
        raise web.HTTPNotFound
    answer = go(request, _inside(request.query.get("next")))
    path = f"{request.app[HUB].place.prefix}/"
    answer.set_cookie(LANGUAGE, name, path=path, max_age=YEAR_S, samesite="Lax")
    raise answer


def _inside(path: str | None) -> str:
    """Return a path of this hub, "/" instead of the address of something else."""
    found = path or "/"
    parts = urlsplit(found)
    is_inside = found.startswith("/") and not found.startswith("//") and "\\" not in found
    return found if is_inside and not parts.scheme and not parts.netloc else "/"
