"""Whom a call's Task belongs to: a contact, a Lead, an Account; and the Lead of a caller who is not known."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from simple_salesforce.format import format_external_id

from connectors.base import (
    Activity,
    ConnectorError,
    Context,
    Deadline,
    Misconfigured,
    Record,
    Rejected,
    TimedOut,
    Unavailable,
)
from connectors.filelock import FileLock
from connectors.phone import Phone, mask
from connectors.salesforce.client import SalesforceClient, SoqlRow
from connectors.salesforce.faults import Refusal
from connectors.salesforce.options import SalesforceActivityOptions, SalesforceRecordOptions
from connectors.salesforce.schema import Schema
from connectors.salesforce.search import Search
from connectors.salesforce.soql import Statement, quoted
from connectors.salesforce.values import Plain, fitted

SETTLE_SECONDS = 30.0
"""A write whose answer was lost may still be under way; looked for too early, it would not be found."""
_CONTACT, _LEAD, _ACCOUNT, _USER = "003", "00Q", "001", "005"
_THINGS = ("006", "500", "801", "800", "001")  # Opportunity, Case, Order, Contract, Account: what Tasks hang on


@dataclass(frozen=True)
class Party:
    """WhoId, WhatId and the owner of the person, each None where there is none."""

    who: str | None = None
    what: str | None = None
    owner: str | None = None


class People:
    """Whom calls are about. Leads are made under a lock for their number, for all processes of this machine."""

    def __init__(
        self,
        name: str,
        client: SalesforceClient,
        schema: Schema,
        search: Search,
        options: SalesforceActivityOptions,
        context: Context,
    ) -> None:
        self.name = name
        self._client = client
        self._schema = schema
        self._search = search
        self._options = options
        self._context = context
        self._locks = [_lock(context.cache, number) for number in range(64)]

    def party(self, activity: Activity, scope: Mapping[str, object], deadline: Deadline) -> Party:
        """Return the Task's people and things; makes a Lead where the rule says so. Raises `ConnectorError`,
        `Refusal`."""
        contact = activity.contact
        if contact is not None and (contact.connector != self.name or not contact.id):
            contact = None
        if contact is None and self._options.unknown_caller == "lead" and activity.caller:
            contact = self._known_or_lead(activity.caller, scope, deadline)
        party = self._of(contact, deadline) if contact else Party()
        if party.what or (party.who or "").startswith(_LEAD):  # a Lead and a WhatId do not go together
            return party
        things = (
            record.id for record in activity.found.values() if record and record.connector == self.name and record.id
        )
        return replace(party, what=next((id_ for id_ in things if id_.startswith(_THINGS)), None))

    def _of(self, contact: Record, deadline: Deadline) -> Party:
        owner = str(contact.fields.get("owner_id") or "")
        owned = owner if owner.startswith(_USER) else None  # a queue need not take Tasks
        record = str(contact.id)
        if record.startswith((_CONTACT, _LEAD)):
            return Party(who=record, owner=owned)
        if record.startswith(_ACCOUNT):
            person = self._person(contact, deadline)
            return Party(who=person, owner=owned) if person else Party(what=record, owner=owned)
        return Party(what=record, owner=owned)

    def _person(self, account: Record, deadline: Deadline) -> str | None:
        """The contact behind a person account, None for a company."""
        if "person_contact_id" in account.fields:
            contact = account.fields["person_contact_id"]
            return str(contact) if contact else None
        if not self._schema.object("Account", deadline).field("PersonContactId"):
            return None
        where = (f"Id = {quoted(str(account.id))}",)
        rows = self._client.query(Statement(["PersonContactId"], "Account", where).soql(), deadline)
        return str(rows[0]["PersonContactId"]) if rows and rows[0].get("PersonContactId") else None

    # Leads

    def _known_or_lead(self, phone: Phone, scope: Mapping[str, object], deadline: Deadline) -> Record | None:
        """The caller by SOQL, since SOSL's index may not know yet; else a new Lead. None where several are known."""
        with self._locked(phone, deadline):
            records = self._find(phone, deadline)
            if records:
                return records[0] if len(records) == 1 else None
            lead = self._lead(phone, scope, deadline)
        return Record(self.name, "Lead", lead, {}) if lead else None

    def _find(self, phone: Phone, deadline: Deadline) -> list[Record]:
        """A Lead is made for nobody who is a Contact, an Account or a Lead."""
        seen = (self._schema.maybe(name, deadline) for name in ("Contact", "Account", "Lead"))
        options = SalesforceRecordOptions.model_validate({"objects": [info.name for info in seen if info]})
        plans = self._search.plans("caller", options, deadline)
        return self._search.by_soql(plans, phone, 2, deadline) or self._converted(phone, deadline)

    def _converted(self, phone: Phone, deadline: Deadline) -> list[Record]:
        """The contact that a Lead of this number has become, whatever its own number is now."""
        lead = self._schema.object("Lead", deadline)
        if not (lead.field("ConvertedContactId") and lead.field("Phone")):
            return []
        where = (f"Phone = {quoted(phone.international)}", "IsConverted = true", "ConvertedContactId != null")
        statement = Statement(["ConvertedContactId"], "Lead", where, "CreatedDate DESC", 1)
        rows = self._client.query(statement.soql(), deadline)
        return [Record(self.name, "Contact", str(row["ConvertedContactId"]), {}) for row in rows]

    def _lead(self, phone: Phone, scope: Mapping[str, object], deadline: Deadline) -> str | None:
        """The new Lead's id; None where the org refuses this one, so that the call itself is kept all the same."""
        headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        if not self._options.lead_assignment:
            headers["Sforce-Auto-Assign"] = "false"
        body = self._lead_body(phone, scope, deadline)
        try:
            return self._write_lead(phone, body, headers, deadline)
        except Refusal as refusal:
            error = refusal.error()
            if not isinstance(error, Rejected):
                raise
            self._context.log.warning("no Lead for %s: %s", mask(phone.e164), error)
            return None
        except Unavailable as error:
            raise settling(error) from error

    def _write_lead(self, phone: Phone, body: SoqlRow, headers: Mapping[str, str], deadline: Deadline) -> str:
        key = self._options.lead_external_id
        if key:
            path = f"sobjects/Lead/{format_external_id(key, phone.e164)}"
            answer = self._client.write("PATCH", path, body, deadline, headers)
        else:
            answer = self._client.write("POST", "sobjects/Lead/", body, deadline, headers)
        return written_id(answer)

    def _lead_body(self, phone: Phone, scope: Mapping[str, object], deadline: Deadline) -> SoqlRow:
        info = self._schema.object("Lead", deadline)
        values: dict[str, object] = {
            "LastName": phone.international,
            "Company": "unknown",
            "Phone": phone.international,
        }
        body: dict[str, Plain] = {}
        values |= {name: template.value(scope) for name, template in self._options.lead.items()}
        for name, value in values.items():
            field = info.field(name)
            if field is None:
                raise Misconfigured(f"activity.lead.{name}: Lead has no such field, or this user can't see it"
                                    f"{info.meant(name)}")  # fmt: skip
            fit = fitted(field, value)
            if fit is not None:
                body[field.name] = fit
        return dict(body)

    @contextmanager
    def _locked(self, phone: Phone, deadline: Deadline) -> Iterator[None]:
        """One at a time for a number. Raises `TimedOut`."""
        lock = self._locks[hashlib.sha256(phone.e164.encode()).digest()[0] % len(self._locks)]
        with self._context.waiting():
            taken = lock.acquire(timeout=min(deadline.remaining, threading.TIMEOUT_MAX))
        if not taken:
            raise TimedOut("another call of this number is being kept")
        try:
            yield
        finally:
            lock.release()


def _lock(cache: Path | None, number: int) -> FileLock | threading.Lock:
    return FileLock(cache / f"salesforce-lead-{number}.lock") if cache else threading.Lock()


def written_id(answer: object) -> str:
    """Return the id of what was written. Raises `Unavailable` for an answer without one."""
    id_ = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(id_, str):
        raise Unavailable("the answer is not Salesforce's: it names no record")
    return id_


def settling(error: ConnectorError) -> Unavailable:
    """Return the same failure, to be tried again once the first try is surely over."""
    pause = max(getattr(error, "retry_after", None) or 0.0, SETTLE_SECONDS)
    kind = type(error) if isinstance(error, Unavailable) else Unavailable
    return kind(str(error), exchange=error.exchange, retry_after=pause)
