"""What databases say and do in their own ways: transactions, time limits, times, and what their errors mean."""

from __future__ import annotations

import math
import os
import re
import socket
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, Literal

from sqlalchemy.engine import URL, Dialect

Fault = Literal["away", "late", "wrong", "read_only", "unfit", "duplicate", "refused", "absent"]
"""What an error is about: the database is away or busy; its time was up; the statement, the sign-in or a right is
wrong; a `select` would write; a value does not fit its column; a UNIQUE key; another constraint; a NOT NULL column."""

_LONGEST = 2000  # characters of an error that are looked at: a server may say anything
_SIGN_IN = re.compile(
    r"FATAL:.*(password|auth|pg_hba|"
    r"(role|database) .* does not exist|(rol|base de datos) .* no existe|permission denied)",
    re.IGNORECASE | re.DOTALL,
)


class Family:
    """A database of no known kind: it gets plain transactions, and no time limit on its own side."""

    drivers: ClassVar[Mapping[str, str]] = {}
    """Module and what installs it, of the driver that a bare URL means."""
    driver: ClassVar[str] = ""
    """SQLAlchemy's name for that driver."""
    begins: ClassVar[str] = "BEGIN"
    pools: ClassVar[bool] = True
    """Whether connections are kept."""

    def connect_args(self, _seconds: float) -> dict[str, Any]:
        """Return what the driver is given to connect with, `seconds` being the longest it may take."""
        return {}

    def begin(self, _dialect: Dialect, _seconds: float, *, writes: bool, timezone: str) -> Sequence[str]:  # noqa: ARG002 - others do
        """Return what begins a transaction whose first statement may take so many seconds."""
        return [self.begins]

    def bound(self, _dialect: Dialect, _seconds: float) -> Sequence[str]:
        """Return what gives the next statement of a transaction so many seconds."""
        return []

    def connected(self, raw: Any) -> Any:
        """Return a new connection of the driver, made ready for all that is asked on it."""
        return raw

    def prepare(self, _raw: Any, _late: Any) -> None:
        """Prepare a connection of the driver for one transaction. `late()`: whether its time is up."""

    def cut(self, raw: Any) -> None:
        """End what a connection of the driver waits for, from another thread."""
        sock = getattr(raw, "_sock", None)
        with suppress(Exception):
            number = sock.fileno() if sock is not None else raw.fileno()
            with socket.socket(fileno=os.dup(number)) as own:
                own.shutdown(socket.SHUT_RDWR)

    def moment(self, value: datetime, local: datetime) -> object:  # noqa: ARG002 - PostgreSQL takes the other
        """Return how an aware time is bound; `local`: the same on the line's clock."""
        return local.replace(tzinfo=None, microsecond=0)

    def number(self, value: object) -> object:
        """Return a Decimal as the driver takes it."""
        return value

    def fault(self, error: BaseException) -> Fault | None:
        """Return what an error of the driver is about; None if that can't be told."""
        code = str(getattr(error, "sqlstate", None) or "")
        return _of_state(code) if code else None

    def by_size(self, error: BaseException) -> bool:
        """Return whether a value is too large for its type, or has characters that the database has none for: such an
        error does not always say which value."""
        return "out of range" in self.words(error)

    def words(self, error: BaseException) -> str:
        """Return what an error of the driver says."""
        parts = [part for part in getattr(error, "args", ()) if isinstance(part, str)]
        return " ".join((parts[-1] if parts else str(error)).split())


def _of_state(state: str) -> Fault | None:
    exact: dict[str, Fault] = {
        "57014": "late", "25006": "read_only", "23505": "duplicate", "23502": "absent", "55P03": "away",
    }  # fmt: skip
    classes: dict[str, Fault] = {
        "08": "away", "53": "away", "57": "away", "40": "away", "58": "away", "22": "unfit", "23": "refused",
        "28": "wrong", "3D": "wrong", "3F": "wrong", "42": "wrong", "0A": "wrong",
    }  # fmt: skip
    return exact.get(state) or classes.get(state[:2])


class PostgreSql(Family):
    """PostgreSQL by psycopg."""

    drivers: ClassVar[Mapping[str, str]] = {"psycopg": "infocaller-bridge[sql]"}
    driver: ClassVar[str] = "psycopg"

    def connect_args(self, seconds: float) -> dict[str, Any]:
        # statements are not prepared on the server: behind PgBouncer they may belong to another connection
        return {"connect_timeout": max(2, math.ceil(seconds)), "prepare_threshold": None,
                "application_name": "infocaller-bridge"}  # fmt: skip

    def begin(self, dialect: Dialect, seconds: float, *, writes: bool, timezone: str) -> Sequence[str]:
        zone = timezone.replace("'", "")
        mode = "WRITE" if writes else "ONLY"
        return [f"BEGIN READ {mode}; SET LOCAL TimeZone = '{zone}'; {self.bound(dialect, seconds)[0]}"]

    def bound(self, _dialect: Dialect, seconds: float) -> Sequence[str]:
        return [f"SET LOCAL statement_timeout = {max(1, math.ceil(seconds * 1000))}"]

    def connected(self, raw: Any) -> Any:
        from connectors.sql.pgtimes import LOADERS  # noqa: PLC0415 (with its driver, for who uses it)

        for kind, loader in LOADERS.items():
            raw.adapters.register_loader(kind, loader)
        return raw

    def moment(self, value: datetime, local: datetime) -> object:  # noqa: ARG002
        return local.replace(microsecond=0)

    def fault(self, error: BaseException) -> Fault | None:
        coded = getattr(error, "sqlstate", None) is not None  # libpq has no code for a sign-in that was refused
        if not coded and _SIGN_IN.search(str(error)[:_LONGEST]):
            return "wrong"
        return super().fault(error)

    def by_size(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in ("22003", "22008", "22P05")

    def words(self, error: BaseException) -> str:
        diagnosis = getattr(error, "diag", None)
        return str(getattr(diagnosis, "message_primary", None) or super().words(error))


class MySql(Family):
    """MariaDB and MySQL by PyMySQL."""

    drivers: ClassVar[Mapping[str, str]] = {"pymysql": "infocaller-bridge[sql]"}
    driver: ClassVar[str] = "pymysql"

    _FAULTS: ClassVar[Mapping[int, Fault]] = {
        1969: "late", 3024: "late", 1317: "late", 1205: "away", 1213: "away", 1040: "away", 1053: "away", 1203: "away",
        1226: "away", 2002: "away", 2003: "away", 2005: "away", 2006: "away", 2013: "away", 2055: "away", 1927: "away",
        1792: "read_only", 1290: "away", 1836: "away", 1062: "duplicate", 1586: "duplicate", 1048: "absent",
        1364: "absent", 1451: "refused", 1452: "refused", 4025: "refused", 3819: "refused", 1264: "unfit",
        1265: "unfit", 1292: "unfit", 1366: "unfit", 1406: "unfit", 1411: "unfit", 1044: "wrong", 1045: "wrong",
        1049: "wrong", 1054: "wrong", 1064: "wrong", 1142: "wrong", 1143: "wrong", 1146: "wrong", 1136: "wrong",
        1110: "wrong", 1305: "wrong", 1370: "wrong", 1227: "wrong", 1130: "wrong", 1698: "wrong", 1235: "wrong",
    }  # fmt: skip

    def connect_args(self, seconds: float) -> dict[str, Any]:
        return {
            "connect_timeout": max(1, math.ceil(seconds)),
            "charset": "utf8mb4",
            "program_name": "infocaller-bridge",
        }

    def begin(self, dialect: Dialect, seconds: float, *, writes: bool, timezone: str) -> Sequence[str]:  # noqa: ARG002
        return [*self.bound(dialect, seconds), f"START TRANSACTION READ {'WRITE' if writes else 'ONLY'}"]

    def bound(self, dialect: Dialect, seconds: float) -> Sequence[str]:
        waits = f"innodb_lock_wait_timeout = {max(1, math.ceil(seconds))}"
        if getattr(dialect, "is_mariadb", False):
            return [f"SET SESSION max_statement_time = {max(seconds, 0.001):.3f}, {waits}"]
        return [f"SET SESSION max_execution_time = {max(1, math.ceil(seconds * 1000))}, {waits}"]

    def fault(self, error: BaseException) -> Fault | None:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else None
        if code == 0:
            return "away"  # PyMySQL: the connection was closed
        return self._FAULTS.get(code) if code is not None else None


class SqlServer(Family):
    """Microsoft SQL Server by pymssql. It has no read-only transactions: what a `select` does is rolled back."""

    drivers: ClassVar[Mapping[str, str]] = {"pymssql": "pymssql"}
    driver: ClassVar[str] = "pymssql"
    begins: ClassVar[str] = "BEGIN TRANSACTION"

    _FAULTS: ClassVar[Mapping[int, Fault]] = {
        2627: "duplicate", 2601: "duplicate", 515: "absent", 547: "refused", 1205: "away", 1222: "away", 245: "unfit",
        8114: "unfit", 8115: "unfit", 8152: "unfit", 2628: "unfit", 241: "unfit", 242: "unfit", 207: "wrong",
        208: "wrong", 229: "wrong", 230: "wrong", 102: "wrong", 156: "wrong", 4060: "wrong", 18456: "wrong",
        20002: "away", 20003: "late", 20004: "away", 20006: "away", 20009: "away", 20047: "away",
    }  # fmt: skip

    def connect_args(self, seconds: float) -> dict[str, Any]:
        whole = max(1, math.ceil(seconds))
        return {"login_timeout": whole, "timeout": whole, "appname": "infocaller-bridge", "charset": "UTF-8"}

    def begin(self, dialect: Dialect, seconds: float, *, writes: bool, timezone: str) -> Sequence[str]:  # noqa: ARG002
        return [*self.bound(dialect, seconds), self.begins]

    def bound(self, _dialect: Dialect, seconds: float) -> Sequence[str]:
        return [f"SET LOCK_TIMEOUT {max(1, math.ceil(seconds * 1000))}"]

    def cut(self, raw: Any) -> None:
        with suppress(Exception):
            raw._conn.cancel()  # FreeTDS's own way to end a query

    def fault(self, error: BaseException) -> Fault | None:
        code = error.args[0] if error.args else None
        code = code[0] if isinstance(code, tuple) and code else code
        return self._FAULTS.get(code) if isinstance(code, int) else None

    def words(self, error: BaseException) -> str:
        text = error.args[1] if len(error.args) > 1 else error.args[0] if error.args else error
        text = text[-1] if isinstance(text, tuple) and text else text
        return " ".join((text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).split())


class Sqlite(Family):
    """SQLite. A connection is made for each transaction: the file may be replaced by another at any time."""

    drivers: ClassVar[Mapping[str, str]] = {"sqlite3": "Python itself"}
    driver: ClassVar[str] = "pysqlite"
    pools: ClassVar[bool] = False

    _STEPS = 1000  # of its virtual machine, between two looks at the clock

    def connect_args(self, seconds: float) -> dict[str, Any]:
        return {"timeout": seconds, "check_same_thread": False}

    def begin(self, dialect: Dialect, seconds: float, *, writes: bool, timezone: str) -> Sequence[str]:  # noqa: ARG002
        return [f"PRAGMA query_only = {0 if writes else 1}", *self.bound(dialect, seconds),
                "BEGIN IMMEDIATE" if writes else "BEGIN"]  # fmt: skip

    def bound(self, _dialect: Dialect, seconds: float) -> Sequence[str]:
        return [f"PRAGMA busy_timeout = {max(1, math.ceil(seconds * 1000))}"]

    def prepare(self, raw: Any, late: Any) -> None:
        raw.set_progress_handler(late, self._STEPS)

    def cut(self, raw: Any) -> None:
        with suppress(sqlite3.Error):
            raw.interrupt()

    def moment(self, value: datetime, local: datetime) -> object:
        return str(super().moment(value, local))

    def number(self, value: object) -> object:
        return str(value)

    def by_size(self, error: BaseException) -> bool:
        return isinstance(error, OverflowError)

    def fault(self, error: BaseException) -> Fault | None:
        code = getattr(error, "sqlite_errorcode", None)
        if not isinstance(code, int):
            return "unfit" if isinstance(error, (sqlite3.InterfaceError, OverflowError)) else None
        if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
            return "duplicate"
        if code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
            return "absent"
        faults: dict[int, Fault] = {
            sqlite3.SQLITE_INTERRUPT: "late", sqlite3.SQLITE_BUSY: "away", sqlite3.SQLITE_LOCKED: "away",
            sqlite3.SQLITE_CANTOPEN: "away", sqlite3.SQLITE_IOERR: "away", sqlite3.SQLITE_FULL: "away",
            sqlite3.SQLITE_NOTADB: "away", sqlite3.SQLITE_CORRUPT: "away", sqlite3.SQLITE_READONLY: "read_only",
            sqlite3.SQLITE_CONSTRAINT: "refused", sqlite3.SQLITE_MISMATCH: "unfit", sqlite3.SQLITE_TOOBIG: "unfit",
            sqlite3.SQLITE_ERROR: "wrong", sqlite3.SQLITE_AUTH: "wrong", sqlite3.SQLITE_PERM: "wrong",
        }  # fmt: skip
        return faults.get(code & 0xFF)


_FAMILIES: Mapping[str, type[Family]] = {
    "postgresql": PostgreSql, "mysql": MySql, "mariadb": MySql, "mssql": SqlServer, "sqlite": Sqlite,
}  # fmt: skip
KNOWN = tuple(_FAMILIES)
"""The kinds of databases that a URL may begin with, as far as more is known of them than SQLAlchemy's dialect."""


def family_of(url: URL) -> Family:
    """Return what is known of the database that a URL leads to."""
    return _FAMILIES.get(url.get_backend_name(), Family)()
