"""The page of reports: which days, as a file, masked for viewers, and whatever the address says."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest

from bridge.store.database import Database
from bridge.store.schema import connect
from tests.reports.conftest import Switchboard
from tests.web.bridge_process import Bridge
from tests.web.console.case import Browser, words
from tests.web.console.filled import HOSTILE

DAYS = "from=2024-02-01&to=2024-02-29"
START = datetime(2024, 2, 14, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(console: Bridge) -> Iterator[Database]:
    """Calls of a February, answered by an extension, a number, and somebody hostile."""
    database = connect("sqlite:///bridge.db", console.configuration.parent)
    board = Switchboard(database)
    board.now = START + timedelta(days=1)
    for minute, who in enumerate(("101", "600123456", HOSTILE)):
        board.call(START + timedelta(minutes=minute), wait=10, by=who)
    board.call(START, rang="101")
    yield database
    database.close()


def test_it_is_shown_in_both_languages(filled: Database, operator: Browser) -> None:
    page = operator.get(f"/console/reports?{DAYS}&lang=en")
    assert page.status_code == 200
    text = words(page)
    assert "2024-02-01 to 2024-02-29" in text
    assert "Received 4 — Answered 3 75.0 % Missed: rang, and nobody answered 1 25.0 %" in text
    assert "600123456" in text
    assert "<script>alert" not in page.text
    assert "{{ 7*7 }}" in text
    assert "Callbacks that ended before" in text
    spanish = words(operator.get(f"/console/reports?{DAYS}&lang=es"))
    assert "Recibidas 4 — Contestadas 3 75,0 %" in spanish
    assert "mié 14/02/2024" in spanish


def test_who_answered_is_masked_for_viewers_in_files_too(filled: Database, viewer: Browser) -> None:
    page = words(viewer.get(f"/console/reports?{DAYS}&lang=en"))
    assert "600123456" not in page
    assert "•••456" in page
    assert "600123456" not in viewer.get(f"/console/reports.csv?{DAYS}").text
    book = openpyxl.load_workbook(io.BytesIO(viewer.get(f"/console/reports.xlsx?{DAYS}&lang=en").content))
    assert "600123456" not in str([[cell.value for cell in row] for sheet in book for row in sheet.iter_rows()])


def test_it_is_taken_away_as_a_file(filled: Database, operator: Browser) -> None:
    answer = operator.get(f"/console/reports.csv?{DAYS}&lang=es")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="infocaller-2024-02-01-2024-02-29.csv"'
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert ["Recibidas", "4", ""] in rows
    assert not any(cell.startswith("=") for row in rows for cell in row)
    answer = operator.get(f"/console/reports.xlsx?{DAYS}&lang=en")
    assert answer.headers["Content-Disposition"].endswith('29.xlsx"')
    assert openpyxl.load_workbook(io.BytesIO(answer.content)).sheetnames[2] == "Calls by day"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("from=2024-03-01&to=2024-02-01", "These days can't be shown: it ends before it begins."),
        ("from=2020-01-01&to=2024-02-01", "These days can't be shown: a report is of 366 days at most."),
        ("from=%00&to=2024-02-31", "These days can't be shown: write a day such as 2026-03-31."),
        ("from=2024-02-31&line=%3Cb%3E", "These days can't be shown: write a day such as 2026-03-31."),
        ("from=9999-12-31&to=9999-12-31", "These days can't be shown: write a year from 1970 to 2999."),
        ("period=none&line=nobody", "This month"),
        ("period=last-week&line=912345678", "Line 912345678"),
        ("from=2024-02-14&to=2024-02-14&line=934567890", "Received 0 —"),
    ],
)
def test_whatever_the_address_says(filled: Database, operator: Browser, address: str, says: str) -> None:
    page = operator.get(f"/console/reports?{address}&lang=en")
    assert page.status_code == 200
    assert says in words(page)
    assert "<b>" not in page.text
    assert operator.get(f"/console/reports.csv?{address}").status_code == 200
