"""Each preset, against a pretended CRM that answers in the shape of its API's documentation."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.base import (
    Activity,
    ConnectorError,
    Context,
    Deadline,
    LookupQuery,
    Misconfigured,
    NewRecord,
    Record,
    Rejected,
    Task,
    TaskOutcome,
    Unavailable,
    WriteResult,
)
from connectors.phone import HIDDEN, Phone, parse
from connectors.rest import RestConnector, RestOptions
from tests.fakes.presets import FAKES, SECRET, PresetApi, PresetCrm

CALLER = parse("600112233", "ES")
START, END = datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC), datetime(2026, 11, 23, 10, 1, 10, tzinfo=UTC)
KEY = "912345678:77:log"


@cache
def validated(section: str) -> RestOptions:
    """The options that a section (JSON) says."""
    return RestOptions.model_validate_json(section)


class Opened:
    """A preset's connector on its pretended CRM (`api` its inside, `server` its wire); `seen` is its trace."""

    def __init__(self, server: PresetCrm) -> None:
        self.server = server
        self.api: PresetApi = server.api
        self.seen: list[str] = []
        section = {"type": "rest", "preset": self.api.name, **self.api.section(server.url)}
        self.options = validated(json.dumps(section))
        self.connector = RestConnector("crm", self.options, Context(folder=Path(), see=self.seen.append))

    def people(self, number: str = "600112233") -> list[Record]:
        return list(self.connector.find(LookupQuery("contact", phone=parse(number, "ES")), Deadline.after(30)))

    def keyed(self, key: str) -> list[Record]:
        return list(self.connector.find(LookupQuery(self.api.keyed[0], key=key), Deadline.after(30)))

    def log(self, seconds_left: float = 30.0, **changed: Any) -> WriteResult:
        return self.connector.log_activity(activity(**changed), Deadline.after(seconds_left))

    def save(self, attempt: int = 1) -> WriteResult:
        fields = {"phone": "+34611222333", "name": "Caller"}
        return self.connector.save(NewRecord("lead", "912345678:78:lead", fields, attempt), Deadline.after(30))

    def tasks(self) -> list[Task]:
        return list(self.connector.tasks(Deadline.after(60)))

    def tell(self, task: Task, status: str, text: str = "It was so") -> None:
        self.connector.update_task(task, TaskOutcome(status, text, END), Deadline.after(30))


def activity(contact: Record | None = None, caller: Phone | None = CALLER, **changed: Any) -> Activity:
    known: dict[str, Any] = {
        "key": KEY, "subject": "Call of Ana", "note": "Rang <twice>\nand spoke", "direction": "received",
        "caller": caller, "called": "+34912345678", "line": "912345678", "start": START, "end": END, "seconds": 65,
        "cost": Decimal("0.02"), "answered": True, "answered_by": "101", "contact": contact,
    }  # fmt: skip
    return Activity(**{**known, **changed})


@contextlib.contextmanager
def traced(api: PresetApi) -> Iterator[Opened]:
    """The preset of a pretended CRM, whose trace holds no secret in the end."""
    with PresetCrm(api) as server:
        opened = Opened(server)
        with contextlib.closing(opened.connector):
            yield opened
        assert not [text for text in opened.seen if SECRET in text], "a secret is in the trace"


@pytest.fixture(params=FAKES, ids=[fake.name for fake in FAKES])
def crm(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with traced(request.param()) as opened:
        yield opened


_ASKING = [fake for fake in FAKES if fake.asks_back]


@pytest.fixture(params=_ASKING, ids=[fake.name for fake in _ASKING])
def asking(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Those that have callbacks."""
    with traced(request.param()) as opened:
        yield opened


def test_people_are_found_however_their_number_is_written(crm: Opened) -> None:
    for spelling in crm.api.spellings:
        crm.api.rows.clear()
        id_ = crm.api.person("Ana", spelling)
        [ana] = crm.people()
        assert (ana.id, ana.fields["name"]) == (id_, "Ana"), spelling
        assert ana.fields["phone"] == spelling


def test_a_persons_page_is_linked(crm: Opened) -> None:
    id_ = crm.api.person("Ana", crm.api.spellings[0])
    [ana] = crm.people()
    page = crm.api.opens.format(id=id_)
    assert crm.connector.link(ana) == (page if page.startswith("https:") else f"{crm.server.url}{page}")
    [keyed] = crm.keyed(crm.api.keyed[1])
    assert f"{keyed.id}" in (crm.connector.link(keyed) or "")


def test_the_second_number_of_somebody_counts_too(crm: Opened) -> None:
    if not crm.api.second_numbers:
        return
    id_ = crm.api.person("Ana", "", "+34600112233")
    assert [one.id for one in crm.people()] == [id_]


def test_two_with_one_number_are_both_found(crm: Opened) -> None:
    ids = {crm.api.person("Ana", crm.api.spellings[0]), crm.api.person("Luis", crm.api.spellings[0])}
    assert {one.id for one in crm.people()} == ids


def test_nobody_else_is_found(crm: Opened) -> None:
    assert crm.people() == []
    for other in ("+33600112233", "+4915600112233", "911112233", "+346001122330", "1600112233"):
        crm.api.person("Somebody else", other)
    assert crm.people() == []


def test_companies_are_found_where_they_have_numbers(crm: Opened) -> None:
    if not crm.api.company_too:
        return
    id_ = crm.api.company("Acme", "+34600112233")
    [acme] = crm.people()
    assert (acme.id, acme.fields["name"]) == (id_, "Acme")
    crm.log(contact=acme)
    assert [call["person"] for call in crm.api.calls()] == [id_]


def test_a_record_is_found_by_its_key(crm: Opened) -> None:
    kind, key, status = crm.api.keyed
    [found] = crm.keyed(key)
    assert (found.kind, str(found.fields[crm.api.keyed_field])) == (kind, status)


@pytest.mark.parametrize("key", ["99999999", "x", "x') or (t.ref:like:'%", "a,b)(c", "' or '1' eq '1", "../users", "%"])
def test_a_key_that_is_not_there_is_not_found(crm: Opened, key: str) -> None:
    assert crm.keyed(key) == []


def test_a_call_is_kept_with_its_contact(crm: Opened) -> None:
    crm.api.person("Somebody else", "+34699999999")
    id_ = crm.api.person("Ana", crm.api.spellings[0])
    written = crm.log(contact=crm.people()[0])
    assert written.created
    assert written.id
    [call] = crm.api.calls()
    assert (call["subject"], call["person"]) == ("Call of Ana", id_)
    assert "Rang" in call["note"]
    assert "and spoke" in call["note"]


@pytest.mark.parametrize("direction", ["received", "emitted"])
@pytest.mark.parametrize("caller", [CALLER, HIDDEN, None])
def test_calls_of_strangers_are_kept(crm: Opened, direction: str, caller: Phone | None) -> None:
    if not crm.api.strangers:
        with pytest.raises(Rejected):
            crm.log(caller=caller, direction=direction)
        return
    assert crm.log(caller=caller, direction=direction, answered=False, seconds=None, cost=None).created
    assert [call["person"] for call in crm.api.calls()] == [""]


def test_a_call_whose_answer_was_lost_is_there_once(crm: Opened) -> None:
    crm.api.person("Ana", crm.api.spellings[0])
    [ana] = crm.people()
    assert crm.log(contact=ana, key="another").created
    crm.server.faults.add("lose_answer", crm.api.writes, times=1, after=crm.api.asks_first)
    with pytest.raises(Unavailable):
        crm.log(contact=ana)
    assert len(crm.api.calls()) == 2
    assert crm.log(contact=ana, key="yet another", attempt=2).created
    assert not crm.log(contact=ana, attempt=2).created
    assert len(crm.api.calls()) == 3


def test_a_late_event_corrects_the_call(crm: Opened) -> None:
    assert crm.options.abilities().updates_activities is crm.api.corrects
    crm.api.person("Ana", crm.api.spellings[0])
    [ana] = crm.people()
    written = crm.log(contact=ana)
    crm.log(contact=ana, key="another")
    if not crm.api.corrects:
        return
    for written_id in (written.id, None):
        crm.log(revision=2, written_id=written_id, note=f"Longer, {written_id}", seconds=90)
        [call, other] = crm.api.calls()
        assert f"Longer, {written_id}" in call["note"]
        assert "Longer" not in other["note"]


def test_a_crm_that_enforces_our_key_has_the_call_once_without_being_asked_first(crm: Opened) -> None:
    if not crm.api.enforces_keys:
        return
    assert crm.log().created
    assert not crm.log().created
    assert len(crm.api.calls()) == 1


def test_a_new_lead_is_made_once(crm: Opened) -> None:
    assert crm.people() == []
    crm.server.faults.add("lose_answer", crm.api.makes_leads, times=1)
    with pytest.raises(Unavailable):
        crm.save()
    assert crm.api.leads() == ["+34611222333"]
    assert not crm.save(attempt=2).created
    assert crm.api.leads() == ["+34611222333"]


def test_a_callback_is_listed_read_and_closed(asking: Opened) -> None:
    id_ = asking.api.task("+34 600 11 22 33")
    [task] = asking.tasks()
    assert (task.id, task.fields["phone"]) == (id_, "+34 600 11 22 33")
    assert task.fields["due"] in (datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24).date())
    asking.tell(task, "claimed")
    now = asking.connector.read_task(task, Deadline.after(30))
    assert now is not None
    assert now.fields["phone"] == "+34 600 11 22 33"
    asking.tell(task, "answered")
    state = asking.api.state(id_)
    assert "It was so" in state
    assert asking.tasks() == []
    asking.tell(task, "answered")
    assert asking.api.state(id_) == state


@pytest.mark.parametrize("status", ["busy", "no_answer", "failed", "rejected", "cancelled", "expired", "may_have_rung"])
def test_what_became_of_a_callback_is_told(asking: Opened, status: str) -> None:
    id_ = asking.api.task("+34600112233")
    [task] = asking.tasks()
    before = asking.api.state(id_)
    asking.tell(task, status, f"The outcome: {status}")
    assert asking.api.state(id_) != before
    assert f"The outcome: {status}" in asking.api.state(id_)


@pytest.mark.parametrize("status", ["claimed", "no_answer", "may_have_rung"])
def test_a_callback_that_was_rung_is_not_listed_again(asking: Opened, status: str) -> None:
    """Whoever has lost his database rings nobody a second time: the CRM knows of it."""
    if not asking.api.marks and (status == "claimed" or asking.api.name == "zendesk-sell"):
        return
    asking.api.task("+34600112233")
    [task] = asking.tasks()
    asking.tell(task, status)
    assert asking.tasks() == []
    if asking.api.marks:
        now = asking.connector.read_task(task, Deadline.after(30))
        assert now is not None
        assert now.fields["phone"] == task.fields["phone"]
        asking.tell(now, status)
        assert "[infocaller] [infocaller]" not in asking.api.state(task.id)


def test_a_callback_without_a_number_has_none(asking: Opened) -> None:
    asking.api.task(None)
    [task] = asking.tasks()
    assert not task.fields["phone"]


def test_a_callback_that_is_gone_is_not_read(asking: Opened) -> None:
    asking.api.task("+34600112233")
    [task] = asking.tasks()
    for kind in list(asking.api.rows):
        asking.api.rows[kind] = []
    assert asking.connector.read_task(task, Deadline.after(30)) is None


def test_all_pages_of_callbacks_are_read(asking: Opened) -> None:
    if asking.api.page:
        ids = [asking.api.task(None) for _ in range(asking.api.page + 3)]
        assert [task.id for task in asking.tasks()] == ids


def test_wrong_credentials_are_told_as_such(crm: Opened) -> None:
    crm.api.secret = "another-0123456789"
    with pytest.raises(Misconfigured, match="sign-in was refused"):
        crm.people()
    with pytest.raises(Misconfigured):
        crm.log()


def test_a_sign_in_that_ran_out_is_renewed(crm: Opened) -> None:
    expire = getattr(crm.api, "expire", None)
    if expire is None:
        return
    crm.api.person("Ana", crm.api.spellings[0])
    assert crm.people()
    expire()
    assert crm.people()
    assert len(crm.api.tokens) == 3


def test_too_many_requests_pass(crm: Opened) -> None:
    crm.api.person("Ana", crm.api.spellings[0])
    assert crm.people()
    crm.api.throttled = 99
    with pytest.raises(Unavailable) as error:
        crm.log(seconds_left=5.0)  # less than it is asked to stay away
    told = {"zendesk-sell": None, "bitrix24": None}.get(crm.api.name, 7.0)
    assert error.value.retry_after == told
    crm.api.throttled = 0
    assert crm.people()


def test_what_the_crm_refuses_is_said_in_its_words(crm: Opened) -> None:
    if crm.api.name == "dolibarr":  # takes any number for a contact
        return
    crm.api.person("Ana", crm.api.spellings[0])
    [ana] = crm.people()
    for kind in crm.api.rows:
        crm.api.rows[kind] = []
    with pytest.raises(ConnectorError, match=r"answered \d\d\d") as error:
        crm.log(contact=ana)
    assert not isinstance(error.value, Unavailable)
    assert crm.api.calls() == []


def test_the_connection_can_be_checked(crm: Opened) -> None:
    findings = list(crm.connector.probe(Deadline.after(60)))
    assert [finding.text for finding in findings if not finding.ok] == []
    tried = {finding.what for finding in findings}
    assert "contact by phone" in tried
    assert ("sign in" in tried) is (crm.options.auth.type != "none")
    assert ("tasks" in tried) is crm.api.asks_back
