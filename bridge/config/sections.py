"""The sections of the configuration by the way to them: which keys each may hold, and where a key belongs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.config.model import Configuration
from bridge.config.source import Loc
from connectors import registry
from connectors.base import Misconfigured

_CONNECTOR_DEPTH = 2


def near(word: str, words: Iterable[str], least: float = 0.6) -> str | None:
    """Return the one of `words` that was probably meant, None where none is near."""
    spelled = {_plain(name): name for name in sorted(words, reverse=True)}
    if _plain(word) in spelled:
        return spelled[_plain(word)]
    matches = difflib.get_close_matches(_plain(word), spelled, 1, least)
    return spelled[matches[0]] if matches else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def meant(word: str, words: Iterable[str], what: str = "there are") -> str:
    """Return `did you mean …?`, or what there is, to be put at the end of a sentence."""
    names = sorted(words)
    nearest = near(word, names)
    if nearest:
        return f"did you mean {nearest}?"
    if not names:
        return f"{what} none"
    if len(names) == 1 and what == "there are":
        return f"there is only {names[0]}"
    return f"{what} {', '.join(names[:12])}{' …' if len(names) > 12 else ''}"


def key_of(name: str, info: FieldInfo) -> str:
    """Return a field's name as the file writes it."""
    return info.alias or name


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the keys that a section may hold."""
    return {key_of(name, info): info for name, info in model.model_fields.items()}


def model_at(loc: Loc, value: Any) -> type[BaseModel] | None:
    """Return the section at `loc` of a configuration with this value; None where there is none (a table of the admin's
    own names, a text)."""
    if len(loc) >= _CONNECTOR_DEPTH and loc[0] == "connectors":
        kind = _type_of(value, str(loc[1]))
        try:
            models = _walk(registry.installed().connector(kind).Options, loc[_CONNECTOR_DEPTH:])
        except Misconfigured:
            models = []
    else:
        models = _walk(Configuration, loc)
    return _fitting(models, _value_at(value, loc))


def _value_at(value: Any, loc: Loc) -> Any:
    for part in loc:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _fitting(models: list[type[BaseModel]], value: Any) -> type[BaseModel] | None:
    """Of the sections that may stand in a place, the one that this value was meant for: by its type, then its keys."""
    keys = value if isinstance(value, Mapping) else {}

    def likeness(model: type[BaseModel]) -> tuple[bool, int]:
        kind = model.model_fields.get("type")
        named = kind is not None and keys.get("type") in get_args(kind.annotation)
        return named, len(keys_of(model).keys() & keys.keys())

    return max(models, key=likeness, default=None)


def _type_of(value: Any, connector: str) -> str:
    sections = value.get("connectors") if isinstance(value, Mapping) else None
    section = sections.get(connector) if isinstance(sections, Mapping) else None
    return str(section.get("type", "")) if isinstance(section, Mapping) else ""


def _walk(start: Any, loc: Loc) -> list[type[BaseModel]]:
    annotations: list[Any] = [start]
    for part in loc:
        annotations = [inner for annotation in annotations for inner in _inner(annotation, part)]
    return [model for annotation in annotations for model in models_in(annotation)]


def _inner(annotation: Any, part: str | int) -> Iterator[Any]:
    """What stands under a key or a position of something annotated so."""
    for alternative in alternatives(annotation):
        origin, arguments = get_origin(alternative), get_args(alternative)
        if isinstance(alternative, type) and issubclass(alternative, BaseModel):
            info = keys_of(alternative).get(str(part))
            if info is not None:
                yield info.annotation
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            yield arguments[1]
        elif isinstance(origin, type) and issubclass(origin, Sequence):
            # one thing may stand where a list is: then there is no position
            yield from [arguments[0]] if isinstance(part, int) else _inner(arguments[0], part)


def alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, without what only annotates them."""
    if get_origin(annotation) is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif _is_union(annotation):
        for member in get_args(annotation):
            yield from alternatives(member)
    else:
        yield annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that may stand where this annotation does, in a list or alone."""
    for alternative in alternatives(annotation):
        origin = get_origin(alternative)
        if isinstance(alternative, type) and issubclass(alternative, BaseModel):
            yield alternative
        elif isinstance(origin, type) and issubclass(origin, Sequence):
            yield from models_in(get_args(alternative)[0])


@cache
def homes() -> Mapping[str, tuple[str, ...]]:
    """Return where each key belongs: key → sections as people write them (`server:`, `queries.NAME.find.NAME:`)."""
    paths_of: dict[str, list[str]] = {}
    for path, model in sections():
        for key in keys_of(model):
            paths_of.setdefault(key, []).append(path)
    return {key: tuple(paths) for key, paths in paths_of.items()}


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section of the file but those of connectors, outer before inner, with its path (empty for the
    whole)."""
    yield from _below("", Configuration)


def _below(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for key, info in keys_of(model).items():
        if (path, key) == ("", "connectors"):
            continue
        for suffix, inner in parts_of(info.annotation):
            yield from _below(f"{path}.{key}{suffix}".lstrip("."), inner)


def parts_of(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections that something annotated so may hold, each with the way to it (`.NAME`, `[]`, or nothing)."""
    for alternative in alternatives(annotation):
        origin, arguments = get_origin(alternative), get_args(alternative)
        if isinstance(alternative, type) and issubclass(alternative, BaseModel):
            yield "", alternative
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            yield from ((f".NAME{suffix}", inner) for suffix, inner in parts_of(arguments[1]))
        elif isinstance(origin, type) and issubclass(origin, Sequence):
            yield from ((f"[]{suffix}", inner) for suffix, inner in parts_of(arguments[0]))
