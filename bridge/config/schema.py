"""The configuration's JSON Schema, by which an editor completes and explains keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import PydanticSerializationError

from bridge.config.descriptions import translated
from bridge.config.model import NAME_RULE, Configuration
from bridge.texts import Language
from connectors import registry
from connectors.base import ConnectorOptions

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PLACEHOLDER = {"type": "string", "pattern": r"\$\{[^}]+\}", "description": "From the environment or a file"}
_NARROW = ("enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format")


class _Generator(GenerateJsonSchema):
    """Shows a default of a connector's own making as it prints."""

    def encode_default(self, dft: Any) -> Any:
        try:
            return super().encode_default(dft)
        except PydanticSerializationError:
            return [str(item) for item in dft] if isinstance(dft, (list, tuple)) else str(dft)


def json_schema(language: Language = "en") -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file, with the connectors of this installation told apart by `type`."""
    return {key: _told(value, language) for key, value in _schema(registry.installed().options_types()).items()}


def _told(node: Any, language: Language) -> Any:
    """The same part of a schema with its descriptions in a language."""
    if isinstance(node, list):
        return [_told(item, language) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: translated(" ".join(item.split()), language)
        if key == "description" and isinstance(item, str)
        else _told(item, language)
        for key, item in node.items()
    }


def descriptions() -> list[str]:
    """Return the English of all that the schema says, without other packages' connectors, for the catalogue."""
    types = registry.installed().options_types()
    own = {name: options for name, options in types.items() if options.__module__.startswith("connectors.")}
    return list(_descriptions(_schema(own)))


def _descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _descriptions(item)
    elif isinstance(node, dict):
        for key, item in node.items():
            if key == "description" and isinstance(item, str):
                yield " ".join(item.split())
            else:
                yield from _descriptions(item)


def _schema(types: Mapping[str, type[ConnectorOptions]]) -> dict[str, Any]:
    models: list[type[BaseModel]] = [Configuration, *types.values()]
    references, schema = models_json_schema(
        [(model, "validation") for model in models],
        by_alias=True,
        ref_template="#/$defs/{model}",
        schema_generator=_Generator,
    )
    definitions: dict[str, Any] = schema["$defs"]
    whole = definitions.pop(_name(references[Configuration, "validation"]))
    options = {name: references[model, "validation"] for name, model in types.items()}
    whole["properties"]["connectors"]["additionalProperties"] = _connector(options, definitions)
    definitions.pop("ConnectorOptions", None)
    _untitled(whole)
    _untitled(definitions)
    _answers(definitions["Answer"])
    _read_from_outside(whole)
    _read_from_outside(definitions)
    return {"$schema": _DRAFT, **whole, "title": "infocaller-bridge", "$defs": definitions}


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _connector(options: dict[str, dict[str, Any]], definitions: dict[str, Any]) -> dict[str, Any]:
    """One kind for each `type`; the type itself is always asked for."""
    for reference in options.values():
        section = definitions[_name(reference)]
        section["required"] = sorted({*section.get("required", ()), "type"})
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": sorted(options), "description": "Which kind of connector this is"}},
        **({"oneOf": [options[name] for name in sorted(options)]} if options else {}),
    }


def _untitled(node: Any) -> None:
    """Titles only repeat the keys: an editor would show them in place of what is said of them."""
    if isinstance(node, list):
        for item in node:
            _untitled(item)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for item in node.values():
            _untitled(item)


def _answers(section: dict[str, Any]) -> None:
    """In an answer, whatever is in capitals is a variable."""
    section["patternProperties"] = {
        "^[A-Z0-9]{1,15}$": {
            "type": ["string", "number", "boolean", "null"],
            "description": "A variable for the call; null: left out",
        }
    }
    section["additionalProperties"] = False
    section["description"] = f"{section['description']} {NAME_RULE[0].upper()}{NAME_RULE[1:]}."


def _read_from_outside(node: Any) -> None:
    """Wherever a value has to look a certain way, `${NAME}` may stand instead."""
    if isinstance(node, list):
        for position, item in enumerate(node):
            node[position] = _or_placeholder(item)
            _read_from_outside(item)
    elif isinstance(node, dict):
        for key, item in list(node.items()):
            if key in ("properties", "patternProperties", "$defs") and isinstance(item, dict):
                for name, inner in item.items():
                    _read_from_outside(inner)
                    item[name] = _or_placeholder(inner)
            elif key not in ("examples", "default", "enum", "const"):
                _read_from_outside(item)
                if key in ("items", "additionalProperties"):
                    node[key] = _or_placeholder(item)


def _or_placeholder(node: Any) -> Any:
    """The same, or `${…}`; what an editor shows stays at the top."""
    if not isinstance(node, dict) or not _is_narrow(node):
        return node
    shown = {key: node.pop(key) for key in ("title", "description", "default", "examples") if key in node}
    return {"anyOf": [node, _PLACEHOLDER], **shown}


def _is_narrow(node: dict[str, Any]) -> bool:
    if node.get("type") in ("integer", "number", "boolean"):
        return True
    return node.get("type") == "string" and any(key in node for key in _NARROW)
