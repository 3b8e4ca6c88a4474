"""What simple-mockforce, a public stand-in for Salesforce, understands of what the connector says.

It knows sign-ins, simple queries and creating; no search, description, collection or TYPEOF, and it answers an upsert
by a 204 with a body. Descriptions are lent to it here. It wants an older `responses` than other tests, so it runs in
an environment of its own (docs/connectors/salesforce.md says how), and is skipped where it is not installed.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Context, Deadline, LookupQuery
from connectors.salesforce import SalesforceConnector, SalesforceOptions
from connectors.testing import activity
from tests.connectors.salesforce_harness import RECORDS, by_key, log
from tests.fakes.salesforce.schema import standard

mockforce = pytest.importorskip("simple_mockforce")
constants = pytest.importorskip("simple_mockforce.constants")
virtual = pytest.importorskip("simple_mockforce.virtual")
responses = pytest.importorskip("responses")

LOGINS: dict[str, dict[str, str]] = {
    "client credentials": {"domain": "mock", "client_id": "key", "client_secret": "secret"},
    "SOAP": {"domain": "mock", "username": "user", "password": "password", "security_token": "token"},
    "session": {"session_id": "session", "instance_url": "https://mock.salesforce.com"},
}
HOSTILE = ("\\", "%", "{}", "?", "*", "a" * 10_000)


def described(request: Any) -> tuple[int, dict[str, str], str]:
    """The description of an object, which the stand-in lacks."""
    found = standard().get(request.url.split("/")[-2].lower())
    return (200, {}, json.dumps(found.describe())) if found else (404, {}, "[]")


def before_mockforce(folder: Path, work: Callable[[SalesforceConnector, Any], None], way: str = "session") -> None:
    """Let `work` use the connector before the stand-in's org, which is empty."""

    def run() -> None:
        responses.remove(responses.GET, re.compile(constants.DETAIL_URL))
        responses.add_callback(responses.GET, re.compile(r".*/sobjects/\w+/describe$"), callback=described)
        whole = {"type": "salesforce", "login": LOGINS[way], "records": RECORDS, "activity": {}}
        options = SalesforceOptions.model_validate(whole)
        with contextlib.closing(SalesforceConnector("crm", options, Context(folder=folder, cache=folder))) as connector:
            work(connector, virtual.virtual_salesforce)

    mockforce.mock_salesforce(run)()


@pytest.mark.parametrize("way", LOGINS)
def test_a_record_is_found_by_its_key_after_each_sign_in(tmp_path: Path, way: str) -> None:
    def work(connector: SalesforceConnector, org: Any) -> None:
        for number in ("7", "8"):
            org.create("Order", {"OrderNumber": number, "Status": f"status {number}", "CreatedDate": number})
        assert [one.fields["status"] for one in by_key(connector, "7")] == ["status 7"]
        assert connector.find(LookupQuery("order", key="9"), Deadline.after(30)) == []

    before_mockforce(tmp_path, work, way)


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_finds_nothing(tmp_path: Path, key: str) -> None:
    def work(connector: SalesforceConnector, org: Any) -> None:
        org.create("Order", {"OrderNumber": "7", "Status": "Draft", "CreatedDate": "1"})
        assert by_key(connector, key) == []

    before_mockforce(tmp_path, work)


def test_a_call_is_kept(tmp_path: Path) -> None:
    def work(connector: SalesforceConnector, org: Any) -> None:
        org.create("Task", {"CallObject": "other", "Subject": "Other", "CreatedDate": "1"})
        assert log(connector, activity(start=None)).created
        assert [task["Subject"] for task in org.data["Task"]] == ["Other", "Llamada de Ana"]

    before_mockforce(tmp_path, work)
