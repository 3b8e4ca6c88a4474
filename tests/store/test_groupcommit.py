from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.errors import StoreUnavailable
from bridge.intake.groupcommit import GroupCommit
from tests.waiting import until


class Disk:
    """Commits when it is let; odd numbers are refused, 13 takes everything down with it."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()

    def commit(self, items: Sequence[int]) -> Sequence[str | Exception]:
        self.groups.append(list(items))
        self.free.wait(30)
        if 13 in items:
            raise RuntimeError("a fault")
        return [ValueError(f"{item} is odd") if item % 2 else f"kept {item}" for item in items]


def test_what_comes_while_a_commit_waits_goes_into_the_next_one_together() -> None:
    disk = Disk()
    disk.free.clear()
    group = GroupCommit(disk.commit)
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(group.put, 0, 30)
        until(lambda: disk.groups)
        rest = [pool.submit(group.put, number, 30) for number in range(2, 42, 2)]
        until(lambda: group.queued == 20)
        disk.free.set()
        assert first.result() == "kept 0"
        assert [each.result() for each in rest] == [f"kept {number}" for number in range(2, 42, 2)]
    assert [len(each) for each in disk.groups] == [1, 20]
    assert group.close()


def test_one_that_is_refused_fails_alone() -> None:
    disk = Disk()
    disk.free.clear()
    group = GroupCommit(disk.commit)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(group.put, number, 30) for number in (2, 3, 4)]
        until(lambda: group.queued + sum(map(len, disk.groups)) == 3)
        disk.free.set()
        assert results[0].result() == "kept 2"
        with pytest.raises(ValueError, match="3 is odd"):
            results[1].result()
        assert results[2].result() == "kept 4"
    assert group.close()


def test_a_fault_in_a_commit_reaches_everyone_and_the_next_one_works() -> None:
    group = GroupCommit(Disk().commit)
    with pytest.raises(StoreUnavailable, match="RuntimeError"):
        group.put(13, 30)
    assert group.put(2, 30) == "kept 2"
    assert group.close()


def test_whoever_waits_too_long_is_told_so() -> None:
    disk = Disk()
    disk.free.clear()
    group = GroupCommit(disk.commit)
    with pytest.raises(StoreUnavailable, match="nothing was stored within"):
        group.put(2, 0.05)
    disk.free.set()
    assert group.close()


def test_more_than_there_is_room_for_is_turned_away_at_once() -> None:
    disk = Disk()
    disk.free.clear()
    group = GroupCommit(disk.commit, room=1)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(group.put, 2, 30)
        until(lambda: disk.groups)
        waiting = pool.submit(group.put, 4, 30)
        until(lambda: group.queued == 1)
        with pytest.raises(StoreUnavailable, match="wait to be stored already"):
            group.put(6, 30)
        disk.free.set()
        assert waiting.result() == "kept 4"
    assert group.close()


def _takes_nothing_new(group: GroupCommit[int, str]) -> bool:
    with pytest.raises(StoreUnavailable) as caught:
        group.put(100, 0.01)
    return "stopping" in str(caught.value)


def test_closing_finishes_what_waits_and_takes_nothing_new() -> None:
    disk = Disk()
    disk.free.clear()
    group = GroupCommit(disk.commit, most=2)
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(group.put, number, 30) for number in range(0, 14, 2)]
        until(lambda: group.queued + sum(map(len, disk.groups)) == 7)
        closing = pool.submit(group.close)
        until(lambda: _takes_nothing_new(group))
        disk.free.set()
        assert [each.result() for each in results] == [f"kept {number}" for number in range(0, 14, 2)]
        assert closing.result()
    assert all(len(each) <= 2 for each in disk.groups)
