"""The checks of every request: the host it names, its user, the origin of a form, and headers.

Host       a name of the loopback or one that node.toml names: no other name leads here (a page
           elsewhere could let its own name lead to this machine)
who        the cookie of a session, a token for scripts (`/api` only), or the header of a trusted
           proxy; without one: to the login, or 401
changes    need the session's own text in the form (or the header), and no other origin
headers    a policy by which a page loads from here alone, and no page frames it
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from aiohttp import web

from swarmhub.hub.auth.sessions import Session
from swarmhub.hub.auth.users import HERE, OPERATOR, User
from swarmhub.hub.context import HUB, Hub
from swarmhub.hub.web.texts import ENGLISH, LANGUAGE, choose_language, texts_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
USER = web.RequestKey("user", User)
SESSION = web.RequestKey("session", Session)
LOOPBACK = frozenset(["127.0.0.1", "localhost", "[::1]", "::1"])
OPEN = ("/static/", "/login", "/link/")  # to everybody that reaches the port
CHANGES = frozenset(["POST", "PUT", "PATCH", "DELETE"])
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def cookie_of(hub: Hub) -> str:
    """Return the name of the session's cookie: browsers share cookies between ports."""
    return f"swarmhub-{hub.place.port}"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check a request, and add the headers to its answer."""
    hub = request.app[HUB]
    try:
        refused = _check_host(request, hub) or _admit(request, hub) or _check_origin(request, hub)
        answer = refused if refused is not None else await handler(request)
    except web.HTTPException as error:
        add_headers(error)
        raise
    if not answer.prepared:
        add_headers(answer)
    return answer


def add_headers(answer: web.StreamResponse) -> None:
    """Add the headers of every answer: of one that is streamed, before its beginning is sent."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)


def path_of(request: web.Request, hub: Hub) -> str:
    """Return a request's path without the prefix."""
    return request.path.removeprefix(hub.place.prefix) or "/"


class Fault(web.HTTPForbidden):
    """A refusal with a sentence of the texts: English, and of a page in its language."""

    def __init__(self, key: str, **parts: str) -> None:
        super().__init__(text=texts_of(ENGLISH)[key].format(**parts))
        self.key, self.parts = key, parts


def _answer(request: web.Request, status: int, key: str) -> web.Response:
    wanted = request.cookies.get(LANGUAGE, "")
    language = choose_language(wanted, request.headers.get("Accept-Language", ""))
    return web.Response(status=status, text=texts_of(language)[key])


def _check_host(request: web.Request, hub: Hub) -> web.Response | None:
    host = urlsplit(f"//{request.host}").hostname or ""
    if host in LOOPBACK or host in hub.place.names or host == hub.place.host:
        return None
    return _answer(request, 421, "fault.host")


def _admit(request: web.Request, hub: Hub) -> web.Response | None:
    """Find the user of a request; return the answer to somebody unknown."""
    path, is_api = path_of(request, hub), path_of(request, hub).startswith("/api/")
    user = _find_user(request, hub, is_api)
    if user is not None:
        request[USER] = user
        return None
    if path.startswith(OPEN):
        return None
    if is_api or path == "/events":
        return web.json_response(
            {"error": "Expected a token: 'swarmhub hub user token NAME' makes one.",
             "code": "Unauthorized"}, status=401, headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    back = quote(request.path_qs, safe="") if request.method == "GET" else ""
    raise web.HTTPSeeOther(f"{hub.place.prefix}/login?next={back}")


def _find_user(request: web.Request, hub: Hub, is_api: bool) -> User | None:
    given = request.headers.get("Authorization", "")
    if is_api and given.startswith("Bearer "):
        return hub.users.find_by_token(given.removeprefix("Bearer "))
    name, session = "", hub.sessions.find(request.cookies.get(cookie_of(hub), ""))
    if session is not None:
        request[SESSION] = session
        name = session.user
    if hub.place.user_header and hub.place.user_header in request.headers:
        name = request.headers[hub.place.user_header]
        if hub.users.find(name) is None:
            return None
        if session is None or session.user != name:
            request[SESSION] = hub.sessions.of_proxy(name)
        return hub.users.find(name)
    if name == HERE:
        return OPERATOR
    return hub.users.find(name) if name else None


def _check_origin(request: web.Request, hub: Hub) -> web.Response | None:
    """Return a refusal of a change that another page may have asked for."""
    if request.method not in CHANGES:
        return None
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if site not in (None, "same-origin", "none"):
        return _answer(request, 403, "fault.elsewhere")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return _answer(request, 403, "fault.elsewhere")
    return None


def need_csrf(request: web.Request, given: str) -> None:
    """Refuse a change without the text of the session's own forms. Requests with a token for
    scripts have none: a page elsewhere cannot send it."""
    session = request.get(SESSION)
    if session is None and request.headers.get("Authorization", "").startswith("Bearer "):
        return
    if session is None or not hmac.compare_digest(session.csrf.encode(), given.encode()):
        raise Fault("fault.session")


def need_role(request: web.Request, role: str) -> User:
    """Return the user of a request. Refuses one without the role."""
    user = request[USER]
    if not user.may(role):  # type: ignore[arg-type]
        raise Fault("fault.role", user=user.name, role=role)
    return user
