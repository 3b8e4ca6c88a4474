"""Whom a line may call."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.dial import kinds, may_dial
from bridge.config.model import Line
from connectors.phone import HIDDEN, Phone, parse


def line(**dial: Any) -> Line:
    return Line.model_validate({"number": "912345678", "password": "3956", "dial": dial})


def phone(text: str) -> Phone:
    return parse(text, "ES")


def may_dial_es(number: Phone, rules: Line) -> str:
    reason = may_dial(number, rules)
    return reason.render("es") if reason is not None else ""


NEVER = {
    "803123456": "premium",
    "+19005550123": "premium",
    "+979123456789": "premium",
    "901123456": "shared_cost",
    "700123456": "personal",
    "+447012345678": "personal",
    "+878101234567890": "personal",
    "+881612345678": "satellite",
    "+870773111632": "satellite",
    "+8821612345678": "satellite",
    "+883510012345678": "satellite",
    "+49112": "emergency",
    "+43112": "emergency",
    "+49118": "short",
    "+36116117": "short",
}


@pytest.mark.parametrize(("number", "kind"), NEVER.items())
def test_some_kinds_are_never_dialled_whatever_is_allowed(number: str, kind: str) -> None:
    everything = line(
        countries=["ES", "GB", "US", "DE", "AT", "HU", "001"],
        kinds=["fixed", "mobile", "voip", "toll_free"],
        allow=[number],
    )
    assert kinds(phone(number)) == (kind,)
    assert may_dial(phone(number), everything) is not None
    assert "nunca" in (may_dial_es(phone(number), everything) or "")


@pytest.mark.parametrize("number", ["600111222", "912345679", "+34 711 22 33 44"])
def test_fixed_lines_and_mobiles_of_the_lines_country_are_dialled_by_default(number: str) -> None:
    assert may_dial(phone(number), line()) is None


def test_a_line_does_not_call_itself_unless_told_to() -> None:
    assert str(may_dial(phone("+34 912 34 56 78"), line())) == "it is the line's own number"
    assert may_dial_es(phone("912345678"), line()) == "es el número de la propia línea"
    assert may_dial(phone("912345678"), line(allow=["912345678"])) is None


def test_toll_free_voip_and_company_numbers_are_dialled_only_where_allowed() -> None:
    free, voip, company = phone("900123456"), parse("+447700900123", "GB"), phone("510123456")
    assert "dial.kinds" in str(may_dial(free, line()) or "")
    assert may_dial(free, line(kinds=["toll_free"])) is None
    assert may_dial(company, line()) is not None
    assert may_dial(company, line(allow=["510 123 456"])) is None
    assert may_dial(voip, line(countries=["GB"])) is not None  # a range that Ofcom keeps for films: no valid number
    assert "dial.kinds" in str(may_dial(phone("600111222"), line(kinds=["fixed"])) or "")


def test_a_foreign_number_is_dialled_only_where_its_country_is_listed_or_it_is_allowed_itself() -> None:
    lisbon = phone("+351 213 421 234")
    assert "PT" in str(may_dial(lisbon, line()) or "")
    assert "PT" in (may_dial_es(lisbon, line()) or "")
    assert may_dial(lisbon, line(countries=["es", "pt"])) is None
    assert may_dial(lisbon, line(allow=["00351213421234"])) is None
    assert may_dial(phone("+351213421235"), line(allow=["00351213421234"])) is not None


def test_an_empty_list_of_countries_leaves_only_the_numbers_that_are_allowed() -> None:
    closed = line(countries=[], allow=["600111222"])
    assert may_dial(phone("600111222"), closed) is None
    assert may_dial(phone("600111223"), closed) is not None


def test_neighbours_that_share_a_country_code_are_other_countries() -> None:
    assert "JE" in str(may_dial(phone("+447797712345"), line(countries=["GB"])) or "")
    assert may_dial(phone("+12015550123"), line(countries=["US"], kinds=["mobile"])) is None


@pytest.mark.parametrize("number", ["112", "+34112", "+1911", "016", "11811", "+34118505", "34600"])
def test_short_and_emergency_numbers_of_plans_without_short_lines_are_refused_too(number: str) -> None:
    assert may_dial(phone(number), line(allow=[number])) is not None


@pytest.mark.parametrize("number", [Phone(""), HIDDEN, phone("no number"), phone("+34590123456")])
def test_what_is_no_valid_number_is_not_dialled(number: Phone) -> None:
    assert may_dial(number, line(allow=["+34590123456"])) is not None
    assert may_dial_es(number, line()) is not None


def test_a_reason_holds_no_number() -> None:
    for number in ["+351213429999", "900999888", "803999888", "+34590999888"]:
        assert number[-6:] not in str(may_dial(phone(number), line()) or "")
