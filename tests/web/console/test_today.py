"""The first page."""

from __future__ import annotations

from bridge.web.console.sections import Role
from tests.web.bridge_process import Bridge
from tests.web.console.case import Browser, words


def test_it_says_in_either_language_that_all_is_well(console: Bridge) -> None:
    browser = Browser(console, "es-ES,es;q=0.9,en;q=0.5").sign_in(Role.VIEWER)
    assert "Todo va bien." in words(browser.get("/console/"))
    english = browser.get("/console/?lang=en")
    assert "All is well. Nothing needs you." in words(english)
    assert '<html lang="en">' in english.text
    assert "All is well." in words(browser.get("/console/"))  # it is kept


def test_a_line_is_paused_and_resumed_there(operator: Browser) -> None:
    operator.get("/console/")
    answer = operator.post("/console/lines/pause", {"line": "934567890", "reason": "<b>averiada</b>"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
    page = operator.get("/console/")
    assert "Line 934567890 places no calls until somebody resumes it." in words(page)
    assert "turno: <b>averiada</b>" in words(page)
    assert "<b>averiada" not in page.text
    assert "places no calls until" not in words(operator.get("/console/"))  # it is said once
    assert operator.post("/console/lines/resume", {"line": "934567890"}).status_code == 303
    assert "averiada" not in operator.get("/console/").text


def test_a_line_that_nobody_has_can_not_be_paused(operator: Browser) -> None:
    assert operator.post("/console/lines/pause", {"line": "900"}).status_code == 404
