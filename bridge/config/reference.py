"""The reference page of the configuration (`docs/configuration.md`), made of what the models say of themselves.

python -m bridge.config.reference > docs/configuration.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.config.builtin import CALL_TABLES, PAST_CALL_FIELDS
from bridge.config.checks.expressions import CALL_FIELDS, OPPOSITION_FIELDS
from bridge.config.sections import alternatives, keys_of, parts_of, sections
from connectors import registry
from connectors.base import ConnectorOptions
from connectors.expression import Template
from connectors.units import Duration, Rate
from connectors.urltemplate import LinkTemplate

_OWN = "connectors."
_INTRODUCTION = """# The configuration file, key by key

This page is made from the program itself (`python -m bridge.config.reference`). An editor shows the same while you
type, with the schema that `infocaller-bridge schema` prints. `infocaller-bridge check` names every fault of a file with
its line; `config.example.yaml` is a file to start from.

- The file is YAML 1.2 in UTF-8. A key that is not on this page is a fault, and so is one that stands twice.
- Durations are a number and a unit: `1500ms`, `2s`, `5m`, `3h`, `90d`. Rates are `10/s`, `30/m`, `20/h`, `3/d`.
- Relative paths start at the file's own folder.
- `${NAME}` is the environment variable NAME, `${NAME:-default}` gives it a default, `${file:/run/secrets/name}` is what
  is in that file, without its last line break; `$${` is a plain `${`. They work in every value.
- A `${NAME}` that the environment lacks is taken from the file `.env` beside the configuration, where there is one:
  `NAME=value`, one a line, with quotes and comments as in systemd's `EnvironmentFile=` and Docker Compose. Nothing in
  it is expanded. Keep its mode at 0600.
- Numbers where a text belongs keep their spelling: `PEDIDO: 00077` is `00077`.
- A text with `{{ }}` needs quotes: `phone: "{{ caller }}"`.
- A changed file is taken up while serving. A faulty one is reported, and the last good one goes on serving.
"""

_EXPRESSIONS = """## Expressions

Values marked *expression* may hold `{{ }}`: Jinja2 expressions, sandboxed, without statements. They see

| name | what it is |
| --- | --- |
| `caller` | the other party's number, in E.164: `.e164` `.digits` `.national` `.international` `.country` `.hidden` |
| `called` | our own number in this call, the same way |
| `line` | the line: `.number` `.country` `.timezone` |
| `vars` | the call's variables: `vars.PEDIDO`, `vars['1A']`; one that did not come is empty |
| `call` | the call itself, see below |
| `now` | the moment, on the line's clock: [the time in expressions](expressions.md) |
| `hours` | the calendars of `hours:` as of now: `hours.reception.open` `.opens_at` `.closes_at` |
| `opposition` | in the answers of a Query that saves one: {opposition} |
| names under `find` | what was found: `contact.name`, and `.id`, the CRM's own; within `find` what is found earlier |

A field that a record lacks is empty; a name that nothing defines is a fault. `| dial` makes sure that the line may dial
a destination, `| e164` formats a number, `| last(9)` takes the last characters, `| date('%d/%m %H:%M')` writes a time,
`| spoken` says it in words.
"""


_CALLS = """## The bridge's own calls

`in: calls` in a `find` step looks into the calls that the bridge keeps itself (for `retention`), on all lines, by
phone: `previous: {in: calls, table: answered, phone: "{{ caller }}", optional: true}`. It needs no connector. Only
calls that are over count, never the one that asks, and nothing is cached. A database that is away is a CRM that
is away: `on_error`, or `on_timeout` where it is silent. `in: calls` means a connector of yours that is called `calls`.

"""


def reference() -> str:
    """Return the whole page, in Markdown, with the built-in connectors."""
    pieces = [_INTRODUCTION]
    for path, model in sections():
        if not path or "find.NAME" not in path or path.startswith("queries"):
            pieces.append(_section(path, model))
    pieces.append(_connectors())
    opposition = ", ".join(f"`.{name}`, {text}" for name, text in OPPOSITION_FIELDS.items())
    pieces.append(_EXPRESSIONS.replace("{opposition}", opposition))
    rows = "".join(f"| `call.{name}` | {text} |\n" for name, text in CALL_FIELDS.items())
    pieces.append(f"| of the call | |\n| --- | --- |\n{rows}")
    tables = "".join(f"| `{name}` | {text} |\n" for name, text in CALL_TABLES.items())
    fields = "".join(f"| `.{name}` | {text} |\n" for name, text in PAST_CALL_FIELDS.items())
    pieces.append(f"{_CALLS}| table | |\n| --- | --- |\n{tables}\n| field | |\n| --- | --- |\n{fields}")
    return "\n".join(pieces)


def _section(path: str, model: type[BaseModel], *, shared: bool = False) -> str:
    title = f"## `{path}`" if path else "## At the top"
    return "\n".join([f"{title}\n", f"{_says(model)}\n", *_table(model, shared=shared), ""])


def _says(model: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())


def _table(model: type[BaseModel], *, shared: bool) -> Iterator[str]:
    yield "| key | value | default | |"
    yield "| --- | --- | --- | --- |"
    for key, info in keys_of(model).items():
        if shared or key not in ConnectorOptions.model_fields or not issubclass(model, ConnectorOptions):
            yield f"| `{key}` | {_cell(_kind(info.annotation))} | {_default(info)} | {_cell(_words(info))} |"
    if model.model_config.get("extra") == "allow":
        yield "| `A-Z0-9` | expression | | A variable for the call, by its name in capitals; null: left out |"


def _words(info: FieldInfo) -> str:
    text = info.description or ""
    if info.examples:
        text += f" (such as `{_literal(info.examples[0])}`)"
    return text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    extra = info.json_schema_extra
    shown = extra.get("default") if isinstance(extra, dict) else None
    value = shown or info.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ("", [], (), {}) or isinstance(value, BaseModel):
        return ""
    return f"`{_literal(value)}`"


def _literal(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)) and not isinstance(value, Rate):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_quoted(item)}' for key, item in value.items())}}}"
    return str(value)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else _literal(value)


def _kind(annotation: Any) -> str:
    """A type in the words of someone who writes YAML."""
    kinds = [_one_kind(alternative) for alternative in alternatives(annotation) if alternative is not type(None)]
    return " or ".join(dict.fromkeys(kinds))


def _one_kind(annotation: Any) -> str:
    names = {str: "text", SecretStr: "text, secret", int: "whole number", float: "number", bool: "true or false",
             Template: "expression", LinkTemplate: "link", Duration: "duration", Rate: "rate"}  # fmt: skip
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{_literal(value)}`" for value in get_args(annotation))
    if annotation == tuple[SecretStr, ...]:
        return "text, secret, or a list of two"
    if get_origin(annotation) in (list, tuple):
        return f"list of: {_kind(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return f"by name: {_kind(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return names.get(annotation) or str(getattr(annotation, "written", "any"))  # a connector's own kind of value


def _connectors() -> str:
    types = sorted(
        (name, options)
        for name, options in registry.installed().options_types().items()
        if options.__module__.startswith(_OWN)
    )
    pieces = ["## `connectors.NAME`\n\nEvery connector has these keys, and those of its `type`.\n"]
    pieces.append("\n".join([*_table(ConnectorOptions, shared=True), ""]))
    for name, options in types:
        pieces.append(_section(f"connectors.NAME (type: {name})", options))
        pieces += [_section(path, model) for path, model in _below(name, options, {options})]
    return "\n".join(pieces)


def _below(path: str, model: type[BaseModel], described: set[type[BaseModel]]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections inside a connector's, each where it comes first; `described` are those that have been."""
    for key, info in keys_of(model).items():
        if key in ConnectorOptions.model_fields and issubclass(model, ConnectorOptions):
            continue
        for suffix, inner in parts_of(info.annotation):
            if inner not in described:
                described.add(inner)
                inner_path = f"{path}.{key}{suffix}"
                yield f"{inner_path}{_which(inner)}", inner
                yield from _below(inner_path, inner, described)


def _which(model: type[BaseModel]) -> str:
    """What tells a section from others in the same place."""
    kind = model.model_fields.get("type")
    values = get_args(kind.annotation) if kind is not None and get_origin(kind.annotation) is Literal else ()
    return f" (type: {values[0]})" if len(values) == 1 else ""


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - printing is what this command does
