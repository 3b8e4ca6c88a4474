"""`check`, `schema` and `urls`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bridge.cli import main
from tests.cli.conftest import CONFIGURATION, Run
from tests.fakes.rest_crm import RestCrm

FAULTY = CONFIGURATION.replace("phones: [phone]", "fones: [phone]").replace("activities.csv", "no/such/activities.csv")
SHOP = """
  shop:
    type: rest
    base_url: %s
    auth: {type: bearer, token: very-secret-token}
    records:
      contact: {search: {path: /customers, params: {phone: "{{ phone.e164 }}"}}, items: data}
"""


def with_shop(config: Path, url: str) -> None:
    config.write_text(CONFIGURATION.replace("\nactivities:", f"{SHOP % url}\nactivities:"), encoding="utf-8")


def test_a_good_configuration_is_said_to_be_good(run: Run, config: Path) -> None:
    said = run("check")
    assert said.code == 0
    assert all(line.startswith("warning: ") for line in said.err.splitlines())
    assert said.out.startswith(f"{config}: good: 1 line, 1 connector, 0 Queries, 1 activity rule, ")


def test_what_is_good_names_the_sources_of_callbacks(run: Run, config: Path) -> None:
    source = 'callbacks:\n  - {name: web, line: "912345678", rule_group: callbacks}\n'
    config.write_text(CONFIGURATION + source, encoding="utf-8")
    assert "1 activity rule, 1 source of callbacks, " in run("check").out


def test_every_fault_is_said_with_its_place_and_exit_1(run: Run, config: Path) -> None:
    config.write_text(FAULTY, encoding="utf-8")
    said = run("check")
    assert (said.code, said.out) == (1, "")
    lines = said.err.splitlines()
    assert any(
        line.startswith(f"{config}:8:") and "connectors.crm.tables.contact.fones" in line and "phones" in line
        for line in lines
    ), said.err
    assert "Traceback" not in said.err


def test_a_file_that_is_not_there_is_one_line(run: Run, config: Path) -> None:
    config.unlink()
    said = run("check")
    assert said.code == 1
    assert len(said.err.splitlines()) == 1
    assert str(config) in said.err


def test_connect_tries_every_connector(run: Run, config: Path) -> None:
    with RestCrm() as crm:
        with_shop(config, crm.url)
        said = run("check", "--connect")
        assert said.code == 0, said
        assert "ok   crm: table contact: 1 row" in said.out
        assert "ok   shop: contact by phone" in said.out
        assert crm.url not in said.out, "requests are shown with --trace alone"


def test_one_that_is_away_is_said_and_the_others_are_tried_all_the_same(run: Run, config: Path) -> None:
    with RestCrm() as crm:
        gone = crm.url
    with_shop(config, gone)
    said = run("check", "--connect")
    assert said.code == 1
    assert "ok   crm: table contact" in said.out
    assert "FAIL shop: " in said.out


def test_trace_shows_requests_and_answers_without_their_secrets(run: Run, config: Path) -> None:
    with RestCrm() as crm:
        crm.auth = "bearer"
        with_shop(config, crm.url)
        said = run("check", "--connect", "--trace")
    assert "GET " in said.out
    assert "/customers" in said.out
    assert "401" in said.out
    assert "very-secret-token" not in said.out + said.err


def test_the_schema_is_one_and_needs_no_configuration(run: Run, config: Path) -> None:
    config.unlink()
    said = run("schema")
    assert said.code == 0
    schema: dict[str, Any] = json.loads(said.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"lines", "queries", "connectors"} <= schema["properties"].keys()


def test_urls_name_the_four_events_and_each_query(run: Run, config: Path) -> None:
    config.write_text(
        f"{CONFIGURATION}\nserver: {{url_key: unguessable-part-of-it}}\nqueries:\n  ECO: {{answer: {{X: '1'}}}}\n",
        encoding="utf-8",
    )
    said = run("urls", "--base", "https://bridge.example.com/")
    urls = [line.split()[-1] for line in said.out.splitlines() if "https://" in line]
    root = "https://bridge.example.com/infocaller/unguessable-part-of-it"
    assert [url.partition("?")[0] for url in urls] == [
        *(f"{root}/event/{event}" for event in ("inicio", "desvio_correcto", "desvio_fallido", "fin")),
        f"{root}/query/ECO",
    ]
    assert "desvio=[_NumDesvio]" in urls[1]
    assert "uuid=[_UUID]" in urls[3]
    assert said.err == ""


def test_urls_that_anyone_can_read_are_warned_of(run: Run) -> None:
    said = run("urls", "--base", "http://bridge.example.com")
    assert said.code == 0
    assert "warning: without https://" in said.err


@pytest.mark.parametrize("arguments", [("check", "--conect"), ("urls",), ("ask",), ("no-such-command",)])
def test_wrong_usage_is_exit_2_and_no_traceback(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
