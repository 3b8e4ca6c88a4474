"""What the commands about stored data share: opening the database of a configuration, numbers, moments, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from bridge.cli.language import say, words
from bridge.config.callbacks import CallbackSource
from bridge.config.essentials import Essentials, essentials
from bridge.config.load import Loaded, load
from bridge.config.model import Configuration, Line
from bridge.errors import StoreUnavailable
from bridge.runtime.state import state_folder
from bridge.store.database import Database, unprepared
from bridge.store.emissions import names
from bridge.store.schema import connect
from bridge.store.spool import Spool
from bridge.texts import Plural, Text
from connectors.phone import Phone, parse

_WIDEST, _WIDEST_LAST = 60, 120


class NotServedYet(StoreUnavailable):
    """There is no database, because nothing was served by this configuration so far."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(Text("there is no database at {path} yet: `infocaller-bridge serve` makes it", path=path)))


@dataclass(frozen=True, slots=True)
class Stored:
    """A configuration, or what can be read of it, and its database."""

    loaded: Loaded
    database: Database

    @property
    def configuration(self) -> Configuration:
        return self.loaded.configuration

    def line(self, number: str) -> Line:
        """Return the line with this number, or the first where it is gone from the configuration."""
        return self.configuration.line(number) or self.configuration.lines[0]


@contextmanager
def stored(config: Path, *, strict: bool = False) -> Iterator[Stored]:
    """Yield the database of a configuration, open. Raises `StoreUnavailable`; a database that is not there is not made
    (`NotServedYet`), because whoever runs a command need not be who runs the server.

    It needs no more than the database, whatever else in the configuration is at fault: of the rest there is what can be
    read, and the lines and sources that the database knows. `strict`: the configuration has to be good, else
    `ConfigurationFaults` is raised.
    """
    readable = Essentials(load(config), (), whole=True) if strict else essentials(config)
    if readable.faults:
        text = Plural(
            "warning: {file} has {count:,} fault; `infocaller-bridge check` says more",
            "warning: {file} has {count:,} faults; `infocaller-bridge check` says more",
            len(readable.faults), file=config,
        )  # fmt: skip
        say(text, err=True)
    loaded = readable.loaded
    url = loaded.configuration.database.get_secret_value()
    missing = unprepared(url, loaded.folder)
    path = missing.path
    missing.close()
    if path is not None and not path.exists():
        raise NotServedYet(path)
    database = connect(url, loaded.folder)
    try:
        yield Stored(loaded if readable.whole else with_what_is_known(loaded, database), database)
    finally:
        database.close()


def with_what_is_known(loaded: Loaded, database: Database) -> Loaded:
    """With those lines and sources besides that the database knows: to stop one takes no more than its name."""
    configuration = loaded.configuration
    with database.read() as connection:
        lines, sources = names(connection)
    lines -= {line.number for line in configuration.lines}
    sources -= {source.title for source in configuration.callbacks}
    more = {
        "lines": [*configuration.lines, *map(_line, sorted(lines))] or [_line("unknown")],
        "callbacks": [*configuration.callbacks, *map(_source, sorted(sources))],
    }
    return replace(loaded, configuration=configuration.model_copy(update=more))


def _line(number: str) -> Line:
    return Line.model_validate({"number": number, "password": "-"})


def _source(name: str) -> CallbackSource:
    return CallbackSource.model_validate({"name": name, "line": "-", "rule_group": "-"})


@contextmanager
def spool(of: Stored) -> Iterator[Spool | None]:
    """This machine's spool, None where there is none."""
    path = state_folder(of.loaded) / "spool.db" if of.database.postgresql else None
    if path is None or not path.exists():
        yield None
        return
    opened = Spool(path)
    try:
        yield opened
    finally:
        opened.close()


def number(text: str, configuration: Configuration) -> Phone:
    """Return a phone number in any spelling, by the first line's country. Raises `click.BadParameter`."""
    country = configuration.lines[0].country
    phone = parse(text, country)
    if not phone:
        reason = Text(
            "{number} is no phone number of {country}; write it with + and its country code",
            number=repr(text),
            country=country,
        )
        raise click.BadParameter(words(reason))
    return phone


class LineMoment(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A date or a time of the lines' own clock, naive. `end`: a date alone means the end of that day."""

    name = "DATE[THH:MM[:SS]]"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = datetime.min.replace(tzinfo=ZoneInfo("UTC"))
        if moment.tzinfo is not None:
            text = Text("{value}: write 2026-03-31 or 2026-03-31T14:30, in the line's time", value=repr(value))
            self.fail(words(text), param, ctx)
        return moment + timedelta(days=1) if self._end and len(value) <= len("2026-03-31") else moment


def within(moment: datetime | None, line: Line) -> datetime | None:
    """Return a moment of the line's own clock, aware."""
    return None if moment is None else moment.replace(tzinfo=ZoneInfo(line.timezone))


def local(moment: datetime | None, line: Line) -> str:
    """Return a moment on the line's own clock, for people; empty for None."""
    return "" if moment is None else f"{moment.astimezone(ZoneInfo(line.timezone)):%Y-%m-%d %H:%M:%S}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield rows in columns below their heads, a line each; the last column takes what it needs, up to a bound. What is
    too long loses its middle: the reason of an error stands at its end."""
    cells = [list(head), *([*map(_one_line, row[:-1]), _one_line(row[-1], _WIDEST_LAST)] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head) - 1)]
    for row in cells:
        yield "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def _one_line(value: object, widest: int = _WIDEST) -> str:
    text = " ".join(str(value).split())
    half = widest // 2
    return text if len(text) <= widest else f"{text[:half]}…{text[1 + half - widest :]}"


def printable(text: str) -> str:
    """Return the text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
