"""CSV files hold to the contract of all connectors."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from connectors.csv.connector import CsvConnector
from connectors.csv.options import CsvOptions
from connectors.testing import ConnectorContract, Contact, Harness, Order


class CsvHarness(Harness):
    connector = CsvConnector
    can_task = True
    orders_newest = True
    away_once_open = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tasks: list[str] = []

    def options(self) -> CsvOptions:
        return CsvOptions.model_validate(
            {
                "type": "csv",
                "tables": {
                    "contact": {"file": "contacts.csv", "phones": ["phone", "mobile"], "newest": "changed"},
                    "order": {"file": "orders.csv", "key": "number"},
                    "survey": {"file": "survey.csv"},
                },
                "activities": {"file": "activities.csv"},
                "tasks": {"file": "tasks.csv", "results": "results.csv"},
            }
        )

    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        people = [[one.name, one.phone, one.mobile, one.changed] for one in contacts]
        self._put("contacts.csv", [["name", "phone", "mobile", "changed"], *people])
        self._put("orders.csv", [["number", "status"], *([one.key, one.status] for one in orders)])
        self._put("tasks.csv", [["id", "phone", "due"]])

    def _put(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        with (self.folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    def _get(self, name: str) -> list[dict[str, str]]:
        path = self.folder / name
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def go_away(self) -> None:
        for name in ("contacts.csv", "orders.csv"):
            (self.folder / name).rename(self.folder / f"{name}.away")

    def come_back(self) -> None:
        for name in ("contacts.csv", "orders.csv"):
            (self.folder / f"{name}.away").rename(self.folder / name)

    def saved(self) -> Sequence[Mapping[str, str]]:
        return self._get("survey.csv")

    def activities(self) -> Sequence[Mapping[str, str]]:
        return [{**row, "key": row["bridge_key"]} for row in self._get("activities.csv")]

    def add_task(self, phone: str) -> str:
        self.tasks.append(phone)
        self._put("tasks.csv", [["id", "phone", "due"], *([str(n), one, ""] for n, one in enumerate(self.tasks, 1))])
        return str(len(self.tasks))

    def outcomes(self, task: str) -> Sequence[str]:
        return [row["status"] for row in self._get("results.csv") if row["id"] == task]


class TestCsv(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        folder = tmp_path / "crm"
        folder.mkdir()
        return CsvHarness(folder)
