"""Ways into the file (`Loc`) and what is wrong there, as `Fault`s with line and column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bridge.config.nodes import Mark
from bridge.config.source import Items, Loc, Source, Wrong
from bridge.errors import Fault

_SIMPLE = re.compile(r"[^\s.\[\]]+( [^\s.\[\]]+)*")
_SHORT = 8


def dotted(loc: Loc) -> str:
    """Return a place as `queries.DESVIO.find.contact.phone`, `lines[0].number`; a key with a dot in it is put in
    `["…"]`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _SIMPLE.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part[:60]}"]'
    return text


def follow(loc: Loc, value: Any, *, new_key: bool = False) -> tuple[Loc, Loc]:
    """Return where a model's `loc` is in this value, and where that was in the file. Steps that the value does not have
    are left out: a list's position where one thing stands in its place, the name of a kind. With `new_key` the last
    step is a key that is not there."""
    in_value: list[str | int] = []
    in_file: list[str | int] = []
    for at, part in enumerate(loc):
        if isinstance(value, dict) and part in value:
            in_value.append(part)
            in_file.append(part)
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            in_value.append(part)
            in_file.append(value.origin[part] if isinstance(value, Items) else part)
            value = value[part]
        elif new_key and at == len(loc) - 1 and isinstance(part, str):
            in_value.append(part)
            in_file.append(part)
    return tuple(in_value), tuple(in_file)


def follow_in(value: Any, loc: Loc) -> Any:
    """Return what is at `loc`, which is there."""
    for part in loc:
        value = value[part]
    return value


def remove(value: Any, loc: Loc) -> None:
    """Take what is at `loc` (one that is there) out of the value; what comes after it in a list keeps its origin."""
    value = follow_in(value, loc[:-1])
    if isinstance(value, Items) and isinstance(loc[-1], int):
        del value.origin[loc[-1]]
    del value[loc[-1]]


def within(loc: Loc, outer: Loc) -> bool:
    """Return whether `loc` is `outer` or inside it."""
    return loc[: len(outer)] == outer


def located(
    file: str, source: Source, wrong: Iterable[Wrong], filled: Mapping[str, str], secrets: Iterable[str] = ()
) -> list[Fault]:
    """Return the faults, with their places. `filled` is what `${}` put in, by how it was written: none of it is shown
    where it was put in. `secrets` are shown nowhere."""
    never = dict.fromkeys(secrets, "•••")
    return [
        _fault(file, source, fault, {value: written for written, value in filled.items()}, never) for fault in wrong
    ]


def _fault(file: str, source: Source, wrong: Wrong, filled: Mapping[str, str], secrets: Mapping[str, str]) -> Fault:
    place = source.place(wrong.loc)
    exact = wrong.loc in source.places
    mark = place.key if place.key is not None and (wrong.at_key or not exact) else place.value
    text = hidden(hidden(wrong.text, filled) if place.filled else wrong.text, secrets)
    return Fault(file, *mark, dotted(wrong.loc), text)


def hidden(text: str, words: Mapping[str, str]) -> str:
    """Return the text with other words for what must not be seen; short values are changed only where they stand
    alone."""
    for value, written in sorted(words.items(), key=lambda item: -len(item[0])):
        for spelled in {value, repr(value)[1:-1]} - {""}:
            if len(spelled) >= _SHORT:
                text = text.replace(spelled, written)
            else:
                text = re.sub(rf"(?<!\w){re.escape(spelled)}(?!\w)", written.replace("\\", r"\\"), text)
    return text


def at(file: str, mark: Mark, loc: Loc, text: str) -> Fault:
    """Return a fault at a place that is known."""
    return Fault(file, *mark, dotted(loc), text)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return each fault once, in the order of the file."""
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.column, fault.path, fault.text)))
