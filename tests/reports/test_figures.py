"""What a report says of calls that came as they come."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from bridge.reports.keeping import count_some
from bridge.store import callfigures, privacy
from bridge.store.schema import connect
from tests.fakes.exchange import LINE, document
from tests.reports.conftest import DAY, ROWS, Switchboard, at, column, rows


def some(switchboard: Switchboard) -> None:
    """A morning."""
    switchboard.call(at(9, 5), wait=12)
    switchboard.call(at(9, 10), wait=100, by="102", rang="101")
    switchboard.call(at(9, 20), wait=300, by="102")
    switchboard.call(at(10), rang="101", caller_number="X")
    switchboard.call(at(10, 30))
    switchboard.emit(at(11), 40)
    switchboard.emit(at(11, 5), 0)


@pytest.mark.parametrize("counted", [True, False])
def test_a_morning(switchboard: Switchboard, counted: bool) -> None:
    some(switchboard)
    if counted:
        assert switchboard.count() == 7
    report = switchboard.report()
    assert rows(report, "summary") == [
        ["Received", 5, None],
        ["Answered", 3, 3 / 5],
        ["Missed: rang, and nobody answered", 1, 1 / 5],
        ["Missed: over before it rang anywhere", 1, 1 / 5],
        ["Their end is not known", 0, 0],
        ["Emitted", 2, None],
        ["Emitted and answered", 1, 1 / 2],
    ]
    assert rows(report, "speed") == [
        ["Within 20 seconds", 1, 1 / 3, 1 / 4],
        ["Within 3 minutes", 2, 2 / 3, 2 / 4],
        ["Measured", 3, None, None],
    ]
    assert "3 of 3 answered calls, which waited for 0:02:17 on average" in str(report.table("speed").note)
    assert rows(report, "days") == [["2026-10-14", 5, 3, 2, 2, 340, Decimal("1.2325")]]
    assert column(report, "hours", "received") | {"09:00": 3, "10:00": 2} == column(report, "hours", "received")
    assert column(report, "hours", "emitted")["11:00"] == 2
    assert column(report, "weekdays", "wed")["09:00"] == 3
    assert column(report, "missed_by_weekday", "wed")["10:00"] == 2
    assert rows(report, "lines") == [[LINE, LINE, 5, 3, 2, 2 / 5, 2]]
    assert rows(report, "extensions") == [["101", 3, 1, 2, 1 / 3, 0, 50], ["102", 2, 2, 0, 1.0, 0, 100]]
    assert rows(report, "costs") == [
        [LINE, "received", 5, 300, Decimal("0.06"), Decimal("0.1725"), Decimal("0.2325")],
        [LINE, "emitted", 2, 40, Decimal(0), Decimal("1.0"), Decimal("1.0")],
    ]
    assert report.table("callbacks").rows == []
    assert [str(note) for note in report.notes] == ["The period is not over."]


def test_what_is_corrected_later_counts_as_it_is_then(switchboard: Switchboard) -> None:
    name = switchboard.call(at(9), seconds=60)
    switchboard.count()
    before = switchboard.report()
    usual = {"call_sequence": name}
    switchboard.tell("desvio_correcto", document(**usual), at(9), "103")
    switchboard.end(usual, at(23), 90, cost_rx=Decimal("0.000001"), cost_tx=None)  # another hour, too
    for _ in range(2):  # before it is added up, and after
        report = switchboard.report()
        assert column(report, "hours", "received")["09:00"] == 0
        assert column(report, "hours", "answered")["23:00"] == 1
        assert rows(report, "days") == [["2026-10-14", 1, 1, 0, 0, 90, Decimal("0.000001")]]
        assert rows(report, "extensions") == [["103", 1, 1, 0, 1.0, 0, 0]]
        switchboard.count()
    assert column(before, "hours", "missed")["09:00"] == 1
    assert switchboard.count() == 0


def test_the_wait_is_left_out_where_an_event_is_missing_or_came_late(switchboard: Switchboard) -> None:
    switchboard.call(at(9), wait=10, begins=False)
    name = switchboard.call(at(9, 10), wait=10, begins=False)
    switchboard.tell("inicio", document(call_sequence=name), at(9, 30))
    switchboard.call(at(9, 20), wait=20)
    report = switchboard.report()
    assert rows(report, "speed")[0] == ["Within 20 seconds", 1, 1.0, 1.0]
    assert "It is known of 1 of 3 answered calls" in str(report.table("speed").note)


def test_a_call_that_goes_on_is_not_in_it_and_one_without_end_is(switchboard: Switchboard) -> None:
    switchboard.now = at(9, 30)
    name = switchboard.call(at(9), ends=False)
    report = switchboard.report()
    assert rows(report, "summary")[0] == ["Received", 0, None]
    assert [str(note) for note in report.notes] == ["The period is not over.", "1 call goes on, and is not in it."]
    switchboard.now += timedelta(hours=7)
    switchboard.folding.advance(LINE, name)
    assert column(switchboard.report(), "summary", "calls")["Their end is not known"] == 1


def test_what_happens_in_the_hour_that_autumn_has_twice_is_in_it(switchboard: Switchboard) -> None:
    autumn = date(2026, 10, 25)
    utc = ZoneInfo("UTC")
    for hour in (0, 1, 2):
        switchboard.call(at(hour, 30, autumn, utc), wait=1)
    switchboard.call(at(22, 30, autumn - timedelta(days=1), utc), wait=1)  # 00:30 of the day
    switchboard.call(at(23, 30, autumn, utc), wait=1)  # 00:30 of the next
    switchboard.now = at(12, day=autumn + timedelta(days=9))
    switchboard.count()
    report = switchboard.report(autumn)
    hours = column(report, "hours", "received")
    assert (hours["00:00"], hours["02:00"], hours["03:00"]) == (1, 2, 1)
    both = switchboard.report(autumn, autumn + timedelta(days=1))
    assert column(both, "days", "received") == {"2026-10-25": 4, "2026-10-26": 1}
    assert column(both, "weekdays", "sun")["02:00"] == 2
    assert column(report, "extensions", "rang") == {"101": 4}


def test_each_line_counts_by_its_own_clock(switchboard: Switchboard) -> None:
    switchboard.configure(lines=ROWS)
    canary = ROWS[1]["number"]
    switchboard.call(at(0, 30), wait=1, line=canary, begins=False, ends=False)  # 23:30 of the day before there
    switchboard.call(at(0, 30), wait=1, begins=False, ends=False)
    switchboard.now = at(23, day=DAY + timedelta(days=1))
    for name in ("c1", "c2"):
        for line in (LINE, canary):
            switchboard.folding.advance(line, name)
    switchboard.count()
    assert column(switchboard.report(), "lines", "received") == {LINE: 1}
    before = switchboard.report(DAY - timedelta(days=1))
    assert column(before, "hours", "received")["23:00"] == 1
    assert column(switchboard.report(DAY, line=canary), "lines", "received") == {}
    assert any("Atlantic/Canary" in str(note) for note in before.notes)


def test_sums_outlive_the_calls_and_hold_no_number_of_a_caller(switchboard: Switchboard) -> None:
    some(switchboard)
    before = switchboard.report()
    switchboard.count()
    later = switchboard.now + timedelta(days=100)
    privacy.forget(switchboard.database, "+34600111222")
    privacy.purge(switchboard.database, later, later)
    with switchboard.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 0
        kept = str(connection.execute(text("SELECT * FROM figures")).all())
    assert "600111222" not in kept
    assert switchboard.report().tables == before.tables
    with switchboard.database.write() as connection:
        callfigures.let_go(connection, later)
    assert rows(switchboard.report(), "summary")[0] == ["Received", 0, None]


def test_hosts_that_count_at_once_count_each_call_once(switchboard: Switchboard, database_url: str) -> None:
    for n in range(40):
        switchboard.call(at(9, n), wait=n, by=str(101 + n % 5))
    before = switchboard.report()
    hosts = [connect(database_url, patience=30) for _ in range(3)]
    failures: list[Exception] = []

    def count(host: int) -> None:
        try:
            while count_some(hosts[host], switchboard.configuration, 4):
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is fails the test
            failures.append(error)

    threads = [threading.Thread(target=count, args=(host,)) for host in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for host in hosts:
        host.close()
    switchboard.count()
    assert failures == []
    assert switchboard.report().tables == before.tables


def test_a_cost_that_can_be_none_and_a_name_without_end_keep_nothing_from_being_counted(
    switchboard: Switchboard,
) -> None:
    switchboard.call(at(9), wait=1, by="=cmd|' /C calc'!A0" + "9" * 90)
    switchboard.end({"call_sequence": "odd"}, at(10), 10**9 - 1, cost_rx=Decimal(10) ** 11, cost_tx=Decimal("-1"))
    switchboard.count()
    report = switchboard.report()
    assert rows(report, "summary")[0] == ["Received", 2, None]
    assert rows(report, "costs")[0][4:] == [Decimal("0.012"), Decimal("-0.9655"), Decimal("-0.9535")]


def test_many_calls_that_are_not_counted_yet_are_said_and_the_first_day_that_is_known(switchboard: Switchboard) -> None:
    some(switchboard)
    switchboard.count()
    report = switchboard.report(DAY - timedelta(days=3), DAY)
    assert "Calls are known from 2026-10-14 on." in [str(note) for note in report.notes]
    with switchboard.database.write() as connection:
        connection.execute(text("UPDATE calls SET version = version + 1"))
    assert switchboard.report().tables == switchboard.report().tables
    old = switchboard.now - timedelta(days=91)
    switchboard.now += timedelta(days=200)
    notes = [str(note) for note in switchboard.report(old.date(), DAY).notes]
    assert any("not kept any more" in note for note in notes)


def test_calls_that_are_counted_are_not_read_again_to_find_those_that_are_not(postgres_url: str) -> None:
    database = connect(postgres_url)
    read = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'calls'")
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO calls (line, call_sequence, state, call, version, counted_version, updated_at) "
                "SELECT '912345678', n, 'over', '{}', 1, 1, now() FROM generate_series(1, 3000) AS n"
            )
        )
        connection.execute(text("ANALYZE calls"))
        before = connection.execute(read).scalar_one()
        assert callfigures.left_to_count(connection, 1) == 0
        assert connection.execute(read).scalar_one() == before
    database.close()
