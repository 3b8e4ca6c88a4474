"""The kinds of values that the configuration file holds, beside durations, rates (`connectors.units`) and templates."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema


class Incomplete(ValueError):
    """Keys of one section that do not fit together; `keys` are those that it is about."""

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys


class Section(BaseModel):
    """A part of the file; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=False)


def as_written(value: object) -> object:
    """Return a number without quotes, where a text belongs, as it is spelled in the file (00077)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(getattr(value, "text", value))
    return value


def listed(value: object) -> list[object]:
    """Return a list; one thing where a list may be is a list of one."""
    return value if isinstance(value, list) else [value]


def or_none(value: object) -> object:
    """Return None for `none`, which switches a thing off."""
    return None if value == "none" else value


def section_or_none(value: object) -> object:
    """Return None for `none`, which switches a section off; no other word does."""
    if isinstance(value, (str, bool, int, float)) and value != "none":
        raise ValueError("write none to switch it off, or keys with their values below it")
    return or_none(value)


def _or_unset(value: object) -> object:
    """An empty secret (`${NAME:-}` of a variable that is not set) is none."""
    return None if value == "" else as_written(value)


def _or_two(value: object) -> object:
    """A secret, or a list of two while one takes the other's place; empty ones are none."""
    return [as_written(item) for item in listed(value) if item not in ("", None)]


def _no_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("write a whole number")
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("write an address or a network, such as 203.0.113.7 or 203.0.113.0/24") from None
    return value


def _size(value: object) -> object:
    units = {"": 1, "KI": 1024, "MI": 1024**2}
    match = re.fullmatch(r"\s*+(\d{1,12})\s*+(?:([KM]i)B|B)?\s*+", str(value), re.IGNORECASE)
    if not match or isinstance(value, bool):
        raise ValueError("write a size such as 256KiB or 1MiB")
    return int(match[1]) * units[(match[2] or "").upper()]


_PLAIN = WithJsonSchema({"type": ["string", "number"]})
_HIDDEN = WithJsonSchema({"type": ["string", "number"], "writeOnly": True})

Integer = Annotated[int, BeforeValidator(_no_switch)]
Text = Annotated[str, BeforeValidator(as_written), _PLAIN]
Secret = Annotated[SecretStr, BeforeValidator(as_written), _HIDDEN]
Secrets = Annotated[
    tuple[SecretStr, ...],
    BeforeValidator(_or_two),
    Field(max_length=2),
    WithJsonSchema({"anyOf": [_HIDDEN.json_schema, {"type": "array", "maxItems": 2, "items": _HIDDEN.json_schema}]}),
]
"""None, one, or two of which either will do."""
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_or_unset), _HIDDEN]
Network = Annotated[Text, AfterValidator(_network)]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema({"type": ["string", "integer"], "examples": ["256KiB"]})]
