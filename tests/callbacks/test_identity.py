"""One task, one callback: several sources from one connector, sources that are renamed or dropped, and what an older
version stored."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from bridge.callbacks import CallbackFilter, NobodysTask, announced
from bridge.callbacks import CallbackState as State
from bridge.callbacks.campaigns import Campaigns
from bridge.callbacks.rowfile import RowFile
from bridge.config.load import load
from bridge.service.composition import Service
from bridge.simulator.script import Reaction
from bridge.store import deliveries
from bridge.store.callbacks import key_of
from bridge.store.tables import callbacks
from connectors.base import Deadline, Task
from tests.callbacks.world import MONDAY, World, world
from tests.waiting import until

TOKEN = "0123456789abcdefghijklmnop"
ONE = "  - {name: %s, line: '912345678', rule_group: %s, hours: always, token: " + TOKEN + "%s}\n"


def source(name: str, more: str = "", group: str = "callbacks") -> str:
    return ONE % (name, group, f", {more}" if more else "")


URGENT = source("urgent", "from: agenda, when: \"{{ task.wait == 'no' }}\"", "urgent")
REST = source("rest", "from: agenda", "callbacks")


def reload(here: World, *sources: str) -> None:
    """Another configuration is taken up, with these sources."""
    text = here.config.read_text(encoding="utf-8")
    here.config.write_text(text[: text.index("callbacks:\n")] + "callbacks:\n" + "".join(sources), encoding="utf-8")
    with here.current.use() as before:
        successor = Service.open(load(here.config), previous=before, background=True)
    here.current.replace(successor)
    here.calling.sweep()


def poll(here: World) -> None:
    here.later(seconds=31)
    here.calling.sweep()
    here.work()


def rung(here: World) -> list[str]:
    return [entry.number for entry in here.platform.ledger.rung]


def groups(here: World) -> dict[str, str]:
    return {entry.number: entry.rule_group for entry in here.platform.ledger.rung}


def number(n: int) -> str:
    return f"600{n:06}"


def test_of_two_sources_from_one_connector_the_first_whose_when_holds_takes_a_task(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, REST, URGENT)  # in whichever order: the one without `when` takes what is left
        here.tasks(*({"id": f"T{n}", "phone": number(n), "wait": "no" if n % 3 else "yes"} for n in range(60)))
        poll(here)
        poll(here)
        assert len(rung(here)) == len(set(rung(here))) == 60
        assert groups(here) == {f"+34{number(n)}": "urgent" if n % 3 else "callbacks" for n in range(60)}
        by_source = {one.task_id: one.source for one in here.desk.queries.find(limit=100)}
        assert by_source == {f"T{n}": "urgent" if n % 3 else "rest" for n in range(60)}


def test_several_sources_of_one_connector_look_at_its_tasks_once(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, REST, URGENT)
        poll(here)
        standing = {one.name: one.polled_at for one in here.desk.queries.sources()}
        assert standing["rest"] == standing["urgent"] is not None
        assert set(here.calling._parts.book().polls()) == {"rest"}


def test_a_task_for_which_no_when_holds_is_nobodys_until_one_does(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, URGENT)
        here.tasks({"id": "T1", "phone": number(1), "wait": ""})
        poll(here)
        assert not here.desk.queries.find()
        with pytest.raises(NobodysTask, match="when"):
            here.desk.intake.accept("urgent", Task("T1", {"phone": number(1), "wait": ""}))
        here.tasks({"id": "T1", "phone": number(1), "wait": "no"})
        poll(here)
        assert groups(here) == {f"+34{number(1)}": "urgent"}


def test_a_when_that_cant_be_computed_says_so_and_rings_nobody(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, source("urgent", 'from: agenda, when: "{{ 5 // (task.wait | length) > 0 }}"'), REST)
        here.tasks({"id": "T1", "phone": number(1), "wait": ""})
        poll(here)
        assert here.callback().state is State.REJECTED
        assert "when can't be computed" in here.callback().reason
        assert not rung(here)


@pytest.mark.parametrize("wait", ["yes", "no"])
def test_a_task_that_changes_while_it_waits_moves_to_the_other_source(tmp_path: Path, wait: str) -> None:
    first, second = ("rest", "urgent") if wait == "yes" else ("urgent", "rest")
    other = {"yes": "no", "no": "yes"}[wait]
    with world(tmp_path) as here:
        reload(here, URGENT, REST)
        here.tasks({"id": "T1", "phone": number(1), "due": "2026-11-23T13:00", "wait": wait})
        poll(here)
        assert (here.callback().state, here.callback().source) == (State.WAITING, first)
        here.tasks({"id": "T1", "phone": number(1), "due": "2026-11-23T13:00", "wait": other})
        poll(here)
        assert (here.callback().state, here.callback().source) == (State.WAITING, second)
        here.later(hours=2)
        poll(here)
        assert here.states() == ["accepted"]
        assert list(groups(here).values()) == ["urgent" if second == "urgent" else "callbacks"]


def test_a_task_that_changed_just_before_its_turn_is_called_by_the_other_source(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, URGENT, REST)
        here.tasks({"id": "T1", "phone": number(1), "due": "2026-11-23T12:30", "wait": "yes"})
        poll(here)
        here.desk.operator.pause_source("urgent")
        here.tasks({"id": "T1", "phone": number(1), "due": "2026-11-23T12:30", "wait": "no"})
        here.now = MONDAY.replace(minute=31)
        here.calling._turns.look("912345678")  # its turn comes before the next look at the tasks
        here.work()
        assert (here.callback().state, here.callback().source) == (State.WAITING, "urgent")
        assert not rung(here)
        here.desk.operator.resume_source("urgent")
        poll(here)
        assert list(groups(here).values()) == ["urgent"]


def test_a_task_that_becomes_nobodys_is_not_called_and_one_that_was_claimed_stays(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, URGENT)
        here.tasks({"id": "T1", "phone": number(1), "due": "2026-11-23T13:00", "wait": "no"})
        poll(here)
        here.tasks({"id": "T1", "phone": number(1), "due": "2026-11-23T13:00", "wait": ""})
        poll(here)
        assert here.callback().state is State.CANCELLED
        assert "when" in here.callback().reason
        # what the claim itself changes in the CRM takes nobody's call away
        here.platform.script.next(Reaction(result=12))
        here.tasks({"id": "T2", "phone": number(2), "wait": "no"})
        poll(here)
        assert here.callback(2).state is State.WAITING
        assert here.callback(2).claimed_at is not None
        here.tasks({"id": "T2", "phone": number(2), "wait": "claimed"})
        poll(here)
        assert (here.callback(2).state, rung(here)) == (State.ACCEPTED, [f"+34{number(2)}"])


def test_a_renamed_source_of_a_connector_rings_nobody_again_and_takes_over_what_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with world(tmp_path) as here:
        reload(here, source("calls", "from: agenda"))
        later = {"id": "T9", "phone": number(9), "due": "2026-11-23T13:00"}
        here.tasks(*({"id": f"T{n}", "phone": number(n)} for n in range(5)), later)
        poll(here)
        assert len(rung(here)) == 5
        caplog.clear()
        reload(here, source("phoning", "from: agenda"))
        assert any("calls: the configuration has no such source" in one.message for one in caplog.records)
        for n in range(5):
            assert here.accept(f"T{n}", number(n), "phoning").state is State.ACCEPTED
        here.work()
        assert len(rung(here)) == 5
        poll(here)
        waiting = here.desk.queries.find(CallbackFilter(task_id="T9"))
        assert [(one.source, one.state) for one in waiting] == [("phoning", State.WAITING)]
        here.later(hours=2)
        poll(here)
        assert len(rung(here)) == len(set(rung(here))) == 6


def test_what_becomes_of_a_call_reaches_the_crm_although_its_source_was_renamed_meanwhile(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, source("calls", "from: agenda"))
        here.tasks({"id": "T1", "phone": number(1)})
        poll(here)
        reload(here, source("phoning", "from: agenda"))
        here.event(f"+34{number(1)}", here.platform.ledger.rung[0].idcall, seconds=31)
        assert [row["status"] for row in here.results()] == ["claimed", "accepted", "answered"]


def test_a_renamed_source_without_a_connector_rings_nobody_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with world(tmp_path) as here:
        for n in range(5):
            here.accept(f"T{n}", number(n), "web")
        here.work()
        reload(here, source("web2"))
        (said,) = [one for one in caplog.records if "web: the configuration has no such source" in one.message]
        assert said.levelno == logging.WARNING
        assert "5 of them were called, 0 wait" in said.message
        for n in range(5):
            assert here.accept(f"T{n}", number(n), "web2").state is State.ACCEPTED
        here.work()
        assert len(rung(here)) == 5
        # another number: not the same task, but one of a form that counts anew
        here.accept("T1", number(77), "web2")
        here.work()
        assert len(rung(here)) == len(set(rung(here))) == 6
        caplog.clear()
        here.restart()
        here.calling.sweep()
        assert any("web: the configuration has no such source" in one.message for one in caplog.records)


def test_a_task_that_waits_for_a_source_that_is_gone_goes_on_with_the_one_by_which_it_comes_again(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as here:
        here.accept("T1", number(1), "web", due="2026-11-23T13:00")
        reload(here, source("web2"))
        here.later(hours=2)
        assert not rung(here)
        shown = here.desk.queries.show(1)
        assert shown is not None
        assert any("no source web" in str(one.text) for one in shown.kept_back)
        here.accept("T1", number(1), "web2", due="2026-11-23T13:00")
        here.work()
        assert (here.callback().source, len(rung(here)), here.states()) == ("web2", 1, ["accepted"])


def test_sources_that_stay_know_their_own_tasks_alone(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, source("web"), source("shop"), source("calls", "from: agenda"))
        for name in ("web", "shop", "calls"):
            here.accept("T1", number(1), name)
        here.work()
        assert len(here.desk.queries.find()) == 3


def test_a_source_that_gets_another_connector_has_other_tasks(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        text = here.config.read_text(encoding="utf-8")
        other = "connectors:\n  second:\n    type: csv\n    tasks: {file: second.csv}\n"
        here.config.write_text(text.replace("connectors:\n", other, 1), encoding="utf-8")
        (tmp_path / "second.csv").write_text(f"id,phone\nT1,{number(2)}\n", encoding="utf-8")
        reload(here, source("calls", "from: agenda"), source("more", "from: second, when: no"))
        here.tasks({"id": "T1", "phone": number(1)})
        poll(here)
        reload(here, source("calls", "from: second"), source("more", "from: agenda, when: no"))
        poll(here)
        assert rung(here) == [f"+34{number(1)}", f"+34{number(2)}"]


def test_the_rows_of_a_campaign_are_known_when_its_source_has_another_name(tmp_path: Path) -> None:
    def take(name: str) -> int:
        desk = Campaigns(here.database, here.queue, here.desk, here.clock)
        begun = desk.begin("spring", name, str(file))
        rows = RowFile(file, desk.rules(name), "spring/", "en", MONDAY)
        return desk.take(begun, rows, lambda _row: None, lambda _count: None).new

    file = tmp_path / "spring.csv"
    file.write_text("phone,due\n600111001,\n600111002,2026-11-23T13:00\n", encoding="utf-8")
    with world(tmp_path) as here:
        assert take("web") == 2
        here.work()
        assert rung(here) == ["+34600111001"]
        reload(here, source("web2"))
        assert take("web2") == 0
        here.work()
        assert rung(here) == ["+34600111001"]
        desk = Campaigns(here.database, here.queue, here.desk, here.clock)
        assert (desk.progress("spring").total, desk.get("spring").source) == (2, "web2")
        here.later(hours=2)
        assert rung(here) == ["+34600111001", "+34600111002"]


def test_an_announced_task_is_taken_although_its_source_was_renamed_meanwhile(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, URGENT, REST)
        here.tasks({"id": "T1", "phone": number(1), "wait": "no"}, {"id": "T2", "phone": number(2), "wait": "yes"})
        for n in (1, 2):
            with here.database.write() as connection:
                new = announced.wanted("calls", "agenda", f"T{n}", f"N{n}")
                (id_,) = deliveries.add(here.database, connection, [new], here.now).values()
                noted = deliveries.get(connection, id_)
            assert noted is not None
            with here.current.use() as service:
                announced.deliver(noted, service.sources["agenda"].connector, here.desk.intake, Deadline.after(5))
        assert {one.task_id: one.source for one in here.desk.queries.find()} == {"T1": "urgent", "T2": "rest"}


def old(here: World, id_: int, task_id: str, source: str, state: str = "waiting", **values: object) -> None:
    """A callback as an older version stored it."""
    row = {
        "id": id_, "source": source, "task_key": key_of(task_id), "task_id": task_id, "line": "912345678",
        "number": "+34600111222", "customer": "+34600111222", "state": state, "digest": "old",
        "task": {"id": task_id, "phone": "600111222"}, "next_at": here.now,
        "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
        "created_at": here.now, "updated_at": here.now, "seen_at": here.now, "origin": "", **values,
    }  # fmt: skip
    with here.database.write() as connection:
        connection.execute(insert(callbacks).values(row))


@pytest.mark.parametrize("filled_in", [True, False])
def test_what_an_older_version_stored_is_known_also_after_its_source_was_renamed(
    tmp_path: Path, filled_in: bool
) -> None:
    with world(tmp_path) as here:
        old(here, 1, "T1", "agenda", "answered", rung_at=here.now, settled_at=here.now)
        old(here, 2, "T2", "web", "answered", rung_at=here.now, settled_at=here.now)
        assert here.accept("T1", source="agenda").id == 1
        assert here.accept("T2", source="web").id == 2
        if filled_in:
            here.restart()
            here.calling.sweep()
            assert [one.origin for one in here.desk.queries.find()] == ["name:web", "from:agenda"]
        reload(here, source("phoning", "from: agenda"), source("web2"))
        assert here.accept("T1", source="phoning").id == 1
        assert here.accept("T2", source="web2").id == 2
        assert not rung(here)


def test_a_task_that_an_older_version_stored_twice_rings_at_most_once(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        reload(here, URGENT, REST)
        ended = {"rung_at": here.now, "settled_at": here.now, "next_at": None}
        old(here, 1, "T1", "urgent", "waiting")
        old(here, 2, "T1", "rest", "answered", **ended)  # one rang, the other waits
        old(here, 3, "T2", "urgent", "answered", **ended)  # both rang
        old(here, 4, "T2", "rest", "answered", **ended)
        old(here, 5, "T3", "urgent", "waiting", number="+34600111333", customer="+34600111333")  # both wait
        old(here, 6, "T3", "rest", "waiting", number="+34600111333", customer="+34600111333")
        tasks = {"T1": "600111222", "T2": "600111222", "T3": "600111333"}
        here.tasks(*({"id": id_, "phone": phone, "wait": "no"} for id_, phone in tasks.items()))
        here.restart()
        poll(here)
        poll(here)
        here.later(hours=1)
        assert rung(here) == ["+34600111333"]
        assert len(here.desk.queries.find()) == 6
        assert not [row for row in here.results() if row["id"] in ("T1", "T2")]  # nothing is claimed that rang before


def test_forgotten_people_are_not_called_by_a_renamed_source(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.accept("T1", number(1), "web")
        here.work()
        with here.database.write() as connection:
            connection.execute(update(callbacks).values(number="", customer="", task_id="", task={}))
        reload(here, source("web2"))
        here.accept("T1", number(1), "web2")
        here.work()
        assert len(rung(here)) == 1
        with here.database.write() as connection:
            connection.execute(delete(callbacks))


def test_who_leaves_every_when_before_the_crm_was_told_is_not_called(tmp_path: Path) -> None:
    """It had its turn while a list could not be read, so nothing was told and nobody but the CRM changed its task."""
    with world(tmp_path) as here:
        more = "from: agenda, when: \"{{ task.wait == 'no' }}\", do_not_call: {in: agenda, table: robinson}"
        reload(here, source("urgent", more))
        do_not_call(here, "Ana", "Berta")
        here.tasks({"id": "T1", "phone": number(1), "wait": "no"})
        poll(here)
        assert (here.callback().state, here.callback().gate) == (State.WAITING, "list_away")
        here.tasks({"id": "T1", "phone": number(1), "wait": "never"})
        do_not_call(here, "600999888")
        here.later(hours=1)
        poll(here)
        assert not rung(here)
        assert here.states() == ["cancelled"]


def do_not_call(here: World, *phones: str) -> None:
    """The list holds these, and the connector has seen that."""
    (here.folder / "robinson.csv").write_text("\n".join(["phone", *phones, ""]), encoding="utf-8")
    rows = "1 row" if len(phones) == 1 else f"{len(phones)} rows"
    until(lambda: here.probed("table robinson") == f"{rows} with phone")
