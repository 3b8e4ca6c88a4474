import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.infocaller.events import (
    EVENTS,
    INFO,
    PLACEHOLDERS,
    EventMeaning,
    Panel,
    StatusType,
    canonical,
    panel,
    placeholders,
    status_type,
)


@pytest.mark.parametrize(
    ("spelling", "event"),
    [
        ("inicio", "inicio"),
        ("INICIO", "inicio"),
        ("DESVIO_CORRECTO", "desvio_correcto"),
        ("desvío correcto", "desvio_correcto"),
        ("Desvio-Correcto", "desvio_correcto"),
        ("desvio+fallido", "desvio_fallido"),
        ("DESVIO", "desvio_correcto"),
        ("desviofallido", "desvio_fallido"),
        (" fin ", "fin"),
        ("fin de llamada", None),
        ("", None),
        ("ﬁn", "fin"),
        ("f" * 1_000_000, None),
    ],
)
def test_an_event_is_known_in_any_spelling(spelling: str, event: str | None) -> None:
    assert canonical(spelling) == event


@given(st.text())
def test_any_text_is_an_event_or_none(text: str) -> None:
    assert canonical(text) in (*EVENTS, None)


def test_panel_variables_are_taken_by_their_parameters() -> None:
    given_ = {"CALLER": "600111222", "num": "912345678", "called": "912345679", "id": "7", "uuid": "ab-1", "x": "y"}
    assert panel(given_) == Panel("600111222", "912345678", "912345679", "7", "ab-1", None)


@pytest.mark.parametrize("text", ["", "  ", "[_NumDesvio]", "[_NUMDESVIO]", " [_numdesvio] "])
def test_a_panel_variable_without_value_is_none(text: str) -> None:
    assert panel({"desvio": text}).diverted is None


def test_a_panel_variable_can_be_stored_whatever_it_holds() -> None:
    assert panel({"desvio": "91\x00\ud800"}).diverted == "91\ufffd\ufffd"


def test_the_diverted_number_is_asked_for_where_the_platform_has_it() -> None:
    assert placeholders("desvio_fallido") == PLACEHOLDERS
    assert "desvio" not in placeholders("fin")
    assert set(placeholders("inicio")) == set(PLACEHOLDERS) - {"desvio"}


def test_types_that_the_manual_does_not_name_are_known_by_number_alone() -> None:
    assert status_type(17) is StatusType.QUERY
    assert [status_type(number) for number in (9, 10, 19, 20, 22, 0, -1, None)] == [None] * 8
    assert INFO[StatusType.KEYPAD][1] is EventMeaning.KEYED
    assert INFO[StatusType.CALL] == {3: EventMeaning.SECONDS, 4: EventMeaning.AMOUNT}
