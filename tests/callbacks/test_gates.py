"""`admit`: what each gate refuses, why and until when; which refusal counts; what each stage knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.callbacks.consent import Consent
from bridge.callbacks.gates import (
    Candidate,
    CommercialFacts,
    Decision,
    Facts,
    Gate,
    LineLoad,
    Listed,
    Spoken,
    admit,
    counts_since,
    wished,
)
from bridge.callbacks.tasks import CallData, Rules, UnusableTask, of_source
from bridge.config.model import Configuration
from bridge.texts import Text
from connectors.base import Task
from connectors.phone import parse

ZONE = "Europe/Madrid"
NOON = datetime(2025, 6, 11, 12, 0, tzinfo=ZoneInfo(ZONE))
GOOD = parse("911234567", "ES")
CANDIDATE = Candidate(GOOD, GOOD, expires_at=NOON + timedelta(days=365), consent=Consent("consent", NOON.date()))
FAULT = UnusableTask(Text("its time can't be read: write it as 2026-11-23T10:00 or 2026-11-23"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))


def rules(line: dict[str, Any] | None = None, **source: Any) -> Rules:
    given = {"name": "web", "token": "0" * 24, "line": "912345678", "rule_group": "g", **source}
    configuration = Configuration.model_validate(
        {"lines": [{"number": "912345678", "password": "3956", **(line or {})}], "callbacks": [given]}
    )
    return of_source(configuration, configuration.callbacks[0], configuration.lines[0], lambda: NOON)


def data(max_wait: int = 5, retries: int = 0) -> CallData:
    return CallData({}, max_wait, retries, frozenset())


def decide(
    asked: Candidate = CANDIDATE,
    of: Rules | None = None,
    now: datetime = NOON,
    source: dict[str, Any] | None = None,
    line: dict[str, Any] | None = None,
    **facts: Any,
) -> Decision:
    return admit(asked, Facts(rules=of or rules(line, **(source or {})), now=now, **facts))


def kept_back(decision: Decision) -> tuple[Gate | None, datetime | None]:
    """The gate and until when; the texts have to be there, in both languages, and differ."""
    assert decision.slot is None
    assert decision.text("en")
    assert decision.text("es")
    assert decision.text("en") != decision.text("es")
    assert decision.final == (decision.until is None)
    return decision.gate, decision.until


SELLING = {"purpose": "commercial"}
INTEREST = Consent("legitimate_interest", NOON.date())
SHUT: dict[Gate, tuple[Candidate, dict[str, Any]]] = {
    Gate.CALLED_BEFORE: (CANDIDATE, {"called_before": 7}),
    Gate.TASK: (CANDIDATE, {"data": CallData({}, 0, 0, frozenset(), FAULT)}),
    Gate.NUMBER: (replace(CANDIDATE, number=parse("803123456", "ES")), {}),
    Gate.DO_NOT_CALL: (CANDIDATE, {"listed": Listed.YES}),
    Gate.OPPOSED: (CANDIDATE, {"source": SELLING, "commercial": CommercialFacts(opposed=True)}),
    Gate.SPOKEN_SINCE: (CANDIDATE, {"spoken": Spoken.YES}),
    Gate.EXPIRED: (replace(CANDIDATE, expires_at=NOON), {}),
    Gate.LIST_AWAY: (CANDIDATE, {"listed": Listed.UNREADABLE}),
    Gate.CALLER_NUMBER: (CANDIDATE, {"source": SELLING, "line": {"number": "612345678"}}),
    Gate.CONSENT: (replace(CANDIDATE, consent=Consent()), {"source": SELLING}),
    Gate.CONSENT_OLD: (replace(CANDIDATE, consent=replace(INTEREST, on=date(2024, 6, 10))), {"source": SELLING}),
    Gate.EXCLUSION_LIST: (replace(CANDIDATE, consent=INTEREST), {"source": SELLING, "commercial": CommercialFacts()}),
    Gate.BY_HAND: (CANDIDATE, {"source": {"dial": "by_hand"}}),
    Gate.COMMERCIAL_HOURS: (CANDIDATE, {"source": SELLING, "now": at("2025-06-11 21:00"), "data": data()}),
    Gate.HOURS: (CANDIDATE, {"now": at("2025-06-11 21:00"), "data": data()}),
    Gate.PER_NUMBER: (CANDIDATE, {"rung": [NOON] * 3}),
    Gate.PER_DAY: (CANDIDATE, {"emitted_today": 2000}),
    Gate.PACE: (CANDIDATE, {"load": LineLoad(NOON, 0, 0)}),
}
"""What shuts each gate, in the order in which they count."""
FINAL = {Gate.CALLED_BEFORE, Gate.TASK, Gate.NUMBER, Gate.DO_NOT_CALL, Gate.OPPOSED, Gate.SPOKEN_SINCE, Gate.EXPIRED}
ONE_FACT = {
    (Gate.DO_NOT_CALL, Gate.LIST_AWAY),
    (Gate.TASK, Gate.COMMERCIAL_HOURS),
    (Gate.TASK, Gate.HOURS),
    (Gate.OPPOSED, Gate.EXCLUSION_LIST),
    (Gate.CONSENT, Gate.CONSENT_OLD),
    (Gate.CONSENT, Gate.EXCLUSION_LIST),
    (Gate.CONSENT_OLD, Gate.EXCLUSION_LIST),
}
"""Pairs that are never shut at once."""
FOR_GOOD = [gate for gate in SHUT if gate in FINAL]
FOR_NOW = [gate for gate in SHUT if gate not in FINAL]


def both(first: Gate, second: Gate) -> Decision:
    """What is decided where two gates are shut."""
    candidate = CANDIDATE
    facts: dict[str, Any] = {}
    for shut, more in (SHUT[first], SHUT[second]):
        facts |= {**more, "source": {**facts.get("source", {}), **more.get("source", {})}}
        changed = {name: getattr(shut, name) for name in ("number", "expires_at", "consent")}
        candidate = replace(candidate, **{n: v for n, v in changed.items() if v != getattr(CANDIDATE, n)})
    return decide(candidate, **facts)


def test_the_table_has_every_gate() -> None:
    assert set(SHUT) == set(Gate)


@pytest.mark.parametrize("gate", SHUT)
def test_each_gate_keeps_back_for_good_or_until_a_later_moment(gate: Gate) -> None:
    asked, facts = SHUT[gate]
    decision = decide(asked, **facts)
    shut, until = kept_back(decision)
    assert shut is gate
    assert decision.final == (gate in FINAL)
    assert until is None or until > facts.get("now", NOON)


@pytest.mark.parametrize(("first", "second"), [*combinations(FOR_GOOD, 2)])
def test_of_two_that_end_it_the_first_says_why(first: Gate, second: Gate) -> None:
    assert both(first, second).gate is first


@pytest.mark.parametrize(("ends", "later"), [pair for pair in product(FOR_GOOD, FOR_NOW) if pair not in ONE_FACT])
def test_what_ends_it_counts_before_what_puts_it_off(ends: Gate, later: Gate) -> None:
    assert both(ends, later).gate is ends


@pytest.mark.parametrize(("first", "second"), [pair for pair in combinations(FOR_NOW, 2) if pair not in ONE_FACT])
def test_of_two_that_put_it_off_the_first_says_until_when(first: Gate, second: Gate) -> None:
    assert both(first, second).gate is first


def test_news_of_a_number_are_taken_up_before_it_rings() -> None:
    assert kept_back(decide(spoken=Spoken.UNKNOWN)) == (Gate.SPOKEN_SINCE, NOON + timedelta(seconds=2))
    assert decide(spoken=Spoken.NO).slot is not None


def test_by_hand_it_waits_until_it_expires_or_a_person_has_it_called() -> None:
    by_hand = rules(dial="by_hand", expires="2d")
    assert kept_back(decide(of=by_hand)) == (Gate.BY_HAND, CANDIDATE.expires_at)
    assert kept_back(decide(replace(CANDIDATE, expires_at=None), by_hand)) == (Gate.BY_HAND, NOON + timedelta(days=2))
    assert decide(replace(CANDIDATE, by_hand=True), by_hand).slot is not None
    later = decide(replace(CANDIDATE, by_hand=True), by_hand, at("2025-06-11 21:00"), data=data())
    assert kept_back(later)[0] is Gate.HOURS


def test_hours_that_never_meet_end_it_also_while_the_list_is_away() -> None:
    mobile = parse("600111222", "ES")  # nine in Madrid is eight in the Canaries
    nine = rules(hours=[{"days": "mon-sun", "from": "09:00", "to": "09:30"}])
    decision = decide(Candidate(mobile, mobile), nine, data=data(), listed=Listed.UNREADABLE)
    assert kept_back(decision) == (Gate.HOURS, None)
    assert "of: line" in decision.text("en")


STAGES: list[tuple[str, dict[str, Any]]] = [
    ("a task comes", {}),
    ("its turn, before the database is asked", {"data": data()}),
    (
        "its turn",
        {
            "data": data(),
            "rung": [NOON, NOON],
            "emitted_today": 1999,
            "load": LineLoad(NOON - timedelta(hours=1), 0, 0),
        },
    ),
    ("its CRM was asked", {"data": data(), "listed": Listed.NO}),
    ("under the lock", {"data": data(), "listed": Listed.NO, "rung": [NOON, NOON], "emitted_today": 1999}),
]


@pytest.mark.parametrize("facts", [facts for _, facts in STAGES], ids=[name for name, _ in STAGES])
def test_what_is_not_known_yet_keeps_nobody_back(facts: dict[str, Any]) -> None:
    decision = decide(**facts)
    assert (decision.gate, decision.until, decision.final) == (None, None, False)
    assert decision.slot is not None
    assert decision.slot.rings_at == NOON
    assert decision.slot.max_wait == (5 if "data" in facts else None)


def test_a_task_that_cannot_be_read_is_no_candidate() -> None:
    wish = rules().wish(Task("T1", {"phone": "600111222", "due": "tomorrow"}))
    decision = decide(wished(wish))
    assert kept_back(decision) == (Gate.TASK, None)
    assert "its time can't be read" in decision.text("en")


def test_neither_the_number_nor_the_customer_may_be_one_that_is_not_called() -> None:
    bad = parse("803123456", "ES")
    for asked in (Candidate(bad, GOOD), Candidate(GOOD, bad), Candidate(parse("", "ES"), GOOD)):
        decision = decide(asked)
        assert kept_back(decision) == (Gate.NUMBER, None)
        assert "803123456" not in decision.text("en") + decision.text("es")


def test_it_expires_at_its_moment() -> None:
    assert decide(replace(CANDIDATE, expires_at=NOON + timedelta(microseconds=1))).slot is not None
    assert kept_back(decide(replace(CANDIDATE, expires_at=NOON))) == (Gate.EXPIRED, None)


def calling(now: str, max_wait: int = 5, retries: int = 0, asked: Candidate = CANDIDATE, **source: Any) -> Decision:
    return decide(asked, rules(**source), at(now), data=data(max_wait, retries))


def waits(decision: Decision) -> int | None:
    assert decision.slot is not None
    return decision.slot.max_wait


def test_within_the_hours_the_whole_wait_is_allowed() -> None:
    assert waits(calling("2025-06-11 12:00", 300, 4)) == 300
    assert waits(calling("2025-06-11 09:00")) == 5
    assert waits(calling("2025-06-11 23:00", 300, 4, hours="always")) == 300


def test_outside_of_them_it_waits_for_the_opening() -> None:
    closed = calling("2025-06-13 20:00")
    assert kept_back(closed) == (Gate.HOURS, at("2025-06-16 09:00"))
    assert "2025-06-16 09:00" in closed.text("es")
    assert calling("2025-12-25 12:00").until == at("2025-12-26 09:00")
    mobile = parse("600111222", "ES")  # may be in the Canaries
    assert calling("2025-06-11 09:30", asked=Candidate(mobile, mobile)).until == at("2025-06-11 10:00")


def test_the_wait_is_cut_to_what_the_hours_leave() -> None:
    assert waits(calling("2025-06-11 19:00", 300)) == 60
    assert waits(calling("2025-06-11 19:00", 300, 4)) == 40
    assert waits(calling("2025-06-11 19:56:30", 5)) == 3
    assert waits(calling("2025-06-11 19:59:00", 5)) == 1
    assert waits(calling("2025-06-11 19:39", 5, 4)) == 1


def test_where_nothing_is_left_it_waits_for_the_next_day() -> None:
    for closed in (calling("2025-06-11 19:59:01", 5), calling("2025-06-11 19:40", 5, 4)):
        assert kept_back(closed) == (Gate.HOURS, at("2025-06-12 09:00"))


def test_what_the_platform_holds_rings_when_it_is_due_or_at_the_opening_after_that() -> None:
    for due, rings in (("2025-06-12 10:30", "2025-06-12 10:30"), ("2025-06-12 22:00", "2025-06-13 09:00")):
        decision = calling("2025-06-11 23:00", asked=replace(CANDIDATE, due=at(due)), schedule="platform")
        assert decision.slot is not None
        assert decision.slot.rings_at == at(rings)
    past = replace(CANDIDATE, due=at("2025-06-10 10:30"))
    assert calling("2025-06-11 23:00", asked=past, schedule="platform").until == at("2025-06-12 09:00")


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 300),
    st.integers(0, 4),
)
@settings(max_examples=200, deadline=None)
def test_nothing_rings_after_the_hours_end_and_every_refusal_leads_to_a_call(
    now: datetime, max_wait: int, retries: int
) -> None:
    early = rules(hours=[{"days": "mon-sun", "from": "01:30", "to": "03:30"}], holidays=None)
    asked = replace(CANDIDATE, expires_at=None)
    decision = decide(asked, early, now, data=data(max_wait, retries))
    for _ in range(2):
        if decision.until is None:
            break
        assert decision.until > now
        now = decision.until
        decision = decide(asked, early, now, data=data(max_wait, retries))
    allowed = waits(decision)
    assert allowed is not None
    assert 1 <= allowed <= max_wait
    last_ring = now + timedelta(minutes=allowed + 5 * retries) - timedelta(microseconds=1)
    assert early.calendar.is_open(last_ring, (ZONE,))


def often(rung: list[datetime], now: datetime, per_number: str = "3/d") -> Decision:
    return decide(replace(CANDIDATE, expires_at=None), rules(per_number=per_number), now, rung=rung)


def test_a_number_is_called_so_often_in_a_calendar_day() -> None:
    evening = [at("2025-06-10 19:00"), at("2025-06-10 19:30"), at("2025-06-10 19:50")]
    assert often(evening, at("2025-06-11 09:00")).slot is not None
    assert kept_back(often(evening, at("2025-06-10 19:55"))) == (Gate.PER_NUMBER, at("2025-06-11 00:00"))
    assert often(evening[:2], at("2025-06-10 19:55")).slot is not None
    assert often([], NOON).slot is not None


def test_the_25_hours_of_autumn_are_one_day() -> None:
    midnight = at("2025-10-26 00:00")
    calls = [midnight, midnight + timedelta(hours=1), midnight + timedelta(hours=2)]
    assert often(calls, at("2025-10-26 23:30")).until == at("2025-10-27 00:00")
    assert counts_since(rules(), at("2025-10-26 23:59")) <= midnight


def test_a_rate_by_the_hour_counts_back_from_now() -> None:
    calls = [NOON - timedelta(minutes=minutes) for minutes in (70, 50, 20)]
    decision = often(calls, NOON, "2/h")
    assert decision.until == NOON + timedelta(minutes=10)
    assert often(calls, decision.until, "2/h").slot is not None
    assert "2/h" in decision.text("es")


def test_a_line_calls_so_often_a_day() -> None:
    assert decide(emitted_today=1999).slot is not None
    assert kept_back(decide(emitted_today=2000)) == (Gate.PER_DAY, at("2025-06-12 00:00"))
    assert decide(of=rules({"dial": {"per_day": 5}}), emitted_today=5).gate is Gate.PER_DAY


def paced(load: LineLoad, per_minute: int = 30, at_once: int = 2) -> Decision:
    emission = {"url": "https://example.com/", "per_minute": per_minute, "at_once": at_once}
    return decide(of=rules({"emission": emission}), load=load)


@pytest.mark.parametrize(("last", "wait"), [(None, None), (10, None), (2, None), (1.5, 0.5), (0, 2)])
def test_the_pace_gives_a_slot_or_the_moment_of_the_next(last: float | None, wait: float | None) -> None:
    before = None if last is None else NOON - timedelta(seconds=last)
    decision = paced(LineLoad(before, 1, 0))
    if wait is None:
        assert decision.slot is not None
        assert decision.slot.of_line <= NOON
    else:
        assert kept_back(decision) == (Gate.PACE, NOON + timedelta(seconds=wait))


def test_calls_under_way_hold_the_line() -> None:
    gate, until = kept_back(paced(LineLoad(None, 2, 0)))
    assert gate is Gate.PACE
    assert until is not None
    assert until > NOON


@pytest.mark.parametrize(("per_minute", "enough"), [(1, 2), (12, 2), (60, 3), (600, 30)])
def test_what_had_its_turn_and_is_not_sent_yet_holds_the_line(per_minute: int, enough: int) -> None:
    held = paced(LineLoad(None, 0, enough), per_minute, 1_000)
    assert held.until == NOON + timedelta(minutes=1) / per_minute
    free = paced(LineLoad(None, 0, enough - 1), per_minute, 1_000)
    assert free.slot is not None
    assert free.slot.of_line == NOON
