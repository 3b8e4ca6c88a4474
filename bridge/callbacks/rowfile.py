"""The rows of a campaign's CSV file as tasks, one after another, with what is wrong with those that can't be called.

Nothing grows with the file but a few bytes for each row, by which doubles are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.callbacks.desk import unfit
from bridge.callbacks.tasks import LONGEST_ID, Rules, Wish
from bridge.config.checks.callbacks import no_number
from bridge.errors import BridgeError
from connectors.base import Task
from connectors.csv import reading as csvread

ID = "id"


class FileUnreadable(BridgeError):
    """The file can't be read as a list of people; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row. `number` as a spreadsheet counts it. `fault`: why it can't be called, None where it can; then `wish` says
    whom, and `task` is what is to be kept."""

    number: int
    task: Task
    wish: Wish | None
    fault: str | None
    gate: str = ""


@dataclass
class RowFile:
    """A CSV file of people to call, in whatever characters and with whatever delimiter. `prefix`: what the ids of its
    tasks begin with. A row is known by its column `id`; where the file has none, by its number: then nobody is called
    twice by one campaign. Iterating raises `FileUnreadable`."""

    path: Path
    rules: Rules
    prefix: str
    language: str
    encoding: str | None = None
    delimiter: str | None = None
    oddities: csvread.Oddities = field(default_factory=csvread.Oddities)

    def __iter__(self) -> Iterator[Row]:
        """The rows, in order."""
        try:
            with self.path.open("rb") as stream:
                found = csvread.characters(stream, self.encoding)
                layout = csvread.layout(stream, found.encoding, self.delimiter)
                lacks = no_number(self.rules.source, filter(None, layout.header))
                if lacks is not None:
                    raise FileUnreadable(f"{self.path}: {lacks}")
                with csvread.text(stream, found.encoding) as lines:
                    yield from self._rows(csvread.rows(lines, layout, self.oddities), layout.header)
        except csvread.Damaged as error:
            raise FileUnreadable(f"{self.path}: {error}") from error
        except OSError as error:
            raise FileUnreadable(f"{self.path}: {error.strerror or error}") from error

    def _rows(self, rows: Iterator[tuple[int, list[str]]], header: tuple[str, ...]) -> Iterator[Row]:
        seen: set[bytes] = set()
        for number, cells in rows:
            fields = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name}
            yield self._row(number, fields, seen)

    def _row(self, number: int, fields: dict[str, str], seen: set[bytes]) -> Row:
        wish = self.rules.wish(Task("", fields))
        refusal = unfit(self.rules, wish, self.language)
        name = fields.get(ID, "") if ID in fields else wish.number.e164
        task = Task(f"{self.prefix}{name}", fields)
        if refusal is not None:
            return Row(number, task, None, refusal[1], refusal[0])
        if not self.rules.takes(task):
            return Row(number, task, None, "`when:` of the source does not hold for it", "when")
        if not name:
            return Row(number, task, None, "its column id is empty", "task")
        if len(task.id) > LONGEST_ID:
            return Row(number, task, None, f"its id is longer than {LONGEST_ID} characters", "task")
        known = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if known in seen:
            same = "the same id" if ID in fields else "the same number"
            return Row(number, task, None, f"an earlier row has {same}", "double")
        seen.add(known)
        return Row(number, task, wish, None)
