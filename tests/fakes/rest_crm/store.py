"""What the pretended CRM holds, and how badly it searches."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]


class Taken(Exception):
    """A record with this key is there already."""

    def __init__(self, row: Row) -> None:
        super().__init__("taken")
        self.row = row


def customer(id_: int, name: str, phone: str = "", mobile: str = "", changed: str = "2024-01-01") -> Row:
    """A customer as the API shows it; `owner.phone` is the one of the agent in charge."""
    return {
        "id": id_, "full_name": name, "phone": phone, "mobile": mobile, "changed": changed,
        "numbers": [{"kind": "work", "value": phone}, {"kind": "mobile", "value": mobile}],
        "owner": {"id": 9, "phone": "911000001"},
    }  # fmt: skip


def order(id_: int, number: str, status: str, customer_id: int = 1) -> Row:
    """An order as the API shows it."""
    return {"id": id_, "number": number, "state": {"label": status}, "customer_id": customer_id, "total": 12.5}


def task(id_: int, phone: str, due: str = "", status: str = "open") -> Row:
    """A task that asks for a call. `etag` changes with each update."""
    return {"id": id_, "phone": phone, "due_at": due, "status": status, "note": "", "etag": 1, "told": []}


class Store:
    """The tables. `enforces_keys`: whether a second call or survey with the same key is refused (409). `fuzzy`: a
    search also returns people whose number only resembles the one that was asked for."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.customers: list[Row] = []
        self.orders: list[Row] = []
        self.calls: list[Row] = []
        self.surveys: list[Row] = []
        self.tasks: list[Row] = []
        self.enforces_keys = True
        self.fuzzy = True

    def search(self, query: str) -> list[Row]:
        """The customers who have these digits in a number or a name; fuzzily, also those who share the last four."""
        digits = re.sub(r"\D", "", query)
        if not digits:
            return list(self.customers)
        wanted = digits[-4:] if self.fuzzy else digits[-9:]
        searched = ("phone", "mobile", "full_name")
        return [row for row in self.customers if any(wanted in re.sub(r"\D", "", row[name]) for name in searched)]

    def matching(self, table: list[Row], wanted: Mapping[str, str]) -> list[Row]:
        """The rows with exactly these values."""
        return [row for row in table if all(str(row.get(name)) == value for name, value in wanted.items())]

    def add(self, table: list[Row], row: Row) -> Row:
        """Keep a new row. Raises `Taken`."""
        with self.lock:
            held = next((one for one in table if one.get("key") == row.get("key") is not None), None)
            if held is not None and self.enforces_keys:
                raise Taken(held)
            made = {**row, "id": len(table) + 1}
            table.append(made)
            return made

    def change(self, table: list[Row], id_: str, values: Mapping[str, Any], etag: str | None) -> Row | bool | None:
        """Change a row: the row; None where there is none; False where the etag is another by now."""
        with self.lock:
            row = next((one for one in table if str(one["id"]) == id_), None)
            if row is None:
                return None
            if etag is not None and "etag" in row and str(row["etag"]) != etag:
                return False
            if "told" in row and values.get("status") not in (None, row["status"]):
                row["told"].append(values["status"])
            row.update(values)
            if "etag" in row:
                row["etag"] += 1
            return row
