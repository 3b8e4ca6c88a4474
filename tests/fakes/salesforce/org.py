"""The records of the pretended org, and what it refuses to write."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.fakes.salesforce.schema import PEOPLE, STATUSES, Field, SObject, standard, with_person_accounts
from tests.fakes.salesforce.soql import Evaluator, Parser, Refused, Row
from tests.fakes.salesforce.sosl import search

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
CLOSED = {"Completed", "Deferred"}


def full_id(short: str) -> str:
    """The 18 characters of an id of 15: the suffix says which letters are capitals."""
    bits = [sum(1 << i for i, c in enumerate(short[at : at + 5]) if "A" <= c <= "Z") for at in (0, 5, 10)]
    return short + "".join(_SUFFIX[bit] for bit in bits)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


class Org:
    """Objects and rows. All access is under one lock, so that each request happens at once or not at all."""

    def __init__(self, *, person_accounts: bool = False) -> None:
        self.objects: dict[str, SObject] = standard()
        self.person_accounts = person_accounts
        if person_accounts:
            with_person_accounts(self.objects)
        self.rows: dict[str, Row] = {}
        self.lock = threading.RLock()
        self.index_lags = False
        self.unindexed: set[str] = set()
        self.duplicate_rule: str | None = None
        """None, `alert` or `block`: for Leads with a phone that another has."""
        self.assigned_to: str | None = None
        """The owner whom the assignment rules give new Leads, unless they are switched off by the header."""
        self._numbers = itertools.count(1)
        self.evaluator = Evaluator(self.objects, self.row)
        self.user = self.add("User", Name="Integration", IsActive=True)
        self.id = self.add("Organization", Name="Acme", IsSandbox=True)
        for status in STATUSES:
            self.add("TaskStatus", MasterLabel=status, ApiName=status, IsClosed=status in CLOSED)

    # for tests

    def add(self, kind: str, **fields: Any) -> str:
        """A record, unchecked (as an admin's import would put it there); its id."""
        with self.lock:
            source = self.objects[kind.lower()]
            row: Row = {one.name: None for one in source.fields.values()}
            short = f"{source.prefix}8d{self._number()}"
            row |= {"attributes": {"type": source.name}, "Id": full_id(short), "CreatedDate": now(),
                    "LastModifiedDate": now(), "IsDeleted": False}  # fmt: skip
            if "OwnerId" in row or "CreatedById" in row:
                row["CreatedById"] = getattr(self, "user", None)
                row["OwnerId"] = getattr(self, "user", None)
            row |= fields
            self.rows[row["Id"][:15]] = row
            self._derive(row)
            return str(row["Id"])

    def all(self, kind: str) -> list[Row]:
        """The records of an object that are not deleted."""
        with self.lock:
            return [r for r in self.rows.values() if r["attributes"]["type"] == kind and not r["IsDeleted"]]

    def row(self, record: str) -> Row | None:
        """One record by an id of 15 or 18 characters."""
        found = self.rows.get(record[:15])
        return found if found and not found["IsDeleted"] else None

    def reindex(self) -> None:
        """The search index has caught up."""
        self.unindexed.clear()

    # for the server

    def query(self, text: str) -> list[Row]:
        with self.lock:
            made = Parser(text).statement()
            return self.evaluator.select(made, self.all(self.evaluator.source(made.source).name))

    def search(self, text: str) -> list[Row]:
        with self.lock:
            return search(text, self.evaluator, lambda k: [r for r in self.all(k) if r["Id"] not in self.unindexed])

    def create(self, kind: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        with self.lock:
            source = self.source(kind)
            self._check(source, body, creating=True)
            for one in source.fields.values():
                if one.required and not str(body.get(one.name) or "").strip():
                    raise Refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{one.name}]",
                                  fields=[one.name])  # fmt: skip
            self._duplicates(source, body, headers)
            values = {source.fields[name.lower()].name: value for name, value in body.items()}
            made = self.add(source.name, **values)
            self._defaults(source, self.rows[made[:15]], body, headers)
            if self.index_lags:
                self.unindexed.add(made)
            return made

    def update(self, kind: str, record: str, body: Mapping[str, Any]) -> str:
        with self.lock:
            source, row = self.source(kind), self.rows.get(record[:15])
            if not row or row["attributes"]["type"] != source.name:
                raise Refused("NOT_FOUND", "The requested resource does not exist", 404)
            if row["IsDeleted"]:
                raise Refused("ENTITY_IS_DELETED", "entity is deleted", 404)
            self._check(source, body, creating=False, row=row)
            row |= {source.fields[name.lower()].name: value for name, value in body.items()}
            row["LastModifiedDate"] = now()
            self._derive(row)
            return str(row["Id"])

    def upsert(
        self, kind: str, name: str, value: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[str, bool]:
        """The record's id, and whether it was made."""
        with self.lock:
            source = self.source(kind)
            key = self.external(source, name)
            if any(given.lower() == key.name.lower() for given in body):
                raise Refused("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.",
                              fields=[key.name])  # fmt: skip
            found = self.by_external(source, key, value)
            if len(found) > 1:
                raise Several([f"/services/data/v64.0/sobjects/{source.name}/{row['Id']}" for row in found])
            if found:
                return self.update(kind, found[0]["Id"], body), False
            return self.create(kind, {**body, key.name: value}, headers), True

    def delete(self, record: str) -> None:
        with self.lock:
            row = self.row(record)
            if not row:
                raise Refused("NOT_FOUND", "The requested resource does not exist", 404)
            row["IsDeleted"] = True

    def source(self, kind: str) -> SObject:
        found = self.objects.get(kind.lower())
        if not found:
            raise Refused("NOT_FOUND", "The requested resource does not exist", 404)
        return found

    def external(self, source: SObject, name: str) -> Field:
        found = source.fields.get(name.lower())
        if not found or not (found.external_id or found.name == "Id"):
            raise Refused("NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}", 404)
        return found

    def by_external(self, source: SObject, key: Field, value: str) -> list[Row]:
        return [r for r in self.all(source.name) if str(r.get(key.name) or "").lower() == value.lower()]

    # inside

    def _number(self) -> str:
        number, digits = next(self._numbers), ""
        for _ in range(10):
            number, rest = divmod(number, 62)
            digits = _BASE62[rest] + digits
        return digits

    def _derive(self, row: Row) -> None:
        kind = row["attributes"]["type"]
        if kind in PEOPLE:
            row["Name"] = " ".join(filter(None, (row.get("FirstName"), row.get("LastName")))) or row.get("Name")
        if kind == "Task":
            row["Status"] = row.get("Status") or "Not Started"
            row["IsClosed"] = row["Status"] in CLOSED
        if kind == "Lead":
            row["IsConverted"] = bool(row.get("IsConverted"))
        if kind == "Account" and self.person_accounts:
            row["IsPersonAccount"] = bool(row.get("IsPersonAccount"))

    def _defaults(self, source: SObject, row: Row, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        if source.name == "Task":
            row["TaskSubtype"] = row.get("TaskSubtype") or "Task"
        if source.name == "Lead":
            row["Status"] = row.get("Status") or "Open - Not Contacted"
            assign = headers.get("sforce-auto-assign", "true").lower() != "false"
            if self.assigned_to and assign and "OwnerId" not in body:
                row["OwnerId"] = self.assigned_to

    def _duplicates(self, source: SObject, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        if source.name != "Lead" or not self.duplicate_rule:
            return
        allowed = "allowsave=true" in headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")
        if self.duplicate_rule == "alert" and allowed:
            return
        if any(row.get("Phone") == body.get("Phone") for row in self.all("Contact") + self.all("Lead")):
            raise Refused("DUPLICATES_DETECTED", "Use one of these records?")

    def _check(
        self, source: SObject, body: Mapping[str, Any], *, creating: bool, row: Mapping[str, Any] | None = None
    ) -> None:
        for name, value in body.items():
            one = source.fields.get(name.lower())
            if not one:
                raise Refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {source.name}")
            if not (one.createable if creating else one.updateable):
                raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {one.name}. Please "
                              "check the security settings of this field and verify that it is read/write for your "
                              "profile or permission set.", fields=[one.name])  # fmt: skip
            if value is not None:
                self._check_value(one, value)
                self._check_unique(source, one, value, row)
        who = (body.get("WhoId") or (row or {}).get("WhoId") or "") if source.name == "Task" else ""
        if who.startswith("00Q") and body.get("WhatId"):
            raise Refused("FIELD_INTEGRITY_EXCEPTION", "Lead or Who cannot be used together with What",
                          fields=["WhatId"])  # fmt: skip

    def _check_value(self, one: Field, value: Any) -> None:
        if one.type in ("int", "double", "currency") and (
            isinstance(value, bool) or not isinstance(value, (int, float))
        ):
            raise Refused(
                "JSON_PARSER_ERROR", f"Cannot deserialize instance of {one.type} from VALUE_STRING value {value}"
            )
        if one.type == "boolean" and not isinstance(value, bool):
            raise Refused("JSON_PARSER_ERROR", f"Cannot deserialize instance of boolean from value {value}")
        if isinstance(value, (dict, list)):
            raise Refused("JSON_PARSER_ERROR", f"Cannot deserialize instance of {one.type} from START_OBJECT")
        if one.type in ("date", "datetime"):
            _check_time(one, value)
        if one.length and isinstance(value, str) and one.type not in ("reference", "id") and _units(value) > one.length:
            raise Refused("STRING_TOO_LONG", f"{one.name}: data value too large: {value[:30]}",
                          fields=[one.name])  # fmt: skip
        if one.restricted and value not in one.values:
            raise Refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"{one.name}: bad value for restricted picklist "
                          f"field: {value}", fields=[one.name])  # fmt: skip
        if one.type == "reference":
            self._check_reference(one, value)

    def _check_unique(self, source: SObject, one: Field, value: Any, row: Mapping[str, Any] | None) -> None:
        if one.unique and any(r is not row for r in self.by_external(source, one, str(value))):
            raise Refused("DUPLICATE_VALUE", f"duplicate value found: {one.name} duplicates value on record with id")

    def _check_reference(self, one: Field, value: str) -> None:
        there = self.row(value) if isinstance(value, str) and len(value) in (15, 18) else None
        if not there:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", f"{one.name}: invalid cross reference id", fields=[one.name])
        if there["attributes"]["type"] not in one.references:
            raise Refused("FIELD_INTEGRITY_EXCEPTION", f"{one.name}: id value of incorrect type: {value}",
                          fields=[one.name])  # fmt: skip
        if one.name == "OwnerId" and there["attributes"]["type"] == "User" and not there["IsActive"]:
            raise Refused("OPERATION_WITH_INACTIVE_USER", f"operation performed with inactive user {value}")


class Several(Exception):
    """The same external id stands in several records: HTTP 300 with their URLs."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__("several")
        self.urls = list(urls)


def _units(text: str) -> int:
    """Characters as Java counts them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _check_time(one: Field, value: Any) -> None:
    try:
        datetime.fromisoformat(str(value).replace("Z", "+00:00").replace("+0000", "+00:00"))
    except ValueError:
        raise Refused("JSON_PARSER_ERROR", f"Cannot deserialize instance of {one.type} from {value}") from None
