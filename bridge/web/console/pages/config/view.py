"""The pages that are read: the file with its editor, one version, the schema."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from flask import abort
from werkzeug.wrappers import Response

from bridge.config import differences, editing
from bridge.config.schema import json_schema
from bridge.config.versions import Versions
from bridge.texts import Language, Text
from bridge.web.console import changes
from bridge.web.console.context import here, render, style_nonce
from bridge.web.console.pages.config.place import section
from bridge.web.console.pages.config.state import state_of

_PHRASES = {
    "Find": Text("Find"), "Replace": Text("Replace"), "next": Text("next"), "previous": Text("previous"),
    "all": Text("all"), "match case": Text("match case"), "regexp": Text("regular expression"),
    "by word": Text("whole words"), "replace": Text("replace"), "replace all": Text("replace all"),
    "close": Text("close"), "Fold line": Text("Fold line"), "Unfold line": Text("Unfold line"),
    "Diagnostics": Text("Faults"), "No diagnostics": Text("No faults"), "Completions": Text("Completions"),
    "Go to line": Text("Go to line"), "go": Text("go"), "default": Text("default"), "for example": Text("for example"),
}  # fmt: skip
"""What the editor says by itself."""


@section.page("config")
def show() -> Response:
    """What is in force, and the file to be changed."""
    return page()


def page(status: int = 200, **review: Any) -> Response:
    """Return the page; `review`: what became of a text that was sent (see `actions`)."""
    visit = here()
    state = state_of(visit)
    candidate = review.get("candidate")
    return render(
        "config/show.html", status, state=state, path=visit.parts.loaded.path.absolute(),
        obstacle=changes.obstacle(visit), versions=Versions(visit.parts.state).all(), nonce=style_nonce(),
        text=candidate.text if candidate is not None else state.file.text,
        phrases=json.dumps({phrase: visit.say(text) for phrase, text in _PHRASES.items()}), **review,
    )  # fmt: skip


@section.page("config/versions/<name>")
def version(name: str) -> Response:
    """What an earlier version said, beside what is in the file now."""
    return version_page(name)


def version_page(name: str, status: int = 200, **review: Any) -> Response:
    """Return the page of a version; `review` as for `page`."""
    visit = here()
    kept = Versions(visit.parts.state).named(name)
    if kept is None:
        abort(404)
    path = visit.parts.loaded.path
    now, text = editing.read_text(path), editing.text_of(path, kept[1]).text
    return render(
        "config/version.html", status, version=kept[0], text=text, now=now, obstacle=changes.obstacle(visit),
        difference=differences.difference(now.text, text), **review,
    )  # fmt: skip


@section.download("config/schema.json")
def schema() -> Response:
    """What may stand in the file, for the editor."""
    response = Response(_schema(here().language), content_type="application/json")
    response.headers["Cache-Control"] = "private, max-age=600"
    return response


@cache
def _schema(language: Language) -> bytes:
    return json.dumps(json_schema(language), ensure_ascii=False, separators=(",", ":")).encode()
