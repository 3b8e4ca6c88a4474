"""`check --connect`: signs in, asks the org what it has, and says what of the configuration is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from connectors.base import ConnectorError, Deadline, ProbeResult
from connectors.expression import Template
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.faults import Refusal, as_error
from connectors.salesforce.options import SOAP_ENDS, STATUSES, SalesforceOptions, SalesforceRecordOptions
from connectors.salesforce.schema import ObjectInfo, Schema, meant
from connectors.salesforce.search import Search
from connectors.salesforce.soql import Statement, quoted
from connectors.salesforce.tasks import SalesforceTasks

_CALL_FIELDS = ("Subject", "Description", "Status", "CallType", "CallDurationInSeconds", "CallObject",
                "CallDisposition", "WhoId", "WhatId", "OwnerId")  # fmt: skip


class Probe:
    """One look at the org. Nothing is written."""

    def __init__(
        self, options: SalesforceOptions, client: SalesforceClient, schema: Schema, search: Search,
        tasks: SalesforceTasks | None, deadline: Deadline,
    ) -> None:  # fmt: skip
        self._options = options
        self._client = client
        self._schema = schema
        self._search = search
        self._tasks = tasks
        self._deadline = deadline

    def findings(self) -> Iterator[ProbeResult]:
        """Yield what was tried, one after another; without a session there is nothing more to try."""
        try:
            signed = self._client.signed(self._deadline)
        except (ConnectorError, Refusal) as error:
            yield ProbeResult("sign-in", False, str(as_error(error)))
            return
        yield ProbeResult("sign-in", True, f"signed in to {signed.access.instance}")
        if self._options.login.way == "password":
            yield ProbeResult("sign-in", True, f"warning: SOAP login() with a password ends with {SOAP_ENDS}: change "
                          "to client credentials before (docs/connectors/salesforce.md)")  # fmt: skip
        yield from self._tried("version", self._version)
        for kind, options in self._options.records.items():
            yield from self._tried(f"records.{kind}", lambda kind=kind, options=options: self._records(kind, options))  # type: ignore[misc]  # defaults bind the loop's values
        if self._options.activity:
            yield from self._tried("activity", self._activity)
        if self._tasks:
            yield from self._tried("tasks", self._tasks_found)
        yield from self._usage()

    def _tried(self, what: str, look: Callable[[], Iterable[ProbeResult]]) -> Iterator[ProbeResult]:
        try:
            yield from look()
        except (ConnectorError, Refusal) as error:
            yield ProbeResult(what, False, str(as_error(error)))

    def _version(self) -> Iterator[ProbeResult]:
        versions = self._client.versions(self._deadline)
        ours = self._options.version
        newest = max(versions, key=float, default="?")
        text = f"API version {ours}; the org's newest is {newest}"
        yield ProbeResult(
            "version", ours in versions, text if ours in versions else f"{text}: this one it does not have"
        )

    # records

    def _records(self, kind: str, options: SalesforceRecordOptions) -> Iterator[ProbeResult]:
        """Each name by itself, so that every fault is said; then one lookup, which also tries `where`."""
        infos = [info for name in options.all_objects if (info := self._schema.maybe(name, self._deadline))]
        seen = {info.name.lower() for info in infos}
        absent = [name for name in options.all_objects if name.lower() not in seen]
        for name in absent:
            hint = meant(name, self._objects())
            text = f"there is no object {name}, or this user can't see it{hint}"
            yield ProbeResult(f"records.{kind}.objects", False, text)
        faults = list(self._names(kind, options, infos)) if infos else []
        yield from faults
        if not absent and not faults:
            yield from self._looked_up(kind, options)

    def _objects(self) -> list[str]:
        body = self._client.read("sobjects", self._deadline) or {}
        return [str(entry.get("name")) for entry in body.get("sobjects", [])]

    def _names(self, kind: str, options: SalesforceRecordOptions, infos: list[ObjectInfo]) -> Iterator[ProbeResult]:
        for name, paths in options.fields.items():
            visible = [p for p in paths for info in infos if self._schema.path(info, p, self._deadline)]
            if not visible:
                yield self._absent(f"records.{kind}.fields.{name}", paths[0], infos)
        single = [
            ("key", options.key),
            ("external_id", options.external_id),
            *(("phones", p) for p in options.phones or ()),
        ]
        for place, field in single:
            if field and not any(info.field(field) for info in infos):
                yield self._absent(f"records.{kind}.{place}", field, infos)

    def _absent(self, place: str, path: str, infos: list[ObjectInfo]) -> ProbeResult:
        names = " and ".join(info.name for info in infos)
        hint = next((hint for info in infos if (hint := self._path_meant(info, path))), "")
        return ProbeResult(place, False, f"{names}: no field {path}, or this user can't see it{hint}")

    def _path_meant(self, info: ObjectInfo, path: str) -> str:
        """What was meant: by the first step that leads nowhere."""
        head, _, rest = path.partition(".")
        if not rest:
            return info.meant(head)
        link = info.link(head)
        if link is None:
            return meant(head, [field.relationship for field in info.fields.values() if field.relationship])
        target = self._schema.maybe(link.references[0] if len(link.references) == 1 else "Name", self._deadline)
        return self._path_meant(target, rest) if target else ""

    def _looked_up(self, kind: str, options: SalesforceRecordOptions) -> Iterator[ProbeResult]:
        for plan in self._search.plans(kind, options, self._deadline):
            rows = self._client.query(plan.statement(limit=1).soql(), self._deadline)
            phones = f", phones: {', '.join(plan.phones)}" if plan.phones and not options.key else ""
            text = f"{plan.info.name}: can be read{'' if rows else ', though there is none yet'}{phones}"
            yield ProbeResult(f"records.{kind}", True, text)

    # Tasks

    def _activity(self) -> Iterator[ProbeResult]:
        options = self._options.activity
        if options is None:
            return
        info = self._schema.object("Task", self._deadline)
        yield from self._writable(info, "activity.fields", options.fields, _CALL_FIELDS)
        if options.external_id:
            field = info.field(options.external_id)
            ok = field is not None and field.external_id
            text = "calls are kept once by it" if ok else f"Task has no External Id field {options.external_id}"
            yield ProbeResult("activity.external_id", ok, text + ("" if ok else info.meant(options.external_id)))
        yield from self._statuses("activity.status", [options.status])
        yield from self._owners(options.owners.values())
        if options.unknown_caller == "lead":
            lead = self._schema.object("Lead", self._deadline)
            yield from self._writable(lead, "activity.lead", options.lead, ("LastName", "Company", "Phone"))

    def _writable(
        self, info: ObjectInfo, place: str, configured: dict[str, Template], ours: Iterable[str]
    ) -> Iterator[ProbeResult]:
        bad = False
        for name in [*configured, *ours]:
            field = info.field(name)
            if field is None or not field.createable:
                bad = True
                hint = info.meant(name) if field is None else ""
                yield ProbeResult(f"{place}.{name}", False, f"{info.name}.{name} can't be written by this user{hint}")
        if not bad:
            yield ProbeResult(place, True, f"{info.name} can be written")

    def _statuses(self, place: str, statuses: Iterable[str | None]) -> Iterator[ProbeResult]:
        statement = Statement(["ApiName", "IsClosed"], "TaskStatus")
        existing = [str(row.get("ApiName")) for row in self._client.query(statement.soql(), self._deadline)]
        for status in sorted({status for status in statuses if status}):
            if status not in existing:
                text = f"the org has no Task status {status}{meant(status, existing)}; it has {', '.join(existing)}"
                yield ProbeResult(place, False, text)

    def _owners(self, owners: Iterable[str]) -> Iterator[ProbeResult]:
        users = {owner[:15]: owner for owner in owners if owner.startswith("005")}
        if not users:
            return
        where = (f"Id IN ({', '.join(quoted(owner) for owner in sorted(users.values()))})", "IsActive = true")
        rows = self._client.query(Statement(["Id"], "User", where).soql(), self._deadline)
        active = {str(row["Id"])[:15] for row in rows}
        for short, whole in users.items():
            if short not in active:
                yield ProbeResult("activity.owners", False, f"{whole} is no active user")

    def _tasks_found(self) -> Iterator[ProbeResult]:
        options = self._options.tasks
        if options is None or self._tasks is None:
            return
        reading = self._tasks.reading(self._deadline)
        statement = self._tasks.statement(reading, f"({options.where})", "IsClosed = false", limit=1)
        self._client.query(statement.soql(), self._deadline)
        yield ProbeResult("tasks", True, "tasks can be read")
        if options.update is None:
            yield from self._statuses("tasks.statuses", [options.status(outcome) for outcome in STATUSES])
        else:
            yield from self._writable(self._schema.object("Task", self._deadline), "tasks.update", options.update, ())

    def _usage(self) -> Iterator[ProbeResult]:
        usage = self._client.day_use.last()
        if usage:
            text = f"{usage.used} of {usage.allowed} API requests of the last 24 hours are used"
            yield ProbeResult("usage", usage.used < usage.allowed * (1 - self._options.reserve), text)
