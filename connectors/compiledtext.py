"""Texts of the configuration that are compiled when they are read: templates, paths, JMESPaths, SQL statements."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from connectors.units import as_written, read_by


class CompiledText:
    """A text that is compiled when it is read: in `__init__`, which raises ValueError for what can't be.

    Attributes:
        source: The text, as the configuration has it. Two of the same are equal.
        expected: What to write, said to whoever wrote no text.
    """

    __slots__ = ("source",)

    expected: ClassVar[str] = "write a text"

    def __init__(self, source: str) -> None:
        self.source = source

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    def __str__(self) -> str:
        return self.source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return what the configuration's value makes; a number is the text that it was spelled as. Raises ValueError,
        which says what to write."""
        if isinstance(value, cls):
            return value
        text = as_written(value)
        if not isinstance(text, str):
            raise ValueError(cls.expected)
        made: Self = _compiled(cls, text)  # type: ignore[arg-type]  # mypy takes a class's __hash__ for the class's own
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return read_by(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "description": cls.expected}


@lru_cache(maxsize=4096)
def _compiled(kind: Callable[[str], Any], text: str) -> Any:
    """The compiled text. It never changes, so that one serves wherever the text stands, and after each change of the
    file again: compiling is a large part of what reading a configuration takes."""
    return kind(text)
