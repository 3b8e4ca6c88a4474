"""What a person may see of requests and answers."""

from __future__ import annotations

import json
import re

import pytest

from connectors.masking import Mask

NUMBERS = (
    "600112233",
    "+34600112233",
    "0034 600 11 22 33",
    "600-11.22/33",
    "(600) 112 233",
    "%600%112%233%",
    "34600112233",
    "600 - 112 - 233",
    "600\u00a0112\u202f233",
    "600\u2013112\u2011233",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_of_a_phone_number_the_last_digits_are_left(number: str) -> None:
    shown = Mask().text(f'{{"phone": "{number}", "born": "1980-12-31"}}')
    value = json.loads(shown)["phone"]
    assert re.sub(r"\D", "", value) == "233"
    assert re.sub(r"[•\d]", "", value) == re.sub(r"\d", "", number), "how it is spelled can be seen"
    assert "1980-12-31" in shown


@pytest.mark.parametrize(
    "date",
    ["14/12/2026 10:30", "14/12/2026", "3-1-2026", "14.12.2026, 10:30:00", "2026/12/14 9:05", "2026-12-14T10:30:00"],
)
def test_a_date_is_no_phone_number(date: str) -> None:
    assert Mask().text(f'{{"proxima_cita": "{date}"}}') == f'{{"proxima_cita": "{date}"}}'
    assert Mask().text(f"{date} 600112233").endswith("••••••233")


@pytest.mark.parametrize(
    "number", ["14/12/2026 10", "31-12-2045-33", "14122026", "91.23.4567", "+14-12-2026", "41/22/2026"]
)
def test_a_number_that_looks_like_a_date_at_first_is_masked(number: str) -> None:
    assert "•" in Mask().text(number)


def test_spaces_that_are_escaped_in_json_hide_no_number() -> None:
    shown = Mask().text(json.dumps({"phone": "600\u00a0112\u202f233"}))
    assert shown == r'{"phone": "•••\u00a0•••\u202f233"}'


def test_numbers_in_urls_are_masked_whatever_their_encoding() -> None:
    shown = Mask().url(
        "https://me:pw@crm.example/a/600112233/b?q=%2B34600112233&x=600%20112%20233&page=2&token=abc&a_key=1"
    )
    assert shown == "https://crm.example/a/••••••233/b?q=+••••••••233&x=••• ••• 233&page=2&token=•••&a_key=1"


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "hush-1", "n": 1}',
        '{"user": {"Password" : "hush-1 \\" more"}}',
        '{"api_key":"hush-1',
        '{"session_id": hush-1}',
        "<Token>hush-1</Token>",
        '{"sid": "hush-1", "inside": "shown"}',
        '{"contrase\\u00f1a": "hush-1"}',
        "client_secret=hush-1&x=1",
    ],
)
def test_what_is_called_like_a_secret_is_not_shown(text: str) -> None:
    kind = "application/x-www-form-urlencoded" if "=" in text and "<" not in text else "application/json"
    assert "hush" not in Mask().body(text, kind)


def test_secrets_that_are_known_are_shown_nowhere() -> None:
    mask = Mask(["p&ss wörd"])
    mask.hide("tok-123", "abc")
    assert mask.url("https://x/y?a=p%26ss+w%C3%B6rd&b=tok-123") == "https://x/y?a=•••&b=•••"
    assert mask.text("tok-123, abc") == "•••, abc"  # too short to be told from words
    assert "tok-123" not in mask.body(json.dumps({"args": [1, "tok-123"]}))


@pytest.mark.parametrize("escaped", [True, False])
def test_secrets_are_known_as_json_spells_them(escaped: bool) -> None:
    secret = 'señal/"ñandú\\x'
    body = json.dumps({"args": [1, secret], "echo": json.dumps([secret])}, ensure_ascii=escaped)
    for shown in (Mask([secret]).body(body), Mask([secret]).body(body.replace("/", r"\/"))):
        assert "and" not in shown
        assert shown.count("•••") == 2


def test_long_and_binary_bodies_are_cut() -> None:
    mask = Mask()
    assert len(mask.body("x" * 10_000)) <= 501
    assert mask.body("") == mask.body(None) == ""
    assert "\x00" not in mask.body(b"%PDF\x00\x01\xff")


def test_a_secret_does_not_show_at_the_edge_of_what_is_cut() -> None:
    secret = "s3cret-" + "z" * 60
    for at in range(440, 505, 7):
        assert "s3cret" not in Mask([secret]).body("a" * at + secret + "b" * 600)
