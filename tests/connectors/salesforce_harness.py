"""The pretended Salesforce with the connector in front of it, as tests need it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from connectors.base import Activity, Connector, Context, Deadline, LookupQuery, Record
from connectors.phone import parse
from connectors.salesforce import SalesforceConnector, SalesforceOptions
from connectors.testing import Contact, Harness, Order
from tests.fakes.salesforce import FakeSalesforce

LONG = 30.0
EXTERNAL = {"external_id": "Infocaller_Id__c"}
RECORDS: Mapping[str, Any] = {
    "contact": {
        "objects": ["Contact", "Lead", "Account"],
        "fields": {"name": "Name", "agent_phone": "Owner.Phone", "company": ["Account.Name", "Company"]},
        "newest": "CreatedDate",
    },
    "order": {"object": "Order", "key": "OrderNumber", "fields": {"status": "Status", "total": "TotalAmount"}},
    "survey": {
        "object": "Survey__c",
        "external_id": "Infocaller_Id__c",
        "fields": {"phone": "Phone__c", "score": "Score__c"},
    },
}


def client_credentials(fake: FakeSalesforce) -> dict[str, str]:
    return {"domain": fake.url, "client_id": fake.signin.client_id, "client_secret": fake.signin.client_secret}


def options(fake: FakeSalesforce, **changed: Any) -> SalesforceOptions:
    """A configuration for the pretended org."""
    whole: dict[str, Any] = {
        "type": "salesforce", "login": client_credentials(fake), "ca_file": str(fake.ca_file), "timeout": "5s",
        "records": RECORDS, "activity": {"external_id": "Infocaller_Id__c"},
        "tasks": {"where": "Status = 'Not Started' AND Type = 'Callback'"},
    }  # fmt: skip
    return SalesforceOptions.model_validate({**whole, **changed})


@contextlib.contextmanager
def opened(fake: FakeSalesforce, folder: Path, context: Mapping[str, Any] | None = None,
           **changed: Any) -> Iterator[SalesforceConnector]:  # fmt: skip
    """The connector, closed at the end."""
    made = Context(folder=folder, **{"cache": folder, **(context or {})})
    with contextlib.closing(SalesforceConnector("crm", options(fake, **changed), made)) as connector:
        yield connector


def by_phone(connector: Connector, phone: str, kind: str = "contact", seconds: float = LONG) -> list[Record]:
    wanted = LookupQuery(kind, phone=parse(phone, "ES"))
    return list(connector.find(wanted, Deadline.after(seconds)))


def by_key(connector: Connector, key: str, kind: str = "order", seconds: float = LONG) -> list[Record]:
    return list(connector.find(LookupQuery(kind, key=key), Deadline.after(seconds)))


def log(connector: Connector, call: Activity) -> Any:
    return connector.log_activity(call, Deadline.after(LONG))


class SalesforceHarness(Harness):
    """One org for the contract suite."""

    connector = SalesforceConnector
    can_task: ClassVar[bool] = True
    can_hang: ClassVar[bool] = True
    orders_newest: ClassVar[bool] = True

    def __init__(self, folder: Path, **changed: Any) -> None:
        self.folder = folder
        self.fake = FakeSalesforce(folder)
        self.secrets = (self.fake.signin.client_secret,)  # type: ignore[misc]  # known only now
        self.changed = changed

    def options(self) -> SalesforceOptions:
        records = {**RECORDS, "contact": {**RECORDS["contact"], "newest": "Changed__c"}}
        return options(self.fake, **{"timeout": "20s", "records": records, **self.changed})

    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        org = self.fake.org
        for kind in ("Contact", "Order"):
            for row in org.all(kind):
                row["IsDeleted"] = True
        for one in contacts:
            org.add("Contact", LastName=one.name, Phone=one.phone, MobilePhone=one.mobile, Changed__c=one.changed)
        for order in orders:
            org.add("Order", OrderNumber=order.key, Status=order.status)

    def go_away(self) -> None:
        self.fake.go_away()

    def come_back(self) -> None:
        self.fake.come_back()

    def hang(self) -> None:
        self.fake.hang()

    def lose_answer(self) -> bool:
        self.fake.lose("^(POST|PATCH) /services/data/.*sobjects/")
        return True

    def survey_fields(self, phone: str, score: str) -> Mapping[str, object]:
        return {"phone": phone, "score": score}

    def saved(self) -> Sequence[Mapping[str, str]]:
        rows = self.fake.org.all("Survey__c")
        return [{"phone": row["Phone__c"] or "", "score": row["Score__c"] or ""} for row in rows]

    def activities(self) -> Sequence[Mapping[str, str]]:
        rows = self.fake.org.all("Task")
        return [{"key": r["CallObject"], "subject": r["Subject"], "note": r["Description"]} for r in rows]

    def add_task(self, phone: str) -> str:
        person = self.fake.org.add("Contact", LastName="Ana", Phone=phone)
        return self.fake.org.add("Task", Subject="Llamar", Type="Callback", Status="Not Started", WhoId=person)

    def outcomes(self, task: str) -> Sequence[str]:
        row = self.fake.org.row(task)
        text = (row or {}).get("Description") or ""
        return [line for line in text.splitlines() if "Contestada" in line]

    def close(self) -> None:
        self.fake.close()


def task(fake: FakeSalesforce) -> dict[str, Any]:
    [row] = fake.org.all("Task")
    return row
