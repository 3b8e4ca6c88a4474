"""Threads that can be left behind: nothing waits behind what hangs, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from connectors.base import Unavailable
from connectors.threads import DaemonThreadPool
from tests.waiting import until


def alive(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def test_work_never_waits_behind_work_that_hangs(gate: threading.Event) -> None:
    threads = DaemonThreadPool(50, "t-hang")
    for _ in range(20):
        done = threading.Event()
        threads.run(done.set)
        assert done.wait(30)
        threads.run(lambda: bool(gate.wait(60)))  # takes the thread that has just become idle
    done = threading.Event()
    threads.run(done.set)
    assert done.wait(30)
    gate.set()
    threads.close()
    until(lambda: alive("t-hang") == 0)


def test_no_more_threads_than_the_limit_and_the_rest_waits(gate: threading.Event) -> None:
    threads = DaemonThreadPool(3, "t-limit")
    done: list[int] = []
    for number in range(10):
        threads.run(lambda number=number: done.append(number) if gate.wait(60) else None)  # type: ignore[misc]
    assert alive("t-limit") == 3
    assert done == []
    gate.set()
    until(lambda: sorted(done) == list(range(10)))
    assert alive("t-limit") == 3
    threads.close()
    until(lambda: alive("t-limit") == 0)


def test_an_idle_thread_is_used_again() -> None:
    threads = DaemonThreadPool(50, "t-again")
    for _ in range(20):
        done = threading.Event()
        threads.run(done.set)
        assert done.wait(30)
        threading.Event().wait(0.01)  # for the thread to be idle again
    assert alive("t-again") <= 2
    threads.close()


def test_idle_threads_end_and_nothing_is_lost_at_that_moment() -> None:
    threads = DaemonThreadPool(4, "t-idle", idle=0.001)
    done: list[int] = []
    for number in range(3000):
        threads.run(lambda number=number: done.append(number))  # type: ignore[misc]
        if number % 3 == 0:
            threading.Event().wait(0.001)
    until(lambda: len(done) == 3000)
    until(lambda: alive("t-idle") == 0)
    threads.close()


def test_work_that_comes_the_moment_that_a_thread_gives_up_waiting_is_done() -> None:
    threads = DaemonThreadPool(1, "t-moment", idle=0.005)
    for number in range(200):
        done = threading.Event()
        threads.run(done.set)
        assert done.wait(30)
        threading.Event().wait(0.0045 + number % 10 * 0.0001)  # about when its patience ends
    threads.close()


def test_what_waits_for_a_thread_is_done_although_it_is_closed_meanwhile(gate: threading.Event) -> None:
    threads = DaemonThreadPool(1, "t-last")
    done = threading.Event()
    threads.run(lambda: bool(gate.wait(60)))
    threads.run(done.set)
    threads.close(wait=0.05)
    assert not done.is_set()
    gate.set()
    assert done.wait(30)
    until(lambda: alive("t-last") == 0)


def test_closed_it_takes_nothing_more() -> None:
    threads = DaemonThreadPool(2, "t-closed")
    threads.close()
    with pytest.raises(Unavailable, match="t-closed is closed"):
        threads.run(lambda: None)


def test_closing_leaves_what_hangs_behind(gate: threading.Event) -> None:
    threads = DaemonThreadPool(2, "t-left")
    threads.run(lambda: bool(gate.wait(60)))
    threads.close(wait=0.05)
    assert alive("t-left") == 1
    gate.set()
    until(lambda: alive("t-left") == 0)


def test_what_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import threading\nfrom connectors.threads import DaemonThreadPool\n"
        "DaemonThreadPool(2, 't').run(lambda: threading.Event().wait())\nprint('end')"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "end\n")
