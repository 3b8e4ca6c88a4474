"""Finding records: people by phone (SOSL, or SOQL by choice), anything by key (SOQL)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from connectors import dates
from connectors.base import Context, Deadline, LookupQuery, Misconfigured, Record
from connectors.phone import Phone, parse_all
from connectors.salesforce.client import SalesforceClient, SoqlRow
from connectors.salesforce.faults import Refusal
from connectors.salesforce.options import SalesforceOptions, SalesforceRecordOptions
from connectors.salesforce.schema import TEXTS, FieldInfo, ObjectInfo, Schema
from connectors.salesforce.soql import Statement, like_digits, quotable, quoted, sosl, spellings

_CANDIDATES = 50  # more are looked at than wanted: an index finds by digits, and not all are the number
_OUT_OF_DATE = ("INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY")
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,12})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True)
class SearchPlan:
    """How one kind is read from one object. `names`: the paths that a configured name may have its value from."""

    kind: str
    info: ObjectInfo
    columns: tuple[str, ...]
    names: Mapping[str, tuple[tuple[tuple[str, ...], FieldInfo], ...]]
    phones: tuple[str, ...]
    where: tuple[str, ...]
    order: str
    indexed: bool
    """Whether all its phones are of type phone, and so found by SOSL's IN PHONE FIELDS."""
    dated: FieldInfo | None
    """The field that says when it is, None where the object has none."""

    def statement(self, *where: str, limit: int = _CANDIDATES) -> Statement:
        """Return a query for records of this plan."""
        return Statement(self.columns, self.info.name, (*where, *self.where), self.order, limit)

    def to_come(self, since: datetime) -> SearchPlan | None:
        """Return the plan for those that are from then on (or of that day), the soonest first; None where nothing says
        when they are."""
        if self.dated is None:
            return None
        moments = {"date": since.date().isoformat(), "datetime": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        literal = moments.get(self.dated.type)
        later = () if literal is None else (f"{self.dated.name} >= {literal}",)
        return replace(self, where=(*self.where, *later), order=f"{self.dated.name} ASC")


class Search:
    """The lookups of one connector."""

    def __init__(
        self, name: str, client: SalesforceClient, schema: Schema, options: SalesforceOptions, context: Context
    ) -> None:
        self._name = name
        self._client = client
        self._schema = schema
        self._options = options
        self._context = context

    def find(self, query: LookupQuery, deadline: Deadline) -> list[Record]:
        """See `Connector.find`."""
        try:
            return self._find(query, deadline)
        except Refusal as refusal:
            if not refusal.has(*_OUT_OF_DATE):
                raise
            self._schema.forget(*self._options.records[query.kind].all_objects)
            raise

    def _find(self, query: LookupQuery, deadline: Deadline) -> list[Record]:
        options = self._options.records.get(query.kind)
        if options is None:
            raise Misconfigured(f"connector {self._name} has no records.{query.kind}")
        if query.key is None and not query.phone:
            return []
        plans = self.plans(query.kind, options, deadline)
        if query.upcoming and query.since is not None:
            plans = self._to_come(plans, query.kind, options, query.since)
        if query.phone is None:
            return self._by_key(query.kind, options, plans, query.key or "", query.limit, deadline)
        how = self._by_sosl if self._options.search == "sosl" else self.by_soql
        return how(plans, query.phone, query.limit, deadline)

    def _to_come(
        self, plans: Sequence[SearchPlan], kind: str, options: SalesforceRecordOptions, since: datetime
    ) -> list[SearchPlan]:
        able = [plan for each in plans if (plan := each.to_come(since)) is not None]
        if not able:
            objects = " and ".join(plan.info.name for plan in plans)
            raise Misconfigured(f"records.{kind}.date: {objects} have no {options.dated}, or this user can't see it"
                                f"{plans[0].info.meant(options.dated or '')}")  # fmt: skip
        return able

    # by phone

    def _by_sosl(self, plans: Sequence[SearchPlan], phone: Phone, limit: int, deadline: Deadline) -> list[Record]:
        plans = [plan for plan in plans if plan.phones]
        if not plans:
            return []
        group = "PHONE" if all(plan.indexed for plan in plans) else "ALL"
        terms = spellings(phone, self._context.country)
        rows = self._client.search(sosl(terms, group, (plan.statement() for plan in plans)), deadline)
        for plan in plans:
            mine = [row for row in rows if row.get("attributes", {}).get("type") == plan.info.name]
            matches = self._matching(plan, mine, phone)
            if matches:
                return matches[:limit]
        return []

    def by_soql(self, plans: Sequence[SearchPlan], phone: Phone, limit: int, deadline: Deadline) -> list[Record]:
        """Return those of the first plan that finds any; each plan is a query of its own, which sees what is there
        now."""
        pattern = like_digits(phone.national)
        for plan in plans:
            fields = [name for name in plan.phones if (plan.info.fields[name.lower()]).filterable]
            if not fields:
                continue
            where = f"({' OR '.join(f'{name} LIKE {pattern}' for name in fields)})"
            matches = self._matching(plan, self._client.query(plan.statement(where).soql(), deadline), phone)
            if matches:
                return matches[:limit]
        return []

    def _matching(self, plan: SearchPlan, rows: Sequence[SoqlRow], phone: Phone) -> list[Record]:
        """Those that have this very number: the digits of one country's numbers stand in those of others."""
        records = (self.record(plan, row) for row in rows)
        return [record for record in records if any(phone.same(number) for number in record.phones)]

    # by key

    def _by_key(
        self,
        kind: str,
        options: SalesforceRecordOptions,
        plans: Sequence[SearchPlan],
        key: str,
        limit: int,
        deadline: Deadline,
    ) -> list[Record]:
        if not options.key:
            raise Misconfigured(f"records.{kind} lacks key: the field to look for")
        for plan in plans:
            field = plan.info.field(options.key)
            if field is None:
                raise Misconfigured(f"records.{kind}.key: {plan.info.name} has no field {options.key}, or this user "
                                    f"can't see it{plan.info.meant(options.key)}")  # fmt: skip
            literal = literal_of(field, key)
            if literal is None:
                continue
            statement = plan.statement(f"{field.name} = {literal}", limit=max(limit, 2))
            rows = self._client.query(statement.soql(), deadline)
            matches = [self.record(plan, row) for row in rows if _same(field, row.get(field.name), key)]
            if matches:
                return matches[:limit]
        return []

    # plans and records

    def plans(self, kind: str, options: SalesforceRecordOptions, deadline: Deadline) -> list[SearchPlan]:
        """Return one for each object, in order. A field that only some of the objects have is empty in the others; one
        that none has raises `Misconfigured`."""
        infos = [self._schema.object(name, deadline) for name in options.all_objects]
        plans = [self.plan(kind, options, info, deadline) for info in infos]
        for name, paths in options.fields.items():
            if not any(plan.names[name] for plan in plans):
                hint = infos[0].meant(paths[0].split(".")[0] if "." in paths[0] else paths[0])
                objects = " and ".join(info.name for info in infos)
                raise Misconfigured(f"records.{kind}.fields.{name}: {objects} have no {' or '.join(paths)}, or this "
                                    f"user can't see it{hint}")  # fmt: skip
        return plans

    def plan(self, kind: str, options: SalesforceRecordOptions, info: ObjectInfo, deadline: Deadline) -> SearchPlan:
        """Return how this kind is read from this object."""
        names = {}
        for name, paths in options.fields.items():
            resolved = (self._schema.path(info, path, deadline) for path in paths)
            names[name] = tuple(path for path in resolved if path)
        phone_names = options.phones if options.phones is not None else info.phones
        phones = [field for name in phone_names if (field := info.field(name))]
        where = [f"({text})"] if (text := options.where_of(info.name)) else []
        if info.field("IsConverted"):
            where.append("IsConverted = false")
        dated = info.field(options.dated) if options.dated else None
        own = ("Id", "OwnerId", "PersonContactId", options.key, options.dated)
        extra = [name for name in own if name and info.field(name)]
        paths_wanted = [".".join(path) for resolved_paths in names.values() for path, _ in resolved_paths]
        columns = [
            *(info.fields[name.lower()].name for name in extra),
            *paths_wanted,
            *(field.name for field in phones),
        ]
        return SearchPlan(
            kind, info, tuple(dict.fromkeys(columns)), names, tuple(field.name for field in phones), tuple(where),
            f"{dated.name if dated else 'CreatedDate'} DESC", all(field.type == "phone" for field in phones), dated,
        )  # fmt: skip

    def record(self, plan: SearchPlan, row: SoqlRow) -> Record:
        """Return a row of the answer as a record."""
        fields: dict[str, object] = {
            "object": plan.info.name,
            "owner_id": row.get("OwnerId"),
            "person_contact_id": row.get("PersonContactId"),
        }
        for name, alternatives in plan.names.items():
            values = (value_at(row, path, field) for path, field in alternatives)
            fields[name] = next((value for value in values if value not in (None, "")), None)
        dated = dates.read(row.get(plan.dated.name)) if plan.dated is not None else None
        return Record(self._name, plan.kind, str(row["Id"]), fields, tuple(self._phones(plan, row)), dated)

    def _phones(self, plan: SearchPlan, row: SoqlRow) -> Iterator[Phone]:
        for name in plan.phones:
            text = row.get(name)
            if isinstance(text, str):
                yield from parse_all(text, self._context.country)


def value_at(row: SoqlRow, path: Sequence[str], field: FieldInfo) -> object:
    """Return the value at the end of a path through an answer, None where a step is missing."""
    value: object = row
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, float) and field.scale == 0 and value.is_integer():
        return int(value)
    return value


def literal_of(field: FieldInfo, key: str) -> str | None:
    """Return a key as this field's literal in SOQL; None where the field can't hold it, so that nobody need ask.

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
