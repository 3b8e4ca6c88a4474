"""Every change is kept, with who made it, and can be taken away as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path

from bridge.store import audit
from bridge.store.audit import AuditEntry, AuditFilter
from bridge.store.schema import connect
from tests.store.made import NOW
from tests.web.bridge_process import Bridge
from tests.web.console.case import Browser, words


def test_a_change_is_kept_with_what_it_was_before(operator: Browser, admin: Browser) -> None:
    operator.get("/console/")
    operator.post("/console/lines/pause", {"line": "912345678", "reason": "=1+1"})
    operator.post("/console/lines/resume", {"line": "912345678"})
    page = words(admin.get("/console/audit?lang=en&action=line.pause&who=turno"))
    assert "turno 127.0.0.1 line.pause 912345678 mode: running → held reason: turno: =1+1" in page
    answer = admin.get("/console/audit.csv?action=line.resume")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    head, newest, *_ = csv.reader(io.StringIO(answer.text))
    assert head == ["at", "who", "role", "address", "action", "subject", "before", "after"]
    assert newest[1:6] == ["turno", "operator", "127.0.0.1", "line.resume", "912345678"]
    assert '"mode": "held"' in newest[6]


def test_what_a_spreadsheet_would_take_for_a_formula_is_guarded(console: Bridge, admin: Browser) -> None:
    database = connect("sqlite:///bridge.db", console.configuration.parent)
    with database.write() as connection:
        audit.add(connection, AuditEntry(NOW, "ana", "test.formula", '=HYPERLINK("http://x")', after={"x": "<b>"}))
    database.close()
    (_, row) = csv.reader(io.StringIO(admin.get("/console/audit.csv?action=test.formula").text))
    assert row[5] == '\'=HYPERLINK("http://x")'
    assert "<b>" not in admin.get("/console/audit?action=test.formula").text


def test_long_lists_are_read_page_by_page_and_a_made_up_page_is_the_first(console: Bridge, admin: Browser) -> None:
    database = connect("sqlite:///bridge.db", console.configuration.parent)
    with database.write() as connection:
        for number in range(120):
            audit.add(connection, AuditEntry(NOW, "ana", "test.many", f"row {number}."))
    database.close()
    seen, address, pages = "", "/console/audit?action=test.many", 0
    while address:
        page = admin.get(address).text
        seen, pages = seen + page, pages + 1
        _, _, link = page.partition('rel="next" href="')
        address = link.partition('"')[0].replace("&amp;", "&")
    assert (pages, [number for number in range(120) if f"row {number}." not in seen]) == (3, [])
    for made_up in ("x", "e30=", "WyJ4Il0=", "W251bGxd", "%00", "W10=" * 500):
        assert "row 119." in admin.get(f"/console/audit?action=test.many&after={made_up}").text


def test_days_that_are_none_and_unknown_people_find_nothing_wrong(admin: Browser) -> None:
    assert admin.get("/console/audit?since=2026-13-45&until=x&who=%00&action=%F0%9F").status_code == 200
    assert "Nothing was changed." in words(admin.get("/console/audit?lang=en&until=1999-12-31"))


def test_old_entries_go(tmp_path: Path) -> None:
    database = connect("sqlite:///bridge.db", tmp_path)
    with database.write() as connection:
        audit.add(connection, AuditEntry(NOW - timedelta(days=400), "ana", "old"))
        audit.add(connection, AuditEntry(NOW, "ana", "new"))
        assert audit.purge(connection, NOW - timedelta(days=365)) == 1
        assert [entry.action for entry in audit.find(connection, AuditFilter(), 10)] == ["new"]
    database.close()
