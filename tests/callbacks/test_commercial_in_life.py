"""Commercial callbacks in the life of one: what keeps them back, what lets them go, and that whoever may no longer be
called when it comes to ringing is not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.callbacks import CallbackState as State
from bridge.callbacks.campaigns import Campaigns
from bridge.callbacks.forecast import Forecast, forecast
from bridge.callbacks.rowfile import CampaignRow, RowFile
from bridge.queue.base import CALLBACK, LINE
from bridge.store import callbacks
from bridge.texts import Text
from tests.callbacks.test_reconsidering import reconfigured, within_a_minute
from tests.callbacks.world import LINE as NUMBER
from tests.callbacks.world import MONDAY, World, world

SELLING = """
  - name: spring
    purpose: commercial
    consent: {basis: "{{ task.basis }}", date: "{{ task.on }}", proof: "{{ task.ref }}"}
    line: "912345678"
    rule_group: callbacks
"""
FROM_CRM = """purpose: commercial
    consent: {basis: "consent", date: "{{ task.wait }}"}
"""
GOOD = {"basis": "consent", "on": "2026-11-01", "ref": "form 77"}
SATURDAY = datetime(2026, 11, 28, 11, 0, tzinfo=UTC)


def rung(here: World) -> list[str]:
    return [entry.number for entry in here.platform.ledger.rung]


def test_a_row_with_consent_is_called_and_one_without_waits_for_it(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        assert here.accept("T1", "600111001", "spring", **GOOD).state is State.WAITING
        without = here.accept("T2", "600111002", "spring", basis="", on="", ref="")
        assert (without.state, without.gate, without.next_at) == (State.WAITING, "consent", without.expires_at)
        assert "consent: basis" in without.reason
        old = here.accept("T3", "600111003", "spring", **{**GOOD, "on": "2024-11-01"})
        assert (old.state, old.gate) == (State.WAITING, "consent_old")
        here.work()
        assert rung(here) == ["+34600111001"]


@pytest.mark.parametrize("before", [{"basis": "", "on": ""}, {"basis": "consent", "on": "01/11/2024"}])
def test_a_row_whose_consent_was_renewed_is_called(tmp_path: Path, before: dict[str, str]) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", **before)
        here.work()
        assert rung(here) == []
        again = here.accept("T1", "600111001", "spring", **GOOD)
        assert (again.id, again.gate) == (1, "")
        here.work()
        assert rung(here) == ["+34600111001"]


def test_a_row_that_is_called_after_all_says_what_it_still_misses(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        assert here.accept("T1", "12", "spring", **GOOD).state is State.REJECTED
        again = here.accept("T1", "600111001", "spring", **{**GOOD, "basis": ""})
        assert (again.state, again.gate, again.next_at) == (State.WAITING, "consent", again.expires_at)
        assert "consent: basis" in again.reason


def test_consent_of_a_later_day_is_waited_for(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "911234567", "spring", **{**GOOD, "on": "2026-11-24"})
        here.work()
        assert (here.callback().gate, rung(here)) == ("consent", [])
        here.later(hours=13)
        assert (here.callback().gate, rung(here)) == ("commercial_hours", [])
        here.later(hours=9)
        assert rung(here) == ["+34911234567"]


def test_what_was_never_mended_expires(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", basis="", on="")
        here.later(days=7, minutes=1)
        assert (here.callback().state, rung(here)) == (State.EXPIRED, [])


def test_at_the_weekend_nobody_is_sold_to_and_others_are_called(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.now = SATURDAY
        here.accept("T1", "911234567", "spring", **GOOD)
        here.accept("T2", "600111002", "web")
        here.work()
        assert (here.callback(1).gate, rung(here)) == ("commercial_hours", ["+34600111002"])
        here.later(days=2)
        assert rung(here) == ["+34600111002", "+34911234567"]


def test_interest_without_a_check_of_exclusion_lists_waits_for_one(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", basis="legitimate_interest", on="2026-11-01")
        here.work()
        waiting = here.callback()
        assert (waiting.state, waiting.gate) == (State.WAITING, "exclusion_list")
        with here.database.write() as connection:
            assert callbacks.look_again(connection, "exclusion_list", ["web"], here.now) == 0
            assert callbacks.look_again(connection, "exclusion_list", None, here.now) == 1
        here.handlers[LINE](NUMBER)
        assert (here.callback().gate, rung(here)) == ("exclusion_list", []), "it was looked at, and is kept back again"
        assert here.callback().version > waiting.version


def test_who_gives_consent_needs_no_check_of_exclusion_lists_any_more(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", basis="legitimate_interest", on="2026-11-01")
        here.work()
        assert (here.callback().gate, rung(here)) == ("exclusion_list", [])
        here.accept("T1", "600111001", "spring", **GOOD)
        here.work()
        assert rung(here) == ["+34600111001"]


@pytest.mark.parametrize("restarted", [False, True])
def test_consent_that_was_withdrawn_between_its_turn_and_ringing_is_heeded(tmp_path: Path, restarted: bool) -> None:
    with world(tmp_path, FROM_CRM) as here:
        here.tasks({"id": "T1", "phone": "600111001", "wait": "2026-11-01"})
        here.accept("T1", "600111001", "agenda", due="", wait="2026-11-01")
        here.handlers[LINE](NUMBER)
        assert here.callback().state is State.QUEUED
        here.tasks({"id": "T1", "phone": "600111001", "wait": "2024-01-01"})
        if restarted:
            here.restart()
        here.handlers[CALLBACK]("1")
        assert (here.callback().state, here.callback().gate) == (State.WAITING, "consent_old")
        here.later(hours=1)
        assert here.platform.ledger.entries == []
        here.tasks({"id": "T1", "phone": "600111001", "wait": "2026-11-20"})
        here.accept("T1", "600111001", "agenda", due="", wait="2026-11-20")
        here.work()
        assert rung(here) == ["+34600111001"]


@pytest.mark.parametrize(
    ("withdrawn", "state"),
    [({"basis": ""}, (State.WAITING, "consent")), ({"phone": "X"}, (State.REJECTED, "task"))],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_row_that_is_sent_again_after_its_turn_came_counts_as_it_is_then(
    tmp_path: Path, withdrawn: dict[str, str], state: tuple[State, str], restarted: bool
) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", **GOOD)
        here.handlers[LINE](NUMBER)
        assert here.callback().state is State.QUEUED
        here.accept("T1", source="spring", **{"phone": "600111001", **GOOD, **withdrawn})
        if restarted:
            here.restart()
        here.work()
        assert (here.callback().state, here.callback().gate) == state
        assert rung(here) == []
        here.accept("T1", "600111001", "spring", **GOOD)
        here.work()
        assert rung(here) == ["+34600111001"]


def test_what_was_sent_again_and_had_its_turn_again_meanwhile_is_not_rung_as_it_was_before(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", **GOOD)
        here.handlers[LINE](NUMBER)
        before = here.callback()
        here.accept("T1", "600111002", "spring", **GOOD)
        here.handlers[LINE](NUMBER)
        assert (here.callback().state, here.callback().number) == (State.QUEUED, "+34600111002")
        sending: Any = here.handlers[CALLBACK]
        sending._turn(before)  # somebody who was held up while they looked things up for it
        assert rung(here) == []
        here.work()
        assert rung(here) == ["+34600111002"]


@pytest.mark.parametrize(
    ("later", "gate"),
    [({"hours": 8, "minutes": 6}, "hours"), ({"hours": 10}, "commercial_hours"), ({"days": 5}, "commercial_hours")],
)
def test_what_had_its_turn_and_is_too_late_for_the_law_by_then_is_not_rung(
    tmp_path: Path, later: dict[str, int], gate: str
) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "911234567", "spring", **GOOD)
        here.handlers[LINE](NUMBER)
        assert here.callback().state is State.QUEUED
        here.restart()
        here.later(**later)
        assert (here.callback().state, here.callback().gate) == (State.WAITING, gate)
        assert here.platform.ledger.entries == []


def test_what_a_person_lets_go_is_judged_by_the_law_again(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", basis="", on="")
        assert here.desk.operator.call(1) is not None
        here.work()
        assert (here.callback().gate, rung(here)) == ("consent", [])


def test_a_source_that_is_no_longer_commercial_lets_go_what_waited(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        here.accept("T1", "600111001", "spring", basis="", on="")
        within_a_minute(here)
        assert (here.callback().gate, rung(here)) == ("consent", [])
        consent = next(line for line in SELLING.splitlines() if "consent:" in line)
        reconfigured(here, f"    purpose: commercial\n{consent}\n", "    purpose: service\n")
        within_a_minute(here)
        assert rung(here) == ["+34600111001"]


def test_a_source_without_purpose_goes_on_as_before(tmp_path: Path) -> None:
    with world(
        tmp_path, SELLING.replace("purpose: commercial", "hours: always").replace("    consent:", "    #")
    ) as here:
        here.now = SATURDAY
        here.accept("T1", "600111001", "spring", basis="", on="")
        here.work()
        assert rung(here) == ["+34600111001"]


ROWS = """id,phone,basis,on,due
1,911111001,consent,2026-11-01,
2,911111002,consent,2024-11-01,
3,911111003,,,
4,911111004,legitimate_interest,2026-11-01,
5,12,consent,2026-11-01,
6,911111006,consent,,2026-11-28
7,911111007,consent,2026-11-25,
8,803111222,,,
"""


def foretold(here: World, renewals: list[tuple[int, str]]) -> Forecast:
    file = here.folder / "spring.csv"
    file.write_text(ROWS, encoding="utf-8")
    rules = here.desk.book().rules["spring"]

    def renewable(row: CampaignRow, missing: Text) -> None:
        renewals.append((row.number, missing.render("en")))

    with here.database.read() as connection, here.current.use() as service:
        return forecast(
            connection, service.configuration, rules, service.sources, RowFile(file, rules, "x/", "en", MONDAY),
            here.clock(), lambda _row: None, renewable,
        )  # fmt: skip


def test_a_dry_run_says_what_each_rule_keeps_back_and_whom_renewed_consent_would_free(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        renewals: list[tuple[int, str]] = []
        planned = foretold(here, renewals)
        assert planned.kept == {"consent_old": 1, "consent": 2, "exclusion_list": 1}
        assert planned.never == {"task": 1, "number": 1}
        assert (planned.rows, planned.called, planned.refused) == (8, 2, 2)
        assert planned.later == {"consent": 1}, "whose consent begins on Wednesday"
        assert [row for row, _ in renewals] == [3, 4, 7]
        assert planned.renewable == 3
        assert "24 months" in renewals[0][1]


def test_a_campaign_takes_what_a_dry_run_calls_kept_back(tmp_path: Path) -> None:
    with world(tmp_path, SELLING) as here:
        foretold(here, [])
        desk = Campaigns(here.database, here.queue, here.desk, here.clock)
        rows = RowFile(here.folder / "spring.csv", desk.rules("spring"), "spring/", "en", MONDAY)
        bad: list[CampaignRow] = []
        taken = desk.take(desk.begin("spring", "spring", "x"), rows, bad.append, lambda _count: None)
        here.work()
        assert (taken.new, [row.number for row in bad]) == (6, [6, 9])
        assert desk.progress("spring").gates == {"consent_old": 1, "consent": 3, "exclusion_list": 1}
        assert rung(here) == ["+34911111001"]
