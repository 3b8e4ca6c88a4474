"""The list, and what may be looked for in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import request
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from bridge.store import calls as stored_calls
from bridge.store import callsearch
from bridge.store.calls import Call
from bridge.store.callsearch import CallSearch
from bridge.texts import Text
from bridge.web.console import paging, words
from bridge.web.console.context import Visit, here, render
from bridge.web.console.extensions import spellings
from bridge.web.console.pages.calls.place import section
from connectors.phone import parse

RESULTS: Mapping[str, tuple[Text, frozenset[str]]] = {
    "answered": (Text("answered"), frozenset({"answered"})),
    "missed": (Text("missed"), frozenset({"missed"})),
    "other": (Text("over"), frozenset({"other"})),
    "open": (Text("on the line"), frozenset({"open", "talking"})),
}
_LONGEST = 100


@dataclass(slots=True)
class _CallsWanted:
    """What the address asks for. `of`: the call whose other calls are asked for; `unused`: what could not be
    understood, and is left out."""

    criteria: CallSearch = field(default_factory=CallSearch)
    of: Call | None = None
    unused: list[Text] = field(default_factory=list)


@section.page("calls")
def index() -> Response:
    """List calls, newest first, or those that are looked for."""
    visit = here()
    with visit.parts.database.read() as connection:
        asked = _asked(visit, connection, request.args)
        result = callsearch.search(connection, asked.criteria, paging.SIZE + 1, paging.after_moment())
    looked_to = result.looked_to
    return render(
        "calls/index.html", asked=asked, words=words.CALLS, looked_to=looked_to[0] if looked_to else None,
        page=paging.page(result.calls, lambda row: _key(*row.place), looked_to=_key(*looked_to) if looked_to else ()),
        lines=[(line.number, line.number) for line in visit.configuration.lines],
        results=[(name, text) for name, (text, _) in RESULTS.items()], filtered=asked.criteria != CallSearch(),
    )  # fmt: skip


def _key(at: datetime, id_: int) -> tuple[str, int]:
    return at.isoformat(), id_


def _asked(visit: Visit, connection: Connection, given: Mapping[str, str]) -> _CallsWanted:
    texts = {name: given.get(name, "").strip()[:_LONGEST] for name in given}
    asked, country = _CallsWanted(), visit.configuration.lines[0].country
    e164 = ""
    if texts.get("number"):
        e164 = parse(texts["number"], country).e164
        if not e164:
            asked.unused.append(Text("That is no phone number of {country}; write it with + and its country code.",
                                     country=country))  # fmt: skip
    if texts.get("with"):
        asked.of = stored_calls.named(connection, texts["with"], _lines(visit))
        e164 = asked.of.e164 if asked.of is not None else ""
        if not e164:
            asked.unused.append(Text("The number of that call is not known."))
    name = texts.get("name", "")
    if visit.masked and (texts.get("number") or name):
        e164, name = (asked.of.e164 if asked.of is not None else ""), ""
        asked.unused = [Text("Who sees numbers and names masked can't look for them.")]
    since, until = (_moment(visit, asked, texts, word) for word in ("since", "until"))
    asked.criteria = CallSearch(
        e164, texts.get("line", ""), RESULTS.get(texts.get("result", ""), (None, frozenset()))[1],
        spellings(texts.get("extension", ""), country), name, since, until,
    )  # fmt: skip
    return asked


def _lines(visit: Visit) -> list[str]:
    return [line.number for line in visit.configuration.lines]


def _moment(visit: Visit, asked: _CallsWanted, texts: Mapping[str, str], name: str) -> datetime | None:
    """A moment of the line's clock; a day alone as an end means all of it."""
    text = texts.get(name, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if name == "until" and len(text) <= len("2026-03-31"):
            moment += timedelta(days=1)
        moment = moment.replace(tzinfo=visit.zone(texts.get("line", "")))
        moment.astimezone(visit.now.tzinfo)
    except (ValueError, OverflowError):
        asked.unused.append(Text("Write times as in 2026-03-31T14:30."))
        return None
    return moment
