"""The catalogue holds what the code says, all of it, and nothing else."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages import Message
from babel.messages.mofile import read_mo
from jinja2 import Environment, nodes

from tests.texts.catalogue import IN_TEMPLATES, KEYWORDS, MO, PACKAGE, complete, extracted, kept, messages

ROOT = Path(__file__).parents[2]
STALE = "run .venv/bin/python -m tests.texts.catalogue, and translate what it names"


@cache
def _of_code() -> dict[object, Message]:
    return messages(extracted())


def test_the_catalogue_has_each_message_of_the_code_and_no_other() -> None:
    assert messages(kept()).keys() == _of_code().keys(), STALE
    assert not kept().obsolete, STALE


def test_each_message_has_its_spanish() -> None:
    assert [message.id for message in messages(kept()).values() if message.fuzzy or not complete(message)] == []


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    with MO.open("rb") as file:
        compiled = {_forms(message.id): _forms(message.string) for message in read_mo(file) if message.id}
    assert compiled == {_forms(id_): _forms(message.string) for id_, message in messages(kept()).items()}, STALE


def _forms(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (tuple, list)) else (str(value),)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_each_translation_has_the_placeholders_of_its_message() -> None:
    for message in messages(kept()).values():
        wanted = _fields(_forms(message.id)[-1])
        assert all(_fields(form) == wanted for form in _forms(message.string)), message.id


def _calls() -> Iterator[tuple[Path, ast.Call, str]]:
    for file in PACKAGE.rglob("*.py"):
        source = file.read_text("utf-8")
        if "from bridge.texts import" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KEYWORDS:
                yield file, node, node.func.id


def test_spanish_names_the_spanish_pages_of_the_documentation() -> None:
    pages = ROOT / "docs"
    named = {
        page for message in messages(kept()).values() for form in _forms(message.string)
        for page in re.findall(r"docs/([a-z/-]+)\.md", form)
    }  # fmt: skip
    assert [page for page in sorted(named) if (pages / f"{page}.es.md").exists()] == []


def test_each_message_stands_in_the_code_as_it_is_so_that_it_is_found() -> None:
    known = _of_code()
    for file, node, name in _calls():
        count = 2 if name == "Plural" else 1
        given = [part.value if isinstance(part, ast.Constant) else None for part in node.args[:count]]
        assert (given[0] if count == 1 else tuple(given)) in known, f"{file}:{node.lineno}"


def test_each_placeholder_of_a_message_is_given() -> None:
    for file, node, name in _calls():
        forms = [part.value for part in node.args[: 2 if name == "Plural" else 1] if isinstance(part, ast.Constant)]
        given = {keyword.arg for keyword in node.keywords} | ({"count"} if name == "Plural" else set())
        if not node.keywords and name == "Text":
            continue  # taken as it is, braces included
        wanted = {field for form in forms for field in _fields(str(form))}
        assert given - {"count"} == wanted - {"count"}, f"{file}:{node.lineno}"


def _calls_in_templates() -> Iterator[tuple[str, nodes.Call]]:
    for file in PACKAGE.rglob("templates/**/*.html"):
        for call in Environment().parse(file.read_text("utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in IN_TEMPLATES:
                yield f"{file.relative_to(PACKAGE)}:{call.lineno}", call


def test_each_message_of_a_template_stands_there_as_it_is_with_its_placeholders() -> None:
    for place, call in _calls_in_templates():
        plural = call.node.name == "n"  # type: ignore[attr-defined]
        forms = [part.value if isinstance(part, nodes.Const) else None for part in call.args[: 2 if plural else 1]]
        assert None not in forms, f"{place}: write the message itself"
        fields = {field for form in forms for field in _fields(str(form))} - {"count"}
        given = {keyword.key for keyword in call.kwargs} - {"count"}
        assert fields == given, place
        assert not plural or len(call.args) == 3, f"{place}: n(singular, plural, count)"


def test_templates_hold_no_words_of_their_own() -> None:
    """Every word that people read comes from the catalogue."""
    for file in PACKAGE.rglob("templates/**/*.html"):
        template = Environment().parse(file.read_text("utf-8"))
        text = "".join(data.data if isinstance(data, nodes.TemplateData) else "\0" for data in _texts(template))
        words = _WORDS.sub(" ", _MARKUP.sub(" ", text))
        assert words.split() == [], f"{file.relative_to(PACKAGE)}: {words.split()}"


def _texts(template: nodes.Template) -> Iterator[nodes.Node]:
    for output in template.find_all(nodes.Output):
        yield from output.nodes


_MARKUP = re.compile(r"<!doctype html>|<[^>]*+>", re.I)
_WORDS = re.compile(r"Infocaller bridge|[^\w]+|_")
