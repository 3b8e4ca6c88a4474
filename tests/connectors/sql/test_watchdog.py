"""What outlasts its time is cut, however much ended in time before and after it."""

from __future__ import annotations

import contextlib
import threading

from connectors.sql.watchdog import Watchdog
from connectors.testing import eventually


def test_what_is_over_hides_nothing_that_is_not() -> None:
    cut = threading.Event()
    with contextlib.closing(Watchdog("dog")) as dog:
        for _ in range(200):
            with dog.watching(0.0):
                pass
        with dog.watching(0.05) as late:
            late.cuts(cut.set)
            for _ in range(200):
                with dog.watching(0.1):
                    pass
            eventually(cut.is_set, "the cut")
            assert late.fired


def test_what_ends_in_time_is_not_cut_later() -> None:
    cut, other = threading.Event(), threading.Event()
    with contextlib.closing(Watchdog("dog")) as dog:
        with dog.watching(1.0) as early:
            early.cuts(cut.set)
        with dog.watching(1.2) as late:
            late.cuts(other.set)
            eventually(other.is_set, "the cut of the other")
        assert not cut.is_set()
        assert not early.fired
