"""*Calls*: what is looked for is found; one call is shown with all that is known of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from bridge.simulator.calls import Platform, SimulatedCall, wall_clock
from bridge.web.console.sections import Role
from tests.waiting import until
from tests.web.bridge_process import Bridge
from tests.web.console.case import Browser, words
from tests.web.console.telephone import KNOWN, NAME, STRANGER, ring, telephone

CALLS = "/console/calls"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """Three calls: one that the CRM knows, answered; a stranger's, missed, two hours before; a hidden one, going on.
    And one that only asked a Query."""
    with telephone(tmp_path_factory.mktemp("calls")) as (bridge, platform):
        _play(platform)
        operator = Browser(bridge).sign_in(Role.OPERATOR)
        until(lambda: len(listed(operator)) == 3 and len(listed(operator, result="open")) == 1)
        until(lambda: words(operator.get(f"{CALLS}/1001")).count(" done ") == 2)  # its activity and its saved record
        yield bridge


def _play(platform: Platform) -> None:
    known = ring(platform, "1001")
    assert platform.query(known, "ENCUESTA").good
    assert all(exchange.good for exchange in platform.events(known))
    before = wall_clock(ago=timedelta(hours=2))
    missed = ring(platform, "1002", STRANGER, diverted="102", answered=False, start=before)
    assert all(exchange.good for exchange in platform.events(missed))
    ring(platform, "1003", "X", variables={})
    assert platform.query(SimulatedCall(KNOWN, "1004"), "DESVIO").good


@pytest.fixture(scope="module")
def browser(served: Bridge) -> Browser:
    return Browser(served).sign_in(Role.OPERATOR)


def listed(browser: Browser, **criteria: str) -> list[str]:
    """The addresses of the calls that a search finds, newest first."""
    answer = browser.get(f"{CALLS}?{urlencode(criteria)}")
    assert answer.status_code == 200, answer.text
    return re.findall(rf'<th scope="row"[^>]*><a href="({CALLS}/\d+)">', answer.text)


def sequences(browser: Browser, **criteria: str) -> list[str]:
    """Their CallSequences."""
    return [re.findall(r"\b100\d\b", words(browser.get(path)))[0] for path in listed(browser, **criteria)]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"number": "+34 600-111-222"}, ["1001"]),
        ({"number": "0034600111222"}, ["1001"]),
        ({"number": "600 11 12 23"}, []),
        ({"name": "ana garcia"}, ["1001"]),
        ({"name": "GARCÍA')<"}, ["1001"]),
        ({"name": "pepe"}, []),
        ({"result": "answered"}, ["1001"]),
        ({"result": "missed"}, ["1002"]),
        ({"result": "open"}, ["1003"]),
        ({"extension": "101"}, ["1001"]),
        ({"extension": "102", "result": "missed"}, ["1002"]),
        ({"extension": "10"}, []),
        ({"line": "934567890"}, []),
    ],
)
def test_calls_are_found_by(browser: Browser, criteria: dict[str, str], expected: list[str]) -> None:
    assert sequences(browser, **criteria) == expected


def test_calls_are_found_by_when_they_were(browser: Browser) -> None:
    until_then = f"{wall_clock(ago=timedelta(minutes=30)):%Y-%m-%dT%H:%M}"
    assert sequences(browser, until=until_then) == ["1002"]
    yesterday = f"{wall_clock(ago=timedelta(days=1)):%Y-%m-%d}"
    assert sequences(browser, since=yesterday, number=STRANGER) == ["1002"]


def test_the_newest_stand_first(browser: Browser) -> None:
    assert sequences(browser) == ["1003", "1001", "1002"]


@pytest.mark.parametrize(
    "criteria",
    [
        {"number": "abc"}, {"with": "nobody"}, {"since": "yesterday"}, {"until": "0001-01-01T00:00"},
        {"until": "9999-12-31"}, {"result": "eaten"}, {"after": "rubbish"}, {"after": "WyJ4IiwgMV0="},
        {"extension": "%_\\\"'" * 90}, {"name": "\0<script>"}, {"line": "'"}, {"with": "9" * 400},
    ],
)  # fmt: skip
def test_what_makes_no_sense_does_no_harm(browser: Browser, criteria: dict[str, str]) -> None:
    answer = browser.get(f"{CALLS}?{urlencode(criteria)}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text


def test_what_could_not_be_understood_is_said(browser: Browser) -> None:
    assert "That is no phone number of ES" in words(browser.get(f"{CALLS}?number=abc"))
    assert "Write times as in" in words(browser.get(f"{CALLS}?since=yesterday"))


def test_a_call_is_shown_with_all_that_is_known_of_it(browser: Browser) -> None:
    (address,) = listed(browser, number=KNOWN)
    page = browser.get(address)
    told = words(page)
    assert f"Call received from {NAME}" in told
    assert "+34 600 11 12 22" in told
    assert 'href="https://crm.example.com/7"' in page.text
    for part in (
        "The call came in", "Query DESVIO found answered in", "DESTINO 101", "NOTA 9",
        "Put through, answered : 101 DESVIO_CORRECTO", "End of the call", "€0.0465",
        "Saved record for crm", "Activity for crm", "Lasted 1 min 15 s", "Keyed in: NOTA = 9",
    ):  # fmt: skip
        assert part in told, part
    assert told.index("Query DESVIO") < told.index("Query ENCUESTA") < told.index("End of the call")
    assert "987654" not in page.text  # the PIN is sensitive
    assert "<script>alert" not in page.text
    assert re.search(r'"?CallSequence"?\D+1001', unescape(page.text))  # a document as it came
    assert words(browser.get(f"{CALLS}/1001")) == told


def test_the_other_calls_of_a_number_are_one_step_away(browser: Browser) -> None:
    (address,) = listed(browser, number=KNOWN)
    following = re.findall(rf'href="({CALLS}\?with=\d+)"', browser.get(address).text)
    assert re.findall(rf'<a href="({CALLS}/\d+)">', browser.get(following[0]).text) == [address]
    assert listed(browser, **{"with": address.rpartition("/")[2], "result": "missed"}) == []


def test_a_query_may_be_asked_again_where_that_can_be_done(browser: Browser) -> None:
    again = re.findall(r'href="(/console/try\?[^"]+)"', browser.get(f"{CALLS}/1001").text)
    for fields in (parse_qs(urlsplit(unescape(address)).query) for address in again):
        assert fields["query"] in (["DESVIO"], ["ENCUESTA"])
        assert fields["caller"] == ["+34600111222"]
        assert fields["variables"] == [f"NOTA=9\nPIN=\nTEXTO={NAME}"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", fields["at"][0])


def test_a_call_of_which_only_a_query_is_known_is_shown(browser: Browser) -> None:
    page = browser.get(f"{CALLS}/1004")
    assert page.status_code == 200
    assert "Query DESVIO found answered in" in words(page)
    assert f"Call received from {NAME}" in words(page)


def test_what_is_not_there_is_not_found(browser: Browser) -> None:
    assert browser.get(f"{CALLS}/nothing").status_code == 404
    assert browser.get(f"{CALLS}/{'9' * 12}").status_code == 404
    assert browser.get(f"{CALLS}/a/b%2Fc%00").status_code == 404


def test_a_viewer_sees_nothing_plain(served: Bridge) -> None:
    viewer = Browser(served).sign_in(Role.VIEWER)
    addresses = listed(viewer)
    assert len(addresses) == 3
    for address in (CALLS, f"{CALLS}?with=1001", *addresses):
        page = viewer.get(address).text
        for secret in (KNOWN, "600 11 12 22", "Ana", "García", "crm.example.com", "alert(", STRANGER):
            assert secret not in page, (address, secret)
    assert listed(viewer, name="Ana") == addresses
    assert "can't look for them" in words(viewer.get(f"{CALLS}?number={KNOWN}"))
