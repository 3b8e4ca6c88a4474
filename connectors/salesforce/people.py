"""Whom a call's Task belongs to: a contact, a Lead, an Account; and the Lead of a caller who is not known."""

from __future__ import annotations

import fcntl
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TextIO

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
from connectors.phone import Phone, mask
from connectors.salesforce.client import Client, Row
from connectors.salesforce.faults import Refusal
from connectors.salesforce.options import ActivityOptions, RecordOptions
from connectors.salesforce.schema import Schema
from connectors.salesforce.search import Search
from connectors.salesforce.soql import Statement, quoted
from connectors.salesforce.values import Plain, fitted

SETTLE_SECONDS = 30.0
"""A write whose answer was lost may still be under way; looked for too early, it would not be found."""
_LONGEST_WAIT = 3600.0
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
        self, name: str, client: Client, schema: Schema, search: Search, options: ActivityOptions, context: Context
    ) -> None:
        self.name = name
        self._client = client
        self._schema = schema
        self._search = search
        self._options = options
        self._context = context
        self._locks = [threading.Lock() for _ in range(64)]

    def party(self, activity: Activity, scope: Mapping[str, object], deadline: Deadline) -> Party:
        """The Task's people and things; makes a Lead where the rule says so. Raises `ConnectorError`, `Refusal`."""
        contact = activity.contact
        if contact is not None and (contact.connector != self.name or not contact.id):
            contact = None
        if contact is None and self._options.unknown_caller == "lead" and activity.caller:
            contact = self._known_or_lead(activity.caller, scope, deadline)
        party = self._of(contact, deadline) if contact else Party()
        if party.what or (party.who or "").startswith(_LEAD):  # a Lead and a WhatId do not go together
            return party
        things = (one.id for one in activity.found.values() if one and one.connector == self.name and one.id)
        return replace(party, what=next((one for one in things if one.startswith(_THINGS)), None))

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
            found = account.fields["person_contact_id"]
            return str(found) if found else None
        if not self._schema.object("Account", deadline).field("PersonContactId"):
            return None
        where = (f"Id = {quoted(str(account.id))}",)
        rows = self._client.query(Statement(["PersonContactId"], "Account", where).soql(), deadline)
        return str(rows[0]["PersonContactId"]) if rows and rows[0].get("PersonContactId") else None

    # Leads

    def _known_or_lead(self, phone: Phone, scope: Mapping[str, object], deadline: Deadline) -> Record | None:
        """The caller by SOQL, since SOSL's index may not know yet; else a new Lead. None where several are known."""
        with self._locked(phone, deadline):
            found = self._find(phone, deadline)
            if found:
                return found[0] if len(found) == 1 else None
            made = self._lead(phone, scope, deadline)
        return Record(self.name, "Lead", made, {}) if made else None

    def _find(self, phone: Phone, deadline: Deadline) -> list[Record]:
        """A Lead is made for nobody who is a Contact, an Account or a Lead."""
        seen = (self._schema.maybe(name, deadline) for name in ("Contact", "Account", "Lead"))
        options = RecordOptions.model_validate({"objects": [info.name for info in seen if info]})
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

    def _write_lead(self, phone: Phone, body: Row, headers: Mapping[str, str], deadline: Deadline) -> str:
        key = self._options.lead_external_id
        if key:
            path = f"sobjects/Lead/{format_external_id(key, phone.e164)}"
            answer = self._client.write("PATCH", path, body, deadline, headers)
        else:
            answer = self._client.write("POST", "sobjects/Lead/", body, deadline, headers)
        return written_id(answer)

    def _lead_body(self, phone: Phone, scope: Mapping[str, object], deadline: Deadline) -> Row:
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
            made = fitted(field, value)
            if made is not None:
                body[field.name] = made
        return dict(body)

    @contextmanager
    def _locked(self, phone: Phone, deadline: Deadline) -> Iterator[None]:
        """One at a time for a number. Raises `TimedOut`."""
        part = hashlib.sha256(phone.e164.encode()).digest()[0] % len(self._locks)
        with self._context.waiting():
            if not self._locks[part].acquire(timeout=min(deadline.remaining, _LONGEST_WAIT)):
                raise TimedOut("another call of this number is being kept")
        try:
            with self._locked_file(part, deadline):
                yield
        finally:
            self._locks[part].release()

    @contextmanager
    def _locked_file(self, part: int, deadline: Deadline) -> Iterator[None]:
        """The same between processes."""
        if self._context.cache is None:
            yield
            return
        with (self._context.cache / f"salesforce-lead-{part}.lock").open("a") as file:
            while not _flock(file):
                if deadline.passed:
                    raise TimedOut("another call of this number is being kept")
                with self._context.waiting():
                    time.sleep(0.02)
            yield


def _flock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def written_id(answer: object) -> str:
    """The id of what was written. Raises `Unavailable` for an answer without one."""
    found = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(found, str):
        raise Unavailable("the answer is not Salesforce's: it names no record")
    return found


def settling(error: ConnectorError) -> Unavailable:
    """The same failure, to be tried again once the first try is surely over."""
    pause = max(getattr(error, "retry_after", None) or 0.0, SETTLE_SECONDS)
    kind = type(error) if isinstance(error, Unavailable) else Unavailable
    return kind(str(error), exchange=error.exchange, retry_after=pause)
