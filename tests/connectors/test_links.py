"""Where people open records: what a link may be, and what the values in it may not do to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connectors.base import Context, Record
from connectors.csv.connector import CsvConnector
from connectors.csv.options import CsvOptions
from connectors.expression import Template
from connectors.rest import RestConnector, RestOptions
from connectors.urltemplate import LinkTemplate
from tests.connectors.rest_case import section
from tests.fakes.connector import Handheld

CRM = "https://crm.example.com/contacts/{{ record.id }}"


def record(id_: str | None = "12", **fields: object) -> Record:
    return Record("crm", "contact", id_, fields)


def link(source: str, shown: Record) -> str | None:
    return LinkTemplate(source).link({"record": shown})


def test_a_link_is_filled_in() -> None:
    assert link(CRM, record()) == "https://crm.example.com/contacts/12"
    assert link("http://10.0.0.5:8069/web#id={{ record.id }}&model={{ record.type }}", record(type="res.partner")) == (
        "http://10.0.0.5:8069/web#id=12&model=res.partner"
    )
    assert link("https://crm.example.com/", record()) == "https://crm.example.com/"


@pytest.mark.parametrize(
    ("hostile", "written"),
    [
        ("../../admin", "..%2F..%2Fadmin"),
        ("1?delete=1#x", "1%3Fdelete%3D1%23x"),
        ("1&next=https://evil.example", "1%26next%3Dhttps%3A%2F%2Fevil.example"),
        ('"><script>', "%22%3E%3Cscript%3E"),
        ("a b\r\nSet-Cookie: x", "a%20b%0D%0ASet-Cookie%3A%20x"),
        ("00077", "00077"),
        ("ñ€", "%C3%B1%E2%82%AC"),
    ],
)
def test_what_is_filled_in_stays_where_it_is_put(hostile: str, written: str) -> None:
    assert link(CRM, record(hostile)) == f"https://crm.example.com/contacts/{written}"


@pytest.mark.parametrize("id_", [None, "", " ", ".", ".."])
def test_a_record_that_lacks_what_the_link_needs_has_none(id_: str | None) -> None:
    assert link(CRM, record(id_)) is None
    assert link("https://crm.example.com/?id={{ record.id }}", record(id_)) is None
    assert link(CRM.replace(".id", ".number"), record()) is None


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://crm.example.com",
        " data:text/html,x",
        "file:///etc/passwd",
        "//evil.example/x",
        "crm.example.com/12",
        "https:///12",
        "https://",
        "https://crm.example.com\\@evil.example",
        "https://crm.example.com@evil.example/",
        "https://crm.example.com/\nevil",
        "https://crm.example.com/a b",
        "https://crm.example.com/\u202etxt.exe",
        "https://crm.example.com/\x1b]8;;evil",
        'https://crm.example.com/"onclick="x',
        "https://[bad/",
        f"https://crm.example.com/{'x' * 3000}",
        "",
    ],
)
def test_an_address_that_a_crm_keeps_is_a_link_only_if_it_is_one_of_the_web(address: str) -> None:
    assert link("{{ record.url }}", record(url=address)) is None


def test_an_address_that_a_crm_keeps_is_taken_as_it_is() -> None:
    assert link("{{ record.url }}", record(url=" https://crm.example.com/a/12?x=1#y ")) == (
        "https://crm.example.com/a/12?x=1#y"
    )


@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert({{ record.id }})", "ftp://crm.example.com/{{ record.id }}", "/contacts/{{ record.id }}",
        "crm.example.com/{{ record.id }}", "https:///{{ record.id }}", "", "https://crm.example.com/{{ record.id",
        "https://crm.example.com/{% if record %}{% endif %}", "https://crm.example.com/{{ record.id | nosuch }}", 5,
        ["https://crm.example.com"],
    ],
)  # fmt: skip
def test_what_is_no_link_is_refused_when_it_is_read(source: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(LinkTemplate).validate_python(source)


def test_expressions_read_the_link_unless_the_record_has_a_field_of_that_name() -> None:
    opened: list[str | None] = []

    def opens(shown: Record) -> str:
        opened.append(shown.id)
        return f"https://crm.example.com/{shown.id}"

    found = Record("crm", "contact", "12", {"name": "Ana"}, opens=opens)
    assert Template("{{ contact.name }}").render({"contact": found}) == "Ana"
    assert opened == [], "it is worked out for those who ask"
    assert Template("{{ contact.link }}").render({"contact": found}) == "https://crm.example.com/12"
    assert Template("Open {{ contact.link }}!").render({"contact": found}) == "Open https://crm.example.com/12!"
    own = Record("crm", "contact", "12", {"link": "theirs"}, opens=opens)
    assert Template("{{ contact.link }}").render({"contact": own}) == "theirs"
    assert Template("{{ contact.link }}").render({"contact": record()}) == ""
    assert found == Record("crm", "contact", "12", {"name": "Ana"})
    assert "opens" not in repr(found)


def csv(**options: Any) -> CsvConnector:
    given = CsvOptions.model_validate({"type": "csv", **options})
    return CsvConnector("agenda", given, Context(folder=Path("/nowhere")))


def test_a_kind_has_the_connectors_link_unless_it_has_its_own() -> None:
    tables = {
        "contact": {"file": "a.csv", "key": "id"},
        "order": {"file": "b.csv", "key": "id", "link": "https://erp.example.com/{{ record.id }}"},
    }
    connector = csv(link=CRM, tables=tables)
    try:
        assert connector.link(record("7")) == "https://crm.example.com/contacts/7"
        assert connector.link(Record("agenda", "order", "9", {})) == "https://erp.example.com/9"
    finally:
        connector.close()


@pytest.mark.parametrize("options", [{}, {"link": CRM}])
def test_a_connector_says_whether_any_record_has_a_link(options: dict[str, str]) -> None:
    connector = csv(**options)
    try:
        assert connector.links is bool(options)
        assert (connector.link(record()) is not None) is bool(options)
    finally:
        connector.close()
    assert Handheld().links, "it says so itself"


def test_a_rest_link_sees_settings_and_where_the_api_begins() -> None:
    given = section("https://crm.example.com/api/v2", settings={"company": "acme & co"})
    given["link"] = "{{ base_url | replace('/api/v2', '') }}/{{ settings.company }}/{{ record.id }}"
    connector = RestConnector("crm", RestOptions.model_validate(given), Context(folder=Path()))
    try:
        assert connector.link(record()) == "https://crm.example.com/acme%20%26%20co/12"
    finally:
        connector.close()


def test_a_rest_link_needs_the_settings_that_it_names() -> None:
    options = RestOptions.model_validate(section("https://a.example", link="https://b.example/{{ settings.x }}"))
    assert [problem.text for problem in options.problems(Path())] == ["{{ settings.x }} needs x: add it below settings"]


def test_a_link_that_fails_on_a_record_is_none_and_said_in_the_trace() -> None:
    seen: list[str] = []
    options = CsvOptions.model_validate({"type": "csv", "link": "https://a.example/{{ record.id + 1 }}"})
    connector = CsvConnector("agenda", options, Context(folder=Path("/nowhere"), see=seen.append))
    try:
        assert connector.link(record()) is None
        assert seen[0].startswith("no link: {{ record.id + 1 }}: ")
    finally:
        connector.close()
