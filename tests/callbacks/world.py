"""A small world with all that there is: a configuration, CSV files, a platform on loopback, a clock that a test moves.
What the queue would run in threads is run by `work`, one after another."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select

from bridge.callbacks import Callback, CallbackFilter
from bridge.callbacks.calling import Calling
from bridge.callbacks.reports import KIND
from bridge.calls import activities
from bridge.calls.activities import Activities
from bridge.calls.folding import Folding, call_by_call
from bridge.config.load import load
from bridge.delivery import saves
from bridge.delivery.worker import Deliverer
from bridge.infocaller.document import normalised
from bridge.intake.inbox import Inbox
from bridge.queue.base import ADVANCE, DELIVER, split_call_key
from bridge.queue.sqlite import SqliteQueue
from bridge.service.composition import Current, Service
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.outcomes import EmittedCall
from bridge.store.database import Database
from bridge.store.deliveries import Delivery
from bridge.store.events import Arrival
from bridge.store.schema import connect
from bridge.store.tables import pokes
from connectors.base import Deadline, Task, WriteResult
from tests.databases import sqlite_with_tables

MONDAY = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""12:00 in Madrid."""
LINE = "912345678"
SOON = timedelta(seconds=1)

CONFIG = """
database: sqlite:///bridge.db
language: en
hours:
  reception: {{open: {{days: mon-fri, from: "09:00", to: "20:00"}}, closed: [2026-11-23]}}
lines:
  - number: "912345678"
    password: "3956"
    dial: {{per_day: {per_day}}}
    emission: {{url: "{url}", per_minute: {per_minute}, at_once: {at_once}, timeout: {timeout}, format: {format}}}
connectors:
  agenda:
    type: csv
    tables: {{robinson: {{file: robinson.csv, phones: [phone]}}, recall: {{file: recalls.csv}}}}
    activities: {{file: activities.csv}}
    tasks: {{file: tasks.csv}}
  away:
    type: rest
    base_url: http://127.0.0.1:9/
    timeout: 500ms
    records:
      robinson: {{search: {{path: /robinson, params: {{phone: "{{{{ phone.e164 }}}}"}}}}, fields: {{id: id}}}}
      people:
        search: {{path: /people, params: {{phone: "{{{{ phone.e164 }}}}"}}}}
        fields: {{id: id, agent: agent}}
activities: [{{in: agenda, find: {{}}}}]
callbacks:
  - from: agenda
    line: "912345678"
    rule_group: callbacks
    token: 0123456789abcdefghijklmnop
    do_not_call: {{in: agenda, table: robinson}}
    {more}
  - name: web
    token: 0123456789abcdefghijklmnop
    line: "912345678"
    rule_group: callbacks
    hours: always
  - name: listed
    token: 0123456789abcdefghijklmnop
    line: "912345678"
    rule_group: callbacks
    do_not_call: {{in: away, table: robinson}}
"""


class World:
    """See this module. `now` is the time; `tasks` writes the CSV file of tasks."""

    def __init__(self, folder: Path, platform: EmissionPlatform, more: str = "", **line: object) -> None:
        settings = {"per_minute": 6000, "at_once": 1000, "timeout": "20s", "format": "json", "per_day": 2000} | line
        self.folder = folder
        self.platform = platform
        self.now = MONDAY
        self.config = folder / "config.yaml"
        self.config.write_text(CONFIG.format(url=platform.url, more=more, **settings), encoding="utf-8")
        (folder / "robinson.csv").write_text("phone,agent\n600999888,\n", encoding="utf-8")
        if not (folder / "tasks.csv").exists():
            self.tasks()
        sqlite_with_tables(folder / "bridge.db")
        loaded = load(self.config)
        self.database: Database = connect(loaded.configuration.database.get_secret_value(), folder)
        self.queue = SqliteQueue(self.database, self.clock)
        service = Service.open(loaded, background=True)
        self.state = service.state
        self.current = Current(service)
        self._compose()
        self.calling.sweep()

    def _compose(self) -> None:
        self.calling = Calling(
            self.database, self.queue, lambda: self.current.configuration, self.current.use, self.folder,
            self.state, self.clock, lambda: 0.5,
        )  # fmt: skip
        self.calling.look()
        self.desk = self.calling.service
        made = Activities(self.database, self.queue, self.current.use, self.clock, self.calling.own)

        def plan(*what: Any) -> None:
            call_by_call(self.calling.plan)(*what)
            made.plan(*what)

        folding = Folding(self.database, lambda: self.current.configuration, plan, self.clock)
        senders = {KIND: self.calling.deliver, activities.KIND: made.deliver, saves.KIND: self._save}
        deliverer = Deliverer(self.database, self.queue, senders, lambda: 0.5, now=self.clock)
        self.handlers: dict[str, Callable[[str], None]] = {
            **self.calling.handlers, DELIVER: deliverer, ADVANCE: lambda key: folding.advance(*split_call_key(key))
        }  # fmt: skip

    def _save(self, delivery: Delivery) -> WriteResult:
        with self.current.use() as service:
            return saves.deliver(delivery, service.sources[delivery.connector].connector, Deadline.after(60))

    def restart(self) -> None:
        """Another process takes over."""
        self._compose()

    def clock(self) -> datetime:
        """The world's time, a millisecond later each time it is asked for."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def later(self, **what: float) -> None:
        """Let time pass, and do what there is to do then."""
        self.now += timedelta(**what)
        self.work()

    def tasks(self, *rows: Mapping[str, str]) -> None:
        """The CSV file of tasks holds these, and the connector knows it."""
        with (self.folder / "tasks.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "phone", "due", "wait"])
            writer.writeheader()
            writer.writerows(rows)
        if hasattr(self, "current"):
            self.probed("tasks")

    def probed(self, part: str) -> str:
        """What the CSV connector says of a table of its, or of its tasks; those it reads anew for that."""
        with self.current.use() as service:
            results = service.sources["agenda"].connector.probe(Deadline.after(30))
            return next((result.text for result in results if result.what == part), "")

    def accept(self, id_: str = "T1", phone: str = "600111222", source: str = "web", **fields: object) -> Callback:
        """A task comes in."""
        accepted = self.desk.intake.accept(source, Task(id_, {"id": id_, "phone": phone, **fields}))
        return self.callback(accepted.id)

    def callback(self, id_: int = 1) -> Callback:
        """It as it stands."""
        shown = self.desk.queries.show(id_)
        assert shown is not None
        return shown.callback

    def told(self, id_: int = 1) -> list[str]:
        """What its CRM was told of it, in order."""
        shown = self.desk.queries.show(id_)
        assert shown is not None
        return [report.payload["outcome"]["status"] for report in shown.reports]

    def results(self) -> list[dict[str, str]]:
        """What stands in the file of results."""
        file = self.folder / "tasks.results.csv"
        if not file.exists():
            return []
        with file.open(encoding="utf-8-sig", newline="") as text:
            return list(csv.DictReader(text))

    def states(self) -> list[str]:
        """The states of all callbacks, in order."""
        return [one.state.value for one in reversed(self.desk.queries.find(CallbackFilter(), 10_000))]

    def work(self, limit: int = 2000) -> None:
        """Do all that is due, and what comes within a second, until there is nothing more to do."""
        for _ in range(limit):
            with self.database.write() as connection:
                due = connection.execute(
                    select(pokes).where(pokes.c.due <= self.now + SOON).order_by(pokes.c.due, pokes.c.id).limit(1)
                ).first()
                if due is None:
                    return
                self.now = max(self.now, due.due)
                same = (pokes.c.kind == due.kind, pokes.c.key == due.key, pokes.c.due <= self.now)
                connection.execute(delete(pokes).where(*same))
            self.handlers[due.kind](due.key)
        raise AssertionError("the work never ends")

    def event(
        self, number: str, idcall: str, seconds: int = 30, sequence: str = "1", name: str = "fin", ending: str = ""
    ) -> None:
        """The platform tells of an emitted call that began a minute ago."""
        start = (self.now - timedelta(minutes=1)).astimezone(ZoneInfo("Europe/Madrid")).replace(tzinfo=None)
        call = EmittedCall(number, sequence, emitted=True, idcall=idcall, seconds=seconds, start=start, ending=ending)
        document = call.final(LINE) if name == "fin" else call.document(LINE)
        arrival = Arrival(
            line=LINE, call_sequence=sequence, event=name, digest=f"{name}{seconds}{ending}", received_at=self.now,
            raw="", document=normalised(document), e164=number,
        )  # fmt: skip
        inbox = Inbox(self.database, self.queue)
        try:
            inbox.keep(arrival)
        finally:
            inbox.close()
        self.work()

    def close(self) -> None:
        """Let go of everything."""
        self.calling.fence.close()
        self.current.close()
        self.database.close()


@contextmanager
def world(folder: Path, more: str = "", **line: object) -> Iterator[World]:
    """A world of a test's own."""
    with EmissionPlatform({LINE: "3956"}) as platform:
        made = World(folder, platform, more, **line)
        try:
            yield made
        finally:
            made.close()
