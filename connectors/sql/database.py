"""The database as everything here asks it: one transaction at a time on a connection of a pool, within a time limit
that holds on both sides, with errors in the words of `connectors.base`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Inspector, create_engine, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from connectors.base import ConnectorError, Context, Deadline, Misconfigured, Rejected, TimedOut, Unavailable
from connectors.masking import Mask
from connectors.sql import urls
from connectors.sql.families import Fault, family_of
from connectors.sql.options import SqlOptions
from connectors.sql.statements import Parsed
from connectors.sql.turns import FairTurns
from connectors.sql.watchdog import SqlWatch, Watchdog
from connectors.steps import settle
from connectors.threads import DaemonThreadPool

T = TypeVar("T")
_CONNECTING = 10.0  # seconds that a connection may take to be made, by whoever can wait for it
_RECYCLED = 1800  # seconds after which a connection is made anew: firewalls forget those that are old
_SHOWN = 300  # characters of what a database says


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement came to: its columns and rows, and how many rows it matched where it wrote."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    count: int

    @property
    def mappings(self) -> list[dict[str, object]]:
        """Each row by its columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class UnfitValue(Rejected):
    """A value that was bound does not fit its column, as a word in a column of numbers."""


class Duplicate(Rejected):
    """A UNIQUE key has it already."""


class Absent(Rejected):
    """A column that must not be NULL was given nothing."""


class ConstraintRefused(Rejected):
    """A constraint refused it."""


class Transaction:
    """A transaction under way."""

    def __init__(
        self, database: SqlDatabase, connection: Connection, deadline: Deadline, limit: Limit, *, writes: bool
    ) -> None:
        self._database = database
        self._connection = connection
        self._deadline = deadline
        self._limit: Limit | None = limit
        self._writes = writes

    def execute(self, parsed: Parsed, values: Mapping[str, object], place: str, most: int | None = None) -> Rows:
        """Return what a statement comes to, at most so many rows. Raises `ConnectorError`."""
        return self._bounded(lambda: self._database.executed(self._connection, parsed, values, most), place, values)

    def plain(self, statement: str, values: Sequence[object] = (), place: str = "") -> Rows:
        """Return what a statement of our own comes to. Raises `ConnectorError`."""
        return self._bounded(lambda: self._database.driven(self._connection, statement, values), place, {})

    def inspected(self, look: Callable[[Inspector], T], place: str) -> T:
        """Return what a look at the database's tables comes to. Raises `ConnectorError`."""
        return self._bounded(lambda: look(inspect(self._connection)), place, {})

    def quoted(self, name: str) -> str:
        """Return a name as a statement has it."""
        return self._connection.dialect.identifier_preparer.quote(name)

    def _bounded(self, work: Callable[[], T], place: str, values: Mapping[str, object]) -> T:
        database, limit = self._database, self._limit
        self._limit = None  # what begins a transaction has set it for the first statement
        if limit is None:
            limit = database.limit(self._deadline)
            with database.guarded(limit, place, writes=self._writes) as watch:
                database.hold(self._connection, watch)
                database.bind(self._connection, limit)
        with database.guarded(limit, place, writes=self._writes, values=values) as watch:
            database.hold(self._connection, watch)
            return work()


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a statement may take: `seconds`; `own` where that is `timeout:`, not the caller's deadline."""

    seconds: float
    own: bool


class SqlDatabase:
    """One database with its pool."""

    def __init__(self, name: str, options: SqlOptions, context: Context) -> None:
        self.name = name
        self.context = context
        self.url = options.address
        self.family = family_of(self.url)
        self.mask = Mask([str(self.url.password or ""), options.url.get_secret_value()])
        self._options = options
        self._timezone = context.timezone
        self._turns = FairTurns(options.connections)
        self._watchdog = Watchdog(f"sql-{name}")
        self._connecting = DaemonThreadPool(options.connections, f"sql-connect-{name}")
        self._current = threading.local()
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def close(self) -> None:
        """Close the connections and end the threads."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
        self._connecting.close()
        self._watchdog.close()

    def limit(self, deadline: Deadline) -> Limit:
        """Return how long the next statement may take. Raises `TimedOut` where no time is left."""
        remaining, timeout = deadline.remaining, float(self._options.timeout)
        if remaining <= 0:
            raise TimedOut(f"{self.name}: no time was left to ask")
        return Limit(min(remaining, timeout), timeout < remaining)

    @contextmanager
    def transaction(self, deadline: Deadline, *, writes: bool, keep: bool = True) -> Iterator[Transaction]:
        """Yield a transaction, read-only unless it writes; it is rolled back where the block raises, or is not to be
        kept. Raises `ConnectorError`."""
        self.limit(deadline)
        self.context.pace.wait(deadline)
        if not self._turns.acquire(min(deadline.remaining, threading.TIMEOUT_MAX)):
            raise TimedOut(f"{self.name}: all {self._options.connections} connections were busy until it was too late")
        try:
            connection, limit = self._begun(deadline, writes=writes)
            try:
                yield Transaction(self, connection, deadline, limit, writes=writes)
                self._end(connection, deadline, "COMMIT" if writes and keep else "ROLLBACK", writes=writes)
            except BaseException:
                self._abandon(connection)
                raise
            connection.close()
        finally:
            self._turns.release()

    def _begun(self, deadline: Deadline, *, writes: bool) -> tuple[Connection, Limit]:
        """A connection in a transaction. One of the pool that proves dead is replaced: nothing was done on it yet."""
        for last in (False, True):
            connecting = Limit(min(deadline.remaining, _CONNECTING), deadline.remaining > _CONNECTING)
            with self.guarded(connecting, "connecting", writes=writes) as watch:
                self._current.watch = watch
                self._current.seconds = connecting.seconds
                connection = self._made().connect()
            limit = self.limit(deadline)
            try:
                with self.guarded(limit, "beginning", writes=writes) as watch:
                    self.hold(connection, watch)
                    raw = connection.connection.dbapi_connection
                    self.family.prepare(raw, lambda: deadline.passed)
                    for statement in self.family.begin(
                        connection.dialect, limit.seconds, writes=writes, timezone=self._timezone
                    ):
                        connection.exec_driver_sql(statement)
            except Unavailable:
                self._drop(connection)
                if last or deadline.passed or watch.fired:
                    raise
            except BaseException:
                self._drop(connection)
                raise
            else:
                return connection, limit
        raise AssertionError("the last round raises or returns")

    def _end(self, connection: Connection, deadline: Deadline, how: str, *, writes: bool) -> None:
        seconds = max(min(deadline.remaining, float(self._options.timeout)), 0.05)
        with self.guarded(Limit(seconds, own=False), how.lower(), writes=writes) as watch:
            self.hold(connection, watch)
            connection.exec_driver_sql(how)

    def _abandon(self, connection: Connection) -> None:
        """Roll back, or else close: what is not whole goes back to no pool."""
        try:
            if connection.invalidated:
                connection.close()
                return
            with self._watchdog.watching(1.0) as watch:
                self.hold(connection, watch)
                connection.exec_driver_sql("ROLLBACK")
            connection.close()
        except Exception:  # noqa: BLE001 - it can't be used again, whatever is wrong with it
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        with suppress(Exception):
            connection.invalidate()
        with suppress(Exception):
            connection.close()

    # what a transaction does

    def hold(self, connection: Connection, watch: SqlWatch) -> None:
        """Have the watch cut this connection."""
        raw = connection.connection.dbapi_connection
        watch.cuts(lambda: self.family.cut(raw))

    def bind(self, connection: Connection, limit: Limit) -> None:
        """Give the next statement so long on the server."""
        for statement in self.family.bound(connection.dialect, limit.seconds):
            connection.exec_driver_sql(statement)

    def executed(self, connection: Connection, parsed: Parsed, values: Mapping[str, object], most: int | None) -> Rows:
        """Return what a statement comes to."""
        result = connection.execute(parsed.executable, dict(values))
        try:
            if not result.returns_rows:
                return Rows((), (), result.rowcount)
            rows = result.fetchall() if most is None else result.fetchmany(most)
            return Rows(tuple(result.keys()), [tuple(row) for row in rows], result.rowcount)
        finally:
            result.close()

    def driven(self, connection: Connection, statement: str, values: Sequence[object]) -> Rows:
        """Return what a statement of our own comes to, its parameters as the driver writes them."""
        result = (
            connection.exec_driver_sql(statement, tuple(values)) if values else connection.exec_driver_sql(statement)
        )
        try:
            rows = [tuple(row) for row in result.fetchall()] if result.returns_rows else []
            return Rows(tuple(result.keys()) if result.returns_rows else (), rows, result.rowcount)
        finally:
            result.close()

    @contextmanager
    def guarded(
        self, limit: Limit, place: str, *, writes: bool, values: Mapping[str, object] | None = None
    ) -> Iterator[SqlWatch]:
        """Yield the watch over a statement; its errors come out as `ConnectorError`."""
        with self._watchdog.watching(limit.seconds) as watch:
            try:
                yield watch
            except ConnectorError:
                raise
            except DBAPIError as error:
                raise self._translated(error.orig or error, limit, watch, place, values or {}, writes=writes,
                                       broken=error.connection_invalidated) from None  # fmt: skip
            except (SQLAlchemyError, OSError, UnicodeError, ValueError, OverflowError) as error:
                raise self._translated(error, limit, watch, place, values or {}, writes=writes, broken=False) from None

    def _translated(
        self, error: BaseException, limit: Limit, watch: SqlWatch, place: str, values: Mapping[str, object], *,
        writes: bool, broken: bool,
    ) -> ConnectorError:  # fmt: skip
        whole = self.mask.text(self.family.words(error))
        words = whole[:_SHOWN]
        what = f"{self.name}: {place}" if place else self.name
        kind: Fault | None = self.family.fault(error)
        if watch.fired or kind == "late":
            if limit.own:
                return Unavailable(f"{what}: it took longer than {limit.seconds:g} s (timeout)")
            return TimedOut(f"{what}: the database did not answer in time")
        if kind == "read_only":
            if writes:
                return Unavailable(f"{what}: the database takes no writes now: {words}")
            return Misconfigured(f"{what}: this would write, and only reading is allowed here: {words}")
        if broken or kind == "away" or (kind is None and _is_connection(error)):
            return Unavailable(f"{what}: {words}")
        refusals: dict[Fault | None, type[Rejected]] = {
            "duplicate": Duplicate, "absent": Absent, "refused": ConstraintRefused, "unfit": UnfitValue,
        }  # fmt: skip
        if kind in refusals and (
            writes or (kind == "unfit" and (self.family.by_size(error) or _names(whole, self.mask, values)))
        ):
            return refusals[kind](f"{what}: {words}")
        return Misconfigured(f"{what}: {words}")

    # connections

    def _made(self) -> Engine:
        """The engine, which is made when it is first needed: opening a connector asks nothing."""
        with self._lock:
            if self._engine is None:
                wrong = urls.problem(self.url, self.context.folder)
                if wrong is not None:
                    raise (Unavailable if wrong[1] else Misconfigured)(f"{self.name}: {wrong[0]}")
                self._engine = self._built()
            return self._engine

    def _built(self) -> Engine:
        pool: dict[str, Any] = {"poolclass": NullPool}
        if self.family.pools:
            pool = {"poolclass": QueuePool, "pool_size": self._options.connections, "max_overflow": 0,
                    "pool_recycle": _RECYCLED, "pool_use_lifo": True}  # fmt: skip
        engine = create_engine(
            urls.opened(self.url, self.context.folder), isolation_level="AUTOCOMMIT", hide_parameters=True,
            pool_reset_on_return=None, skip_autocommit_rollback=True, **pool,
        )  # fmt: skip
        event.listen(engine, "do_connect", self._connected)
        return engine

    def _connected(self, dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> Any:
        """A new connection, made in a thread that can be left behind: drivers have no timeout that is as exact."""
        watch, seconds = self._current.watch, self._current.seconds
        named = {**self.family.connect_args(max(seconds, _CONNECTING)), **named}
        if not self.family.pools:
            named |= self.family.connect_args(seconds)
            raw = dialect.connect(*arguments, **named)
            watch.cuts(lambda: self.family.cut(raw))
            return raw
        future: Future[Any] = Future()
        self._connecting.run(
            lambda: settle(future, lambda: self.family.connected(dialect.connect(*arguments, **named)))
        )
        try:
            raw = future.result(seconds)
        except TimeoutError:
            if future.done():  # the driver's own
                raise
            future.add_done_callback(_closed)
            raise TimedOut(f"{self.name}: the database could not be reached in time") from None
        watch.cuts(lambda: self.family.cut(raw))
        return raw


def _closed(future: Future[Any]) -> None:
    """A connection that came too late is closed."""
    with suppress(Exception):
        future.result().close()


def _is_connection(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__name__ in ("OperationalError", "InterfaceError")


def _names(words: str, mask: Mask, values: Mapping[str, object]) -> bool:
    """Whether an error is about a value that was bound: it quotes it, as people do in the server's language."""
    words = " ".join(words.split())
    texts = [" ".join(mask.text(value).split()) for value in values.values() if isinstance(value, str) and value]
    return any(f"{begin}{text}{end}" in words for text in texts for begin, end in ('""', "''", "«»"))
