"""What is reported is seen by all processes of a host, begins and ends as it should, and never holds anybody up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.texts import literal
from bridge.troubles import Severity, Trouble, Troubles
from bridge.troubles.ledger import Ledger
from tests.disk import fill, small_disk
from tests.forks import forks
from tests.waiting import until


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wrong_signature(troubles: Troubles, line: str = "912345678") -> None:
    troubles.report(
        "signature",
        line,
        severity=Severity.ERROR,
        text=literal("every request is refused"),
        action=literal("Compare the passwords"),
    )


def list_broken(troubles: Troubles, text: str = "the list can't be read") -> None:
    troubles.report(
        "table", "shop.contact", severity=Severity.WARNING, text=literal(text), action=literal("Mend the file")
    )


def ids(troubles: Troubles) -> list[str]:
    return sorted(trouble.id for trouble in troubles.all())


def test_a_trouble_is_seen_by_the_other_processes_with_its_time_and_count(tmp_path: Path, clock: Clock) -> None:
    one, other = Troubles(tmp_path, clock), Troubles(tmp_path, clock)
    one.report("events_refused", severity=Severity.ERROR, text=literal("no event is kept"), action=literal("Make room"))
    one.flush()
    clock.now += 5
    other.report(
        "events_refused", severity=Severity.ERROR, text=literal("no event is kept: full"), action=literal("Make room")
    )
    other.flush()
    began = datetime.fromtimestamp(1_800_000_000, UTC)
    expected = [
        Trouble("events_refused", Severity.ERROR, began, 2, literal("no event is kept: full"), literal("Make room"))
    ]
    assert one.all() == other.all() == Troubles(tmp_path, clock).all() == expected


def test_a_report_counts_before_it_is_written(tmp_path: Path, clock: Clock) -> None:
    troubles = Troubles(tmp_path, clock)
    list_broken(troubles)
    assert ids(troubles) == ["table:shop.contact"]
    troubles.clear("table", "shop.contact")
    assert ids(troubles) == []


def test_wrong_signatures_are_a_trouble_from_the_third_within_ten_minutes(tmp_path: Path, clock: Clock) -> None:
    troubles = Troubles(tmp_path, clock)
    for pause in (0, 300, 301, 601):  # the first is too old when the third comes
        clock.now += pause
        wrong_signature(troubles)
        troubles.flush()
        assert ids(troubles) == []
    clock.now += 10
    wrong_signature(troubles)
    troubles.flush()
    assert ids(troubles) == []
    clock.now += 10
    wrong_signature(troubles)
    troubles.flush()
    (found,) = troubles.all()
    assert found.count == 3
    assert found.since == datetime.fromtimestamp(clock.now - 20, UTC)


def test_the_three_may_have_come_to_different_processes_or_at_once(tmp_path: Path, clock: Clock) -> None:
    one, other = Troubles(tmp_path, clock), Troubles(tmp_path, clock)
    for troubles in (one, other, one):
        wrong_signature(troubles)
        troubles.flush()
    for _ in range(40):
        wrong_signature(other, "911000000")
    other.flush()
    assert {trouble.id: trouble.count for trouble in one.all()} == {"signature:912345678": 3, "signature:911000000": 40}


def test_it_ends_when_any_process_sees_that_it_is_over(tmp_path: Path, clock: Clock) -> None:
    one, other = Troubles(tmp_path, clock), Troubles(tmp_path, clock)
    for _ in range(3):
        wrong_signature(one)
    one.flush()
    other.flush()  # now it knows
    other.clear("signature", "912345678")
    other.flush()
    assert ids(one) == []
    wrong_signature(one)
    assert ids(one) == [], "it begins anew, from the third"


def test_it_ends_fifteen_minutes_after_its_last_time(tmp_path: Path, clock: Clock) -> None:
    troubles = Troubles(tmp_path, clock)
    for _ in range(3):
        wrong_signature(troubles)
    troubles.flush()
    clock.now += 890
    wrong_signature(troubles)
    troubles.flush()
    clock.now += 890
    assert [trouble.count for trouble in troubles.all()] == [4]
    clock.now += 20
    assert ids(troubles) == []


def test_a_state_lasts_until_each_process_that_held_it_lets_go(tmp_path: Path, clock: Clock) -> None:
    one, other = Troubles(tmp_path, clock), Troubles(tmp_path, clock)
    for troubles in (one, other):
        list_broken(troubles)
        troubles.flush()
    for _ in range(200):  # for hours, with signs of life alone
        clock.now += 30
        one.flush()
        other.flush()
    (found,) = one.all()
    assert (found.count, found.since) == (2, datetime.fromtimestamp(1_800_000_000, UTC))
    one.clear("table", "shop.contact")
    one.flush()
    assert ids(one) == ["table:shop.contact"], "the other still can't reach it"
    clock.now += 61
    assert ids(one) == [], "no sign of life has come from the other for long"


def test_a_process_that_ends_lets_go_of_its_states(tmp_path: Path) -> None:
    one, other = Troubles(tmp_path, every=0.01), Troubles(tmp_path)
    one.start()
    list_broken(one)
    until(lambda: ids(other) == ["table:shop.contact"])
    one.close()
    assert ids(other) == []


def test_clearing_what_is_not_there_writes_nothing(tmp_path: Path, clock: Clock) -> None:
    one, other = Troubles(tmp_path, clock), Troubles(tmp_path, clock)
    list_broken(one)
    one.flush()
    before = (tmp_path / "troubles.db").stat().st_mtime_ns
    for _ in range(3):
        other.clear("table", "shop.contact")
        other.clear("signature", "912345678")
        other.flush()
    assert (tmp_path / "troubles.db").stat().st_mtime_ns == before
    assert ids(other) == ["table:shop.contact"]


def test_without_a_file_a_process_knows_its_own(tmp_path: Path, clock: Clock) -> None:
    troubles = Troubles(tmp_path / "not" / "there", clock)
    list_broken(troubles)
    for _ in range(3):
        wrong_signature(troubles)
    troubles.flush()
    assert ids(troubles) == ["signature:912345678", "table:shop.contact"]
    troubles.clear("table", "shop.contact")
    wrong_signature(troubles)
    troubles.flush()
    assert {trouble.id: trouble.count for trouble in troubles.all()} == {"signature:912345678": 4}
    (tmp_path / "not" / "there").mkdir(parents=True)
    troubles.flush()
    assert ids(Troubles(tmp_path / "not" / "there", clock)) == ["signature:912345678"]


def test_a_file_that_is_damaged_is_made_anew(tmp_path: Path, clock: Clock) -> None:
    troubles = Troubles(tmp_path, clock)
    list_broken(troubles)
    troubles.flush()
    (tmp_path / "troubles.db").write_bytes(b"no database" * 1000)
    list_broken(troubles)
    troubles.flush()
    troubles.flush()
    assert ids(Troubles(tmp_path, clock)) == ["table:shop.contact"]


def test_strangers_can_not_fill_it(tmp_path: Path, clock: Clock) -> None:
    troubles = Troubles(tmp_path, clock)
    list_broken(troubles)
    for number in range(2000):
        for _ in range(3):
            troubles.report(
                "unknown_line",
                str(number),
                severity=Severity.ERROR,
                text=literal("x" * 5000),
                action=literal("y" * 5000),
            )
        if number % 100 == 0:
            troubles.flush()
    list_broken(troubles)
    troubles.flush()
    assert "table:shop.contact" in ids(troubles)
    assert len(ids(troubles)) <= 500
    assert (tmp_path / "troubles.db").stat().st_size < 3_000_000


def _report_for_long(folder: Path) -> None:
    troubles = Troubles(folder, every=0.001)
    troubles.start()
    tests = multiprocessing.parent_process()
    while tests is not None and tests.is_alive():
        time.sleep(0.001)
        list_broken(troubles)
        for _ in range(3):
            wrong_signature(troubles)


def reported(troubles: Troubles, least: int) -> int:
    """How often something was reported, when that is as often as `least`."""
    until(lambda: sum(trouble.count for trouble in troubles.all()) >= least)
    return sum(trouble.count for trouble in troubles.all())


def test_processes_that_are_killed_leave_a_file_that_can_be_read(tmp_path: Path) -> None:
    context = forks(__name__)
    troubles = Troubles(tmp_path)
    for _ in range(3):
        workers = [context.Process(target=_report_for_long, args=(tmp_path,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        reported(troubles, 3 + reported(troubles, 0))
        until(lambda: len(ids(troubles)) == 2)
        for worker in workers:
            os.kill(worker.pid or 0, signal.SIGKILL)
            worker.join()
        assert ids(troubles) == ["signature:912345678", "table:shop.contact"]


def test_it_is_written_on_a_disk_that_is_full(tmp_path: Path, clock: Clock) -> None:
    with small_disk(tmp_path / "small", "6m") as disk:
        one, other = Troubles(disk, every=0.01), Troubles(disk)
        one.start()
        until(lambda: (disk / "troubles.db").exists() and (disk / "troubles.db").stat().st_size > 100_000)
        until(lambda: (disk / "troubles.db-journal").stat().st_size > 100_000)
        Ledger(disk).make()  # returns when it is made, whoever makes it
        fill(disk)
        for number in range(30):
            one.report(
                "table",
                f"shop.t{number}",
                severity=Severity.ERROR,
                text=literal("x" * 200),
                action=literal("Mend the file"),
            )
        until(lambda: len(other.all()) == 30)
        one.close()
        assert other.all() == []
