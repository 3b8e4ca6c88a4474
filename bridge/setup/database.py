"""An SQL database as the configuration's connector: its tables are looked at, and the statement is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    MetaData,
    String,
    Table,
    cast,
    create_engine,
    func,
    inspect,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bridge.errors import BridgeError
from bridge.setup.columns import Choice, guess, is_extension, is_number
from bridge.setup.configuration import NAME, TRANSFER, CustomerSource
from bridge.setup.contacts import Contents
from bridge.setup.yamltext import Expression, Value, Variable
from bridge.texts import Text
from bridge.texts import literal as words
from connectors.phonebulk import Numbers
from connectors.sql import urls
from connectors.sql.families import family_of

_CONNECTOR, _VARIABLE = "database", "CRM_URL"
_SAMPLE = 300
_MOST_TABLES = 200
_MOST_EXTENSIONS = 300
_SECONDS = 10.0
_SIGNS = (" ", "-", ".")


class UnusableDatabase(BridgeError):
    """A database can't be used as it is; `reason` says why, for people."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class TableFound:
    """A table with phone numbers: its columns as they were guessed, what its first rows hold in them, and the column by
    which other tables mean a row (empty if there is none)."""

    name: str
    header: tuple[str, ...]
    choice: Choice
    contents: Contents
    key: str
    plain: bool
    """Whether numbers are kept as digits alone."""


def tables(url: str, country: str, only: str | None = None) -> list[TableFound]:
    """Return the tables that have phone numbers, those that have most to offer first. Raises `UnusableDatabase`."""
    with _connected(url) as connection:
        inspector = inspect(connection)
        names = [*inspector.get_table_names(), *inspector.get_view_names()]
        if only is not None:
            names = [name for name in names if name.casefold() == only.casefold()]
            if not names:
                raise UnusableDatabase(Text("there is no table {table}", table=only))
        looked_at = [_looked_at(connection, name, country) for name in names[:_MOST_TABLES]]
    with_phones = [table for table in looked_at if table is not None and table.choice.phones]
    return sorted(with_phones, key=_worth, reverse=True)


def _worth(table: TableFound) -> tuple[bool, bool, int]:
    return (bool(table.choice.name), bool(table.choice.transfer), table.contents.rows)


def _looked_at(connection: Connection, name: str, country: str) -> TableFound | None:
    table = Table(name, MetaData(), autoload_with=connection)
    columns = [column for column in table.columns if "{{" not in column.name and ":" not in column.name]
    if not columns:
        return None
    rows = [["" if cell is None else str(cell) for cell in row]
            for row in connection.execute(select(*columns).limit(_SAMPLE))]  # fmt: skip
    header = tuple(column.name for column in columns)
    choice = guess(header, rows, country)
    keys = [column.name for column in table.primary_key.columns]
    key = keys[0] if len(keys) == 1 else next((title for title in header if title.casefold() == "id"), "")
    seen, plain = _seen(header, rows, choice, country)
    if choice.transfer:
        column = table.columns[choice.transfer]
        every = connection.execute(select(column).distinct().limit(_MOST_EXTENSIONS)).scalars()
        seen.extensions = sorted(
            text for cell in every if cell is not None and is_extension(text := str(cell), country)
        )
    return TableFound(name, header, choice, seen, key, plain)


def _seen(header: Sequence[str], rows: Sequence[Sequence[str]], choice: Choice, country: str) -> tuple[Contents, bool]:
    seen, plain, numbers = Contents(rows=len(rows)), True, Numbers(country)
    for row in rows:
        values = dict(zip(header, row, strict=True))
        plain = plain and all(values[title].isdigit() or not values[title] for title in choice.phones)
        phones = [phone for title in choice.phones for phone in numbers.phones(values[title]) if is_number(phone)]
        if phones:
            seen.candidates.append((phones[0].e164, values.get(choice.name, ""), values.get(choice.transfer, "")))
    return seen, plain


def database_source(url: str, table: TableFound) -> CustomerSource:
    """Return the connector that looks customers up in a table."""
    choice = table.choice
    named = {ours: theirs for ours, theirs in ((NAME, choice.name), (TRANSFER, choice.transfer)) if theirs}
    phones = [f"phone{number}" if number > 1 else "phone" for number in range(1, len(choice.phones) + 1)]
    record: dict[str, Value] = {
        "select": _statement(url, table, {**({"id": table.key} if table.key else {}), **named,
                                          **dict(zip(phones, choice.phones, strict=True))}),
        "parameters": {"ends": Expression("{{ '%' ~ phone.national }}")},
        "phones": list(phones),
    }  # fmt: skip
    section: dict[str, Value] = {
        "type": "sql",
        "url": Variable(_VARIABLE),
        "timeout": "1s",
        "records": {"contact": record},
    }
    comments = (
        Text(
            "The statement finds whoever has a number that ends like the caller's; each row is compared once more. "
            "With many thousands of customers, `infocaller-bridge check --connect` says whether it is too slow."
        ),
    )
    return CustomerSource(_CONNECTOR, section, comments, frozenset(named), {_VARIABLE: url})


def _statement(url: str, found_in: TableFound, columns: dict[str, str]) -> str:
    """The `select`, in the database's own dialect, on a single line."""
    dialect = urls.read(url).get_dialect()()
    kinds: dict[str, Any] = {}
    with _connected(url) as connection:
        table = Table(found_in.name, MetaData(), autoload_with=connection)
        kinds = {column.name: column.type for column in table.columns}
    tests = []
    for title in found_in.choice.phones:
        column: Any = table.columns[title]
        if not isinstance(kinds[title], String):
            column = cast(column, String(40))
        elif not found_in.plain:
            for sign in _SIGNS:
                column = func.replace(column, literal(sign), literal(""))
        tests.append(column.like(literal_column(":ends")))
    statement = select(*(table.columns[theirs].label(ours) for ours, theirs in columns.items())).where(or_(*tests))
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return " ".join(str(compiled).split("\n")).strip()


def absolute(url: str, folder: Path) -> str:
    """Return a URL whose SQLite file is named whole. Raises `UnusableDatabase` where it is none, or has no driver."""
    try:
        address = urls.read(url)
    except ValueError as error:
        raise UnusableDatabase(words(str(error))) from None
    fault = urls.problem(address, folder)
    if fault is not None:
        raise UnusableDatabase(words(fault[0]))
    if address.get_backend_name() == "sqlite":
        return f"sqlite:///{urls.file(address, folder).resolve()}"
    return url.strip()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A connection whose every fault is `UnusableDatabase`."""
    address = urls.read(url)
    family = family_of(address)
    try:
        engine = create_engine(
            urls.opened(address, Path()), poolclass=NullPool, connect_args=family.connect_args(_SECONDS)
        )
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        origin = getattr(error, "orig", None) or error
        raise UnusableDatabase(Text("the database says: {error}", error=family.words(origin)[:300])) from None
