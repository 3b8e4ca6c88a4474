"""*Oppositions* in the console: noted, looked for, withdrawn and taken away as CSV; each change in the audit log."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.store.audit import AuditFilter, find
from bridge.store.schema import connect
from bridge.web.console.sections import Role
from tests.web.bridge_process import Bridge, running
from tests.web.console.case import CONFIGURATION, Browser, words

PAGE = "/console/oppositions"
ANA = "+34 600 11 12 22"


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with running(tmp_path) as served:
        yield served


def noted(browser: Browser, number: str = "600 111 222") -> str:
    """The reference that is shown once it is noted."""
    browser.get(PAGE)
    assert browser.post(f"{PAGE}/add", {"number": number}).headers["Location"] == PAGE
    reference = re.search(r"Reference (\d{10})", words(browser.get(PAGE)))
    assert reference is not None
    return reference[1]


def test_somebody_opposes_and_may_be_called_again_later(bridge: Bridge, tmp_path: Path) -> None:
    browser = Browser(bridge).sign_in(Role.OPERATOR)
    reference = noted(browser)
    assert noted(browser, "+34600111222") == reference
    noted(browser, "600999888")
    shown = words(browser.get(f"{PAGE}?whose={reference}"))
    assert ANA in shown
    assert "600 99 98 88" not in shown
    assert ANA in words(browser.get(f"{PAGE}?whose=600111222"))
    assert "Nobody opposes under that" in words(browser.get(f"{PAGE}?whose=600000000"))
    rows = list(csv.DictReader(io.StringIO(browser.get(f"{PAGE}.csv").text)))
    assert [row["number"] for row in rows] == ["+34600111222", "+34600999888"]
    browser.get(PAGE)
    browser.post(f"{PAGE}/withdraw", {"reference": reference})
    assert "withdrawn" in words(browser.get(f"{PAGE}?whose={reference}"))
    browser.post(f"{PAGE}/withdraw", {"reference": reference})
    assert "it was withdrawn already" in words(browser.get(PAGE))
    database = connect("sqlite:///bridge.db", tmp_path)
    with database.read() as connection:
        entries = [(entry.action, entry.subject) for entry in find(connection, AuditFilter(who="turno"), 50)]
    database.close()
    assert ("opposition.add", reference) in entries
    assert entries.count(("opposition.withdraw", reference)) == 1
    assert all("600" not in subject or subject.isdigit() for _, subject in entries)


@pytest.mark.parametrize("number", ["", "nobody", "X", "12"])
def test_what_is_no_number_is_said(bridge: Bridge, number: str) -> None:
    browser = Browser(bridge).sign_in(Role.OPERATOR)
    browser.get(PAGE)
    browser.post(f"{PAGE}/add", {"number": number})
    assert "nobody was added" in words(browser.get(PAGE))
    assert browser.post(f"{PAGE}/withdraw", {"reference": "1234567890"}).status_code == 400


def test_a_viewer_sees_no_number_no_reference_and_changes_nothing(bridge: Bridge) -> None:
    reference = noted(Browser(bridge).sign_in(Role.OPERATOR))
    viewer = Browser(bridge).sign_in(Role.VIEWER)
    page = viewer.get(f"{PAGE}?whose=600111222").text
    assert "600 11 12 22" not in page
    assert reference not in page
    assert viewer.post(f"{PAGE}/add", {"number": "600999888"}).status_code == 403
    assert viewer.get(f"{PAGE}.csv").status_code == 403
