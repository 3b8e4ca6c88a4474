"""Asking, and keeping the answer as a test."""

from __future__ import annotations

import json

from flask import abort, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from bridge.config import editing
from bridge.config.casetext import with_case
from bridge.config.model import Case
from bridge.config.nodes import Unreadable
from bridge.texts import Text, said
from bridge.web.console import changes
from bridge.web.console.changes import ConfigurationDraft
from bridge.web.console.context import done, here
from bridge.web.console.pages.trying.asked import NotAsked, TryForm, trial
from bridge.web.console.pages.trying.place import section
from bridge.web.console.pages.trying.view import page
from bridge.web.console.sections import Role


@section.action("try", role=Role.VIEWER)
def ask() -> Response:
    """Ask; nothing is saved, whatever the Query says."""
    form = TryForm.of(request.form)
    try:
        return page(form, trial=trial(here(), form))
    except NotAsked as error:
        return page(form, 422, refusal=error.text)


@section.action("try/keep", role=Role.ADMIN)
def keep() -> Response:
    """Put an answer into the configuration's `tests:`."""
    form, visit = TryForm.of(request.form), here()
    case = _case()
    why = changes.obstacle(visit)
    current = editing.read_text(visit.parts.loaded.path)
    if why is None and current.fault is not None:
        why = said(current.fault)
    if why is not None:
        return page(form, 409, refusal=why)
    try:
        candidate = ConfigurationDraft(visit, with_case(current.text, case))
    except Unreadable as error:
        return page(form, 422, refusal=said(error))
    if not candidate.good:
        fault = next(iter(candidate.read.faults), None)
        return page(form, 422, refusal=Text("The configuration would have a fault then: {fault}", fault=said(fault)))
    try:
        candidate.keep("config.case", expected=current.digest, subject=str(case["ask"]))
    except editing.NotSaved as error:
        return page(form, 409, refusal=error.text)
    return done(section.path, Text("Kept under tests: in the configuration. `infocaller-bridge test` asks it, and each "
                                   "change in the console does."))  # fmt: skip


def _case() -> dict[str, object]:
    """The case that the form holds."""
    try:
        case = json.loads(request.form.get("case", ""))
        Case.model_validate(case)
    except (ValueError, ValidationError, RecursionError):
        abort(400)
    return dict(case)
