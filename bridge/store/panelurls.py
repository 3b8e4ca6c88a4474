"""The panel's URLs: when each was called last, what came of it, and its last error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, or_, select

from bridge.store.database import Database
from bridge.store.tables import panel_urls

Kind = Literal["query", "event", "other"]
"""What a URL is for; `other`: what was called is none that there is."""


class PanelUrl(NamedTuple):
    """A URL as one line's panel has it. `name`: the Query's or the event's; `line` and `name` empty: not known, or none
    of the configuration."""

    line: str
    kind: Kind
    name: str


class Happened(NamedTuple):
    """When a URL was called, and what came of it: an outcome, or the error."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class LastCalled:
    """When a URL was last called with success, and when without; None: never."""

    url: PanelUrl
    called_at: datetime | None
    outcome: str
    error_at: datetime | None
    error: str


def note(
    database: Database, connection: Connection, called: Mapping[PanelUrl, Happened], errors: Mapping[PanelUrl, Happened]
) -> None:
    """Keep what is newer than what is there."""
    for happened, when, what in ((called, "called_at", "outcome"), (errors, "error_at", "error")):
        # in one order everywhere: two processes that note the same must not wait for one another
        rows: list[dict[str, Any]] = [
            {**url._asdict(), when: each.at, what: each.what} for url, each in sorted(happened.items())
        ]
        if rows:
            new = database.insert(panel_urls)
            column = panel_urls.c[when]
            statement = new.on_conflict_do_update(
                index_elements=list(panel_urls.primary_key),
                set_={when: new.excluded[when], what: new.excluded[what]},
                where=or_(column.is_(None), column <= new.excluded[when]),
            )
            connection.execute(statement, rows)


def last_called(connection: Connection) -> list[LastCalled]:
    """Return all that were ever called, by line, kind and name."""
    query = select(panel_urls).order_by(*panel_urls.primary_key)
    return [
        LastCalled(PanelUrl(row.line, row.kind, row.name), row.called_at, row.outcome, row.error_at, row.error)
        for row in connection.execute(query)
    ]
