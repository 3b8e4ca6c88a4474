"""The reference pages of the configuration, made of what the models say of themselves.

python -m bridge.config.reference docs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.config.builtin import CALL_TABLES, PAST_CALL_FIELDS
from bridge.config.checks.expressions import CALL_FIELDS, OPPOSITION_FIELDS
from bridge.config.descriptions import of_section, translated
from bridge.config.sections import alternatives, keys_of, parts_of, sections
from bridge.texts import Language, Text
from connectors import registry
from connectors.base import ConnectorOptions
from connectors.expression import Template
from connectors.units import Duration, Rate
from connectors.urltemplate import LinkTemplate

PAGES: Mapping[str, Language] = {"configuration.md": "en", "configuration.es.md": "es"}
_OWN = "connectors."
_KINDS: Mapping[Any, Text] = {
    str: Text("text"), SecretStr: Text("text, secret"), int: Text("whole number"), float: Text("number"),
    bool: Text("true or false"), Template: Text("expression"), LinkTemplate: Text("link"), Duration: Text("duration"),
    Rate: Text("rate"),
}  # fmt: skip
_INTRODUCTION: Mapping[Language, str] = {
    "en": """# The configuration file, key by key

This page is made from the program itself (`python -m bridge.config.reference docs`). An editor shows the same while you
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
""",
    "es": """# El fichero de configuración, clave por clave

Esta página la hace el propio programa (`python -m bridge.config.reference docs`). Un editor enseña lo mismo mientras
escribe, con el esquema que da `infocaller-bridge schema`. `infocaller-bridge check` dice todos los errores de un
fichero, con su línea; `config.example.yaml` es un fichero para empezar.

- El fichero es YAML 1.2 en UTF-8. Una clave que no esté en esta página es un error, y también una que esté dos
  veces.
- Las duraciones son un número y una unidad: `1500ms`, `2s`, `5m`, `3h`, `90d`. Los ritmos son `10/s`, `30/m`,
  `20/h`, `3/d`.
- Las rutas relativas parten de la carpeta del propio fichero.
- `${NAME}` es la variable de entorno NAME; `${NAME:-default}` le da un valor por defecto;
  `${file:/run/secrets/name}` es lo que hay en ese fichero, sin el último salto de línea; `$${` es simplemente `${`.
  Valen en cualquier valor.
- Si una `${NAME}` no está en el entorno, se toma del fichero `.env` que esté junto a la configuración:
  `NAME=value`, una por línea, con comillas y comentarios como en el `EnvironmentFile=` de systemd y en Docker
  Compose. Dentro no se sustituye nada. Déjelo con permisos 0600.
- Los números que van donde se espera un texto se quedan como están escritos: `PEDIDO: 00077` es `00077`.
- Un texto con `{{ }}` necesita comillas: `phone: "{{ caller }}"`.
- Un fichero que cambia se aplica con el bridge en marcha. Uno con errores se comunica, y se sigue usando el último
  correcto.
""",
}

_EXPRESSIONS: Mapping[Language, str] = {
    "en": """## Expressions

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
""",
    "es": """## Expresiones

Los valores que son *expresión* pueden llevar `{{ }}`: expresiones de Jinja2, aisladas y sin instrucciones. Ven
esto:

| nombre | qué es |
| --- | --- |
| `caller` | el otro número, en E.164: `.e164` `.digits` `.national` `.international` `.country` `.hidden` |
| `called` | nuestro número en esta llamada, igual |
| `line` | la línea: `.number` `.country` `.timezone` |
| `vars` | las variables de la llamada: `vars.PEDIDO`, `vars['1A']`; la que no llegó está vacía |
| `call` | la propia llamada, vea más abajo |
| `now` | este momento, según el reloj de la línea: [la hora en las expresiones](expressions.es.md) |
| `hours` | los calendarios de `hours:` en este momento: `hours.reception.open` `.opens_at` `.closes_at` |
| `opposition` | en las respuestas de una Query que guarda una: {opposition} |
| los nombres de `find` | lo que se encontró: `contact.name`, y `.id`, el del CRM; en `find`, lo que se encontró antes |

Un campo que la ficha no tiene está vacío; un nombre que nada define es un error. `| dial` asegura que la línea
puede llamar a un destino, `| e164` da formato a un número, `| last(9)` toma los últimos caracteres, `| date('%d/%m
%H:%M')` escribe una hora y `| spoken` la dice en palabras.
""",
}

_CALLS: Mapping[Language, str] = {
    "en": """## The bridge's own calls

`in: calls` in a `find` step looks into the calls that the bridge keeps itself (for `retention`), on all lines, by
phone: `previous: {in: calls, table: answered, phone: "{{ caller }}", optional: true}`. It needs no connector. Only
calls that are over count, never the one that asks, and nothing is cached. A database that is away is a CRM that
is away: `on_error`, or `on_timeout` where it is silent. `in: calls` means a connector of yours that is called `calls`.

""",
    "es": """## Las llamadas del propio bridge

Con `in: calls`, un paso de `find` busca en las llamadas que guarda el propio bridge (durante `retention`), de todas
las líneas, por teléfono: `previous: {in: calls, table: answered, phone: "{{ caller }}", optional: true}`. No
necesita ningún conector. Solo cuentan las llamadas terminadas, nunca la que pregunta, y no se guarda nada en caché.
Una base de datos que no responde es como un CRM que no responde: `on_error`, u `on_timeout` si se queda callada. Si
un conector suyo se llama `calls`, `in: calls` es ese.

""",
}


def reference(language: Language = "en") -> str:
    """Return the whole page, in Markdown, with the built-in connectors."""
    return _Page(language).text()


def descriptions() -> list[str]:
    """Return the English of all that the page says of keys and sections, for the catalogue."""
    page = _Page("en")
    page.text()
    return list(page.told)


class _Page:
    """The page in a language. `told` is what it said of keys and sections so far, in English."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self.told: dict[str, None] = {}

    def text(self) -> str:
        """Return the whole page."""
        pieces = [_INTRODUCTION[self._language]]
        for path, model in sections():
            if not path or "find.NAME" not in path or path.startswith("queries"):
                pieces.append(self._section(path, model))
        pieces.append(self._connectors())
        opposition = ", ".join(f"`.{name}`, {self._tell(words)}" for name, words in OPPOSITION_FIELDS.items())
        pieces.append(_EXPRESSIONS[self._language].replace("{opposition}", opposition))
        of_call = {f"call.{name}": words for name, words in CALL_FIELDS.items()}
        pieces.append(self._list(Text("of the call"), of_call))
        tables = self._list(Text("table"), CALL_TABLES)
        fields = self._list(Text("field"), {f".{name}": words for name, words in PAST_CALL_FIELDS.items()})
        pieces.append(f"{_CALLS[self._language]}{tables}\n{fields}")
        return "\n".join(pieces)

    def _say(self, text: Text) -> str:
        return text.render(self._language)

    def _tell(self, words: str) -> str:
        """What a model or a key says of itself."""
        if not words:
            return ""
        self.told[words] = None
        return translated(words, self._language)

    def _list(self, head: Text, rows: Mapping[str, str]) -> str:
        lines = "".join(f"| `{name}` | {self._tell(words)} |\n" for name, words in rows.items())
        return f"| {self._say(head)} | |\n| --- | --- |\n{lines}"

    def _section(self, path: str, model: type[BaseModel]) -> str:
        title = f"`{path}`" if path else self._say(Text("At the top"))
        return "\n".join([f"## {title}\n", f"{self._tell(of_section(model))}\n", *self._table(model), ""])

    def _table(self, model: type[BaseModel], *, shared: bool = False) -> Iterator[str]:
        heads = [self._say(head) for head in (Text("key"), Text("value"), Text("default"))]
        yield f"| {' | '.join(heads)} | |"
        yield "| --- | --- | --- | --- |"
        for key, info in keys_of(model).items():
            if shared or key not in ConnectorOptions.model_fields or not issubclass(model, ConnectorOptions):
                kind, default = _cell(self._kind(info.annotation)), self._default(info)
                yield f"| `{key}` | {kind} | {default} | {_cell(self._words(info))} |"
        if model.model_config.get("extra") == "allow":
            variable = self._say(Text("A variable for the call, by its name in capitals; null: left out"))
            yield f"| `A-Z0-9` | {self._say(_KINDS[Template])} | | {variable} |"

    def _words(self, info: FieldInfo) -> str:
        text = self._tell(" ".join((info.description or "").split()))
        if info.examples:
            example = f"`{_literal(info.examples[0])}`"
            text += " " + self._say(Text("(such as {example})", example=example))
        return text

    def _default(self, info: FieldInfo) -> str:
        if info.is_required():
            required = self._say(Text("required"))
            return f"**{required}**"
        extra = info.json_schema_extra
        shown = extra.get("default") if isinstance(extra, dict) else None
        value = shown or info.get_default(call_default_factory=True, validated_data={})
        if value is None or value in ("", [], (), {}) or isinstance(value, BaseModel):
            return ""
        return f"`{_literal(value)}`"

    def _kind(self, annotation: Any) -> str:
        """A type in the words of someone who writes YAML."""
        kinds = [self._one_kind(kind) for kind in alternatives(annotation) if kind is not type(None)]
        first, *others = dict.fromkeys(kinds)
        for other in others:
            first = self._say(Text("{this} or {that}", this=first, that=other))
        return first

    def _one_kind(self, annotation: Any) -> str:
        if get_origin(annotation) is Literal:
            return ", ".join(f"`{_literal(value)}`" for value in get_args(annotation))
        if annotation == tuple[SecretStr, ...]:
            return self._say(Text("text, secret, or a list of two"))
        if get_origin(annotation) in (list, tuple):
            return self._say(Text("list of: {kind}", kind=self._kind(get_args(annotation)[0])))
        if get_origin(annotation) is dict:
            return self._say(Text("by name: {kind}", kind=self._kind(get_args(annotation)[1])))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._say(Text("section"))
        if annotation in _KINDS:
            return self._say(_KINDS[annotation])
        return self._tell(str(getattr(annotation, "written", "any")))  # a connector's own kind of value

    def _connectors(self) -> str:
        types = sorted(
            (name, options)
            for name, options in registry.installed().options_types().items()
            if options.__module__.startswith(_OWN)
        )
        every = self._say(Text("Every connector has these keys, and those of its `type`."))
        pieces = [f"## `connectors.NAME`\n\n{every}\n"]
        pieces.append("\n".join([*self._table(ConnectorOptions, shared=True), ""]))
        for name, options in types:
            pieces.append(self._section(f"connectors.NAME (type: {name})", options))
            pieces += [self._section(path, model) for path, model in _below(name, options, {options})]
        return "\n".join(pieces)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


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
    for name, page in PAGES.items():
        Path(sys.argv[1], name).write_text(reference(page), encoding="utf-8")
