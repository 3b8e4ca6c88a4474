"""How a section of the console declares its pages, actions and downloads, and who may use each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from flask import Blueprint
from werkzeug.wrappers import Response

from bridge.texts import Text

PREFIX = "/console/"
FORM_SIZE = 64 * 1024
"""Bytes of a form, where its action says nothing else."""

View = TypeVar("View", bound=Callable[..., str | Response])


class Role(IntEnum):
    """What somebody may do; each may what those before may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


ROLES = {Role.VIEWER: Text("viewer"), Role.OPERATOR: Text("operator"), Role.ADMIN: Text("admin")}
"""What people read."""


@dataclass(frozen=True, slots=True)
class RouteAccess:
    """Who may use a route, what it is (`page`, `action`, `download`), and how large a form may be."""

    role: Role
    kind: str
    max_body: int = FORM_SIZE


class ConsoleSection:
    """A part of the console, and its place in the navigation. `name`: of its endpoints (`calls.show`) and its folder of
    templates. `path`: its first page, below `/console/`. `order`: its place. `role`: whom its pages are for, where they
    say nothing else; it is shown to nobody else. `title` None: it has no place in the navigation."""

    def __init__(
        self, name: str, title: Text | None, *, path: str = "", order: int = 0, role: Role = Role.VIEWER
    ) -> None:
        self.name, self.title, self.path, self.order, self.role = name, title, PREFIX + path, order, role
        self.blueprint = Blueprint(name, __name__)
        self.access: dict[str, RouteAccess] = {}

    def page(self, rule: str, *, role: Role | None = None) -> Callable[[View], View]:
        """Declare a page that is read: it changes nothing, and works with GET. `rule`: as Flask's, below
        `/console/`."""
        return self._route(rule, "GET", RouteAccess(role or self.role, "page"))

    def download(self, rule: str, *, role: Role | None = None) -> Callable[[View], View]:
        """Declare a file that is made to be kept."""
        return self._route(rule, "GET", RouteAccess(role or self.role, "download"))

    def action(self, rule: str, *, role: Role = Role.OPERATOR, max_body: int = FORM_SIZE) -> Callable[[View], View]:
        """Declare what a form does: a POST with a token, which answers with a redirect (`context.done`). `max_body`:
        bytes of its form, with the files in it."""
        return self._route(rule, "POST", RouteAccess(role, "action", max_body))

    def _route(self, rule: str, method: str, access: RouteAccess) -> Callable[[View], View]:
        def declare(view: View) -> View:
            name = view.__name__.strip("_")
            self.access[f"{self.name}.{name}"] = access
            self.blueprint.add_url_rule(PREFIX + rule, name, view, methods=[method])
            return view

        return declare
