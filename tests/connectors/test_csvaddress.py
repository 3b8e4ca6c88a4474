"""Which addresses tables are fetched from, and what of them is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.csv import address as addresses
from tests.connectors.csvcase import options

ID = "1GrTr1msgUJ_Nx1boZ4d2y2tFPWaWtTNfmCMm2C5NdcQ"
GOOGLE = f"https://docs.google.com/spreadsheets/d/{ID}"
PUBLISHED = "https://docs.google.com/spreadsheets/d/e/2PACX-1vQJNJu3ItvN4gbic"


@pytest.mark.parametrize(
    ("address", "sheet", "fetched"),
    [
        (f"{GOOGLE}/edit?usp=sharing", None, f"{GOOGLE}/export?format=csv"),
        (f"{GOOGLE}/edit?gid=42#gid=42", None, f"{GOOGLE}/export?format=csv&gid=42"),
        (f"{GOOGLE}/edit#gid=42", None, f"{GOOGLE}/export?format=csv&gid=42"),
        (f"{GOOGLE}/", None, f"{GOOGLE}/export?format=csv"),
        (GOOGLE, "Clientes", f"{GOOGLE}/export?format=xlsx"),
        (f"{GOOGLE.replace('/d/', '/u/1/d/')}/edit#gid=0", None, f"{GOOGLE}/export?format=csv&gid=0"),
        (f"{GOOGLE}/edit?resourcekey=0-abc", None, f"{GOOGLE}/export?format=csv&resourcekey=0-abc"),
        (f"{PUBLISHED}/pubhtml?gid=7&single=true", None, f"{PUBLISHED}/pub?output=csv&gid=7&single=true"),
        (f"{PUBLISHED}/pubhtml", "Clientes", f"{PUBLISHED}/pub?output=xlsx"),
        (f"{GOOGLE}/export?format=tsv&gid=3", None, f"{GOOGLE}/export?format=tsv&gid=3"),
        (f"{PUBLISHED}/pub?gid=0&output=csv", None, f"{PUBLISHED}/pub?gid=0&output=csv"),
        ("https://files.example.com/edit#gid=1", None, "https://files.example.com/edit#gid=1"),
    ],
)
def test_a_sheet_of_google_may_be_given_as_the_browser_shows_it(address: str, sheet: str | None, fetched: str) -> None:
    assert addresses.to_fetch(address, sheet) == fetched


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://files.example.com/a.csv", "anybody on the way"),
        ("http://127.0.0.1.example.com/a.csv", "anybody on the way"),
        ("http://10.0.0.7/a.csv", "anybody on the way"),
        ("ftp://files.example.com/a.csv", "begins with https://"),
        ("file:///etc/passwd", "can't be read"),
        ("https:///a.csv", "can't be read"),
        ("https://files.example.com:port/a.csv", "can't be read"),
        ("https://[::1/a.csv", "can't be read"),
        ("https://files.example.com/a b.csv", "can't be read"),
        ("https://files.example.com/a\n.csv", "can't be read"),
    ],
)
def test_what_is_not_fetched_is_said_without_the_address(address: str, said: str, tmp_path: Path) -> None:
    [problem] = options(tables={"contact": {"file": address, "phones": ["phone"]}}).problems(tmp_path)
    assert said in problem.text
    assert "a.csv" not in problem.text
    assert problem.loc == ("tables", "contact", "file")


@pytest.mark.parametrize(
    "address", ["https://files.example.com/a.csv", "http://127.0.0.1:8000/a", "http://localhost/a"]
)
def test_what_is_fetched_needs_no_network_to_be_checked(address: str, tmp_path: Path) -> None:
    checked = options(tables={"contact": {"file": address, "phones": ["phone"], "every": "10s"}})
    assert list(checked.problems(tmp_path)) == []
    assert checked.abilities().by_phone == {"contact"}
    assert checked.abilities().saves == set()


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"tables": {"survey": {"file": "https://a.example/x"}}}, "tables.survey.file"),
        ({"tables": {"a": {"file": "here.csv", "key": "id", "every": "1m"}}}, "tables.a.every"),
        ({"tables": {"a": {"file": "here.csv", "key": "id", "redirects": ["b.example"]}}}, "tables.a.redirects"),
        ({"tables": {"a": {"file": "https://a.example/x", "key": "id", "redirects": ["https://b.example/"]}}},
         "tables.a.redirects.0"),
        ({"tables": {"a": {"file": "https://a.example/x", "key": "id", "redirects": ["*"]}}}, "tables.a.redirects.0"),
        ({"tables": {"a": {"file": "https://a.example/x", "key": "id", "redirects": ["*.com"]}}},
         "tables.a.redirects.0"),
        ({"activities": {"file": "https://a.example/x"}}, "activities.file"),
        ({"tasks": {"file": "https://a.example/x"}}, "tasks.file"),
        ({"tasks": {"file": "here.csv", "results": "https://a.example/x"}}, "tasks.results"),
        ({"tables": {"a": {"file": "https://a.example/x", "key": "id"}}, "ca_file": "none.pem"}, "ca_file"),
    ],
)  # fmt: skip
def test_addresses_stand_where_they_are_only_read(said: dict[str, Any], place: str, tmp_path: Path) -> None:
    (tmp_path / "here.csv").write_text("id,phone\n")
    assert [".".join(map(str, problem.loc)) for problem in options(**said).problems(tmp_path)] == [place]


def test_nobody_is_asked_all_the_time() -> None:
    with pytest.raises(ValueError, match="write 10s or more"):
        options(tables={"a": {"file": "https://a.example/x", "key": "id", "every": "5s"}})


@pytest.mark.parametrize(
    ("before", "after", "hosts", "allowed"),
    [
        (GOOGLE, "https://doc-0s-0k-sheets.googleusercontent.com/export/x", [], True),
        (GOOGLE, "https://doc.googleusercontent.com.evil.example/x", [], False),
        (GOOGLE, "https://googleusercontent.com/x", [], False),
        (GOOGLE, "http://doc-0s.googleusercontent.com/x", [], False),
        (GOOGLE, "https://accounts.google.com/ServiceLogin", [], False),
        ("https://a.example/x", "https://doc-0s.googleusercontent.com/x", [], False),
        ("https://a.example/x", "https://B.example/x", ["b.example"], True),
        ("https://a.example/x", "https://c.b.example/x", ["b.example"], False),
        ("https://a.example/x", "https://c.b.example/x", ["*.B.example"], True),
        ("https://a.example/x", "http://c.b.example/x", ["*.b.example"], False),
        ("http://127.0.0.1:1/x", "http://localhost:2/x", ["localhost"], True),
        ("https://a.example/x", "http://localhost:2/x", ["localhost"], False),
        ("http://127.0.0.1/x", "http://b.example/x", ["b.example"], False),
    ],
)
def test_an_address_leads_to_no_host_but_those_named(before: str, after: str, hosts: list[str], allowed: bool) -> None:
    assert addresses.may_lead(before, after, hosts) is allowed


def test_of_an_address_only_the_host_is_shown() -> None:
    secret = "https://ana:s3cr%3Dt@files.example.com/d/1GrTr1msgUJ_Nx1boZ4d/x.csv?key=K4Y5ECRET&gid=0"
    assert addresses.shown(secret) == "https://files.example.com/…"
    assert addresses.shown("https://[::1/secret") == "https:///…"
    mask = addresses.AddressMask(secret)
    assert mask.url(secret) == "https://files.example.com/…"
    said = mask.text(f"no {secret}, nor /d/1GrTr1msgUJ_Nx1boZ4d/x.csv?key=K4Y5ECRET&gid=0 with s3cr=t or s3cr%3Dt")
    assert not {"1GrTr1", "K4Y5", "s3cr"} & {part for part in ("1GrTr1", "K4Y5", "s3cr") if part in said}
