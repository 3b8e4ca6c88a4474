"""Words for people: durations, amounts, and each thing that can happen in a call."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.words import amount, duration, status_line
from bridge.infocaller.events import StatusType
from bridge.infocaller.messages import StatusEvent
from bridge.texts import Language
from tests.fakes.exchange import entry


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (75, "1 min 15 s"), (3600, "1 h 0 min"), (7530, "2 h 5 min")],
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "es", "en"),
    [
        ("0.0465", "0,0465 €", "€0.0465"),
        ("0.050000", "0,05 €", "€0.05"),
        ("12", "12,00 €", "€12.00"),
        ("0", "0,00 €", "€0.00"),
        ("-0.5", "-0,50 €", "€-0.50"),
        ("1E-7", "0,0000001 €", "€0.0000001"),
        ("100", "100,00 €", "€100.00"),
        ("999999999999.999999999999999", "999999999999,999999999999999 €", "€999999999999.999999999999999"),
    ],
)
def test_amounts_are_exact(value: str, es: str, en: str) -> None:
    assert amount(Decimal(value), "es") == es
    assert amount(Decimal(value), "en") == en


@pytest.mark.parametrize(
    ("event", "es", "en"),
    [
        (entry(2, "101", "", "", "", ""), "Llamada: 101", "Call: 101"),
        (entry(2, "101", "", "", "abc", "x"), "Llamada: 101, abc, x", "Call: 101, abc, x"),
        (entry(2, "101", "", "", "65", "0.5"), "Llamada: 101, 1 min 5 s, 0,50 €", "Call: 101, 1 min 5 s, €0.50"),
        (entry(4, "", "77"), "Dato marcado: 77", "Keyed in: 77"),
        (entry(4, "PIN"), "Dato marcado: PIN", "Keyed in: PIN"),
        (entry(7, "Fin de llamada", "", "", "", "0,00"), "Fin de llamada", "End of the call: Fin de llamada"),
        (entry(12, "", "", "", "", "0,09"), "SMS enviado: 0,09 €", "SMS sent: €0.09"),
        (entry(17, "Q", "0"), "Consulta: Q, correcta", "Query: Q, went well"),
        (entry(17, "Q", "1"), "Consulta: Q, con error", "Query: Q, went wrong"),
        (entry(17, "Q"), "Consulta: Q", "Query: Q"),
        (entry(19, "x"), "Acción 19: x", "Action 19: x"),
        (StatusEvent(None, None, "", ("", "", "", "", "")), "Acción ?", "Action ?"),
        (entry(13, "Guion"), "Guion", "Script: Guion"),
    ],
)
def test_each_thing_in_words(event: StatusEvent, es: str, en: str) -> None:
    assert status_line(event, "es") == es
    assert status_line(event, "en") == en


@pytest.mark.parametrize("kind", list(StatusType))
def test_every_kind_of_the_manual_has_its_own_words_in_both_languages(kind: StatusType) -> None:
    spanish, english = status_line(entry(kind), "es"), status_line(entry(kind), "en")
    assert not spanish.startswith("Acción")
    assert spanish[0].isupper()
    assert english[0].isupper()


@given(
    st.integers() | st.none(), st.text(), st.tuples(*[st.text() | st.from_regex(r"-?[0-9.,eE]+")] * 5),
    st.sampled_from(["es", "en"]),
)  # fmt: skip
def test_whatever_the_platform_says_is_a_line(
    kind: int | None, name: str, info: tuple[str, str, str, str, str], language: Language
) -> None:
    assert status_line(StatusEvent(kind, None, name, info), language)
