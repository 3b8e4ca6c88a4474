"""Unknown callers become Leads, once for a number."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from connectors.base import (
    Unavailable,
)
from connectors.phone import HIDDEN, parse
from connectors.testing import activity
from tests.connectors.salesforce_harness import EXTERNAL, log, opened, task
from tests.fakes.salesforce import FakeSalesforce

# unknown callers


def test_an_unknown_caller_becomes_a_lead_once_for_all_calls(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.index_lags = True
    with opened(fake, tmp_path, activity={**EXTERNAL, "unknown_caller": "lead"}) as connector:
        for number in range(3):
            log(connector, activity(f"call {number}"))
    [lead] = fake.org.all("Lead")
    assert (lead["LastName"], lead["Company"], lead["Phone"]) == ("+34 600 11 22 33", "unknown", "+34 600 11 22 33")
    assert [row["WhoId"] for row in fake.org.all("Task")] == [lead["Id"]] * 3


def test_simultaneous_calls_of_a_stranger_in_two_connectors_make_one_lead(fake: FakeSalesforce, tmp_path: Path) -> None:
    way = {**EXTERNAL, "unknown_caller": "lead"}
    start = threading.Barrier(8)

    def call(number: int) -> None:
        start.wait(30)
        log(both[number % 2], activity(f"call {number}"))

    with opened(fake, tmp_path, activity=way) as one, opened(fake, tmp_path, activity=way) as two:
        both = (one, two)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(call, range(8)))
    assert len(fake.org.all("Lead")) == 1
    assert len(fake.org.all("Task")) == 8


def test_a_lead_whose_answer_was_lost_is_found_before_it_is_made_again(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.lose("POST .*sobjects/Lead")
    with opened(fake, tmp_path, activity={**EXTERNAL, "unknown_caller": "lead"}) as connector:
        with pytest.raises(Unavailable) as raised:
            log(connector, activity())
        assert (raised.value.retry_after or 0) >= 30
        log(connector, activity(attempt=2))
    assert len(fake.org.all("Lead")) == 1


@pytest.mark.parametrize("caller", [None, HIDDEN, parse("nonsense", "ES")])
def test_nobody_hidden_becomes_a_lead(fake: FakeSalesforce, tmp_path: Path, caller: Any) -> None:
    with opened(fake, tmp_path, activity={"unknown_caller": "lead"}) as connector:
        log(connector, activity(caller=caller))
    assert (fake.org.all("Lead"), task(fake)["WhoId"]) == ([], None)


@pytest.mark.parametrize("kind", ["Contact", "Account"])
def test_whom_the_index_does_not_know_yet_becomes_no_lead(fake: FakeSalesforce, tmp_path: Path, kind: str) -> None:
    name = {"LastName": "Ana"} if kind == "Contact" else {"Name": "Acme"}
    known = fake.org.add(kind, Phone="600 11 22 33", **name)
    fake.org.unindexed.add(known)
    with opened(fake, tmp_path, activity={"unknown_caller": "lead"}) as connector:
        log(connector, activity())
    assert fake.org.all("Lead") == []
    assert known in (task(fake)["WhoId"], task(fake)["WhatId"])


def test_a_number_that_several_have_becomes_no_lead(fake: FakeSalesforce, tmp_path: Path) -> None:
    for name in ("Ana", "Eva"):
        fake.org.add("Contact", LastName=name, Phone="600112233")
    with opened(fake, tmp_path, activity={"unknown_caller": "lead"}) as connector:
        log(connector, activity())
    assert (fake.org.all("Lead"), task(fake)["WhoId"]) == ([], None)


def test_a_lead_that_was_converted_is_followed(fake: FakeSalesforce, tmp_path: Path) -> None:
    person = fake.org.add("Contact", LastName="Ana", Phone="911222333")
    fake.org.add(
        "Lead", LastName="x", Company="x", Phone="+34 600 11 22 33", IsConverted=True, ConvertedContactId=person
    )
    with opened(fake, tmp_path, activity={"unknown_caller": "lead"}) as connector:
        log(connector, activity())
    assert len(fake.org.all("Lead")) == 1
    assert task(fake)["WhoId"] == person


def test_the_admins_fields_and_the_assignment_rules(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.assigned_to = fake.org.add("User", Name="Assigned", IsActive=True)
    lead = {"Company": "Llamada {{ caller.national }}", "FirstName": "?"}
    ours = {"unknown_caller": "lead", "lead": lead}
    with opened(fake, tmp_path, activity=ours) as connector:
        log(connector, activity())
    with opened(fake, tmp_path, activity={**ours, "lead_assignment": True}) as connector:
        log(connector, activity("other", caller=parse("600999888", "ES")))
    assert [row["Company"] for row in fake.org.all("Lead")] == ["Llamada 600112233", "Llamada 600999888"]
    assert [row["OwnerId"] for row in fake.org.all("Lead")] == [fake.org.user, fake.org.assigned_to]


@pytest.mark.parametrize(("rule", "leads"), [("alert", 1), ("block", 0)])
def test_a_duplicate_rule_that_alerts_is_passed_and_one_that_blocks_keeps_the_call(
    fake: FakeSalesforce, tmp_path: Path, rule: str, leads: int
) -> None:
    fake.org.add("Contact", LastName="Hidden from where", Phone="+34 600 11 22 33")
    fake.org.objects["contact"].hide("Phone")
    fake.org.duplicate_rule = rule
    with opened(fake, tmp_path, activity={"unknown_caller": "lead"}) as connector:
        log(connector, activity())
    assert len(fake.org.all("Lead")) == leads
    assert bool(task(fake)["WhoId"]) is bool(leads)


def test_several_hosts_make_one_lead_by_an_external_id(fake: FakeSalesforce, tmp_path: Path) -> None:
    way = {"unknown_caller": "lead", "lead_external_id": "Infocaller_Number__c"}
    with opened(fake, tmp_path, activity=way) as connector:
        log(connector, activity())
    assert [row["Infocaller_Number__c"] for row in fake.org.all("Lead")] == ["+34600112233"]
