"""*Connect*: what to paste into the panel, and whether it is called."""

from __future__ import annotations

import re
from html import unescape

from bridge.infocaller.events import PLACEHOLDERS
from tests.waiting import until
from tests.web.bridge_process import Bridge, query, written
from tests.web.console.case import Browser, words


def addresses(page: str) -> dict[str, str]:
    return {id_: unescape(url) for id_, url in re.findall(r'<code id="([a-z]+-\d)">([^<]+)</code>', page)}


def test_the_addresses_are_those_that_the_bridge_answers(console: Bridge, operator: Browser) -> None:
    page = operator.get("/console/connect")
    base = f"http://127.0.0.1:{console.port}/infocaller/unguessable-part-of-the-url"
    shown = addresses(page.text)
    assert list(shown) == ["event-1", "event-2", "event-3", "event-4", "query-1"]
    assert shown["event-1"].startswith(f"{base}/event/inicio?caller={PLACEHOLDERS['caller']}&num=")
    assert shown["query-1"] == f"{base}/query/ECO"
    assert "not called so far" in words(page)


def test_it_says_when_each_was_called_and_its_last_error(console: Bridge, operator: Browser) -> None:
    body, form = written(query())
    assert console.post("query", body, form).status == 200
    wrong, form = written(query(), password="1111")
    assert console.post("query", wrong, form).status == 401
    until(lambda: re.search(r"called line 912345678 today .* error line 912345678 today", _queries(operator)), 60)
    in_spanish = _queries(operator, "es")
    assert " encontrado " in in_spanish
    assert "la firma no es correcta: ¿la contraseña de la línea 912345678 es la del panel?" in in_spanish


def _queries(browser: Browser, language: str = "en") -> str:
    text = browser.get("/console/connect", **{"Accept-Language": language}).text
    return " ".join(re.sub(r"<[^>]*>", " ", text[text.index('id="queries"') :]).split())


def test_a_viewer_sees_no_key(viewer: Browser) -> None:
    page = viewer.get("/console/connect").text
    assert "unguessable" not in page
    assert "/infocaller/•••/query/ECO" in page
