"""A switchboard: calls as the platform tells of them, folded on a real database, once SQLite, once PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.calls.folding import Folding
from bridge.config.model import Configuration
from bridge.reports.cells import CallReport
from bridge.reports.keeping import count_some
from bridge.reports.making import make
from bridge.reports.period import Period
from bridge.store import events
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.fakes.exchange import LINE, arrival, document, entry, final

MADRID = ZoneInfo("Europe/Madrid")
DAY = date(2026, 10, 14)
ROWS = [{"number": LINE, "password": "3956"}, {"number": "922000111", "password": "1", "timezone": "Atlantic/Canary"}]


def at(hour: int, minute: int = 0, day: date = DAY, zone: ZoneInfo = MADRID) -> datetime:
    """A moment on a clock."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)


class Switchboard:
    """Calls come and go; `now` is when it is."""

    def __init__(self, database: Database) -> None:
        self.database, self.now, self.calls = database, at(23), 0
        self.configuration = Configuration.model_validate({"lines": ROWS[:1]})
        self.folding = Folding(database, lambda: self.configuration, lambda *_: None, lambda: self.now)

    def configure(self, **keys: Any) -> None:
        """Have another configuration."""
        self.configuration = Configuration.model_validate({"lines": ROWS[:1], **keys})

    def tell(self, event: str, said: Any, moment: datetime, diverted: str = "") -> None:
        """An event comes, and is in its call."""
        with self.database.write() as connection:
            events.add(self.database, connection, [arrival(event, said, moment, diverted=diverted)])
        self.folding.advance(said.line_number, said.call_sequence)

    def call(
        self, start: datetime, *, wait: float | None = None, by: str = "101", rang: str = "", seconds: int = 60,
        line: str = LINE, begins: bool = True, ends: bool = True, **more: Any,
    ) -> str:  # fmt: skip
        """A received call from its INICIO to its FIN: answered `by` somebody after `wait` seconds, or not; before that
        (`rang`) somebody else did not answer. Returns its CallSequence."""
        self.calls += 1
        usual: dict[str, Any] = {
            "call_sequence": f"c{self.calls}", "line_number": line, "inbound_number": line, **more,
        }  # fmt: skip
        if begins:
            self.tell("inicio", document(**usual), start)
        status = [entry(2, rang, "", "", "0")] if rang else []
        if rang:
            self.tell("desvio_fallido", document(**usual), start + timedelta(seconds=5), rang)
        if wait is not None:
            self.tell("desvio_correcto", document(**usual), start + timedelta(seconds=wait), by)
            status.append(entry(2, by, "", "", str(seconds - 10)))
        if ends:
            self.end(usual, start, seconds, tuple(status))
        return str(usual["call_sequence"])

    def end(self, usual: dict[str, Any], start: datetime, seconds: int, status: Any = (), **more: Any) -> None:
        """Its FIN comes."""
        local = start.astimezone(MADRID).replace(tzinfo=None)
        over = start + timedelta(seconds=seconds)
        said = {"seconds": seconds, "start": local, "end": local + timedelta(seconds=seconds), "status": status}
        self.tell("fin", final(**{**said, **usual, **more}), over)

    def emit(self, start: datetime, seconds: int) -> None:
        """A call that we made."""
        self.calls += 1
        usual = {
            "call_sequence": f"c{self.calls}",
            "call_type": "E",
            "caller_number": LINE,
            "outbound_number": "600222333",
        }
        self.end(usual, start, seconds, cost_rx=None, cost_tx=Decimal("0.5"))

    def count(self) -> int:
        """Add up all that is over; how many calls that were."""
        total = 0
        while some := count_some(self.database, self.configuration, 3):
            total += some
        return total

    def report(self, first: date = DAY, last: date | None = None, line: str = "") -> CallReport:
        """The report of these days."""
        return make(self.database, self.configuration, Period(first, last or first), self.now, line)


@pytest.fixture
def switchboard(database_url: str) -> Iterator[Switchboard]:
    database = connect(database_url)
    yield Switchboard(database)
    database.close()


def rows(report: CallReport, name: str) -> list[list[Any]]:
    """A table's rows, as a script sees them: texts in English."""
    return [[str(value) if not isinstance(value, int | float | Decimal | None) else value for value in row]
            for row in report.table(name).rows]  # fmt: skip


def column(report: CallReport, name: str, title: str) -> dict[str, Any]:
    """One column of a table, by what stands in the first."""
    table = report.table(name)
    place = [each.name for each in table.columns].index(title)
    return {str(row[0]): row[place] for row in rows(report, name)}
