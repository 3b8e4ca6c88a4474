"""Finding records: people by phone (SOSL, or SOQL by choice), anything by key (SOQL)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.base import Context, Deadline, LookupQuery, Misconfigured, Record
from connectors.phone import Phone, parse_all
from connectors.salesforce.client import Client, Row
from connectors.salesforce.faults import Refusal
from connectors.salesforce.options import RecordOptions, SalesforceOptions
from connectors.salesforce.schema import TEXTS, FieldInfo, ObjectInfo, Schema
from connectors.salesforce.soql import Statement, like_digits, quotable, quoted, sosl, spellings

_CANDIDATES = 50  # more are looked at than wanted: an index finds by digits, and not all are the number
_OUT_OF_DATE = ("INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY")
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,12})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """How one kind is read from one object. `names`: the paths that a configured name may have its value from."""

    kind: str
    info: ObjectInfo
    columns: tuple[str, ...]
    names: Mapping[str, tuple[tuple[tuple[str, ...], FieldInfo], ...]]
    phones: tuple[str, ...]
    where: tuple[str, ...]
    newest: str
    indexed: bool
    """Whether all its phones are of type phone, and so found by SOSL's IN PHONE FIELDS."""

    def statement(self, *where: str, limit: int = _CANDIDATES) -> Statement:
        """A query for records of this plan."""
        return Statement(self.columns, self.info.name, (*where, *self.where), f"{self.newest} DESC", limit)


class Search:
    """The lookups of one connector."""

    def __init__(self, name: str, client: Client, schema: Schema, options: SalesforceOptions, context: Context) -> None:
        self._name = name
        self._client = client
        self._schema = schema
        self._options = options
        self._context = context

    def find(self, wanted: LookupQuery, deadline: Deadline) -> list[Record]:
        """See `Connector.find`."""
        try:
            return self._find(wanted, deadline)
        except Refusal as refusal:
            if not refusal.has(*_OUT_OF_DATE):
                raise
            self._schema.forget(*self._options.records[wanted.kind].all_objects)
            raise

    def _find(self, wanted: LookupQuery, deadline: Deadline) -> list[Record]:
        options = self._options.records.get(wanted.kind)
        if options is None:
            raise Misconfigured(f"connector {self._name} has no records.{wanted.kind}")
        if wanted.key is not None:
            return self._by_key(wanted.kind, options, wanted.key, wanted.limit, deadline)
        if not wanted.phone:
            return []
        plans = self.plans(wanted.kind, options, deadline)
        how = self._by_sosl if self._options.search == "sosl" else self.by_soql
        return how(plans, wanted.phone, wanted.limit, deadline)

    # by phone

    def _by_sosl(self, plans: Sequence[Plan], phone: Phone, limit: int, deadline: Deadline) -> list[Record]:
        plans = [plan for plan in plans if plan.phones]
        if not plans:
            return []
        group = "PHONE" if all(plan.indexed for plan in plans) else "ALL"
        terms = spellings(phone, self._context.country)
        rows = self._client.search(sosl(terms, group, (plan.statement() for plan in plans)), deadline)
        for plan in plans:
            mine = [row for row in rows if row.get("attributes", {}).get("type") == plan.info.name]
            found = self._matching(plan, mine, phone)
            if found:
                return found[:limit]
        return []

    def by_soql(self, plans: Sequence[Plan], phone: Phone, limit: int, deadline: Deadline) -> list[Record]:
        """Those of the first plan that finds any; each plan is a query of its own, which sees what is there now."""
        pattern = like_digits(phone.national)
        for plan in plans:
            fields = [one for one in plan.phones if (plan.info.fields[one.lower()]).filterable]
            if not fields:
                continue
            where = f"({' OR '.join(f'{one} LIKE {pattern}' for one in fields)})"
            found = self._matching(plan, self._client.query(plan.statement(where).soql(), deadline), phone)
            if found:
                return found[:limit]
        return []

    def _matching(self, plan: Plan, rows: Sequence[Row], phone: Phone) -> list[Record]:
        """Those that have this very number: the digits of one country's numbers stand in those of others."""
        records = (self.record(plan, row) for row in rows)
        return [record for record in records if any(phone.same(one) for one in record.phones)]

    # by key

    def _by_key(self, kind: str, options: RecordOptions, key: str, limit: int, deadline: Deadline) -> list[Record]:
        if not options.key:
            raise Misconfigured(f"records.{kind} lacks key: the field to look for")
        for plan in self.plans(kind, options, deadline):
            field = plan.info.field(options.key)
            if field is None:
                raise Misconfigured(f"records.{kind}.key: {plan.info.name} has no field {options.key}, or this user "
                                    f"can't see it{plan.info.meant(options.key)}")  # fmt: skip
            literal = literal_of(field, key)
            if literal is None:
                continue
            statement = plan.statement(f"{field.name} = {literal}", limit=max(limit, 2))
            rows = self._client.query(statement.soql(), deadline)
            found = [self.record(plan, row) for row in rows if _same(field, row.get(field.name), key)]
            if found:
                return found[:limit]
        return []

    # plans and records

    def plans(self, kind: str, options: RecordOptions, deadline: Deadline) -> list[Plan]:
        """One for each object, in order. A field that only some of the objects have is empty in the others; one that
        none has raises `Misconfigured`."""
        infos = [self._schema.object(name, deadline) for name in options.all_objects]
        plans = [self.plan(kind, options, info, deadline) for info in infos]
        for name, paths in options.fields.items():
            if not any(plan.names[name] for plan in plans):
                hint = infos[0].meant(paths[0].split(".")[0] if "." in paths[0] else paths[0])
                raise Misconfigured(f"records.{kind}.fields.{name}: {' and '.join(one.name for one in infos)} have no "
                                    f"{' or '.join(paths)}, or this user can't see it{hint}")  # fmt: skip
        return plans

    def plan(self, kind: str, options: RecordOptions, info: ObjectInfo, deadline: Deadline) -> Plan:
        """How this kind is read from this object."""
        names = {}
        for name, paths in options.fields.items():
            resolved = (self._schema.path(info, path, deadline) for path in paths)
            names[name] = tuple(one for one in resolved if one)
        wanted = options.phones if options.phones is not None else info.phones
        phones = [field for one in wanted if (field := info.field(one))]
        where = [f"({text})"] if (text := options.where_of(info.name)) else []
        if info.field("IsConverted"):
            where.append("IsConverted = false")
        newest = info.field(options.newest)
        extra = [one for one in ("Id", "OwnerId", "PersonContactId", options.key) if one and info.field(one)]
        paths_wanted = [".".join(path) for one in names.values() for path, _ in one]
        columns = [*(info.fields[one.lower()].name for one in extra), *paths_wanted, *(one.name for one in phones)]
        return Plan(
            kind, info, tuple(dict.fromkeys(columns)), names, tuple(one.name for one in phones), tuple(where),
            newest.name if newest else "CreatedDate", all(one.type == "phone" for one in phones),
        )  # fmt: skip

    def record(self, plan: Plan, row: Row) -> Record:
        """A row of the answer as a record."""
        fields: dict[str, object] = {
            "object": plan.info.name,
            "owner_id": row.get("OwnerId"),
            "person_contact_id": row.get("PersonContactId"),
        }
        for name, alternatives in plan.names.items():
            values = (value_at(row, path, field) for path, field in alternatives)
            fields[name] = next((value for value in values if value not in (None, "")), None)
        return Record(self._name, plan.kind, str(row["Id"]), fields, tuple(self._phones(plan, row)))

    def _phones(self, plan: Plan, row: Row) -> Iterator[Phone]:
        for name in plan.phones:
            text = row.get(name)
            if isinstance(text, str):
                yield from parse_all(text, self._context.country)


def value_at(row: Row, path: Sequence[str], field: FieldInfo) -> object:
    """The value at the end of a path through an answer, None where a step is missing."""
    here: object = row
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    if isinstance(here, float) and field.scale == 0 and here.is_integer():
        return int(here)
    return here


def literal_of(field: FieldInfo, key: str) -> str | None:
    """A key as this field's literal in SOQL; None where the field can't hold it, so that nobody need ask.

    Raises `Misconfigured` for a field that can't be looked for.
    """
    patterns: Mapping[str, re.Pattern[str]] = {
        "int": _WHOLE, "long": _WHOLE, "double": _DECIMAL, "currency": _DECIMAL, "percent": _DECIMAL, "date": _DATE,
    }  # fmt: skip
    if not field.filterable:
        raise Misconfigured(f"{field.name} can't be looked for: Salesforce does not filter by it")
    if field.type in ("id", "reference"):
        return quoted(key) if re.fullmatch(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", key) else None
    if field.type in TEXTS:
        return quoted(key) if quotable(key, field.length) else None
    if field.type in patterns:
        return key if patterns[field.type].fullmatch(key) else None
    raise Misconfigured(f"{field.name} is of type {field.type}, by which nothing is looked for")


def _same(field: FieldInfo, value: object, key: str) -> bool:
    """Whether the record really has the key: SOQL ignores case in texts, and nothing else may differ."""
    how: Literal["text", "any"] = "text" if field.type in TEXTS else "any"
    return how == "any" or (isinstance(value, str) and value.casefold() == key.casefold())
