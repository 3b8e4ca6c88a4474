"""`{{ }}`: what it sees, what it gives, and that there is no way out of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.base import Record
from connectors.expression import ExpressionError, Template, filter_names
from connectors.phone import parse

CONTACT = Record("crm", "contact", "7", {"name": "Ana", "age": 41, "tags": ["a", "b"], "off": None, "items": "mine"})
SCOPE: dict[str, object] = {
    "contact": CONTACT,
    "caller": parse("600111222", "ES"),
    "vars": {"PEDIDO": "00077", "EMPTY": ""},
    "n": 5,
    "yes": True,
    "list": [{"name": "x"}, {"name": "y"}],
}


def value(text: str) -> object:
    return Template(text).value(SCOPE)


def render(text: str) -> str:
    return Template(text).render(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ contact.age }}", 41),
        ("{{ contact.age + 1 }}", 42),
        (" {{ yes }}\n", True),
        ("{{- contact.tags -}}", ["a", "b"]),
        ("{{ n -}}", 5),
        ("{{- -n }}", -5),
        ("{# why #}{{ n }}", 5),
        ("{{ vars.PEDIDO }}", "00077"),
        ("{{ '}}' }}", "}}"),
        ("{{ none }}", None),
        ("{{ contact.off }}", None),
        ("{{ contact.nothing }}", None),
        ("{{ nobody.at.all[3].there }}", None),
        ("{{ 'a' if contact.nothing }}", None),
        ("{{ [contact.nothing, {'a': nobody}] }}", [None, {"a": None}]),
        ("{{ n }} {{ n }}", "5 5"),
        ("no. {{ n }}", "no. 5"),
        ("00077", "00077"),
        ("", ""),
    ],
)
def test_exactly_one_expression_keeps_its_type_and_all_else_is_text(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ none }}", ""),
        ("{{ yes }}{{ not yes }}", "truefalse"),
        ("{{ yes }}", "true"),
        ("{{ contact.nothing }}-{{ nobody.x }}", "-"),
        ("{{ contact.tags }}", "a, b"),
        ("{{ {'a': [1, 'ñ']} }}", '{"a": [1, "ñ"]}'),
        ("{{ contact }}", "7"),
        ("{{ caller }}", "+34600111222"),
        ("Call of {{ contact.name or caller }}", "Call of Ana"),
        ("{{ contact.nickname or caller }}", "+34600111222"),
        ("{{ '<b>&' }}", "<b>&"),
    ],
)
def test_a_value_prints_as_people_read_it(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "null"),
    [
        ("{{ none }}", True),
        ("{{ contact.nothing or none }}", True),
        ("{{ contact.nothing }}", False),
        ("{{ contact.off }}", False),
        ("{{ '' }}", False),
        ("x{{ none }}", False),
        ("none", False),
    ],
)
def test_none_is_told_from_what_is_missing(text: str, null: bool) -> None:
    assert Template(text).null(SCOPE) is null


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("{{ contact.nothing > 5 }}", False),
        ("{{ 5 > contact.nothing }}", False),
        ("{{ contact.nothing <= 5 }}", False),
        ("{{ contact.nothing == '' }}", True),
        ("{{ contact.nothing == none }}", True),
        ("{{ contact.nothing == nobody.x }}", True),
        ("{{ contact.nothing != 'a' }}", True),
        ("{{ contact.nothing in ['a'] }}", False),
        ("{{ 'a' in contact.nothing }}", False),
        ("{{ contact.nothing | int == 0 }}", True),
        ("{{ contact.nothing | float == 0 }}", True),
        ("{{ contact.nothing | length == 0 }}", True),
        ("{{ contact.nothing is defined }}", False),
        ("{{ contact.nothing | default('x') == 'x' }}", True),
        ("{{ n > 4 and contact.name == 'Ana' }}", True),
        ("{{ vars.PEDIDO | int > 70 }}", True),
    ],
)
def test_what_is_missing_is_empty_and_never_an_error_to_compare(text: str, holds: bool) -> None:
    assert Template(text).true(SCOPE) is holds


@pytest.mark.parametrize("text", ["", " ", "0", "false", "No", "{{ vars.EMPTY }}", "{{ none }}", "{{ 0 }}", "{{ [] }}"])
def test_what_does_not_hold(text: str) -> None:
    assert not Template(text).true(SCOPE)


@pytest.mark.parametrize("text", ["yes", "1", "{{ n }}", "{{ yes }}", "{{ contact.tags }}", "{{ caller }}"])
def test_what_holds(text: str) -> None:
    assert Template(text).true(SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "{{ contact.name + 1 }}",
        "{{ contact.nothing + 1 }}",
        "{{ 1 / 0 }}",
        "{{ contact.name > 5 }}",
        "x {{ contact.name() }}",
        "{{ vars.PEDIDO | hmac('k', 'no-such-hash') }}",
    ],
)
def test_what_fails_on_the_values_names_the_expression(text: str) -> None:
    template = Template(text)
    for evaluate in (template.value, template.render, template.true):
        with pytest.raises(ExpressionError) as raised:
            evaluate(SCOPE)
        assert text in str(raised.value)
        assert raised.value.__cause__ is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ call.start.hour + 1 }}", "hour is empty here"),
        ("{{ nothing | round }}", "a value is empty here"),
        ("{{ contact.name + 1 }}", "a text and a number don't go together here; write | int after the text"),
        ("{{ 1 < contact.name }}", "a text and a number don't go together here; write | int after the text"),
        ("{{ 1 // (contact.name | length - contact.name | length) }}", "nothing can be divided by 0"),
    ],
)
def test_a_failure_is_said_without_words_of_pythons(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        Template(text).value({**SCOPE, "call": {}})
    assert words in str(raised.value)
    assert not re.search(r"object|\bstr\b|attribute|Missing|__", str(raised.value).replace(text, ""))


@pytest.mark.parametrize(
    "text",
    [
        "{{ a | list }}", "{{ a | map('x') | list }}", "{{ a | default }}", "{{ a | sum(attribute='x') }}",
        "{{ a | time('%H', timezone='UTC') }}", "{{ a | join }}", "{{ a | selectattr('x', 'equalto', 1) | first }}",
        "{{ a | replace('x', 'y', 1) }}", "{{ a | batch(2) }}", "{{ a | last(9) }}", "{{ a | int(0) }}",
    ],
)  # fmt: skip
def test_a_filter_with_all_that_it_needs_is_read(text: str) -> None:
    assert Template(text).filters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ n | time }}", "time needs its format: write time("),
        ("{{ n | last }}", "last needs its count: write last(9)"),
        ("{{ n | hmac }}", "hmac needs its key: write hmac("),
        ("{{ n | replace('x') }}", "replace needs its new"),
        ("{{ n | epoch(1) }}", "epoch is given too much"),
        ("x {{ n or (n | time) }}", "time needs its format"),
    ],
)
def test_a_filter_that_lacks_an_argument_is_refused_when_it_is_read(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"\(in ") as raised:
        Template(text)
    assert words in str(raised.value)


def test_what_is_compared_with_a_number_or_a_truth_is_known() -> None:
    template = Template("{{ a.b == true and 3 < c['d'] and e | int == 5 and f.g == 'x' }}")
    assert template.compared == {(("a", "b"), "true"), (("c", "d"), "3")}
    assert template.filters == {"int"}


@pytest.mark.parametrize(
    "text",
    [
        "{% if n %}x{% endif %}",
        "{% set x = 1 %}{{ x }}",
        "{% for i in list %}{{ i }}{% endfor %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% macro m() %}{% endmacro %}",
        "{% block b %}{% endblock %}",
        "{{ }}",
        "{{ n",
        "{{ n }",
        "{{ n | no_such_filter }}",
        "{{ n is no_such_test }}",
        "{{ 00077 }}",
        "{{ " + "(" * 2000 + " }}",
    ],
)
def test_what_is_no_expression_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"\(in "):
        Template(text)


class Hostage:
    """An object as a program would hand it in by mistake."""

    secret = "swordfish"

    def act(self) -> str:
        return "swordfish"

    def __getitem__(self, _key: object) -> str:
        return "swordfish"


@pytest.mark.parametrize(
    "text",
    [
        "{{ x.secret }}",
        "{{ x['secret'] }}",
        "{{ x[0] }}",
        "{{ x | attr('secret') }}",
        "{{ [x] | map(attribute='secret') | join }}",
        "{{ [x] | sum(attribute='secret', start='') }}",
        "{{ x.act() }}",
        "{{ x.__class__ }}",
        "{{ x.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ }}",
        "{{ ('%s' | format).__globals__ }}",
        "{{ '{0.secret}'.format(x) }}",
        "{{ '{0.secret}' | format(x) }}",
        "{{ ('{0.secret}' | attr('format'))(x) }}",
        "{{ contact.connector }}{{ contact.__init__ }}{{ contact.phones }}",
        "{{ caller.text }}{{ caller.same }}",
        "{{ vars.keys() }}",
        "{{ vars.get('PEDIDO') }}",
        "{{ contact.fields }}",
        "{{ cycler }}{{ lipsum }}{{ range }}{{ dict }}{{ namespace }}{{ joiner }}",
        "{{ self._TemplateReference__context }}",
        "{{ x | pprint }}",
        "{{ x | tojson }}",
    ],
)
def test_there_is_no_way_to_a_python_object(text: str) -> None:
    try:
        shown = Template(text).render({**SCOPE, "x": Hostage()})
    except (ExpressionError, ValueError):
        return
    assert shown == ""


def test_a_field_may_be_called_as_a_method_is() -> None:
    assert value("{{ contact.items }}") == "mine"
    assert value("{{ vars['PEDIDO'] }}") == "00077"
    assert value("{{ list[1].name }}") == "y"
    assert value("{{ list[7].name }}") is None
    assert value("{{ vars.PEDIDO[-2:] }}") == "77"


def test_a_records_id_is_seen_unless_a_field_is_called_so() -> None:
    assert value("{{ contact.id }}") == "7"
    assert Template("{{ c.id }}").value({"c": Record("crm", "contact", "7", {"id": "own"})}) == "own"


class Line:
    visible = frozenset({"number"})
    number = "912345678"
    password = "3956"


def test_an_object_shows_what_it_says_is_visible() -> None:
    assert Template("{{ line.number }}{{ line.password }}{{ line.visible }}").render({"line": Line()}) == "912345678"


def test_an_object_that_says_nothing_shows_nothing() -> None:
    assert Template("{{ x.a }}").render({"x": SimpleNamespace(a=1)}) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 'bridge:ñ' | b64encode }}", "YnJpZGdlOsOx"),
        ("{{ caller.digits | last(9) }}", "600111222"),
        ("{{ 'ab' | last(9) }}", "ab"),
        ("{{ n | last(3) }}", "5"),
        ("{{ 'abc' | sha256 }}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "{{ 'what do ya want for nothing?' | hmac('Jefe') }}",  # RFC 4231, test case 2
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("{{ 'what do ya want for nothing?' | hmac('Jefe', 'md5') }}", "750c783e6ab0b503eaa86e310a5db738"),
        ("{{ caller.national | spaced }}", "600 111 222"),
        ("{{ caller | spaced }}", "+34 600 111 222"),
        ("{{ '1234' | spaced }}", "1 234"),
        ("{{ nobody | spaced }}{{ nobody | last(2) }}{{ nobody | b64encode }}", ""),
        ("{{ contact.name | upper }}", "ANA"),
    ],
)
def test_filters(text: str, expected: str) -> None:
    assert render(text) == expected


def test_filters_that_reach_further_than_a_value_are_not_there() -> None:
    assert {"b64encode", "last", "sha256", "hmac", "spaced", "e164", "upper"} <= filter_names()
    assert not filter_names() & {"attr", "pprint", "tojson", "safe", "urlize", "xmlattr", "random"}


def test_names_and_paths_are_what_is_looked_up() -> None:
    template = Template("{{ contact.name | default(order['id']) }} {{ vars.X.Y }} {{ list[0].name }} {{ 'text' }}")
    assert template.names == {"contact", "order", "vars", "list"}
    assert template.paths == {("contact", "name"), ("order", "id"), ("vars", "X", "Y"), ("list",)}
    assert not template.constant


def test_a_text_without_expressions_is_constant() -> None:
    template = Template("50% {of} it #1")
    assert template.constant
    assert template.names == frozenset()
    assert template.render({}) == template.value({}) == "50% {of} it #1"


def test_templates_are_compared_by_what_is_written() -> None:
    assert Template("{{ a }}") == Template("{{ a }}")
    assert Template("{{ a }}") != Template("{{ b }}")
    assert len({Template("{{ a }}"), Template("{{ a }}")}) == 1
    assert str(Template("{{ a }}")) == "{{ a }}"
    assert repr(Template("{{ a }}")) == "Template('{{ a }}')"


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    text: Template


class Spelled(int):
    text = "00077"


@pytest.mark.parametrize(("given", "shown"), [("{{ 'a' }}", "a"), (5, "5"), (True, "true"), (Spelled(77), "00077")])
def test_the_configuration_takes_texts_numbers_and_yes_or_no(given: object, shown: str) -> None:
    assert Model.model_validate({"text": given}).text.render({}) == shown


@pytest.mark.parametrize("given", [None, ["a"], {"a": 1}, "{{"])
def test_the_configuration_refuses_anything_else(given: object) -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({"text": given})


def test_it_goes_through_json_as_it_is_written() -> None:
    model = Model.model_validate({"text": "{{ a }}"})
    assert Model.model_validate_json(model.model_dump_json()) == model
    assert Model.model_json_schema()["properties"]["text"]["type"] == ["string", "number", "boolean"]


@given(st.text(), st.dictionaries(st.sampled_from("abcx"), st.text() | st.integers() | st.none()))
def test_any_text_is_refused_or_evaluates(source: str, scope: Mapping[str, object]) -> None:
    try:
        template = Template("{{" + source + "}}")
    except ValueError:
        return
    try:
        template.render(scope)
    except ExpressionError as error:
        assert error.__cause__ is not None  # noqa: PT017 - either is fine


def test_a_value_that_is_nested_too_deeply_is_an_error_like_others() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for read in (Template("{{ deep }}").value, Template("{{ deep }}").text):
        with pytest.raises(ExpressionError, match="nested too deeply"):
            read({"deep": deep})
