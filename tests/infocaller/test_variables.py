import html
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.infocaller.variables import clean, escape, unescape, valid_name

ALLOWED = {chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100))}


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("Begoña Núñez ¿½?", "Begoña Núñez ¿½?"),
        ("10 €", "10 EUR"),
        ("Łódź", "Lódz"),
        ("“Peña” \u2013 \u2018x\u2019 \u2014 y…", "\"Peña\" - 'x' - y..."),
        ("n\u0303 e\u0301", "ñ é"),
        ("Nguyễn Thế ő Ÿ", "Nguyên Thê o Y"),
        ("Жуков", "Zhukov"),
        ("ﬁn ①", "fin 1"),
        ("a\r\n\tb\x00c\x85d\u2028e", "a b c d e"),
        ("a\u200bb\ufeffc\ud800d", "abcd"),
        ("\u0301\u0302", ""),
        ("¿Qué\uff1f", "¿Qué?"),
        ("a\U000102b1\ufffdb", "ab"),
        ("O'Brien & Sons <UK>", "O'Brien & Sons <UK>"),
    ],
)
def test_values_become_the_nearest_that_the_platform_takes(value: str, cleaned: str) -> None:
    assert clean(value) == cleaned


def test_every_character_there_is_cleans_to_allowed_ones_and_never_to_a_question_mark() -> None:
    for code in range(sys.maxunicode + 1):
        cleaned = clean(chr(code))
        assert set(cleaned) <= ALLOWED
        assert "?" not in cleaned or "QUESTION" in (name := unicodedata.name(chr(code))) or "INTERROBANG" in name


@given(st.text())
def test_cleaning_gives_allowed_characters_only_and_is_idempotent(value: str) -> None:
    cleaned = clean(value)
    assert set(cleaned) <= ALLOWED
    assert clean(cleaned) == cleaned


@given(st.text())
def test_entities_undone_are_the_value_again(value: str) -> None:
    assert unescape(escape(value)) == value
    assert not set(escape(value)) & set("<>'\"")
    assert html.unescape(escape("<&>'\"")) == "<&>'\""


@pytest.mark.parametrize(
    ("value", "undone"),
    [("&amp;lt;", "&lt;"), ("&#39;&nbsp;&", "&#39;&nbsp;&"), ("&apos;&quot;&gt;", "'\">"), ("&AMP;", "&AMP;")],
)
def test_only_the_five_entities_are_undone_and_only_once(value: str, undone: str) -> None:
    assert unescape(value) == undone


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("PEDIDO", True),
        ("1A", True),
        ("A" * 15, True),
        ("A" * 16, False),
        ("", False),
        ("pedido", False),
        ("A B", False),
        ("AÑO", False),
        ("A\n", False),
        ("٣", False),
    ],
)
def test_names_follow_appendix_ii(name: str, valid: bool) -> None:
    assert valid_name(name) is valid
