"""Campaigns: a file's rows are called, and it can be looked at, paused, cancelled and foretold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bridge.callbacks import IntakeCounts
from bridge.callbacks.campaigns import Campaigns
from bridge.callbacks.forecast import Forecast, Places, forecast
from bridge.callbacks.rowfile import CampaignRow, FileUnreadable, RowFile
from bridge.callbacks.task_intake import NoCampaign
from bridge.queue.base import LINE
from bridge.simulator.script import Reaction
from bridge.store import campaigns as store
from bridge.store import privacy
from bridge.store.tables import callbacks
from tests.callbacks.world import LINE as NUMBER
from tests.callbacks.world import MONDAY, World, world
from tests.connectors.sheetcase import workbook

ASKING = """
  - name: asking
    line: "912345678"
    rule_group: callbacks
    hours: always
    when: "{{ task.no != '1' }}"
"""
PEOPLE = "id;phone;name\n1;600 111 001;Ana\n2;12;Mala\n3;600111003;Iñigo\n;600111004;Sin id\n3;600111005;Doble\n"


def campaigns(here: World) -> Campaigns:
    return Campaigns(here.database, here.queue, here.desk, here.clock)


def take(
    here: World, text: str, name: str = "spring", encoding: str = "utf-8", source: str = "web"
) -> tuple[IntakeCounts, list[CampaignRow]]:
    file = here.folder / f"{name}.csv"
    file.write_bytes(text.encode(encoding))
    desk = campaigns(here)
    bad: list[CampaignRow] = []
    begun = desk.begin(name, source, str(file))
    rows = RowFile(file, desk.rules(source), f"{name}/", "en", MONDAY)
    return desk.take(begun, rows, bad.append, lambda _count: None), bad


def people(count: int, first: int = 600_200_000) -> str:
    return "phone\n" + "".join(f"{first + n}\n" for n in range(count))


def rung(here: World) -> list[str]:
    return [entry.number for entry in here.platform.ledger.rung]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_good_rows_are_called_and_bad_ones_are_told_with_their_row(tmp_path: Path, encoding: str) -> None:
    with world(tmp_path) as here:
        taken, bad = take(here, PEOPLE, encoding=encoding)
        assert taken.new == 2
        assert [(row.number, row.gate) for row in bad] == [(3, "task"), (5, "task"), (6, "double")]
        here.work()
        assert rung(here) == ["+34600111001", "+34600111003"]
        here.event("+34600111003", here.platform.ledger.rung[1].idcall, seconds=31)
        told = {row[0]: (row[2], row[5]) for row in campaigns(here).results("spring")}
        assert told == {"1": ("accepted", None), "3": ("answered", 31)}


def test_the_same_file_again_calls_nobody_again_and_more_rows_are_added(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, people(3))
        here.work()
        taken, _ = take(here, people(5))
        here.work()
        assert (taken.new, taken.known) == (2, 3)
        assert len(rung(here)) == len(set(rung(here))) == 5


def test_a_row_whose_number_is_gone_is_not_called_by_the_one_that_it_had(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, "id,phone\n1,600111001\n2,600111002\n3,600111003\n")
        taken, bad = take(here, "id,phone\n1,\n2,803111222\n3,600111003\n3,none\n4,\n")
        assert [(row.number, row.gate) for row in bad] == [(2, "task"), (3, "number"), (5, "task"), (6, "task")]
        assert (taken.new, taken.known) == (0, 1)
        here.work()
        assert rung(here) == ["+34600111003"]
        assert "no phone number" in here.callback(1).reason
        take(here, "id,phone\n1,600111009\n")
        here.work()
        assert rung(here) == ["+34600111003", "+34600111009"]


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_row_whose_when_holds_no_more_is_not_called_any_more(tmp_path: Path, in_turn: bool) -> None:
    with world(tmp_path, ASKING) as here:
        take(here, "id,phone,no\n1,600111001,\n2,600111002,\n", source="asking")
        if in_turn:
            here.handlers[LINE](NUMBER)
        again = "id,phone,no\n1,600111001,1\n2,600111002,\n2,600111002,1\n"
        taken, bad = take(here, again, source="asking")
        assert [(row.number, row.gate) for row in bad] == [(2, "when"), (4, "double")]
        assert (taken.new, taken.known) == (0, 1)
        here.work()
        assert rung(here) == ["+34600111002"]
        assert here.states()[0] == "cancelled"
        take(here, "id,phone,no\n1,600111001,\n", source="asking")
        here.work()
        assert rung(here) == ["+34600111002", "+34600111001"]


def test_two_campaigns_may_have_the_same_ids(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, "id,phone\n1,600111001\n", "spring")
        take(here, "id,phone\n1,600111002\n", "autumn")
        here.work()
        assert sorted(rung(here)) == ["+34600111001", "+34600111002"]
        assert campaigns(here).progress("spring").total == 1


def test_a_name_is_not_the_beginning_of_another(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, people(2), "spring")
        take(here, people(2, 600_300_000), "Spring")
        take(here, people(2, 600_400_000), "spring.2")
        assert campaigns(here).cancel("spring") == 2
        here.work()
        assert len(rung(here)) == 4


def test_a_paused_campaign_calls_nobody_until_it_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(-100))
        take(here, people(1))
        here.work()
        take(here, people(4))
        assert campaigns(here).pause("spring") == 4
        here.later(hours=1)
        assert rung(here) == []
        progress = campaigns(here).progress("spring")
        assert progress.gates == {"campaign": 4}
        assert progress.ends is None
        here.calling.sweep()
        assert campaigns(here).resume("spring") == 4
        here.work()
        here.later(hours=1)
        assert len(rung(here)) == 4


@pytest.mark.parametrize(
    ("by_person", "after"),
    [({"paused": True}, ["waiting"]), ({"cancelled_at": datetime(2026, 11, 23, tzinfo=UTC)}, ["cancelled"])],
)
def test_what_comes_back_to_a_campaign_that_a_person_halted_is_kept_back_too(
    tmp_path: Path, by_person: dict[str, Any], after: list[str]
) -> None:
    """The platform refused it for now, just when somebody paused or cancelled."""
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(-100))
        take(here, people(1))
        here.work()
        assert here.states() == ["waiting"]
        with here.database.write() as connection:
            store.save(here.database, connection, replace(campaigns(here).get("spring"), **by_person))
        here.later(days=1)
        assert rung(here) == []
        assert here.states() == after
        if "paused" in by_person:
            assert campaigns(here).progress("spring").gates == {"campaign": 1}
            campaigns(here).resume("spring")
            here.work()
            assert len(rung(here)) == 1


def test_a_task_that_came_otherwise_is_of_no_campaign_whatever_its_id(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, people(2))
        here.accept("spring/7")
        assert campaigns(here).progress("spring").total == 2
        assert campaigns(here).cancel("spring") == 2
        here.work()
        assert rung(here) == ["+34600111222"]


def test_a_cancelled_campaign_calls_nobody_any_more_and_is_not_taken_up_again(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, people(30))
        assert campaigns(here).cancel("spring") == 30
        here.work()
        assert rung(here) == []
        assert campaigns(here).progress("spring").over
        with pytest.raises(NoCampaign, match="was cancelled"):
            take(here, people(40))


def many(here: World, count: int, when_some: Callable[[Campaigns], object]) -> IntakeCounts:
    """Take many rows; once the first lot is on disk, `when_some` happens, as in another terminal, and the bridge works
    after each lot."""
    file = here.folder / "spring.csv"
    file.write_text(people(count), encoding="utf-8")
    desk = campaigns(here)
    to_do = [when_some]

    def told(_count: int) -> None:
        if to_do:
            to_do.pop()(desk)
        here.work()

    rows = RowFile(file, desk.rules("web"), "spring/", "en", MONDAY)
    return desk.take(desk.begin("spring", "web", str(file)), rows, lambda _row: None, told)


def test_a_campaign_cancelled_while_its_rows_are_taken_calls_none_that_come_after(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with pytest.raises(NoCampaign, match="cancelled while its rows were taken"):
            many(here, 1200, lambda desk: desk.cancel("spring"))
        here.work()
        assert rung(here) == []
        assert campaigns(here).progress("spring").over
        assert campaigns(here).get("spring").cancelled_at, "what was noted of it is not written over"


def test_a_campaign_paused_while_its_rows_are_taken_keeps_them_all_back(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        taken = many(here, 700, lambda desk: desk.pause("spring"))
        assert taken.new == 700
        assert campaigns(here).get("spring").paused
        assert campaigns(here).progress("spring").gates == {"campaign": 700}
        assert rung(here) == []


def test_rows_of_a_paused_campaign_are_at_no_moment_such_as_may_be_called(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        seen: list[dict[str, int]] = []

        def paused(desk: Campaigns) -> None:
            desk.pause("spring")
            here.database.after_commit(lambda: seen.append(desk.progress("spring").gates))

        many(here, 700, paused)
        assert seen[-1] == {"campaign": 700}
        assert all(gates.keys() == {"campaign"} for gates in seen)


def test_a_campaign_that_was_dropped_takes_no_rows_that_nobody_could_pause(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        file = here.folder / "spring.csv"
        file.write_text(people(3), encoding="utf-8")
        desk = campaigns(here)
        begun = desk.begin("spring", "web", str(file))
        with here.database.write() as connection:
            store.drop_empty(connection, here.now + timedelta(days=1))
        rows = RowFile(file, desk.rules("web"), "spring/", "en", MONDAY)
        with pytest.raises(NoCampaign, match="is not there any more"):
            desk.take(begun, rows, lambda _row: None, lambda _count: None)
        assert here.states() == []


def test_a_campaign_holds_up_no_other_source_of_its_line(tmp_path: Path) -> None:
    """At its pace a line has one turn at a time: the sources share them, each first come first served."""
    with world(tmp_path, per_minute=6) as here:
        take(here, people(50))
        here.work()
        here.later(seconds=25)
        tasks = [{"id": f"T{number}", "phone": f"60011100{number}", "due": "", "wait": ""} for number in range(3)]
        here.tasks(*tasks)
        for task in tasks:
            here.accept(task["id"], task["phone"], "agenda", due="", wait="")
        for _ in range(7):
            here.later(seconds=10.1)
        others = [number for number in rung(here) if number.startswith("+34600111")]
        assert others == ["+34600111000", "+34600111001", "+34600111002"]
        assert len(rung(here)) >= 8, "the campaign goes on meanwhile"


def test_what_can_be_no_campaign_is_told_why(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        desk = campaigns(here)
        with pytest.raises(NoCampaign, match="agenda, which knows nothing"):
            desk.begin("spring", "agenda", "x")
        with pytest.raises(NoCampaign, match="can't name a campaign"):
            desk.begin("a/b", "web", "x")
        with pytest.raises(NoCampaign, match="there is none"):
            desk.progress("autumn")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b'id,phone\n1,"6001', b"id,phone\n1,\xff\xfe\n"])
def test_a_broken_file_is_told_what_is_wrong_or_read(tmp_path: Path, content: bytes) -> None:
    with world(tmp_path) as here:
        file = tmp_path / "broken.csv"
        file.write_bytes(content)
        rows = RowFile(file, campaigns(here).rules("web"), "x/", "en", MONDAY)
        try:
            assert [row.fault is not None for row in rows] == [True]
        except FileUnreadable as error:
            assert "broken.csv" in str(error)  # noqa: PT017 - either will do


def test_a_spreadsheet_is_a_campaign_too(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["Primavera", None], [], ["id", "phone"], [1, 600111001], [2, 12], [3, "600 111 003"]]
    file = workbook(tmp_path / "spring.xlsx", rows, sheet="Gente")
    with world(tmp_path) as here:
        desk = campaigns(here)
        bad: list[CampaignRow] = []
        begun = desk.begin("spring", "web", str(file))
        spreadsheet = RowFile(file, desk.rules("web"), "spring/", "en", MONDAY, sheet="Gente")
        assert desk.take(begun, spreadsheet, bad.append, lambda _count: None).new == 2
        assert [(row.number, row.gate) for row in bad] == [(5, "task")]
        here.work()
        assert rung(here) == ["+34600111001", "+34600111003"]
        with pytest.raises(FileUnreadable, match=r"spring\.xlsx: it has no sheet Otra"):
            list(replace(spreadsheet, sheet="Otra"))


def foretold(here: World, text: str, source: str = "web") -> Forecast:
    file = here.folder / "people.csv"
    file.write_text(text, encoding="utf-8")
    rules = here.desk.book().rules[source]
    rows = RowFile(file, rules, "x/", "en", MONDAY)
    with here.database.read() as connection, here.current.use() as service:
        return forecast(
            connection, service.configuration, rules, service.sources, rows, here.clock(), lambda _row: None
        )


def test_a_dry_run_says_what_each_gate_keeps_back_and_calls_nobody(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=60) as here:
        rows = "id,phone,due\n1,600111001,\n2,12,\n3,600999888,\n4,600111004,2026-11-24\n5,803111222,\n6,600111006,\n"
        found = foretold(here, rows + "7,+351912345678,\n", "agenda")
        assert found.rows == 7
        assert found.never == {"task": 1, "do_not_call": 1, "number": 2}
        assert (found.called, found.later) == (3, {"due": 1})
        assert found.ends is not None
        assert found.ends.astimezone(UTC) == datetime(2026, 11, 24, 9, 0, tzinfo=UTC), "a mobile may be in the Canaries"
        assert here.desk.queries.find() == []
        assert rung(here) == []
        here.now += timedelta(hours=12)
        assert foretold(here, "phone\n600111001\n", "agenda").later == {"hours": 1}


def test_a_dry_run_counts_what_a_number_was_called_today(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        for number in range(3):
            here.accept(f"T{number}")
            here.work()
        assert foretold(here, "phone\n600111222\n600111333\n").later == {"per_number": 1}


def test_a_dry_run_of_a_file_that_was_taken_before_counts_only_who_is_still_called(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=60) as here:
        take(here, people(2), "x")
        here.work()
        here.later(seconds=1)
        assert len(rung(here)) == 2
        take(here, people(3), "x")
        found = foretold(here, people(5))
        assert (found.called, found.never, found.ahead) == (3, {"known": 2}, 0), "one waits already, two are new"


def test_a_dry_run_gives_rows_behind_others_of_the_line_their_place(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=1) as here:
        take(here, people(30), "winter")
        found = foretold(here, "phone\n600111001\n")
        assert (found.called, found.ahead) == (1, 30)
        assert found.begins is not None
        assert timedelta(minutes=29) < found.begins - here.now < timedelta(minutes=31)


def test_a_dry_run_says_how_many_would_expire_before_their_turn(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=1, more="expires: 1h") as here:
        found = foretold(here, people(200), "agenda")
        assert (found.called, found.never) == (60, {"expired": 140})
        assert found.ends is not None
        assert timedelta(minutes=58) < found.ends - here.now < timedelta(hours=1)


def test_a_dry_run_counts_the_rows_of_one_number_as_calls_to_it(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=60) as here:
        rows = "".join(f"{n},600111222\n" for n in range(7))
        found = foretold(here, "id,phone\n" + rows)
        assert (found.called, found.later) == (7, {"per_number": 4})
        assert found.ends is not None
        assert found.ends.date() - here.now.date() == timedelta(days=2), "3 a day: the seventh on the third day"


def test_progress_says_why_its_line_stands_and_no_end_that_will_not_be(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=1) as here:
        take(here, people(3))
        assert campaigns(here).progress("spring").ends is not None
        here.desk.operator.pause_line("912345678", "mad monday")
        progress = campaigns(here).progress("spring")
        assert progress.ends is None
        assert "line 912345678 is paused by a person" in str(progress.stands)
        assert "mad monday" in str(progress.stands)
        here.desk.operator.resume_line("912345678")
        here.desk.operator.pause_source("web")
        assert "source web is paused by a person" in str(campaigns(here).progress("spring").stands)


def test_progress_reckons_with_the_calls_that_the_line_made_today(tmp_path: Path) -> None:
    with world(tmp_path, per_day=3) as here:
        take(here, people(5))
        here.work()
        assert len(rung(here)) == 3
        progress = campaigns(here).progress("spring")
        assert progress.ends is not None
        assert progress.ends > here.now + timedelta(hours=11), "not today"


def test_the_end_is_reckoned_by_pace_hours_and_day(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=60, per_day=2000) as here:
        always, daytime = here.desk.book().rules["web"], here.desk.book().rules["agenda"]
        zones = ("Europe/Madrid",)
        monday_noon = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
        assert Places(always, zones, 0, monday_noon).take_many(60) == monday_noon + timedelta(minutes=1)
        assert Places(always, zones, 2000, monday_noon).take_many(60) == monday_noon + timedelta(days=1, minutes=1)
        friday_evening = datetime(2026, 11, 27, 18, 59, tzinfo=UTC)
        assert Places(daytime, zones, 0, friday_evening).take_many(120) == datetime(2026, 11, 30, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize(("source", "today"), [("web", 0), ("agenda", 0), ("agenda", 1990), ("web", 2000)])
def test_many_places_at_once_are_those_that_are_taken_one_by_one(tmp_path: Path, source: str, today: int) -> None:
    with world(tmp_path, per_minute=7, per_day=2000) as here:
        rules, zones = here.desk.book().rules[source], ("Europe/Madrid",)
        together, single = (Places(rules, zones, today, here.now) for _ in range(2))
        for count in (1, 30, 3000):
            over = together.take_many(count)
            last = [single.take(here.now) for _ in range(count)][-1]
            assert over is not None
            assert last is not None
            assert abs(over - last - timedelta(minutes=1) / 7) < timedelta(milliseconds=5)


def test_what_is_over_and_old_is_forgotten_with_its_note(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        take(here, people(3))
        campaigns(here).cancel("spring")
        privacy.purge(here.database, here.now - timedelta(days=1), here.now - timedelta(days=2))
        assert campaigns(here).progress("spring").total == 3
        privacy.purge(here.database, here.now + timedelta(days=1), here.now)
        assert campaigns(here).every() == []
        assert here.desk.queries.find() == []


def test_who_is_forgotten_is_not_called_and_leaves_no_trace_but_one_that_names_nobody(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        waits = here.accept("T1", "600111222", due="2026-11-24T10:00")
        rang = here.accept("T2", "600111222")
        other = here.accept("T3", "600111333", due="2026-11-24T10:00")
        here.work()
        erased = privacy.forget(here.database, "+34600111222")
        assert erased.callbacks == 2
        after = [here.callback(one.id) for one in (waits, rang, other)]
        assert [one.state.value for one in after] == ["cancelled", "accepted", "waiting"]
        assert "600111222" not in repr(after[:2])
        assert here.accept("T1", "600111222").id == waits.id, "the same task again is not called"
        here.later(days=1)
        assert rung(here) == ["+34600111222", "+34600111333"]
        assert privacy.person(here.database, "+34600111222")["callbacks"] == []


def test_what_is_still_listed_loses_what_is_personal_and_is_not_called_again(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        called = here.accept("T1")
        here.work()
        here.event("+34600111222", here.platform.ledger.rung[0].idcall)
        before = here.now - timedelta(seconds=1)
        with here.database.write() as connection:
            connection.execute(update(callbacks).values(settled_at=before - timedelta(days=90)))
        privacy.purge(here.database, before - timedelta(days=1), before)
        assert here.callback(called.id).number == ""
        assert here.accept("T1").id == called.id
        here.work()
        assert len(rung(here)) == 1
