"""One call whole."""

from __future__ import annotations

from flask import abort
from werkzeug.wrappers import Response

from bridge.calls.words import amount, status_line
from bridge.store import oppositions
from bridge.web.console import words
from bridge.web.console.context import here, render
from bridge.web.console.pages.calls.place import section
from bridge.web.console.pages.calls.timeline import moments, story


@section.page("calls/<path:id_>")
def show(id_: str) -> Response:
    """Show all about a call: by its number in the list, or by the platform's CallSequence."""
    visit = here()
    with visit.parts.database.read() as connection:
        call_story = story(connection, visit.configuration, id_)
        e164 = call_story.e164 if call_story is not None else ""
        reference = oppositions.opposed(connection, [e164]).get(e164, "") if e164 else ""
    if call_story is None:
        abort(404)
    happened = call_story.call.call if call_story.call is not None else None
    listed = [(event.at, status_line(event, visit.language)) for event in happened.events] if happened else []
    costs = {
        name: amount(cost, visit.language)
        for name, cost in (
            ("whole", happened.cost), ("received", happened.cost_rx), ("made", happened.cost_tx)
        )
        if cost is not None
    } if happened else {}  # fmt: skip
    return render(
        "calls/show.html", story=call_story, moments=moments(call_story, visit.zone(call_story.line)), listed=listed,
        costs=costs, words=words, opposition=reference,
    )  # fmt: skip
