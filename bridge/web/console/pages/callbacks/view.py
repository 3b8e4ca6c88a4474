"""The list, and all about one callback."""

from __future__ import annotations

from flask import abort, request
from werkzeug.wrappers import Response

from bridge.callbacks.gates import Gate
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState
from bridge.texts import Text
from bridge.web.console import paging, words
from bridge.web.console.context import Visit, here, render
from bridge.web.console.pages.callbacks.place import section
from connectors.phone import parse

_WAITING = (CallbackState.WAITING, CallbackState.QUEUED)
_UNSETTLED = "unsettled"


@section.page("callbacks")
def index() -> Response:
    """List them, newest first; what waits for a person is said above."""
    visit = here()
    queries = visit.parts.callbacks.queries
    criteria = _criteria(visit)
    rows = queries.find(criteria, paging.SIZE + 1, paging.after_id())
    unsettled = queries.find(CallbackFilter(unsettled=True), paging.SIZE + 1)
    states = [("", Text("All")), (_UNSETTLED, Text("may have rung, to be decided"))]
    sources = queries.sources()
    return render(
        "callbacks/index.html", page=paging.page(rows, lambda callback: (callback.id,)), words=words,
        unsettled=len(unsettled), more_unsettled=len(unsettled) > paging.SIZE, sources=sources,
        state_options=states + [(state.value, words.CALLBACKS[state].text) for state in CallbackState],
        source_options=[("", Text("All")), *((source.name, source.name) for source in sources)],
        campaigns=any(source.from_ is None for source in visit.configuration.callbacks),
    )  # fmt: skip


@section.page("callbacks/<int:id_>")
def show(id_: int) -> Response:
    """Show how one stands and why, what the platform said, and what its CRM was told."""
    visit = here()
    shown = visit.parts.callbacks.queries.show(id_)
    if shown is None:
        abort(404)
    callback = shown.callback
    return render(
        "callbacks/show.html", callback=callback, shown=shown, words=words,
        to_decide=callback.state is CallbackState.MAY_HAVE_RUNG and callback.settled_at is None,
        may_call=callback.state is CallbackState.WAITING and callback.by_hand_at is None,
        may_cancel=callback.state in _WAITING, advice=_advice(callback),
        fields=sorted((str(name), value) for name, value in callback.task.items()),
    )  # fmt: skip


def _criteria(visit: Visit) -> CallbackFilter:
    """What the filter says; what it can't say, or who asks may not look for, is left out."""
    given = request.args
    state, number = given.get("state", ""), "" if visit.masked else given.get("number", "").strip()[:64]
    phone = parse(number, visit.configuration.lines[0].country).e164 if number else ""
    return CallbackFilter(
        states=frozenset({CallbackState(state)}) if state in set(CallbackState) else frozenset(),
        source=given.get("source", "")[:128], e164=phone or number, unsettled=state == _UNSETTLED,
        campaign=given.get("campaign", "")[:64],
    )  # fmt: skip


def _advice(callback: Callback) -> Text | None:
    """What a person can do about it; None where there is nothing to do."""
    if callback.state is CallbackState.MAY_HAVE_RUNG and callback.settled_at is None:
        return Text(
            "Nobody can tell whether this phone rang, so the bridge never calls it again by itself. Look the number up "
            "in the activity page of the platform's panel, then say here what you saw."
        )
    if callback.gate == Gate.BY_HAND:
        return Text("It waits for you: have it called, or cancel it.")
    if callback.state is CallbackState.NO_OUTCOME:
        return Text("Nothing was heard of the call: see the activity page of the platform's panel.")
    return None
