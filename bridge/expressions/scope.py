"""What `{{ }}` sees of a call, the same in every flow: `caller`, `called`, `line`, `call`, `vars`; and `| dial`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from bridge.config.dial import may_dial
from bridge.config.model import Line
from bridge.infocaller.events import StatusType
from bridge.store.folded import FoldedCall
from connectors.filters import NotDialable
from connectors.phone import Phone, parse


class Variables(Mapping[str, str]):
    """The variables of a call (CustVars). Names match in any case; one that did not come is simply not there."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.upper(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.upper()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.upper() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class LineView:
    """A line as expressions see it; prints as its number. `rules` (whom it may dial) they don't see."""

    visible: ClassVar[frozenset[str]] = frozenset({"number", "country", "timezone"})

    def __init__(self, line: Line) -> None:
        self.number = line.number
        self.country = line.country
        self.timezone = line.timezone
        self.rules = line

    def __str__(self) -> str:
        return self.number

    def dial(self, value: object) -> str:
        """Return the number in E.164 if this line may dial it, or one of the line's extensions as it is. Raises
        `NotDialable`."""
        text = "" if value is None else str(value).strip()
        if text in self.rules.extensions:
            return text
        phone = value if isinstance(value, Phone) else parse(text, self.country)
        reason = may_dial(phone, self.rules)
        if reason is not None:
            raise NotDialable(str(reason))
        return phone.e164


def call_view(call: FoldedCall, event: str = "", diverted: str = "") -> dict[str, object]:
    """Return a call as expressions see it (`call.`): times are aware, a diversion is its number. `event` is the one
    that an activity is about, empty where it is about the whole call."""
    seen = ("id", "uuid", "number_id", "direction", "idcall", "seconds", "start", "end", "cost", "cost_rx", "cost_tx")
    return {
        **{name: getattr(call, name) for name in seen},
        "query": "",
        "event": event,
        "diverted": diverted,
        "answered": call.answered,
        "answered_by": call.answered_by,
        "diversions": [diversion.to for diversion in call.diversions],
        "complete": call.over,
        "events": call.events_json(),
        "menus": {event.name: event.info[0] for event in call.events if event.type == StatusType.MENU},
        "outcome": "",
    }


def of_call(
    line: Line, caller: Phone, called: str, call: Mapping[str, object], variables: Mapping[str, str]
) -> dict[str, object]:
    """Return the names that every expression about a call sees. `called` is our own number as the platform writes
    it."""
    return {
        "caller": caller,
        "called": parse(called, line.country),
        "line": LineView(line),
        "call": call,
        "vars": Variables(variables),
    }
