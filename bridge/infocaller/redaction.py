"""Documents without what must not be stored, shown or logged: signatures, and the values of sensitive variables.

The telephone password follows from a signature in a moment, and the same password signs emissions, which cost money.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from typing import cast

from msgspec.structs import replace

from bridge.infocaller.events import StatusType
from bridge.infocaller.messages import Document, StatusEvent

SIGNATURES = frozenset({"signature", "firma"})
_COLLECTED = frozenset({StatusType.KEYPAD, StatusType.VOICE})
_TELLING = 4  # a secret of fewer characters is found everywhere: it is looked for as a whole value only


def without(document: Document, sensitive: Collection[str]) -> Document:
    """Return the document without its signature, its source and the values of the variables named in `sensitive` (any
    case).

    FIN lists what was keyed in as well (Status, types 4 and 5), and of earlier values of a variable nothing says whose
    they were: where there is any sensitive variable, what was keyed in stays only if it is the value of one that is
    not sensitive.
    """
    secrets = Secrets(document, sensitive)
    return replace(
        document,
        signature="",
        source="",
        variables=secrets.variables(),
        status=tuple(map(secrets.event, document.status)),
        extra={
            path: value
            for path, value in document.extra.items()
            if not any(map(secrets.named, re.split(r"[.\[]", path)))
            and not (secrets.inside(value) or secrets.signed(path))
        },
    )


def harmless(document: Document, names: frozenset[str]) -> bool:
    """Return whether no variable of the document is secret, by the names (in capitals) of those that are, and none
    holds its signature."""
    signature = document.signature.lower()
    if len(signature) < _TELLING:
        return names.isdisjoint(document.variables)
    for name, value in document.variables.items():
        if name in names or signature in value.lower() or signature in name.lower():
            return False
    return True


class Secrets:
    """What is secret about one document, and where it shows. `sensitive`: names of variables, in any case."""

    def __init__(self, document: Document, sensitive: Collection[str]) -> None:
        self._variables = document.variables
        self.names = frozenset(name.strip().upper() for name in sensitive)
        variables = document.variables.items()
        self._values = {value.strip() for name, value in variables if name in self.names and value.strip()}
        self._harmless = {value.strip() for name, value in variables if name not in self.names} - self._values
        self._long = {value for value in self._values if len(value) >= _TELLING}
        self._signature = document.signature.lower()
        if len(self._signature) >= _TELLING:
            self._long.add(document.signature)

    def variables(self) -> dict[str, str]:
        """Return the document's variables; of those that are secret the value is empty."""
        return {
            name: "" if name in self.names or self.signed(value) else value
            for name, value in self._variables.items()
            if not self.signed(name)
        }

    def without(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return other values by name, such as those of an answer; of those that are or hold a secret the value is
        empty."""
        return {
            name: "" if name.upper() in self.names or self.inside(value) else value for name, value in values.items()
        }

    def shown(self, text: str) -> str:
        """Return the text, or nothing where a secret stands in it."""
        return "" if self.inside(text) else text

    def named(self, name: str) -> bool:
        """Whether a value of this name is always secret."""
        return name.lower() in SIGNATURES

    def inside(self, text: str) -> bool:
        """Whether a secret stands in `text`."""
        if not text:
            return False
        if text.strip() in self._values or any(secret in text for secret in self._long):
            return True
        return self.signed(text)

    def signed(self, text: str) -> bool:
        """Whether the signature stands in `text`."""
        return len(self._signature) >= _TELLING and self._signature in text.lower()

    def collected(self, kind: int | None, text: str) -> bool:
        """Whether `text`, an EventAddInfo1, is something keyed in or said that nothing shows to be harmless."""
        return bool(self.names) and kind in _COLLECTED and text not in self._harmless

    def event(self, event: StatusEvent) -> StatusEvent:
        """Return the event without secrets."""
        info = ["" if self.inside(text) else text for text in event.info]
        if self.collected(event.type, info[0]):
            info[0] = ""
        name = "" if self.inside(event.name) else event.name
        if name == event.name and tuple(info) == event.info:
            return event
        return dataclasses.replace(event, name=name, info=cast(tuple[str, str, str, str, str], tuple(info)))
