"""`check --connect` says what of the mapping is not in the org, and what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Deadline, ProbeResult
from connectors.salesforce import SalesforceOptions
from tests.connectors.salesforce_harness import RECORDS, opened, options
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.salesforce.tls import jwt_pair


def probed(fake: FakeSalesforce, folder: Path, **changed: Any) -> Sequence[ProbeResult]:
    with opened(fake, folder, **changed) as connector:
        return list(connector.probe(Deadline.after(30)))


def bad(findings: Sequence[ProbeResult]) -> dict[str, str]:
    return {finding.what: finding.text for finding in findings if not finding.ok}


def contact(**changed: Any) -> dict[str, Any]:
    return {"records": {"contact": {**RECORDS["contact"], **changed}}}


def test_a_good_mapping_has_no_faults_and_says_what_it_found(fake: FakeSalesforce, tmp_path: Path) -> None:
    found = probed(fake, tmp_path)
    assert bad(found) == {}
    texts = "\n".join(f"{one.what}: {one.text}" for one in found)
    assert f"signed in to {fake.url}" in texts
    assert "API version 64.0; the org's newest is 68.0" in texts
    assert "Contact: can be read, though there is none yet, phones: Phone, MobilePhone" in texts
    assert "API requests of the last 24 hours" in texts


@pytest.mark.parametrize(
    ("changed", "what", "text"),
    [
        (contact(objects=["Contct"]), "records.contact.objects", "did you mean Contact?"),
        (contact(fields={"name": "Nmae"}), "records.contact.fields.name", "did you mean Name?"),
        (contact(fields={"name": "Ownr.Phone"}), "records.contact.fields.name", "did you mean Owner?"),
        (contact(object="Contact", objects=[], fields={"p": "Owner.Fone"}), "records.contact.fields.p", "Phone?"),
        (contact(phones=["Mobile"]), "records.contact.phones", "MobilePhone?"),
        ({"records": {"order": {"object": "Order", "key": "OrderNumbr"}}}, "records.order.key", "OrderNumber?"),
        (contact(where="Nmae = 'x'"), "records.contact", "INVALID_FIELD"),
        (contact(where="Name == 'x'"), "records.contact", "MALFORMED_QUERY"),
        ({"activity": {"external_id": "Infocaller_ID__c"}}, None, ""),
        ({"activity": {"external_id": "Infocaler_Id__c"}}, "activity.external_id", "Infocaller_Id__c?"),
        ({"activity": {"external_id": "Campaign__c"}}, "activity.external_id", "no External Id field"),
        ({"activity": {"fields": {"Campain__c": "x"}}}, "activity.fields.Campain__c", "did you mean Campaign__c?"),
        ({"activity": {"fields": {"IsClosed": "x"}}}, "activity.fields.IsClosed", "can't be written"),
        ({"activity": {"status": "Complete"}}, "activity.status", "did you mean Completed?"),
        ({"activity": {"owners": {"1": "0058d0000000ZZZ"}}}, "activity.owners", "no active user"),
        ({"activity": {"unknown_caller": "lead", "lead": {"Firma": "x"}}}, "activity.lead.Firma", "can't be written"),
        ({"tasks": {"where": "Status = 'x'", "statuses": {"closed": "Done"}}}, "tasks.statuses", "no Task status Done"),
        ({"tasks": {"where": "Stat = 'x'"}}, "tasks", "INVALID_FIELD"),
        ({"tasks": {"where": "Status = 'x'", "fields": {"phone": "Fone"}}}, "tasks", "tasks.fields.phone"),
        ({"version": "99.0"}, "version", "this one it does not have"),
    ],
)
def test_what_is_not_there_is_said_with_what_was_meant(
    fake: FakeSalesforce, tmp_path: Path, changed: dict[str, Any], what: str | None, text: str
) -> None:
    faults = bad(probed(fake, tmp_path, **changed))
    if what is None:
        assert faults == {}
    else:
        assert text in faults[what]


def test_a_field_that_this_user_may_not_see_is_as_if_it_were_not_there(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.org.objects["task"].hide("CallDisposition")
    assert "can't be written by this user" in bad(probed(fake, tmp_path))["activity.fields.CallDisposition"]


def test_every_fault_is_said_at_once(fake: FakeSalesforce, tmp_path: Path) -> None:
    fields = {"a": "Nmae", "b": "Fone", "c": "Name"}
    changed = {**contact(fields=fields), "activity": {"status": "Done", "fields": {"X__c": "x"}}}
    assert {"records.contact.fields.a", "records.contact.fields.b", "activity.status", "activity.fields.X__c"} <= set(
        bad(probed(fake, tmp_path, **changed))
    )


def test_a_refused_login_is_one_finding(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.signin.client_secret = "changed-there"
    login = {"domain": fake.url, "client_id": fake.signin.client_id, "client_secret": "old-s3cret"}
    found = probed(fake, tmp_path, login=login)
    assert [(one.what, one.ok) for one in found] == [("sign-in", False)]
    assert "old-s3cret" not in found[0].text


def test_soap_login_is_warned_about_by_name_and_date(fake: FakeSalesforce, tmp_path: Path) -> None:
    who = fake.signin
    login = {"domain": fake.url, "username": who.username, "password": who.password,
             "security_token": who.security_token}  # fmt: skip
    found = probed(fake, tmp_path, login=login)
    assert bad(found) == {}
    assert any("SOAP login()" in one.text and "June 2027" in one.text for one in found)


def test_soap_login_is_warned_about_without_asking(fake: FakeSalesforce, tmp_path: Path) -> None:
    made = options(fake, login={"username": "a", "password": "bbbb"}, ca_file=None)
    [problem] = made.problems(tmp_path)
    assert problem.warning
    assert "June 2027" in problem.text


def test_few_requests_left_is_a_finding(fake: FakeSalesforce, tmp_path: Path) -> None:
    fake.api.used, fake.api.allowed = 950, 1000
    assert "of 1000 API requests" in bad(probed(fake, tmp_path))["usage"]


def test_nothing_is_written(fake: FakeSalesforce, tmp_path: Path) -> None:
    probed(fake, tmp_path, activity={"unknown_caller": "lead"})
    assert [one.line for one in fake.requests("^(POST|PATCH|DELETE)")] == ["POST /services/oauth2/token"]


# what can be known without asking


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"version": "30.0"}, "from 52.0 on"),
        ({"version": "latest"}, "from 52.0 on"),
        ({"reserve": "lots"}, "percentage"),
        ({"search": "magic"}, "sosl"),
        ({"timeout": 3}, "number and its unit"),
        ({"records": {"x": {"fields": {}}}}, "either object: Order or objects"),
        ({"records": {"x": {"object": "Contact; DROP"}}}, "API name"),
        ({"records": {"x": {"object": "Contact", "fields": {"a": "Name, Id"}}}}, "path of fields"),
        ({"records": {"x": {"object": "Contact", "where": "Name = 'x"}}}, "quote is not closed"),
        ({"records": {"x": {"object": "Contact", "where": {"Contact": "a) OR (b"}}}}, "parentheses"),
        ({"activity": {"owners": {"1": "Ana"}}}, "Id of 15 or 18"),
        ({"activity": {"fields": {"X__c": "{{ }"}}}, "X__c"),
        ({"tasks": {}}, "where"),
        ({"tasks": {"where": "a = 1", "statuses": {"done": "x"}}}, "done"),
        ({"tasks": {"where": "a = 1", "on": ["done"]}}, "claimed"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_options_that_can_not_be_right_are_faults(fake: FakeSalesforce, changed: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        options(fake, **changed)


def test_numbers_without_quotes_are_what_they_look_like(fake: FakeSalesforce) -> None:
    made = options(fake, version=60, activity={"owners": {911000001: "0058d000001AbCdAAK"}})
    assert made.version == "60.0"
    assert made.activity is not None
    assert made.activity.owners == {"911000001": "0058d000001AbCdAAK"}


def test_files_that_can_not_be_read_are_problems(fake: FakeSalesforce, tmp_path: Path) -> None:
    jwt = {"username": "a", "client_id": "b", "private_key_file": "jwt.pem"}
    made = options(fake, login=jwt, ca_file="nothing.pem")
    assert [problem.loc for problem in made.problems(tmp_path)] == [("ca_file",), ("login", "private_key_file")]
    (tmp_path / "jwt.pem").write_text("-----BEGIN NONSENSE-----")
    assert "is no private key" in [problem.text for problem in made.problems(tmp_path)][1]
    jwt_pair(tmp_path)
    assert [problem.loc for problem in made.problems(tmp_path)] == [("ca_file",)]


def test_every_expression_is_named_with_what_it_may_use(fake: FakeSalesforce) -> None:
    made = options(
        fake,
        activity={"fields": {"Campaign__c": "{{ vars.X }}"}, "lead": {"Company": "{{ caller }}"}},
        tasks={"where": "a = 1", "update": {"Status": "{{ outcome.status }}"}},
    )
    used = {use.loc: use for use in made.templates()}
    assert set(used) == {("activity", "fields", "Campaign__c"), ("activity", "lead", "Company"),
                         ("tasks", "update", "Status")}  # fmt: skip
    assert all(use.template.names <= use.names for use in used.values())


def test_the_example_of_the_documentation_is_valid() -> None:
    whole = {
        "type": "salesforce",
        "login": {"domain": "acme.my", "client_id": "x", "client_secret": "yyyy"},
        "timeout": "2s",
        "records": {
            "contact": {
                "objects": ["Contact", "Lead", "Account"],
                "fields": {"name": "Name", "agent_phone": "Owner.Phone"},
            },
            "order": {"object": "Order", "key": "OrderNumber", "fields": {"status": "Status"}},
        },
        "activity": {
            "external_id": "Infocaller_Id__c",
            "owners": {"911000001": "0058d000001AbCdAAK"},
            "fields": {"Campaign__c": "{{ vars.CAMPANA }}"},
            "unknown_caller": "lead",
        },
        "tasks": {"where": "Status = 'Not Started' AND Type = 'Callback'"},
    }
    can = SalesforceOptions.model_validate(whole).abilities()
    assert (can.by_phone, can.by_key, can.activities, can.tasks) == (
        frozenset({"contact"}),
        frozenset({"order"}),
        True,
        True,
    )
