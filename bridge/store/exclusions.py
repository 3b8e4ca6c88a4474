"""What checks against exclusion lists (such as the Lista Robinson) said of numbers.

Such a list is no file to be had: numbers go out (`begin`, `ask`), and those that may be called come back (`begin`,
`permit`, `deny`). A number that went out and did not come back is in the list: `deny` notes that of all that went out
together with one that did. What a check said counts until a later one of the same day or after says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, delete, func, insert, literal, select, text, update

from bridge.store.database import Database
from bridge.store.tables import exclusion_checks, exclusions

LOT = 5000
"""Numbers that one transaction notes."""
EVERY_SOURCE = ""
"""The source of a check that holds for all."""


class Direction(StrEnum):
    """Which way the numbers of a check went."""

    OUT = "out"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class ListCheck:
    """A check. `checked_on`: the list's own day, None of numbers that went out; `numbers`: how many there were."""

    id: int
    at: datetime
    kind: Direction
    source: str
    file: str
    checked_on: date | None
    numbers: int


@dataclass(frozen=True, slots=True)
class NumberStanding:
    """What is known of a number: the newest days on which a check found it permitted, and in the list. `check`: the id
    of the check that was heard of last; None where none was."""

    permitted_on: date | None = None
    denied_on: date | None = None
    check: int | None = None

    @property
    def permitted(self) -> date | None:
        """The day on which it was found permitted, unless it was found in the list since."""
        if self.permitted_on is None or (self.denied_on is not None and self.denied_on > self.permitted_on):
            return None
        return self.permitted_on


def begin(
    connection: Connection, direction: Direction, source: str, file: str, now: datetime, checked_on: date | None = None
) -> int:
    """Note a check, and return its id."""
    row = {"at": now, "kind": direction.value, "source": source, "file": file, "checked_on": checked_on}
    return int(connection.execute(insert(exclusion_checks).values(row).returning(exclusion_checks.c.id)).scalar_one())


def ask(database: Database, connection: Connection, check: int, numbers: Sequence[int]) -> None:
    """Note that these numbers (E.164 without +, each once) went out; at most `LOT`."""
    rows = {"source": EVERY_SOURCE, "asked_in": check}
    _upsert(database, connection, numbers, rows)


def went_out(connection: Connection, check: int, after: int) -> list[int]:
    """Return numbers that went out in a check, in order, from the one above `after` on; at most `LOT`."""
    query = select(exclusions.c.number).where(exclusions.c.asked_in == check, exclusions.c.number > after)
    return list(connection.execute(query.order_by(exclusions.c.number).limit(LOT)).scalars())


def counted(connection: Connection, check: int, numbers: int) -> None:
    """Note of how many numbers a check is."""
    connection.execute(update(exclusion_checks).where(exclusion_checks.c.id == check).values(numbers=numbers))


def permit(
    database: Database, connection: Connection, check: int, source: str, checked_on: date, numbers: Sequence[int]
) -> set[int]:
    """Note that these came back as permitted; at most `LOT`. Returns the checks in which they went out."""
    query = select(exclusions.c.asked_in).where(
        exclusions.c.source == EVERY_SOURCE, _among(connection, numbers), exclusions.c.asked_in.is_not(None)
    )
    asked = set(connection.execute(query.distinct()).scalars())
    rows = {"source": source, "permitted_on": checked_on, "answered_in": check}
    _upsert(database, connection, numbers, rows, newest="permitted_on")
    return asked


def unanswered(connection: Connection, until: date) -> set[int]:
    """Return the checks that went out before the end of this day (UTC), and of which numbers are still known."""
    query = select(exclusions.c.asked_in).where(exclusions.c.asked_in.is_not(None)).distinct()
    ids = set(connection.execute(query).scalars())
    moments = select(exclusion_checks.c.id, exclusion_checks.c.at).where(exclusion_checks.c.id.in_(ids))
    return {id_ for id_, at in connection.execute(moments) if at.date() <= until}


def deny(
    database: Database, connection: Connection, asked: int, check: int, source: str, checked_on: date, after: int
) -> tuple[int, int | None]:
    """Note that numbers that went out in `asked`, from the one above `after` on and at most `LOT`, are in the list if
    `check` did not bring them back, nor another one of that day. Returns how many these are, and with what number to go
    on; None: all were seen."""
    numbers = went_out(connection, asked, after)
    answered = select(exclusions.c.number).where(
        exclusions.c.source == source, _among(connection, numbers), exclusions.c.permitted_on >= checked_on
    )
    came_back = set(connection.execute(answered).scalars())
    missing = [number for number in numbers if number not in came_back]
    rows = {"source": source, "denied_on": checked_on, "answered_in": check}
    _upsert(database, connection, missing, rows, newest="denied_on")
    return len(missing), numbers[-1] if len(numbers) == LOT else None


def known(connection: Connection, source: str, numbers: Collection[str]) -> dict[str, NumberStanding]:
    """Return what checks for this source, or for all, said of these numbers (E.164); those of which none said anything
    are not there."""
    keys = {key: number for number in numbers if (key := _key(number)) is not None}
    query = select(
        exclusions.c.number, exclusions.c.permitted_on, exclusions.c.denied_on, exclusions.c.answered_in
    ).where(exclusions.c.source.in_([EVERY_SOURCE, source]), _among(connection, list(keys)))
    numbers_known: dict[str, NumberStanding] = {}
    for number, permitted_on, denied_on, check in connection.execute(query):
        if check is None:
            continue
        before = numbers_known.get(keys[number], NumberStanding())
        numbers_known[keys[number]] = NumberStanding(
            _newest(before.permitted_on, permitted_on),
            _newest(before.denied_on, denied_on),
            max(before.check or 0, check),
        )
    return numbers_known


def checks(connection: Connection, limit: int = 20) -> list[ListCheck]:
    """Return the newest checks, newest first."""
    query = select(exclusion_checks).order_by(exclusion_checks.c.id.desc()).limit(limit)
    return [ListCheck(**{**row._mapping, "kind": Direction(row.kind)}) for row in connection.execute(query)]


def forget(connection: Connection, e164: str) -> int:
    """Drop what is known of a number, which then counts as never checked; how many rows."""
    key = _key(e164)
    if key is None:
        return 0
    return connection.execute(delete(exclusions).where(exclusions.c.number == key)).rowcount


def purge(connection: Connection, before: datetime) -> int:
    """Drop up to `LOT` numbers of which nothing newer is known; how many."""
    old = select(exclusion_checks.c.id).where(exclusion_checks.c.at < before)
    day = before.date()
    over = (
        exclusions.c.permitted_on.is_(None) | (exclusions.c.permitted_on < day),
        exclusions.c.denied_on.is_(None) | (exclusions.c.denied_on < day),
        exclusions.c.asked_in.is_(None) | exclusions.c.asked_in.in_(old),
    )
    rows = connection.execute(select(exclusions.c.number, exclusions.c.source).where(*over).limit(LOT)).all()
    for source in {row.source for row in rows}:
        numbers = [row.number for row in rows if row.source == source]
        connection.execute(delete(exclusions).where(exclusions.c.source == source, _among(connection, numbers)))
    return len(rows)


def purge_all(database: Database, before: datetime) -> None:
    """Drop all numbers of which nothing newer is known, in small transactions."""
    count = LOT
    while count == LOT:
        with database.write() as connection:
            count = purge(connection, before)


def rows_of(connection: Connection, e164: str) -> list[dict[str, Any]]:
    """Return all that is kept of a number, by column."""
    query = select(exclusions).where(exclusions.c.number == _key(e164)).order_by(exclusions.c.source)
    return [dict(row._mapping) for row in connection.execute(query)]


def _upsert(
    database: Database, connection: Connection, numbers: Sequence[int], values: dict[str, Any], newest: str = ""
) -> None:
    """Note these values of each number. Where the day `newest` is known to be later, nothing changes."""
    if not numbers:
        return
    given = [literal(value, exclusions.c[name].type).label(name) for name, value in values.items()]
    rows = select(_each(connection, numbers), *given).where(text("true"))  # without it SQLite reads ON as a join's
    statement = database.insert(exclusions).from_select(["number", *values], rows)
    kept = {name: statement.excluded[name] for name in values if name != "source"}
    later = None
    if newest:
        column = exclusions.c[newest]
        later = column.is_(None) | (column <= statement.excluded[newest])
    statement = statement.on_conflict_do_update(index_elements=["number", "source"], set_=kept, where=later)
    connection.execute(statement)


def _among(connection: Connection, numbers: Sequence[int]) -> ColumnElement[bool]:
    """Whether a row is of one of these numbers."""
    return exclusions.c.number.in_(select(_each(connection, numbers)))


def _each(connection: Connection, numbers: Sequence[int]) -> ColumnElement[int]:
    """A column of these numbers, handed over as one value: thousands would each cost the database and its driver."""
    if connection.dialect.name == "postgresql":
        return func.unnest(literal(list(numbers), ARRAY(BigInteger)))
    return func.json_each(literal(json.dumps(list(numbers)))).table_valued("value").c.value


def _newest(day: date | None, other: date | None) -> date | None:
    return max((each for each in (day, other) if each is not None), default=None)


def _key(e164: str) -> int | None:
    digits = e164.removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() else None


def lots(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Yield the numbers in lots of `LOT`."""
    lot: list[int] = []
    for number in numbers:
        lot.append(number)
        if len(lot) == LOT:
            yield lot
            lot = []
    if lot:
        yield lot
