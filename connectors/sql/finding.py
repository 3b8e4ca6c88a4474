"""Finding records: the statements of a kind are tried, and each row is compared again."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from connectors import dates
from connectors.base import Deadline, LookupQuery, Misconfigured, Record, nothing_seen
from connectors.phone import Phone, parse_all
from connectors.sql.database import Rows, SqlDatabase, UnfitValue
from connectors.sql.options import SqlOptions, SqlRecordOptions
from connectors.sql.parameters import Binder, Way, of_lookup, ways
from connectors.sql.statements import Parsed

_LONGEST_KEY = 1000
_MOST = 10_000  # rows of one answer that are looked at
_DAY = timedelta(days=1)


class SqlFinder:
    """Finds the records of one kind."""

    def __init__(self, kind: str, options: SqlOptions, database: SqlDatabase, binder: Binder) -> None:
        self.kind = kind
        self._options: SqlRecordOptions = options.records[kind]
        self._database = database
        self._binder = binder
        self._context = database.context
        statements = [select.parsed(options.backend) for select in self._options.select]
        asks = [(parsed, ways(parsed, self._options.parameters)) for parsed in statements]
        self._tries: Mapping[Way, Sequence[Parsed]] = {
            "phone": [parsed for parsed, way in asks if "phone" in way],
            "key": [parsed for parsed, way in asks if "key" in way],
        }
        self._warned = False

    def find(self, query: LookupQuery, deadline: Deadline) -> list[Record]:
        """Return the records that match. A number that is hidden or none, and a key that can't be one, are not asked
        for. Raises `ConnectorError`."""
        key = (query.key or "").strip()
        if query.phone is not None and not query.phone:
            return []
        if query.phone is None and (not key or len(key) > _LONGEST_KEY or "\0" in key):
            return []
        for parsed in self.tries("phone" if query.phone is not None else "key"):
            rows = self.asked(parsed, query, deadline)
            records = list(self._matches(rows, parsed, query))
            if records:
                return self._ordered(records, query)
        return []

    def tries(self, way: Way) -> Sequence[Parsed]:
        """Return the statements that a lookup by phone, or by key, tries."""
        return self._tries[way]

    def asked(self, parsed: Parsed, query: LookupQuery, deadline: Deadline) -> Rows:
        """Return what one statement finds. Raises `ConnectorError`."""
        place = f"records.{self.kind}.select"
        values = self.values(parsed, query)
        try:
            with self._database.transaction(deadline, writes=False) as transaction:
                rows = transaction.execute(parsed, values, place, _MOST)
        except UnfitValue:  # a word keyed in where the column has numbers
            rows = Rows((), (), 0)
        if self._context.see is not nothing_seen:
            self._context.see(f"{parsed.bare}\n{self.shown(values)}\n→ {len(rows.rows)} rows")
        if len(rows.rows) == _MOST and not self._warned:
            self._warned = True
            self._context.log.warning("%s: one lookup gave %d rows or more: does it ask by number?", place, _MOST)
        return rows

    def values(self, parsed: Parsed, query: LookupQuery) -> dict[str, object]:
        """Return what is bound for a question."""
        scope = {**self._context.timed(), **({"phone": query.phone} if query.phone is not None else {"key": query.key})}
        return self._binder.values(
            parsed, self._options.parameters, scope, of_lookup(query), f"records.{self.kind}.select"
        )

    def shown(self, values: Mapping[str, object]) -> str:
        """Return bound values as a person may see them."""
        return ", ".join(
            f":{name} = {self._database.mask.text(value) if isinstance(value, str) else value}"
            for name, value in values.items()
        )

    def key_column(self, parsed: Parsed, columns: Sequence[str]) -> str | None:
        """Return the column by whose text a row is compared with a key; None where none is said or seen."""
        key_column = self._options.key_column or parsed.key_column
        by_name = {name.casefold(): name for name in columns}
        return None if key_column is None else by_name.get(key_column.casefold())

    def missing(self, columns: Sequence[str], *, by_phone: bool) -> list[tuple[str, str]]:
        """Return each option that names a column which a statement does not return, with what is wrong."""
        named = [("date", self._options.date)] if self._options.date is not None else []
        if by_phone:
            named += [("phones", column) for column in self._options.phones]
        elif self._options.key_column is not None:
            named.append(("key_column", self._options.key_column))
        return [(option, f"the statement returns no column {column}; {_meant(column, columns)}")
                for option, column in named if column not in columns]  # fmt: skip

    def _matches(self, rows: Rows, parsed: Parsed, query: LookupQuery) -> Iterator[Record]:
        by_phone = query.phone is not None
        if not rows.columns:
            return
        for option, text in self.missing(rows.columns, by_phone=by_phone):
            raise Misconfigured(f"records.{self.kind}.{option}: {text}")
        key, column, without = (query.key or "").strip(), self.key_column(parsed, rows.columns), 0
        for fields in rows.mappings:
            record = self._record(fields)
            without += not record.phones
            if by_phone and not any(phone.same(query.phone) for phone in record.phones if query.phone is not None):
                continue
            if not by_phone and column is not None and (text_of(fields[column]) or "").strip() != key:
                continue
            yield record
        if by_phone and rows.rows and without == len(rows.rows):
            self._no_numbers(without, strict=query.strict)

    def _no_numbers(self, count: int, *, strict: bool) -> None:
        text = f"{self.kind}: none of {count} found has a number in {', '.join(self._options.phones)}"
        self._context.see(f"{text}: is it right?")
        if strict:
            raise Misconfigured(f"{text}: is it right?")
        if not self._warned:
            self._warned = True
            self._context.log.warning("%s: is it right?", text)

    def _record(self, fields: Mapping[str, object]) -> Record:
        phones: tuple[Phone, ...] = tuple(
            phone for column in self._options.phones
            for phone in parse_all(text_of(fields.get(column)) or "", self._context.country)
        )  # fmt: skip
        dated = dates.read(fields.get(self._options.date)) if self._options.date is not None else None
        seen = {name: simple(value) for name, value in fields.items()}
        return Record(self._database.name, self.kind, text_of(fields.get("id")), seen, phones, dated)

    def _ordered(self, records: Sequence[Record], query: LookupQuery) -> list[Record]:
        if query.upcoming and query.since is not None:
            since, zone = query.since, query.since.tzinfo or UTC
            dated = [(dates.begins(record.dated, zone), record) for record in records if record.dated is not None]
            to_come = sorted((pair for pair in dated if pair[0] >= since - _DAY), key=lambda pair: pair[0])
            return [record for _, record in to_come][: query.limit]
        if query.newest and self._options.date is not None:
            records = sorted(records, key=self._age, reverse=True)
        return list(records[: query.limit])

    def _age(self, record: Record) -> tuple[int, float, str]:
        """A larger value for a newer record: dates by the calendar, what only grows by its size, nothing last."""
        if record.dated is not None:
            return 3, dates.begins(record.dated, UTC).timestamp(), ""
        value = record.fields.get(self._options.date or "")
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return 1, float(value), ""
        return (2, 0.0, value) if isinstance(value, str) and value else (0, 0.0, "")


def text_of(value: object) -> str | None:
    """Return an id, a key or a number as text; None for nothing. A whole number has no point in it."""
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, (float, Decimal)) and _whole(value):
        return str(int(value))
    return str(value)


def _whole(value: float | Decimal) -> bool:
    return math.isfinite(value) and value == int(value)


def simple(value: object) -> object:
    """Return a value as expressions know it: bytes, UUIDs and times of day as text."""
    if isinstance(value, (bytes, bytearray, memoryview, UUID)):
        return text_of(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):  # a time of day, in MariaDB and MySQL
        return str((datetime.min + value).time()) if timedelta() <= value < _DAY else str(value)
    return value


def _meant(column: str, columns: Sequence[str]) -> str:
    by_name = {name.casefold(): name for name in columns}
    near = difflib.get_close_matches(column.casefold(), by_name, 1)
    return f"did you mean {by_name[near[0]]}?" if near else f"it returns {', '.join(columns)}"
