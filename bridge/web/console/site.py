"""The console as one application: who is let in, in which language, with which headers, and what goes wrong."""

from __future__ import annotations

import importlib
import pkgutil
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter, Map

from bridge.errors import StoreUnavailable
from bridge.texts import Language, Text, literal, said
from bridge.web import reply
from bridge.web.console import assets, context, formats, signin
from bridge.web.console import pages as folder
from bridge.web.console.context import Visit, here
from bridge.web.console.parts import ConsoleParts
from bridge.web.console.sections import FORM_SIZE, PREFIX, ROLES, ConsoleSection, Role, RouteAccess
from bridge.web.gate import AccessPolicy, BodyLimits
from bridge.web.request import RAW, RawRequest, Refused
from connectors.base import ConnectorError

LANGUAGES: dict[str, Language] = {"es": "es", "en": "en"}
_LANGUAGE, _FORM = "console_language", "console_form"
_PORT = re.compile(r":\d+$")
_HOST = re.compile(r"[\w.\[\]:-]{1,253}", re.ASCII)
_LIVE = "X-Console-Live"
"""The header of a request by which the script looks for what is new."""
_FORM_WITHIN, _FILE_WITHIN = 10.0, 120.0
"""Seconds that a form has to arrive, and one with a file."""
_PARTS = 10_000
"""Fields of a form at most."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_REASONS = {
    400: Text("This form was not sent from this console, or is too old. Go back, load the page anew and try again."),
    401: Text("You are signed out."),
    403: Text("Your role may not do this. Ask an administrator."),
    404: Text("There is nothing at this address."),
    405: Text("This address is there for a form alone."),
    408: Text("The form took too long to arrive. Try again."),
    413: Text("What was sent is too large."),
}


@cache
def sections() -> Sequence[ConsoleSection]:
    """Return all sections, in the order of the navigation."""
    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    modules = [importlib.import_module(f"{folder.__name__}.{name}") for name in names]
    return sorted((module.section for module in modules), key=lambda section: section.order)


def access() -> dict[str, RouteAccess]:
    """Return who may use each route, by its endpoint."""
    return {endpoint: terms for section in sections() for endpoint, terms in section.access.items()}


class ConsoleSite:
    """Puts the console into a Flask application (`install`), and says how large a form may be (`limits`)."""

    def __init__(self, parts: ConsoleParts, gate: Callable[[], AccessPolicy]) -> None:
        self._parts, self._gate, self._access = parts, gate, access()
        self._app: Flask | None = None

    def install(self, app: Flask) -> None:
        """Add every page and action of the console."""
        self._app = app
        app.url_map.converters["int"] = _Id
        assets.install(app)
        signin.install(app)
        for section in sections():
            app.register_blueprint(section.blueprint)
        app.before_request(self._let_in)
        app.after_request(_finish)
        app.register_error_handler(Exception, _failed)
        app.context_processor(_values)
        app.config["MAX_FORM_MEMORY_SIZE"] = None  # `limits` has said already how large it may be
        app.config["MAX_FORM_PARTS"] = _PARTS
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
        app.jinja_env.autoescape = True
        app.jinja_env.finalize = formats.shown

    def limits(self, raw: RawRequest) -> BodyLimits:
        """Return on what terms a form is read: its size by its action, more than a small one only from who is signed
        in."""
        policy = self._gate()
        if self._app is None or not policy.configuration.console_users:
            return policy.no_body
        if raw.path == signin.LOGIN:
            return BodyLimits(signin.FORM_SIZE, body=True)
        try:
            endpoint, _ = self._app.url_map.bind("").match(raw.path, "POST")
        except HTTPException:
            return policy.no_body
        terms = self._access.get(str(endpoint))
        if terms is None and endpoint != signin.OUT:
            return policy.no_body
        if not self._parts.sessions.genuine(_cookie(raw, signin.COOKIE)):
            return BodyLimits(signin.FORM_SIZE, body=True)
        largest = terms.max_body if terms is not None else signin.FORM_SIZE
        return BodyLimits(largest, body=True, seconds=_FILE_WITHIN if largest > FORM_SIZE else _FORM_WITHIN)

    def _let_in(self) -> ResponseReturnValue | None:
        """Before each request: who it is from, and whether they may."""
        raw: RawRequest = request.environ[RAW]
        raw.entry.route = "console"
        configuration = self._parts.configuration
        if not configuration.console_users:
            raise _NoConsole
        if request.endpoint == assets.ENDPOINT:
            return None
        if raw.path + "/" == PREFIX:
            return redirect(PREFIX, 303)
        g.visit = visit = self._visit(raw)
        visit.who = self._parts.sessions.of(request.cookies.get(signin.COOKIE, ""))
        visit.csrf = self._token(visit)
        if request.endpoint == signin.IN:
            return self._checked(visit)
        if visit.who is None:
            return _signed_out(self._access.get(request.endpoint or ""))
        if request.endpoint == signin.OUT:
            return self._checked(visit)
        if request.routing_exception is not None:
            return None  # which says itself what is wrong
        if not visit.may(self._access[str(request.endpoint)].role):
            return _page(403)
        return self._checked(visit)

    def _visit(self, raw: RawRequest) -> Visit:
        policy = self._gate()
        client = policy.client(raw.remote, raw.header(b"x-forwarded-for"))
        public = self._parts.configuration.console.url or ""
        server = self._parts.configuration.server
        port = server.port if server.console_port is not None else None
        forwarded = policy.is_proxy(raw.remote) and raw.header(b"x-forwarded-proto").split(",")[-1].strip() == "https"
        secure = forwarded or public.startswith("https:")
        return Visit(
            self._parts, self._parts.configuration, _language(self._parts.configuration.language), client, secure,
            public or _address(raw, secure, behind_proxy=policy.is_proxy(raw.remote), port=port), datetime.now(UTC),
        )  # fmt: skip

    def _token(self, visit: Visit) -> str:
        """What a form carries: of a session, else of this browser alone."""
        if visit.who is not None:
            return self._parts.signing.sign("form", visit.who.id)
        g.form = request.cookies.get(_FORM, "")
        if len(g.form) != 32:
            g.form = g.new_form = secrets.token_hex(16)
        return self._parts.signing.sign("sign-in form", g.form)

    def _checked(self, visit: Visit) -> ResponseReturnValue | None:
        """Whether a form was made here for whoever sends it."""
        if request.method != "POST":
            return None
        given = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
        return None if secrets.compare_digest(given.encode(), visit.csrf.encode()) else _page(400)


def _address(raw: RawRequest, secure: bool, *, behind_proxy: bool, port: int | None) -> str:
    """Where the browser found the bridge. `port`: where the platform's URLs are, if the console has one of its own."""
    host = (raw.header(b"x-forwarded-host").split(",")[-1].strip() if behind_proxy else "") or raw.header(b"host")
    host = host if _HOST.fullmatch(host) else "bridge.example.com"
    if port is not None and not behind_proxy:
        host = f"{_PORT.sub('', host)}:{port}"
    return f"{'https' if secure else 'http'}://{host}"


class _Id(IntegerConverter):
    """A whole number of an address, as large as a database keeps."""

    def __init__(self, map: Map) -> None:  # noqa: A002 - werkzeug's name
        super().__init__(map, max=2**63 - 1)


class _NoConsole(Exception):
    """The configuration opens none."""


def _cookie(raw: RawRequest, name: str) -> str:
    pairs = (pair.strip().partition("=") for pair in raw.header(b"cookie").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def _language(default: Language) -> Language:
    chosen = request.args.get("lang", "") or request.cookies.get(_LANGUAGE, "")
    if chosen in LANGUAGES:
        return LANGUAGES[chosen]
    return LANGUAGES[request.accept_languages.best_match(list(LANGUAGES), default) or default]


def _signed_out(terms: RouteAccess | None) -> ResponseReturnValue:
    """The answer to who is signed out: pages lead to the sign-in, all else is refused."""
    known_page = terms is not None and terms.kind == "page" and request.routing_exception is None
    if request.method not in ("GET", "HEAD") or not known_page or _LIVE in request.headers:
        return _page(401)
    query = request.query_string.decode("ascii", "replace")
    wanted_page = f"{request.path}?{query}" if query else request.path
    return redirect(f"{signin.LOGIN}?next={quote(wanted_page, safe='/')}", 303)


def _page(status: int, reason: Text | None = None) -> Response:
    """A page that says why there is no other."""
    reason = reason or _REASONS.get(status) or Text("This can't be done.")
    request.environ[RAW].entry.fields["outcome"] = str(reason)
    return context.render("error.html", status, reason=reason, code=status)


def _failed(error: Exception) -> ResponseReturnValue:
    if isinstance(error, _NoConsole) or "visit" not in g:
        return _without_console(error)
    if isinstance(error, Refused):
        return _page(error.status, None if error.status in _REASONS else literal(error.reason))
    if isinstance(error, HTTPException):
        response = _page(error.code or 500)
        if getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
        return response
    if isinstance(error, StoreUnavailable):
        return _page(503, Text("The database can't be used now: {error}", error=said(error)))
    if isinstance(error, ConnectorError):
        return _page(502, Text("The CRM can't do this now: {error}", error=said(error)))
    return _page(500, literal(reply.unexpected(error)))


def _without_console(error: Exception) -> ResponseReturnValue:
    """The answer to whoever asks for a file, or where there is no console: as everywhere else below `/`."""
    status: int = 404 if isinstance(error, _NoConsole) else getattr(error, "code", getattr(error, "status", 500)) or 500
    reason = "there is nothing at this URL"
    if status == 500:
        reason = reply.unexpected(error)
    elif status != 404:
        reason = "this is not possible at this URL"
    request.environ[RAW].entry.fields["outcome"] = reason
    return {"error": reason}, status


def _finish(response: Response) -> Response:
    """Give an answer the headers that each has."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if "style_nonce" in g:
        policy = response.headers["Content-Security-Policy"]
        styles = f"style-src 'self' 'nonce-{context.style_nonce()}'"
        response.headers["Content-Security-Policy"] = policy.replace("style-src 'self'", styles)
    if "visit" not in g:
        return response
    response.headers.setdefault("Cache-Control", "no-store")
    options: dict[str, Any] = {"path": "/console/", "secure": here().secure, "httponly": True, "samesite": "Lax"}
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(_LANGUAGE, here().language, **options)
    if "new_form" in g:
        response.set_cookie(_FORM, g.new_form, **options)
    seen = response.mimetype == "text/html" and response.status_code == 200 and _LIVE not in request.headers
    if context.SAID in request.cookies and seen:
        response.delete_cookie(context.SAID, **options)
    return response


def _values() -> dict[str, Any]:
    """What every template may use besides the values of its view."""
    visit = here()
    shown = [section for section in sections() if section.title is not None and visit.may(section.role)]
    names = [
        "t",
        "n",
        "say",
        "moment",
        "clock",
        "age",
        "span",
        "count",
        "tenths",
        "number",
        "person",
        "private",
    ]
    return {name: getattr(visit, name) for name in names} | {
        "visit": visit,
        "asset": assets.address,
        "navigation": shown,
        "Role": Role,
        "roles": ROLES,
        "said": context.said(request.cookies.get(context.SAID, "")),
    }
