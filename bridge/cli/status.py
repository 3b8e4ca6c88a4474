"""`status`: what needs a person, worst first, and how lines, jobs and callbacks stand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bridge.callbacks import CallbackService
from bridge.cli.desk import iso, standing
from bridge.cli.options import config_option
from bridge.cli.stored import with_what_is_known
from bridge.config.essentials import essentials
from bridge.config.load import Loaded, attempt
from bridge.config.model import Configuration
from bridge.errors import BridgeError, StoreUnavailable
from bridge.queue import queue_for
from bridge.runtime.state import existing_state_folder
from bridge.store import deliveries, overview
from bridge.store.database import Database, unprepared
from bridge.store.deliveries import State
from bridge.troubles import Place, Severity, Trouble, current
from bridge.troubles.ledger import Unusable
from bridge.troubles.registry import reported

_MOST = 10
"""Reasons of callbacks that are shown."""


@dataclass
class _Status:
    """All that is shown. `nothing_yet`: why there is no database, empty where there is one."""

    troubles: list[Trouble] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, int] = field(default_factory=dict)
    kept_back: list[overview.KeptBack] = field(default_factory=list)
    nothing_yet: str = ""


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def status(config: Path, as_json: bool) -> int:
    """Say what needs you, worst first, since when, and what to do; exit code 1 if something is lost meanwhile."""
    found = _status(config)
    if as_json:
        told = {
            "troubles": [_brief(one) for one in found.troubles],
            "lines": found.lines,
            "jobs": found.jobs,
            "callbacks": found.callbacks,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for text in _shown(found):
            click.echo(text)
    return int(any(one.severity is Severity.ERROR for one in found.troubles))


def _status(config: Path) -> _Status:
    read = attempt(config)
    readable = read.loaded or _what_can_be_read(config)
    with _database(readable) as database:
        found = _Status()
        usual = config.absolute().parent / Configuration.model_fields["state"].default
        state = existing_state_folder(readable) if readable is not None else usual
        place = Place(read.loaded, database, state, read.faults)
        try:
            known = reported(state, time.time())
        except Unusable as error:
            click.echo(f"what the running bridge noticed can't be read: {error}", err=True)
            known = []
        found.troubles = current(place, known)
        if readable is not None and database is not None:
            _add_figures(found, readable, database, whole=read.loaded is not None)
    return found


def _what_can_be_read(config: Path) -> Loaded | None:
    """What a configuration that is refused says of its database; None where that can't be told."""
    try:
        return essentials(config).loaded
    except BridgeError:  # the configuration's faults, which are told, say the same
        return None


@contextmanager
def _database(loaded: Loaded | None) -> Iterator[Database | None]:
    if loaded is None:
        yield None
        return
    try:
        database = unprepared(loaded.configuration.database.get_secret_value(), loaded.folder, pool=1)
    except StoreUnavailable:
        yield None
        return
    try:
        yield database
    finally:
        database.close()


def _add_figures(found: _Status, loaded: Loaded, database: Database, *, whole: bool) -> None:
    if database.path is not None and not database.path.exists():
        found.nothing_yet = f"there is no database at {database.path} yet: `infocaller-bridge serve` makes it"
        return
    try:
        known = (with_what_is_known(loaded, database) if not whole else loaded).configuration
    except StoreUnavailable:
        return  # the troubles say why
    desk = CallbackService(database, queue_for(database), lambda: known, lambda: datetime.now(UTC))
    try:
        found.lines = [standing(one) for one in desk.lines()]
        with database.read() as connection:
            counts = deliveries.counts(connection)
            oldest = overview.oldest_pending(connection)
            found.callbacks = overview.callback_states(connection)
            found.kept_back = overview.kept_back(connection)
        states = (State.PENDING, State.RUNNING, State.DEAD)
        by_state = {one.value: sum(n for (_, state), n in counts.items() if state is one) for one in states}
        found.jobs = {**by_state, "oldest": iso(oldest)}
    except StoreUnavailable:
        return  # the troubles say why


def _brief(one: Trouble) -> dict[str, Any]:
    return {
        "id": one.id,
        "severity": one.severity.value,
        "since": iso(one.since),
        "count": one.count,
        "text": one.text,
        "action": one.action,
    }


def _shown(found: _Status) -> Iterator[str]:
    now = datetime.now(UTC)
    for one in found.troubles:
        often = f", {one.count:,} times" if one.count > 1 else ""
        since = f"since {one.since.astimezone():%Y-%m-%d %H:%M} ({_long(now - one.since)}{often})"
        yield f"{one.severity.value.upper():7}  {one.id}  {since}: {one.text}"
        yield f"         → {one.action}"
    if not found.troubles:
        yield "nothing needs you"
    yield ""
    if found.nothing_yet:
        yield found.nothing_yet
        return
    for line in found.lines:
        mode = "emits" if line["mode"] == "running" else f"emissions {line['mode']}"
        yield f"line {line['name']}: {mode}, {line['today']:,} calls emitted today"
    if found.jobs:
        oldest = found.jobs["oldest"]
        waiting = found.jobs["pending"] + found.jobs["running"]
        age = f", the oldest for {_long(now - datetime.fromisoformat(oldest))}" if oldest else ""
        yield f"jobs: {waiting:,} on their way to the CRMs{age}; {found.jobs['dead']:,} dead"
    if found.callbacks:
        yield "callbacks: " + ", ".join(f"{count:,} {state}" for state, count in sorted(found.callbacks.items()))
    for kept in found.kept_back[:_MOST]:
        again = f"; next try {kept.next_at.astimezone():%Y-%m-%d %H:%M}" if kept.next_at else ""
        yield f"  {kept.count:,} {kept.state.value} of {kept.source}: {kept.reason}{again}"
    if len(found.kept_back) > _MOST:
        yield "  more reasons: `infocaller-bridge callbacks list`"


def _long(span: timedelta) -> str:
    """A length of time, roughly."""
    seconds = max(0, int(span.total_seconds()))
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
