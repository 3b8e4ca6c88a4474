"""Records that a Query saves: by external id; without one, a person decides where an answer was lost."""

from __future__ import annotations

from collections.abc import Mapping

from simple_salesforce.format import format_external_id

from connectors.base import Ambiguous, Deadline, Misconfigured, NewRecord, Rejected, TimedOut, WriteResult
from connectors.http.failures import Broken
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.faults import Refusal
from connectors.salesforce.options import SalesforceOptions
from connectors.salesforce.people import written_id
from connectors.salesforce.schema import TEXTS, ObjectInfo, Schema
from connectors.salesforce.soql import LONGEST_TEXT, Statement, quoted
from connectors.salesforce.values import Plain, fitted
from connectors.salesforce.writing import fitting_key


class Saving:
    """The saves of one connector."""

    def __init__(self, name: str, client: SalesforceClient, schema: Schema, options: SalesforceOptions) -> None:
        self._name = name
        self._client = client
        self._schema = schema
        self._options = options

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """See `Connector.save`. Raises `ConnectorError`, `Refusal`."""
        options = self._options.records.get(record.kind)
        if options is None or len(options.all_objects) != 1:
            raise Misconfigured(f"connector {self._name}: records.{record.kind} names no single object to save in")
        info = self._schema.object(options.all_objects[0], deadline)
        paths = {name: paths[0] for name, paths in options.fields.items()}
        body = _body(record, info, paths)
        if options.external_id:
            field = info.field(options.external_id)
            body.pop(field.name if field else "", None)
            fitting_key(info, options.external_id, record.key)
            path = f"sobjects/{info.name}/{format_external_id(options.external_id, record.key)}"
            return self._save_by_key(path, body, deadline)
        if record.revision > 1:
            if record.written_id is None:
                raise Rejected(
                    f"the {info.name} can't be told from others: records.{record.kind}.external_id would tell"
                )
            self._client.write("PATCH", f"sobjects/{info.name}/{record.written_id}", body, deadline)
            return WriteResult(record.written_id, created=False)
        if record.attempt > 1 and self._looks_saved(info, body, deadline):
            raise Ambiguous(
                f"a {info.name} with these values is there already, and it can't be known whether it is this one; "
                f"records.{record.kind}.external_id would tell"
            )
        return self._save_new(info, record, body, deadline)

    def _save_by_key(self, path: str, body: Mapping[str, Plain], deadline: Deadline) -> WriteResult:
        try:
            answer = self._client.write("PATCH", path, body, deadline)
        except Refusal as refusal:
            if not refusal.has("DUPLICATE_VALUE"):
                raise
            answer = self._client.write("PATCH", path, body, deadline)  # somebody made it at the same moment
        return WriteResult(written_id(answer), created=bool(answer.get("created", True)))

    def _save_new(
        self, info: ObjectInfo, record: NewRecord, body: Mapping[str, Plain], deadline: Deadline
    ) -> WriteResult:
        lost = (f"the answer to saving a {info.name} was lost: look whether it is there; "
                f"records.{record.kind}.external_id would make it sure")  # fmt: skip
        try:
            return WriteResult(written_id(self._client.write("POST", f"sobjects/{info.name}/", body, deadline)))
        except (Broken, TimedOut) as error:
            raise Ambiguous(lost, exchange=error.exchange) from error
        except Refusal as refusal:
            if refusal.uncertain:
                raise Ambiguous(lost, exchange=refusal.exchange) from refusal
            raise

    def _looks_saved(self, info: ObjectInfo, body: Mapping[str, Plain], deadline: Deadline) -> bool:
        """Whether a record with all these values was made in the last days: an earlier try may have been cut off."""
        where = []
        for name, value in body.items():
            field = info.fields[name.lower()]
            text = isinstance(value, str) and field.type in TEXTS
            if field.filterable and text and len(str(value)) <= LONGEST_TEXT // 8:
                where.append(f"{name} = {quoted(str(value))}")
        if not where:
            return True
        where.append("CreatedDate >= LAST_N_DAYS:4")
        return bool(self._client.query(Statement(["Id"], info.name, where, "", 1).soql(), deadline))


def _body(record: NewRecord, info: ObjectInfo, paths: Mapping[str, str]) -> dict[str, Plain]:
    body: dict[str, Plain] = {}
    for name, value in record.fields.items():
        field = info.field(paths.get(name, name))
        if field is None:
            raise Misconfigured(f"{info.name} has no field {paths.get(name, name)}, or this user can't see it"
                                f"{info.meant(name)}")  # fmt: skip
        fit = fitted(field, value)
        if fit is not None:
            body[field.name] = fit
    return body
