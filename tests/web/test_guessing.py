"""Whoever guesses is closed, whichever process hears it; whoever was right before never is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest

from bridge.web.guessing import CLOSED, LIMIT, REMEMBERED, WITHIN, Guessing


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(tmp_path: Path, clock: Clock) -> Iterator[tuple[Guessing, Guessing]]:
    """Two processes of one host, as far as the file can tell."""
    made = Guessing(tmp_path / "guessing.db", clock), Guessing(tmp_path / "guessing.db", clock)
    yield made
    for one in made:
        one.close()


def guess(guessing: Guessing, times: int, sender: str = "203.0.113.7") -> list[bool]:
    return [guessing.wrong(sender) for _ in range(times)]


def test_two_processes_do_not_give_twice_as_many_tries(two: tuple[Guessing, Guessing]) -> None:
    first, second = two
    assert guess(first, LIMIT - 1) == [False] * (LIMIT - 1)
    assert first.closed("203.0.113.7") is second.closed("203.0.113.7") is None
    assert guess(second, 1) == [True]
    assert first.closed("203.0.113.7") == second.closed("203.0.113.7") == CLOSED
    assert first.right("203.0.113.7") == second.right("203.0.113.7") == CLOSED
    assert first.closed("203.0.113.8") is None
    assert first.right("203.0.113.8") is None


def test_it_is_open_again_after_a_while_and_closed_again_by_the_next_wrong_one(
    two: tuple[Guessing, Guessing], clock: Clock
) -> None:
    first, second = two
    guess(first, LIMIT)
    clock.now += CLOSED - 1
    assert second.closed("203.0.113.7") == 1
    clock.now += 1
    assert first.closed("203.0.113.7") is second.closed("203.0.113.7") is None
    assert guess(second, 1) == [True]
    clock.now += CLOSED
    assert first.right("203.0.113.7") is None
    assert guess(second, 2 * LIMIT) == [False] * 2 * LIMIT


def test_wrong_ones_of_long_ago_do_not_count(two: tuple[Guessing, Guessing], clock: Clock) -> None:
    guess(two[0], LIMIT - 1)
    clock.now += WITHIN
    assert guess(two[0], LIMIT - 1) == [False] * (LIMIT - 1)


def test_who_was_right_is_remembered_over_a_restart_and_forgotten_after_a_month(tmp_path: Path, clock: Clock) -> None:
    before = Guessing(tmp_path / "guessing.db", clock)
    assert before.right("203.0.113.7") is None
    before.close()
    clock.now += REMEMBERED - 1
    for expected in (False, True):
        after = Guessing(tmp_path / "guessing.db", clock)
        assert any(guess(after, 2 * LIMIT)) is expected
        after.close()
        clock.now += 1


def test_who_is_closed_stays_so_over_a_restart(tmp_path: Path, clock: Clock) -> None:
    before = Guessing(tmp_path / "guessing.db", clock)
    guess(before, LIMIT)
    before.close()
    after = Guessing(tmp_path / "guessing.db", clock)
    assert after.closed("203.0.113.7") == CLOSED
    after.close()


def test_of_many_guesses_at_once_no_more_count_than_one_by_one(two: tuple[Guessing, Guessing]) -> None:
    """The right one among them counts only if it is one of the first."""
    with ThreadPoolExecutor(16) as threads:
        closing = sum(threads.map(lambda number: two[number % 2].wrong("203.0.113.7"), range(5 * LIMIT)))
    assert closing >= 1
    assert all(one.right("203.0.113.7") is not None for one in two)


def test_processes_that_start_at_the_same_moment_count_together(tmp_path: Path) -> None:
    """SQLite waits for nobody while a file is switched to WAL: one of two processes counted alone from then on."""
    file = tmp_path / "guessing.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    made = Timer(0.2, other.execute, ["COMMIT"])
    made.start()
    both = Guessing(file), Guessing(file)
    made.join()
    told = [both[number % 2].wrong("203.0.113.7") for number in range(LIMIT)]
    assert told == [False] * (LIMIT - 1) + [True]
    for guessing in both:
        guessing.close()
    other.close()


@pytest.mark.parametrize("fault", ["no database", "locked", "none"])
def test_without_a_file_a_process_counts_for_itself_and_nobody_waits(tmp_path: Path, clock: Clock, fault: str) -> None:
    file = tmp_path / "guessing.db"
    if fault == "no database":
        file.write_bytes(b"no database at all" * 1000)
    guessing = Guessing(None if fault == "none" else file, clock)
    holder = sqlite3.connect(file, isolation_level=None)
    if fault == "locked":
        holder.execute("BEGIN IMMEDIATE")
    assert guessing.right("203.0.113.1") is None
    assert guess(guessing, LIMIT) == [False] * (LIMIT - 1) + [True]
    assert guessing.closed("203.0.113.7") == CLOSED
    assert guessing.right("203.0.113.7") == CLOSED
    assert guessing.closed("203.0.113.1") is None
    assert guess(guessing, LIMIT, "203.0.113.1") == [False] * LIMIT
    holder.close()
    guessing.close()


def test_a_clock_that_is_set_back_closes_nobody_for_longer(two: tuple[Guessing, Guessing], clock: Clock) -> None:
    guess(two[0], LIMIT)
    clock.now -= 86_400
    assert two[0].closed("203.0.113.7") is two[1].closed("203.0.113.7") is None


@pytest.mark.parametrize(("others", "remembered"), [(9_000, True), (10_000, False)])
def test_the_memory_is_bounded(others: int, remembered: bool) -> None:
    guessing = Guessing()
    guess(guessing, LIMIT - 1)
    for number in range(others):
        guessing.wrong(str(number))
    assert guess(guessing, 1) == [remembered]
