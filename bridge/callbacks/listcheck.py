"""The round trip with an exclusion list: the numbers of a campaign's file go out, and those that may be called come
back. Nothing grows with the files: which numbers there are is kept in the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bridge.callbacks.gates import Gate
from bridge.callbacks.numberfile import NumberFile
from bridge.callbacks.parts import Book
from bridge.callbacks.rowfile import RowFile
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import callbacks, exclusions
from bridge.store.database import Database
from bridge.store.exclusions import Direction
from connectors.csv.source import FileForm

_OF_TASK = re.compile(r"\{\{\s*task\.([A-Za-z_]\w*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class WentOut:
    """Numbers that go out: of each row who is rung, and whom the call is about. `check`: its id; `rows`: of the file;
    `without`: those of them without a number that the line may call."""

    check: int
    numbers: int
    rows: int
    without: int


@dataclass(frozen=True, slots=True)
class CameBack:
    """Permitted numbers that came back. `permitted`: how many, doubles included; `listed`: how many that went out with
    them did not, so they are in the list; `rows`, `without`: of the file, and without a number."""

    check: int
    permitted: int
    listed: int
    rows: int
    without: int


def send_out(
    database: Database,
    rows: RowFile,
    now: datetime,
    write: Callable[[Sequence[int]], None],
    progress: Callable[[int], None],
) -> WentOut:
    """Write the numbers of a campaign's file in lots, each number once and in order, and note that they went out.
    Raises `FileUnreadable`, `StoreUnavailable`."""
    with database.write() as connection:
        check = exclusions.begin(connection, Direction.OUT, rows.rules.title, str(rows.path), now)
    source = _Callable(rows)
    noted = 0
    for lot in exclusions.lots(source.numbers()):
        with database.write() as connection:
            exclusions.ask(database, connection, check, sorted(set(lot)))
        noted += len(lot)
        progress(noted)
    count, after = 0, 0
    while True:
        with database.read() as connection:
            numbers = exclusions.went_out(connection, check, after)
        if not numbers:
            break
        write(numbers)
        count, after = count + len(numbers), numbers[-1]
    with database.write() as connection:
        exclusions.counted(connection, check, count)
    return WentOut(check, count, source.rows, source.without)


class _Callable:
    """The numbers of a campaign's file. Where a source takes them just as one column has them, nothing else of a row is
    looked at: which is what makes a million of them take seconds."""

    def __init__(self, rows: RowFile) -> None:
        self._rows = rows
        self.rows = self.without = 0

    def numbers(self) -> Iterator[int]:
        rows = self._rows
        source = rows.rules.source
        plain = _OF_TASK.fullmatch(source.number.source.strip())
        if plain is None or source.when is not None or source.customer is not None:
            yield from self._by_rules()
            return
        form = FileForm(rows.encoding, rows.delimiter, rows.sheet)
        file = NumberFile(rows.path, rows.rules.line.country, rows.language, plain[1], form)
        yield from file
        self.rows, self.without = file.rows, file.empty

    def _by_rules(self) -> Iterator[int]:
        for row in self._rows:
            self.rows += 1
            if row.wish is None:
                self.without += 1
            else:
                yield from {int(phone.digits) for phone in (row.wish.number, row.wish.customer)}


def take_back(
    database: Database,
    queue: Queue,
    book: Book,
    file: NumberFile,
    checked_on: date,
    source: str | None,
    now: datetime,
    progress: Callable[[int], None],
) -> CameBack:
    """Note which numbers may be called, as a check of this day says, for one source or for all; and which of those that
    went out with them may not. Who waits for that is looked at again. Raises `FileUnreadable`, `StoreUnavailable`."""
    whose = source or exclusions.EVERY_SOURCE
    with database.write() as connection:
        check = exclusions.begin(connection, Direction.BACK, whose, str(file.path), now, checked_on)
    asked: set[int] = set()
    count = 0
    for lot in exclusions.lots(file):
        with database.write() as connection:
            asked |= exclusions.permit(database, connection, check, whose, checked_on, sorted(set(lot)))
        count += len(lot)
        progress(count)
    if not file.rows:  # nobody may be called: then that answers all that was asked
        with database.read() as connection:
            asked = exclusions.unanswered(connection, checked_on)
    listed = sum(_denied(database, went_out, check, whose, checked_on) for went_out in sorted(asked))
    with database.write() as connection:
        exclusions.counted(connection, check, count)
    _look_again(database, queue, book, source, now)
    return CameBack(check, count, listed, file.rows, file.empty)


def _denied(database: Database, went_out: int, check: int, source: str, checked_on: date) -> int:
    listed, after = 0, 0
    while True:
        with database.write() as connection:
            count, last = exclusions.deny(database, connection, went_out, check, source, checked_on, after)
        listed += count
        if last is None:
            return listed
        after = last


def _look_again(database: Database, queue: Queue, book: Book, source: str | None, now: datetime) -> None:
    titles = [source] if source is not None else [title for title, rules in book.rules.items() if rules.commercial]
    count = exclusions.LOT
    while count == exclusions.LOT:
        with database.write() as connection:
            count = callbacks.look_again(connection, Gate.EXCLUSION_LIST.value, titles, now, exclusions.LOT)
    with database.write() as connection:
        for line in {book.rules[title].line.number for title in titles if title in book.rules}:
            queue.wake(connection, LINE, line_key(line, now))
