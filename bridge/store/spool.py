"""A local file that keeps events, saved records and oppositions while PostgreSQL is away.

SQLite with fsync, like the database itself where that is SQLite. All web processes of a host share one spool. A row
leaves it only after the database has committed it; when a crash comes between the two, it is moved twice, and the
database's own uniqueness makes that harmless.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Delete,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import URL

from bridge.errors import StoreUnavailable
from bridge.store.database import Database, unprepared
from bridge.store.deliveries import NewDelivery
from bridge.store.events import Arrival
from bridge.store.oppositions import NewOpposition
from bridge.store.schema import prepare_file
from connectors.filelock import FileLock

_log = logging.getLogger(__name__)

Item = Arrival | NewDelivery | NewOpposition
_KINDS: dict[type[Item], str] = {Arrival: "event", NewDelivery: "delivery", NewOpposition: "opposition"}

_metadata = MetaData()
_spool = Table(
    "spool",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("item", Text, nullable=False),
    Column("e164", String, nullable=False, index=True),
    Column("refused", String, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)

_tried = Table("tried", _metadata, Column("id", Integer, primary_key=True), Column("text", Text, nullable=False))


class Spool:
    """See this module's docstring. `path`: the file, made when it is not there. Raises `StoreUnavailable` where the
    disk is full or can't be written."""

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        url = URL.create("sqlite", database=str(path.resolve())).render_as_string(hide_password=False)
        self._database: Database = unprepared(url, patience=patience)
        prepare_file(self._database)
        with self._database.write() as connection:
            _metadata.create_all(connection)
        self._moving = FileLock(path.with_name(f"{path.name}.moving"))

    def append(self, items: Sequence[Item]) -> None:
        """Keep them: on disk when it returns."""
        with self._database.write() as connection:
            connection.execute(insert(_spool), [_row(item) for item in items])

    def try_to_keep(self, size: int) -> None:
        """Write `size` bytes and drop them again. Raises `StoreUnavailable` where that much can't be kept."""
        with self._database.write() as connection:
            connection.execute(insert(_tried), {"text": "x" * size})
        with self._database.write() as connection:
            connection.execute(delete(_tried))

    def empty(self) -> bool:
        """Return whether nothing waits here."""
        with self._database.read() as connection:
            return connection.execute(_waiting(select(_spool.c.id)).limit(1)).first() is None

    def count(self) -> int:
        """Return how many are here, the refused included."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(_spool)).scalar_one()

    def move(self, take_over: Callable[[Sequence[Item]], Sequence[str]], most: int = 200) -> int:
        """Hand the oldest to `take_over`, oppositions before all else, and drop them when it returns; how many there
        were. 0 also while another process is at it. `take_over` says for each why the database refuses it, empty where
        it has it now; the refused stay here, and are not handed out again. What it raises passes through, and nothing
        is dropped."""
        if not self._moving.acquire(0):
            return 0
        try:
            with self._database.read() as connection:
                first = (_spool.c.kind != _KINDS[NewOpposition], _spool.c.id)
                rows = connection.execute(_waiting(select(_spool)).order_by(*first).limit(most)).all()
            if rows:
                refusals = take_over([_item(row.kind, row.item) for row in rows])
                with self._database.write() as connection:
                    for row, why in zip(rows, refusals, strict=True):
                        if why:
                            connection.execute(update(_spool).where(_spool.c.id == row.id).values(refused=why))
                    connection.execute(_waiting(delete(_spool)).where(_spool.c.id.in_([row.id for row in rows])))
            return len(rows)
        finally:
            self._moving.release()

    def forget(self, e164: str) -> int:
        """Erase a person's rows; how many there were."""
        with self._database.write() as connection:
            deleted = connection.execute(delete(_spool).where(_spool.c.e164 == e164)).rowcount
        self._database.scrub()
        return deleted

    def oppositions_of(self, e164: str) -> list[NewOpposition]:
        """Return a person's oppositions, which outlast the person's rows."""
        query = select(_spool).where(_spool.c.e164 == e164, _spool.c.kind == "opposition").order_by(_spool.c.id)
        with self._database.read() as connection:
            items = [_item(row.kind, row.item) for row in connection.execute(query)]
        return [item for item in items if isinstance(item, NewOpposition)]

    def person(self, e164: str) -> list[dict[str, Any]]:
        """Return a person's rows, as JSON knows them."""
        query = select(_spool.c.item).where(_spool.c.e164 == e164).order_by(_spool.c.id)
        with self._database.read() as connection:
            return [json.loads(item) for item in connection.execute(query).scalars()]

    def close(self) -> None:
        self._database.close()


def rows(path: Path) -> tuple[int, int]:
    """Return how many rows of the spool at `path` wait to be moved, and how many the database refused; nothing is
    changed by looking. Raises `StoreUnavailable`."""
    if not path.exists():
        return 0, 0
    database = unprepared(URL.create("sqlite", database=str(path.resolve())).render_as_string(hide_password=False))
    try:
        query = select(_spool.c.refused != "", func.count()).group_by(_spool.c.refused != "")
        with database.read() as connection:
            counts = {bool(refused): count for refused, count in connection.execute(query)}
    finally:
        database.close()
    return counts.get(False, 0), counts.get(True, 0)


def may_hold(path: Path, numbers: Collection[str]) -> bool:
    """Return whether something about one of these numbers (E.164) waits to be moved in the spool at `path`, or that
    can't be told; nothing is changed by looking."""
    try:
        return _holds(path, numbers)
    except StoreUnavailable as error:
        _log.warning("callbacks wait, the spool can't be looked into: %s", error)
        return True


def _holds(path: Path, numbers: Collection[str]) -> bool:
    if not path.exists():
        return False
    database = unprepared(URL.create("sqlite", database=str(path.resolve())).render_as_string(hide_password=False))
    try:
        with database.read() as connection:
            query = _waiting(select(_spool.c.id)).where(_spool.c.e164.in_(list(numbers)))
            return connection.execute(query.limit(1)).first() is not None
    finally:
        database.close()


Statement = TypeVar("Statement", Select[Any], Delete)


def _waiting(statement: Statement) -> Statement:
    return statement.where(_spool.c.refused == "")


def _row(item: Item) -> dict[str, str]:
    if isinstance(item, NewOpposition):  # the person hears its reference now
        item = replace(item, announced=True)
    values = {name: getattr(item, name) for name in item.__dataclass_fields__}
    if isinstance(item, Arrival):
        values["received_at"] = item.received_at.isoformat()
    if isinstance(item, NewOpposition):
        values["at"] = item.at.isoformat()
    return {"kind": _KINDS[type(item)], "item": json.dumps(values), "e164": item.e164}


def _item(kind: str, text: str) -> Item:
    values: dict[str, Any] = json.loads(text)
    if kind == "event":
        return Arrival(**{**values, "received_at": datetime.fromisoformat(values["received_at"])})
    if kind == "opposition":
        return NewOpposition(**{**values, "at": datetime.fromisoformat(values["at"])})
    return NewDelivery(**values)
