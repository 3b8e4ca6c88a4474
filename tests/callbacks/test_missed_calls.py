"""Missed calls: one task that waits a number, made of the calls themselves; when it grows, ends, and rings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from bridge.callbacks import CallbackState
from bridge.callbacks.gates import Gate
from bridge.intake.inbox import Inbox
from bridge.queue.base import ADVANCE, call_key
from bridge.simulator.script import PlannedFault, Reaction
from bridge.store import calls
from bridge.store.events import Arrival
from bridge.store.spool import Item, Spool
from tests.callbacks.missed_case import (
    ACCEPTED,
    AFTER,
    ANA,
    CANCELLED,
    EVA,
    MADRID,
    WAITING,
    call,
    heard,
    one,
    rung,
    source,
    tasks,
)
from tests.callbacks.world import LINE, world
from tests.waiting import until


def test_a_missed_call_is_called_back_after_a_while(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        ended = here.now.replace(microsecond=0)
        call(here, "1", called="912345679")
        callback = one(here)
        assert (callback.state, callback.number, callback.customer) == (WAITING, f"+34{ANA}", f"+34{ANA}")
        assert callback.due == ended + timedelta(minutes=10)
        here.later(minutes=9)
        assert rung(here) == []
        here.later(minutes=2)
        assert rung(here) == [f"+34{ANA}"]
        assert one(here).state is ACCEPTED


def test_the_task_says_who_when_how_often_and_whom_they_called(tmp_path: Path) -> None:
    variables = (
        'variables: {V1: "{{ task.phone }}", V2: "{{ task.count }}", V3: "{{ task.first }}", '
        'V4: "{{ task.last }}", V5: "{{ task.called }}", V6: "{{ task.line }}", '
        'V7: "{{ task.answered_by }}"}'
    )
    with world(tmp_path, source("after: 10m", variables)) as here:
        call(here, "0", answered=True)
        here.later(minutes=60)
        first = here.now.astimezone(MADRID).replace(microsecond=0) - timedelta(seconds=30)
        call(here, "1", called="910000001")
        here.later(minutes=3)
        last = here.now.astimezone(MADRID).replace(microsecond=0)
        call(here, "2", called="910000002")
        here.later(minutes=11)
        [entry] = here.platform.ledger.rung
        assert entry.variables == {
            "V1": f"+34{ANA}", "V2": "2", "V3": str(first), "V4": str(last), "V5": "910000002",
            "V6": LINE, "V7": "101",
        }  # fmt: skip


def test_a_further_call_adds_to_the_task_and_puts_it_off(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.later(minutes=8)
        call(here, "2")
        assert one(here).task["count"] == 2
        here.later(minutes=8)
        assert rung(here) == []
        here.later(minutes=3)
        assert rung(here) == [f"+34{ANA}"]


def test_the_same_call_counts_once_however_often_it_is_told(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        for _ in range(3):
            call(here, "1")
            here.now += timedelta(seconds=40)  # a corrected FIN
            here.restart()
        assert one(here).task["count"] == 1


@pytest.mark.parametrize("emitted", [False, True])
def test_a_conversation_either_way_ends_it(tmp_path: Path, emitted: bool) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.later(minutes=2)
        call(here, "2", answered=True, emitted=emitted)
        callback = one(here)
        assert (callback.state, callback.gate) == (CANCELLED, Gate.SPOKEN_SINCE)
        assert callback.reason == "somebody has spoken with the caller since"
        here.later(minutes=30)
        assert rung(here) == []


@pytest.mark.parametrize("emitted", [False, True])
def test_a_conversation_ends_it_as_soon_as_it_begins(tmp_path: Path, emitted: bool) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.later(minutes=2)
        call(here, "2", event="desvio_correcto", emitted=emitted)
        assert one(here).gate == Gate.SPOKEN_SINCE


def test_a_call_of_ours_that_nobody_answers_ends_nothing(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        call(here, "2", emitted=True)
        assert (one(here).state, one(here).task["count"]) == (WAITING, 1)


def test_what_is_heard_of_late_counts_from_when_it_was(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        missed_at = here.now
        here.now += timedelta(minutes=5)
        call(here, "2", answered=True)
        spoken_at, here.now = here.now, missed_at
        call(here, "1", work=False)
        here.now = spoken_at + timedelta(minutes=1)
        here.work()
        assert tasks(here) == []
        call(here, "3")
        assert one(here).task["count"] == 1


def test_hidden_callers_and_answered_ones_are_not_missed(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1", "X")
        call(here, "2", EVA, answered=True)
        call(here, "3", event="inicio")
        assert tasks(here) == []


def test_after_its_end_a_new_call_makes_a_new_task(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.later(minutes=1)
        call(here, "2")
        here.desk.operator.cancel(one(here).id)
        here.later(minutes=1)
        call(here, "3")
        before, after = tasks(here)
        assert (before.state, before.task["count"]) == (CANCELLED, 2)
        assert (after.state, after.task["count"]) == (WAITING, 1)


def test_a_call_while_its_own_is_out_is_called_back_unless_somebody_answered(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        for number in (ANA, EVA):
            call(here, f"{number}1", number)
        here.later(minutes=11)
        idcalls = {entry.number: entry.idcall for entry in here.platform.ledger.rung}
        here.now += timedelta(seconds=20)
        for number in (ANA, EVA):
            call(here, f"{number}2", number)
        assert [callback.state for callback in tasks(here)] == [ACCEPTED, ACCEPTED]
        here.now += timedelta(seconds=20)
        call(here, "own1", ANA, emitted=True, answered=True, idcall=idcalls[f"+34{ANA}"])
        call(here, "own2", EVA, emitted=True, idcall=idcalls[f"+34{EVA}"])
        assert [(callback.customer[3:], callback.state.value) for callback in tasks(here)] == [
            (ANA, "answered"), (EVA, "no_answer"), (EVA, "waiting")
        ]  # fmt: skip
        assert tasks(here)[-1].task["count"] == 1


def test_a_call_whose_own_was_never_heard_of_is_called_back_again(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.later(minutes=11)
        here.now += timedelta(seconds=20)
        call(here, "2")
        here.now += timedelta(minutes=40)
        here.calling.sweep()
        here.work()
        assert [callback.state.value for callback in tasks(here)] == ["no_outcome", "accepted"]


def test_a_call_while_another_number_is_rung_for_it_is_called_back(tmp_path: Path) -> None:
    with world(tmp_path, source("after: 10m", "number: '600555666'")) as here:
        call(here, "1")
        here.later(minutes=11)
        [entry] = here.platform.ledger.rung
        here.now += timedelta(seconds=20)
        call(here, "2")
        here.now += timedelta(seconds=20)
        call(here, "own", "600555666", emitted=True, idcall=entry.idcall)
        assert [callback.state.value for callback in tasks(here)] == ["no_answer", "waiting"]


@pytest.mark.parametrize("answered", [False, True])
def test_one_that_a_person_releases_knows_what_came_meanwhile(tmp_path: Path, answered: bool) -> None:
    with world(tmp_path, AFTER) as here:
        here.platform.script.next(Reaction(fault=PlannedFault.RESET_AFTER))
        call(here, "1")
        here.later(minutes=11)
        here.now += timedelta(minutes=1)
        call(here, "2", answered=answered)
        assert one(here).state is CallbackState.MAY_HAVE_RUNG
        released = here.desk.operator.confirm(one(here).id, rang=False)
        assert released == one(here)
        assert (one(here).state, one(here).task["count"]) == ((CANCELLED, 1) if answered else (WAITING, 2))
        here.later(minutes=9)
        assert len(rung(here)) == 1
        here.later(minutes=2)
        assert len(rung(here)) == (1 if answered else 2)


@pytest.mark.parametrize(
    ("result", "left"), [(-100, [("waiting", 2)]), (5, [("rejected", 1), ("waiting", 1)])], ids=["later", "never"]
)
def test_what_was_missed_while_the_platform_refused_is_not_forgotten(
    tmp_path: Path, result: int, left: list[tuple[str, int]]
) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.platform.script.next(Reaction(result, delay=1.0))
        here.now += timedelta(minutes=11)
        sending = Thread(target=here.work)
        sending.start()
        until(lambda: one(here).state is CallbackState.SENDING)
        call(here, "2", work=False)
        here.handlers[ADVANCE](call_key(LINE, "2"))
        sending.join()
        assert [(callback.state.value, callback.task["count"]) for callback in tasks(here)] == left


def test_a_conversation_does_not_end_one_whose_call_is_out(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        here.later(minutes=11)
        call(here, "2", answered=True)
        assert one(here).state is ACCEPTED


def test_nobody_rings_while_news_of_the_number_is_not_taken_up(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        [id_] = [callback.id for callback in tasks(here)]
        call(here, "2", answered=True, work=False)
        advance = here.handlers.pop(ADVANCE)
        here.handlers[ADVANCE] = lambda _key: None  # its wake-up is lost
        here.now += timedelta(minutes=10)
        for _ in range(3):
            here.calling.sweep()
            here.now += timedelta(seconds=1)
            here.work()
        callback = here.callback(id_)
        assert (callback.state, callback.gate) == (WAITING, Gate.SPOKEN_SINCE)
        assert rung(here) == []
        advance(call_key(LINE, "2"))
        assert here.callback(id_).state is CANCELLED


def test_nobody_rings_while_news_of_the_number_waits_on_disk_for_the_database(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        spool = Spool(here.state / "spool.db")
        here.now += timedelta(minutes=9)
        spool.append([heard(here, "2", ANA, answered=True)])
        here.later(minutes=2)
        assert (one(here).state, one(here).gate, rung(here)) == (WAITING, Gate.SPOKEN_SINCE, [])

        def take_over(items: Sequence[Item]) -> list[str]:
            inbox = Inbox(here.database, here.queue)
            inbox.keep(next(item for item in items if isinstance(item, Arrival)))
            inbox.close()
            return [""]

        spool.move(take_over)
        spool.close()
        here.work()
        assert (one(here).state, rung(here)) == (CANCELLED, [])


def test_who_called_is_called_back_whatever_a_do_not_call_list_says(tmp_path: Path) -> None:
    listed = "do_not_call: {in: agenda, table: robinson}"
    with world(tmp_path, source(listed)) as here:
        call(here, "1", "600999888")
        here.later(minutes=1)
        assert rung(here) == ["+34600999888"]
    other = tmp_path / "other"
    other.mkdir()
    with world(other, source(listed, "number: '600999888'")) as here:
        call(here, "1")
        here.later(minutes=1)
        assert (one(here).gate, one(here).customer, rung(here)) == (Gate.DO_NOT_CALL, f"+34{ANA}", [])


def test_what_can_not_be_called_is_refused_and_said(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1", "0012125550123")
        assert [(callback.state.value, callback.gate) for callback in tasks(here)] in ([("rejected", "number")], [])


def test_old_missed_calls_are_not_called_back(tmp_path: Path) -> None:
    with world(tmp_path, source("expires: 1d")) as here:
        call(here, "1", work=False)
        here.now += timedelta(days=2)
        here.work()
        with here.database.read() as connection:
            assert calls.find(connection, calls.CallFilter())
        assert tasks(here) == []


def test_dates_come_on_the_lines_clock(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        first = one(here).task["first"]
        assert first["zone"] == "Europe/Madrid"
        assert datetime.fromisoformat(first["$at"]) == here.now.replace(microsecond=0) - timedelta(seconds=30)
