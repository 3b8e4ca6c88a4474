"""What keeps callbacks back, in the life of one: hours, lists, limits, the task read again just before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.callbacks import CallbackState as State
from bridge.config.load import load
from bridge.service.composition import Service
from connectors.base import Task
from tests.callbacks.world import MONDAY, World, world
from tests.fakes.loopback import HttpLoopback, HttpRequest
from tests.waiting import until

NIGHT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
ANSWER = {"id": "T1", "phone": "600111222"}


def poll(here: World) -> None:
    """Look at the tasks once more."""
    here.later(seconds=31)
    here.calling.sweep()
    here.work()


def test_nobody_is_called_at_night_and_the_reason_says_until_when(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.now = NIGHT
        here.accept(source="agenda")
        here.work()
        waiting = here.callback()
        assert (waiting.state, waiting.gate) == (State.WAITING, "hours")
        assert "2026-11-24 09:00" in waiting.reason
        assert not here.platform.ledger.entries


def test_who_is_in_the_list_is_never_called_and_the_crm_hears_why(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600999888"})
        poll(here)
        assert here.callback().state is State.REJECTED
        assert here.callback().gate == "do_not_call"
        assert [row["status"] for row in here.results()] == ["rejected"]
        assert not here.platform.ledger.entries


def test_while_the_list_is_away_nobody_is_called(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.accept(source="listed")
        here.work()
        assert (here.callback().state, here.callback().gate) == (State.WAITING, "list_away")
        here.later(hours=2)
        assert not here.platform.ledger.entries


def test_a_task_that_is_gone_when_its_turn_comes_is_not_called(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600111222", "due": "2026-11-23T13:00"})
        poll(here)
        assert here.callback().state is State.WAITING
        here.tasks()
        here.later(hours=2)
        assert here.callback().state is State.CANCELLED
        assert here.callback().withdrawn
        assert not here.platform.ledger.entries
        assert here.results() == []


def test_a_task_that_was_changed_meanwhile_is_called_as_it_is_then(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600111222", "due": "2026-11-23T13:00"})
        poll(here)
        here.tasks({"id": "T1", "phone": "600111999", "due": "2026-11-23T15:00"})
        here.now = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
        here.work()
        assert (here.callback().state, here.callback().number) == (State.WAITING, "+34600111999")
        here.now = datetime(2026, 11, 23, 14, 1, tzinfo=UTC)
        here.work()
        assert [one.number for one in here.platform.ledger.rung] == ["+34600111999"]


def test_a_task_that_came_again_is_the_same_callback_whichever_way(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks(ANSWER)
        here.accept(source="agenda")
        poll(here)
        assert not here.desk.intake.accept("agenda", Task("T1", ANSWER)).new
        poll(here)
        assert len(here.platform.ledger.rung) == 1


def test_what_was_withdrawn_and_is_asked_for_again_is_called(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600111222", "due": "2026-11-23T13:00"})
        poll(here)
        here.tasks()
        here.later(hours=2)
        assert here.callback().state is State.CANCELLED
        here.tasks(ANSWER)
        poll(here)
        assert here.callback().state is State.ACCEPTED


def test_a_number_is_called_three_times_a_day_over_all_sources(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        for number in range(5):
            here.accept(f"T{number}")
        here.work()
        assert sorted(here.states()) == ["accepted"] * 3 + ["waiting"] * 2
        waiting = [here.callback(number) for number in range(1, 6)]
        waiting = [one for one in waiting if one.state is State.WAITING]
        assert {one.gate for one in waiting} == {"per_number"}
        here.later(days=1)
        assert len(here.platform.ledger.rung) == 5


def test_a_line_calls_no_more_than_its_day_allows(tmp_path: Path) -> None:
    with world(tmp_path, per_day=2) as here:
        for number in range(4):
            here.accept(f"T{number}", f"60011122{number}")
        here.work()
        here.later(hours=1)
        assert len(here.platform.ledger.rung) == 2
        here.later(hours=13)
        assert len(here.platform.ledger.rung) == 4


def test_the_pace_is_even_and_no_more_than_so_many_are_under_way(tmp_path: Path) -> None:
    with world(tmp_path, per_minute=30, at_once=3) as here:
        for number in range(6):
            here.accept(f"T{number}", f"60011122{number}")
        here.work()
        assert len(here.platform.ledger.rung) == 1
        here.later(seconds=2)
        assert len(here.platform.ledger.rung) == 2
        for _ in range(10):
            here.later(seconds=2)
        assert len(here.platform.ledger.rung) == 3
        here.event("+34600111220", here.platform.ledger.rung[0].idcall)
        here.later(seconds=3)
        assert len(here.platform.ledger.rung) == 4


def test_what_is_too_old_expires(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.desk.operator.pause_line("912345678")
        here.accept()
        here.later(days=8)
        here.desk.operator.resume_line("912345678")
        here.work()
        assert here.callback().state is State.EXPIRED
        assert not here.platform.ledger.entries


@pytest.mark.parametrize("phone", ["", "no number", "112", "803123456", "+442079460018"])
def test_what_may_not_be_called_is_rejected_at_once(tmp_path: Path, phone: str) -> None:
    with world(tmp_path) as here:
        rejected = here.accept(phone=phone)
        assert rejected.state is State.REJECTED
        assert rejected.reason
        here.work()
        assert not here.platform.ledger.entries


def test_a_person_cancels_pauses_and_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.desk.operator.pause_source("web", "holidays")
        here.accept()
        here.accept("T2", "600111333")
        here.work()
        assert here.desk.operator.cancel(1, "not wanted")
        assert not here.desk.operator.cancel(1)
        here.later(minutes=30)
        assert not here.platform.ledger.entries
        here.desk.operator.resume_source("web")
        here.work()
        assert here.states() == ["cancelled", "accepted"]
        assert not here.desk.operator.cancel(2)


def test_all_of_a_source_are_cancelled_and_their_crm_hears_of_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.now = NIGHT
        here.tasks(*({"id": f"T{n}", "phone": f"6001110{n:02}"} for n in range(20)))
        poll(here)
        assert here.desk.operator.cancel_all("agenda") == 20
        assert set(here.states()) == {"cancelled"}
        here.calling.sweep()
        here.work()
        assert [row["status"] for row in here.results()] == ["cancelled"] * 20
        here.later(days=1)
        poll(here)
        assert not here.platform.ledger.entries


def test_the_platform_holds_a_call_whose_time_it_was_given(tmp_path: Path) -> None:
    with world(tmp_path, "schedule: platform") as here:
        here.accept(source="agenda", due="2026-11-24T10:30")
        here.accept("T2", "600111333", source="agenda", due="2026-11-24T22:00")
        here.tasks({"id": "T1", "phone": "600111222", "due": "2026-11-24T10:30"},
                   {"id": "T2", "phone": "600111333", "due": "2026-11-24T22:00"})  # fmt: skip
        here.work()
        asked = here.platform.ledger.rung
        # a mobile may be in the Canaries, where nine o'clock is an hour later
        assert [one.call_at for one in asked] == ["2026-11-24T10:30:00", "2026-11-25T10:00:00"]
        here.later(hours=12)
        here.calling.sweep()
        here.work()
        assert here.states() == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("due", "moment"),
    [
        ("2026-03-29T02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # that hour is left out
        ("2026-03-29T03:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # and that one comes twice
    ],
)
def test_a_clock_change_neither_skips_nor_repeats_a_call(tmp_path: Path, due: str, moment: datetime) -> None:
    with world(tmp_path) as here:
        here.now = moment - timedelta(hours=3)
        called = here.accept(due=due)
        assert called.due == moment
        for _ in range(40):
            here.later(minutes=10)
            here.calling.sweep()
            here.work()
        assert [one.number for one in here.platform.ledger.rung] == ["+34600111222"]
        sent = here.callback().rung_at
        assert sent is not None
        assert timedelta() <= sent - moment < timedelta(minutes=11)


def test_a_task_of_today_is_called_now(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.accept(source="web", due="2026-11-23")
        here.work()
        assert here.callback().state is State.ACCEPTED
        assert here.callback().due is not None
        assert here.now < MONDAY + timedelta(minutes=5)


class _List(HttpLoopback):
    def take(self, request: HttpRequest) -> None:
        request.reply(b'[{"id": 7, "phone": "600111222"}]', headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(("phones", "state"), [("[tel]", State.WAITING), ("[phone]", State.REJECTED)])
def test_a_rest_list_that_is_read_in_the_wrong_way_keeps_everybody_back(
    tmp_path: Path, phones: str, state: State
) -> None:
    """The list knows the person, but none of what it answers has a number where the mapping looks for one."""
    with _List() as server, world(tmp_path) as here:
        text = here.config.read_text(encoding="utf-8").replace("127.0.0.1:9/", f"127.0.0.1:{server.port}/")
        text = text.replace("fields: {id: id}", f"fields: {{id: id}}, phones: {phones}")
        here.config.write_text(text, encoding="utf-8")
        here.current.replace(Service.open(load(here.config), background=True))
        here.accept(source="listed")
        here.work()
        assert here.callback().state is state
        assert here.callback().gate == ("list_away" if state is State.WAITING else "do_not_call")
        assert not here.platform.ledger.entries


def test_a_list_whose_phone_column_holds_no_number_keeps_everybody_back(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        (tmp_path / "robinson.csv").write_text("phone,tel\nAna,600111222\n", encoding="utf-8")
        until(lambda: here.probed("table robinson") == "1 row with phone, tel")
        here.tasks({"id": "T1", "phone": "600111222"})
        poll(here)
        assert (here.callback().state, here.callback().gate) == (State.WAITING, "list_away")
        assert not here.platform.ledger.entries


def test_a_list_with_nobody_on_it_is_read(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        (tmp_path / "robinson.csv").write_text("phone\n", encoding="utf-8")
        until(lambda: here.probed("table robinson") == "0 rows with phone")
        here.tasks({"id": "T1", "phone": "600111222"})
        poll(here)
        assert here.callback().state is State.ACCEPTED


def columns(here: World, text: str) -> None:
    """The file of tasks is another, and the connector knows it."""
    (here.folder / "tasks.csv").write_text(text, encoding="utf-8")
    with here.current.use() as service:
        agenda = service.sources["agenda"].connector
        until(lambda: set(agenda.task_fields() or ()) == set(text.splitlines()[0].split(",")))


def test_a_list_that_lost_its_column_of_numbers_is_a_fault_of_the_list(tmp_path: Path) -> None:
    """Nobody's task is rejected for it, neither a new one nor one that waits; it goes on once the file is mended."""
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600111222", "due": "2026-11-23T13:00"})
        poll(here)
        columns(here, "id,tel\nT1,600111222\nT2,600111333\n")
        poll(here)
        here.later(hours=2)
        assert here.states() == ["waiting"]
        assert here.callback().gate == "crm_away"
        assert "there is no phone" in here.callback().reason
        assert here.results() == []
        columns(here, "id,phone\nT1,600111222\nT2,600111333\n")
        here.later(hours=2)
        here.calling.sweep()
        here.later(hours=2)
        assert {entry.number for entry in here.platform.ledger.rung} == {"+34600111222", "+34600111333"}
