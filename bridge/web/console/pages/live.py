"""*Live*: who is on the line now, found as whom, what was answered; or one extension's calls, whose record opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import request
from werkzeug.wrappers import Response

from bridge.store import callsearch, live, queries
from bridge.store.callsearch import FoundPerson
from bridge.store.live import LiveCall
from bridge.store.queries import StoredQuery
from bridge.texts import Text
from bridge.web.console import words
from bridge.web.console.context import here, render
from bridge.web.console.extensions import LONGEST, spellings
from bridge.web.console.sections import ConsoleSection
from bridge.web.console.words import Word

section = ConsoleSection("live", Text("Live"), path="live", order=20)

_AT_MOST = 100
_GOES_ON = timedelta(hours=6)
"""As long as a call may last whose FIN is not heard of."""
_ASKS = timedelta(minutes=30)
"""As long after its last Query, where no event is heard of at all."""
_DESTINATION = "DESTINO"
_RINGS = Word(Text("ringing"), "warn")


@dataclass(frozen=True, slots=True)
class _OnLine:
    """A call on the line. `key`: the same from its first sign to its end; `call_id`: as its page takes it;
    `extension`: where it rings, or who answered; `queries`: what it asked, the last one last."""

    key: str
    call_id: str
    line: str
    began: datetime
    state: Word
    e164: str
    hidden: bool
    extension: str
    person: FoundPerson | None
    queries: Sequence[StoredQuery]

    @property
    def link(self) -> str:
        """Where its record opens; empty where that is not known, or is no page."""
        link = (self.person.link if self.person is not None else None) or ""
        return link if link.startswith(("https://", "http://")) else ""


@section.page("live")
def show() -> Response:
    """Show all calls, or those of an extension."""
    visit = here()
    extension = request.args.get("extension", "").strip()[:LONGEST]
    ours = spellings(extension, visit.configuration.lines[0].country)
    with visit.parts.database.read() as connection:
        on_line = live.on_line(connection, visit.now - _GOES_ON, _AT_MOST)
        keys = {(call.line, call.call_sequence) for call in on_line}
        asked = queries.of_calls(connection, keys) if keys else {}
    with_queries = [(call, asked.get((call.line, call.call_sequence), [])) for call in on_line]
    rows = [_row(call, its_queries) for call, its_queries in with_queries if _goes_on(call, its_queries, visit.now)]
    rows = [row for row in rows if not ours or row.extension in ours]
    return render(
        "live/show.html", rows=rows, extension=extension, words=words, most=_AT_MOST,
        opens=bool(ours) and request.args.get("open") == "1" and not visit.masked,
        extensions=sorted({name for line in visit.configuration.lines for name in line.extensions}),
    )  # fmt: skip


def _row(call: LiveCall, asked: Sequence[StoredQuery]) -> _OnLine:
    extension, answered = _put_through(call, asked)
    state = words.CALLS["talking"] if answered else _RINGS if extension else words.CALLS["open"]
    folded = call.call.call if call.call is not None else None
    people = [callsearch.person_in(query) for query in asked if query.connector]
    person = next((each for each in reversed(people) if each.name), people[-1] if people else None)
    e164 = (call.call.e164 if call.call is not None else "") or next((each.caller for each in asked if each.caller), "")
    id_ = str(call.call.id) if call.call is not None else call.call_sequence
    hidden = folded.hidden if folded is not None else bool(asked) and not e164
    return _OnLine(
        f"{call.line}:{call.call_sequence}", id_, call.line, call.began, state, e164, hidden, extension, person, asked
    )


def _put_through(call: LiveCall, asked: Sequence[StoredQuery]) -> tuple[str, bool]:
    """Where the call was put through to, empty: nowhere yet; and whether somebody answered there."""
    diversions = call.call.call.diversions if call.call is not None else ()
    talks = next((diversion.to for diversion in reversed(diversions) if diversion.answered), "")
    if talks:
        return talks, True
    answers = (
        next((query.answer[name] for name in query.answer if name.upper() == _DESTINATION), "") for query in asked
    )
    rings = ([destination for destination in answers if destination] or [""])[-1]
    failed = {diversion.to for diversion in diversions}
    return ("" if rings in failed else rings), False


def _goes_on(call: LiveCall, asked: Sequence[StoredQuery], now: datetime) -> bool:
    """Whether a call may still be on the line; of one of which no event is taken up, its Queries are the only sign."""
    return call.call is not None or not asked or now - asked[-1].at < _ASKS
