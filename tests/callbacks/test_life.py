"""A callback from its task to what is told of it, with the real emitter, a platform on loopback and CSV files."""

from __future__ import annotations

from pathlib import Path

from bridge.callbacks import CallbackState
from connectors.base import Task
from tests.callbacks.world import world


def test_a_task_is_called_once_and_its_outcome_returns(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600 111 222"}, {"id": "T2", "phone": "600111333"})
        here.calling.sweep()
        here.work()
        assert here.states() == ["accepted", "accepted"]
        rung = here.platform.ledger.rung
        assert [(one.number, one.rule_group, one.max_wait) for one in rung] == [
            ("+34600111222", "callbacks", 5), ("+34600111333", "callbacks", 5)
        ]  # fmt: skip
        here.event("+34600111222", rung[0].idcall)
        assert here.states() == ["answered", "accepted"]
        assert here.told(1) == ["accepted", "answered"]
        said = [(row["id"], row["status"]) for row in here.results()]
        assert said == [
            ("T1", "claimed"),
            ("T1", "accepted"),
            ("T2", "claimed"),
            ("T2", "accepted"),
            ("T1", "answered"),
        ]
        here.later(minutes=1)
        here.later(hours=1)
        here.calling.sweep()
        here.work()
        assert here.states() == ["answered", "no_outcome"]
        assert len(here.platform.ledger.rung) == 2
        assert not (tmp_path / "activities.csv").exists()


def test_a_callback_by_http_goes_without_any_crm(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.accept()
        here.work()
        assert here.callback().state is CallbackState.ACCEPTED
        assert here.told() == []
        assert here.platform.ledger.rung[0].number == "+34600111222"


def test_whatever_a_sender_names_its_fields_the_line_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.accept("T1", "600111222", wanted={"$at": "garbage", "zone": "../zone"})
        here.accept("T2", "600111333")
        here.work()
        assert here.states() == ["accepted", "accepted"]


def test_an_id_that_was_called_is_no_good_for_another_number_and_says_so(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.accept("T1", "600111222")
        assert not here.desk.intake.accept("web", Task("T1", {"phone": "600111333"})).elsewhere, (
            "it waits: it can be mended"
        )
        here.work()
        again = here.desk.intake.accept("web", Task("T1", {"phone": "600111333", "name": "Ana"}))
        other = here.desk.intake.accept("web", Task("T1", {"phone": "600111222"}))
        assert ((again.state, again.elsewhere), other.elsewhere) == ((CallbackState.ACCEPTED, False), True)
        here.work()
        assert [one.number for one in here.platform.ledger.rung] == ["+34600111333"]


def test_a_task_of_a_crm_is_called_as_the_crm_says_whoever_announced_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.tasks({"id": "T1", "phone": "600111222"})
        here.calling.sweep()
        here.work()
        assert not here.desk.intake.accept("agenda", Task("T1", {"phone": "600111333"})).elsewhere
