"""What goes between the bridge and a connector: what is looked for, found and written. Part of `connectors.base`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from connectors.phone import Phone


@dataclass(frozen=True, slots=True)
class Record:
    """A record found in a CRM.

    Attributes:
        connector: The connector's name in the configuration.
        kind: The record's kind, as the configuration names it (`contact`, `order`).
        id: The CRM's own id; None if it has none.
        fields: Its values by their configured names. Expressions read them (`{{ contact.name }}`); a name that is not
            there is empty.
        phones: Every phone number of the record. The bridge checks that the one it looked for is among them.
        dated: When it is, of a kind that has a date (`Capabilities.dated`): a moment, one without a zone by the line's
            clock, or a date that lasts until its day is over; None if it has none that can be read.
        opens: What works out the link of such a record (`Connector.link`); the bridge sets it.
    """

    connector: str
    kind: str
    id: str | None
    fields: Mapping[str, object]
    phones: tuple[Phone, ...] = ()
    dated: date | None = None
    opens: Callable[[Record], str | None] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.id or ""

    @property
    def link(self) -> str | None:
        """Where a person opens it, worked out now; None if nowhere. Expressions read it (`{{ contact.link }}`) where
        the record has no field of this name."""
        return self.opens(self) if self.opens is not None else None


@dataclass(frozen=True, slots=True)
class LookupQuery:
    """What `Connector.find` looks for: the records of a kind that have this phone or this key.

    Attributes:
        kind: The kind of the records, as the configuration names it.
        phone: The number that they have; None if `key` is set.
        key: The key that they have, exactly as it was keyed in; None if `phone` is set.
        limit: How many matches are enough. Two tell already that a match is ambiguous.
        newest: Whether the bridge takes the newest match; the connector then puts it first.
        upcoming: Whether the bridge takes the soonest match that is still to come. The connector then leaves out what
            was before `since`, give or take a day, and puts the soonest first, each with its date (`Record.dated`).
        since: When the line's day began, aware; None unless `upcoming`. An answer that is kept for a question serves
            for another `since` as well.
        strict: Whether to raise `Misconfigured` if none of the records found, or none at all, has a phone number. The
            bridge asks so of a do-not-call list: one that can't be read must not pass for one without the number.
    """

    kind: str
    phone: Phone | None = None
    key: str | None = None
    limit: int = 20
    newest: bool = False
    strict: bool = False
    upcoming: bool = False
    since: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NewRecord:
    """The values of a new record, such as a survey, an appointment or an unknown caller.

    Attributes:
        kind: The kind of the record, as the configuration names it.
        key: Unique to this record. Saved twice under one key, the record must exist once.
        fields: Its values by their configured names.
        attempt: 1 for the first attempt. From the second on, the record may exist already, although no answer said so.
        revision: 1 for a new record; above, one that was written changes: `fields` are its values by now.
        written_id: The CRM's id of what was written; None for a new record, or if it gave none.
    """

    kind: str
    key: str
    fields: Mapping[str, object]
    attempt: int = 1
    revision: int = 1
    written_id: str | None = None


@dataclass(frozen=True, slots=True)
class ScreenPop:
    """A call that somebody has just answered, whose record is to open on their screen.

    Attributes:
        extension: Who answered: one of `Capabilities.pops`.
        caller: The other party's number; None if it is hidden or no number.
        called: The line's own number, as the platform writes it.
        line: The line's main number, which names it in the configuration.
        contact: The record that the number was found as; None where `Capabilities.pop_finds` asks for none.
        call: The call so far, as expressions see it, with its variables as `vars`.
    """

    extension: str
    caller: Phone | None
    called: str
    line: str
    contact: Record | None
    call: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """A call, to be logged in the CRM.

    Attributes:
        key: Unique to this activity. However often it is logged, the CRM must have one.
        subject: One line for people.
        note: Several lines for people.
        direction: `received` or `emitted`.
        caller: The other party's number; None if it is hidden or no number.
        called: The line's own number, as the platform writes it.
        line: The line's main number, which names it in the configuration.
        start: When the call began, with its time zone; None if unknown.
        end: When it ended, with its time zone; None if unknown.
        seconds: How long it lasted; None if unknown.
        cost: What it cost, without tax; None if unknown.
        answered: Whether somebody answered; None if unknown.
        answered_by: The number or extension that answered last; empty if none did.
        contact: The record of the same connector that the call is about; None for an unknown caller.
        found: Every record that the rule's `find` found, by name, `contact` among them; None where nothing matched.
        fields: The values that the configuration sets, by field name.
        call: The whole call, as expressions see it.
        outcome: What came of the call, in the configuration's words, such as what the agent keyed in; empty if nothing
            was, None if the configuration asks for none.
        attempt: 1 for the first attempt. From the second on, the activity may exist already, although no answer said
            so.
        revision: 1 for a new activity; above, a correction of an earlier one.
        written_id: The CRM's id of the earlier version that this one corrects; None if none was written.
    """

    key: str
    subject: str
    note: str
    direction: str
    caller: Phone | None
    called: str
    line: str
    start: datetime | None
    end: datetime | None
    seconds: int | None
    cost: Decimal | None
    answered: bool | None
    answered_by: str
    contact: Record | None
    found: Mapping[str, Record | None] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    call: Mapping[str, object] = field(default_factory=dict)
    attempt: int = 1
    revision: int = 1
    written_id: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of a write.

    Attributes:
        id: The CRM's id of the record; None if it gave none.
        created: Whether the record is new: False if it existed already or was updated.
        exchange: The request and the answer, with secrets and phone numbers masked; may be empty.
    """

    id: str | None = None
    created: bool = True
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task in the CRM that asks for a call.

    Attributes:
        id: The CRM's own id.
        fields: Its values by their configured names. Expressions read them (`{{ task.phone }}`). `due`, if there, is a
            moment with its time zone, or a date for "on that day": the bridge does not call before. None means now.
    """

    id: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What became of a task.

    Attributes:
        status: One of `claimed`, `accepted`, `answered`, `busy`, `no_answer`, `failed`, `rejected`, `cancelled`,
            `expired`, `may_have_rung`.
        text: The same for people, in the configured language.
        at: When, with its time zone.
        idcall: The platform's number of the call; None if there was none.
        result: The platform's result code of the call; None if there was none.
        seconds: How long the call lasted; None if there was none.
    """

    status: str
    text: str
    at: datetime
    idcall: str | None = None
    result: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One line of `check --connect`.

    Attributes:
        what: What was tried.
        ok: Whether it worked.
        text: What was seen, or how to fix what is wrong.
    """

    what: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of the CRM's limit on requests is used, as the CRM counts them.

    Attributes:
        used: Requests in the CRM's own period, which is about a day.
        allowed: The limit on them.
        at: When the CRM said so (Unix time).
    """

    used: int
    allowed: int
    at: float
