"""*Missed*: who called, was not answered, and has not been spoken with since."""

from __future__ import annotations

from datetime import timedelta

from flask import request
from werkzeug.wrappers import Response

from bridge.config.builtin import MISSED_CALLS
from bridge.store import missed
from bridge.texts import Text
from bridge.web.console import words
from bridge.web.console.context import here, render
from bridge.web.console.sections import ConsoleSection

section = ConsoleSection("missed", Text("Missed"), path="missed", order=40)

_DAYS = {"1": Text("24 hours"), "3": Text("3 days"), "7": Text("7 days"), "30": Text("30 days")}
_USUAL = "3"
_MOST = 200


@section.page("missed")
def show() -> Response:
    """List the numbers, the last to call first, each with its callback where there is one."""
    visit = here()
    days = request.args.get("days", "")
    days = days if days in _DAYS else _USUAL
    with visit.parts.database.read() as connection:
        numbers = missed.unanswered(connection, visit.now - timedelta(days=int(days)), _MOST + 1)
    sources = [source for source in visit.configuration.callbacks if source.from_ == MISSED_CALLS]
    return render(
        "missed/show.html", numbers=numbers[:_MOST], more=len(numbers) > _MOST, most=_MOST, words=words,
        days=[(_USUAL, _DAYS[_USUAL]), *((name, text) for name, text in _DAYS.items() if name != _USUAL)],
        sourced=bool(sources),
    )  # fmt: skip
