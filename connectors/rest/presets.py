"""Presets: CRMs that are described already, one YAML file each under `connectors/presets/`.

A preset is what stands in a connector's section, without what is the admin's own (the address, the sign-in, the
secrets). The configuration overrides it key by key. What the admin has to give stands under `needs:`, which is no key
of a section.
"""

from __future__ import annotations

import difflib
from copy import deepcopy
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_NEEDS = "needs"
SECRET = "secret"  # noqa: S105 - a word of the presets
"""Stands in `needs:` of a preset where a secret has to be given."""


def shipped() -> Traversable:
    """Return the folder of the presets that come with the bridge."""
    return files("connectors").joinpath("presets")


def names(folder: Traversable) -> list[str]:
    """Return the presets that there are."""
    files_there = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(".yaml") for name in files_there if name.endswith(".yaml"))


def read(name: str, folder: Traversable) -> dict[str, Any]:
    """Return a preset's keys. Raises ValueError where there is none of this name, or it can't be read."""
    value = _whole(name, folder)
    value.pop(_NEEDS, None)
    return value


def needs(name: str) -> dict[str, str]:
    """Return what the admin has to give for a shipped preset, by the way to the key (`auth.token`): an example, which
    may be empty, or `SECRET`. Raises ValueError as `read` does."""
    return dict(_whole(name, shipped()).get(_NEEDS) or {})


def _whole(name: str, folder: Traversable) -> dict[str, Any]:
    available = names(folder)
    if name not in available:
        near = difflib.get_close_matches(name.lower(), available, 1)
        choice = f"there are {', '.join(available)}" if available else "there are none"
        raise ValueError(f"there is no preset {name[:40]}; {f'did you mean {near[0]}?' if near else choice}")
    try:
        value = _parsed(folder.joinpath(f"{name}.yaml").read_text("utf-8"))
    except YAMLError as error:
        raise ValueError(f"the preset {name} can't be read: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"the preset {name} holds no keys")
    return deepcopy(value)


@lru_cache(maxsize=32)
def _parsed(text: str) -> Any:
    """A preset's value, which nobody changes. Parsed once: the pure Python parser takes a tenth of a second for it."""
    return YAML(typ="safe", pure=True).load(text)


def settings(name: str | None) -> frozenset[str]:
    """Return the settings that a shipped preset has a value for, which are no secrets. Raises ValueError as `read`
    does."""
    return frozenset() if name is None else frozenset(read(name, shipped()).get("settings") or {})


def applied(section: Any, folder: Traversable | None = None) -> Any:
    """Return a connector's section on top of the preset that it names, if any; by default one that is shipped. Raises
    ValidationError."""
    if not isinstance(section, dict) or section.get("preset") is None:
        return section
    try:
        return merged(read(str(section["preset"]), folder or shipped()), section)
    except ValueError as error:
        kind = PydanticCustomError("value_error", "{error}", {"error": str(error)})
        wrong = InitErrorDetails(type=kind, loc=("preset",), input=section["preset"])
        raise ValidationError.from_exception_data("preset", [wrong]) from None


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` overridden key by key: maps are merged, anything else takes the place of what was there. A key that is
    null is taken out, and a section of another `type` takes the place of the whole."""
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(before, dict) and isinstance(value, dict) and not _of_another_type(before, value):
            result[key] = merged(before, value)
        else:
            result[key] = value
    return result


def _of_another_type(before: dict[str, Any], value: dict[str, Any]) -> bool:
    return "type" in value and "type" in before and value["type"] != before["type"]
