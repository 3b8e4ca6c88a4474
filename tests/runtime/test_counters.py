"""Numbers that processes share: added up, kept when one is killed, and bounded."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from bridge.runtime.counters import SharedCounters


def sums(counters: SharedCounters) -> dict[tuple[str, ...], float]:
    total: Counter[tuple[str, ...]] = Counter()
    for name, values in counters.rows():
        total[name] += sum(values)  # type: ignore[assignment]
    return dict(total)


def in_a_process(work: Callable[[], object]) -> None:
    """Do this in a process of its own, which is killed as soon as it has done it."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_rows_of_one_number_and_of_several() -> None:
    counters = SharedCounters()
    counters.add(("asked", "ES"))
    counters.add(("asked", "ES"), changes=((0, 2.5),))
    counters.add(("seconds",), length=3, changes=((0, 1.0), (2, 0.25)))
    counters.put(("loaded",), 7.0)
    counters.put(("loaded",), 9.0)
    assert list(counters.rows()) == [
        (("asked", "ES"), (3.5,)),
        (("seconds",), (1.0, 0.0, 0.25)),
        (("loaded",), (9.0,)),
    ]


def test_what_killed_processes_counted_is_kept_and_their_slots_serve_again() -> None:
    counters = SharedCounters(2)
    counters.add(("one",))  # one of the two slots is ours

    def work() -> None:
        counters.add(("one",))
        counters.add(("other", "ñ"))

    for _ in range(5):
        in_a_process(work)
    assert sums(counters) == {("one",): 6.0, ("other", "ñ"): 5.0}


def test_processes_that_count_at_once_do_not_disturb_each_other() -> None:
    counters = SharedCounters(3)
    children = []
    for which in range(3):
        child = os.fork()
        if not child:
            for _ in range(2000):
                counters.add(("all",))
                counters.add(("each", str(which)))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    expected: dict[tuple[str, ...], float] = {("each", str(which)): 2000.0 for which in range(3)}
    assert sums(counters) == expected | {("all",): 6000.0}


def test_threads_lose_no_count() -> None:
    counters = SharedCounters()

    def work() -> None:
        for _ in range(5000):
            counters.add(("all",))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums(counters) == {("all",): 20000.0}


def test_a_process_without_a_slot_and_rows_without_room_are_not_counted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counters = SharedCounters()
    for number in range(4000):
        counters.add((f"{number:04}{'x' * 200}",), length=20)
    counters.add(("0000" + "x" * 200,))
    counted = sums(counters)
    assert counted["0000" + "x" * 200,] == 2.0
    assert 1000 < len(counted) < 4000
    assert len(caplog.records) == 1

    def left_out() -> None:
        counters.add(("of another process",))

    in_a_process(left_out)
    assert ("of another process",) not in sums(counters)


@pytest.mark.parametrize("length", [10, 0x10000])
def test_a_name_of_any_length_is_counted_or_left_out(length: int) -> None:
    counters = SharedCounters()
    counters.add(("x" * length,))
    counters.add(("after",))
    assert sums(counters)["after",] == 1.0
