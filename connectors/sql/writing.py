"""Writing: records that are saved, and calls that are kept. One transaction an attempt; what may be there already is
looked for before it is written again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connectors.base import Activity, Deadline, NewRecord, Rejected, WriteResult
from connectors.expression import Template
from connectors.scopes import of_activity as activity_scope
from connectors.scopes import of_saved as saved_scope
from connectors.sql import parameters
from connectors.sql.database import Duplicate, Rows, SqlDatabase, Transaction
from connectors.sql.finding import text_of
from connectors.sql.options import SqlActivityOptions, SqlRecordOptions
from connectors.sql.parameters import Binder, Scope
from connectors.sql.statements import Parsed


@dataclass(frozen=True, slots=True)
class SqlDraft:
    """What is to be written: what its expressions see, and what its parameters are without saying."""

    key: str
    scope: Scope
    defaults: Mapping[str, object]
    attempt: int = 1

    def of(self, id_: str | None) -> SqlDraft:
        """Return it with the `:id` of what was written before."""
        return replace(self, defaults={**self.defaults, "id": id_})


class SqlWriter:
    """Writes one kind of thing, once for each key: by `insert`, after a look by `find`, corrected by `update`, where
    there are these."""

    def __init__(
        self, options: SqlRecordOptions | SqlActivityOptions, place: str, database: SqlDatabase, binder: Binder
    ) -> None:
        backend = database.url.get_backend_name()
        assert options.insert is not None, "only made where something is inserted"  # noqa: S101
        self.insert = options.insert.parsed(backend)
        self.find = options.find.parsed(backend) if options.find is not None else None
        self.update = options.update.parsed(backend) if options.update is not None else None
        self._parameters: Mapping[str, Template] = options.parameters
        self._place = place
        self._database = database
        self._binder = binder

    def keep(self, draft: SqlDraft, revision: int, written_id: str | None, deadline: Deadline) -> WriteResult:
        """Insert it, or correct what an earlier revision wrote, where there is such a thing. Raises
        `ConnectorError`."""
        if revision > 1 and (written_id is not None or self.find is not None):
            corrected = self._corrected(draft, written_id, deadline)
            if corrected is not None:
                return corrected
        return self.write(draft, deadline)

    def write(self, draft: SqlDraft, deadline: Deadline) -> WriteResult:
        """Insert it, unless it is there. A UNIQUE key that refuses it has it: without `find` nothing else can tell.
        Raises `ConnectorError`."""
        try:
            with self._database.transaction(deadline, writes=True) as transaction:
                if draft.attempt > 1:
                    existing = self.existing(transaction, draft)
                    if existing is not None:
                        return self._written(existing, draft, created=False)
                return self.inserted(transaction, draft)
        except Duplicate as duplicate:
            return self._there(draft, duplicate, deadline)

    def inserted(self, transaction: Transaction, draft: SqlDraft) -> WriteResult:
        """Return what inserting it comes to. Raises `ConnectorError`."""
        rows = self.rows(transaction, self.insert, draft, "insert").mappings
        returned = text_of(rows[0].get("id")) if rows else None
        if returned is not None:
            return WriteResult(returned, created=True, exchange=f"{self._place}.insert: a row was added")
        return self._written(self.existing(transaction, draft) or {}, draft, created=True)

    def existing(self, transaction: Transaction, draft: SqlDraft) -> Mapping[str, object] | None:
        """Return what is there under our key, None where nothing is, or nothing can say. Raises `ConnectorError`."""
        if self.find is None:
            return None
        return next(iter(self.rows(transaction, self.find, draft, "find").mappings), None)

    def rows(self, transaction: Transaction, parsed: Parsed, draft: SqlDraft, what: str) -> Rows:
        """Return what one of the statements comes to. Raises `ConnectorError`."""
        place = f"{self._place}.{what}"
        values = self._binder.values(parsed, self._parameters, draft.scope, draft.defaults, place, writes=True)
        rows = transaction.execute(parsed, values, place)
        self._database.context.see(f"{parsed.bare}\n→ {len(rows.rows) if rows.columns else rows.count} rows")
        return rows

    def _corrected(self, draft: SqlDraft, written_id: str | None, deadline: Deadline) -> WriteResult | None:
        """What correcting it comes to; None where there is nothing to be corrected."""
        if self.update is None:
            raise Rejected(f"this connector has no {self._place}.update: what is written can't be corrected")
        with self._database.transaction(deadline, writes=True) as transaction:
            existing = self.existing(transaction, draft)
            if existing is None and self.find is not None:
                return None
            id_ = text_of((existing or {}).get("id")) or written_id
            rows = self.rows(transaction, self.update, draft.of(id_), "update")
            count = len(rows.rows) if rows.columns else rows.count
            if count == 0 and existing is None:
                return None
        return WriteResult(id_ or draft.key, created=False, exchange=f"{self._place}.update: the row is there")

    def _there(self, draft: SqlDraft, duplicate: Duplicate, deadline: Deadline) -> WriteResult:
        """What refused it: it is there itself, or else another row has something of its own."""
        if self.find is None:
            return self._written({}, draft, created=False)
        with self._database.transaction(deadline, writes=False) as transaction:
            existing = self.existing(transaction, draft)
        if existing is None:
            raise duplicate
        return self._written(existing, draft, created=False)

    def _written(self, row: Mapping[str, object], draft: SqlDraft, *, created: bool) -> WriteResult:
        id_ = text_of(row.get("id"))
        what = "a row was added" if created else "the row is there"
        return WriteResult(id_ if id_ is not None else draft.key, created, f"{self._place}.insert: {what}")


class SqlRecordWriter:
    """Saves one kind of record."""

    def __init__(self, options: SqlRecordOptions, kind: str, database: SqlDatabase, binder: Binder) -> None:
        self.writer = SqlWriter(options, f"records.{kind}", database, binder)
        self._context = database.context

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """Save it, or change what was saved of it. Raises `ConnectorError`."""
        return self.writer.keep(self.draft(record), record.revision, record.written_id, deadline)

    def draft(self, record: NewRecord) -> SqlDraft:
        """Return what is to be written of it."""
        scope = {**self._context.timed(), **saved_scope(record)}
        return SqlDraft(record.key, scope, parameters.of_saved(record), record.attempt)


class SqlActivityWriter:
    """Keeps calls."""

    def __init__(self, options: SqlActivityOptions, database: SqlDatabase, binder: Binder) -> None:
        self.writer = SqlWriter(options, "activity", database, binder)
        self._context = database.context

    def log(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Keep a call, or correct what was kept of it. Raises `ConnectorError`."""
        return self.writer.keep(self.draft(activity), activity.revision, activity.written_id, deadline)

    def draft(self, activity: Activity) -> SqlDraft:
        """Return what is to be written of it."""
        scope = {**self._context.timed(activity.start), **activity_scope(activity, self._context.country)}
        return SqlDraft(activity.key, scope, parameters.of_activity(activity), activity.attempt)
