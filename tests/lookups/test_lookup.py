"""Looking things up: in order, once for many, behind a breaker, never past the deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bridge.config.find import FindStep
from bridge.config.model import Cache
from bridge.lookups.finding import Found, LookupOutcome, Lookups, Trail
from bridge.lookups.gateway import ConnectorGateway
from bridge.runtime.permit import ComputePermit
from bridge.troubles import Troubles
from connectors.base import Breaker, Deadline, LookupQuery, Misconfigured, Record, TimedOut, Unavailable
from connectors.phone import HIDDEN, Phone, parse
from connectors.steps import complete
from tests.fakes.connector import Handheld
from tests.waiting import until

ANA = {"id": 1, "name": "Ana", "phone": "600 111 222", "key": "A"}
EVA = {"id": 2, "name": "Eva", "phone": "+34 600222333"}
CALLER = parse("600111222", "ES")
WANTED = LookupQuery("contact", phone=CALLER)
CACHE = Cache.model_validate({"fresh": "30s", "negative": "5s", "stale": "24h"})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm", {"contact": [EVA, ANA]})


@pytest.fixture
def agenda() -> Handheld:
    return Handheld("agenda", {"contact": []})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lookups(crm: Handheld, agenda: Handheld, clock: Clock) -> Iterator[Lookups]:
    breaker = Breaker.model_validate({"failures": 3, "open": "10ms"})
    sources = {c.name: ConnectorGateway(c, breaker, clock=clock) for c in (crm, agenda)}
    yield Lookups(sources, "ES")
    for source in sources.values():
        source.connector.gate.set()  # type: ignore[attr-defined]  # it is a Handheld
        source.close()


def step(**keys: object) -> FindStep:
    return FindStep.model_validate({"in": "crm", "phone": "{{ caller }}"} | keys)


def find(
    lookups: Lookups,
    caller: Phone | str = CALLER,
    *,
    cache: Cache | None = None,
    within: float = 30.0,
    trail: Trail | None = None,
    asked: object = "crm",
    **keys: object,
) -> Found:
    scope = {"caller": caller}
    return lookups.find(
        "contact", step(**keys, **{"in": asked}), scope, Deadline.after(within), cache, trail or Trail()
    )


def test_other_peoples_numbers_in_a_fuzzy_answer_are_left_out(lookups: Lookups) -> None:
    found = find(lookups)
    assert found.outcome is LookupOutcome.FOUND
    assert found.record is not None
    assert found.record.fields["name"] == "Ana"


def test_the_way_says_why_what_the_crm_returned_does_not_count(lookups: Lookups, crm: Handheld) -> None:
    crm.records = {"contact": [ANA, EVA, {**ANA, "name": "Ana again"}]}
    trail = Trail()
    assert find(lookups, trail=trail).outcome is LookupOutcome.FOUND
    assert [entry.note for entry in trail.entries] == [
        "1 left out: another number; 1 left out: the same id as one before"
    ]


def test_a_stranger_is_not_found_though_the_crm_returned_people(lookups: Lookups) -> None:
    assert find(lookups, parse("699999999", "ES")) == Found(LookupOutcome.NOT_FOUND)


@pytest.mark.parametrize("caller", [HIDDEN, "", "not a number"])
def test_what_is_no_number_is_not_found_unasked(lookups: Lookups, crm: Handheld, caller: Phone | str) -> None:
    assert find(lookups, caller) == Found(LookupOutcome.NOT_FOUND)
    assert crm.asked == []


def test_an_empty_key_is_not_found_unasked(lookups: Lookups, crm: Handheld) -> None:
    assert find(lookups, phone=None, key=" {{ caller.nothing }} ") == Found(LookupOutcome.NOT_FOUND)
    assert crm.asked == []


def test_the_first_connector_that_finds_wins(lookups: Lookups) -> None:
    trail = Trail()
    assert find(lookups, trail=trail, asked=["agenda", "crm"]).outcome is LookupOutcome.FOUND
    assert [(entry.connector, entry.outcome) for entry in trail.entries] == [("agenda", "not_found"), ("crm", "found")]


def test_one_that_is_down_is_passed_over(lookups: Lookups, agenda: Handheld) -> None:
    agenda.error = Unavailable("away")
    assert find(lookups, asked=["agenda", "crm"]).outcome is LookupOutcome.FOUND


def test_nothing_found_while_one_was_down_is_not_not_found(lookups: Lookups, crm: Handheld) -> None:
    crm.error = Unavailable("away")
    assert find(lookups, asked=["agenda", "crm"]) == Found(LookupOutcome.DOWN)
    assert find(lookups, asked=["crm", "agenda"]) == Found(LookupOutcome.DOWN)


def test_what_the_admin_has_to_mend_is_an_error_too(lookups: Lookups, crm: Handheld) -> None:
    crm.error = Misconfigured("no such field")
    assert find(lookups) == Found(LookupOutcome.DOWN, misconfigured=True)


def test_a_fault_in_a_connector_is_an_error_and_not_not_found(lookups: Lookups, crm: Handheld) -> None:
    crm.error = ZeroDivisionError("oops")
    assert find(lookups) == Found(LookupOutcome.DOWN, misconfigured=True)


@pytest.mark.parametrize(("many", "outcome"), [("first", "found"), ("newest", "found"), ("ambiguous", "ambiguous")])
def test_several_matches_follow_the_rule(lookups: Lookups, crm: Handheld, many: str, outcome: str) -> None:
    crm.records["contact"] = [ANA, {**ANA, "id": 3}]
    assert find(lookups, many=many).outcome == outcome
    assert crm.asked[0].newest == (many == "newest")


def test_the_same_record_twice_is_one_match(lookups: Lookups, crm: Handheld) -> None:
    crm.records["contact"] = [ANA, dict(ANA)]
    assert find(lookups).outcome is LookupOutcome.FOUND


def test_a_hanging_crm_is_left_behind_at_the_deadline(lookups: Lookups, crm: Handheld) -> None:
    crm.gate.clear()
    assert find(lookups, within=0.05) == Found(LookupOutcome.LATE)


def test_simultaneous_questions_are_asked_once_however_the_number_is_written(lookups: Lookups, crm: Handheld) -> None:
    crm.gate.clear()
    spellings = ["600111222", "+34600111222", "600 11 12 22", "0034 600111222"]
    begun: list[int] = []

    def ask(number: int) -> Found:
        begun.append(number)
        return find(lookups, spellings[number % 4])

    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(ask, number) for number in range(40)]
        until(lambda: len(begun) == 40 and crm.asked)
        time.sleep(0.1)
        crm.gate.set()
        assert {answer.result().outcome for answer in answers} == {LookupOutcome.FOUND}
    assert len(crm.asked) < 10  # one, but for threads that came when it was done


def test_who_has_more_time_than_the_one_who_asked_first_asks_again(crm: Handheld) -> None:
    source = ConnectorGateway(crm)
    crm.error = TimedOut("too late for the first")
    crm.gate.clear()
    first = source.steps(WANTED, Deadline.after(30), None)
    second = source.steps(WANTED, Deadline.after(60), None)
    future = next(first).future
    assert next(second).future is future
    crm.gate.set()
    assert isinstance(future.exception(30), TimedOut)
    for asked in (first, second):
        with pytest.raises(TimedOut):
            complete(asked)
    assert len(crm.asked) == 2
    source.close()


def test_who_waits_takes_no_thread_and_what_came_too_late_is_kept_for_the_next(clock: Clock) -> None:
    """One thread asks for all who want the same; at the deadline they go without waiting for it."""
    crm = Handheld("alone", {"contact": [ANA]})
    source = ConnectorGateway(crm)
    crm.gate.clear()
    waiting = [source.steps(WANTED, Deadline(clock() + 1, clock), CACHE) for _ in range(50)]
    (future,) = {next(steps).future for steps in waiting}
    assert len([thread for thread in threading.enumerate() if thread.name == "lookup-alone"]) == 1
    clock.now += 2
    for steps in waiting:
        with pytest.raises(TimedOut, match="did not answer in time"):
            next(steps)
    crm.gate.set()
    future.result(30)
    assert source.find(WANTED, Deadline.after(30), CACHE)[1] == "from the cache"
    assert len(crm.asked) == 1
    source.close()


def test_while_all_threads_hang_more_questions_wait_for_one_until_their_deadline(crm: Handheld, clock: Clock) -> None:
    source = ConnectorGateway(crm, threads=2)
    crm.gate.clear()
    others = [LookupQuery("contact", key=str(number)) for number in range(5)]
    waiting = [source.steps(query, Deadline(clock() + 1, clock), None) for query in others]
    futures = [next(steps).future for steps in waiting]
    assert len(crm.asked) <= 2
    clock.now += 2
    for steps in waiting:
        with pytest.raises(TimedOut, match="did not answer in time"):
            next(steps)
    crm.gate.set()
    assert [type(future.exception(30)) for future in futures[2:]] == [TimedOut] * 3  # nobody waits for them any more
    source.close()


def test_a_fresh_answer_is_used_again_and_then_asked_anew(lookups: Lookups, crm: Handheld, clock: Clock) -> None:
    find(lookups, cache=CACHE)
    clock.now += 29
    find(lookups, cache=CACHE)
    assert len(crm.asked) == 1
    clock.now += 2
    find(lookups, cache=CACHE)
    assert len(crm.asked) == 2


def test_not_found_is_kept_for_its_own_time(lookups: Lookups, crm: Handheld, clock: Clock) -> None:
    crm.records["contact"] = []
    find(lookups, cache=CACHE)
    clock.now += 4
    assert find(lookups, cache=CACHE).outcome is LookupOutcome.NOT_FOUND
    assert len(crm.asked) == 1
    crm.records["contact"] = [ANA]
    clock.now += 2
    assert find(lookups, cache=CACHE).outcome is LookupOutcome.FOUND


def test_a_stale_answer_serves_in_an_outage_and_only_then(lookups: Lookups, crm: Handheld, clock: Clock) -> None:
    find(lookups, cache=CACHE)
    clock.now += 3600
    crm.error = Unavailable("away")
    trail = Trail()
    assert find(lookups, cache=CACHE, trail=trail).outcome is LookupOutcome.FOUND
    assert "3600 s old" in trail.entries[0].note
    crm.error, crm.records["contact"] = None, []
    assert find(lookups, cache=CACHE).outcome is LookupOutcome.NOT_FOUND


def test_a_stale_answer_that_is_too_old_does_not_serve(lookups: Lookups, crm: Handheld, clock: Clock) -> None:
    find(lookups, cache=CACHE)
    clock.now += 25 * 3600
    crm.error = Unavailable("away")
    assert find(lookups, cache=CACHE).outcome is LookupOutcome.DOWN


def test_a_not_found_never_serves_as_a_stale_answer(lookups: Lookups, crm: Handheld, clock: Clock) -> None:
    crm.records["contact"] = []
    find(lookups, cache=CACHE)
    clock.now += 60
    crm.error = Unavailable("away")
    assert find(lookups, cache=CACHE).outcome is LookupOutcome.DOWN


def test_without_a_cache_it_is_asked_each_time(lookups: Lookups, crm: Handheld) -> None:
    find(lookups)
    find(lookups)
    assert len(crm.asked) == 2


def test_the_breaker_opens_and_closes_by_itself(crm: Handheld) -> None:
    source = ConnectorGateway(crm, Breaker.model_validate({"failures": 3, "open": "10ms"}))
    crm.error = Unavailable("away")
    for _ in range(3):
        with pytest.raises(Unavailable, match="away"):
            source.find(WANTED, Deadline.after(30), None)
    with pytest.raises(Unavailable, match=r"^crm is not asked until it answers again: away$"):
        source.find(WANTED, Deadline.after(30), None)
    crm.error = None
    until(lambda: not source.breaker.open)
    assert len(source.find(WANTED, Deadline.after(30), None)[0]) == 2
    source.close()


def test_a_crm_that_hangs_opens_the_breaker_and_others_are_unharmed(
    lookups: Lookups, crm: Handheld, agenda: Handheld
) -> None:
    crm.gate.clear()
    agenda.records["contact"] = [ANA]
    for _ in range(3):
        assert find(lookups, within=0.3).outcome is LookupOutcome.LATE
    assert lookups.sources["crm"].breaker.open
    assert find(lookups, within=30).outcome is LookupOutcome.DOWN  # at once, not after 30 s
    assert find(lookups, asked="agenda").outcome is LookupOutcome.FOUND
    assert not lookups.sources["agenda"].breaker.open


def test_a_failure_between_successes_does_not_add_up(crm: Handheld) -> None:
    source = ConnectorGateway(crm, Breaker.model_validate({"failures": 2, "open": "1h"}))
    for _ in range(4):
        crm.error = Unavailable("away")
        with pytest.raises(Unavailable):
            source.find(WANTED, Deadline.after(30), None)
        crm.error = None
        source.find(WANTED, Deadline.after(30), None)
    assert not source.breaker.open
    source.close()


def test_closing_leaves_a_hanging_lookup_behind(crm: Handheld) -> None:
    source = ConnectorGateway(crm)
    crm.gate.clear()
    with pytest.raises(TimedOut):
        source.find(WANTED, Deadline.after(0.02), None)
    source.close()
    assert crm.closed
    until(lambda: not [t for t in threading.enumerate() if t.name == "lookup-crm"])


class Cooperative(Handheld):
    """`mine`: whether the permit was its own while it computed."""

    cooperative = True

    def __init__(self, permit: ComputePermit) -> None:
        super().__init__("crm", {"contact": [EVA, ANA]})
        self.permit = permit
        self.mine: list[bool] = []

    def find(self, wanted: LookupQuery, deadline: Deadline) -> list[Record]:
        self.mine.append(self.permit.mine)
        with self.permit.waiting():
            return super().find(wanted, deadline)


def test_a_cooperative_connector_computes_under_the_permit_and_keeps_it_from_nobody_while_it_waits() -> None:
    permit = ComputePermit()
    crm = Cooperative(permit)
    source = ConnectorGateway(crm, permit=permit)
    assert len(source.find(WANTED, Deadline.after(30), None)[0]) == 2
    assert crm.mine == [True]
    crm.gate.clear()
    waiting = source.steps(WANTED, Deadline.after(30), None)
    future = next(waiting).future
    until(lambda: len(crm.asked) == 2)
    with permit:  # which it has given back
        crm.gate.set()
    assert len(future.result(30)) == 2
    source.close()


def test_a_connector_that_promises_nothing_computes_beside_the_permit(crm: Handheld) -> None:
    permit = ComputePermit()
    source = ConnectorGateway(crm, permit=permit)
    with permit:
        assert len(source.find(WANTED, Deadline.after(30), None)[0]) == 2
    source.close()


class Linking(Handheld):
    """Counts how often it was asked for a link; one with the id `bad` is its fault."""

    asked_for_links = 0

    def link(self, record: Record) -> str | None:
        self.asked_for_links += 1
        if record.id == "bad":
            raise KeyError("id")
        return f"https://crm.example.com/{record.id}"


def test_a_link_is_worked_out_for_who_asks_and_a_fault_in_it_costs_nobody_the_record() -> None:
    crm = Linking("crm", {"contact": [ANA]})
    lookups, trail = Lookups({"crm": ConnectorGateway(crm)}, "ES"), Trail()
    try:
        found = find(lookups, trail=trail).record
        assert found is not None
        assert trail.entries[0].record is found
        assert crm.asked_for_links == 0
        assert found.link == f"https://crm.example.com/{ANA['id']}"
        crm.records["contact"] = [{**ANA, "id": "bad"}]
        faulty = find(lookups).record
        assert faulty is not None
        assert faulty.link is None
    finally:
        lookups.sources["crm"].close()


def test_a_crm_that_refuses_some_questions_is_a_trouble_though_it_answers_others(crm: Handheld, clock: Clock) -> None:
    troubles = Troubles(clock=clock)
    gateway = ConnectorGateway(crm, troubles=troubles, clock=clock)
    order = LookupQuery("order", key="7")

    def ask(query: LookupQuery, error: Exception | None = None) -> list[str]:
        crm.error = error
        with suppress(Misconfigured):
            gateway.find(query, Deadline.after(30), None)
        return [f"{trouble.id}: {trouble.text}" for trouble in troubles.all()]

    refused = ["crm:crm: The CRM crm refuses lookups: no right to it. Queries that need it get what `on_error` says"]
    assert ask(WANTED) == []
    assert ask(order, Misconfigured("no right to it")) == refused
    assert ask(WANTED) == refused, "else it would end with each caller, and nobody would be told"
    assert ask(order) == []
    assert ask(order, KeyError("a fault of a connector")) != []
    clock.now += 901
    assert ask(WANTED) == []
    assert ask(WANTED, Misconfigured("no right to contacts")) != []
    assert ask(WANTED) == [], "orders were refused long ago"
    gateway.close()
