"""Numbers as people, platforms and spreadsheets write them."""

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.expression import Template
from connectors.phone import HIDDEN, Phone, mask, mentions, parse, parse_all
from connectors.phonebulk import Numbers

COUNTRIES = ("ES", "GB", "FR", "PT", "DE", "IT", "US")


@pytest.mark.parametrize(
    "cell",
    [
        "600111222", "600 11 12 22", "600-11.12/22", "+34 600-11.12/22", "0034600111222", "(0034) 600111222 ext. 5",
        "34600111222", "600111222x5", "600111222#5", "600111222 ext. 5", "600111222,5", "600111222,,5",
        "600111222;ext=5", "tel:+34600111222", "'600111222", "'+34600111222", "600\u00a0111\u00a0222",
        "\u0666\u0660\u0660\u0661\u0661\u0661\u0662\u0662\u0662",
        "\uff16\uff10\uff10\uff11\uff11\uff11\uff12\uff12\uff12",
        "6.00111222E+8", "6,00111222E+8", "3.4600111222E+10", "600111222.0", "600111222,00", "Juan 600111222",
        "600111222 Juan", "600 111 222 (casa)", "  600111222\t",
    ],
)  # fmt: skip
def test_a_cell_of_one_number_gives_that_number(cell: str) -> None:
    assert [phone.e164 for phone in parse_all(cell, "ES")] == ["+34600111222"]


@pytest.mark.parametrize(
    "cell",
    [
        "600111222/911222333", "600111222 / 911222333", "600111222,911222333", "600111222;911222333",
        "600111222|911222333", "600111222\n911222333", "+34600111222, +34 911 22 23 33", "600111222 ext. 5, 911222333",
        "600111222 casa; 911222333 trabajo", "Casa: 600111222 / Trabajo: 911222333", "600111222; n/a; 911222333",
    ],
)  # fmt: skip
def test_a_cell_of_two_numbers_gives_both(cell: str) -> None:
    assert [phone.e164 for phone in parse_all(cell, "ES")] == ["+34600111222", "+34911222333"]


@pytest.mark.parametrize(
    "cell", ["", " ", "n/a", "12", "abc", "6.001E+8", "6001E5", "600", "-", "+", "/", "9" * 5000, ";" * 900]
)
def test_what_is_no_number_gives_none(cell: str) -> None:
    assert list(parse_all(cell, "ES")) == []


def test_numbers_of_other_countries_are_read_by_their_code_or_country() -> None:
    assert parse("+33 6 12 34 56 78", "ES") == Phone("+33 6 12 34 56 78", "+33612345678", "FR")
    assert parse("06 12 34 56 78", "FR").e164 == "+33612345678"
    assert parse("020 7946 0958", "GB").e164 == "+442079460958"
    assert parse("06 698 1234", "IT").e164 == "+39066981234"
    assert parse("1-800-FLOWERS", "US").e164 == "+18003569377"
    assert parse("0612345678", "ES").e164 == ""


def test_the_platforms_word_for_hidden_is_hidden() -> None:
    assert parse(" x ", "ES") is HIDDEN
    assert not HIDDEN
    assert not HIDDEN.same(HIDDEN)


def test_a_number_can_be_printed_in_every_spelling() -> None:
    phone = parse("600111222 ext. 5", "ES")
    assert (str(phone), phone.digits, phone.national) == ("+34600111222", "34600111222", "600111222")
    assert (phone.international, phone.country) == ("+34 600 11 12 22", "ES")
    assert parse("06 698 1234", "IT").national == "066981234"


def test_extensions_and_spellings_make_no_other_number() -> None:
    assert parse("600111222 ext. 5", "ES").same(parse("0034 600 111 222", "ES"))
    assert not parse("600111222", "ES").same(parse("600111222", "FR"))


def test_an_endless_text_is_cut_before_it_is_kept() -> None:
    assert len(parse("9" * 100_000, "ES").text) <= 64


@pytest.mark.parametrize(("text", "shown"), [("+34600111222", "•••222"), ("1234", "•••"), ("", "•••")])
def test_logs_show_the_last_three_digits_at_most(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("600111222", True),
        ("Ring +34 600 11 12 22 after 10:30, or 911222333", True),
        ("34600111222", True),
        ("2x600111222", True),
        ("0034600111222 / 911222333", True),
        ("order 1600111222", False),
        ("6001112223", False),
        ("+33600111222", False),
        ("600 111", False),
        ("", False),
        ("+44 600111222", False),
        ("(600) 111-222 at noon", True),
        ("tel:+34-600.111.222;ext=5, twice", True),
        ("call \uff16\uff10\uff10\uff11\uff11\uff11\uff12\uff12\uff12 now", True),
        ("order 0600111222", False),
        ("+34 600 11 12 223", False),
    ],
)
def test_a_number_is_seen_among_other_words(text: str, is_there: bool) -> None:
    assert mentions(text, parse("600111222", "ES"), "ES") is is_there
    assert not mentions(text, HIDDEN, "ES")


@pytest.mark.parametrize(
    ("number", "country", "text"),
    [
        ("020 7946 0958", "GB", "rang 020 7946 0958 twice"),
        ("020 7946 0958", "GB", "rang +44 20 7946 0958 twice"),
        ("06 12 34 56 78", "FR", "le 06.12.34.56.78 hier"),
        ("06 698 1234", "IT", "chiama 06 698-1234 ora"),
        ("650 253 0000", "US", "ring (650) 253-0000 or 1-650-253-0000"),
        ("+34600111222", "US", "ring 011 34 600 111 222 please"),
    ],
)
def test_a_number_is_seen_as_it_is_dialled_in_its_country(number: str, country: str, text: str) -> None:
    assert mentions(text, parse(number, country), country)


class Line:
    country = "FR"


@pytest.mark.parametrize("template", ["{{ n | e164 }}", "<{{ n | e164 }}>"])
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"n": "06 12 34 56 78", "line": {"country": "FR"}}, "+33612345678"),
        ({"n": "06 12 34 56 78", "line": Line()}, "+33612345678"),
        ({"n": "600111222"}, "+34600111222"),
        ({"n": "600111222 / 911222333"}, "+34600111222"),
        ({"n": 600111222, "line": None}, "+34600111222"),
        ({"n": parse("600111222", "ES"), "line": {"country": "FR"}}, "+34600111222"),
        ({"n": "nobody"}, ""),
        ({"n": None}, ""),
        ({}, ""),
    ],
)
def test_the_e164_filter_reads_by_the_country_of_the_line(
    template: str, scope: dict[str, object], expected: str
) -> None:
    assert Template(template).render(scope) == template.replace("{{ n | e164 }}", expected)
    if template.startswith("{{"):
        assert Template(template).value(scope) == expected


def test_the_e164_filter_takes_a_country() -> None:
    assert Template("{{ n | e164('GB') }}").value({"n": "020 7946 0958", "line": {"country": "FR"}}) == "+442079460958"


def slowly(cell: str, country: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(phone.digits) for phone in parse_all(cell, country)))


@pytest.mark.parametrize("country", [*COUNTRIES, "GG", "CA", "AR", "BR", "MX", "AU", "VA", "KZ", "ZZ", ""])
def test_bulk_reading_says_what_phonenumbers_says(country: str) -> None:
    draw = random.Random(country)
    numbers = Numbers(country)
    code = phonenumbers.country_code_for_region(country)
    prefixes = ["", "", "", "0", "1", "15", "00", "011", f"+{code}", f"+{code}0", f"00{code}", f"{code}", "+", "+1"]
    for _ in range(1500):
        digits = "".join(draw.choices("0123456789", k=draw.choice([3, 6, 7, 8, 9, 9, 9, 10, 10, 11, 12, 15])))
        cell = list(draw.choice(prefixes) + digits)
        for _ in range(draw.choice([0, 0, 1, 3])):
            cell.insert(draw.randint(0, len(cell)), draw.choice(" .-"))
        text = "".join(cell)
        assert numbers(text) == slowly(text, country), (text, country)
        assert numbers.phones(text) == tuple(parse_all(text, country)), (text, country)


@given(st.text("0123456789 .-+/;,xX()'E\u00a0\u0661", max_size=40), st.sampled_from(COUNTRIES))
def test_bulk_reading_of_any_cell_says_what_phonenumbers_says(cell: str, country: str) -> None:
    assert Numbers(country)(cell) == slowly(cell, country)
    assert Numbers(country).phones(cell) == tuple(parse_all(cell, country))


@given(st.text(max_size=80), st.sampled_from(COUNTRIES))
def test_no_text_makes_reading_fail(text: str, country: str) -> None:
    for phone in parse_all(text, country):
        assert phone.e164.startswith("+")
