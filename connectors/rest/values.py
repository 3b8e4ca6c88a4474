"""The kinds of values that a `rest` section holds, each compiled when the configuration is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from connectors.compiledtext import CompiledText
from connectors.expression import Template
from connectors.units import as_written

Scope: TypeAlias = Mapping[str, object]
Loc: TypeAlias = tuple[str | int, ...]
_DEEPEST = 50


class RestSection(BaseModel):
    """A part of the section; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Unfit(ValueError):
    """A JMESPath can't be worked out on the values at hand; the message says why."""


def listed(value: object) -> object:
    """Return a list; one thing where a list may be is a list of one."""
    return value if isinstance(value, list) else [value]


def _size(value: object) -> object:
    match = re.fullmatch(r"\s*(\d{1,6})\s*(k|M)B\s*", str(value))
    if not match:
        raise ValueError("write a size such as 500kB or 5MB")
    return int(match[1]) * {"k": 1000, "M": 1_000_000}[match[2]]


_PLAIN = {"type": ["string", "number"]}
Text = Annotated[str, BeforeValidator(as_written), WithJsonSchema(_PLAIN)]
Secret = Annotated[SecretStr, BeforeValidator(as_written), WithJsonSchema({**_PLAIN, "writeOnly": True})]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema({"type": "string", "examples": ["5MB"]})]


class JmesPath(CompiledText):
    """A JMESPath into an answer. Faults, unknown functions and wrong numbers of arguments among them, are found when
    it is read. `reads`: the plain paths (`status`, `state.id`) that it looks at."""

    expected = "write a JMESPath, such as data[].id (https://jmespath.org)"

    def __init__(self, source: str) -> None:
        super().__init__(source)
        try:
            compiled = jmespath.compile(source)
            for name, arguments in _functions(compiled.parsed):
                _check_function(name, arguments)
        except (JMESPathError, ValueError) as error:
            reason = str(error).split("\n", 1)[0].removeprefix("Invalid jmespath expression: ").rstrip(": ")
            raise ValueError(
                f"{source!r} is no JMESPath: {reason or 'it is empty'}; see https://jmespath.org"
            ) from None
        self._find: Callable[[Any], Any] = _plain(source) or compiled.search
        self.reads: tuple[str, ...] = tuple(dict.fromkeys(_reads(compiled.parsed)))

    def search(self, value: object) -> Any:
        """Return what it finds; None where there is nothing, also where a function is given nothing. Raises `Unfit`."""
        try:
            return self._find(value)
        except JMESPathTypeError as error:
            if error.actual_type in ("null", "NoneType"):
                return None
            raise Unfit(f"{self.source}: {error}") from None
        except (JMESPathError, ValueError, TypeError, KeyError) as error:
            raise Unfit(f"{self.source}: {error}") from None

    def holds(self, value: object) -> bool:
        """Return whether it finds something that is not empty, false or 0. Raises `Unfit`."""
        return bool(self.search(value))


def _plain(source: str) -> Callable[[Any], Any] | None:
    """`a.b.c` without the interpreter, which costs ten times as much; None for anything else."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", source, re.ASCII):
        return None
    names = source.split(".")

    def find(value: Any) -> Any:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return find


def _reads(node: Any) -> Iterator[str]:
    path = _path(node)
    if path is not None:
        yield path
    elif isinstance(node, dict):
        for child in node.get("children", ()):
            yield from _reads(child)


def _path(node: Any) -> str | None:
    """`a.b` of a part of a compiled JMESPath that is as plain as that."""
    if not isinstance(node, dict):
        return None
    if node.get("type") == "field":
        name = str(node["value"])
        return name if name.isidentifier() and name.isascii() else json.dumps(name)
    if node.get("type") != "subexpression":
        return None
    parts = [_path(child) for child in node["children"]]
    return None if None in parts else ".".join(str(part) for part in parts)


def _functions(node: Any) -> Iterator[tuple[str, int]]:
    if isinstance(node, dict):
        if node.get("type") == "function_expression":
            yield node["value"], len(node["children"])
        for child in node.get("children", ()):
            yield from _functions(child)


def _check_function(name: str, arguments: int) -> None:
    function = Functions.FUNCTION_TABLE.get(name)
    if function is None:
        raise ValueError(f"there is no function {name}()")
    signature = function["signature"]
    variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if (arguments < len(signature)) if variadic else (arguments != len(signature)):
        raise ValueError(f"{name}() takes {len(signature)}{' or more' if variadic else ''} arguments, not {arguments}")


class JsonBody:
    """A JSON value with `{{ }}` in its texts; one that is exactly one `{{ }}` keeps its type."""

    def __init__(self, value: object) -> None:
        self.templates: list[tuple[Loc, Template]] = []
        self.constants: list[str] = []
        wrong: list[InitErrorDetails] = []
        self._value = self._compile(value, (), wrong)
        if wrong:
            raise ValidationError.from_exception_data("json", wrong)

    def _compile(self, value: object, loc: Loc, wrong: list[InitErrorDetails]) -> object:
        if len(loc) > _DEEPEST:
            raise ValueError("this is nested too deeply")
        if isinstance(value, dict):
            return {as_written(key): self._compile(part, (*loc, key), wrong) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._compile(part, (*loc, at), wrong) for at, part in enumerate(value)]
        if not isinstance(value, str):
            return value
        if "{" not in value:
            self.constants.append(value)
            return value
        try:
            template = Template(value)
        except ValueError as error:
            kind = PydanticCustomError("value_error", "{error}", {"error": str(error)})
            wrong.append(InitErrorDetails(type=kind, loc=loc, input=value))
            return value
        if template.constant:
            self.constants.append(value)
            return value
        self.templates.append((loc, template))
        return template

    def fill(self, scope: Scope) -> Any:
        """Return the value for these names. Raises `ExpressionError`."""
        return _filled(self._value, scope)

    @classmethod
    def _validate(cls, value: object) -> JsonBody:
        return value if isinstance(value, JsonBody) else cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(lambda body: body._value)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"description": "Any JSON; {{ }} in its texts is filled in"}


def _filled(value: object, scope: Scope) -> object:
    if isinstance(value, Template):
        return value.value(scope)
    if isinstance(value, dict):
        return {key: _filled(part, scope) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, scope) for part in value]
    return value
