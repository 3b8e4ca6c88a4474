"""What the platform says and what it is told, as types. The manual's names stand in the docstrings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class Format(StrEnum):
    """How a document is written; an answer goes out in the format in which its Query came in."""

    JSON = "json"
    XML = "xml"


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """One thing that happened in a call (manual, API Informativa V, `Status/Events/Event`).

    `type` is EventType, None where it is no number; `at` is EventDate, naive, in the line's local time, None where it
    can't be read; `name` EventName; `info` EventAddInfo1 to 5, empty where absent.
    """

    type: int | None
    at: datetime | None
    name: str
    info: tuple[str, str, str, str, str]


class Document(msgspec.Struct, frozen=True, gc=False):
    """A Query or an event as it came (manual, API Interactiva II to IV and API Informativa II to VI).

    Texts are empty where absent. Numbers are as the platform spells them. `variables` (CustVars) have their names in
    capitals. What only FIN has is None or empty elsewhere: `seconds` (CallSeconds), `start`, `end` (naive, the line's
    local time), `cost_rx`, `cost_tx` (money, without tax), `status`.
    `repairs` says what a lenient second reading had to mend, empty for a well-formed document.
    `extra` keeps what has no field of its own, by its path in small letters (`infocaller.newfield`): fields that the
    manual does not know, and values that are no number, amount or date where one belongs (`infocaller.callseconds`).
    `source` is the document's text as it was decoded, signature and all: redact it before it is stored or shown.
    """

    format: Format
    line_number: str
    call_sequence: str
    signature: str = ""
    line_number_int: str = ""
    call_type: str = ""
    caller_number: str = ""
    caller_number_int: str = ""
    inbound_number: str = ""
    inbound_number_int: str = ""
    outbound_number: str = ""
    outbound_number_int: str = ""
    idcall: str = ""
    query_name: str = ""
    variables: Mapping[str, str] = {}
    seconds: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    cost_rx: Decimal | None = None
    cost_tx: Decimal | None = None
    status: tuple[StatusEvent, ...] = ()
    repairs: tuple[str, ...] = ()
    extra: Mapping[str, str] = {}
    source: str = ""

    def __repr__(self) -> str:
        """What may be shown: neither the signature nor the text that holds it."""
        shown = (name for name in self.__struct_fields__ if name not in ("signature", "source"))
        return f"Document({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @property
    def emitted(self) -> bool:
        """Whether the platform made this call at our request (CallType `E`)."""
        return self.call_type.upper() == "E"

    @property
    def other_party(self) -> str:
        """The number of whoever is not us: CallerNumber of a received call, OutboundNumber of an emitted one."""
        return self.outbound_number if self.emitted else self.caller_number

    @property
    def called(self) -> str:
        """Our own number in this call: InboundNumber (the line where absent), or CallerNumber of an emitted call."""
        return (self.caller_number if self.emitted else self.inbound_number) or self.line_number


class QueryAnswer(msgspec.Struct, frozen=True, gc=False):
    """What a Query is answered (manual, API Interactiva V). `result` `"0"`: it worked; else the script's error branch.
    `variables` are set or replaced in the call."""

    result: str
    text: str = ""
    variables: Mapping[str, str] = {}
