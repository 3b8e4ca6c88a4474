"""From the values of a file to a `Configuration`, telling of every fault at once.

What is faulty is taken out and the rest is read again, so that the checks of the whole file still run on what is good.
Nothing that such a shortened configuration says is believed where something was taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.config.faults import follow, follow_in, remove, within
from bridge.config.kinds import Incomplete
from bridge.config.messages import message
from bridge.config.model import Configuration
from bridge.config.sections import keys_of, model_at, near
from bridge.config.source import Items, Loc, Source, Wrong
from connectors import registry
from connectors.base import ConnectorOptions, Misconfigured

_ROUNDS = 60
_STAND_INS: tuple[tuple[str, ...], ...] = (("lines", "*", "number"), ("lines", "*", "password"))
"""What a line must have, but can be checked without."""


class _Complaint(NamedTuple):
    """One fault, and what has to go for the rest to be read (empty: nothing can). `keys`: see `Incomplete`. `meant`:
    the key that an unknown one stands for; that it is missing need not be said as well."""

    wrong: Wrong
    gone: Loc
    keys: tuple[str, ...] = ()
    meant: str | None = None
    missing: bool = False


@dataclass(slots=True)
class Validated:
    """What came of a file: the configuration (None where nothing is left), what is wrong, and what was taken out."""

    source: Source
    configuration: Configuration | None = None
    wrong: list[Wrong] = field(default_factory=list)
    gone: set[Loc] = field(default_factory=set)

    def touched(self, loc: Loc) -> bool:
        """Return whether something was taken out at `loc`, inside it or around it."""
        return any(within(loc, gone) or within(gone, loc) for gone in self.gone)

    def lost(self, loc: Loc) -> bool:
        """Return whether what is at `loc` was taken out."""
        return any(within(loc, gone) for gone in self.gone)


def validate(source: Source) -> Validated:
    """Read the values of a file; `source.value` is shortened by what is faulty."""
    result = Validated(source, wrong=list(source.wrong), gone={wrong.loc for wrong in source.wrong})
    if not isinstance(source.value, dict):
        result.wrong.append(Wrong((), "a configuration is made of keys with values, such as lines: and queries:"))
        return result
    meant: set[Loc] = set()
    for turn in range(_ROUNDS):
        result.configuration, complaints = _attempt(source)
        if not complaints:
            break
        meant |= {(*complaint.wrong.loc[:-1], complaint.meant) for complaint in complaints if complaint.meant}
        new = (complaint for complaint in complaints if not _meant(complaint, meant))
        result.wrong += [complaint.wrong for complaint in new if not _follows(complaint, result, first=turn == 0)]
        _shorten(source.value, complaints, result)
    return result


def _meant(complaint: _Complaint, meant: set[Loc]) -> bool:
    """Whether what is missing is there under a misspelled key, of which another complaint tells."""
    loc = complaint.wrong.loc
    return (complaint.missing and loc in meant) or any((*loc, key) in meant for key in complaint.keys)


def _follows(complaint: _Complaint, result: Validated, *, first: bool) -> bool:
    """Whether it only complains of what was taken out before."""
    loc = complaint.wrong.loc
    if complaint.keys:
        return any(result.touched((*loc, key)) for key in complaint.keys) or result.lost(loc)
    return result.lost(loc) if first else result.touched(loc)


def _shorten(value: dict[str, Any], complaints: list[_Complaint], result: Validated) -> None:
    """Take out what is faulty, the last and innermost first, so that positions stay right."""
    wanting = [
        complaint for complaint in complaints if complaint.missing and _matches_at(complaint.wrong.loc, _STAND_INS)
    ]
    for complaint in wanting:  # the rest of the line is still worth a look
        follow_in(value, complaint.gone)[str(complaint.wrong.loc[-1])] = "0"
        result.gone.add(complaint.wrong.loc)
    for loc in sorted(
        {complaint.gone for complaint in complaints if complaint not in wanting}, key=_last_first, reverse=True
    ):
        if not loc:  # without lines nothing can be read: any line lets the rest be checked
            value["lines"] = Items([{"number": "0", "password": "0"}])
            value["lines"].origin = [0]
            result.gone.add(("lines",))
        elif follow(loc, value)[0] == loc:
            result.gone.add(follow(loc, value)[1])
            remove(value, loc)


def _matches_at(loc: Loc, patterns: tuple[tuple[str, ...], ...]) -> bool:
    return any(len(loc) == len(pattern) and all(want in ("*", part) for part, want in zip(loc, pattern, strict=True))
               for pattern in patterns)  # fmt: skip


def _last_first(loc: Loc) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in loc)


def _attempt(source: Source) -> tuple[Configuration | None, list[_Complaint]]:
    value = dict(source.value)
    complaints: list[_Complaint] = []
    if isinstance(value.get("connectors"), dict):
        value["connectors"] = dict(_connectors(value["connectors"], source, complaints))
    try:
        configuration = Configuration.model_validate(value)
    except ValidationError as error:
        complaints += _complaints(error, (), source)
        return None, complaints
    return (None if complaints else configuration), complaints


def _connectors(
    sections: dict[str, Any], source: Source, complaints: list[_Complaint]
) -> Iterator[tuple[str, ConnectorOptions]]:
    """The sections of connectors that are good, by name; each is read as its `type` wants it."""
    types = registry.installed()
    for name, section in sections.items():
        loc: Loc = ("connectors", name)
        kind = section.get("type") if isinstance(section, dict) else None
        if not isinstance(section, dict):
            text = f"write the connector's keys below it, such as type: {min(types.names, default='csv')}"
            complaints.append(_Complaint(Wrong(loc, text), loc))
        elif kind is None:
            text = f"is missing: which kind of connector this is, one of {', '.join(types.names)}"
            complaints.append(_Complaint(Wrong((*loc, "type"), text), loc))
        else:
            try:
                yield name, types.connector(str(kind)).Options.model_validate(section)
            except Misconfigured as error:
                complaints.append(_Complaint(Wrong((*loc, "type"), str(error)), loc))
            except ValidationError as error:
                complaints += _complaints(error, loc, source)


def _complaints(error: ValidationError, outer: Loc, source: Source) -> Iterator[_Complaint]:
    for details in _likeliest(error.errors(include_url=False), outer, source.value):
        yield _complaint(details, (*outer, *details["loc"]), source)


def _complaint(error: ErrorDetails, loc: Loc, source: Source) -> _Complaint:
    missing = error["type"] == "missing"
    in_value, in_file = follow(loc, source.value, new_key=missing)
    if error["type"].startswith("union_tag_"):
        key = str(error.get("ctx", {}).get("discriminator", "")).strip("'")
        in_file = (*in_file, key)
    section = model_at(in_file[:-1], source.value)
    text = message(error, section=section, place=source.place(in_file), loc=in_file)
    cause = error.get("ctx", {}).get("error")
    keys = cause.keys if isinstance(cause, Incomplete) else ()
    unknown = error["type"] == "extra_forbidden"
    meant = near(str(in_file[-1]), keys_of(section)) if unknown and section and in_file else None
    return _Complaint(
        Wrong(in_file, text, at_key=unknown), in_value[:-1] if missing else in_value, keys, meant, missing
    )


def _likeliest(errors: list[ErrorDetails], outer: Loc, value: Any) -> Iterator[ErrorDetails]:
    """Of a value that may be of several kinds, pydantic tells what keeps it from being each of them: only the kind
    that it comes nearest to is told."""
    branches: dict[Loc, dict[str, list[ErrorDetails]]] = {}
    for error in errors:
        kind_at = _kind_at((*outer, *error["loc"]), value, missing=error["type"] == "missing")
        if kind_at is None:
            yield error
        else:
            loc = (*outer, *error["loc"])
            branches.setdefault(loc[:kind_at], {}).setdefault(str(loc[kind_at]), []).append(error)
    for kinds in branches.values():
        yield from max(kinds.values(), key=lambda kind: (max(len(error["loc"]) for error in kind), -len(kind)))


def _kind_at(loc: Loc, value: Any, *, missing: bool) -> int | None:
    """The position of the first step that names a kind, not a key; None where there is none."""
    for at, part in enumerate(loc):
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, dict) and part in value):
            value = value[part]
        elif isinstance(part, str) and not (missing and at == len(loc) - 1):
            return at
    return None
