"""The shared rate limit: never more than it says in any stretch of its length, callers before background work."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.runtime.pace import SharedPace
from connectors.base import Deadline, TimedOut, Unavailable
from connectors.units import Rate
from tests.forks import forks


class Time:
    """A clock that goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pace(self, file: Path, rate: str = "10/s", *, background: bool = False) -> SharedPace:
        return SharedPace("crm", Rate.parse(rate), file, background=background, clock=self, sleep=self.sleep)

    def soon(self, seconds: float = 3600.0) -> Deadline:
        return Deadline(self.now + seconds, self)


@pytest.fixture
def clock() -> Iterator[Time]:
    return Time()  # type: ignore[return-value]  # pytest takes either


def test_the_allowance_may_go_out_at_once_and_then_it_is_waited_for(tmp_path: Path, clock: Time) -> None:
    pace = clock.pace(tmp_path / "pace")
    began = clock.now
    for _ in range(10):
        pace.wait(clock.soon())
    assert clock.now == began
    pace.wait(clock.soon())
    assert clock.now == pytest.approx(began + 1)
    pace.close()


def test_no_stretch_ever_sees_more_than_the_rate(tmp_path_factory: pytest.TempPathFactory) -> None:
    @given(st.lists(st.floats(0, 1.5), min_size=20, max_size=60))
    def holds(pauses: list[float]) -> None:
        clock = Time()
        pace = clock.pace(tmp_path_factory.mktemp("pace") / "pace", "3/s")
        went = []
        for pause in pauses:
            clock.now += pause
            pace.wait(clock.soon())
            went.append(clock.now)
        pace.close()
        assert all(later - earlier >= 1 - 1e-6 for earlier, later in zip(went, went[3:], strict=False))

    holds()


def test_what_can_not_go_out_before_the_deadline_is_said_at_once(tmp_path: Path, clock: Time) -> None:
    pace = clock.pace(tmp_path / "pace", "2/h")
    pace.wait(clock.soon())
    pace.wait(clock.soon())
    before = clock.now
    with pytest.raises(TimedOut, match="crm: its rate limit"):
        pace.wait(clock.soon(1.5))
    assert clock.now == before
    pace.close()


def test_background_work_leaves_half_to_callers(tmp_path: Path, clock: Time) -> None:
    callers, work = clock.pace(tmp_path / "pace"), clock.pace(tmp_path / "pace", background=True)
    began = clock.now
    for _ in range(5):
        work.wait(clock.soon())
    assert clock.now == began
    with pytest.raises(TimedOut):
        work.wait(clock.soon(0.5))
    for _ in range(5):
        callers.wait(clock.soon())
    assert clock.now == began
    with pytest.raises(TimedOut):
        callers.wait(clock.soon(0.5))
    callers.close()
    work.close()


def test_background_work_gets_on_at_the_lowest_rate(tmp_path: Path, clock: Time) -> None:
    work = clock.pace(tmp_path / "pace", "1/s", background=True)
    began = clock.now
    for _ in range(3):
        work.wait(clock.soon())
    assert clock.now == pytest.approx(began + 2)
    work.close()


@pytest.mark.parametrize("what", ["another rate", "rubbish", "a clock set back"])
def test_a_file_that_means_nothing_now_keeps_nobody_waiting(tmp_path: Path, clock: Time, what: str) -> None:
    before = clock.pace(tmp_path / "pace", "5/s")
    for _ in range(5):
        before.wait(clock.soon())
    before.close()
    if what == "rubbish":
        (tmp_path / "pace").write_bytes(b"xyz")
    elif what == "a clock set back":
        clock.now -= 7200
    pace = clock.pace(tmp_path / "pace", "3/s" if what == "another rate" else "5/s")
    began = clock.now
    for _ in range(3):
        pace.wait(clock.soon())
    assert clock.now == began
    pace.close()


def _spend(file: Path, each: int) -> None:
    pace = SharedPace("crm", Rate(20, 1.0), file, background=False)
    for _ in range(each):
        pace.wait(Deadline.never())
    pace.close()


def test_threads_and_processes_share_it(tmp_path: Path) -> None:
    file = tmp_path / "pace"
    context = forks(__name__)
    workers = [context.Process(target=_spend, args=(file, 12)) for _ in range(2)]
    threads = [threading.Thread(target=_spend, args=(file, 12)) for _ in range(2)]
    began = time.time()
    everybody: list[Any] = [*workers, *threads]
    for one in everybody:
        one.start()
    for one in everybody:
        one.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    places, count = struct.unpack_from("=QQ", file.read_bytes())
    assert (places, count) == (20, 48)
    assert time.time() - began >= 2  # 20 at once, 20 a second later, the rest another second later


def test_once_closed_it_writes_into_no_file_that_got_its_number(tmp_path: Path, clock: Time) -> None:
    pace = clock.pace(tmp_path / "pace")
    pace.wait(clock.soon())
    pace.close()
    with (tmp_path / "other").open("w+b", buffering=0) as other:
        other.write(b"somebody else's")
        with pytest.raises(Unavailable, match="closed"):
            pace.wait(clock.soon())
        assert (tmp_path / "other").read_bytes() == b"somebody else's"
    pace.close()
