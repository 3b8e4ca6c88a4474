"""Counting misses: per caller and Query, for all processes, and never in anybody's way."""

from __future__ import annotations

import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.runtime.limits import SharedLimits
from tests.disk import fill, small_disk
from tests.forks import forks
from tests.waiting import until

ANA, EVA = "+34600111222", "+34600222333"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_misses_and_no_more_for_each_caller_and_query(tmp_path: Path) -> None:
    misses = SharedLimits(tmp_path / "misses.db")
    for _ in range(3):
        assert not misses.used_up("PEDIDO", ANA, (3, 3600))
        misses.count("PEDIDO", ANA)
    assert misses.used_up("PEDIDO", ANA, (3, 3600))
    assert not misses.used_up("PEDIDO", ANA, (4, 3600))
    assert not misses.used_up("PEDIDO", EVA, (3, 3600))
    assert not misses.used_up("CITA", ANA, (3, 3600))
    misses.close()


def test_misses_count_for_their_time(tmp_path: Path) -> None:
    clock = Clock()
    misses = SharedLimits(tmp_path / "misses.db", clock)
    misses.count("PEDIDO", ANA)
    clock.now += 3599
    assert misses.used_up("PEDIDO", ANA, (1, 3600))
    clock.now += 2
    assert not misses.used_up("PEDIDO", ANA, (1, 3600))
    misses.close()


def test_what_no_longer_counts_is_not_kept_and_no_number_is(tmp_path: Path) -> None:
    clock = Clock()
    misses = SharedLimits(tmp_path / "misses.db", clock)
    misses.count("PEDIDO", ANA)
    clock.now += 86_401
    misses.count("PEDIDO", EVA)
    misses.close()
    with sqlite3.connect(tmp_path / "misses.db") as database:
        assert database.execute("SELECT count(*) FROM miss").fetchone() == (1,)
    database.close()
    for file in tmp_path.iterdir():
        assert EVA[3:].encode() not in file.read_bytes()


def _count(file: Path, times: int) -> None:
    misses = SharedLimits(file)
    for _ in range(times):
        misses.count("PEDIDO", ANA)
    misses.close()


def test_processes_that_start_together_count_together(tmp_path: Path) -> None:
    context = forks(__name__)
    processes = [context.Process(target=_count, args=(tmp_path / "misses.db", 20)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    misses = SharedLimits(tmp_path / "misses.db")
    assert misses.used_up("PEDIDO", ANA, (80, 3600))
    assert not misses.used_up("PEDIDO", ANA, (81, 3600))
    misses.close()


@pytest.mark.parametrize("what", ["damaged", "folder"])
def test_a_file_that_cant_be_used_limits_nobody_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    file = tmp_path / "misses.db"
    if what == "damaged":
        file.write_bytes(b"this is no database at all" * 100)
    else:
        file.mkdir()
    misses = SharedLimits(file)
    for _ in range(3):
        misses.count("PEDIDO", ANA)
        assert not misses.used_up("PEDIDO", ANA, (1, 3600))
    misses.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "nobody is limited" in caplog.text


def test_a_file_for_which_there_was_no_room_at_the_start_counts_once_there_is(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        filling = fill(disk)
        limits = SharedLimits(disk / "misses.db", again=0.05)
        limits.count("Q", ANA)
        assert not limits.used_up("Q", ANA, (1, 60.0))
        filling.unlink()

        def used_up() -> bool:
            limits.count("Q", ANA)
            return limits.used_up("Q", ANA, (1, 60.0))

        until(used_up)
        limits.close()


def test_a_file_that_another_process_holds_limits_nobody_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    misses = SharedLimits(tmp_path / "misses.db")
    holder = sqlite3.connect(tmp_path / "misses.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    misses.count("PEDIDO", ANA)
    assert "can't be counted" in caplog.text
    holder.execute("ROLLBACK")
    holder.close()
    misses.count("PEDIDO", ANA)
    assert misses.used_up("PEDIDO", ANA, (1, 3600))
    misses.close()
    misses.count("PEDIDO", ANA)  # a lookup that ends after the process's end began


def test_of_many_at_once_no_more_get_a_place_than_there_are(tmp_path: Path) -> None:
    here, there = SharedLimits(tmp_path / "asked.db"), SharedLimits(tmp_path / "asked.db")
    both = (here, there)
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda n: both[n % 2].takes("number web", ANA, (5, 60.0), f"T{n}"), range(40)))
    assert sum(got) == 5
    assert here.takes("number web", "+34600111333", (5, 60.0), "T1"), "another number has places of its own"
    here.close()
    there.close()


def test_a_thing_keeps_its_place_and_a_place_is_free_again_when_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    misses = SharedLimits(tmp_path / "asked.db", clock)
    assert [misses.takes("n", "a", (1, 60.0), thing) for thing in ("T1", "T1", "T2", "")] == [True, True, False, False]
    clock.now += 61
    assert [misses.takes("n", "a", (1, 60.0), thing) for thing in ("T2", "T3")] == [True, False]
    misses.close()
