"""What people read of the configuration: the schema, the example, the reference page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from bridge.config.load import load
from bridge.config.model import Configuration
from bridge.config.reference import PAGES, reference
from bridge.config.schema import json_schema
from bridge.config.sections import keys_of, sections
from bridge.texts import Language

ROOT = Path(__file__).parents[2]
LANGUAGES: tuple[Language, Language] = ("en", "es")
EXAMPLE = ROOT / "config.example.yaml"


def refused(value: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(value)]


def example() -> Any:
    return YAML(typ="safe").load(EXAMPLE.read_text(encoding="utf-8"))


def small(**keys: Any) -> dict[str, Any]:
    return {"lines": [{"number": "912345678", "password": "3956"}], **keys}


def test_the_schema_is_one_and_takes_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert refused(example()) == []


def test_every_key_in_the_schema_is_explained() -> None:
    unexplained = [
        f"{name}.{key}"
        for name, section in [("", json_schema()), *json_schema()["$defs"].items()]
        for key, said in section.get("properties", {}).items()
        if not said.get("description")
    ]
    assert unexplained == []


@pytest.mark.parametrize(
    "keys",
    [
        {"servr": {}},
        {"server": {"port": "eighty"}},
        {"server": {"log": "xml"}},
        {"retention": "soon"},
        {"lines": []},
        {"connectors": {"agenda": {}}},
        {"connectors": {"agenda": {"type": "nothing"}}},
        {"connectors": {"agenda": {"type": "csv", "tablas": {}}}},
        {"queries": {"A": {"answer": {"destino": "1"}}}},
        {"queries": {"A": {"answer": {"DEMASIADOLARGOPARAESTO": "1"}}}},
        {"queries": {"A": {"find": {"contact": {"phone": "1"}}}}},
    ],
)
def test_the_schema_refuses_what_check_refuses(keys: dict[str, Any]) -> None:
    assert refused(small(**keys))


@pytest.mark.parametrize(
    "keys",
    [
        {"server": {"port": "${PORT}", "log": "${LOG:-json}", "max_body": "1MiB"}, "retention": "${KEEP}"},
        {"lines": [{"number": 912345678, "password": 3956}]},
        {"queries": {"A": {"answer": [{"X": 1, "when": "{{ caller }}"}, {"Y": None, "result": 0}], "cache": "none"}}},
        {"queries": {"A": {"misses_per_caller": "none", "find": {"a": {"in": ["x", "y"], "key": 77}}}}},
        {"connectors": {"agenda": {"type": "csv", "tables": {"contact": {"file": "a.csv", "phones": ["phone"]}}}}},
        {"activities": [{"in": "agenda", "on": "fin"}, {"in": "agenda", "on": ["fin", "inicio"]}]},
    ],
)
def test_the_schema_takes_what_check_takes(keys: dict[str, Any]) -> None:
    assert refused(small(**keys)) == []


def test_the_schema_holds_no_hidden_default() -> None:
    assert "***" not in str(json_schema())


def test_the_example_is_good_as_it_stands() -> None:
    result = load(EXAMPLE, {})
    assert result.warnings == ()
    assert {case.ask for case in result.configuration.tests} >= {"DESVIO", "PEDIDO"}


def test_the_example_shows_every_top_level_key() -> None:
    assert set(example()) == set(keys_of(Configuration)) - {"state"}


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_page_is_the_one_that_the_program_makes(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert page == reference(PAGES[name]), "run: python -m bridge.config.reference docs"


def test_the_schema_explains_in_spanish_too() -> None:
    english, spanish = (json_schema(language)["properties"]["language"] for language in LANGUAGES)
    assert english["description"] == "Language of notes, outcomes and messages to people"
    assert spanish["description"] == "Idioma de las notas, los resultados y los mensajes a las personas"


def test_the_reference_page_has_every_key_of_every_section() -> None:
    page = reference()
    for path, model in sections():
        for key in keys_of(model):
            assert f"| `{key}` |" in page, f"{path}.{key}"
