"""What the events of a call came to, as it is kept with the call and with each activity that has to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from bridge.infocaller.messages import StatusEvent


@dataclass(frozen=True, slots=True)
class Diversion:
    """To whom a call was put through (empty: not said), whether it was answered, and when; None: not known."""

    to: str
    answered: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class FoldedCall:
    """The events of one call as one call. `bridge.config.checks.expressions` says what expressions see of it.

    `id` is CallSequence; `uuid` and `number_id` are the panel's. `caller` is the other party as the platform writes it,
    `e164` its number (empty: none, or `hidden`); `called` is ours. Times are aware, those of `events` the line's local
    time; amounts are without tax; None: not known. `answered` is None where nobody was to be reached. `over`: its FIN
    came; `incomplete`: it never did. `heard`: the names of the events.
    """

    id: str = ""
    uuid: str = ""
    number_id: str = ""
    line: str = ""
    direction: str = ""
    idcall: str = ""
    caller: str = ""
    called: str = ""
    e164: str = ""
    hidden: bool = False
    start: datetime | None = None
    end: datetime | None = None
    seconds: int | None = None
    cost: Decimal | None = None
    cost_rx: Decimal | None = None
    cost_tx: Decimal | None = None
    over: bool = False
    incomplete: bool = False
    answered: bool | None = None
    answered_by: str = ""
    diversions: tuple[Diversion, ...] = ()
    vars: Mapping[str, str] = field(default_factory=dict)
    events: tuple[StatusEvent, ...] = ()
    heard: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is kept: times in ISO 8601, amounts as text."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "start": _iso(self.start),
            "end": _iso(self.end),
            "cost": _text(self.cost),
            "cost_rx": _text(self.cost_rx),
            "cost_tx": _text(self.cost_tx),
            "diversions": [
                {"to": diversion.to, "answered": diversion.answered, "at": _iso(diversion.at)}
                for diversion in self.diversions
            ],
            "vars": dict(self.vars),
            "events": self.events_json(),
            "heard": list(self.heard),
        }

    def events_json(self) -> list[dict[str, Any]]:
        """Return what happened in the call, as the platform listed it."""
        return [
            {"type": event.type, "at": _iso(event.at), "name": event.name, "info": list(event.info)}
            for event in self.events
        ]

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `to_json` gave, of this version or another: what this one has no name for is left out."""
        return cls(
            **{
                **{name: kept[name] for name in cls.__slots__ if name in kept},
                "start": _moment(kept.get("start")),
                "end": _moment(kept.get("end")),
                "cost": _decimal(kept.get("cost")),
                "cost_rx": _decimal(kept.get("cost_rx")),
                "cost_tx": _decimal(kept.get("cost_tx")),
                "diversions": tuple(
                    Diversion(entry["to"], entry["answered"], _moment(entry["at"]))
                    for entry in kept.get("diversions", ())
                ),
                "events": tuple(_event(entry) for entry in kept.get("events", ())),
                "heard": tuple(kept.get("heard", ())),
            }
        )


def _event(kept: Mapping[str, Any]) -> StatusEvent:
    first, second, third, fourth, fifth = [*kept["info"], "", "", "", "", ""][:5]
    return StatusEvent(kept["type"], _moment(kept["at"]), kept["name"], (first, second, third, fourth, fifth))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _text(money: Decimal | None) -> str | None:
    return None if money is None else f"{money:f}"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None
