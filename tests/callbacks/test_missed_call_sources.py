"""Which source a missed call is of, what its rules let through, and what waits for a person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bridge.callbacks import CallbackState
from bridge.callbacks.gates import Gate
from bridge.config.load import load
from bridge.service.composition import Service
from bridge.simulator.script import PlannedFault, Reaction
from tests.callbacks.missed_case import (
    AFTER,
    ANA,
    EVA,
    WAITING,
    call,
    one,
    rung,
    source,
    tasks,
)
from tests.callbacks.world import LINE, world


def test_by_hand_it_waits_for_a_person_and_heeds_every_gate(tmp_path: Path) -> None:
    with world(
        tmp_path,
        source("dial: by_hand").replace("    hours: always", "    hours: {days: mon-fri, from: '16:00', to: '20:00'}"),
    ) as here:
        call(here, "1")
        assert (one(here).state, one(here).gate) == (WAITING, Gate.BY_HAND)
        here.later(hours=5)
        assert rung(here) == []
        here.later(hours=20)  # 13:00 of the next day
        call(here, "2")
        assert (one(here).gate, one(here).task["count"]) == (Gate.BY_HAND, 2)
        here.desk.operator.call(one(here).id)
        here.work()
        assert (one(here).gate, rung(here)) == (Gate.HOURS, [])
        here.later(hours=4)
        assert rung(here) == [f"+34{ANA}"]
        assert here.desk.operator.call(one(here).id) is None


def test_a_further_call_does_not_put_off_what_a_person_has_called(tmp_path: Path) -> None:
    with world(tmp_path, source("dial: by_hand", "after: 10m")) as here:
        call(here, "1")
        here.desk.operator.pause_line(LINE)
        here.desk.operator.call(one(here).id)
        here.later(minutes=1)
        call(here, "2")
        here.desk.operator.resume_line(LINE)
        here.work()
        assert (one(here).task["count"], rung(here)) == (2, [f"+34{ANA}"])


def test_by_hand_a_conversation_ends_it_and_time_does(tmp_path: Path) -> None:
    with world(tmp_path, source("dial: by_hand", "expires: 2d")) as here:
        call(here, "1")
        call(here, "2", EVA)
        here.now += timedelta(minutes=1)
        call(here, "3", answered=True)
        assert [callback.gate for callback in tasks(here)] == [Gate.SPOKEN_SINCE, Gate.BY_HAND]
        here.later(days=2, hours=1)
        assert tasks(here)[1].state is CallbackState.EXPIRED


def test_a_changed_source_holds_for_what_waits(tmp_path: Path) -> None:
    with world(tmp_path, source("dial: by_hand", "after: 10m")) as here:
        call(here, "1")

        def change(old: str, new: str) -> None:
            here.config.write_text(here.config.read_text().replace(old, new))
            here.current.replace(Service.open(load(here.config), background=True))
            here.calling.sweep()
            here.work()

        change("dial: by_hand", "dial: automatic")
        assert (one(here).gate, one(here).due) == ("", one(here).next_at)
        change("after: 10m", "after: 2h")
        due = one(here).due
        assert due is not None
        assert due > here.now + timedelta(minutes=100)
        change("dial: automatic", "dial: by_hand")
        assert one(here).gate == Gate.BY_HAND
        change("dial: by_hand", "dial: automatic")
        here.later(minutes=115)
        assert rung(here) == []
        here.later(minutes=10)
        assert rung(here) == [f"+34{ANA}"]


def test_a_source_with_another_name_goes_on_with_what_waits(tmp_path: Path) -> None:
    with world(tmp_path, source("dial: by_hand")) as here:
        call(here, "1")
        here.desk.operator.call(one(here).id)
        here.desk.operator.pause_line(LINE)
        text = here.config.read_text().replace("from: missed_calls", "from: missed_calls\n    name: recalls")
        here.config.write_text(text)
        here.current.replace(Service.open(load(here.config), background=True))
        here.calling.sweep()
        [callback] = here.desk.queries.find()
        assert (callback.source, callback.state, callback.by_hand_at is not None) == ("recalls", WAITING, True)
        here.desk.operator.resume_line(LINE)
        here.work()
        assert rung(here) == [f"+34{ANA}"]


def test_of_several_sources_a_task_is_of_the_first_whose_when_holds(tmp_path: Path) -> None:
    more = source("name: sales", "when: \"{{ task.called == '910000001' }}\"") + (
        '\n  - {from: missed_calls, line: "912345678", rule_group: rest, hours: always, after: 1h,'
        ' when: "{{ task.count > 1 }}"}'
    )
    with world(tmp_path, more) as here:
        call(here, "1", called="910000001")
        call(here, "2", EVA, called="910000002")
        assert [callback.source for callback in here.desk.queries.find()] == ["sales"]
        call(here, "3", EVA, called="910000002")
        [callback] = tasks(here)
        assert (callback.customer, callback.task["count"]) == (f"+34{EVA}", 2)


def test_lines_without_a_source_keep_nothing(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        text = here.config.read_text()
        here.config.write_text(
            text.replace(
                'line: "912345678"\n    rule_group: missed', 'line: "912345670"\n    rule_group: missed'
            ).replace("connectors:", '  - {number: "912345670", password: "1"}\nconnectors:', 1)
        )
        here.current.replace(Service.open(load(here.config), background=True))
        call(here, "1")
        assert tasks(here) == []


def test_one_that_was_released_by_a_person_makes_no_second_one_wait(tmp_path: Path) -> None:
    with world(tmp_path, source("may_have_rung: given_up")) as here:
        here.platform.script.next(Reaction(fault=PlannedFault.RESET_AFTER))
        call(here, "1")
        given_up = one(here)
        assert (given_up.state, given_up.settled_at is not None) == (CallbackState.MAY_HAVE_RUNG, True)
        here.desk.operator.pause_line(LINE)
        here.now += timedelta(minutes=1)
        call(here, "2")
        assert [callback.state.value for callback in tasks(here)] == ["may_have_rung", "waiting"]
        assert here.desk.operator.confirm(given_up.id, rang=False) is None
        assert [callback.state.value for callback in tasks(here)] == ["may_have_rung", "waiting"]
