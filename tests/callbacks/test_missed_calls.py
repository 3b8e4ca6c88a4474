"""Missed calls: one task that waits a number, made of the calls themselves; when it grows, ends, and rings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.callbacks import Callback, CallbackFilter, CallbackState
from bridge.callbacks.gates import Gate
from bridge.callbacks.preparing import CRM_AWAY
from bridge.config.load import load
from bridge.infocaller.document import digest, normalised
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.intake.inbox import Inbox
from bridge.queue.base import ADVANCE, call_key
from bridge.service.composition import Service
from bridge.simulator.script import PlannedFault, Reaction
from bridge.store import calls
from bridge.store.events import Arrival
from bridge.store.spool import Item, Spool
from connectors.base import Deadline, LookupQuery
from connectors.phone import parse
from tests.callbacks.world import LINE, World, world
from tests.waiting import until

MADRID = ZoneInfo("Europe/Madrid")
ANA, EVA = "600111222", "600333444"
WAITING, CANCELLED, ACCEPTED = CallbackState.WAITING, CallbackState.CANCELLED, CallbackState.ACCEPTED


def source(*keys: str) -> str:
    """A source of missed calls beside the first one of the world."""
    of_missed = ["from: missed_calls", 'line: "912345678"', "rule_group: missed", "hours: always", *keys]
    return "hours: always\n  - " + "\n    ".join(of_missed)


AFTER = source("after: 10m")


def document(
    here: World, number: str, sequence: str, *, seconds: int, answered: bool, emitted: bool, called: str, idcall: str
) -> Document:
    start = (here.now - timedelta(seconds=seconds)).astimezone(MADRID).replace(tzinfo=None, microsecond=0)
    talked = str(seconds) if answered else "0"
    status = () if emitted else (StatusEvent(2, start, "101", ("", "", talked, "0", "")),)
    parties: dict[str, Any] = (
        {"outbound_number": number} if emitted else {"caller_number": number, "inbound_number": called}
    )
    whole: dict[str, Any] = {
        "call_type": "E" if emitted else "R", "idcall": idcall, "start": start, "status": status,
        "seconds": seconds if answered or not emitted else 0,
        "end": here.now.astimezone(MADRID).replace(tzinfo=None, microsecond=0),
    }  # fmt: skip
    return Document(Format.JSON, LINE, sequence, **whole, **parties)


def heard(
    here: World,
    sequence: str,
    number: str = ANA,
    *,
    answered: bool = False,
    emitted: bool = False,
    called: str = LINE,
    idcall: str = "",
    event: str = "fin",
) -> Arrival:
    """What the platform tells of a call of half a minute that ends now; of one that goes on, with another event."""
    told = document(
        here, number, sequence, seconds=30, answered=answered, emitted=emitted, called=called, idcall=idcall
    )
    return Arrival(
        LINE, sequence, event, f"{event}{digest(told)}"[:60], here.now, "", normalised(told),
        diverted_to="101" if event.startswith("desvio") else "", e164="" if number == "X" else f"+34{number}",
    )  # fmt: skip


def call(here: World, sequence: str, number: str = ANA, *, work: bool = True, **how: Any) -> None:
    """The platform tells of a call; `how`: see `heard`."""
    inbox = Inbox(here.database, here.queue)
    try:
        inbox.keep(heard(here, sequence, number, **how))
    finally:
        inbox.close()
    if work:
        here.work()


def tasks(here: World) -> list[Callback]:
    """Those of missed calls, in order."""
    return here.desk.queries.find(CallbackFilter(source="missed_calls"))[::-1]


def one(here: World) -> Callback:
    [callback] = tasks(here)
    return callback


def rung(here: World) -> list[str]:
    return [entry.number for entry in here.platform.ledger.rung]


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


OWNER = (
    "find: {previous: {in: calls, table: answered, phone: '{{ task.phone }}', optional: true}, "
    "contact: {in: %s, table: %s, phone: '{{ task.phone }}'%s}}",
    "variables: {AGENTE: '{{ (previous.answered_by or contact.agent or 100) | dial }}', CUANTAS: '{{ task.count }}'}",
)


def owned(connector: str, table: str, more: str = "") -> str:
    """A source that looks up who has the caller."""
    find, variables = OWNER
    return source(find % (connector, table, more), variables)


def agents(here: World) -> None:
    """The line has extensions, and the contacts their agents."""
    text = here.config.read_text().replace(
        'password: "3956"', 'password: "3956"\n    extensions: ["100", "101", "102"]', 1
    )
    here.config.write_text(text)
    (here.folder / "robinson.csv").write_text(f"phone,agent\n{EVA},102\n")
    here.current.replace(Service.open(load(here.config), background=True))

    def known() -> bool:
        with here.current.use() as service:
            query = LookupQuery("robinson", phone=parse(EVA, "ES"))
            return bool(service.sources["agenda"].connector.find(query, Deadline.after(5)))

    until(known)


def test_the_owner_goes_with_the_call(tmp_path: Path) -> None:
    with world(tmp_path, owned("agenda", "robinson")) as here:
        agents(here)
        call(here, "1", answered=True)
        here.now += timedelta(minutes=5)
        call(here, "2")
        call(here, "3", EVA)
        call(here, "4", "600555666")
        owners = {entry.number: entry.variables for entry in here.platform.ledger.rung}
        assert owners == {
            f"+34{ANA}": {"AGENTE": "101", "CUANTAS": "1"},
            f"+34{EVA}": {"AGENTE": "102", "CUANTAS": "1"},
            "+34600555666": {"AGENTE": "100", "CUANTAS": "1"},
        }


def test_a_crm_that_is_away_puts_the_call_off_unless_it_can_do_without(tmp_path: Path) -> None:
    with world(tmp_path, owned("away", "people")) as here:
        agents(here)
        call(here, "1")
        assert (one(here).state, one(here).gate, rung(here)) == (WAITING, CRM_AWAY, [])
    other = tmp_path / "other"
    other.mkdir()
    with world(other, owned("away", "people", ", optional: true")) as here:
        agents(here)
        call(here, "1")
        assert [entry.variables["AGENTE"] for entry in here.platform.ledger.rung] == ["100"]


RECORD = (
    "save: {in: agenda, table: recall, fields: {phone: '{{ task.phone }}', calls: '{{ task.count }}', state: open}, "
    "done: {state: closed, why: '{{ outcome.status }}: {{ outcome.text }}'}}"
)


def records(here: World) -> list[dict[str, str]]:
    with (here.folder / "recalls.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row.get(name) or "" for name in ("phone", "calls", "state", "why")} for row in rows]


def test_the_crm_has_the_task_as_a_record_which_is_closed_when_it_ends(tmp_path: Path) -> None:
    with world(tmp_path, source(RECORD, "dial: by_hand")) as here:
        call(here, "1")
        call(here, "2", EVA)
        assert records(here) == [
            {"phone": f"+34{ANA}", "calls": "1", "state": "open", "why": ""},
            {"phone": f"+34{EVA}", "calls": "1", "state": "open", "why": ""},
        ]
        here.now += timedelta(minutes=1)
        call(here, "3")
        assert [row["calls"] for row in records(here)] == ["2", "1"]
        here.now += timedelta(minutes=1)
        call(here, "4", answered=True, emitted=True)
        assert records(here)[0] == {
            "phone": f"+34{ANA}", "calls": "2", "state": "closed",
            "why": "cancelled: cancelled: somebody has spoken with the caller since",
        }  # fmt: skip
        assert records(here)[1]["state"] == "open"
        here.now += timedelta(minutes=1)
        call(here, "5")
        assert [row["state"] for row in records(here)] == ["closed", "open", "open"]


def test_a_record_is_closed_by_what_its_own_call_came_to(tmp_path: Path) -> None:
    with world(tmp_path, source(RECORD)) as here:
        call(here, "1")
        assert [row["state"] for row in records(here)] == ["open"]
        here.now += timedelta(seconds=20)
        call(here, "own", emitted=True, answered=True, idcall=here.platform.ledger.rung[0].idcall)
        assert [(row["state"], row["why"]) for row in records(here)] == [("closed", "answered: answered")]


def test_dates_come_on_the_lines_clock(tmp_path: Path) -> None:
    with world(tmp_path, AFTER) as here:
        call(here, "1")
        first = one(here).task["first"]
        assert first["zone"] == "Europe/Madrid"
        assert datetime.fromisoformat(first["$at"]) == here.now.replace(microsecond=0) - timedelta(seconds=30)
