"""The sign-in and the sign-out."""

from __future__ import annotations

import math
from urllib.parse import unquote

from flask import Flask, Response, make_response, redirect, request

from bridge.texts import Text
from bridge.web.console.context import audit, here, render
from bridge.web.console.passwords import TooMany
from bridge.web.console.sections import PREFIX
from bridge.web.console.sessions import ABSOLUTE

LOGIN = f"{PREFIX}login"
IN, OUT = "sign_in", "sign_out"
COOKIE = "console_session"
FORM_SIZE = 8 * 1024
"""Bytes of a form of somebody who is not signed in."""


def install(app: Flask) -> None:
    """Add the pages to sign in and out."""

    @app.route(LOGIN, methods=["GET", "POST"], endpoint=IN)
    def sign_in() -> Response:
        if request.method == "POST":
            return _tried()
        if here().who is not None:
            return make_response(redirect(_next(), 303))
        return _form()

    @app.post(f"{PREFIX}logout", endpoint=OUT)
    def sign_out() -> Response:
        visit = here()
        if visit.who is not None:
            visit.parts.sessions.end(visit.who)
            audit("console.sign_out")
        response = make_response(redirect(LOGIN, 303))
        response.delete_cookie(COOKIE, path=PREFIX, secure=visit.secure, httponly=True, samesite="Lax")
        return response


def _tried() -> Response:
    visit = here()
    name, password = request.form.get("name", "").strip(), request.form.get("password", "")
    try:
        user = visit.parts.passwords.check(name, password, visit.client.sender)
    except TooMany as error:
        minutes = math.ceil(error.seconds / 60)
        response = _form(429, name, Text("Too many wrong passwords. Try again in {minutes} min.", minutes=minutes))
        response.headers["Retry-After"] = str(math.ceil(error.seconds))
        return response
    if user is None:
        return _form(401, name, Text("The name or the password is wrong."))
    if visit.who is not None:
        visit.parts.sessions.end(visit.who)
    cookie = visit.parts.sessions.begin(user)
    visit.who = visit.parts.sessions.of(cookie)
    audit("console.sign_in")
    response = make_response(redirect(_next(), 303))
    response.set_cookie(
        COOKIE, cookie, max_age=int(ABSOLUTE.total_seconds()), path=PREFIX, secure=visit.secure, httponly=True,
        samesite="Lax",
    )  # fmt: skip
    return response


def _form(status: int = 200, name: str = "", wrong: Text | None = None) -> Response:
    alone = list(here().configuration.console_users) == ["admin"]
    return render("login.html", status, name=name or ("admin" if alone else ""), wrong=wrong, next=_next(), login=LOGIN)


def _next() -> str:
    """Where to go on: a page of the console, whatever a link says."""
    given = request.values.get("next", "")
    inside = given.startswith(PREFIX) and given.isprintable() and not set('\\"<>') & set(given)
    path = unquote(given.partition("?")[0])
    steady = not {"", ".", ".."} & set(path.removeprefix(PREFIX).split("/")[:-1]) and not path.endswith(("/.", "/.."))
    return given if inside and steady and len(given) < 2000 and not given.startswith(LOGIN) else PREFIX
