"""Which callback a task is: one task is one callback, whichever source it comes by.

A task is known by its origin and its id. The origin is the connector, or, of tasks that come by HTTP and of campaigns,
the name of their source (`CallbackSource.origin`). An origin that the configuration does not have any more may have got
another name there: the same id with the same number is the same task.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy import Connection

from bridge.config.callbacks import FROM
from bridge.config.model import Configuration
from bridge.store import callbacktasks
from bridge.store.callbacks import Callback
from bridge.store.database import Database

_log = logging.getLogger("bridge.callbacks")
_PIECE = 2000


def known(
    connection: Connection, configuration: Configuration, origin: str, numbers: Mapping[str, str]
) -> dict[str, Callback]:
    """Return the callbacks of these tasks of one origin, by task_key, of those that are there already. `numbers`: who
    is to be rung, by task_key."""
    best = {}
    stored = callbacktasks.by_keys(connection, numbers)
    for key, candidates in stored.items():
        same = [callback for callback in candidates if _same(configuration, callback, origin, numbers[key])]
        if same:
            best[key] = max(same, key=lambda callback: _counts(callback, origin))
    return best


def called_before(connection: Connection, configuration: Configuration, callback: Callback) -> Callback | None:
    """Return another callback of the same task whose phone may have rung. There is none, unless an older version made
    two."""
    origin = origin_of(configuration, callback)
    for other in callbacktasks.by_keys(connection, [callback.task_key]).get(callback.task_key, []):
        if other.id != callback.id and other.rung_at and _same(configuration, other, origin, callback.number):
            return other
    return None


def origin_of(configuration: Configuration, callback: Callback) -> str:
    """Return what the task of a callback comes from; of one that has no origin yet, that of its source, as far as that
    is known."""
    if callback.origin:
        return callback.origin
    source = configuration.source(callback.source)
    return source.origin if source is not None else ""


def connector_of(configuration: Configuration, callback: Callback) -> str | None:
    """Return the connector whose task it is, None where there is none, or the configuration has it no more."""
    kind, _, name = origin_of(configuration, callback).partition(":")
    # one that is out of order is not among the connectors, but a source names it
    connectors = {*configuration.connectors, *(source.connector for source in configuration.callbacks)}
    return name if kind == FROM and name in connectors else None


def take_up(database: Database, configuration: Configuration) -> None:
    """Give the callbacks that an older version stored their origin, as far as the configuration knows it, and say what
    becomes of those whose source it does not have any more."""
    for source in configuration.callbacks:
        number = _PIECE
        while number == _PIECE:
            with database.write() as connection:
                number = callbacktasks.fill_in(connection, source.title, source.origin, _PIECE)
    origins = _origins(configuration)
    with database.read() as connection:
        dropped = callbacktasks.others_than(connection, [source.title for source in configuration.callbacks])
    for former in dropped:
        if former.rung or former.waiting:
            goes_on = (
                f"a source from: {former.origin.partition(':')[2]} takes over those that wait, when it lists them"
                if former.origin in origins
                else "those that wait are not called, unless they come again or a source gets this name again"
            )
            _log.warning(
                "callbacks %s: the configuration has no such source any more. The same tasks are not called again: %d "
                "of them were called, %d wait; %s",
                former.source, former.rung, former.waiting, goes_on,
            )  # fmt: skip


def _same(configuration: Configuration, callback: Callback, origin: str, number: str) -> bool:
    """Whether it is the callback of a task of this origin with its id. (One whose data was erased has no number.)"""
    of = origin_of(configuration, callback)
    return of == origin or (of not in _origins(configuration) and callback.number in ("", number))


def _counts(callback: Callback, origin: str) -> tuple[bool, bool, int]:
    """Which of several callbacks of one task counts: one that may have rung, before all others."""
    return callback.rung_at is not None, callback.origin == origin, callback.id


def _origins(configuration: Configuration) -> frozenset[str]:
    return frozenset(source.origin for source in configuration.callbacks)
