"""The rows of a campaign's file as tasks, one after another, with what is wrong with those that can't be called.

Nothing grows with the file but a few bytes for each row, by which doubles are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bridge.callbacks import gates
from bridge.callbacks.tasks import LONGEST_ID, Rules, Wish
from bridge.config.checks.callbacks import no_number
from bridge.errors import BridgeError
from bridge.texts import Language
from connectors.base import Task
from connectors.csv.columns import Columns
from connectors.csv.reading import Damaged, Oddities
from connectors.csv.source import FileForm, table_rows

ID = "id"


class FileUnreadable(BridgeError):
    """The file can't be read as a list of people; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A row. `number` as a spreadsheet counts it. `fault`: why it can't be called, None where it can; then `wish` says
    whom, and `task` is what is to be kept. `double`: an earlier row is the same task."""

    number: int
    task: Task
    wish: Wish | None
    fault: str | None
    gate: str = ""
    double: bool = False


@dataclass
class RowFile:
    """A CSV file, in whatever characters and with whatever delimiter, or a spreadsheet, of people to call. `prefix`:
    what the ids of its tasks begin with. A row is known by its column `id`; where the file has none, by its number:
    then nobody is called twice by one campaign. Iterating raises `FileUnreadable`."""

    path: Path
    rules: Rules
    prefix: str
    language: Language
    now: datetime
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    oddities: Oddities = field(default_factory=Oddities)

    def __iter__(self) -> Iterator[CampaignRow]:
        """Yield the rows, in order."""
        try:
            form = FileForm(self.encoding, self.delimiter, self.sheet)
            with (
                self.path.open("rb") as stream,
                table_rows(stream, self.path, form, Columns(), self.oddities, self._is_header) as table,
            ):
                lacks = self._lacks(Columns().all_names(table.header))
                if lacks is not None:
                    raise FileUnreadable(f"{self.path}: {lacks}")
                yield from self._rows(table.rows, table.header)
        except Damaged as error:
            raise FileUnreadable(f"{self.path}: {error}") from error
        except OSError as error:
            raise FileUnreadable(f"{self.path}: {error.strerror or error}") from error

    def _lacks(self, names: Iterable[str]) -> str | None:
        """What is wrong where these are the columns."""
        return no_number(self.rules.source, filter(None, names))

    def _is_header(self, cells: Sequence[str]) -> bool:
        return self._lacks(Columns().all_names(cells)) is None

    def _rows(self, rows: Iterator[tuple[int, list[str]]], header: tuple[str, ...]) -> Iterator[CampaignRow]:
        seen: set[bytes] = set()
        columns = Columns()
        for number, cells in rows:
            fields = {name: cell.strip() for name, cell in columns.fields(header, cells).items()}
            yield self._row(number, fields, seen)

    def _row(self, number: int, fields: dict[str, str], seen: set[bytes]) -> CampaignRow:
        wish = self.rules.wish(Task("", fields))
        decision = gates.admit(gates.wished(wish), gates.Facts(rules=self.rules, now=self.now))
        name = fields.get(ID, "") if ID in fields else wish.number.e164
        task = Task(f"{self.prefix}{name}", fields)
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if decision.gate is not None and decision.final:
            text = decision.text(self.language)
            return CampaignRow(number, task, None, text, decision.gate.value, digest in seen)
        if not name:
            return CampaignRow(number, task, None, "its column id is empty", "task")
        if len(task.id) > LONGEST_ID:
            return CampaignRow(number, task, None, f"its id is longer than {LONGEST_ID} characters", "task")
        if digest in seen:
            same = "the same id" if ID in fields else "the same number"
            return CampaignRow(number, task, None, f"an earlier row has {same}", "double", True)
        if not self.rules.takes(task):
            return CampaignRow(number, task, None, "`when:` of the source does not hold for it", "when")
        seen.add(digest)
        return CampaignRow(number, task, wish, None)
