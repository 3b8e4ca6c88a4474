"""`check --connect`: signs in and tries every statement. What is written is rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import phonenumbers

from connectors.base import (
    Activity,
    ConnectorError,
    Deadline,
    LookupQuery,
    Misconfigured,
    NewRecord,
    ProbeResult,
    Record,
    Rejected,
    Task,
    TaskOutcome,
)
from connectors.phone import parse
from connectors.sql import catalog, checks
from connectors.sql.database import Absent, Duplicate, SqlDatabase
from connectors.sql.finding import SqlFinder
from connectors.sql.options import SqlOptions
from connectors.sql.parameters import Way
from connectors.sql.statements import Parsed
from connectors.sql.tasks import SqlTasks
from connectors.sql.writing import SqlActivityWriter, SqlDraft, SqlRecordWriter, SqlWriter

_KEY = "infocaller-bridge-check"
_NOTHING = "0"  # fits a column of numbers as well as one of words
_PATIENCE = 15.0
_WAYS: tuple[Way, ...] = ("phone", "key")


class SqlProbe:
    """One look at the database."""

    def __init__(
        self, options: SqlOptions, database: SqlDatabase, finders: Mapping[str, SqlFinder],
        records: Mapping[str, SqlRecordWriter], activities: SqlActivityWriter | None, tasks: SqlTasks | None,
    ) -> None:  # fmt: skip
        self._options = options
        self._database = database
        self._finders = finders
        self._records = records
        self._activities = activities
        self._tasks = tasks

    def findings(self, deadline: Deadline) -> Iterator[ProbeResult]:
        """Yield what was tried, one after another; without a connection there is nothing more to try."""
        signed_in = next(iter(self._tried("sign in", lambda: self._signed_in(deadline), None, deadline)))
        yield signed_in
        if not signed_in.ok:
            return
        for kind, finder in self._finders.items():
            for way in _WAYS:
                for parsed in finder.tries(way):
                    what = f"{kind} by {way}"
                    yield from self._tried(what, partial(self._found, finder, parsed, way, deadline), parsed, deadline)
                    yield from self._scans(what, finder, parsed, self._query(kind, way), deadline)
        for kind, saver in self._records.items():
            draft = saver.draft(self._saved(kind))
            yield from self._writes(f"records.{kind}", saver.writer, draft, deadline)
        if self._activities is not None:
            yield from self._calls(self._activities, deadline)
        if self._tasks is not None:
            yield from self._of_tasks(self._tasks, deadline)

    def _tried(
        self, what: str, attempt: Callable[[], str], parsed: Parsed | None, deadline: Deadline
    ) -> Iterator[ProbeResult]:
        began = time.monotonic()
        try:
            text = attempt()
        except Misconfigured as error:
            yield ProbeResult(what, False, f"{error}{self._meant(parsed, str(error), deadline)}")
        except ConnectorError as error:
            yield ProbeResult(what, False, str(error))
        else:
            yield ProbeResult(what, True, f"{text} ({(time.monotonic() - began) * 1000:.0f} ms)")

    def _meant(self, parsed: Parsed | None, message: str, deadline: Deadline) -> str:
        if parsed is None or "did you mean" in message:
            return ""
        try:
            with self._database.transaction(deadline.within(_PATIENCE), writes=False) as transaction:
                return catalog.meant(transaction, parsed, message)
        except ConnectorError:
            return ""  # what is wrong was said; that nothing more can be said of it is no news

    def _signed_in(self, deadline: Deadline) -> str:
        with self._database.transaction(deadline.within(_PATIENCE), writes=False):
            url = self._database.url
            return f"went well: {url.get_backend_name()}{f' at {url.host}' if url.host else ''}"

    # lookups

    def _query(self, kind: str, way: str) -> LookupQuery:
        if way == "key":
            return LookupQuery(kind, key=_NOTHING)
        country = self._database.context.country
        example = phonenumbers.example_number(country)
        text = f"+{example.country_code}{example.national_number}" if example is not None else "+34600000000"
        return LookupQuery(kind, phone=parse(text, country))

    def _found(self, finder: SqlFinder, parsed: Parsed, way: Way, deadline: Deadline) -> str:
        rows = finder.asked(parsed, self._query(finder.kind, way), deadline.within(_PATIENCE))
        faults = finder.missing(rows.columns, by_phone=way == "phone") if rows.columns else []
        if faults:
            raise Misconfigured("; ".join(f"{option}: {text}" for option, text in faults))
        note = ""
        if rows.columns and "id" not in rows.columns and way == "phone" and checks.links(self._options):
            note = "; warning: it returns no column id: calls are kept without their :contact"
        return f"answered, {len(rows.rows)} rows{note}"

    def _scans(
        self, what: str, finder: SqlFinder, parsed: Parsed, query: LookupQuery, deadline: Deadline
    ) -> Iterator[ProbeResult]:
        try:
            with self._database.transaction(deadline.within(_PATIENCE), writes=False) as transaction:
                tables = catalog.whole_tables(transaction, self._options.backend, parsed, finder.values(parsed, query))
        except ConnectorError:
            return  # the statement itself was tried, and said what is wrong
        for table in tables:
            text = (
                f"warning: each lookup reads all of {table}, which has more than {catalog.MANY:,} rows: give the "
                "column that is compared an index, and compare it as it is kept, from its beginning"
            )
            yield ProbeResult(what, True, text)

    # what is written

    def _saved(self, kind: str) -> NewRecord:
        names = checks.save_fields(self._options).get(kind, frozenset())
        return NewRecord(kind, _KEY, dict.fromkeys(names, _NOTHING))

    def _writes(self, place: str, writer: SqlWriter, draft: SqlDraft, deadline: Deadline) -> Iterator[ProbeResult]:
        if writer.find is not None:
            find = writer.find
            yield from self._tried(f"{place}.find", lambda: self._looked(writer, draft, deadline), find, deadline)
        insert = partial(self._inserted, writer, draft, deadline)
        yield from self._tried(f"{place}.insert", insert, writer.insert, deadline)
        if writer.update is not None:
            change = partial(writer.rows, parsed=writer.update, draft=draft.of(_NOTHING), what="update")
            attempt = partial(self._changed, writer.update, change, deadline)
            yield from self._tried(f"{place}.update", attempt, writer.update, deadline)

    def _looked(self, writer: SqlWriter, draft: SqlDraft, deadline: Deadline) -> str:
        assert writer.find is not None, "only tried where there is one"  # noqa: S101
        with self._database.transaction(deadline.within(_PATIENCE), writes=False) as transaction:
            rows = writer.rows(transaction, writer.find, draft, "find")
        note = "" if "id" in rows.columns else "; warning: it returns no column id"
        return f"answered, {len(rows.rows)} rows{note}"

    def _inserted(self, writer: SqlWriter, draft: SqlDraft, deadline: Deadline) -> str:
        kept = self._kept(writer.insert, deadline)
        if kept:
            return kept
        try:
            with self._database.transaction(deadline.within(_PATIENCE), writes=True, keep=False) as transaction:
                writer.rows(transaction, writer.insert, draft, "insert")
                if writer.find is not None:
                    return "can be written (rolled back)"
                again = writer.rows(transaction, writer.insert, draft, "insert")
                if not (again.rows or again.count):
                    return "can be written, and is there once (rolled back)"
            return ("can be written (rolled back); warning: written twice it is there twice: make the column of :key "
                    "UNIQUE, or add find:")  # fmt: skip
        except Duplicate:
            return "can be written, and is refused the second time (rolled back)"
        except Absent:
            raise
        except Rejected as error:
            return f"can be written as far as values made up for this check go: {error}"

    def _kept(self, parsed: Parsed, deadline: Deadline) -> str:
        """Why a write is not tried; empty if it is."""
        if self._options.backend not in ("mysql", "mariadb"):
            return ""
        with self._database.transaction(deadline.within(_PATIENCE), writes=False) as transaction:
            table = catalog.not_rolled_back(transaction, parsed)
        return f"warning: not tried: {table} has an engine without transactions, such as MyISAM" if table else ""

    def _calls(self, activities: SqlActivityWriter, deadline: Deadline) -> Iterator[ProbeResult]:
        yield from self._writes("activity", activities.writer, activities.draft(self._activity()), deadline)

    def _activity(self) -> Activity:
        now, context = datetime.now(UTC), self._database.context
        contact = Record(self._database.name, "contact", _NOTHING, {})
        return Activity(
            key=_KEY, subject="infocaller-bridge check", note="infocaller-bridge check", direction="received",
            caller=self._query("contact", "phone").phone or parse("", context.country), called=_NOTHING, line=_NOTHING,
            start=now, end=now, seconds=0, cost=Decimal(0), answered=True, answered_by=_NOTHING, contact=contact,
            found={"contact": contact}, fields=dict.fromkeys(checks.activity_fields(self._options), _NOTHING),
            outcome=_NOTHING,
        )  # fmt: skip

    def _changed(self, parsed: Parsed, change: Callable[..., object], deadline: Deadline) -> str:
        kept = self._kept(parsed, deadline)
        if kept:
            return kept
        try:
            with self._database.transaction(deadline.within(_PATIENCE), writes=True, keep=False) as transaction:
                change(transaction)
        except Rejected as error:
            return f"can be written as far as values made up for this check go: {error}"
        return "can be written (rolled back)"

    def _of_tasks(self, tasks: SqlTasks, deadline: Deadline) -> Iterator[ProbeResult]:
        yield from self._tried("tasks.select", lambda: self._listed(tasks, deadline), tasks.select, deadline)
        task = Task(_NOTHING, {"id": _NOTHING, "phone": _NOTHING})
        if tasks.reading is not None:
            read = partial(self._read, tasks, task, deadline)
            yield from self._tried("tasks.read", read, tasks.reading, deadline)
        if tasks.updating is not None:
            updating = tasks.updating
            outcome = TaskOutcome("answered", "infocaller-bridge check", datetime.now(UTC), _NOTHING, 0, 0)

            change = partial(tasks.written, task=task, outcome=outcome)
            attempt = partial(self._changed, updating, change, deadline)
            yield from self._tried("tasks.update", attempt, updating, deadline)

    def _listed(self, tasks: SqlTasks, deadline: Deadline) -> str:
        count = without = 0
        for task in tasks.list(deadline.within(_PATIENCE)):
            count += 1
            without += not task.fields.get("phone")
        return f"answered, {count} listed" + (f", {without} without a number in the column phone" if without else "")

    def _read(self, tasks: SqlTasks, task: Task, deadline: Deadline) -> str:
        tasks.read(task, deadline.within(_PATIENCE))
        return "answered"
