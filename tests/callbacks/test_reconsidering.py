"""Rules that change while callbacks wait by them, in both directions. A Spanish mobile may be in the Canaries, whose
clocks show UTC: it is called from nine on there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.callbacks import CallbackState as State
from bridge.config.load import load
from bridge.queue.base import LINE
from bridge.service.composition import Service
from bridge.simulator.script import Reaction
from connectors.base import Task
from tests.callbacks.world import LINE as NUMBER
from tests.callbacks.world import MONDAY, World, world

NIGHT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
"""22:00 in Madrid."""
OWN = """
  - name: own
    line: "912345678"
    rule_group: callbacks
    """
HOURS = 'hours: {days: mon-fri, from: "%s", to: "%s"}'
DAY, LATE, EARLY = HOURS % ("09:00", "20:00"), HOURS % ("09:00", "23:30"), HOURS % ("08:00", "20:00")
AFTERNOON = HOURS % ("15:00", "20:00")


def reconfigured(here: World, before: str, after: str) -> None:
    """The file changes, and the working process takes it up."""
    text = here.config.read_text(encoding="utf-8")
    assert before in text
    here.config.write_text(text.replace(before, after), encoding="utf-8")
    with here.current.use() as service:
        successor = Service.open(load(here.config), previous=service, background=True)
    here.current.replace(successor)


def within_a_minute(here: World) -> None:
    for _ in range(12):
        here.later(seconds=5)
        here.calling.sweep()
    here.work()


def rung(here: World) -> int:
    return len(here.platform.ledger.entries)


def test_longer_hours_ring_what_waited_for_the_next_opening(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.now = NIGHT
        here.accept(source="own")
        here.work()
        assert (here.callback().gate, rung(here)) == ("hours", 0)
        within_a_minute(here)
        assert rung(here) == 0
        reconfigured(here, DAY, LATE)
        within_a_minute(here)
        assert (here.callback().state, rung(here)) == (State.ACCEPTED, 1)


def test_shorter_hours_hold_what_had_its_turn_and_was_not_sent(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.accept(source="own")
        here.handlers[LINE](NUMBER)
        assert here.callback().state is State.QUEUED
        reconfigured(here, DAY, AFTERNOON)
        here.work()
        waiting = here.callback()
        assert (waiting.state, waiting.gate, rung(here)) == (State.WAITING, "hours", 0)
        assert "2026-11-23 15:00" in waiting.reason
        here.later(hours=4)
        assert rung(here) == 1


def test_what_waits_says_the_new_opening_also_when_that_is_later(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.now = NIGHT
        here.accept(source="own")
        here.work()
        reconfigured(here, DAY, AFTERNOON)
        within_a_minute(here)
        assert "2026-11-24 15:00" in here.callback().reason
        here.later(hours=12)
        assert rung(here) == 0
        here.later(hours=6)
        assert rung(here) == 1


def test_a_holiday_that_is_none_any_more_is_rung_on(tmp_path: Path) -> None:
    with world(tmp_path, f"{OWN}holidays: {{country: ES}}") as here:
        here.now = datetime(2026, 12, 8, 11, 0, tzinfo=UTC)  # a holiday in all of Spain
        here.accept(source="own")
        here.work()
        assert here.callback().gate == "hours"
        reconfigured(here, "holidays: {country: ES}", "holidays: none")
        within_a_minute(here)
        assert rung(here) == 1


def test_a_date_alone_means_the_opening_as_it_is_now(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.accept(source="own", due="2026-11-24")
        here.work()
        nine = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
        assert (here.callback().due, here.callback().next_at) == (nine, nine)
        late = here.callback().expires_at
        assert late is not None
        reconfigured(here, DAY, EARLY)
        within_a_minute(here)
        eight = nine - timedelta(hours=1)
        assert (here.callback().due, here.callback().next_at) == (eight, eight)
        assert here.callback().expires_at == late - timedelta(hours=1)
        here.later(hours=20, minutes=30)  # 07:31 there
        assert rung(here) == 0
        here.later(minutes=30)
        assert rung(here) == 1


def test_a_changed_calendar_holds_for_what_waits_by_its_name(tmp_path: Path) -> None:
    with world(tmp_path, OWN + "hours: reception") as here:
        here.accept(source="own")  # on a Monday at eleven, which is closed
        here.work()
        assert (here.callback().gate, rung(here)) == ("hours", 0)
        assert "2026-11-24 09:00" in here.callback().reason
        reconfigured(here, "closed: [2026-11-23]", "closed: []")
        within_a_minute(here)
        assert (here.callback().state, rung(here)) == (State.ACCEPTED, 1)


def test_a_higher_limit_for_a_number_counts_at_once(tmp_path: Path) -> None:
    with world(tmp_path, OWN + "per_number: 1/d") as here:
        here.accept("A", source="own")
        here.work()
        here.accept("B", source="own")
        here.work()
        assert (here.callback(2).gate, rung(here)) == ("per_number", 1)
        reconfigured(here, "per_number: 1/d", "per_number: 2/d")
        within_a_minute(here)
        assert rung(here) == 2


@pytest.mark.parametrize(("before", "after"), [("per_day: 1", "per_day: 2"), ("per_minute: 1,", "per_minute: 600,")])
def test_a_line_that_may_call_more_does_so_at_once(tmp_path: Path, before: str, after: str) -> None:
    limit = before.partition(":")[0]
    with world(tmp_path, "", **{limit: 1}) as here:
        here.accept("A")
        here.accept("B", "600111333")
        here.work()
        assert rung(here) == 1
        reconfigured(here, before, after)
        here.later(seconds=5)
        here.calling.sweep()
        here.later(seconds=5)
        assert rung(here) == 2


def test_a_change_that_came_with_a_restart_counts_as_well(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.now = NIGHT
        here.accept(source="own")
        here.work()
        within_a_minute(here)
        reconfigured(here, DAY, LATE)
        here.restart()
        within_a_minute(here)
        assert rung(here) == 1


def test_a_restart_without_a_change_touches_nothing(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.now = NIGHT
        here.accept(source="own")
        here.work()
        within_a_minute(here)
        before = here.callback()
        here.restart()
        within_a_minute(here)
        assert here.callback() == before


def test_what_waits_for_something_else_goes_on_waiting(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.accept("tomorrow", source="own", due="2026-11-24T12:00")
        here.accept("platform", "600111333", source="own")
        here.platform.script.next(Reaction(-100))
        here.work()
        before = [here.callback(number) for number in (1, 2)]
        assert [one.gate for one in before] == ["", "platform"]
        reconfigured(here, DAY, EARLY)
        here.calling.sweep()
        assert [here.callback(number) for number in (1, 2)] == before


@pytest.mark.acceptance
def test_thousands_are_seen_to_in_pieces(tmp_path: Path) -> None:
    with world(tmp_path, OWN + DAY) as here:
        here.now = NIGHT
        tasks = [Task(f"T{number}", {"phone": f"6{number:08}"}) for number in range(1, 1201)]
        here.desk.intake.accept_all("own", tasks)
        here.work(limit=5000)
        assert {here.callback(number).gate for number in (1, 700, 1200)} == {"hours"}
        reconfigured(here, DAY, AFTERNOON)
        for _ in range(20):
            here.calling.sweep()
        opens = MONDAY + timedelta(days=1, hours=4)
        assert {here.callback(number).next_at for number in range(1, 1201)} == {opens}
