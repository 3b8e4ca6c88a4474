"""What a database driver says, translated once: `StoreUnavailable` with its cure, the cause kept."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from bridge.errors import StoreUnavailable

NO_WRITES = "this server takes no writes; point `database:` at the primary"
_CURES = (
    ("does not answer", "see whether it hangs, and whether the network lets it through"),
    ("statement timeout", "the server took too long; look for what blocks it (pg_stat_activity)"),
    ("lock timeout", "another program holds the table for long (pg_stat_activity)"),
    ("prepared statement", "a pooler in transaction mode stands before the server; use its session mode, or none"),
    ("database or disk is full", "the disk is full; make room"),
    ("disk full", "the disk is full; make room"),
    ("no space left", "the disk is full; make room"),
    (".lock ", "it may wait itself for another program that holds the database; close that one"),
    ("database is locked", "another program holds the database for long; close it"),
    ("database table is locked", "another program holds the database for long; close it"),
    ("readonly database", "the file may not be written; give its folder to the bridge's user"),
    ("read-only", NO_WRITES),
    ("unable to open database file", "the file can't be opened; check that its folder exists and may be written"),
    ("disk i/o error", "the disk does not read or write; check it"),
    ("not a database", "the file is no SQLite database; restore the backup, or point `database:` at another file"),
    ("malformed", "the file is damaged; restore the backup"),
    ("no such table", "the tables are not there; start the bridge once with this configuration"),
    ("password authentication failed", "user or password is wrong; check `database:`"),
    ('relation "', "the tables are not there; start the bridge once with this configuration"),
    ("does not exist", "check the names in `database:`"),
    ("too many clients", "the server takes no more connections; raise its max_connections"),
    ("too many connections", "the server takes no more connections; raise its max_connections"),
)
# A table or column that is not there is a ProgrammingError: no row's fault either.
_DOWN = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.ProgrammingError)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Errors of the driver inside the block as `StoreUnavailable`; `where` names the database without its password.

    What is the fault of a single row (a value that does not fit, a duplicate) passes as it is.
    """
    try:
        yield
    except exc.DBAPIError as error:
        if isinstance(error, _DOWN) or error.connection_invalidated or type(error) is exc.DatabaseError:
            raise unavailable(where, error.orig or error) from error
        raise
    except exc.TimeoutError as error:
        raise StoreUnavailable(f"{where}: every connection is in use; the database is slow or hangs") from error
    except sqlite3.Error as error:  # where SQLAlchemy is not between, as for pragmas
        raise unavailable(where, error) from error
    except BrokenPipeError:
        raise  # whoever read our output has gone: no database says it this way, its driver does
    except OSError as error:
        raise unavailable(where, error) from error


def unavailable(where: str, error: BaseException) -> StoreUnavailable:
    """Return the error in the bridge's words: what the driver said in one line, and what to do about it."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        message = "no space left on device"
    lowered = message.lower()
    cure = next((cure for sign, cure in _CURES if sign in lowered), "the bridge tries again")
    return StoreUnavailable(f"{where}: {message[:300]}; {cure}")
