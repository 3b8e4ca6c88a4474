"""Calls that nobody answered, as the platform tells of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bridge.callbacks import Callback, CallbackFilter, CallbackState
from bridge.infocaller.document import digest, normalised
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.intake.inbox import Inbox
from bridge.store.events import Arrival
from tests.callbacks.world import LINE, World

MADRID = ZoneInfo("Europe/Madrid")
ANA, EVA = "600111222", "600333444"
WAITING, CANCELLED, ACCEPTED = CallbackState.WAITING, CallbackState.CANCELLED, CallbackState.ACCEPTED


def source(*keys: str) -> str:
    """A source of missed calls beside the first one of the world."""
    of_missed = ["from: missed_calls", 'line: "912345678"', "rule_group: missed", "hours: always", *keys]
    return "hours: always\n  - " + "\n    ".join(of_missed)


AFTER = source("after: 10m")


def document(
    here: World, number: str, sequence: str, *, seconds: int, answered: bool, emitted: bool, called: str, idcall: str
) -> Document:
    start = (here.now - timedelta(seconds=seconds)).astimezone(MADRID).replace(tzinfo=None, microsecond=0)
    talked = str(seconds) if answered else "0"
    status = () if emitted else (StatusEvent(2, start, "101", ("", "", talked, "0", "")),)
    parties: dict[str, Any] = (
        {"outbound_number": number} if emitted else {"caller_number": number, "inbound_number": called}
    )
    whole: dict[str, Any] = {
        "call_type": "E" if emitted else "R", "idcall": idcall, "start": start, "status": status,
        "seconds": seconds if answered or not emitted else 0,
        "end": here.now.astimezone(MADRID).replace(tzinfo=None, microsecond=0),
    }  # fmt: skip
    return Document(Format.JSON, LINE, sequence, **whole, **parties)


def heard(
    here: World,
    sequence: str,
    number: str = ANA,
    *,
    answered: bool = False,
    emitted: bool = False,
    called: str = LINE,
    idcall: str = "",
    event: str = "fin",
) -> Arrival:
    """What the platform tells of a call of half a minute that ends now; of one that goes on, with another event."""
    told = document(
        here, number, sequence, seconds=30, answered=answered, emitted=emitted, called=called, idcall=idcall
    )
    return Arrival(
        LINE, sequence, event, f"{event}{digest(told)}"[:60], here.now, "", normalised(told),
        diverted_to="101" if event.startswith("desvio") else "", e164="" if number == "X" else f"+34{number}",
    )  # fmt: skip


def call(here: World, sequence: str, number: str = ANA, *, work: bool = True, **how: Any) -> None:
    """The platform tells of a call; `how`: see `heard`."""
    inbox = Inbox(here.database, here.queue)
    try:
        inbox.keep(heard(here, sequence, number, **how))
    finally:
        inbox.close()
    if work:
        here.work()


def tasks(here: World) -> list[Callback]:
    """Those of missed calls, in order."""
    return here.desk.queries.find(CallbackFilter(source="missed_calls"))[::-1]


def one(here: World) -> Callback:
    [callback] = tasks(here)
    return callback


def rung(here: World) -> list[str]:
    return [entry.number for entry in here.platform.ledger.rung]
