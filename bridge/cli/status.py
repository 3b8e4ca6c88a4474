"""`status`: what needs a person, worst first, and how lines, jobs and callbacks stand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bridge.callbacks import CallbackService
from bridge.callbacks.gates import Gate
from bridge.cli.bilingual import Command
from bridge.cli.codes import code
from bridge.cli.commands import show_json
from bridge.cli.desk import iso, standing
from bridge.cli.language import language
from bridge.cli.options import config_option, json_option
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
from bridge.texts import Language, Plural, Text, literal, said
from bridge.troubles import SEVERITIES, Place, Severity, Trouble, current
from bridge.troubles.ledger import LedgerUnusable
from bridge.troubles.registry import reported

_MOST = 10
"""Reasons of callbacks that are shown."""
_MODES = {
    "running": Text("emits"),
    "paused": Text("emissions paused"),
    "stopped": Text("emissions stopped"),
    "held": Text("emissions held"),
}


@dataclass
class _Status:
    """All that is shown. `nothing_yet`: why there is no database, None where there is one. `language`: the
    reader's."""

    troubles: list[Trouble] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, int] = field(default_factory=dict)
    kept_back: list[overview.KeptBackCount] = field(default_factory=list)
    nothing_yet: Text | None = None
    language: Language = "en"


@click.command(cls=Command)
@config_option
@json_option
def status(config: Path, as_json: bool) -> int:
    """Say what needs you, worst first, since when, and what to do; exit code 1 if something is lost meanwhile."""
    summary = _status(config)
    if as_json:
        report = {
            "troubles": [_brief(trouble, summary.language) for trouble in summary.troubles],
            "lines": summary.lines,
            "jobs": summary.jobs,
            "callbacks": summary.callbacks,
        }
        show_json(report)
    else:
        for text in _shown(summary):
            click.echo(text.render(summary.language) if isinstance(text, Text) else text)
    return int(any(trouble.severity is Severity.ERROR for trouble in summary.troubles))


def _status(config: Path) -> _Status:
    read = attempt(config)
    readable = read.loaded or _what_can_be_read(config)
    with _database(readable) as database:
        summary = _Status(language=language())
        usual = config.absolute().parent / Configuration.model_fields["state"].default
        state = existing_state_folder(readable) if readable is not None else usual
        place = Place(read.loaded, database, state, read.faults)
        try:
            troubles = reported(state, time.time())
        except LedgerUnusable as error:
            text = Text("what the running bridge noticed can't be read: {error}", error=said(error))
            click.echo(text.render(summary.language), err=True)
            troubles = []
        summary.troubles = current(place, troubles)
        if readable is not None and database is not None:
            _add_figures(summary, readable, database, whole=read.loaded is not None)
    return summary


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


def _add_figures(summary: _Status, loaded: Loaded, database: Database, *, whole: bool) -> None:
    if database.path is not None and not database.path.exists():
        summary.nothing_yet = Text(
            "there is no database at {path} yet: `infocaller-bridge serve` makes it", path=database.path
        )
        return
    try:
        configuration = (with_what_is_known(loaded, database) if not whole else loaded).configuration
    except StoreUnavailable:
        return  # the troubles say why
    desk = CallbackService(database, queue_for(database), lambda: configuration, lambda: datetime.now(UTC))
    try:
        summary.lines = [standing(line) for line in desk.queries.lines()]
        with database.read() as connection:
            counts = deliveries.counts(connection)
            oldest = overview.oldest_pending(connection)
            summary.callbacks = overview.callback_states(connection)
            summary.kept_back = overview.kept_back(connection)
        states = (State.PENDING, State.RUNNING, State.DEAD)
        by_state = {state.value: sum(n for (_, other), n in counts.items() if other is state) for state in states}
        summary.jobs = {**by_state, "oldest": iso(oldest)}
    except StoreUnavailable:
        return  # the troubles say why


def _brief(trouble: Trouble, language: Language) -> dict[str, Any]:
    return {
        "id": trouble.id,
        "severity": trouble.severity.value,
        "since": iso(trouble.since),
        "count": trouble.count,
        "text": trouble.text.render(language),
        "action": trouble.action.render(language),
    }


def _shown(summary: _Status) -> Iterator[Text | str]:
    now = datetime.now(UTC)
    for trouble in summary.troubles:
        severity = f"{SEVERITIES[trouble.severity].render(summary.language):7}"
        yield Text(
            "{severity}  {id}  since {when:%Y-%m-%d %H:%M} ({facts}): {text}",
            severity=severity, id=trouble.id, when=trouble.since.astimezone(),
            facts=", ".join(fact.render(summary.language) for fact in _facts(trouble, now)), text=trouble.text,
        )  # fmt: skip
        yield f"         → {trouble.action.render(summary.language)}"
    if not summary.troubles:
        yield Text("nothing needs you")
    yield ""
    if summary.nothing_yet is not None:
        yield summary.nothing_yet
        return
    for line in summary.lines:
        yield Plural(
            "line {name}: {mode}, {count:,} call emitted today", "line {name}: {mode}, {count:,} calls emitted today",
            line["today"], name=line["name"], mode=_MODES[line["mode"]],
        )  # fmt: skip
    if summary.jobs:
        yield from _jobs(summary.jobs, now)
    if summary.callbacks:
        counts = [f"{count:,} {code(state)}" for state, count in sorted(summary.callbacks.items())]
        yield Text("callbacks: {counts}", counts=", ".join(counts))
    for kept in summary.kept_back[:_MOST]:
        shown: Text = Text(
            "{count:,} {state} of {source}: {reason}",
            count=kept.count, state=code(kept.state.value), source=kept.source, reason=said(kept.reason),
        )  # fmt: skip
        # by hand: it is looked at again to expire, not to be tried; in the past: others of its line go first
        if kept.next_at and kept.next_at > now and kept.gate != Gate.BY_HAND:
            shown = Text("{shown}; next try {when:%Y-%m-%d %H:%M}", shown=shown, when=kept.next_at.astimezone())
        yield f"  {shown.render(summary.language)}"
    if len(summary.kept_back) > _MOST:
        yield Text("  more reasons: `infocaller-bridge callbacks list`")


def _facts(trouble: Trouble, now: datetime) -> Iterator[Text]:
    yield literal(_long(now - trouble.since))
    if trouble.count > 1:
        yield Plural("{count:,} time", "{count:,} times", trouble.count)


def _jobs(jobs: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    waiting, dead = jobs["pending"] + jobs["running"], jobs["dead"]
    if jobs["oldest"]:
        yield Text(
            "jobs: {waiting:,} on their way to the CRMs, the oldest for {age}; {dead:,} dead",
            waiting=waiting, age=_long(now - datetime.fromisoformat(jobs["oldest"])), dead=dead,
        )  # fmt: skip
    else:
        yield Text("jobs: {waiting:,} on their way to the CRMs; {dead:,} dead", waiting=waiting, dead=dead)


def _long(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
