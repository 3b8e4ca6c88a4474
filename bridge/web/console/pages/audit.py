"""The *audit log*: who changed what, when, and what it was before and after."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Response, request

from bridge.store import audit
from bridge.store.audit import AuditEntry, AuditFilter
from bridge.texts import Text
from bridge.web.console import paging
from bridge.web.console.context import Visit, here, render
from bridge.web.console.sections import ConsoleSection, Role
from connectors.csv.output import cell

section = ConsoleSection("audit", Text("Audit log"), path="audit", order=110, role=Role.ADMIN)
_COLUMNS = ("at", "who", "role", "address", "action", "subject", "before", "after")


@section.page("audit")
def show() -> Response:
    """Show the entries of the audit log, newest first."""
    visit = here()
    criteria = _filter(visit)
    with visit.parts.database.read() as connection:
        entries = audit.find(connection, criteria, paging.SIZE + 1, paging.after_id())
        actions = audit.actions(connection)
    page = paging.page(entries, lambda entry: [entry.id or 0])
    choices = [("", Text("All")), *((action, action) for action in actions)]
    return render("audit/show.html", page=page, actions=choices, changes=changes)


@section.download("audit.csv")
def export() -> Response:
    """All entries of a filter as CSV, newest first."""
    visit = here()
    with visit.parts.database.read() as connection:
        rows = [_row(entry, visit) for entry in audit.export(connection, _filter(visit))]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    name = f"audit-{visit.now.astimezone(visit.zone()):%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(file.getvalue().encode(), content_type="text/csv; charset=utf-8", headers=headers)


def changes(entry: AuditEntry) -> Iterator[tuple[str, str, str]]:
    """Yield what an entry says was changed: the name of a value, what it was, what it is; those that stayed are left
    out."""
    before, after = entry.before or {}, entry.after or {}
    for name in {**before, **after}:
        was, is_now = _shown(before, name), _shown(after, name)
        if was != is_now:
            yield name, was, is_now


def _shown(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(entry: AuditEntry, visit: Visit) -> list[str]:
    at = entry.at.astimezone(visit.zone()).isoformat(timespec="seconds")
    plain = (entry.who, entry.role, entry.address, entry.action, entry.subject, _json(entry.before), _json(entry.after))
    return [at, *map(cell, plain)]


def _json(values: Mapping[str, Any] | None) -> str:
    return "" if values is None else json.dumps(values, ensure_ascii=False)


def _filter(visit: Visit) -> AuditFilter:
    """What is asked for; days of the first line's clock, the last one included."""
    return AuditFilter(
        request.args.get("who", "").strip()[:64], request.args.get("action", "")[:64], _day(visit, "since"),
        _day(visit, "until", timedelta(days=1)),
    )  # fmt: skip


def _day(visit: Visit, name: str, more: timedelta = timedelta()) -> datetime | None:
    """A day of the address, and so much more; None where there is none, or none that is a day."""
    try:
        day = datetime.strptime(request.args.get(name, ""), "%Y-%m-%d") + more
        return day.replace(tzinfo=visit.zone()).astimezone(visit.now.tzinfo)
    except (ValueError, OverflowError):
        return None
