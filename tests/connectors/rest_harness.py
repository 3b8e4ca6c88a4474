"""The pretended REST CRM as the contract suite needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from connectors.rest import RestConnector, RestOptions
from connectors.testing import SPELLINGS, Contact, Harness, Order
from tests.connectors.rest_case import section
from tests.fakes.rest_crm import RestCrm, customer, order, task
from tests.fakes.rest_crm.signin import TOKEN


class RestHarness(Harness):
    connector = RestConnector
    secrets = (TOKEN,)
    spellings: ClassVar[Sequence[str]] = SPELLINGS
    can_task = True
    can_hang = True
    orders_newest = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.crm = RestCrm()
        self.crm.auth = "bearer"

    def options(self) -> RestOptions:
        return RestOptions.model_validate(section(self.crm.url, auth={"type": "bearer", "token": TOKEN}))

    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        store = self.crm.store
        store.customers = [
            customer(number, one.name, one.phone, one.mobile, one.changed) for number, one in enumerate(contacts, 1)
        ]
        store.orders = [order(number, one.key, one.status) for number, one in enumerate(orders, 1)]

    def go_away(self) -> None:
        self.crm.go_away()

    def come_back(self) -> None:
        self.crm.come_back()

    def hang(self) -> None:
        self.crm.faults.add("hang")

    def lose_answer(self) -> bool:
        for path in ("/calls", "/surveys"):
            self.crm.faults.add("lose_answer", path, times=1)
        return True

    def saved(self) -> Sequence[Mapping[str, str]]:
        return self.crm.store.surveys

    def activities(self) -> Sequence[Mapping[str, str]]:
        return self.crm.store.calls

    def add_task(self, phone: str) -> str:
        number = len(self.crm.store.tasks) + 1
        self.crm.store.tasks.append(task(number, phone))
        return str(number)

    def outcomes(self, task: str) -> Sequence[str]:
        return [word for row in self.crm.store.tasks if str(row["id"]) == task for word in row["told"]]

    def close(self) -> None:
        self.crm.close()
