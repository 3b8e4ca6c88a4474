"""*Live*: who is on the line, and one extension's own page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from bridge.simulator.calls import Platform, SimulatedCall
from bridge.web.console.sections import Role
from tests.waiting import until
from tests.web.bridge_process import Bridge
from tests.web.console.case import Browser, words
from tests.web.console.telephone import KNOWN, NAME, STRANGER, ring, telephone

LIVE = "/console/live"


@pytest.fixture(scope="module")
def phones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bridge, Platform]]:
    with telephone(tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(phones: tuple[Bridge, Platform]) -> Browser:
    return Browser(phones[0]).sign_in(Role.OPERATOR)


def on_line(browser: Browser, query: str = "") -> list[str]:
    """What is said of each call on the line."""
    page = browser.get(f"{LIVE}?{query}")
    assert page.status_code == 200
    return [
        " ".join(unescape(re.sub(r"<[^>]*+>", " ", part)).split())
        for part in re.findall(r'<li class="on".*?</li>', page.text, re.DOTALL)
    ]


def test_a_call_is_shown_from_its_first_sign_until_its_end(phones: tuple[Bridge, Platform], browser: Browser) -> None:
    bridge, platform = phones
    assert "Nobody is on the line." in words(browser.get(LIVE))
    call = ring(platform, "1")
    until(lambda: any("ringing Extension 101" in text for text in on_line(browser)))
    (told,) = on_line(browser)
    for part in (NAME, "+34 600 11 12 22", "912345678", "Query DESVIO found", "DESTINO 101", "Open the record"):
        assert part in told, part
    page = browser.get(f"{LIVE}?extension=101&open=1").text
    assert re.search(r'href="https://crm.example.com/7"[^>]*data-open="912345678:1"', page)
    assert "pop.js" in page
    assert "<script>alert" not in page
    assert (len(on_line(browser, "extension=101")), on_line(browser, "extension=102")) == (1, [])
    assert platform.event(call, "desvio_correcto").good
    until(lambda: any("talking Extension 101" in text for text in on_line(browser, "extension=101")))
    viewer = Browser(bridge).sign_in(Role.VIEWER)
    for address in (LIVE, f"{LIVE}?extension=101&open=1"):
        masked = viewer.get(address)
        assert "talking" in words(masked)
        for secret in (KNOWN, "600 11 12 22", "García", "alert(", "crm.example.com", "data-open"):
            assert secret not in masked.text, secret
    assert platform.event(call, "fin").good
    until(lambda: on_line(browser) == [])


def test_whoever_answers_has_the_call_not_who_was_rung(phones: tuple[Bridge, Platform], browser: Browser) -> None:
    _, platform = phones
    call = ring(platform, "2", diverted="102")  # DESTINO is 101, and 102 answers
    assert platform.event(call, "desvio_correcto").good
    until(lambda: len(on_line(browser, "extension=102")) == 1)
    assert on_line(browser, "extension=101") == []
    assert platform.event(call, "fin").good
    failed = ring(platform, "3", answered=False)
    until(lambda: len(on_line(browser, "extension=101")) == 1)
    assert platform.event(failed, "desvio_fallido").good
    until(lambda: on_line(browser, "extension=101") == [])
    assert platform.event(failed, "fin").good
    until(lambda: on_line(browser) == [])


def test_a_call_that_only_asks_is_on_the_line_and_has_a_page(phones: tuple[Bridge, Platform], browser: Browser) -> None:
    _, platform = phones
    call = SimulatedCall(STRANGER, "4", variables={"PIN": "987654"})
    assert platform.query(call, "DESVIO").good
    until(lambda: len(on_line(browser)) == 1)
    assert "+34 699 00 01 11" in on_line(browser)[0]
    page = browser.get(LIVE).text
    assert "987654" not in page
    (address,) = re.findall(r'href="(/console/calls/[^"]+)"', page)
    assert browser.get(address).status_code == 200
    assert platform.event(call, "fin").good
    until(lambda: on_line(browser) == [])


@pytest.mark.parametrize("query", ["extension=%00", "extension=" + "9" * 999, "open=1", "open=x&extension='\"<script>"])
def test_what_makes_no_sense_does_no_harm(browser: Browser, query: str) -> None:
    assert on_line(browser, query) == []
    assert "<script>alert" not in browser.get(f"{LIVE}?{query}").text
