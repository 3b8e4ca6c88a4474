"""What a call comes to, and what a person makes of one that may have rung."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.callbacks import CallbackFilter, states
from bridge.callbacks import CallbackState as State
from bridge.simulator.script import PlannedFault, Reaction
from bridge.store import callbacks
from tests.callbacks.world import LINE, World, world

BUSY = """retries: 2
    outcomes: {busy: "{{ call.events[-1].name == 'Comunica' }}"}"""


def called(here: World) -> str:
    """A callback that was accepted; its idcall."""
    here.tasks({"id": "T1", "phone": "600111222"})
    here.accept(source="agenda")
    here.work()
    return here.platform.ledger.rung[0].idcall


def may_have_rung(here: World) -> None:
    here.tasks({"id": "T1", "phone": "600111222"})
    here.platform.script.next(Reaction(fault=PlannedFault.RESET_AFTER))
    here.accept(source="agenda")
    here.work()
    assert here.callback().state is State.MAY_HAVE_RUNG


def test_a_call_that_lasted_was_answered_and_one_that_did_not_was_not(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        idcall = called(here)
        here.event("+34600111222", idcall, 0)
        assert here.callback().state is State.NO_ANSWER
        here.event("+34600111222", idcall, 12)  # a corrected FIN
        assert (here.callback().state, here.callback().seconds) == (State.ANSWERED, 12)
        assert here.told() == ["accepted", "no_answer", "answered"]


def test_it_was_answered_if_any_of_the_calls_to_a_busy_phone_was(tmp_path: Path) -> None:
    with world(tmp_path, BUSY) as here:
        idcall = called(here)
        here.event("+34600111222", idcall, 0, "1", ending="Comunica")
        assert here.callback().state is State.ACCEPTED
        here.event("+34600111222", idcall, 20, "2")
        assert here.callback().state is State.ANSWERED
        here.event("+34600111222", idcall, 0, "3", ending="Comunica")
        assert here.told() == ["accepted", "answered"]


def test_a_phone_that_stays_busy_is_busy_when_the_time_is_over(tmp_path: Path) -> None:
    with world(tmp_path, BUSY) as here:
        idcall = called(here)
        here.event("+34600111222", idcall, 0, "1", ending="Comunica")
        here.later(minutes=31)
        here.calling.sweep()
        here.work()
        assert here.callback().state is State.BUSY
        assert here.told() == ["accepted", "busy"]


def test_its_task_says_what_became_of_the_call_so_no_activity_does(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        idcall = called(here)
        here.event("+34600111222", idcall)
        assert not (tmp_path / "activities.csv").exists()
        here.event("+34600111222", "somebody else's", sequence="2")
        assert (tmp_path / "activities.csv").exists()


def test_a_call_to_the_number_in_time_settles_what_may_have_rung(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        may_have_rung(here)
        here.event("+34600111999", "1", sequence="9")
        assert here.callback().state is State.MAY_HAVE_RUNG
        here.event("+34600111222", "2")
        assert here.callback().state is State.ANSWERED
        assert here.told() == ["may_have_rung", "accepted", "answered"]
        assert not (tmp_path / "activities.csv").read_text().count("+34600111222")


def test_a_call_much_later_is_another_one(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        may_have_rung(here)
        here.later(hours=1)
        here.event("+34600111222", "2")
        assert here.callback().state is State.MAY_HAVE_RUNG


def test_a_person_says_that_it_rang(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        may_have_rung(here)
        assert [one.id for one in here.desk.queries.find(CallbackFilter(unsettled=True))] == [1]
        settled = here.desk.operator.confirm(1, rang=True)
        assert settled is not None
        assert settled.state is State.NO_OUTCOME
        here.later(days=1)
        assert len(here.platform.ledger.entries) == 1
        assert here.desk.operator.confirm(1, rang=False) is None
        assert here.desk.queries.find(CallbackFilter(unsettled=True)) == []


def test_a_person_says_that_it_did_not_ring_and_it_is_called(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        may_have_rung(here)
        assert here.desk.operator.confirm(1, rang=False) is not None
        here.work()
        assert here.callback().state is State.ACCEPTED
        assert len(here.platform.ledger.entries) == 2
        assert here.told() == ["may_have_rung", "accepted"]


def test_the_configuration_may_say_to_leave_it_at_that(tmp_path: Path) -> None:
    with world(tmp_path, "may_have_rung: given_up") as here:
        may_have_rung(here)
        assert here.desk.queries.find(CallbackFilter(unsettled=True)) == []
        assert here.told() == ["may_have_rung"]


@pytest.mark.parametrize("events_first", [True, False])
def test_what_was_being_sent_when_its_process_died_may_have_rung(tmp_path: Path, *, events_first: bool) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600111222"})
        here.desk.operator.pause_source("agenda")
        here.accept(source="agenda")
        with here.database.write() as connection:  # as far as another process came
            now = here.clock()
            callbacks.change(connection, 1, states.queue(now, LINE, now), now)
            asked = {"EsperaMax": "5"}
            callbacks.change(connection, 1, states.send(now, now, asked, "gone", now + timedelta(seconds=20), 1), now)
        if events_first:
            here.event("+34600111222", "5")
            assert here.callback().state is State.SENDING
            assert not (tmp_path / "activities.csv").exists()
        here.later(seconds=30)
        here.calling.sweep()
        here.work()
        assert here.callback().state is (State.ANSWERED if events_first else State.MAY_HAVE_RUNG)
        here.desk.operator.resume_source("agenda")
        here.later(days=1)
        assert not here.platform.ledger.entries


def test_what_the_crm_is_told_comes_in_order_however_often_it_was_away(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        idcall = called(here)
        results = tmp_path / "tasks.results.csv"
        kept = results.read_bytes()
        results.unlink()
        results.mkdir()  # nothing can be written
        here.event("+34600111222", idcall)
        here.later(seconds=10)
        results.rmdir()
        results.write_bytes(kept)
        for _ in range(40):
            here.later(minutes=15)
        assert [row["status"] for row in here.results()] == ["claimed", "accepted", "answered"]
