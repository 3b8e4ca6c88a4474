"""What is wrong by what the database and the disk show, whoever looks and whenever. Nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from bridge.errors import StoreUnavailable
from bridge.store.database import Database
from bridge.store.faults import NO_WRITES
from bridge.store.tables import REVISION
from bridge.store.version import revision, works_beside
from bridge.texts import Text, said
from bridge.troubles import calling, clock, host, silence, work
from bridge.troubles.observation import Observation, Place, quoted
from bridge.troubles.trouble import Severity

_LOOKS: tuple[Callable[[Place, Connection, datetime], Iterator[Observation]], ...] = (
    work.of_workers,
    work.of_jobs,
    calling.of_emissions,
    calling.of_rejected,
    calling.of_unsettled,
    calling.of_claims,
    silence.of_calls,
    clock.of_calls,
)
"""What the database shows."""


def observe(place: Place, now: datetime) -> list[Observation]:
    """Return all that can be seen to be wrong."""
    of_host = [*host.of_configuration(place), *host.of_disk(place), *host.of_spool(place)]
    return [*of_host, *_database(place, now), *silence.of_queries(place, now)]


def _database(place: Place, now: datetime) -> Iterator[Observation]:
    database = place.database
    if database is None or (database.path is not None and not database.opened and not database.path.exists()):
        return
    try:
        with database.read() as connection:
            current = revision(connection)
            beside = current is not None and current > REVISION and works_beside(connection)
            observations = [*_no_writes(database, connection), *_other_version(database, current, beside=beside)]
            if current == REVISION or beside:
                observations += [observation for look in _LOOKS for observation in look(place, connection, now)]
    except StoreUnavailable as error:
        observations = [_away(database, error)]
    yield from observations


def _away(database: Database, error: StoreUnavailable) -> Observation:
    text = Text(
        "The database can't be used: {error}. Queries are answered, events are refused, nothing reaches the CRMs and "
        "nobody is called back",
        error=said(quoted(str(error))),
    )
    action = Text("Mend what the text names")
    if database.postgresql:
        text = Text(
            "The database can't be used: {error}. Queries are answered, this host keeps events meanwhile, nothing "
            "reaches the CRMs and nobody is called back",
            error=said(quoted(str(error))),
        )
        action = Text("Start the database server, or mend `database:`")
    return Observation("database", "", Severity.ERROR, text, action)


def _no_writes(database: Database, connection: Connection) -> Iterator[Observation]:
    """Yield that the database can be read and not written, as that of a standby."""
    if database.postgresql and connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on":
        yield _away(database, StoreUnavailable(f"{database.name}: {NO_WRITES}"))


def _other_version(database: Database, current: str | None, *, beside: bool) -> Iterator[Observation]:
    if current is None or current == REVISION:
        return  # None: nothing has started on it yet
    severity, name = Severity.ERROR, database.name
    action = Text("Install the newer version here, too")
    if beside:
        severity = Severity.WARNING
        text = Text(
            "{database} is of a newer version of the bridge ({revision}; this program's is {own}), beside which this "
            "one works on",
            database=name, revision=current, own=REVISION,
        )  # fmt: skip
    elif current > REVISION and database.postgresql:
        text = Text(
            "{database} is of a newer version of the bridge ({revision}; this program's is {own}): this host does no "
            "background work, takes no callbacks, and keeps events until it has that version, too",
            database=name, revision=current, own=REVISION,
        )  # fmt: skip
    elif current > REVISION:
        text = Text(
            "{database} is of a newer version of the bridge ({revision}; this program's is {own}): events are refused, "
            "nothing reaches the CRMs and nobody is called back",
            database=name, revision=current, own=REVISION,
        )  # fmt: skip
    else:
        text = Text(
            "{database} is of an older version of the bridge ({revision}; this program's is {own})",
            database=name, revision=current, own=REVISION,
        )  # fmt: skip
        action = Text("Restart the bridge: that brings the database up to date")
    yield Observation("database", "", severity, text, action)
