"""The page itself."""

from __future__ import annotations

from flask import Response

from bridge.errors import StoreUnavailable
from bridge.store.callbacks import CallbackState
from bridge.troubles import SEVERITIES
from bridge.web.console import words
from bridge.web.console.context import here, render
from bridge.web.console.pages.today.figures import Figures, chart, figures_of
from bridge.web.console.pages.today.place import section
from bridge.web.console.pages.today.remedies import remedies


@section.page("")
def show() -> Response:
    """What needs a person, worst first; below it the day."""
    visit = here()
    troubles = visit.parts.all_troubles()
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
