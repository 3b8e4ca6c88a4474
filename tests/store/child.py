"""A process that works on a store until it is killed: `python -m tests.store.child WHAT URL ...`."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bridge.intake.inbox import Inbox
from bridge.queue import queue_for
from bridge.store import packing
from bridge.store.schema import connect
from bridge.store.spool import Spool
from connectors.filelock import FileLock
from tests.store.made import arrival

_said = threading.Lock()


def say(text: str) -> None:
    with _said:
        print(text, flush=True)  # noqa: T201 (its parent reads it)


def keep(url: str, name: str, spool: str = "") -> None:
    """Keep events from 16 threads, each said once it is acknowledged."""
    database = connect(url)
    inbox = Inbox(database, queue_for(database), spool=Spool(Path(spool)) if spool else None)

    def go(thread: int) -> None:
        for number in range(1_000_000):
            call = f"{name}-{thread}-{number}"
            inbox.keep(arrival(call))
            say(call)

    for thread in range(16):
        threading.Thread(target=go, args=(thread,)).start()


def pack(url: str, times: str) -> None:
    """Pack calls, and stop for ever in the middle of the so manieth transaction, its last statement sent."""
    database, transactions = connect(url), 0

    def sent(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        nonlocal transactions
        if statement.startswith("DELETE FROM events"):
            transactions += 1
            if transactions == int(times):
                say("stopped")
                time.sleep(600)

    event.listen(database.engine, "after_cursor_execute", sent)
    packing.pack(database, datetime.now(UTC) + timedelta(days=1))


def lock(path: str) -> None:
    """Hold a file lock for ever."""
    held = FileLock(Path(path))
    assert held.acquire(30)
    say("held")
    time.sleep(600)


def foreign(path: str) -> None:
    """Hold an SQLite file as a program does that knows nothing of our lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    say("held")
    time.sleep(600)


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "keep":
        keep(*given)
    elif what == "pack":
        pack(*given)
    elif what == "lock":
        lock(*given)
    else:
        foreign(*given)
