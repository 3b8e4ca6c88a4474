"""The page itself."""

from __future__ import annotations

from dataclasses import replace

from flask import Response

from bridge.errors import StoreUnavailable
from bridge.store.callbacks import CallbackState
from bridge.texts import from_json
from bridge.troubles import SEVERITIES, Trouble
from bridge.web.console import words
from bridge.web.console.context import Visit, here, render
from bridge.web.console.pages.today.figures import Figures, chart, figures_of
from bridge.web.console.pages.today.place import section
from bridge.web.console.pages.today.remedies import remedies

_BY_OTHERS = frozenset({"crm", "jobs_dead", "line", "pop", "restored", "source"})
_QUOTED = frozenset({"error", "reason", "why"})


@section.page("")
def show() -> Response:
    """What needs a person, worst first; below it the day."""
    visit = here()
    troubles = [_shown(trouble, visit) for trouble in visit.parts.all_troubles()]
    figures, unknown = Figures(), ""
    try:
        figures = figures_of(visit)
    except StoreUnavailable as error:
        unknown = str(error)
    states = [
        (words.CALLBACKS[state], figures.callbacks[state.value])
        for state in CallbackState
        if figures.callbacks.get(state.value)
    ]
    return render(
        "today/show.html", troubles=[(trouble, remedies(trouble)) for trouble in troubles], severities=SEVERITIES,
        figures=figures, states=states, chart=chart(visit, figures.hours), unknown=unknown, words=words,
        nothing_yet=not unknown and not any(hour.received or hour.emitted for hour in figures.hours),
    )  # fmt: skip


def _shown(trouble: Trouble, visit: Visit) -> Trouble:
    """A trouble as who asks may read it: without what CRMs, the platform and colleagues said, which may hold names."""
    if not visit.masked or trouble.kind not in _BY_OTHERS:
        return trouble
    as_json = trouble.text.to_json()
    values = {
        name: f"{': ' if str(value).startswith(': ') else ''}{visit.private(value)}" if name in _QUOTED else value
        for name, value in as_json["values"].items()
    }
    return replace(trouble, text=from_json({**as_json, "values": values}))
