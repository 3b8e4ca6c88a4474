"""What the page's buttons do: pause and resume lines and sources, try failed work again."""

from __future__ import annotations

from flask import Response, abort, request

from bridge.delivery import operator
from bridge.store import deliveries, emissions
from bridge.store.emissions import Kind
from bridge.texts import Plural, Text
from bridge.web.console.context import audit, done, here
from bridge.web.console.pages.today.place import section

_AT_ONCE = 500
"""Records that one press of the button tries again."""


@section.action("lines/pause")
def pause_line() -> Response:
    """Emit nothing on a line from now on."""
    visit, number = here(), _line()
    before = _mode("line", number)
    reason = request.form.get("reason", "").strip()[:200]
    who = visit.who.name if visit.who is not None else ""
    visit.parts.callbacks.operator.pause_line(number, f"{who}: {reason}" if reason else who)
    audit("line.pause", number, before=before, after=_mode("line", number))
    return done(section.path, Text("Line {line} places no calls until somebody resumes it.", line=number))


@section.action("lines/resume")
def resume_line() -> Response:
    """Let a line emit again."""
    number = _line()
    before = _mode("line", number)
    here().parts.callbacks.operator.resume_line(number)
    audit("line.resume", number, before=before, after=_mode("line", number))
    return done(section.path, Text("Line {line} places calls again.", line=number))


@section.action("sources/resume")
def resume_source() -> Response:
    """Call the tasks of a source again."""
    name = request.form.get("source", "")
    if here().configuration.source(name) is None:
        abort(404)
    before = _mode("source", name)
    here().parts.callbacks.operator.resume_source(name)
    audit("source.resume", name, before=before, after=_mode("source", name))
    return done(section.path, Text("The tasks of {source} are called again.", source=name))


@section.action("jobs/retry")
def retry_jobs() -> Response:
    """Try again now what failed on its way to a connector."""
    parts, connector = here().parts, request.form.get("connector", "")
    database, queue = parts.database, parts.queue
    ids: list[int] = []
    with database.read() as connection:
        for criteria in operator.troubled(connector=connector):
            ids += [job.id for job in deliveries.find(connection, criteria, _AT_ONCE + 1 - len(ids))]
    tried = [id_ for id_ in ids[:_AT_ONCE] if operator.retry(database, queue, id_, parts.now()) is not None]
    audit("jobs.retry", connector, after={"jobs": len(tried)})
    text: Text = Plural("{count:,} record is tried again now.", "{count:,} records are tried again now.", len(tried))
    if len(ids) > _AT_ONCE:
        text = Text("{done} There are more: press again when these are through.", done=text)
    return done(section.path, text)


def _line() -> str:
    """The line that the form is about."""
    number = request.form.get("line", "")
    if here().configuration.line(number) is None:
        abort(404)
    return number


def _mode(kind: Kind, name: str) -> dict[str, str]:
    with here().parts.database.read() as connection:
        state = emissions.get(connection, kind, name)
    return {"mode": state.mode.value, "reason": state.reason}
