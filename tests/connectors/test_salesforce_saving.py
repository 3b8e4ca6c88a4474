"""Saved records of Salesforce, once for a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.base import (
    Ambiguous,
    Deadline,
    Misconfigured,
    NewRecord,
    TimedOut,
    Unavailable,
    WriteResult,
)
from connectors.phone import parse
from connectors.salesforce.values import CUT
from tests.connectors.salesforce_harness import RECORDS, opened
from tests.fakes.salesforce import FakeSalesforce

# saving


def save(connector: Any, key: str = "call-1", attempt: int = 1, kind: str = "survey", **fields: object) -> WriteResult:
    made: WriteResult = connector.save(
        NewRecord(kind, key, fields or {"phone": "600112233"}, attempt), Deadline.after(30)
    )
    return made


def test_fields_are_saved_by_their_configured_and_by_their_api_names(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        save(connector, phone=parse("600112233", "ES"), Grade__c="A" * 30)
    [row] = fake.org.all("Survey__c")
    assert (row["Phone__c"], row["Grade__c"]) == ("+34600112233", "A" * (20 - len(CUT)) + CUT)


def test_a_field_that_is_not_there_is_the_admins(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector, pytest.raises(Misconfigured, match=r"did you mean Score__c\?"):
        save(connector, Scor__c="9")


@pytest.mark.parametrize("value", ["O'Brien", "\\", "%", "{}", "?", "*", "'" * 10_000])
def test_hostile_values_are_saved_as_they_are(fake: FakeSalesforce, tmp_path: Path, value: str) -> None:
    with opened(fake, tmp_path) as connector:
        save(connector, score=value)
    assert fake.org.all("Survey__c")[0]["Score__c"] == value


def without_external_id() -> dict[str, Any]:
    survey = {name: value for name, value in RECORDS["survey"].items() if name != "external_id"}
    return {"records": {"survey": survey}}


def test_without_an_external_id_a_lost_answer_is_for_a_person(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.lose("POST .*sobjects/Survey__c")
    with opened(fake, tmp_path, **without_external_id()) as connector:
        with pytest.raises(Ambiguous, match="look whether it is there"):
            save(connector)
        with pytest.raises(Ambiguous, match="is there already"):
            save(connector, attempt=2)
        save(connector, "call-2", attempt=2, phone="911222333")  # this one was not there
    assert len(fake.org.all("Survey__c")) == 2


def test_without_an_external_id_a_hang_is_for_a_person(fake: FakeSalesforce, tmp_path: Path) -> None:
    soon = NewRecord("survey", "call-2", {"phone": "600112233"})
    with opened(fake, tmp_path, **without_external_id()) as connector:
        save(connector)
        fake.hang("(POST|PATCH) .*sobjects/Survey__c")
        with pytest.raises(Ambiguous):
            connector.save(soon, Deadline.after(0.5))
    with opened(fake, tmp_path) as connector, pytest.raises(TimedOut):
        connector.save(soon, Deadline.after(0.5))


def test_without_an_external_id_a_refusal_that_passes_comes_again(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.fail(400, "UNABLE_TO_LOCK_ROW", match="POST .*sobjects/Survey__c")
    with opened(fake, tmp_path, **without_external_id()) as connector:
        with pytest.raises(Unavailable):
            save(connector)
        assert save(connector, attempt=2).created
    assert len(fake.org.all("Survey__c")) == 1


def test_two_who_save_one_key_at_the_same_moment_save_one(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.fail(400, "DUPLICATE_VALUE", "duplicate value found", "PATCH .*Survey__c")
    with opened(fake, tmp_path) as connector:
        assert save(connector).created
    assert len(fake.org.all("Survey__c")) == 1


def test_what_is_sent_is_json_in_utf8(fake: FakeSalesforce, tmp_path: Path) -> None:
    with opened(fake, tmp_path) as connector:
        save(connector, score="ñ€😀")
    [sent] = fake.requests("Survey__c/Infocaller")
    assert json.loads(sent.body) == {"Score__c": "ñ€😀"}
    assert sent.headers["content-type"] == "application/json"
