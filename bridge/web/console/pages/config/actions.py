"""What the page's buttons do: check a text, save it, bring a version back."""

from __future__ import annotations

import json

from flask import abort, request
from werkzeug.wrappers import Response

from bridge.config import editing
from bridge.config.versions import Versions
from bridge.errors import Fault
from bridge.texts import Text
from bridge.web.console.changes import MOST_EDITED, ConfigurationDraft, obstacle
from bridge.web.console.context import done, here
from bridge.web.console.pages.config.place import section
from bridge.web.console.pages.config.view import page, version_page
from bridge.web.console.sections import Role

_FORM = 2 * MOST_EDITED


@section.action("config/check", role=Role.ADMIN, max_body=_FORM)
def check() -> Response:
    """Say what is wrong with a text, and what its tests come to; nothing is written. As JSON, for the editor, the
    faults alone."""
    candidate = _candidate()
    if request.accept_mimetypes.best == "application/json":
        return _as_json(candidate)
    return page(candidate=candidate, tests=candidate.try_tests(), expected=candidate.current.digest)


@section.action("config/save", role=Role.ADMIN, max_body=_FORM)
def save() -> Response:
    """Keep a text as the configuration: not with faults that refuse it, and only when told so twice with tests that
    fail."""
    candidate = _candidate()
    expected = request.form.get("expected", "")
    why = obstacle(here())
    if why is not None:
        return page(409, candidate=candidate, refusal=why, expected=expected)
    if expected != candidate.current.digest:
        changed = Text("Somebody else changed the file meanwhile. Below stands what differs from theirs; save again to "
                       "put your text in its place.")  # fmt: skip
        return page(409, candidate=candidate, refusal=changed, expected=candidate.current.digest)
    if not candidate.good:
        return page(422, candidate=candidate, expected=expected)
    if request.form.get("sure") != candidate.digest:
        tests = candidate.try_tests()
        if not tests.good:
            return page(422, candidate=candidate, tests=tests, sure=candidate.digest, expected=expected)
    try:
        candidate.keep("config.save", expected=expected)
    except editing.NotSaved as error:
        return page(409, candidate=candidate, refusal=error.text, expected=expected)
    return _saved(candidate)


@section.action("config/versions/<name>/restore", role=Role.ADMIN)
def restore(name: str) -> Response:
    """Bring a version back, on the same terms."""
    kept = Versions(here().parts.state).named(name)
    if kept is None:
        abort(404)
    version, data = kept
    candidate = ConfigurationDraft(here(), editing.text_of(here().parts.loaded.path, data).text)
    why = obstacle(here())
    if why is not None:
        return version_page(name, 409, refusal=why)
    if not candidate.good:
        return version_page(name, 422, candidate=candidate)
    if request.form.get("sure") != candidate.digest:
        tests = candidate.try_tests()
        if not tests.good:
            return version_page(name, 422, candidate=candidate, tests=tests, sure=candidate.digest)
    try:
        candidate.keep("config.restore", expected=request.form.get("expected", ""), subject=version.id)
    except editing.NotSaved as error:
        return version_page(name, 409, refusal=error.text)
    return _saved(candidate)


def _candidate() -> ConfigurationDraft:
    text = request.form.get("text")
    if text is None:
        abort(400)
    return ConfigurationDraft(here(), text)


def _saved(candidate: ConfigurationDraft) -> Response:
    text = Text("Saved. The bridge takes it up within seconds.")
    if candidate.restart:
        keys = ", ".join(candidate.restart)
        text = Text("Saved. The bridge takes it up within seconds; {keys} counts from its next start on.", keys=keys)
    return done(section.path, text)


def _as_json(candidate: ConfigurationDraft) -> Response:
    places = [_place(fault, "error") for fault in candidate.read.faults]
    places += [_place(fault, "warning") for fault in candidate.warnings]
    return Response(json.dumps({"faults": places}), content_type="application/json")


def _place(fault: Fault, severity: str) -> dict[str, object]:
    return {
        "line": fault.line, "column": fault.column, "path": fault.path, "text": here().say(fault.text),
        "severity": severity,
    }  # fmt: skip
