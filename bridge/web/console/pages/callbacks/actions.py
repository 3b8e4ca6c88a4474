"""What the buttons do: call, cancel, decide whether a phone rang, pause a source."""

from __future__ import annotations

from flask import abort, request
from werkzeug.wrappers import Response

from bridge.store.callbacks import Callback
from bridge.texts import Text
from bridge.web.console.context import audit, done, here
from bridge.web.console.pages.callbacks.place import section

_NOTHING = Text("Nothing was done: it has moved on meanwhile. See how it stands now.")


@section.action("callbacks/call")
def call() -> Response:
    """Have a callback called that waits for a person."""
    id_ = _id()
    before = _state(id_)
    callback = here().parts.callbacks.operator.call(id_)
    return _told(id_, "callback.call", before, callback, Text("It is called as soon as nothing else keeps it back."))


@section.action("callbacks/cancel")
def cancel() -> Response:
    """Cancel a callback."""
    visit, id_ = here(), _id()
    before = _state(id_)
    reason = request.form.get("reason", "").strip()[:200]
    who = visit.who.name if visit.who is not None else ""
    good = visit.parts.callbacks.operator.cancel(id_, f"{who}: {reason}" if reason else who)
    return _told(id_, "callback.cancel", before, _get(id_) if good else None, Text("It is not called any more."))


@section.action("callbacks/confirm")
def confirm() -> Response:
    """Say whether a phone rang that may have rung."""
    id_, word = _id(), request.form.get("rang", "")
    if word not in ("yes", "no"):
        abort(400)
    before = _state(id_)
    callback = here().parts.callbacks.operator.confirm(id_, rang=word == "yes")
    text = Text("It counts as called.") if word == "yes" else Text("It is called when it has its turn.")
    return _told(id_, f"callback.rang_{word}", before, callback, text)


@section.action("sources/pause")
def pause_source() -> Response:
    """Call nothing of a source from now on."""
    visit, name = here(), request.form.get("source", "")
    if visit.configuration.source(name) is None:
        abort(404)
    reason = request.form.get("reason", "").strip()[:200]
    who = visit.who.name if visit.who is not None else ""
    visit.parts.callbacks.operator.pause_source(name, f"{who}: {reason}" if reason else who)
    audit("source.pause", name, after={"reason": reason})
    return done(section.path, Text("Nothing of {source} is called until somebody resumes it.", source=name))


def _told(id_: int, action: str, before: str, callback: Callback | None, text: Text) -> Response:
    """On to the callback; noted where something was done."""
    if callback is None:
        return done(f"{section.path}/{id_}", _NOTHING)
    audit(action, str(id_), before={"state": before}, after={"state": callback.state.value})
    return done(f"{section.path}/{id_}", text)


def _id() -> int:
    given = request.form.get("id", "")
    if not given.isdecimal() or len(given) > 18:
        abort(400)
    return int(given)


def _get(id_: int) -> Callback | None:
    shown = here().parts.callbacks.queries.show(id_)
    return shown.callback if shown is not None else None


def _state(id_: int) -> str:
    callback = _get(id_)
    if callback is None:
        abort(404)
    return callback.state.value
