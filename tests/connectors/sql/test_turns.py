"""Turns are given in the order in which they were asked for."""

from __future__ import annotations

import threading
import time

from connectors.sql.turns import FairTurns
from connectors.testing import GENEROUS


def test_who_asked_first_is_first_and_who_comes_then_waits() -> None:
    turns, order = FairTurns(1), list[int]()
    assert turns.acquire(0)

    def work(number: int) -> None:
        assert turns.acquire(GENEROUS)
        order.append(number)
        turns.release()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        end = time.monotonic() + GENEROUS
        while len(turns._waiting) <= number and time.monotonic() < end:
            time.sleep(0.001)
    turns.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_who_gave_up_gets_no_turn_and_none_is_lost() -> None:
    turns = FairTurns(2)
    assert turns.acquire(0)
    assert turns.acquire(0)
    assert not turns.acquire(0.01)
    turns.release()
    turns.release()
    assert turns.acquire(0)
    assert turns.acquire(0)
    assert not turns.acquire(0)
