"""A process that answers wake-ups until it is killed: `python -m tests.queue.child URL [SECONDS [DEAD_AFTER]]`.

It says "ready", then for each run "begin KEY" and "end KEY"; a run takes so many seconds.
"""

from __future__ import annotations

import sys
import threading
import time

from bridge.queue import queue_for
from bridge.queue.base import Queue
from bridge.store.database import Database
from bridge.store.schema import connect
from tests.waiting import until

_said = threading.Lock()


def say(text: str) -> None:
    with _said:
        print(text, flush=True)  # noqa: T201 (its parent reads it)


def quick(database: Database, dead_after: float = 2.0) -> Queue:
    """The queue, noticing a dead worker within seconds."""
    if not database.postgresql:
        return queue_for(database)
    from bridge.queue.procrastinate import Heartbeat, ProcrastinateQueue

    return ProcrastinateQueue(database, Heartbeat(every=0.3, dead_after=dead_after, reap_every=0.3))


def main(url: str, seconds: str = "0", dead_after: str = "2") -> None:
    database = connect(url)

    def run(key: str) -> None:
        say(f"begin {key}")
        time.sleep(float(seconds))
        say(f"end {key}")

    runner = quick(database, float(dead_after)).runner({"work": run}, {"": 4, "crm": 2}, lambda: say("alone"))
    runner.start()
    until(lambda: runner.working)
    say("ready")
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
