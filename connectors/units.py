"""Durations and rates as people write them in the configuration: `1500ms`, `2s`, `5m`, `3h`, `90d`; `20/h`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_RATE = re.compile(r"\s*(\d+)\s*/\s*(s|m|h|d)\s*")


def as_written(value: object) -> object:
    """Return a number without quotes, where a text belongs, as it is spelled in the file (00077)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(getattr(value, "text", value))
    return value


def read_by(parse: Callable[[object], object]) -> CoreSchema:
    """Return pydantic's schema of what `parse` makes of a value, raising ValueError for what it can't, and what `str`
    writes."""
    return core_schema.no_info_plain_validator_function(
        parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
    )


class Duration(float):
    """A number of seconds, written with a unit: `5m`."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return the duration written as `2s`, `5m` or `90d`. Raises ValueError, which says what to write."""
        if isinstance(text, cls):
            return text
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if not match:
            raise ValueError("write a number and its unit, such as 1500ms, 2s, 5m, 3h or 90d")
        return cls(float(match[1]) * _SECONDS[match[2]])

    def __str__(self) -> str:
        milliseconds = round(float(self) * 1000, 3)
        for unit, seconds in reversed(_SECONDS.items()):
            count, rest = divmod(milliseconds, seconds * 1000)
            if count and not rest:
                return f"{count:.0f}{unit}"
        return f"{milliseconds:.3f}".rstrip("0").rstrip(".") + "ms"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return read_by(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$",
            "examples": ["1500ms", "2s", "90d"],
        }


class Rate(NamedTuple):
    """At most `times` in `seconds`, written as `10/s`, `20/h` or `3/d`."""

    times: int
    seconds: float

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Return the rate written as `10/s`, `30/m`, `20/h` or `3/d`. Raises ValueError, which says what to write."""
        if isinstance(text, cls):
            return text
        match = _RATE.fullmatch(text) if isinstance(text, str) else None
        if not match or not int(match[1]):
            raise ValueError("write how many and in which time, such as 10/s, 30/m, 20/h or 3/d")
        return cls(int(match[1]), _SECONDS[match[2]])

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in _SECONDS.items() if seconds == self.seconds)
        return f"{self.times}/{unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return read_by(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": r"^\s*\d+\s*/\s*(s|m|h|d)\s*$", "examples": ["10/s", "20/h"]}
