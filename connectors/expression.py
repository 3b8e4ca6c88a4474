"""`{{ }}` in the configuration: sandboxed Jinja2 expressions, compiled once, evaluated for each call.

A text may hold several expressions (`"Call of {{ contact.name or caller }}"`). A text that is exactly one expression
keeps the value's type. Statements (`{% %}`) are rejected. A missing name is empty, never an error: `{{ contact.x }}` of
a contact without `x`, and every field of a contact that was not found.

Expressions read mappings, `Visible` objects and the parts of a time (`now.hour`) alone; a Python object's methods and
attributes are out of reach.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Any, ClassVar, Protocol, Self

from jinja2 import TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from connectors import dates
from connectors.compiledtext import CompiledText
from connectors.filters import FILTERS, Missing, text_of


class Visible(Protocol):
    """An object that expressions may read: the attributes that `visible` names."""

    visible: ClassVar[frozenset[str]]


class ExpressionError(Exception):
    """An expression failed on its values, such as adding a number to a text. The message names it."""


class _Environment(ImmutableSandboxedEnvironment):
    """Reads mappings and `Visible` objects by name and lists by position."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        # what is stored as null is as empty as what is not stored: None is left for those who write `none`
        value = _member(obj, attribute)
        return self.undefined(obj=obj, name=attribute) if value is None else value

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, (list, tuple, str)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except IndexError:
                pass
        return self.undefined(obj=obj, name=argument)


_BESIDE_FIELDS = frozenset({"id", "link"})
"""What a record has besides its fields."""


def _member(obj: Any, name: str) -> Any:
    """What `obj.name` is for an expression, None where there is no such thing."""
    if type(obj) is dict:
        return obj.get(name)
    fields = getattr(obj, "fields", None)
    if type(fields) is dict:
        return fields[name] if name in fields else getattr(obj, name, None) if name in _BESIDE_FIELDS else None
    if isinstance(obj, Mapping):
        return obj.get(name)
    if isinstance(obj, Undefined):
        return None
    if isinstance(obj, date):
        return dates.member(obj, name) if name in dates.MEMBERS else None
    if isinstance(fields, Mapping):
        return fields[name] if name in fields else getattr(obj, name, None) if name in _BESIDE_FIELDS else None
    visible = getattr(type(obj), "visible", None)
    return getattr(obj, name) if isinstance(visible, frozenset) and name in visible else None


_environment = _Environment(undefined=Missing, autoescape=False, finalize=text_of)
_environment.globals.clear()
_environment.filters.update(FILTERS)
for _unsafe in ("pprint", "xmlattr", "urlize", "tojson", "forceescape", "safe", "random", "attr"):
    _environment.filters.pop(_unsafe, None)


_EXAMPLES = {"time": "time('%d/%m/%Y %H:%M')", "last": "last(9)", "hmac": "hmac(settings.key)"}


def _call_fault(called: nodes.Filter) -> str | None:
    """What is wrong with a filter's arguments, which Jinja2 finds out when it is too late; None where all are there."""
    function = _environment.filters.get(called.name)
    if function is None or called.dyn_args is not None or called.dyn_kwargs is not None:
        return None
    function = inspect.unwrap(function)
    passed = [None] * (hasattr(function, "jinja_pass_arg") + 1 + len(called.args))
    named: dict[str, Any] = {str(pair.key): None for pair in called.kwargs}
    signature = inspect.signature(function)
    try:
        signature.bind(*passed, **named)
    except TypeError:
        example = _EXAMPLES.get(called.name)
        required = [
            parameter
            for parameter in list(signature.parameters.values())[len(passed) :]
            if parameter.default is parameter.empty
            and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            and parameter.name not in named
        ]
        if required:
            return f"the filter {called.name} needs its {required[0].name.strip('_')}" + (
                f": write {example}" if example else f" in brackets after it: {called.name}(…)"
            )
        return f"the filter {called.name} is given too much, or what it does not know: write {example or called.name}"
    return None


def filter_names() -> frozenset[str]:
    """The names of all filters that expressions may use."""
    return frozenset(_environment.filters)


class Template(CompiledText):
    """A text with expressions.

    Attributes:
        source: The text, as the configuration has it.
        names: The names that the expressions begin with (`contact` of `{{ contact.name }}`).
        paths: The dotted names in full (`("contact", "name")`).
        filters: The filters that the expressions use.
        compared: Each dotted name that is compared with a number, true or false, and that value.
    """

    __slots__ = ("_expression", "_render", "compared", "filters", "names", "paths")

    expected = "write a text, with {{ }} where something is to be filled in"

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._expression: Callable[..., object] | None = None
        self._render: Callable[..., str] | None = None
        self.names: frozenset[str] = frozenset()
        self.paths: frozenset[tuple[str, ...]] = frozenset()
        self.filters: frozenset[str] = frozenset()
        self.compared: frozenset[tuple[tuple[str, ...], str]] = frozenset()
        if "{{" not in source and "{%" not in source and "{#" not in source:
            return
        try:
            tree = _environment.parse(source)
            inner = _only_expression(tree)
            _forbid_statements(tree)
            self.paths = frozenset(_paths(tree))
            self.names = frozenset(path[0] for path in self.paths)
            self.filters = frozenset(_filters(tree))
            self.compared = frozenset(_compared(tree))
            if inner is not None:
                self._expression = _expression(inner)
            self._render = _environment.from_string(source).render
        except (TemplateError, RecursionError) as error:
            raise ValueError(f"{getattr(error, 'message', None) or error} (in {source!r})") from None

    @property
    def constant(self) -> bool:
        """Whether the text has no expression, so that it always renders as it is written."""
        return self._render is None

    def value(self, scope: Mapping[str, object]) -> object:
        """Return the value: of its own type if the text is exactly one expression (None for a missing name), else a
        text. Raises `ExpressionError`."""
        if self._expression is None:
            return self.render(scope)
        return self._leaving(self._evaluate(self._expression, scope))

    def render(self, scope: Mapping[str, object]) -> str:
        """Return the text; a missing value and None are empty. Raises `ExpressionError`."""
        if self._render is None:
            return self.source
        if self._expression is not None:
            return text_of(self.value(scope))
        return str(self._evaluate(self._render, scope))

    def null(self, scope: Mapping[str, object]) -> bool:
        """Return whether the text is one expression whose value is `none`, not merely missing or empty. Raises
        `ExpressionError`."""
        return self._expression is not None and self._evaluate(self._expression, scope) is None

    def text(self, scope: Mapping[str, object]) -> str | None:
        """Return the text as `render` does, but None if it is `null`. Raises `ExpressionError`."""
        if self._expression is None:
            return self.render(scope)
        value = self._evaluate(self._expression, scope)
        return None if value is None else text_of(self._leaving(value))

    def true(self, scope: Mapping[str, object]) -> bool:
        """Return whether it holds: empty, 0, `false` and `no` do not. Raises `ExpressionError`."""
        value = self.value(scope)
        if isinstance(value, str):
            return value.strip().lower() not in ("", "0", "false", "no")
        return bool(value)

    def _evaluate(self, function: Callable[..., object], scope: Mapping[str, object]) -> object:
        try:
            return function(scope)
        except Exception as error:  # whatever the values make the expression do is the same to the caller
            raise ExpressionError(f"{self.source}: {_in_words(error)}") from error

    def _leaving(self, value: object) -> object:
        try:
            return _present(value)
        except RecursionError:
            raise ExpressionError(f"{self.source}: its value is nested too deeply") from None

    @classmethod
    def parse(cls, value: object) -> Self:
        """See `CompiledText.parse`; `true` and `false` are texts as well."""
        return super().parse(str(value).lower() if isinstance(value, bool) else value)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": ["string", "number", "boolean"],
            "description": "A text; {{ }} is filled in for each call",
        }


_KINDS = {"str": "a text", "int": "a number", "float": "a number", "Decimal": "a number", "NoneType": "nothing",
          "datetime": "a time", "list": "a list", "dict": "a map", "Phone": "a phone number"}  # fmt: skip


def _in_words(error: Exception) -> str:
    """What Python says of values that don't go together, for those who do not know it."""
    text = str(error)
    if "Missing" in text:
        return "a value is empty here, and nothing can be reckoned with it; write | default(0) after its name"
    if isinstance(error, ZeroDivisionError):
        return "nothing can be divided by 0"
    operands = re.search(r"'([\w.]+)' and '([\w.]+)'|concatenate (\w+) \(not \"([\w.]+)\"\)", text)
    if not isinstance(error, TypeError) or operands is None:
        return text
    left, right = ((name or "").rpartition(".")[2] for name in (operands[1] or operands[3], operands[2] or operands[4]))
    kinds = [_KINDS.get(left, left), _KINDS.get(right, right)]
    if sorted(kinds) == ["a number", "a text"]:
        return "a text and a number don't go together here; write | int after the text"
    return f"{kinds[0]} and {kinds[1]} don't go together here"


def _present(value: object) -> object:
    """A value as it leaves an expression: what is missing is None, inside lists and maps as well."""
    if type(value) is str:
        return value
    if isinstance(value, Undefined):
        return None
    if isinstance(value, list):
        return [_present(item) for item in value]
    if type(value) is dict:
        return {key: _present(item) for key, item in value.items()}
    return value


def _expression(inner: nodes.Expr) -> Callable[[Mapping[str, object]], object]:
    """A parsed expression, to be evaluated with its type (`compile_expression` would parse its text again).

    Most are a name, what it has, and filters (`contact.phone | dial`): these are looked up without Jinja2, which would
    make a context of all names first. It comes to the same, five times as fast.
    """
    plain = _plain(inner)
    if plain is not None:
        return plain
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), inner, lineno=1)]
    return TemplateExpression(_environment.from_string(nodes.Template(body, lineno=1)), False)


def _plain(inner: nodes.Node) -> Callable[[Mapping[str, object]], object] | None:
    """A name with its members and filters without arguments, as a function; None for anything else."""
    if isinstance(inner, nodes.Filter) and inner.node is not None:
        if inner.args or inner.kwargs or inner.dyn_args or inner.dyn_kwargs:
            return None
        value, function = _plain(inner.node), _environment.filters.get(inner.name)
        if value is None or function is None:
            return None
        needs = getattr(function, "jinja_pass_arg", None)
        if needs is None:
            return lambda scope: function(value(scope))
        return (lambda scope: function(_Names(scope), value(scope))) if needs.name == "context" else None
    path = _path(inner)
    return None if path is None or path[0] in _environment.globals else lambda scope: _follow(scope, path)


def _follow(scope: Mapping[str, object], path: tuple[str, ...]) -> object:
    """The value at a dotted name; undefined where it, or something on the way, is missing."""
    value: object = scope.get(path[0], scope)
    if value is scope:
        return _environment.undefined(name=path[0])
    for name in path[1:]:
        value = _member(value, name)
        if value is None:
            return _environment.undefined(name=name)
    return value


class _Names:
    """What a filter that asks for Jinja2's context may ask it: names."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Mapping[str, object]) -> None:
        self._scope = scope

    def resolve(self, name: str) -> object:
        """The value of a name, undefined where it is missing."""
        return _follow(self._scope, (name,))

    def get(self, name: str, default: object = None) -> object:
        """The value of a name, `default` where it is missing."""
        return self._scope.get(name, default)


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The one expression that is the whole text, else None."""
    outputs = [node for part in tree.body if isinstance(part, nodes.Output) for node in part.nodes]
    outputs = [node for node in outputs if not (isinstance(node, nodes.TemplateData) and not node.data.strip())]
    if len(outputs) == 1 and not isinstance(outputs[0], nodes.TemplateData) and len(tree.body) == 1:
        return outputs[0]
    return None


def _forbid_statements(tree: nodes.Template) -> None:
    for part in tree.body:
        if not isinstance(part, nodes.Output):
            raise TemplateError(
                f"{{% {type(part).__name__.lower()} %}} is not for here: write an expression in {{{{ }}}}"
            )


def _paths(tree: nodes.Node) -> set[tuple[str, ...]]:
    """Every dotted name that is read; `x['y']` counts as `x.y`."""
    paths: set[tuple[str, ...]] = set()

    def visit(node: nodes.Node) -> None:
        path = _path(node)
        if path is not None:
            paths.add(path)
            return
        for child in node.iter_child_nodes():
            visit(child)

    visit(tree)
    return paths


def _filters(tree: nodes.Node) -> Iterator[str]:
    """The name of each filter. Raises `TemplateError` where one lacks an argument."""
    for called in tree.find_all(nodes.Filter):
        fault = _call_fault(called)
        if fault is not None:
            raise TemplateError(fault)
        yield called.name


def _compared(tree: nodes.Node) -> Iterator[tuple[tuple[str, ...], str]]:
    for comparison in tree.find_all(nodes.Compare):
        sides = [comparison.expr, *(operand.expr for operand in comparison.ops)]
        for left, right in pairwise(sides):
            for name, constant in ((left, right), (right, left)):
                path = _path(name)
                if path is not None and isinstance(constant, nodes.Const) and isinstance(constant.value, (int, float)):
                    yield path, text_of(constant.value)


def _path(node: nodes.Node) -> tuple[str, ...] | None:
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        before = _path(node.node)
        return None if before is None else (*before, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        before = _path(node.node)
        return None if before is None else (*before, node.arg.value)
    return None
