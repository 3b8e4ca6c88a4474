"""Calls looked for by a person, newest first: by number, line, extension, result, name, time.

Whatever is asked, a search looks at no more than so many calls, and says how far back it came: the next one goes on
from there. So it takes as long among a million calls as among a thousand.
"""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, String, cast, or_, select

from bridge.store import calls as stored_calls
from bridge.store.calls import Call
from bridge.store.columns import among
from bridge.store.folded import FoldedCall
from bridge.store.queries import StoredQuery
from bridge.store.tables import IS_OPEN, call_over_at, call_verdict, calls, deliveries, queries

LOOKED_AT = 5000
"""Calls that one search looks at, at most."""
LOOKED_AT_NAMES = 2500
"""The same for a name, which does not stand in the call itself."""
_AT_ONCE = 500
_OPEN = frozenset({"open", "talking"})
Place = tuple[datetime, int]
"""Where a list goes on: when the last call began, and its id."""


@dataclass(frozen=True, slots=True)
class CallSearch:
    """What is looked for; empty and None mean any. `verdicts`: words of `store.columns.CallVerdict`. `extension`:
    spellings of one; calls that were put through to it, answered or not. `name`: a part of the name of whom the other
    party was found to be, small or capital, with accents or without. `since` and `until` are about the start, `until`
    excluded."""

    e164: str = ""
    line: str = ""
    verdicts: frozenset[str] = frozenset()
    extension: frozenset[str] = frozenset()
    name: str = ""
    since: datetime | None = None
    until: datetime | None = None


class FoundPerson(NamedTuple):
    """Whom the other party of a call was found to be: `name`, the record's `kind` and `id` in `connector`, and where
    people open it (None: not known)."""

    connector: str
    kind: str
    id: str
    name: str
    link: str | None


class FoundCall(NamedTuple):
    """A call with what became of it (`CallVerdict`), and whom it was with; None: nobody was found."""

    call: Call
    verdict: str
    person: FoundPerson | None

    @property
    def place(self) -> Place:
        """Where a list goes on after it."""
        if self.call.started_at is None or self.call.id is None:
            raise ValueError("only calls that are stored and have a start are found")
        return self.call.started_at, self.call.id


class SearchResult(NamedTuple):
    """What was found, newest first. `looked_to`: where the search ended before it had looked at all; None: it did not
    have to."""

    calls: Sequence[FoundCall]
    looked_to: Place | None


def search(connection: Connection, criteria: CallSearch, limit: int, before: Place | None = None) -> SearchResult:
    """Return at most `limit` calls. `before`: where the list goes on (`FoundCall.place`, `SearchResult.looked_to`)."""
    matches: list[FoundCall] = []
    most = LOOKED_AT_NAMES if criteria.name else LOOKED_AT
    looked_at, size = 0, limit
    while looked_at < most:
        places = [(at, id_) for id_, at in connection.execute(_next(criteria, before, size))]
        for match in _matching(connection, criteria, [id_ for _, id_ in places], limit):
            matches.append(match)
            if len(matches) == limit:
                return SearchResult(matches, None)
        if len(places) < size:
            return SearchResult(matches, None)
        before, looked_at, size = places[-1], looked_at + size, _AT_ONCE
    return SearchResult(matches, before)


def verdict_of(connection: Connection, id_: int) -> str:
    """Return what became of a call that is stored."""
    return str(connection.execute(select(call_verdict).select_from(calls).where(calls.c.id == id_)).scalar_one())


def people(connection: Connection, by_key: Mapping[tuple[str, str], int]) -> dict[int, FoundPerson]:
    """Return whom the other party of each call was found to be, the last that was said, by the call's id. `by_key`:
    those ids, by (line, call_sequence)."""
    named: dict[int, FoundPerson] = {}
    columns = (queries.c.connector, queries.c.record_kind, queries.c.record_id, queries.c.record_name)
    asked = (
        select(queries.c.line, queries.c.call_sequence, *columns, queries.c.record_link)
        .where(
            among(connection, queries.c.call_sequence, [sequence for _, sequence in by_key]), queries.c.connector != ""
        )
        .order_by(queries.c.id)
    )
    for line, call_sequence, *person in connection.execute(asked):
        id_ = by_key.get((line, call_sequence))
        if id_ is not None and (person[3] or id_ not in named):
            named[id_] = FoundPerson(*person)
    written = (
        select(deliveries.c.call_id, deliveries.c.about)
        .where(among(connection, deliveries.c.call_id, by_key.values()), deliveries.c.about.is_not(None))
        .order_by(deliveries.c.id)
    )
    for id_, about in connection.execute(written):
        if about.get("name") or id_ not in named:
            named[id_] = person_of(about)
    return named


def person_of(about: Mapping[str, Any]) -> FoundPerson:
    """Return whom a delivery says that its call is about (`Delivery.about`)."""
    connector, kind, id_, name = (str(about.get(name) or "") for name in ("connector", "kind", "id", "name"))
    return FoundPerson(connector, kind, id_, name, about.get("link") or None)


def person_in(query: StoredQuery) -> FoundPerson:
    """Return whom the caller of a Query was found to be."""
    return FoundPerson(query.connector, query.record_kind, query.record_id, query.record_name, query.record_link)


def _next(criteria: CallSearch, before: Place | None, size: int) -> Select[Any]:
    """The next calls to look at, by an index alone: that of the numbers, that of what is open, or that of the time."""
    is_open = bool(criteria.verdicts) and criteria.verdicts <= _OPEN
    # of what is open, both are its start; written so, it is looked for among what is open alone
    began = call_over_at if is_open else calls.c.started_at
    query = select(calls.c.id, calls.c.started_at).where(began.is_not(None))
    if criteria.e164:
        query = query.where(calls.c.e164 == criteria.e164)
    if is_open:
        query = query.where(IS_OPEN)
    if criteria.since:
        query = query.where(began >= criteria.since)
    if criteria.until:
        query = query.where(began < criteria.until)
    if before:
        at, id_ = before
        query = query.where(began <= at, or_(began < at, calls.c.id < id_))
    return query.order_by(began.desc(), calls.c.id.desc()).limit(size)


def _matching(connection: Connection, criteria: CallSearch, ids: Sequence[int], first: int) -> Iterator[FoundCall]:
    """Those of these calls that are looked for, newest first; read as they are asked for, `first` of them at once."""
    starts = [0, *range(first, len(ids), _AT_ONCE)]
    for start, end in itertools.pairwise([*starts, len(ids)]):
        yield from _matching_at_once(connection, criteria, ids[start:end])


def _matching_at_once(connection: Connection, criteria: CallSearch, ids: Sequence[int]) -> Iterator[FoundCall]:
    named: dict[int, FoundPerson] = {}
    if criteria.name:
        named, part = _people_of(connection, ids), _plain(criteria.name)
        ids = [id_ for id_, person in named.items() if part in _plain(person.name)]
    if not ids:
        return
    query = select(calls, call_verdict.label("verdict")).where(among(connection, calls.c.id, ids))
    if criteria.line:
        query = query.where(calls.c.line == criteria.line)
    if criteria.verdicts:
        query = query.where(call_verdict.in_(criteria.verdicts))
    if criteria.extension:
        query = query.where(or_(*(_mentions(spelling) for spelling in criteria.extension)))
    rows = connection.execute(query.order_by(calls.c.started_at.desc(), calls.c.id.desc())).all()
    whole = zip(stored_calls.of_rows(connection, rows), rows, strict=True)
    matches = [(call, str(row.verdict)) for call, row in whole]
    if criteria.extension:
        matches = [match for match in matches if rang_at(match[0].call) & criteria.extension]
    if not criteria.name:
        named = _people_of(connection, [call.id for call, _ in matches if call.id is not None])
    for call, verdict in matches:
        yield FoundCall(call, verdict, named.get(call.id or 0))


def _people_of(connection: Connection, ids: Sequence[int]) -> dict[int, FoundPerson]:
    if not ids:
        return {}
    query = select(calls.c.line, calls.c.call_sequence, calls.c.id).where(among(connection, calls.c.id, ids))
    return people(connection, {(line, call_sequence): id_ for line, call_sequence, id_ in connection.execute(query)})


def rang_at(call: FoldedCall) -> frozenset[str]:
    """Return the extensions and numbers that a call was put through to, and who answered."""
    return frozenset({call.answered_by, *(diversion.to for diversion in call.diversions)}) - {""}


def _mentions(text: str) -> ColumnElement[bool]:
    """Whether the text is a value somewhere in the call: a first look, without reading it."""
    document, value = cast(calls.c.call, String), json.dumps(text)
    return document.like("%" + value.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%", escape="\\")


def _plain(text: str) -> str:
    """The text without accents, in small letters, with one space between words."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(bare.casefold().split())
