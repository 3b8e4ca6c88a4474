"""Documents without what must not be stored, shown or logged: signatures, and the values of sensitive variables.

The telephone password follows from a signature in a moment, and the same password signs emissions, which cost money.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import cast

from bridge.errors import ProtocolError
from bridge.infocaller import json_document, request, xml_document
from bridge.infocaller.events import StatusType
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.infocaller.reading import read_text
from bridge.infocaller.tree import Leaf
from bridge.infocaller.values import whole

SIGNATURES = frozenset({"signature", "firma"})

_LEAVES: dict[Format, Callable[[str], list[Leaf] | None]] = {
    Format.JSON: json_document.leaves,
    Format.XML: xml_document.leaves,
}
_PLAIN: dict[Format, Callable[[str], bool]] = {Format.JSON: json_document.plain, Format.XML: xml_document.plain}
_SPELLED = {Format.JSON: 1, Format.XML: 2}
"""How often a value's name stands there: with XML, in the end tag too."""
_NOTHING = {Format.JSON: '""', Format.XML: ""}
_FIELDS = frozenset(
    {
        "linenumber",
        "linenumberint",
        "callsequence",
        "calltype",
        "callernumber",
        "callernumberint",
        "inboundnumber",
        "inboundnumberint",
        "outboundnumber",
        "outboundnumberint",
        "idcall",
        "queryname",
        "callseconds",
        "startdate",
        "enddate",
        "costrx",
        "costtx",
        "varname",
        "varvalue",
        "eventtype",
        "eventdate",
    }
)
_COLLECTED = frozenset({StatusType.KEYPAD, StatusType.VOICE})
_TELLING = 4  # a secret of fewer characters is found everywhere: it is looked for as a whole value only


def without(document: Document, sensitive: Collection[str]) -> Document:
    """The document without its signature, its source and the values of the variables named in `sensitive` (any case).

    FIN lists what was keyed in as well (Status, types 4 and 5), and of earlier values of a variable nothing says whose
    they were: where there is any sensitive variable, what was keyed in stays only if it is the value of one that is
    not sensitive.
    """
    secrets = _Secrets(document, sensitive)
    return replace(
        document,
        signature="",
        source="",
        variables={name: "" if name in secrets.names else value for name, value in document.variables.items()},
        status=tuple(map(secrets.event, document.status)),
        extra={
            path: value
            for path, value in document.extra.items()
            if not any(map(secrets.named, re.split(r"[.\[]", path))) and not secrets.inside(value)
        },
    )


def redact(document: Document, sensitive: Collection[str] = ()) -> str:
    """The document's text as it was received, but without what `without` takes out.

    The result is read again and compared. Where it is not exactly that, or a secret stands in it somewhere still, or
    the source is not there any more, the text is written anew from what was read, so that nothing unforeseen is left.
    """
    cleared = without(document, sensitive)
    secrets = _Secrets(document, sensitive)
    text = _cut_out(document, secrets) or _blanked(document, secrets)
    if text is not None and not secrets.inside(text) and _reads_as(text, cleared):
        return text
    return request.text(cleared, document.format)


def _reads_as(text: str, expected: Document) -> bool:
    try:
        return replace(read_text(text), source="", repairs=expected.repairs) == expected
    except ProtocolError:
        return False


def _cut_out(document: Document, secrets: _Secrets) -> str | None:
    """The source without the signature, where nothing else can have to go: what nearly every document comes to where no
    variable is sensitive, for a small part of what finding each value's place costs. None for any other."""
    text, signature = document.source, document.signature
    if secrets.names or document.repairs or len(signature) < _TELLING or not _PLAIN[document.format](text):
        return None
    small = text.lower()
    once = text.count(signature) == 1 == small.count(signature.lower())
    named = sum(map(small.count, SIGNATURES)) == _SPELLED[document.format]
    return text.replace(signature, "") if once and named else None


def _blanked(document: Document, secrets: _Secrets) -> str | None:
    leaves = _LEAVES[document.format](document.source) if document.source else None
    if leaves is None:
        return None
    owners: dict[int, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        owners[leaf.owner].append(leaf)
    hidden = [leaf for siblings in owners.values() for leaf in secrets.hidden(siblings)]
    pieces: list[str] = []
    done = 0
    for leaf in sorted(hidden, key=lambda leaf: leaf.span):
        pieces += (document.source[done : leaf.span[0]], "" if leaf.name in "!?" else _NOTHING[document.format])
        done = leaf.span[1]
    return "".join((*pieces, document.source[done:]))


class _Secrets:
    """What is secret about one document, and where it shows."""

    def __init__(self, document: Document, sensitive: Collection[str]) -> None:
        self.names = frozenset(name.strip().upper() for name in sensitive)
        variables = document.variables.items()
        self._values = {value.strip() for name, value in variables if name in self.names and value.strip()}
        self._harmless = {value.strip() for name, value in variables if name not in self.names} - self._values
        self._long = {value for value in self._values if len(value) >= _TELLING}
        self._signature = document.signature.lower()
        if len(self._signature) >= _TELLING:
            self._long.add(document.signature)

    def named(self, name: str) -> bool:
        """Whether a value of this name is always secret."""
        return name.lower() in SIGNATURES

    def inside(self, text: str) -> bool:
        """Whether a secret stands in `text`."""
        if not text:
            return False
        if text.strip() in self._values or any(secret in text for secret in self._long):
            return True
        return len(self._signature) >= _TELLING and self._signature in text.lower()

    def collected(self, kind: int | None, text: str) -> bool:
        """Whether `text`, an EventAddInfo1, is something keyed in or said that nothing shows to be harmless."""
        return bool(self.names) and kind in _COLLECTED and text not in self._harmless

    def event(self, event: StatusEvent) -> StatusEvent:
        """The event without secrets."""
        info = ["" if self.inside(text) else text for text in event.info]
        if self.collected(event.type, info[0]):
            info[0] = ""
        name = "" if self.inside(event.name) else event.name
        if name == event.name and tuple(info) == event.info:
            return event
        return replace(event, name=name, info=cast(tuple[str, str, str, str, str], tuple(info)))

    def hidden(self, siblings: Iterable[Leaf]) -> Iterable[Leaf]:
        """Which of the values of one object have to go."""
        values = {leaf.name: leaf.value.strip() for leaf in siblings}
        kind = values.get("eventtype", "")
        for leaf in siblings:
            if (
                leaf.name in ("!", "?")
                or self.named(leaf.name)
                or (leaf.name == "varvalue" and values.get("varname", "").upper() in self.names)
                or (leaf.name == "eventaddinfo1" and self.collected(whole(kind), leaf.value.strip()))
                or (leaf.name not in _FIELDS and self.inside(leaf.value))
            ):
                yield leaf
