"""Column types that read and write the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    DDL,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Integer,
    Numeric,
    String,
    Text,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine

Id = BigInteger().with_variant(Integer(), "sqlite")
"""A row's number; SQLite counts up by itself only in a column that is an INTEGER."""


class UtcMoment(TypeDecorator[datetime]):
    """An aware time, kept in UTC: `timestamptz` on PostgreSQL, sortable text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database calls it."""
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC on its way in; a time without a zone is a fault of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return it aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount: `numeric` on PostgreSQL, text on SQLite (which would make a float of it)."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database calls it."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return a plain number, without an exponent."""
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


def storable(text: str) -> str:
    """Return the text with what no database takes (NUL, half a surrogate pair) as U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "replace").decode("utf-8")
    return text


class Words(TypeDecorator[str]):
    """Text from outside: stored even if it holds characters that a database refuses."""

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, _dialect: Dialect) -> TypeEngine[Any]:
        """`text`, or `varchar` where it is limited."""
        return String(self.length) if self.length else Text()

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class CompactJson(TypeDecorator[Any]):
    """A JSON document as short as can be; what is empty is no text at all, and None when it is read."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str:
        """Without spaces, letters as they are."""
        if not value:
            return ""
        try:
            return msgspec.json.encode(value).decode()
        except UnicodeEncodeError:  # half a surrogate pair
            return storable(json.dumps(value, ensure_ascii=False))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return json.loads(value) if value else None


def among(connection: Connection, column: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Return whether the column is one of these: as `in_`, with one parameter for all, as a value for each of hundreds
    costs the driver more than the database."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


class CallVerdict(ColumnElement[str]):
    """What became of a call, as a word: `open`, `talking` (open, and somebody answered), then `answered`, `missed`
    (received, its FIN came, nobody answered), `other`. Computed of the row, so that whichever version wrote it, the
    index that holds it is right."""

    inherit_cache = True
    type = String()


_VERDICT = (
    "CASE WHEN state = 'open' THEN CASE WHEN {answered} THEN 'talking' ELSE 'open' END WHEN {answered} THEN 'answered'"
    " WHEN state = 'over' AND direction = 'received' THEN 'missed' ELSE 'other' END"
)


@compiles(CallVerdict, "sqlite")
def _verdict_on_sqlite(_element: CallVerdict, _compiler: Any, **_more: Any) -> str:
    answered = "json_extract(call, '$.answered') = 1"
    return f"({_VERDICT.format(answered=answered)})"


@compiles(CallVerdict)
def _verdict_on_postgresql(_element: CallVerdict, _compiler: Any, **_more: Any) -> str:
    answered = "infocaller_bridge_answered(call)"
    return f"({_VERDICT.format(answered=answered)})"


ANSWERED = DDL(  # type: ignore[no-untyped-call]  # the library's
    """CREATE OR REPLACE FUNCTION infocaller_bridge_answered(call json) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN coalesce(call ->> 'answered' = 'true', false);
EXCEPTION WHEN others THEN
    RETURN call::text LIKE '%%"answered": true, "answered_by": %%';
END $$"""
).execute_if(dialect="postgresql")
"""What an index over the verdict needs. A caller's variable may hold a NUL, and then PostgreSQL reads no part of the
document: the call is kept all the same."""
