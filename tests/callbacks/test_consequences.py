"""What follows from each answer of the platform, and from none: through the real emitter, on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.callbacks import CallbackState as State
from bridge.infocaller.results import RESULTS, Consequence
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.script import PlannedFault, Reaction
from bridge.store.emissions import Mode
from tests.callbacks.world import LINE, World, world

WAITING, REJECTED, UNKNOWN = State.WAITING, State.REJECTED, State.MAY_HAVE_RUNG
RUNNING, PAUSED, STOPPED = Mode.RUNNING, Mode.PAUSED, Mode.STOPPED

TABLE = {
    0: (State.ACCEPTED, RUNNING, RUNNING),
    -100: (WAITING, RUNNING, RUNNING),
    **dict.fromkeys((3, 10, 11, 12, 14), (WAITING, PAUSED, RUNNING)),
    **dict.fromkeys((9, 13), (WAITING, RUNNING, RUNNING)),
    **dict.fromkeys((6, 7, 8), (WAITING, RUNNING, PAUSED)),
    **dict.fromkeys((4, 5, 99), (REJECTED, RUNNING, RUNNING)),
    **dict.fromkeys((1, 2, -1, -2, -3, -99), (WAITING, STOPPED, RUNNING)),
}
FAULTS = {
    **dict.fromkeys(
        (
            PlannedFault.RESET_BEFORE, PlannedFault.RESET_AFTER, PlannedFault.CLOSED, PlannedFault.HANG,
            PlannedFault.SLOW, PlannedFault.TRUNCATED, PlannedFault.GARBAGE, PlannedFault.HUGE, PlannedFault.ERROR_500,
        ),
        (UNKNOWN, RUNNING, RUNNING),
    ),
    **dict.fromkeys((PlannedFault.NOT_FOUND, PlannedFault.REDIRECT), (WAITING, PAUSED, RUNNING)),
}  # fmt: skip


def standing(here: World) -> tuple[State, Mode, Mode]:
    web = next(one for one in here.desk.queries.sources() if one.name == "web")
    return here.callback().state, here.desk.queries.lines()[0].mode, web.mode


def test_every_result_of_the_manual_is_in_the_table() -> None:
    assert set(TABLE) - {99} == set(RESULTS)


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("result", TABLE)
def test_each_result_has_its_consequence(tmp_path: Path, result: int, form: str) -> None:
    with world(tmp_path, format=form) as here:
        here.platform.script.next(Reaction(result))
        here.accept()
        here.work()
        assert standing(here) == TABLE[result]
        assert here.callback().result == result
        assert len(here.platform.ledger.rung) == (result == 0)


def test_every_consequence_is_met_by_a_result_a_fault_or_a_platform_that_is_away() -> None:
    met = {meaning.consequence for meaning in RESULTS.values()}
    assert met | {Consequence.MAY_HAVE_RUNG, Consequence.NOT_SENT} == set(Consequence)


@pytest.mark.parametrize("result", [0, 1, 3, 4, 8, 9, -100])  # one for each consequence
def test_only_what_rang_nobody_is_sent_again(tmp_path: Path, result: int) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(result))
        here.accept()
        here.work()
        here.desk.operator.resume_line(LINE)
        here.desk.operator.resume_source("web")
        for _ in range(3):
            here.later(days=1)
            here.calling.sweep()
            here.work()
        assert len(here.platform.ledger.entries) == (2 if TABLE[result][0] is WAITING else 1)
        assert len(here.platform.ledger.rung) == (0 if TABLE[result][0] is REJECTED else 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_consequence(tmp_path: Path, fault: PlannedFault) -> None:
    hangs = fault in (PlannedFault.HANG, PlannedFault.SLOW)
    with world(tmp_path, timeout="2s" if hangs else "30s") as here:
        here.platform.script.next(Reaction(fault=fault))
        here.accept()
        here.work()
        assert standing(here) == FAULTS[fault]
        if FAULTS[fault][0] is UNKNOWN:
            for _ in range(3):
                here.later(days=1)
                here.calling.sweep()
                here.work()
            assert here.callback().state is UNKNOWN
            assert len(here.platform.ledger.entries) == 1


def test_an_answer_with_a_fault_and_an_idcall_may_have_rung_until_its_call_is_heard(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(11, idcall="77", rings=True))
        here.accept()
        here.work()
        assert standing(here) == (UNKNOWN, RUNNING, RUNNING)
        here.event("+34600111222", "77")
        assert here.callback().state is State.ANSWERED


@pytest.mark.parametrize("result", [6, 7])
def test_a_limit_that_the_task_itself_broke_rejects_the_task_alone(tmp_path: Path, result: int) -> None:
    more = 'max_wait: "{{ task.wait }}"\n    retries: "{{ task.wait }}"'
    with world(tmp_path, more) as here:
        here.tasks({"id": "T1", "phone": "600111222", "wait": "3"}, {"id": "T2", "phone": "600111333", "wait": "301"})
        here.platform.script.next(Reaction(result))
        here.calling.sweep()
        here.work()
        assert here.states() == ["rejected", "rejected"]
        assert len(here.platform.ledger.entries) == 1
        assert [row["status"] for row in here.results() if row["id"] == "T2"] == ["rejected"]


def test_nobody_at_home_means_nothing_was_sent_and_the_same_again_later(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        url = here.platform.url
        here.platform.close()
        here.accept()
        here.work()
        assert standing(here) == (WAITING, RUNNING, RUNNING)
        port = int(url.rstrip("/").rpartition(":")[2])
        with EmissionPlatform({LINE: "3956"}, port=port) as back:
            here.later(minutes=5)
            here.later(minutes=5)
            assert here.callback().state is State.ACCEPTED
            assert len(back.ledger.rung) == 1


def test_a_passing_fault_is_tried_again_until_it_works(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(-100), Reaction(-100))
        here.accept()
        here.work()
        first = here.callback().next_at
        here.later(seconds=10)
        here.later(seconds=20)
        assert here.callback().state is State.ACCEPTED
        assert first is not None
        assert len(here.platform.ledger.entries) == 3
        assert len(here.platform.ledger.rung) == 1


def test_a_paused_line_tries_with_one_callback_later_each_time(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(*[Reaction(11)] * 3)
        for number in range(4):
            here.accept(f"T{number}", f"60011122{number}")
        here.work()
        asked = len(here.platform.ledger.entries)
        assert 1 <= asked <= 4
        begun = here.now
        for seconds in (20, 15, 65, 125, 245, 500):
            here.later(seconds=seconds)
        entries = here.platform.ledger.entries
        assert here.desk.queries.lines()[0].mode is RUNNING
        assert len(here.platform.ledger.rung) == 4
        assert not here.platform.ledger.twice()
        assert entries[asked].result == 11 or entries[asked].rang
        assert (here.now - begun).total_seconds() > 30


def test_a_stopped_line_goes_on_when_a_person_says_so(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(1))
        here.accept()
        here.work()
        here.later(hours=20)
        here.calling.sweep()
        here.work()
        assert len(here.platform.ledger.entries) == 1
        here.desk.operator.resume_line(LINE)
        here.work()
        assert here.callback().state is State.ACCEPTED


def test_a_stopped_line_is_tried_once_by_a_process_that_starts(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.always(Reaction(1))
        here.accept()
        here.accept("T2", "600111333")
        here.work()
        asked = len(here.platform.ledger.entries)
        here.restart()
        here.calling.sweep()
        here.work()
        assert len(here.platform.ledger.entries) == asked + 1
        assert here.desk.queries.lines()[0].mode is STOPPED


def test_the_rules_refuse_in_three_calling_windows_at_most(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.always(Reaction(13))
        here.accept()
        here.work()
        for _ in range(4):
            here.later(days=1)
        assert here.callback().state is REJECTED
        assert len(here.platform.ledger.entries) == 3


def test_a_paused_source_keeps_its_tasks_and_holds_no_other_source_up(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.platform.script.next(Reaction(8))
        here.accept()
        here.work()
        here.accept("T2", "600111333")
        here.accept("T1", "600111444", source="agenda")
        here.work()
        assert here.states()[:2] == ["waiting", "waiting"]
        here.later(seconds=40)
        here.later(seconds=5)
        assert here.states()[:2] == ["accepted", "accepted"]
