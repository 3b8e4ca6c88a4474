"""The four events, the panel variables of their URLs (manual, API Informativa I) and what Status lists (V)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from bridge.infocaller.charset import storable

EVENTS = ("inicio", "desvio_correcto", "desvio_fallido", "fin")
_SPELLINGS = {event.replace("_", ""): event for event in EVENTS} | {"desvio": "desvio_correcto"}
_LONGEST_NAME = 60


def canonical(name: str) -> str | None:
    """Return the event that `name` means, one of `EVENTS`; None where it means none.

    Case, accents, spaces, hyphens and underscores make no difference; `desvio` is the manual's alias for
    `desvio_correcto`.
    """
    bare = unicodedata.normalize("NFKD", name[:_LONGEST_NAME])
    return _SPELLINGS.get(re.sub(r"[\s_+\-\u0300-\u036f]+", "", bare).lower())


PLACEHOLDERS: Mapping[str, str] = {
    "caller": "[_NumLlamante]",
    "num": "[_NumInfocaller]",
    "called": "[_NumLlamado]",
    "id": "[_IdLlamada]",
    "uuid": "[_UUID]",
    "desvio": "[_NumDesvio]",
}
"""What the platform fills in, by the query parameter that brings it to us."""


def placeholders(event: str) -> dict[str, str]:
    """Return the query parameters, with their placeholders, of the URL to paste for `event` (one of `EVENTS`): `desvio`
    only where the platform has it."""
    diverted = event in {"desvio_correcto", "desvio_fallido"}
    return {name: text for name, text in PLACEHOLDERS.items() if diverted or name != "desvio"}


@dataclass(frozen=True, slots=True)
class Panel:
    """What the URL of an event said; None where the platform had no value. `caller` is _NumLlamante, `number`
    _NumInfocaller (the line's main number), `called` _NumLlamado, `id` _IdLlamada, `uuid` _UUID, `diverted` _NumDesvio
    (who the call was diverted to)."""

    caller: str | None = None
    number: str | None = None
    called: str | None = None
    id: str | None = None
    uuid: str | None = None
    diverted: str | None = None


_NOTHING = Panel()


def panel(parameters: Mapping[str, str]) -> Panel:
    """Return the panel variables among the URL's query parameters, whose names match in any case; others are passed
    over. A value that is empty or still in its brackets (`[_NumDesvio]`) is none."""
    if not parameters:
        return _NOTHING
    by_name = {name.lower(): _value(text) for name, text in parameters.items()}
    return Panel(
        caller=by_name.get("caller"),
        number=by_name.get("num"),
        called=by_name.get("called"),
        id=by_name.get("id"),
        uuid=by_name.get("uuid"),
        diverted=by_name.get("desvio"),
    )


def _value(text: str) -> str | None:
    text = storable(text.strip())
    return None if not text or (text.startswith("[") and text.endswith("]")) else text


class StatusType(IntEnum):
    """EventType of a Status event. The manual names no 9, 10, 19 and 20: those, and any other, are shown by number."""

    MESSAGE = 1
    CALL = 2
    ANSWERING_MACHINE = 3
    KEYPAD = 4
    VOICE = 5
    MENU = 6
    END = 7
    GO_TO = 8
    EMAIL = 11
    SMS = 12
    SCRIPT = 13
    START = 14
    TRANSFER = 15
    QUEUE = 16
    QUERY = 17
    CONDITION = 18
    AFTER_DIVERSION = 21


class EventMeaning(StrEnum):
    """What an EventAddInfo holds. Amounts are money without tax, and never added to the call's cost."""

    SECONDS = "seconds"
    AMOUNT = "amount"
    KEYED = "keyed"
    OPTION = "option"
    SMS_NOTICE_COST = "sms_notice_cost"
    RESULT = "result"


INFO: Mapping[StatusType, Mapping[int, EventMeaning]] = {
    StatusType.CALL: {3: EventMeaning.SECONDS, 4: EventMeaning.AMOUNT},
    StatusType.KEYPAD: {1: EventMeaning.KEYED},
    StatusType.MENU: {1: EventMeaning.OPTION},
    StatusType.END: {4: EventMeaning.SMS_NOTICE_COST},
    StatusType.SMS: {4: EventMeaning.AMOUNT},
    StatusType.QUERY: {1: EventMeaning.RESULT},
}
"""Which EventAddInfo (1 to 5) of which type means what. EventName is the destination for CALL, a description elsewhere.
RESULT is `0` or `1`."""


def status_type(number: int | None) -> StatusType | None:
    """Return the type with this number, None where the manual has none: show it by its number."""
    try:
        return StatusType(number) if number is not None else None
    except ValueError:
        return None
