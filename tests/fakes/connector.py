"""A connector that a test holds in its hand: it answers what the test put in, when the test lets it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from connectors.base import (
    Activity,
    Capabilities,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    NewRecord,
    Record,
    Rejected,
    WriteResult,
)
from connectors.phone import parse_all


class HandheldOptions(ConnectorOptions):
    type: Literal["handheld"] = "handheld"
    updates: bool = False
    batch: int = 1

    def abilities(self) -> Capabilities:
        return Capabilities(
            by_phone=frozenset({"contact"}),
            by_key=frozenset({"contact", "order"}),
            saves=frozenset({"contact", "lead", "survey"}),
            activities=True,
            updates_activities=self.updates,
            batch=self.batch,
        )


class Handheld(Connector):
    """`records`: what there is, by kind. `error`: raised instead. `gate`: while it is clear, `find` hangs, deadline or
    not. `asked`: every question that came. `logged` and `saved`: what was written, each version, by key; `refuse`
    raised instead, `refused` the keys that a request of several refuses. `requests`: the activities of each write.
    `ids`: whether it says under which id it keeps what it is given. `pages`: the address below which people open its
    records, empty for nowhere."""

    Options = HandheldOptions

    def __init__(self, name: str = "crm", records: Mapping[str, Sequence[Mapping[str, object]]] | None = None) -> None:
        super().__init__(name, HandheldOptions(), Context(folder=Path()))
        self.records = dict(records or {})
        self.error: ConnectorError | Exception | None = None
        self.refuse: ConnectorError | Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[LookupQuery] = []
        self.logged: dict[str, list[Activity]] = {}
        self.saved: dict[str, list[NewRecord]] = {}
        self.refused: set[str] = set()
        self.requests: list[int] = []
        self.ids = True
        self.pages = ""
        self.closed = False

    def find(self, wanted: LookupQuery, deadline: Deadline) -> list[Record]:  # noqa: ARG002 - the contract's
        self.asked.append(wanted)
        self.gate.wait(60)
        if self.error is not None:
            raise self.error
        return [self._record(wanted.kind, row) for row in self.records.get(wanted.kind, []) if _fits(row, wanted)]

    def link(self, record: Record) -> str | None:
        return f"{self.pages}/{record.id}" if self.pages else None

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:  # noqa: ARG002 - the contract's
        self.requests.append(1)
        return self._keep(activity)

    def log_activities(
        self,
        activities: Sequence[Activity],
        deadline: Deadline,  # noqa: ARG002 - the contract's
    ) -> Sequence[WriteResult | ConnectorError]:
        self.requests.append(len(activities))
        refused = Rejected("not this one")
        return [refused if each.key in self.refused else self._keep(each) for each in activities]

    def _keep(self, activity: Activity) -> WriteResult:
        if self.refuse is not None:
            raise self.refuse
        versions = self.logged.setdefault(activity.key, [])
        versions.append(activity)
        return WriteResult(
            f"id of {activity.key}" if self.ids else None, created=len(versions) == 1, exchange="POST /calls"
        )

    def save(self, saved: NewRecord, deadline: Deadline) -> WriteResult:  # noqa: ARG002 - the contract's
        if self.refuse is not None:
            raise self.refuse
        self.saved.setdefault(saved.key, []).append(saved)
        return WriteResult(f"id of {saved.key}")

    def close(self) -> None:
        self.closed = True
        self.gate.set()

    def _record(self, kind: str, row: Mapping[str, object]) -> Record:
        phones = tuple(parse_all(str(row.get("phone") or ""), "ES"))
        return Record(self.name, kind, str(row["id"]) if "id" in row else None, row, phones)


def _fits(row: Mapping[str, object], wanted: LookupQuery) -> bool:
    """By phone it is a fuzzy CRM: it returns all it has."""
    return wanted.phone is not None or str(row.get("key")) == wanted.key
