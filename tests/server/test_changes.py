"""A configuration that changes while somebody still works by the one before."""

from __future__ import annotations

import time
from pathlib import Path

from bridge.config.load import Loaded, load
from bridge.service.composition import Current, Service
from connectors.base import Deadline, LookupQuery
from connectors.phone import parse

CONFIG = """
lines: [{{number: "912345678", password: "3956"}}]
connectors:
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone], encoding: {encoding}}}}}}}
queries:
  QUIEN: {{find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}, answer: {{N: "{{{{ contact.{name} }}}}"}}}}
"""


def _loaded(folder: Path, encoding: str, name: str) -> Loaded:
    (folder / "config.yaml").write_text(CONFIG.format(encoding=encoding, name=name))
    return load(folder / "config.yaml")


def _names(service: Service) -> list[object]:
    query = LookupQuery("contact", phone=parse("600111222", "ES"), limit=int(time.monotonic() * 1000))  # asked anew
    records, _ = service.sources["agenda"].find(query, Deadline.after(20), None)
    return [record.fields["name"] for record in records]


def test_who_is_at_work_keeps_the_connectors_through_two_changes(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n")
    current = Current(Service.open(_loaded(tmp_path, "utf-8", "name")))
    try:
        with current.use() as first:
            current.replace(second := Service.open(_loaded(tmp_path, "utf-8", "phone"), previous=first))
            assert second.sources["agenda"] is first.sources["agenda"]
            current.replace(third := Service.open(_loaded(tmp_path, "latin-1", "phone"), previous=second))
            assert third.sources["agenda"] is not first.sources["agenda"]
            assert _names(first) == ["Ana"]
        assert _names(third) == ["Ana"]
    finally:
        current.close()
