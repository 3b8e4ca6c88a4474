"""What expressions see of a call, and whom `| dial` lets through."""

from __future__ import annotations

import pytest

from bridge.config.model import Line
from bridge.expressions.scope import Variables, of_call
from connectors.expression import ExpressionError, Template
from connectors.filters import NotDialable
from connectors.phone import HIDDEN, parse

LINE = Line.model_validate({"number": "912345678", "password": "3956", "extensions": ["101", "jefe"]})
SCOPE = of_call(
    LINE, parse("600111222", "ES"), "912345679", {"id": "7", "seconds": 75}, {"pedido": "00077", "1a": "x", "MENU": ""}
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ caller }}", "+34600111222"),
        ("{{ called }}", "+34912345679"),
        ("{{ line }} {{ line.timezone }}", "912345678 Europe/Madrid"),
        ("{{ call.seconds }}", "75"),
        ("{{ vars.PEDIDO }}{{ vars.Pedido }}", "0007700077"),
        ("{{ vars['1A'] }}", "x"),
        ("{{ vars.NADA }}", ""),
        ("{{ line.password }}{{ line.rules }}{{ line.rules.password }}{{ caller.text }}", ""),
    ],
)
def test_expressions_see_the_call_and_no_secret(text: str, shown: str) -> None:
    assert Template(text).render(SCOPE) == shown


def test_variables_match_in_any_case_and_are_shown_in_capitals() -> None:
    variables = Variables({"pedido": "1", "MENU": "2"})
    assert variables["Pedido"] == "1"
    assert "menu" in variables
    assert "NADA" not in variables
    assert dict(variables) == {"PEDIDO": "1", "MENU": "2"}
    assert len(variables) == 2


@pytest.mark.parametrize(
    ("value", "dialled"),
    [
        ("600 11 12 22", "+34600111222"),
        ("0034 911 000 001", "+34911000001"),
        (" 101 ", "101"),
        (101, "101"),
        ("jefe", "jefe"),
        (parse("911000001", "ES"), "+34911000001"),
    ],
)
def test_dial_gives_a_number_or_an_extension_of_the_line(value: object, dialled: str) -> None:
    assert Template("{{ to | dial }}").render({**SCOPE, "to": value}) == dialled


@pytest.mark.parametrize("value", ["102", "", None, HIDDEN, "no number", "806123456", "112", "+12125550100", "1" * 70])
def test_dial_refuses_with_a_reason_that_is_not_the_number(value: object) -> None:
    with pytest.raises(ExpressionError) as raised:
        Template("{{ to | dial }}").render({**SCOPE, "to": value})
    assert isinstance(raised.value.__cause__, NotDialable)
    assert str(raised.value.__cause__)
    assert not isinstance(value, str) or not value or value not in str(raised.value)


def test_dial_in_the_middle_of_a_text_refuses_just_the_same() -> None:
    with pytest.raises(ExpressionError) as raised:
        Template("to {{ vars.PEDIDO | dial }}").render(SCOPE)
    assert isinstance(raised.value.__cause__, NotDialable)


def test_dial_needs_a_line() -> None:
    with pytest.raises(ExpressionError):
        Template("{{ to | dial }}").render({"to": "600111222"})
